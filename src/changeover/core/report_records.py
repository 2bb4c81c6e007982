"""What report servers keep and tell each other: one append-only log of runs per server.

As in the alarm journal, a record's identity is (origin, number), numbered from 1 without gaps.
"""

from __future__ import annotations

from enum import IntEnum

import msgspec


class RunEvent(IntEnum):
    """What became of a run."""

    STARTED = 1
    FINISHED = 2
    FAILED = 3
    SKIPPED = 4
    PREPARED = 5


class RunRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of the log of runs. A run's identity is (report, scheduled_utc).

    Attributes:
        origin: The server that wrote it.
        number: 1, 2, 3 … of that server.
        utc: When it happened, UTC nanoseconds since 1970.
        report: Name of the report.
        scheduled_utc: For when the run was scheduled.
        event: What became of it.
        detail: Of PREPARED and FINISHED the names of the files; of FAILED why.
    """

    origin: str
    number: int
    utc: int
    report: str
    scheduled_utc: int
    event: RunEvent
    detail: tuple[str, ...] = ()
