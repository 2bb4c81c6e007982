"""The traces of running processes, followed while they grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import Instant
from changeover.model.server import Function
from changeover.scenario.measure import Shown

_KINDS = {kind.value: kind for kind in TraceKind}
_STATES = frozenset(("unit-online", "unit-offline", "session-opened", "session-timeout", "session-closed"))
_LOSSES = frozenset(("session-timeout", "session-closed"))
_TASKS = frozenset(function.value for function in Function if function is not Function.IO_DATA)
_Line = dict[str, Any]
_DECODER: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)


class TraceReader:
    """One trace file; lines are kept until `forget`.

    What the process of the file said last of each thing is known beside, and never forgotten but when a new
    process begins.

    Attributes:
        lines: What was read since the last `forget`, oldest first.
        states: Of each unit, and each way to an I/O server, the last note's kind, by its name.
        serving: By function, the way by which alarms, trends or reports come; none while there is none.
        is_redundant: Whether this server, of alarms, trends or reports, last said so of its pair.
        is_active: Whether this server last said that it is the active one of its pair.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._rest = b""
        self.lines: list[_Line] = []
        self.states: dict[str, str] = {}
        self.serving: dict[str, str] = {}
        self.is_redundant = False
        self.is_active = False

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
            self._follow(line)

    def forget(self) -> None:
        """Drop what was read."""
        self.lines.clear()

    def begin(self) -> None:
        """A new process will go on with the file: what the one before it said of itself is over."""
        self.read()
        self.states.clear()
        self.serving.clear()
        self.is_redundant = self.is_active = False

    def last(self, kind: str, since: Instant = 0) -> _Line | None:
        """The last line of a kind at or after an instant."""
        for line in reversed(self.lines):
            if line["at"] < since:
                break
            if line["kind"] == kind:
                return line
        return None

    def _follow(self, line: _Line) -> None:
        kind = line["kind"]
        if kind in _LOSSES and line["detail"] in _TASKS:
            self.serving.pop(line["detail"], None)
        elif kind in _STATES:
            self.states[line["subject"]] = kind
        elif kind == "server-found":
            self.serving[line["detail"]] = line["subject"]
        elif kind in ("partner-lost", "redundant"):
            self.is_redundant = kind == "redundant"
        elif kind in ("server-active", "server-inactive"):
            self.is_active = kind == "server-active"
        elif kind == "woke-late":
            self.is_redundant = self.is_active = False


def notes_of(lines: list[_Line]) -> list[TraceLine]:
    """The machines' own notes among a file's lines."""
    return [
        TraceLine(line["at"], line["source"], _KINDS[line["kind"]], line["subject"], line["detail"])
        for line in lines
        if line["kind"] in _KINDS
    ]


def shown_of(lines: list[_Line], tags: frozenset[str], fault_at: Instant) -> list[Shown]:
    """What a client showed of some tags; a value that the device delivered before the fault is not fresh."""
    shown = []
    for line in lines:
        if line["kind"] != "value" or line["tag"] not in tags:
            continue
        if line["quality"] == "COM":
            shown.append(Shown(line["at"], line["tag"], False))
        elif line["quality"] == "GOOD" and (line["at"] <= fault_at or source_at(line) > fault_at):
            way = (line["unit"], line["server"], line["lan"])
            shown.append(Shown(line["at"], line["tag"], True, *way))
    return shown


def source_at(line: _Line) -> Instant:
    """When the device delivered what a line tells of, on the line's own clock.

    Both in the monotonic clock: a step of the wall clock between two lines does no harm.
    """
    at: Instant = line["at"] - (line["utc"] - line["source_utc"])
    return at
