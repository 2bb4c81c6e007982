"""Instants and spans as templates write them: datetimes, and texts such as `-8h`."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from changeover.model.moment import DAY, HOUR, MINUTE, SECOND, Duration

_UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_CALENDAR_DAYS = {"d": 1, "w": 7}
_SPAN = re.compile(r"(?:\d{1,6}[smhdw])+")
_PART = re.compile(r"(\d+)([smhdw])")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAR = 2**63
"""Archives keep instants in 64 bits: up to the year 2262."""


def nanoseconds(moment: datetime) -> int:
    """An aware datetime as UTC nanoseconds since 1970.

    Raises:
        ValueError: The datetime has no time zone, or is too far away.
    """
    if moment.tzinfo is None:
        raise ValueError(f"the time {moment} has no time zone; begin with `scheduled`")
    return _near((moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def instant(given: object, scheduled: datetime) -> int:
    """Start or end of a query.

    Seconds, minutes and hours are spans of time; days and weeks move the calendar of the plant's time zone:
    `-1d` is the same wall clock of the day before, also on a day on which the clock changes.

    Args:
        given: An aware datetime, or a text: a sign and a span, from the scheduled time on.
        scheduled: The scheduled time, in the plant's time zone.

    Returns:
        UTC nanoseconds since 1970.

    Raises:
        ValueError: It is neither; the text says what it could be.
    """
    if isinstance(given, datetime):
        return nanoseconds(given)
    if not isinstance(given, str) or given[:1] not in ("-", "+") or not _SPAN.fullmatch(given[1:]):
        raise ValueError(f"{given!r} is no time; give a datetime or a text like '-8h', '-1d' or '+30m'")
    sign = -1 if given[0] == "-" else 1
    days, span = 0, 0
    for amount, unit in _PART.findall(given):
        if unit in _CALENDAR_DAYS:
            days += int(amount) * _CALENDAR_DAYS[unit]
        else:
            span += int(amount) * _UNITS[unit]
    try:
        return _near(nanoseconds(scheduled + timedelta(days=sign * days)) + sign * span)
    except OverflowError:
        raise ValueError(f"{given!r} leads out of the calendar") from None


def span(given: object) -> Duration:
    """The length of a bucket: a text such as `15m` or `1h30m`, a timedelta, or a number of seconds.

    Raises:
        ValueError: It is none of them, or not above zero.
    """
    if isinstance(given, str) and _SPAN.fullmatch(given):
        length = sum(int(amount) * _UNITS[unit] for amount, unit in _PART.findall(given))
    elif isinstance(given, timedelta):
        length = given // timedelta(microseconds=1) * 1000
    elif isinstance(given, int | float) and not isinstance(given, bool):
        length = round(given * SECOND) if math.isfinite(given) else 0
    else:
        raise ValueError(f"{given!r} is no span; give a text like '15m' or '1h', or seconds")
    if length <= 0:
        raise ValueError(f"{given!r} is no span: it must be longer than nothing")
    return _near(length)


def _near(nanoseconds: int) -> int:
    if abs(nanoseconds) >= _FAR:
        raise ValueError("a time or span is too far away")
    return nanoseconds
