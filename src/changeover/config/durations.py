"""Spans of time as people write them in csv files: `00:00:05`, `2.5`, `250ms`, `8h`, `90d`."""

from __future__ import annotations

import re
from fractions import Fraction

from changeover.model.moment import DAY, HOUR, MILLISECOND, MINUTE, SECOND, Duration

WRITTEN = "write HH:MM:SS, seconds, or a number with ms, s, m, h, d or w"

_UNITS = {"ms": MILLISECOND, "s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
# Lengths are bounded so that no text, however long, is slow to read.
_CLOCK = re.compile(r"(-?)([0-9]{1,6}):([0-5]?[0-9]):([0-5]?[0-9](?:\.[0-9]{1,9})?)")
_AMOUNT = re.compile(r"(-?)([0-9]{1,12}(?:\.[0-9]{1,9})?) ?(ms|s|m|h|d|w)?")


def parse_duration(text: str) -> Duration:
    """A span of time as written.

    Args:
        text: HH:MM:SS as the product writes it, or a number, of seconds where no unit follows; either may
            have decimals and a minus.

    Raises:
        ValueError: It is neither.
    """
    lowered = text.lower()
    clock = _CLOCK.fullmatch(lowered)
    if clock:
        sign, hours, minutes, seconds = clock.groups()
        span = int(hours) * HOUR + int(minutes) * MINUTE + Fraction(seconds) * SECOND
    else:
        amount = _AMOUNT.fullmatch(lowered)
        if not amount:
            raise ValueError(f"{text!r} is no time")
        sign, number, unit = amount.groups()
        span = Fraction(number) * _UNITS[unit or "s"]
    return -round(span) if sign else round(span)


def duration_text(span: Duration) -> str:
    """A span of time, 0 or more, in the largest unit that leaves no remainder; `parse_duration` reads it."""
    if not span:
        return "0"
    # A day alone is better known as 24 hours.
    units = {"d": 2 * DAY, "h": HOUR, "m": MINUTE, "s": SECOND, "ms": MILLISECOND}
    for unit, least in units.items():
        if span >= least and span % _UNITS[unit] == 0:
            return f"{span // _UNITS[unit]}{unit}"
    return f"{span // SECOND}.{span % SECOND:09}"
