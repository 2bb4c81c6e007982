"""Queries of one tag against plain loops, and gaps that stay gaps."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trend_scene import (
    FLOW,
    FRIDAY,
    LEVEL,
    SATURDAY,
    VALVE,
    Row,
    bad,
    compacted,
    expired,
    good,
    opened,
    record,
)

from changeover.core.intervals import Intervals
from changeover.core.trend_records import BAD, GOOD, Covered
from changeover.model.moment import SECOND
from changeover.model.trend import Trend, TrendType
from changeover.storage.trend_archive import TrendArchive, TrendArchiveError
from changeover.storage.trend_days import DAY

HOUR = 3600 * SECOND
NAN = math.nan


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[TrendArchive]:
    opened_archive = opened(tmp_path)
    yield opened_archive
    opened_archive.close()


def same(found: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=0)


def test_raw_samples_say_until_when_they_hold(archive: TrendArchive) -> None:
    record(archive, [*good("Level", FRIDAY, SECOND, 1, 2), bad("Level", FRIDAY + 2 * SECOND)])
    record(archive, good("Level", FRIDAY + 9 * SECOND, SECOND, 5))
    series = archive.raw("Level", FRIDAY, SATURDAY, 100)
    same(series.values, [1, 2, NAN, 5])
    assert list(series.qualities) == [GOOD, GOOD, BAD, GOOD]
    assert [(int(at) - FRIDAY) // SECOND for at in series.until] == [1, 2, 3, 10]
    assert [(int(at) - FRIDAY) // SECOND for at in series.utc] == [0, 1, 2, 9]


def test_raw_samples_come_in_parts(archive: TrendArchive) -> None:
    rows = good("Level", SATURDAY - 5 * SECOND, SECOND, *range(10))
    record(archive, rows)
    compacted(archive, SATURDAY + DAY)
    values: list[float] = []
    start = FRIDAY
    while len(part := archive.raw("Level", start, SATURDAY + DAY, 4)):
        values += list(part.values)
        assert list(part.until) == [at + SECOND for at in part.utc]
        start = int(part.utc[-1]) + 1
    assert values == list(range(10))


def test_a_span_is_half_open(archive: TrendArchive) -> None:
    record(archive, good("Level", FRIDAY, SECOND, 0, 1, 2))
    assert list(archive.raw("Level", FRIDAY, FRIDAY + 2 * SECOND, 9).values) == [0, 1]
    assert list(archive.raw("Level", FRIDAY + 1, FRIDAY + 2 * SECOND + 1, 9).values) == [1, 2]
    assert len(archive.raw("Level", FRIDAY, FRIDAY, 9)) == 0


def test_a_tag_that_is_not_known_is_a_gap(archive: TrendArchive) -> None:
    assert len(archive.raw("Nothing", FRIDAY, SATURDAY, 9)) == 0
    same(archive.interpolated("Nothing", FRIDAY, FRIDAY + 3, 1).values, [NAN] * 3)
    buckets = archive.buckets("Nothing", FRIDAY, SATURDAY, 12 * HOUR)
    same(buckets.means, [NAN, NAN])
    assert list(buckets.counts) == [0, 0]
    assert list(buckets.qualities) == [BAD, BAD]


def test_a_line_is_drawn_between_two_samples_and_over_no_gap(archive: TrendArchive) -> None:
    record(archive, [*good("Level", FRIDAY, SECOND, 0, 1), *good("Level", FRIDAY + 4 * SECOND, SECOND, 8)])
    record(archive, [bad("Level", FRIDAY + 5 * SECOND), *good("Level", FRIDAY + 6 * SECOND, SECOND, 3)])
    grid = archive.interpolated("Level", FRIDAY - SECOND, FRIDAY + 8 * SECOND, SECOND // 2)
    same(grid.values, [NAN, NAN, 0, 0.5, 1, NAN, NAN, NAN, NAN, NAN, 8, NAN, NAN, NAN, 3, NAN, NAN, NAN])


def test_a_line_reaches_out_of_the_span_asked_for(archive: TrendArchive) -> None:
    record(archive, good("Flow", FRIDAY, 10 * SECOND, 0, 10))
    grid = archive.interpolated("Flow", FRIDAY + 2 * SECOND, FRIDAY + 9 * SECOND, 3 * SECOND)
    same(grid.values, [2, 5, 8])


def test_an_odd_period_has_no_gaps(tmp_path: Path) -> None:
    """A third of a second is no whole number of microseconds: samples are one closer or farther apart."""
    third = Trend("Third", TrendType.PERIODIC, SECOND // 3)
    archive = opened(tmp_path, (third,))
    record(archive, good("Third", FRIDAY // third.period * third.period, third.period, *[1.0] * 40))
    assert list(archive.buckets("Third", FRIDAY, FRIDAY + 10 * SECOND, SECOND).qualities) == [GOOD] * 10
    assert not np.isnan(archive.interpolated("Third", FRIDAY, FRIDAY + 9 * SECOND, 77_777_777).values).any()
    archive.close()


def test_an_event_holds_while_its_device_is_recorded(archive: TrendArchive) -> None:
    record(
        archive,
        good("Valve", FRIDAY + SECOND, 5 * SECOND, 7, 8),
        Covered("PLC2", FRIDAY, FRIDAY + 3 * SECOND),
        Covered("PLC2", FRIDAY + 5 * SECOND, FRIDAY + 8 * SECOND),
    )
    grid = archive.interpolated("Valve", FRIDAY, FRIDAY + 10 * SECOND, SECOND)
    same(grid.values, [NAN, 7, 7, NAN, NAN, NAN, 8, 8, NAN, NAN])


def test_an_event_is_held_from_days_ago(archive: TrendArchive) -> None:
    record(archive, good("Valve", FRIDAY, SECOND, 6, 7), Covered("PLC2", FRIDAY, FRIDAY + 40 * DAY))
    compacted(archive, SATURDAY + DAY)
    for day, value in ((1, 7.0), (31, 7.0), (32, NAN), (40, NAN)):
        at = FRIDAY + day * DAY
        same(archive.interpolated("Valve", at, at + SECOND, SECOND).values, [value])
    buckets = archive.buckets("Valve", FRIDAY + 3 * DAY, FRIDAY + 5 * DAY, DAY)
    same(buckets.means, [7, 7])
    assert list(buckets.counts) == [0, 0]
    assert list(buckets.qualities) == [GOOD, GOOD]


def test_an_event_sample_outside_of_what_was_recorded_is_no_line(archive: TrendArchive) -> None:
    record(archive, good("Valve", FRIDAY, 10 * SECOND, 7, 8))
    same(archive.interpolated("Valve", FRIDAY, FRIDAY + 20 * SECOND, 5 * SECOND).values, [7, NAN, 8, NAN])
    assert list(archive.buckets("Valve", FRIDAY, FRIDAY + 20 * SECOND, 5 * SECOND).counts) == [1, 0, 1, 0]


def test_a_period_that_was_changed_holds_for_what_came_before(tmp_path: Path) -> None:
    first = opened(tmp_path, (FLOW,))
    record(first, good("Flow", FRIDAY, 10 * SECOND, 0, 10))
    first.close()
    changed = FRIDAY + 20 * SECOND
    again = opened(tmp_path, (replace(FLOW, period=2 * SECOND),), changed)
    record(again, good("Flow", changed, 2 * SECOND, 20, 22) + good("Flow", changed + 10 * SECOND, SECOND, 30))
    grid = again.interpolated("Flow", FRIDAY, changed + 12 * SECOND, 5 * SECOND)
    same(grid.values, [0, 5, 10, 15, 20, NAN, 30])
    again.close()


def test_a_tag_that_became_an_event_trend(tmp_path: Path) -> None:
    first = opened(tmp_path, (LEVEL,))
    record(first, good("Level", FRIDAY, SECOND, 1, 2))
    first.close()
    again = opened(tmp_path, (replace(VALVE, tag="Level"),), FRIDAY + 10 * SECOND)
    covered = Covered("PLC1", FRIDAY, FRIDAY + 20 * SECOND)
    record(again, good("Level", FRIDAY + 10 * SECOND, 1, 5), covered)
    grid = again.interpolated("Level", FRIDAY, FRIDAY + 20 * SECOND, 5 * SECOND)
    same(grid.values, [1, NAN, 5, 5])
    again.close()


def test_a_query_is_bounded(archive: TrendArchive) -> None:
    with pytest.raises(TrendArchiveError, match="at most 1,000,000 steps"):
        archive.buckets("Level", 0, SATURDAY, SECOND)
    with pytest.raises(TrendArchiveError, match="each longer than nothing"):
        archive.interpolated("Level", FRIDAY, SATURDAY, 0)
    assert len(archive.interpolated("Level", SATURDAY, FRIDAY, SECOND).utc) == 0
    assert len(archive.buckets("Level", SATURDAY, FRIDAY, SECOND).utc) == 0


# Plain loops: time is counted in hours, a day has 24, and what holds is looked up hour by hour.

Stored = dict[int, float | None]
HOURS = 24 * 12


def holder(stored: Stored, hour: int, reach: int | Intervals) -> int | None:
    """The sample that holds in an hour."""
    at = max((each for each in stored if each <= hour), default=None)
    if at is None:
        return None
    if isinstance(reach, int):
        return at if hour < at + reach else None
    return at if any(start <= at and hour < end for start, end in reach) else None


def value_in(stored: Stored, hour: int, reach: int | Intervals) -> float:
    at = holder(stored, hour, reach)
    value = None if at is None else stored[at]
    return NAN if value is None else value


def check_buckets(
    archive: TrendArchive, stored: Stored, reach: int | Intervals, span: tuple[int, int], width: int
) -> None:
    start, end = span
    buckets = archive.buckets("T", FRIDAY + start * HOUR, FRIDAY + end * HOUR, width * HOUR)
    assert len(buckets.utc) == len(range(start, end, width))
    for index, first in enumerate(range(start, end, width)):
        hours = range(first, min(first + width, end))
        values = [value for hour in hours if not math.isnan(value := value_in(stored, hour, reach))]
        assert buckets.utc[index] == FRIDAY + first * HOUR
        assert buckets.counts[index] == sum(stored.get(hour) is not None for hour in hours)
        assert buckets.qualities[index] == (GOOD if len(values) == len(hours) else BAD)
        same(buckets.minima[index], min(values, default=NAN))
        same(buckets.maxima[index], max(values, default=NAN))
        same(buckets.means[index], math.fsum(values) / len(values) if values else NAN)


def check_grid(
    archive: TrendArchive, stored: Stored, reach: int | Intervals, span: tuple[int, int], step: int
) -> None:
    start, end = span
    grid = archive.interpolated("T", FRIDAY + start * HOUR, FRIDAY + end * HOUR, step * HOUR)
    expected = []
    for hour in range(start, end, step):
        at = holder(stored, hour, reach)
        value = value_in(stored, hour, reach)
        if at is not None and isinstance(reach, int) and hour != at:
            following = min((each for each in stored if each > at), default=None)
            after = None if following is None or following > at + reach else stored[following]
            value = NAN if after is None else value + (hour - at) / (following - at) * (after - value)
        expected.append(value)
    same(grid.values, expected)


SAMPLES = st.dictionaries(
    st.integers(0, HOURS), st.none() | st.integers(-50, 50).map(lambda tenths: tenths / 10), max_size=40
)
SPANS = st.tuples(st.integers(-30, HOURS), st.integers(1, HOURS)).map(lambda pair: (pair[0], sum(pair)))
COVERED = st.lists(st.tuples(st.integers(0, HOURS), st.integers(1, 60)), max_size=5)


def filled(
    folder: Path, trend: Trend, stored: Stored, covered: Intervals, compacted_days: int
) -> TrendArchive:
    archive = opened(folder, (trend,))
    rows: list[Row] = [
        ("T", FRIDAY + hour * HOUR, value, BAD if value is None else GOOD) for hour, value in stored.items()
    ]
    spans = [Covered("PLC9", FRIDAY + start * HOUR, FRIDAY + end * HOUR) for start, end in covered]
    record(archive, rows[::2], *spans)
    compacted(archive, FRIDAY + compacted_days * DAY)
    record(archive, rows[1::2])
    expired(archive, FRIDAY + 365 * DAY)
    return archive


@settings(max_examples=30, deadline=None)
@given(SAMPLES, st.integers(1, 30), SPANS, st.integers(1, 50), st.integers(0, 12))
@example({0: 1.0, 24: 2.0, 25: None, 26: 0.1, 200: 4.0}, 24, (0, HOURS), 7, 5)
def test_periodic_samples(stored: Stored, period: int, span: tuple[int, int], width: int, days: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        trend = Trend("T", TrendType.PERIODIC, period * HOUR)
        archive = filled(Path(name), trend, stored, Intervals(), days)
        check_buckets(archive, stored, period, span, width)
        check_grid(archive, stored, period, span, width)
        archive.close()


@settings(max_examples=30, deadline=None)
@given(SAMPLES, COVERED, SPANS, st.integers(1, 50), st.integers(0, 12))
@example({0: 1.0, 24: 2.0, 25: None, 26: 0.1}, [(0, 250)], (10, HOURS), 7, 5)
def test_event_samples(
    stored: Stored, spans: list[tuple[int, int]], span: tuple[int, int], width: int, days: int
) -> None:
    covered = Intervals(tuple((start, start + length) for start, length in spans))
    # Of a sample outside of what was recorded nothing is known but that instant.
    stored = {at: value for at, value in stored.items() if covered.clip(at, at + 1)}
    with tempfile.TemporaryDirectory() as name:
        archive = filled(Path(name), Trend("T", TrendType.EVENT, 0), stored, covered, days)
        check_buckets(archive, stored, covered, span, width)
        check_grid(archive, stored, covered, span, width)
        archive.close()
