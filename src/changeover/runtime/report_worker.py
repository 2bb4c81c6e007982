"""The process that renders one report: its template runs here, behind limits of the operating system.

A template may loop for ever, or ask for more memory than there is, without a single forbidden word. Here it
has a process of its own, at a low priority, with a bounded address space; it may write no file, gets SIGALRM
when its time is over (so that the line it is in can be told) and SIGKILL when it does not hear that. Whatever
it does, the server only loses one report.
"""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from io import FileIO
from types import FrameType
from typing import TypeVar

import msgspec

from changeover.runtime.report_csv import tables_as_csv
from changeover.runtime.report_data import ReportDataError
from changeover.runtime.report_page import PageError, TooLongError, render_page
from changeover.runtime.report_process import bound, give_way
from changeover.runtime.report_wire import (
    LENGTH_BYTES,
    REFUSED,
    Ask,
    Done,
    Failed,
    Job,
    Limits,
    Ready,
    frame,
)

_R = TypeVar("_R")
_POSITION = re.compile(r" - at `\$\[(\d+)\]`")
"""Where in a request something is wrong; 0 is its kind."""


class _Channel:
    """The way to the server."""

    def __init__(self) -> None:
        self._in = FileIO(os.dup(0))
        self._out = FileIO(os.dup(1), "w")
        # What anybody prints from here on does not get between the frames.
        os.dup2(2, 1)

    def job(self) -> Job:
        """What to do."""
        return msgspec.msgpack.decode(self._receive(), type=Job)

    def fetch(self, ask: Ask, answer: type[_R]) -> _R:
        """Data, as `report_page.Fetch` wants it."""
        self._send(_checked(ask))
        received = self._receive()
        if received[:1] == REFUSED:
            raise ReportDataError(received[1:].decode())
        return msgspec.msgpack.decode(memoryview(received)[1:], type=answer)

    def say(self, message: Ready | Done | Failed) -> None:
        """What wants no answer."""
        self._send(msgspec.msgpack.encode(message))

    def _receive(self) -> bytes:
        return self._read(int.from_bytes(self._read(LENGTH_BYTES), "big"))

    def _read(self, length: int) -> bytes:
        data = bytearray(length)
        rest = memoryview(data)
        while rest:
            count = self._in.readinto(rest)
            if not count:
                raise EOFError("the server is gone")
            rest = rest[count:]
        return bytes(data)

    def _send(self, content: bytes) -> None:
        rest = memoryview(frame(content))
        while rest:
            rest = rest[self._out.write(rest) or 0 :]


def _checked(ask: Ask) -> bytes:
    """A request as bytes. Its arguments come from a template: one of a wrong type is told, with its line."""
    # Of what cannot be encoded, such as a name that is not defined, its text says what is wrong.
    request = msgspec.msgpack.encode(ask, enc_hook=str)
    try:
        msgspec.msgpack.decode(request, type=type(ask))
    except msgspec.ValidationError as error:
        wrong = _POSITION.search(str(error))
        name = ask.__struct_fields__[int(wrong[1]) - 1] if wrong else "an argument"
        raise ValueError(f"{name}: {_POSITION.sub('', str(error)).lower()}") from None
    return request


def main() -> int:
    """Render the one job that comes by stdin.

    Returns:
        The exit status, 0 also where the last word was `Failed`.
    """
    give_way()
    channel = _Channel()
    job = channel.job()
    _bound(job.limits)
    channel.say(Ready())
    last = _render(job, channel)
    # The work is done: an alarm comes too late now.
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    channel.say(last)
    return 0


def _render(job: Job, channel: _Channel) -> Done | Failed:
    try:
        page = render_page(job, channel.fetch)
    except PageError as error:
        return Failed(str(error))
    if not job.csv:
        return Done(page)
    try:
        csv = tables_as_csv(page.decode())
        if csv is None:
            return Done(page, problem="the page has no table")
        if len(csv) > job.limits.page_bytes:
            return Done(page, problem="the tables are larger than a page may be")
        return Done(page, csv)
    except TooLongError:
        return Done(page, problem=f"the tables are not written after {job.limits.work_seconds:g} s")
    except MemoryError:
        return Done(page, problem="the tables need more memory than a report may have")


def _bound(limits: Limits) -> None:
    bound(resource.RLIMIT_AS, limits.memory_bytes)
    bound(resource.RLIMIT_FSIZE, 0)
    bound(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGALRM, _on_alarm)


def _on_alarm(number: int, where: FrameType | None) -> None:
    raise TooLongError


if __name__ == "__main__":
    sys.exit(main())
