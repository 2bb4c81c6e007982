"""The trend archive: what is written stays, once, whatever happens to process, disk and trends.csv."""

from __future__ import annotations

import errno
import math
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trend_scene import (
    FLOW,
    FRIDAY,
    LEVEL,
    SATURDAY,
    TRENDS,
    VALVE,
    Row,
    bad,
    batch,
    compacted,
    everything,
    good,
    opened,
    record,
    small_disk,
)

from changeover.core.intervals import Intervals
from changeover.core.trend_records import BAD, GOOD, Covered, Samples
from changeover.model.moment import MICROSECOND, SECOND
from changeover.model.trend import Trend, TrendType
from changeover.storage import trend_database
from changeover.storage.trend_archive import Cursor, TrendArchive, TrendArchiveError
from changeover.storage.trend_days import DAY

HOUR = 3600 * SECOND


def in_time(row: Row) -> tuple[int, str]:
    return row[1], row[0].lower()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trends"


def test_what_is_appended_is_there_after_a_restart(folder: Path) -> None:
    rows = [*good("Level", FRIDAY, SECOND, 1, 2.5, -3), bad("Level", FRIDAY + 3 * SECOND)]
    rows += good("Valve", FRIDAY + 500 * MICROSECOND, 1, math.inf)
    first = opened(folder)
    record(first, rows, Covered("PLC1", FRIDAY, FRIDAY + 4 * SECOND))
    first.close()
    again = opened(folder)
    assert sorted(everything(again)) == sorted(rows)
    assert again.coverage() == {"PLC1": Intervals(((FRIDAY, FRIDAY + 4 * SECOND),))}
    again.close()


def test_times_are_kept_to_the_microsecond(folder: Path) -> None:
    archive = opened(folder)
    record(archive, [("Valve", FRIDAY + 1_999, 1.0, GOOD)])
    assert archive.merge(batch([("Valve", FRIDAY + 1_000, 1.0, GOOD)]), ()) == 0
    assert everything(archive) == [("Valve", FRIDAY + 1_000, 1.0, GOOD)]
    archive.close()


def test_an_empty_batch_may_carry_coverage(folder: Path) -> None:
    archive = opened(folder)
    record(archive, [], Covered("PLC2", 5, 10), Covered("PLC2", 10, 12), Covered("PLC2", 3, 3))
    assert archive.coverage() == {"PLC2": Intervals(((5, 12),))}
    assert everything(archive) == []
    archive.close()


def test_a_merge_adds_only_what_is_not_there(folder: Path) -> None:
    archive = opened(folder)
    record(archive, good("Level", FRIDAY, SECOND, 1, 2))
    partners = [*good("Level", FRIDAY, SECOND, 9, 9, 3), *good("Flow", FRIDAY, SECOND, 4)]
    assert archive.merge(batch(partners), ()) == 2
    assert archive.merge(batch(partners), ()) == 0
    assert [value for _, _, value, _ in everything(archive)] == [4, 1, 2, 3]
    archive.close()


@pytest.mark.parametrize("is_compacted", [False, True])
def test_good_beats_bad_and_nothing_beats_good(folder: Path, is_compacted: bool) -> None:
    archive = opened(folder)
    record(archive, [bad("Level", FRIDAY), *good("Level", FRIDAY + SECOND, 1, 7)])
    if is_compacted:
        compacted(archive, FRIDAY + 2 * DAY)
    partners = batch([*good("Level", FRIDAY, 1, 5), bad("Level", FRIDAY + SECOND)])
    assert archive.merge(partners, ()) == 1
    assert archive.merge(partners, ()) == 0
    better = [*good("Level", FRIDAY, 1, 5), *good("Level", FRIDAY + SECOND, 1, 7)]
    assert everything(archive) == better
    compacted(archive, FRIDAY + 2 * DAY)
    assert everything(archive) == better
    assert archive.merge(partners, ()) == 0
    archive.close()


def test_a_batch_may_tell_of_a_sample_twice(folder: Path) -> None:
    archive = opened(folder)
    twice = [bad("Level", FRIDAY), *good("Level", FRIDAY, 1, 5), bad("Level", FRIDAY)]
    assert archive.merge(batch(twice), ()) == 1
    assert everything(archive) == good("Level", FRIDAY, 1, 5)
    archive.close()


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["Level", "Flow", "Stranger"]),
        st.integers(-3, 3).map(lambda offset: SATURDAY + offset * SECOND),
        st.sampled_from([GOOD, BAD]),
    ),
    max_size=12,
)
STEPS = st.lists(st.one_of(ROWS, st.sampled_from(["compact", "restart"])), max_size=8)


@settings(max_examples=30, deadline=None)
@given(STEPS)
def test_the_archive_holds_the_first_of_the_best(steps: list[str | list[tuple[str, int, int]]]) -> None:
    """Whatever comes in which order, each sample is there once: good before bad, then first come."""
    held: dict[tuple[str, int], Row] = {}
    number = 0.0
    with tempfile.TemporaryDirectory() as name:
        archive = opened(Path(name))
        for step in steps:
            if step == "compact":
                compacted(archive, SATURDAY + 3 * DAY)
            elif step == "restart":
                archive.close()
                archive = opened(Path(name))
            else:
                rows: list[Row] = []
                for tag, utc, quality in step:
                    number += 1
                    rows.append((tag, utc, number if quality == GOOD else None, quality))
                # Of two in one batch either may stay: here each is told once.
                rows = list(
                    {
                        (tag, utc, quality): (tag, utc, value, quality) for tag, utc, value, quality in rows
                    }.values()
                )
                new = 0
                best = {row[:2]: row for row in sorted(rows, key=lambda row: -row[3])}
                for key, row in best.items():
                    if key not in held or held[key][3] > row[3]:
                        held[key] = row
                        new += 1
                assert archive.merge(batch(rows), ()) == new
        found = everything(archive, ["Level", "Flow", "Stranger"], limit=3)
        archive.close()
    assert found == sorted(held.values(), key=in_time)


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from trend_scene import FRIDAY, good, opened, record
from changeover.core.trend_records import Covered
from changeover.model.moment import SECOND
archive = opened(Path(sys.argv[1]))
for n in range(1_000_000):
    at = FRIDAY + n * SECOND
    record(archive, good("Level", at, 1, n) + good("Flow", at, 1, n), Covered("PLC1", at, at + SECOND))
    print(n, flush=True)
"""


def test_a_killed_process_loses_nothing_that_it_had_written(folder: Path) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    for line in writer.stdout:
        if int(line) == 50:
            writer.send_signal(signal.SIGKILL)
            break
    told = [50, *(int(line) for line in writer.stdout if line.endswith("\n"))]
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    archive = opened(folder)
    rows = everything(archive)
    count = len(rows) // 2
    assert count > told[-1]
    at = [FRIDAY + n * SECOND for n in range(count)]
    assert rows == [(tag, utc, float(n), GOOD) for n, utc in enumerate(at) for tag in ("Flow", "Level")]
    assert archive.coverage() == {"PLC1": Intervals(((FRIDAY, FRIDAY + count * SECOND),))}
    archive.close()


def test_a_second_process_is_told_what_to_do(folder: Path) -> None:
    archive = opened(folder)
    script = (
        "import sys; from pathlib import Path; from changeover.storage.trend_archive import TrendArchive\n"
        "TrendArchive(Path(sys.argv[1]), (), {}, 0)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, text=True)
    assert "TrendArchiveError: " in done.stderr
    assert "only one process can have the archive open" in done.stderr
    record(archive, good("Level", FRIDAY, 1, 1))
    archive.close()


@pytest.mark.parametrize("content", [b"no database " * 1000, b"SQLite format 3\0" + bytes(8192), b"x"])
def test_a_foreign_file_is_not_touched(folder: Path, content: bytes) -> None:
    folder.mkdir()
    path = folder / "trends.duckdb"
    path.write_bytes(content)
    with pytest.raises(TrendArchiveError, match=r"move trends\.duckdb"):
        opened(folder)
    assert path.read_bytes() == content


def test_a_database_of_someone_else_is_not_touched(folder: Path) -> None:
    folder.mkdir()
    with duckdb.connect(folder / "trends.duckdb") as connection:
        connection.execute("CREATE TABLE stock (item VARCHAR)")
    with pytest.raises(TrendArchiveError, match="no trend archive"):
        opened(folder)


def test_a_later_format_is_not_touched(folder: Path) -> None:
    opened(folder).close()
    with duckdb.connect(folder / "trends.duckdb") as connection:
        connection.execute("UPDATE archive SET format = 99")
    with pytest.raises(TrendArchiveError, match=r"has format \[99\], this version reads"):
        opened(folder)


def test_a_damaged_file_is_told(folder: Path) -> None:
    archive = opened(folder)
    record(archive, good("Level", FRIDAY, SECOND, *range(5000)))
    archive.close()
    path = folder / "trends.duckdb"
    content = bytearray(path.read_bytes())
    content[12_288:] = bytes(len(content) - 12_288)
    path.write_bytes(content)
    with pytest.raises(TrendArchiveError, match=r"Corrupt.*move trends\.duckdb"):
        opened(folder)


def test_a_file_that_never_got_any_content_is_made_anew(folder: Path) -> None:
    folder.mkdir()
    (folder / "trends.duckdb").touch()
    archive = opened(folder)
    record(archive, good("Level", FRIDAY, 1, 1))
    archive.close()


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrendArchiveError, match="Not a directory"):
        opened(tmp_path / "file" / "trends")


def noise(second: int) -> Samples:
    """A second of 10,000 tags, with values that no compression makes smaller."""
    count = 10_000
    values = np.random.default_rng(second).normal(size=count)
    return Samples(
        tuple(f"T{n:05}" for n in range(count)),
        np.arange(count, dtype="<i4").tobytes(),
        np.full(count, FRIDAY + second * SECOND, "<i8").tobytes(),
        values.astype("<f8").tobytes(),
        bytes(count),
    )


def held(archive: TrendArchive) -> list[tuple[int, float]]:
    """How many samples of each second the archive has, and their sum."""
    tags = noise(0).tags
    counts: dict[int, list[float]] = {}
    after: Cursor | None = None
    while True:
        samples, after = archive.export(tags, 0, SATURDAY, 100_000, after)
        for at, value in zip(np.frombuffer(samples.utc, "<i8"), np.frombuffer(samples.values), strict=True):
            counts.setdefault(int(at), []).append(float(value))
        if after is None:
            return [(len(values), math.fsum(values)) for _, values in sorted(counts.items())]


def test_a_full_disk_costs_what_comes_and_nothing_that_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        archive = opened(disk / "trends")
        (disk / "ballast").write_bytes(bytes(8_000_000))
        refused = []
        second = 0
        while len(refused) < 5:
            try:
                archive.append(noise(second), [Covered("PLC1", second, second + 1)])
            except TrendArchiveError as error:
                assert "No space left" in str(error) and "make room" in str(error)
                refused.append(second)
            second += 1
        assert second > 50
        (disk / "ballast").unlink()
        (spans,) = archive.coverage().values()
        assert spans.total == second - len(refused)
        assert archive.merge(noise(0), ()) == 0
        for late in refused:
            archive.append(noise(late), [Covered("PLC1", late, late + 1)])
            archive.append(noise(late), ())
        expected = [(10_000, math.fsum(np.frombuffer(noise(n).values))) for n in range(second)]
        assert held(archive) == expected
        archive.close()
        again = opened(disk / "trends")
        assert held(again) == expected
        assert again.coverage() == {"PLC1": Intervals(((0, second),))}
        again.close()


def test_a_batch_that_was_written_and_ended_in_an_error_may_be_repeated(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    archive = opened(folder)
    rows = good("New", FRIDAY, SECOND, 1, 2)
    with monkeypatch.context() as patched:
        patched.setattr(trend_database, "sync_file", fail)
        # A new write-ahead log has a name that is not on disk yet.
        archive._database._log = (0, 0)
        with pytest.raises(TrendArchiveError, match="Input/output error"):
            record(archive, rows, Covered("PLC1", FRIDAY, SATURDAY))
    assert archive.coverage() == {"PLC1": Intervals(((FRIDAY, SATURDAY),))}
    assert archive.merge(batch(rows), ()) == 0
    more = good("Newer", FRIDAY, SECOND, 3)
    assert archive.merge(batch(more), ()) == 1
    assert everything(archive, ["New", "Newer"]) == sorted(rows + more, key=in_time)
    archive.close()


def test_coverage_is_compact_on_disk(folder: Path) -> None:
    archive = opened(folder)
    for second in range(12):
        spans = [
            Covered("PLC1", n * SECOND, n * SECOND + SECOND)
            for n in range(1000 * second, 1000 * (second + 1))
        ]
        archive.append(batch([]), spans)
    archive.close()
    with duckdb.connect(folder / "trends.duckdb") as connection:
        (rows,) = connection.execute("SELECT count(*) FROM coverage").fetchall()[0]
    assert rows < 12_000
    again = opened(folder)
    assert again.coverage() == {"PLC1": Intervals(((0, 12_000 * SECOND),))}
    again.close()


def test_trends_come_and_go_and_no_sample_is_lost(folder: Path) -> None:
    rows = good("Level", FRIDAY, SECOND, 1, 2) + good("Flow", FRIDAY, 10 * SECOND, 3)
    first = opened(folder)
    record(first, rows)
    first.close()
    added = Trend("Added", TrendType.PERIODIC, SECOND)
    without = opened(folder, (VALVE, added), FRIDAY + HOUR)
    later = good("Added", FRIDAY + HOUR, SECOND, 7)
    record(without, later)
    assert list(without.raw("Level", 0, SATURDAY, 10).values) == [1, 2]
    compacted(without, SATURDAY + DAY)
    without.close()
    back = opened(folder, (*TRENDS, added), SATURDAY)
    names = ("Level", "Flow", "Valve", "Added")
    assert sorted(everything(back, names)) == sorted(rows + later)
    back.close()


def test_a_tag_written_otherwise_is_the_same_tag(folder: Path) -> None:
    first = opened(folder)
    record(first, good("Level", FRIDAY, SECOND, 1))
    compacted(first, SATURDAY + DAY)
    first.close()
    again = opened(folder, (replace(LEVEL, tag="LEVEL"),), SATURDAY)
    assert again.merge(batch(good("LEVEL", FRIDAY, SECOND, 1, 2)), ()) == 1
    assert list(again.raw("level", 0, SATURDAY, 10).values) == [1, 2]
    assert everything(again, ["LEVEL"]) == good("LEVEL", FRIDAY, SECOND, 1, 2)
    again.close()


def test_day_files_outlive_a_database_that_was_moved_away(folder: Path) -> None:
    rows = good("Level", FRIDAY, SECOND, 1, 2)
    first = opened(folder)
    record(first, rows, Covered("PLC1", FRIDAY, FRIDAY + 2 * SECOND))
    compacted(first, SATURDAY + DAY)
    first.close()
    (folder / "trends.duckdb").unlink()
    again = opened(folder, (FLOW,), SATURDAY)
    assert everything(again) == rows
    assert again.coverage() == {}, "the partner is asked for all of it"
    assert again.merge(batch(rows), ()) == 0
    again.close()


def test_a_day_file_that_was_moved_away_is_lacking(folder: Path) -> None:
    first = opened(folder)
    rows = good("Level", SATURDAY - SECOND, SECOND, 1, 2)
    record(first, rows, Covered("PLC1", SATURDAY - 9 * SECOND, SATURDAY + 9 * SECOND))
    compacted(first, SATURDAY + DAY)
    first.close()
    (folder / "samples-2025-11-21.parquet").unlink()
    again = opened(folder)
    assert again.coverage() == {"PLC1": Intervals(((SATURDAY, SATURDAY + 9 * SECOND),))}
    assert again.merge(batch(rows), [Covered("PLC1", FRIDAY, SATURDAY)]) == 1
    compacted(again, SATURDAY + DAY)
    again.close()
    once_more = opened(folder)
    assert once_more.coverage() == {"PLC1": Intervals(((FRIDAY, SATURDAY + 9 * SECOND),))}
    assert everything(once_more) == rows
    once_more.close()


def test_a_damaged_day_file_is_told_and_the_rest_works(folder: Path) -> None:
    archive = opened(folder)
    record(archive, good("Level", FRIDAY, SECOND, 1))
    compacted(archive, SATURDAY + DAY)
    (folder / "samples-2025-11-21.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(TrendArchiveError, match=r"samples-2025-11-21\.parquet.*move that file away"):
        archive.raw("Level", FRIDAY, SATURDAY, 10)
    record(archive, good("Level", SATURDAY, SECOND, 2))
    assert list(archive.raw("Level", SATURDAY, SATURDAY + DAY, 10).values) == [2]
    archive.close()


@pytest.mark.parametrize("how", ["empty", "another day"])
def test_a_day_file_that_cannot_be_used_is_set_aside_and_lacking(folder: Path, how: str) -> None:
    first = opened(folder)
    rows = good("Level", FRIDAY, SECOND, 1, 2) + good("Level", SATURDAY, SECOND, 3)
    record(first, rows, Covered("PLC1", FRIDAY, SATURDAY + SECOND))
    compacted(first, SATURDAY + 2 * DAY)
    first.close()
    friday, saturday = (folder / f"samples-2025-11-{day}.parquet" for day in (21, 22))
    friday.write_bytes(b"" if how == "empty" else saturday.read_bytes())
    again = opened(folder)
    (told,) = again.damaged
    assert told.startswith(f"{friday}.damaged: ")
    assert not friday.exists()
    assert again.coverage() == {"PLC1": Intervals(((SATURDAY, SATURDAY + SECOND),))}
    assert everything(again) == rows[2:]
    assert again.merge(batch(rows), [Covered("PLC1", FRIDAY, SATURDAY)]) == 2
    assert everything(again) == rows
    again.close()


@pytest.mark.parametrize(
    "broken",
    [
        Samples(("Level",), b"\0\0\0\0", b"", b"\0" * 8, b"\0"),
        Samples(("Level",), b"\0\0\0", b"\0" * 8, b"\0" * 8, b"\0"),
        Samples((), b"\0\0\0\0", b"\0" * 8, b"\0" * 8, b"\0"),
        Samples(("Level",), b"\1\0\0\0", b"\0" * 8, b"\0" * 8, b"\0"),
        Samples(("Level",), b"\xff\xff\xff\xff", b"\0" * 8, b"\0" * 8, b"\0"),
    ],
)
def test_a_damaged_batch_is_refused(folder: Path, broken: Samples) -> None:
    archive = opened(folder)
    with pytest.raises(TrendArchiveError, match="damaged"):
        archive.merge(broken, ())
    assert everything(archive) == []
    archive.close()
