"""Days that are over become Parquet files, what was kept long enough goes: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import pytest
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
    expired,
    good,
    opened,
    record,
    small_disk,
)

from changeover.core.trend_records import GOOD, Samples
from changeover.model.moment import SECOND
from changeover.storage.trend_archive import TrendArchive, TrendArchiveError
from changeover.storage.trend_compaction import SETTLING
from changeover.storage.trend_days import DAY

SUNDAY = SATURDAY + DAY
FRIDAYS = [
    *good("Level", FRIDAY, SECOND, 1, 2, 3),
    *good("Flow", FRIDAY, 10 * SECOND, 4, 5),
    bad("Valve", FRIDAY),
]
SATURDAYS = good("Level", SATURDAY, SECOND, 6, 7)
FRIDAYS_FILE = "samples-2025-11-21.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trends"


def in_order(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row[1], row[0].lower()))


def day_files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("trends.duckdb"))


def tables(folder: Path) -> set[str]:
    """The tables of an archive that is closed."""
    with duckdb.connect(folder / "trends.duckdb") as connection:
        rows = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    return {name for (name,) in rows if name.startswith("samples")}


def begin(archive: TrendArchive) -> None:
    """Have the next day's file begun; the first call only sees that no samples come any more."""
    assert archive.compact(SUNDAY)
    assert archive.compact(SUNDAY)


def test_a_day_is_compacted_when_it_has_settled(folder: Path) -> None:
    archive = opened(folder)
    record(archive, FRIDAYS + SATURDAYS)
    compacted(archive, SATURDAY + SETTLING - 1)
    assert day_files(folder) == []
    compacted(archive, SATURDAY + SETTLING)
    assert day_files(folder) == [FRIDAYS_FILE]
    assert everything(archive) == in_order(FRIDAYS + SATURDAYS)
    archive.close()
    assert tables(folder) == {"samples_2025_11_22"}
    again = opened(folder)
    assert everything(again) == in_order(FRIDAYS + SATURDAYS)
    again.close()


def test_any_tool_reads_a_day(folder: Path) -> None:
    archive = opened(folder)
    record(archive, FRIDAYS)
    compacted(archive, SUNDAY)
    archive.close()
    path = str(folder / FRIDAYS_FILE)
    with duckdb.connect() as tool:
        schema = tool.execute("SELECT name, type, logical_type FROM parquet_schema(?)", [path]).fetchall()[1:]
        rows = tool.execute(
            "SELECT tag, epoch_us(utc) * 1000, value, quality FROM read_parquet(?)", [path]
        ).fetchall()
    assert [(name, kind) for name, kind, _ in schema] == [
        ("tag", "BYTE_ARRAY"), ("utc", "INT64"), ("value", "DOUBLE"), ("quality", "INT32")
    ]  # fmt: skip
    assert "isAdjustedToUTC=1" in schema[1][2] and "MicroSeconds" in schema[1][2]
    assert rows == sorted(FRIDAYS, key=lambda row: row[:2]), "sorted by tag and time"


def test_one_tag_is_in_few_row_groups(folder: Path) -> None:
    """A reader skips the row groups that say that they do not have the tag."""
    tags, seconds = 50, 6_000
    order = np.random.default_rng(1).permutation(tags * seconds)
    archive = opened(folder, ())
    archive.append(
        Samples(
            tuple(f"T{n * 7 % tags:02}" for n in range(tags)),
            (order % tags).astype("<i4").tobytes(),
            (FRIDAY + order // tags * SECOND).astype("<i8").tobytes(),
            order.astype("<f8").tobytes(),
            bytes(len(order)),
        ),
        (),
    )
    compacted(archive, SUNDAY)
    archive.close()
    path = str(folder / FRIDAYS_FILE)
    with duckdb.connect() as tool:
        groups = tool.execute(
            "SELECT stats_min_value, stats_max_value FROM parquet_metadata(?) WHERE path_in_schema = 'tag' "
            "ORDER BY row_group_id",
            [path],
        ).fetchall()
        rows = tool.execute("SELECT tag, epoch_us(utc) AS utc FROM read_parquet(?)", [path]).fetchnumpy()
    assert len(groups) == 3
    assert all(last <= first for (_, last), (first, _) in pairwise(groups))
    assert list(zip(rows["tag"], rows["utc"], strict=True)) == sorted(
        zip(rows["tag"], rows["utc"], strict=True)
    )
    assert len(rows["tag"]) == len(order)


def test_late_samples_go_into_a_day_that_was_compacted(folder: Path) -> None:
    archive = opened(folder)
    record(archive, FRIDAYS)
    compacted(archive, SUNDAY)
    late = [
        *good("Level", FRIDAY, SECOND, 9, 9, 9, 10),
        *good("Valve", FRIDAY, 1, 11),
        *good("New", FRIDAY, 1, 12),
    ]
    assert archive.merge(batch(late), ()) == 3
    names = ("Level", "Flow", "Valve", "New")
    expected = in_order(
        [row for row in FRIDAYS if row[0] != "Valve"]
        + [("Level", FRIDAY + 3 * SECOND, 10, GOOD), ("Valve", FRIDAY, 11, GOOD), ("New", FRIDAY, 12, GOOD)]
    )
    assert everything(archive, names) == expected
    assert list(archive.raw("Valve", FRIDAY, SATURDAY, 9).values) == [11]
    compacted(archive, SUNDAY)
    assert everything(archive, names) == expected
    archive.close()
    assert tables(folder) == set()


def test_samples_that_come_while_a_day_is_written_are_not_lost(folder: Path) -> None:
    archive = opened(folder)
    record(archive, FRIDAYS)
    begin(archive)
    late = good("Level", FRIDAY + 60 * SECOND, SECOND, 8)
    assert archive.merge(batch(late), ()) == 1
    archive.wait()
    assert archive.compact(SUNDAY), "the file lacks what came, so the day is due again"
    assert day_files(folder) == []
    compacted(archive, SUNDAY)
    assert day_files(folder) == [FRIDAYS_FILE]
    assert everything(archive) == in_order(FRIDAYS + late)
    archive.close()
    assert tables(folder) == set()


def test_a_day_of_which_samples_come_is_left_alone(folder: Path) -> None:
    archive = opened(folder)
    for n in range(3):
        record(archive, good("Level", FRIDAY + n * SECOND, SECOND, 1))
        assert archive.compact(SUNDAY)
        archive.wait()
        assert day_files(folder) == []
    compacted(archive, SUNDAY)
    assert day_files(folder) == [FRIDAYS_FILE]
    archive.close()


def test_closing_gives_up_a_file_under_way(folder: Path) -> None:
    archive = opened(folder)
    record(archive, good("Level", FRIDAY, SECOND, *range(80_000)))
    begin(archive)
    archive.close()
    assert day_files(folder) == []
    again = opened(folder)
    assert len(everything(again)) == 80_000
    again.close()


CRASH = """
import os, sys
from contextlib import contextmanager
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from trend_scene import TRENDS, compacted, expired, opened
from changeover.storage import trend_compaction, trend_database, trend_days

def end(*_, **__):
    os._exit(7)

@contextmanager
def uncommitted(self):
    with self.reading() as connection:
        connection.begin()
        yield connection
        end()

archive = opened(Path(sys.argv[1]))
match sys.argv[2]:
    case "file written":
        trend_compaction.sync_file = end
    case "file on disk":
        trend_days.DayFiles.publish = end
    case "file named":
        trend_days.sync_file = end
    case "name on disk":
        trend_compaction.TrendCompaction._forget_table = end
    case "table dropped":
        trend_database.TrendDatabase.transaction = uncommitted
    case "all done":
        trend_database.TrendDatabase._sync_names = end
compacted(archive, int(sys.argv[4]))
"""
STEPS = ("file written", "file on disk", "file named", "name on disk", "table dropped", "all done")


def crash(folder: Path, step: str) -> None:
    here = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", CRASH, str(folder), step, here, str(SUNDAY)], capture_output=True
    )
    assert done.returncode == 7, done.stderr.decode()


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_a_compaction_loses_and_doubles_nothing(folder: Path, step: str) -> None:
    """A first compaction, then one of late samples, each ended by a crash."""
    archive = opened(folder)
    record(archive, FRIDAYS)
    archive.close()
    rows = list(FRIDAYS)
    for late in (
        [],
        [*good("Level", FRIDAY + 60 * SECOND, SECOND, 8, 9), *good("Flow", FRIDAY - DAY, SECOND, 1)],
    ):
        archive = opened(folder)
        archive.merge(batch(late), ())
        archive.close()
        crash(folder, step)
        rows += late
        again = opened(folder)
        assert [name for name in day_files(folder) if name.endswith(".part")] == []
        assert everything(again) == in_order(rows)
        assert again.merge(batch(rows), ()) == 0
        assert len(again.raw("Level", 0, SUNDAY, 100)) == sum(tag == "Level" for tag, *_ in rows)
        compacted(again, SUNDAY)
        assert everything(again) == in_order(rows)
        assert again.merge(batch(rows), ()) == 0
        again.close()
        assert tables(folder) == set()
        assert [name for name in day_files(folder) if name.endswith(".part")] == []


def test_a_day_that_finds_no_room_is_compacted_later(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        archive = opened(disk / "trends")
        record(archive, [("Level", FRIDAY + n * SECOND, math.sin(n * n), GOOD) for n in range(20_000)])
        rows = everything(archive)
        with (disk / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(bytes(4096)):
                pass
        begin(archive)
        archive.wait()
        with pytest.raises(TrendArchiveError, match=r"No space left.*make room"):
            archive.compact(SUNDAY)
        assert everything(archive) == rows
        assert day_files(disk / "trends") == []
        (disk / "ballast").unlink()
        compacted(archive, SUNDAY)
        assert day_files(disk / "trends") == [FRIDAYS_FILE]
        assert everything(archive) == rows
        archive.close()


LIMITED = (replace(LEVEL, retention=2 * DAY), replace(FLOW, retention=4 * DAY), VALVE)
"""Friday's samples of Level are due on Monday, Saturday's on Tuesday, Friday's of Flow on Wednesday."""
MONDAY, TUESDAY, WEDNESDAY = SUNDAY + DAY, SUNDAY + 2 * DAY, SUNDAY + 3 * DAY


@pytest.mark.parametrize("is_compacted", [False, True])
def test_each_trend_is_kept_for_its_retention(folder: Path, is_compacted: bool) -> None:
    archive = opened(folder, LIMITED)
    record(archive, FRIDAYS + SATURDAYS)
    if is_compacted:
        compacted(archive, SUNDAY + SETTLING)
        assert len(day_files(folder)) == 2
    expired(archive, MONDAY - 1)
    assert everything(archive) == in_order(FRIDAYS + SATURDAYS)
    but_level = [row for row in FRIDAYS if row[0] != "Level"]
    expired(archive, MONDAY)
    assert everything(archive) == in_order(but_level + SATURDAYS)
    expired(archive, TUESDAY)
    assert everything(archive) == in_order(but_level)
    assert not archive.expire(TUESDAY)
    expired(archive, WEDNESDAY)
    for_ever = [row for row in FRIDAYS if row[0] == "Valve"]
    assert everything(archive) == for_ever
    archive.close()
    again = opened(folder, LIMITED)
    expired(again, SUNDAY + 400 * DAY)
    assert everything(again) == for_ever
    assert day_files(folder) == ([FRIDAYS_FILE] if is_compacted else [])
    again.close()


def test_what_is_old_when_a_day_is_compacted_does_not_get_into_its_file(folder: Path) -> None:
    archive = opened(folder, (replace(LEVEL, retention=DAY), FLOW, VALVE))
    record(archive, SATURDAYS)
    compacted(archive, SUNDAY + 9 * DAY)
    assert day_files(folder) == []
    assert everything(archive) == []
    archive.close()
    assert tables(folder) == set()


def test_trends_that_are_gone_are_kept_for_ever(folder: Path) -> None:
    first = opened(folder, LIMITED)
    record(first, FRIDAYS)
    first.close()
    again = opened(folder, ())
    compacted(again, SUNDAY)
    expired(again, SUNDAY + 1000 * DAY)
    assert everything(again) == in_order(FRIDAYS)
    again.close()


def test_samples_that_come_while_a_day_expires_are_not_lost(folder: Path) -> None:
    archive = opened(folder, LIMITED)
    record(archive, FRIDAYS)
    compacted(archive, SUNDAY)
    assert archive.expire(MONDAY)
    late = good("Flow", FRIDAY + 60 * SECOND, SECOND, 8)
    assert archive.merge(batch(late), ()) == 1
    archive.wait()
    expired(archive, MONDAY)
    rows = in_order([row for row in FRIDAYS if row[0] != "Level"] + late)
    assert everything(archive) == rows
    compacted(archive, MONDAY)
    archive.close()
    assert tables(folder) == set()
    again = opened(folder, TRENDS)
    assert everything(again) == rows
    again.close()
