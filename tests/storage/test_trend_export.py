"""What a partner is given: everything, in order, in bounded batches, whatever happens in between."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trend_scene import (
    FRIDAY,
    SATURDAY,
    Row,
    bad,
    batch,
    compacted,
    everything,
    good,
    opened,
    record,
    rows_of,
)

from changeover.core.trend_records import GOOD, Covered
from changeover.model.moment import SECOND
from changeover.storage import trend_stretch
from changeover.storage.trend_archive import Cursor, TrendArchive
from changeover.storage.trend_days import DAY

SUNDAY = SATURDAY + DAY
ROWS = [
    *good("Level", SATURDAY - 3 * SECOND, SECOND, 1, 2, 3, 4, 5),
    *good("Flow", SATURDAY - 2 * SECOND, SECOND, 6, 7, 8),
    bad("Valve", SATURDAY - 3 * SECOND),
]
IN_ORDER = sorted(ROWS, key=lambda row: (row[1], row[0].lower()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "trends"


def exported(
    archive: TrendArchive, tags: list[str], start: int, end: int, limit: int
) -> tuple[list[list[Row]], list[Cursor]]:
    """All batches, and the cursors between them."""
    batches: list[list[Row]] = []
    cursors: list[Cursor] = []
    after: Cursor | None = None
    while True:
        samples, after = archive.export(tags, start, end, limit, after)
        batches.append(rows_of(samples))
        if after is None:
            return batches, cursors
        cursors.append(after)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_batches_are_bounded_and_complete(folder: Path, limit: int) -> None:
    archive = opened(folder)
    record(archive, ROWS)
    for is_compacted in (False, True):
        if is_compacted:
            compacted(archive, SUNDAY)
        batches, cursors = exported(archive, ["Valve", "Level", "Flow"], FRIDAY, SUNDAY, limit)
        assert [row for rows in batches for row in rows] == IN_ORDER
        assert all(len(rows) <= limit for rows in batches)
        assert cursors == sorted(set(cursors))
        given_rows = 0
        for rows, (utc, tag) in zip(batches, cursors, strict=False):
            given_rows += len(rows)
            assert given_rows == sum((at, name.lower()) <= (utc, tag.lower()) for name, at, *_ in ROWS)
    archive.close()


def test_only_what_was_asked_for_is_given(folder: Path) -> None:
    archive = opened(folder)
    record(archive, ROWS)
    start, end = SATURDAY - 2 * SECOND, SATURDAY + 1
    batches, _ = exported(archive, ["Level", "Nothing"], start, end, 100)
    assert [row for rows in batches for row in rows] == good("Level", start, SECOND, 2, 3, 4)
    assert exported(archive, [], FRIDAY, SUNDAY, 100)[0] == [[]]
    assert exported(archive, ["Level"], SUNDAY, SUNDAY + DAY, 100)[0] == [[]]
    archive.close()


def test_tags_are_named_as_they_were_asked_for(folder: Path) -> None:
    archive = opened(folder)
    record(archive, ROWS)
    batches, _ = exported(archive, ["FLOW"], FRIDAY, SUNDAY, 2)
    assert {name for rows in batches for name, *_ in rows} == {"FLOW"}
    archive.close()


def test_an_export_goes_on_over_a_compaction_a_restart_and_a_merge(folder: Path) -> None:
    archive = opened(folder)
    record(archive, ROWS)
    tags = ["Level", "Flow", "Valve"]
    found, after = archive.export(tags, FRIDAY, SUNDAY, 2)
    rows = rows_of(found)
    compacted(archive, SATURDAY + 3600 * SECOND)
    found, after = archive.export(tags, FRIDAY, SUNDAY, 2, after)
    rows += rows_of(found)
    archive.close()
    again = opened(folder)
    late = good("Valve", SATURDAY, 1, 9)
    while after is not None:
        found, after = again.export(tags, FRIDAY, SUNDAY, 1, after)
        rows += rows_of(found)
        again.merge(batch(late), ())
    assert rows == sorted(ROWS + late, key=lambda row: (row[1], row[0].lower()))
    again.close()


def test_a_crowd_of_samples_is_given_in_several_stretches(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More samples lie close to each other than are read in one go, all of one instant too."""
    monkeypatch.setattr(trend_stretch, "READ_AHEAD", 5)
    monkeypatch.setattr(trend_stretch, "PART_ROWS", 11)
    archive = opened(folder)
    rows = [(f"T{n:03}", FRIDAY + 12 * 3600 * SECOND, float(n), GOOD) for n in range(23)]
    rows += good("T000", FRIDAY + 12 * 3600 * SECOND + 1000, 1000, *range(23))
    record(archive, rows)
    tags = [f"T{n:03}" for n in range(23)]
    for limit in (4, 7, 1000):
        assert everything(archive, tags, limit) == rows
    compacted(archive, SUNDAY)
    record(archive, good("T000", FRIDAY, SECOND, *range(9)))
    for limit in (4, 7, 1000):
        assert everything(archive, tags, limit) == good("T000", FRIDAY, SECOND, *range(9)) + rows
    archive.close()


def test_a_partner_gets_all_of_it_by_merging(tmp_path: Path) -> None:
    giver, taker = opened(tmp_path / "one"), opened(tmp_path / "other")
    record(giver, ROWS, Covered("PLC1", FRIDAY, SUNDAY))
    compacted(giver, SATURDAY + 3600 * SECOND)
    record(taker, good("Level", SATURDAY, SECOND, 4))
    after: Cursor | None = None
    total, start = 0, FRIDAY
    while True:
        samples, after = giver.export(["Level", "Flow", "Valve"], FRIDAY, SUNDAY, 2, after)
        end = SUNDAY if after is None else after[0]
        total += taker.merge(samples, [Covered("PLC1", start, end)])
        start = end
        if after is None:
            break
    assert total == len(ROWS) - 1
    assert everything(taker) == everything(giver) == IN_ORDER
    assert taker.coverage() == giver.coverage()
    giver.close()
    taker.close()


PLACES = st.dictionaries(
    st.tuples(st.sampled_from(["a", "B", "c"]), st.integers(-4, 4)), st.booleans(), max_size=20
)


@settings(max_examples=30, deadline=None)
@given(PLACES, st.integers(1, 7), st.sampled_from(["aB", "c", "Bca"]), st.integers(-5, 5), st.integers(-5, 5))
def test_any_span_of_any_tags(
    places: dict[tuple[str, int], bool], limit: int, tags: str, first: int, last: int
) -> None:
    rows: list[Row] = [(tag, SATURDAY + at * SECOND, float(at), GOOD) for tag, at in places]
    early = [row for row, is_early in zip(rows, places.values(), strict=True) if is_early]
    start, end = SATURDAY + first * SECOND, SATURDAY + last * SECOND
    with tempfile.TemporaryDirectory() as name:
        archive = opened(Path(name))
        record(archive, early)
        compacted(archive, SUNDAY)
        record(archive, [row for row in rows if row not in early])
        batches, _ = exported(archive, list(tags), start, end, limit)
        archive.close()
    expected = [row for row in rows if row[0] in tags and start <= row[1] < end]
    assert [row for found in batches for row in found] == sorted(
        expected, key=lambda row: (row[1], row[0].lower())
    )
