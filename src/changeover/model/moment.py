"""Moments and spans of time, as whole nanoseconds.

`Instant` counts monotonic nanoseconds from an origin that only the host knows; two instants of one host can
be compared, an instant alone says nothing. `Duration` is a difference of two instants. Both are plain `int`s:
arithmetic stays exact and cheap, and the alias tells a reader which one is meant.
"""

from __future__ import annotations

Instant = int
Duration = int

MICROSECOND: Duration = 1_000
MILLISECOND: Duration = 1_000_000
SECOND: Duration = 1_000_000_000
MINUTE: Duration = 60 * SECOND
HOUR: Duration = 60 * MINUTE
DAY: Duration = 24 * HOUR


def milliseconds(amount: float) -> Duration:
    """Milliseconds (as the ini file gives them) to a duration."""
    return round(amount * MILLISECOND)


def seconds(amount: float) -> Duration:
    """Seconds to a duration."""
    return round(amount * SECOND)


def to_seconds(span: Duration) -> float:
    """A duration (or a difference of instants) in seconds."""
    return span / SECOND
