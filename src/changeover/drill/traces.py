"""The traces of running processes, followed while they grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import Instant
from changeover.scenario.measure import Shown

_KINDS = {kind.value: kind for kind in TraceKind}
_STATES = frozenset(("unit-online", "unit-offline", "session-opened", "session-timeout", "session-closed"))
_Line = dict[str, Any]
_DECODER: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class TraceReader:
    """One trace file; lines are kept until `forget`.

    Attributes:
        lines: What was read since the last `forget`, oldest first.
        states: The last of each unit's and each way's notes, by its name; never forgotten.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.lines: list[_Line] = []
        self.states: dict[str, str] = {}

    def read(self) -> None:
        """Read what was added; a file that is not there yet is empty."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return
        self._offset += len(data)
        *complete, self._rest = (self._rest + data).split(b"\n")
        for text in complete:
            line: _Line = _DECODER.decode(text)
            self.lines.append(line)
            if line["kind"] in _STATES:
                self.states[line["subject"]] = line["kind"]

    def forget(self) -> None:
        """Drop what was read."""
        self.lines.clear()

    def last(self, kind: str, since: Instant = 0) -> _Line | None:
        """The last line of a kind at or after an instant."""
        for line in reversed(self.lines):
            if line["at"] < since:
                break
            if line["kind"] == kind:
                return line
        return None


def notes_of(lines: list[dict[str, Any]]) -> list[TraceLine]:
    """The machines' own notes among a file's lines."""
    return [
        TraceLine(line["at"], line["source"], _KINDS[line["kind"]], line["subject"], line["detail"])
        for line in lines
        if line["kind"] in _KINDS
    ]


def shown_of(lines: list[dict[str, Any]], tags: frozenset[str], fault_at: Instant) -> list[Shown]:
    """What a client showed of some tags; a value that the device delivered before the fault is not fresh."""
    shown = []
    for line in lines:
        if line["kind"] != "value" or line["tag"] not in tags:
            continue
        if line["quality"] == "COM":
            shown.append(Shown(line["at"], line["tag"], False))
        elif line["quality"] == "GOOD":
            # Both in the monotonic clock: a step of the wall clock between two lines does no harm.
            source_at = line["at"] - (line["utc"] - line["source_utc"])
            if line["at"] <= fault_at or source_at > fault_at:
                way = (line["unit"], line["server"], line["lan"])
                shown.append(Shown(line["at"], line["tag"], True, *way))
    return shown
