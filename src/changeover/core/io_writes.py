"""A client's writes under way: the operator's own, and their mirrors to stand-by units.

A write ends as done, refused or unknown. Unknown is what nobody can say: its session was lost, or its unit
went offline after it was sent. A mirror has no operator who waits for it; where it fails, an alarm tells.
"""

from __future__ import annotations

from collections.abc import Iterable

from changeover.core.machine import Effect, EndCommand, RaiseAlarm
from changeover.core.messages import WriteOutcome, WriteResult
from changeover.model.plant import Way

SESSION_LOST = "the session was lost before the write was answered"


class IoWrites:
    """Commands and mirrors, by number, with the way that each was sent by."""

    def __init__(self) -> None:
        self._commands: dict[int, Way] = {}
        self._mirrors: dict[int, tuple[Way, str]] = {}

    def __len__(self) -> int:
        return len(self._commands) + len(self._mirrors)

    def sent(self, command: int, way: Way) -> None:
        """An operator's write went out."""
        self._commands[command] = way

    def mirrored(self, number: int, way: Way, unit: str) -> None:
        """A mirror of it went out to a stand-by unit."""
        self._mirrors[number] = (way, unit)

    def on_result(self, result: WriteResult) -> Iterable[Effect]:
        """A server says how a write ended."""
        outcome = result.outcome.name.lower()
        if result.command in self._mirrors:
            _, unit = self._mirrors.pop(result.command)
            if result.outcome is not WriteOutcome.DONE:
                yield RaiseAlarm(f"Write to stand-by {outcome}: {result.why}", unit)
        elif self._commands.pop(result.command, None) is not None:
            yield EndCommand(result.command, outcome, result.why)

    def on_lost(self, lost: Way) -> Iterable[Effect]:
        """A session is lost: whatever was sent by it is unknown."""
        for command in [command for command, way in self._commands.items() if way == lost]:
            del self._commands[command]
            yield EndCommand(command, "unknown", SESSION_LOST)
        for number in [number for number, (way, _) in self._mirrors.items() if way == lost]:
            _, unit = self._mirrors.pop(number)
            yield RaiseAlarm(f"Write to stand-by unknown: {SESSION_LOST}", unit)
