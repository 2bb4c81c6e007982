"""Instants, spans, and the filters that show them: as a template's author writes them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.model.moment import SECOND
from changeover.runtime.report_data import MISSING, TagRow, TrendRow, utc_time
from changeover.runtime.report_filters import Local, duration, number
from changeover.runtime.report_times import instant, nanoseconds, span

ZONE = ZoneInfo("Europe/Berlin")
SCHEDULED = datetime(2026, 11, 20, 14, tzinfo=ZONE)
HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("text", "wall_clock"),
    [
        ("-8h", "2026-11-20T06:00+01:00"),
        ("-90m", "2026-11-20T12:30+01:00"),
        ("-1h30m", "2026-11-20T12:30+01:00"),
        ("-30s", "2026-11-20T13:59:30+01:00"),
        ("-1d", "2026-11-19T14:00+01:00"),
        ("-2w", "2026-11-06T14:00+01:00"),
        ("-1d12h", "2026-11-19T02:00+01:00"),
        ("+15m", "2026-11-20T14:15+01:00"),
    ],
)
def test_a_text_counts_from_the_scheduled_time(text: str, wall_clock: str) -> None:
    assert instant(text, SCHEDULED) == nanoseconds(datetime.fromisoformat(wall_clock))


def test_a_day_is_the_same_wall_clock_and_24_hours_are_24_hours() -> None:
    after_the_change = datetime(2026, 3, 29, 6, tzinfo=ZONE)
    now = nanoseconds(after_the_change)
    assert instant("-1d", after_the_change) == now - 23 * HOUR
    assert instant("-24h", after_the_change) == now - 24 * HOUR
    after_the_other = datetime(2026, 10, 25, 6, tzinfo=ZONE)
    assert instant("-1d", after_the_other) == nanoseconds(after_the_other) - 25 * HOUR


def test_a_datetime_is_taken_as_it_is() -> None:
    assert instant(SCHEDULED.replace(hour=6), SCHEDULED) == nanoseconds(SCHEDULED) - 8 * HOUR
    assert instant(utc_time(1_700_000_000 * SECOND), SCHEDULED) == 1_700_000_000 * SECOND


@pytest.mark.parametrize(
    "given", ["8h", "-8", "-h", "yesterday", "", "-8 h", "- 8h", 8, None, b"-8h", "-99999999d"]
)
def test_what_is_no_time_is_refused_with_an_example(given: object) -> None:
    with pytest.raises(ValueError, match="'-8h'"):
        instant(given, SCHEDULED)


@pytest.mark.parametrize("given", ["-999999w", "+999999w", datetime(2400, 1, 1, tzinfo=UTC)])
def test_what_is_too_far_away_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"calendar|too far"):
        instant(given, SCHEDULED)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone; begin with `scheduled`"):
        instant(datetime(2026, 1, 1), SCHEDULED)


@given(st.integers(-(2**60), 2**60))
def test_an_instant_goes_there_and_back_to_the_microsecond(at_utc: int) -> None:
    assert nanoseconds(utc_time(at_utc)) == at_utc // 1000 * 1000


@pytest.mark.parametrize(
    ("given", "length"),
    [("15m", 900), ("1h30m", 5400), ("1d", 86_400), (60, 60), (0.5, 0.5), (timedelta(minutes=2), 120)],
)
def test_a_bucket_is_a_text_seconds_or_a_timedelta(given: object, length: float) -> None:
    assert span(given) == length * SECOND


@pytest.mark.parametrize(
    "given", ["-15m", "15", "", "0m", 0, -1, math.nan, math.inf, None, True, [], timedelta(0), 10**12]
)
def test_what_is_no_bucket_is_refused(given: object) -> None:
    with pytest.raises(ValueError, match=r"no span|too far"):
        span(given)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (12.3456, 1, "12.3"),
        (12.35, 0, "12"),
        (-0.04, 1, "0.0"),
        (1234567.891, 2, "1234567.89"),
        (7, 0, "7"),
        (2.5e20, 3, "2.500e+20"),
        (None, 1, MISSING),
        (math.nan, 1, MISSING),
        (-math.inf, 1, MISSING),
        (TagRow(3.14159, units="m"), 2, "3.14"),
        (TagRow(3.14159, "#COM", "m"), 2, "#COM"),
        (TagRow(None), 2, MISSING),
    ],
)
def test_number(value: object, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


@pytest.mark.parametrize(("value", "decimals"), [("12", 1), ([], 1), (1.0, -1), (1.0, 13), (1.0, True)])
def test_what_is_no_number_is_refused(value: object, decimals: int) -> None:
    with pytest.raises(ValueError, match=r"no number|decimals are 0 to 12"):
        number(value, decimals)


def test_local_shows_the_plants_wall_clock() -> None:
    local = Local(ZONE)
    moment = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert local(moment) == "2026-07-01 14:00:00"
    assert local(moment, "%H:%M %Z") == "14:00 CEST"
    assert local(None) == MISSING
    with pytest.raises(ValueError, match="no time"):
        local("12:00")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(seconds=59.9), "0:00:59"),
        (timedelta(days=2, hours=3, minutes=4, seconds=5), "51:04:05"),
        (4.2, "0:00:04"),
        (-65, "-0:01:05"),
        (-0.2, "0:00:00"),
        (None, MISSING),
    ],
)
def test_duration(value: object, text: str) -> None:
    assert duration(value) == text


@pytest.mark.parametrize("value", ["5", True, math.nan])
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="no duration"):
        duration(value)


def test_a_tag_as_text_is_what_a_page_shows() -> None:
    assert str(TagRow(12.5, units="m³/h")) == "12.5 m³/h"
    assert str(TagRow(1234567.0)) == "1234567"
    assert str(TagRow("Batch 7")) == "Batch 7"
    assert str(TagRow(12.5, "#COM", "m³/h")) == "#COM"
    assert str(TagRow(None)) == MISSING
    assert TagRow(1.0).good and not TagRow(1.0, "#COM").good


def test_rows_show_their_time_as_an_aware_datetime() -> None:
    assert TrendRow(1_795_183_200 * SECOND, 1.0).utc.isoformat() == "2026-11-20T14:00:00+00:00"
