"""The filters that templates have beside those of Jinja: numbers, times of the plant, durations."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from changeover.runtime.report_data import MISSING, TagRow

_DECIMALS_MAX = 12
_PLAIN_BELOW = 1e15
"""Larger numbers are shown with an exponent."""


def number(value: object, decimals: int = 1) -> str:
    """A number with so many decimals and a decimal point; of a tag its value, or its quality when it is bad.

    Raises:
        ValueError: It is no number, or the decimals are not 0 to 12.
    """
    if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= _DECIMALS_MAX:
        raise ValueError(f"number({decimals!r}): decimals are 0 to {_DECIMALS_MAX}")
    if isinstance(value, TagRow):
        if not value.good:
            return value.quality
        value = value.value
    if value is None:
        return MISSING
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    if not math.isfinite(value):
        return MISSING
    if abs(value) >= _PLAIN_BELOW:
        return f"{value:.{decimals}e}"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


class Local:
    """Shows instants on the plant's wall clock.

    Args:
        zone: The plant's time zone.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def __call__(self, value: object, form: str = "%Y-%m-%d %H:%M:%S") -> str:
        """An aware datetime in the plant's time zone, by a format of strftime; None as missing.

        Raises:
            ValueError: It is no datetime, or has no time zone.
        """
        if value is None:
            return MISSING
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise ValueError(f"{value!r} is no time with a time zone")
        return value.astimezone(self._zone).strftime(form)


def duration(value: object) -> str:
    """A timedelta or a number of seconds as hours, minutes and seconds, `51:04:05`; None as missing.

    Spreadsheets take this form as a duration. Parts of a second are cut off.

    Raises:
        ValueError: It is neither.
    """
    if value is None:
        return MISSING
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no duration")
    whole = int(abs(value))
    sign = "-" if value < 0 and whole else ""
    return f"{sign}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
