"""When reports run: Europe/Berlin by example, awkward zones against a minute by minute count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.model.moment import SECOND
from changeover.model.report import Schedule
from changeover.runtime.report_calendar import Calendar

BERLIN = Calendar("Europe/Berlin")
SPRING = "2026-03-29"  # 02:00 CET is 03:00 CEST
AUTUMN = "2026-10-25"  # 03:00 CEST is 02:00 CET


def utc(text: str) -> int:
    """An ISO time with its offset as UTC nanoseconds."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return int(moment.timestamp()) * SECOND


def shown(instant: int, zone: str = "Europe/Berlin") -> str:
    return datetime.fromtimestamp(instant // SECOND, ZoneInfo(zone)).isoformat(timespec="minutes")


def day(cron: str, date: str) -> list[str]:
    """The runs of one day in Berlin, from midnight to midnight."""
    begin = datetime.fromisoformat(date).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    first, last = (int(at.timestamp()) * SECOND - 1 for at in (begin, begin + timedelta(days=1)))
    runs = BERLIN.runs_between(Schedule(cron=cron), first, last, 200)
    return [shown(run).removeprefix(f"{date}T") for run in runs]


def test_cron_runs_by_the_plants_wall_clock() -> None:
    shifts = Schedule(cron="0 6,14,22 * * *")
    assert shown(BERLIN.next_run(shifts, utc("2026-07-01T05:00+02:00"))) == "2026-07-01T06:00+02:00"
    assert shown(BERLIN.next_run(shifts, utc("2026-12-01T22:00+01:00"))) == "2026-12-02T06:00+01:00"


def test_the_next_run_is_strictly_after() -> None:
    noon = Schedule(cron="0 12 * * *")
    run = utc("2026-05-01T12:00+02:00")
    assert BERLIN.next_run(noon, run - 1) == run
    assert BERLIN.next_run(noon, run) == run + 86_400 * SECOND
    assert BERLIN.next_run(noon, run + 1) == run + 86_400 * SECOND


def test_a_time_of_day_in_the_skipped_hour_runs_when_the_clock_is_put_forward() -> None:
    assert day("30 2 * * *", SPRING) == ["03:00+02:00"]


def test_all_times_in_the_skipped_hour_are_one_run() -> None:
    assert day("0,10,50 2 * * *", SPRING) == ["03:00+02:00"]
    assert day("0,30 1,2,3 * * *", SPRING) == ["01:00+01:00", "01:30+01:00", "03:00+02:00", "03:30+02:00"]


def test_a_time_of_day_in_the_doubled_hour_runs_the_first_time() -> None:
    assert day("30 2 * * *", AUTUMN) == ["02:30+02:00"]


def test_from_within_the_second_of_the_doubled_hours_the_next_one_is_tomorrow() -> None:
    after = utc(f"{AUTUMN}T02:10+01:00")
    assert shown(BERLIN.next_run(Schedule(cron="30 2 * * *"), after)) == "2026-10-26T02:30+01:00"


def test_a_wildcard_follows_the_hours_that_there_are() -> None:
    hours = [f"{hour:02}" for hour in range(24)]
    assert day("0 * * * *", SPRING) == [
        *(f"{hour}:00+01:00" for hour in hours[:2]),
        *(f"{hour}:00+02:00" for hour in hours[3:]),
    ]
    assert day("0 * * * *", AUTUMN) == [
        *(f"{hour}:00+02:00" for hour in hours[:3]),
        *(f"{hour}:00+01:00" for hour in hours[2:]),
    ]


def test_a_wildcard_in_the_skipped_hour_does_not_run_and_in_the_doubled_hour_runs_twice() -> None:
    assert day("*/30 2 * * *", SPRING) == []
    doubled = ["02:00+02:00", "02:30+02:00", "02:00+01:00", "02:30+01:00"]
    assert day("*/30 2 * * *", AUTUMN) == doubled


def test_periods_are_whole_multiples_since_1970_and_know_no_summer_time() -> None:
    eight_hours = Schedule(period=8 * 3600 * SECOND)
    assert (
        shown(BERLIN.next_run(eight_hours, utc("2026-07-01T00:00+00:00")), "UTC") == "2026-07-01T08:00+00:00"
    )
    assert BERLIN.next_run(Schedule(period=7), 6) == 7
    assert BERLIN.next_run(Schedule(period=7), 7) == 14
    assert BERLIN.next_run(Schedule(period=7), -1) == 0


def test_runs_of_an_outage() -> None:
    hourly = Schedule(cron="0 * * * *")
    until = utc("2026-11-20T15:00+01:00")
    runs = BERLIN.runs_between(hourly, until - 3 * 3600 * SECOND, until, 100)
    assert [shown(run) for run in runs] == [f"2026-11-20T{hour}:00+01:00" for hour in (13, 14, 15)]
    assert BERLIN.runs_between(hourly, until, until, 100) == ()
    assert BERLIN.runs_between(hourly, until, until - 1, 100) == ()
    assert BERLIN.runs_between(hourly, 0, until, 0) == ()


def test_of_more_runs_than_the_limit_the_latest_are_given() -> None:
    until = utc("2026-11-20T15:00+01:00")
    for schedule in (Schedule(cron="* * * * *"), Schedule(period=60 * SECOND)):
        runs = BERLIN.runs_between(schedule, utc("2016-01-01T00:00+00:00"), until, 3)
        assert runs == (until - 120 * SECOND, until - 60 * SECOND, until)


def test_a_rare_run_is_found_far_back() -> None:
    leap_day = Schedule(cron="0 0 29 2 *")
    runs = BERLIN.runs_between(leap_day, utc("2016-01-01T00:00+00:00"), utc("2026-01-01T00:00+00:00"), 5)
    assert [shown(run)[:10] for run in runs] == ["2016-02-29", "2020-02-29", "2024-02-29"]


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Schedule(), "a period or 5 cron fields"),
        (Schedule(cron="0 6 * * *", period=SECOND), "not both"),
        (Schedule(cron="0 0 6 * * *"), "5 cron fields"),
        (Schedule(cron="0 25 * * *"), "Bad hour"),
        (Schedule(cron="0 0 31 2 *"), "Bad day-of-month"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule: Schedule, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        BERLIN.next_run(schedule, 0)


def test_a_zone_that_is_not_known_is_refused() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        Calendar("Mars/Olympus_Mons")


# The count: every minute of some days around a change is looked at, by nothing but what the wall clock shows.

EVERY = frozenset(range(60))
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "Australia/Lord_Howe": ("2026-04-05", "2026-10-04"),  # by half an hour
    "America/Santiago": ("2026-04-05", "2026-09-06"),  # at midnight
    "Africa/Cairo": ("2026-04-24", "2026-10-30"),
}
CRONS = {
    "30 2 * * *": ({30}, {2}),
    "0,10,50 0,2 * * *": ({0, 10, 50}, {0, 2}),
    "5 0-3 * * *": ({5}, {0, 1, 2, 3}),
    "0 0 * * *": ({0}, {0}),
    "59 23 * * *": ({59}, {23}),
    "0 * * * *": ({0}, EVERY),
    "*/15 * * * *": ({0, 15, 30, 45}, EVERY),
    "*/30 0,2,23 * * *": ({0, 30}, {0, 2, 23}),
    "45 */2 * * *": ({45}, frozenset(range(0, 24, 2))),
}
DAYS_AROUND = 3


def window(date: str) -> tuple[int, int]:
    middle = int(datetime.fromisoformat(date).replace(tzinfo=UTC).timestamp())
    return middle - DAYS_AROUND * 86_400, middle + (DAYS_AROUND + 1) * 86_400


@cache
def wall_clock(zone: str, date: str) -> list[tuple[int, datetime]]:
    """Every minute of the window, with what the wall clock shows."""
    begin, end = window(date)
    minutes = range(begin, end, 60)
    return [(at, datetime.fromtimestamp(at, ZoneInfo(zone)).replace(tzinfo=None)) for at in minutes]


@cache
def counted(zone: str, date: str, cron: str) -> list[int]:
    minutes, hours = CRONS[cron]
    clock = wall_clock(zone, date)
    runs = set()
    if cron.startswith("*") or cron.split()[1].startswith("*"):
        runs = {at for at, wall in clock if wall.minute in minutes and wall.hour in hours}
    else:
        wanted = clock[0][1]
        while wanted <= clock[-1][1]:
            if wanted.minute in minutes and wanted.hour in hours:
                # The first minute that shows it, or something later where it is skipped.
                runs.add(next(at for at, wall in clock if wall >= wanted))
            wanted += timedelta(minutes=1)
    return sorted(runs)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_the_next_run_is_what_a_count_of_all_minutes_finds_from_wherever_one_asks(
    data: st.DataObject,
) -> None:
    zone = data.draw(st.sampled_from(sorted(CHANGES)))
    date = data.draw(st.sampled_from(CHANGES[zone]))
    cron = data.draw(st.sampled_from(sorted(CRONS)))
    begin, end = window(date)
    after = data.draw(st.integers(begin, end - 2 * 86_400))
    expected = next(run for run in counted(zone, date, cron) if run > after)
    assert Calendar(zone).next_run(Schedule(cron=cron), after * SECOND) == expected * SECOND


@pytest.mark.parametrize("zone", sorted(CHANGES))
def test_every_run_around_a_change_is_found(zone: str) -> None:
    for date in CHANGES[zone]:
        for cron in CRONS:
            runs = counted(zone, date, cron)
            assert runs
            first, last = runs[0] * SECOND, runs[-1] * SECOND
            found = Calendar(zone).runs_between(Schedule(cron=cron), first - 1, last, 1000)
            assert [run // SECOND for run in found] == runs, (zone, date, cron)


def test_a_clock_that_jumps_over_midnight_loses_no_daily_report() -> None:
    santiago = Calendar("America/Santiago")
    run = santiago.next_run(Schedule(cron="0 0 * * *"), utc("2026-09-05T12:00-04:00"))
    assert shown(run, "America/Santiago") == "2026-09-06T01:00-03:00"
