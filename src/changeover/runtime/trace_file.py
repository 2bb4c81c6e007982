"""The trace of one process: JSON lines, each with the monotonic and the UTC instant.

All processes of one machine share the monotonic clock, so lines of several files can be set in one order.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Protocol

import msgspec

from changeover.core.trace import TraceKind

_ENCODER = msgspec.json.Encoder()


class Trace(Protocol):
    """Where trace lines go."""

    def note(self, kind: TraceKind, subject: str, detail: str = "") -> None:
        """A machine's note."""

    def line(self, kind: str, **fields: Any) -> None:
        """A host's line."""


class NoTrace:
    """Keeps nothing."""

    def note(self, kind: TraceKind, subject: str, detail: str = "") -> None:
        """Drop it."""

    def line(self, kind: str, **fields: Any) -> None:
        """Drop it."""


class TraceFile:
    """Appends lines to a file; each is written through at once, a killed process loses none.

    Args:
        path: The file; it may exist from an earlier life of the same server.
        source: The server or client that writes.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._source = source
        self._file = path.open("ab", buffering=0)

    def note(self, kind: TraceKind, subject: str, detail: str = "") -> None:
        """A machine's note; values are written tag by tag elsewhere."""
        if kind is not TraceKind.VALUES and kind is not TraceKind.COM:
            self.line(kind.value, subject=subject, detail=detail)

    def line(self, kind: str, **fields: Any) -> None:
        """One line of any kind."""
        self.lines(((kind, fields),))

    def lines(self, entries: Any) -> None:
        """Several lines of one instant, written together."""
        at, utc = time.monotonic_ns(), time.time_ns()
        text = b"".join(
            _ENCODER.encode({"at": at, "utc": utc, "source": self._source, "kind": kind, **fields}) + b"\n"
            for kind, fields in entries
        )
        self._file.write(text)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
