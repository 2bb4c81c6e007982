"""Instants and spans as they are written after an option, and instants as they are shown."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, tzinfo
from datetime import time as time_of_day
from typing import Any
from zoneinfo import ZoneInfo

import click

from changeover.config.durations import WRITTEN, parse_duration
from changeover.model.moment import DAY, MICROSECOND, MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant
from changeover.runtime.report_times import nanoseconds

MOMENT = "now, a span before now such as -1h, or a time such as 2026-03-02T06:00"
SPAN_MAX: Duration = 3660 * DAY
_FAR = 2**63
_CLOCK = re.compile(r"\d\d:\d\d(:\d\d(\.\d+)?)?")


class Span(click.ParamType[Duration]):
    """A span of time above nothing, as in the csv files: `1m`, `250ms`, `00:05:00`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Duration:
        """Nanoseconds."""
        if isinstance(value, int):
            return value
        try:
            span = parse_duration(value)
        except ValueError as error:
            self.fail(f"{error}, {WRITTEN}", param, ctx)
        if span <= 0:
            self.fail(f"{value!r} is not longer than nothing", param, ctx)
        if span > SPAN_MAX:
            self.fail(f"{value!r} is longer than {SPAN_MAX // DAY} days", param, ctx)
        return span


def read_moment(option: str, text: str, now: int, zone: tzinfo) -> int:
    """An instant as it is written after an option.

    Args:
        option: Its name, for the message.
        text: `now`; a sign and a span, from now on; or an ISO 8601 date, time of today, or both.
        now: UTC nanoseconds since 1970.
        zone: Of a time that names none.

    Returns:
        UTC nanoseconds since 1970; a usage error where the text is none of them.
    """
    try:
        return _moment(text.strip(), now, zone)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no time: {MOMENT}", param_hint=option) from None


def read_span(
    begin: str | None, end: str | None, plant: Plant, local: bool, begin_default: int = 0
) -> tuple[int, int]:
    """What `--from` and `--to` say.

    Args:
        begin: Text of `--from`, None where it was left out.
        end: The same of `--to`.
        plant: Its time zone is that of times that name none, where `local`; else it is UTC.
        local: See there.
        begin_default: Without `--from`, UTC nanoseconds since 1970.

    Returns:
        Start and end, UTC nanoseconds since 1970; a usage error where the end is not after the start.
    """
    now, zone = time.time_ns(), shown_zone(plant, local)
    start = begin_default if begin is None else read_moment("--from", begin, now, zone)
    until = now if end is None else read_moment("--to", end, now, zone)
    if until <= start:
        raise click.UsageError(
            f"--from {shown(start, zone)} is not before --to {shown(until, zone)} ({zone_name(plant, local)})"
        )
    return start, until


def shown_zone(plant: Plant, local: bool) -> tzinfo:
    """The time zone in which instants are shown."""
    return ZoneInfo(plant.time_zone) if local else UTC


def zone_name(plant: Plant, local: bool) -> str:
    """The same in words."""
    return plant.time_zone if local else "UTC"


def shown(utc: int, zone: tzinfo, decimals: int = 0) -> str:
    """An instant for people: `2026-03-02 06:00:00`, cut to some decimals; a dash for never (0)."""
    if not utc:
        return "–"
    text = f"{datetime.fromtimestamp(utc // SECOND, zone):%Y-%m-%d %H:%M:%S}"
    return f"{text}.{utc % SECOND:09}"[: len(text) + 1 + decimals] if decimals else text


def span_shown(start: int, end: int, zone: tzinfo) -> str:
    """A span for people: `2026-03-02 06:00:00 to 14:00:00`."""
    begin, finish = shown(start, zone), shown(end, zone)
    return f"{begin} to {finish[11:] if finish[:10] == begin[:10] else finish}"


def iso(utc: int) -> str:
    """An instant for programs, to the microsecond: `2026-03-02T06:00:00.250000Z`."""
    return f"{datetime.fromtimestamp(utc // SECOND, UTC):%Y-%m-%dT%H:%M:%S}.{utc % SECOND // MICROSECOND:06}Z"


def long(span: Duration) -> str:
    """How long something lasts, for people: `250 ms`, `14.2 s`, `3 min 20 s`, `2 h 5 min`, `4.5 d`."""
    if span < SECOND:
        return f"{span / MILLISECOND:.3g} ms"
    if span < 100 * SECOND and span % (60 * SECOND):
        return f"{span / SECOND:.3g} s"
    minutes, seconds = divmod(round(span / SECOND), 60)
    if minutes < 100:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 100:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours / 24:.3g} d"


def _moment(text: str, now: int, zone: tzinfo) -> int:
    if text.lower() == "now":
        return now
    if text[:1] in ("-", "+"):
        return _in_archives(now + parse_duration(text.removeprefix("+")))
    if _CLOCK.fullmatch(text):
        today = datetime.fromtimestamp(now // SECOND, zone).date()
        moment = datetime.combine(today, time_of_day.fromisoformat(text))
    else:
        moment = datetime.fromisoformat(text)
    return _in_archives(nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone)))


def _in_archives(utc: int) -> int:
    """An instant that archives can hold: from 1970 to 2262."""
    if not 0 <= utc < _FAR:
        raise ValueError("out of reach")
    return utc
