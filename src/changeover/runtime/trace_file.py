"""The trace of one process: JSON lines, each with the monotonic and the UTC instant.

All processes of one machine share the monotonic clock, so lines of several files can be set in one order.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from io import FileIO
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

    A trace that cannot be written (no folder, no right, a full disk) costs the trace, not the server: that is
    said once on stderr, and the process goes on without. The file then ends with a whole line.

    Args:
        path: The file; it may exist from an earlier life of the same server.
        source: The server or client that writes.
    """

    def __init__(self, path: Path, source: str) -> None:
        self._path = path
        self._source = source
        self._file: FileIO | None = None
        try:
            self._file = FileIO(path, "a")
        except OSError as error:
            self._give_up(error)

    @property
    def is_open(self) -> bool:
        """Whether lines are kept."""
        return self._file is not None

    def note(self, kind: TraceKind, subject: str, detail: str = "") -> None:
        """A machine's note; values are written tag by tag elsewhere."""
        if kind is not TraceKind.VALUES and kind is not TraceKind.COM:
            self.line(kind.value, subject=subject, detail=detail)

    def line(self, kind: str, **fields: Any) -> None:
        """One line of any kind."""
        self.lines(((kind, fields),))

    def lines(self, entries: Any) -> None:
        """Several lines of one instant, written together."""
        if self._file is None:
            return
        at, utc = time.monotonic_ns(), time.time_ns()
        text = b"".join(
            _ENCODER.encode({"at": at, "utc": utc, "source": self._source, "kind": kind, **fields}) + b"\n"
            for kind, fields in entries
        )
        try:
            self._write(self._file, text)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, file: FileIO, text: bytes) -> None:
        written = file.write(text)
        if written == len(text):
            return
        # The disk became full in the middle: what was begun is taken back, so that every line is whole.
        file.truncate(file.tell() - (written or 0))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _give_up(self, error: OSError) -> None:
        why = error.strerror or error
        print(f"{self._source}: no trace from here on, {self._path}: {why}", file=sys.stderr, flush=True)
        self.close()
