"""False trips as the traces tell them: which session or device was given up, and what followed (I7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from changeover.model.moment import SECOND, Duration, Instant

LOSSES = {"session-timeout": "Session Timeout", "session-closed": "Session Closed"}
"""What a client notes of a session that is lost, and the hardware error that it raises then."""
RAISED_WITHIN: Duration = SECOND // 2
Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trip:
    """One false trip.

    Attributes:
        at: When.
        subject: The way of the session, or the unit.
        error: Whether the hardware error was raised.
        moved_after: Until the client had a value by another way or unit, nanoseconds; None when it needed
            none, because it was not served by what was lost, or had none before it was back.
        back_after: Until the session was open again, or the unit served again; None if it never was.
    """

    at: Instant
    subject: str
    error: bool
    moved_after: Duration | None
    back_after: Duration | None


def session_trips(lines: Sequence[Line], ways: frozenset[str]) -> list[Trip]:
    """Sessions to I/O servers that a client gave up, or that were closed to it.

    Args:
        lines: Of the client's trace, oldest first.
        ways: The ways that are looked at.
    """
    found = []
    for place, line in enumerate(lines):
        if line["kind"] not in LOSSES or line["detail"] or line["subject"] not in ways:
            continue
        error = LOSSES[line["kind"]]
        later = lines[place:]
        found.append(
            Trip(
                at=line["at"],
                subject=line["subject"],
                error=_raised(later, error, line["subject"], line["at"]),
                moved_after=_moved(later, line["subject"], line["at"]),
                back_after=_next(later, "session-opened", line["subject"], line["at"]),
            )
        )
    return found


def device_trips(server: Sequence[Line], client: Sequence[Line], units: frozenset[str]) -> list[Trip]:
    """Units that an I/O server took for offline.

    Args:
        server: Of the I/O server's trace, oldest first.
        client: Of a client's trace.
        units: The units that are looked at.
    """
    found = []
    for place, line in enumerate(server):
        if line["kind"] != "unit-offline" or line["subject"] not in units:
            continue
        unit, at = line["subject"], line["at"]
        after = [other for other in client if other["at"] >= at]
        found.append(
            Trip(
                at=at,
                subject=unit,
                error=_raised(after, "I/O device off-line", unit, at),
                moved_after=next((o["at"] - at for o in after if _serves(o) and o["unit"] != unit), None),
                back_after=_next(server[place:], "unit-online", unit, at),
            )
        )
    return found


def _raised(lines: Sequence[Line], text: str, subject: str, at: Instant) -> bool:
    for line in lines:
        if line["at"] > at + RAISED_WITHIN:
            return False
        if line["kind"] == "hardware-alarm" and (line["text"], line["subject"]) == (text, subject):
            return True
    return False


def _moved(lines: Sequence[Line], way: str, at: Instant) -> Duration | None:
    for line in lines:
        if _serves(line):
            return None if f"{line['server']}/{line['lan']}" == way else line["at"] - at
    return None


def _serves(line: Line) -> bool:
    return bool(line["kind"] == "answered")


def _next(lines: Sequence[Line], kind: str, subject: str, at: Instant) -> Duration | None:
    for line in lines:
        if line["kind"] == kind and line["subject"] == subject:
            after: Duration = line["at"] - at
            return after
    return None
