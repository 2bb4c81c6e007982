"""The server's side of rendering: starts the process that renders one run, fetches data for it, ends it.

Nothing that the process does can hold the server up: it has a time for its work, which does not run while it
waits for data, another one for those waits, and every frame has a bounded length.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from changeover.runtime.report_data import AlarmRow, JournalRow, ReportData, ReportDataError, TagRow, TrendRow
from changeover.runtime.report_process import end, ending, start_module
from changeover.runtime.report_wire import (
    ANSWERED,
    LENGTH_BYTES,
    REFUSED,
    Ask,
    AskAlarms,
    AskTag,
    AskTrend,
    Done,
    Failed,
    FromChild,
    Job,
    Ready,
    frame,
)

_START_SECONDS = 30.0
"""So long a process may take to begin, on a machine that has much else to do."""
_NONSENSE = "its process says what is no request"
_GRACE_SECONDS = 2.0
"""So long a template has, when its time is over, to tell the line it is in."""
_PIPE_BYTES = 2**20
_FRAME_BYTES_MORE = 2**20
"""What a frame may be longer than page and CSV together."""
_WORDS_BYTES_MAX = 4096

_FROM_CHILD: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)
_Rows = TagRow | Sequence[TrendRow] | Sequence[AlarmRow] | Sequence[JournalRow]


class ReportError(Exception):
    """A run of which nothing could be made; the text says why."""


class Dialogue:
    """One run. What the data's calls raise beside `ReportDataError` ends it and is passed on.

    Args:
        job: The run.
        data: Fetches what the template asks for.
    """

    def __init__(self, job: Job, data: ReportData) -> None:
        self._job = job
        self._data = data
        self._work_left = job.limits.work_seconds
        self._data_left = job.limits.data_seconds
        self._length: int | None = None

    async def run(self) -> Done:
        """Render the page.

        Raises:
            ReportError: There is none.
        """
        pipe = asyncio.subprocess.PIPE
        try:
            child = await start_module(
                "report_worker", stdin=pipe, stdout=pipe, stderr=pipe, limit=_PIPE_BYTES
            )
        except OSError as error:
            raise ReportError(f"its process cannot be started: {error.strerror or error}") from error
        assert child.stdin and child.stdout and child.stderr
        self._child, self._to, self._from = child, child.stdin, child.stdout
        words = asyncio.create_task(_last_words(child.stderr))
        try:
            return await self._converse(words)
        finally:
            await end(child)
            # Both pipes are read to their ends, so that no transport outlives the run.
            self._to.close()
            await self._from.read()
            await words

    async def _converse(self, words: asyncio.Task[str]) -> Done:
        try:
            said = await self._begin()
            while isinstance(said, Ask):
                said = await self._go_on(await self._answer(said))
        except (asyncio.IncompleteReadError, ConnectionError):
            raise ReportError(await self._how_it_ended(words)) from None
        except msgspec.MsgspecError:
            raise ReportError(_NONSENSE) from None
        if isinstance(said, Done):
            return said
        raise ReportError(said.text if isinstance(said, Failed) else _NONSENSE)

    async def _begin(self) -> FromChild:
        try:
            async with asyncio.timeout(_START_SECONDS):
                await self._send(msgspec.msgpack.encode(self._job))
                if not isinstance(await self._receive(), Ready):
                    raise ReportError(_NONSENSE)
        except TimeoutError:
            raise ReportError(f"its process does not run after {_START_SECONDS:g} s") from None
        return await self._go_on()

    async def _go_on(self, answer: bytes | None = None) -> FromChild:
        """What the process says next; meanwhile the time for its work runs."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._work_left):
                if answer is not None:
                    await self._send(answer)
                return await self._receive()
        except TimeoutError:
            return await self._hurry()
        finally:
            self._work_left -= loop.time() - began

    async def _send(self, content: bytes) -> None:
        self._to.write(frame(content))
        await self._to.drain()

    async def _receive(self) -> FromChild:
        # The length is kept, as a time-out may come between it and the rest of the frame.
        if self._length is None:
            self._length = int.from_bytes(await self._from.readexactly(LENGTH_BYTES), "big")
        if self._length > 2 * self._job.limits.page_bytes + _FRAME_BYTES_MORE:
            raise ReportError("its process says more than it may")
        content = await self._from.readexactly(self._length)
        self._length = None
        return _FROM_CHILD.decode(content)

    async def _hurry(self) -> Done | Failed:
        with suppress(ProcessLookupError):
            self._child.send_signal(signal.SIGALRM)
        with suppress(TimeoutError, asyncio.IncompleteReadError):
            async with asyncio.timeout(_GRACE_SECONDS):
                while True:
                    said = await self._receive()
                    if isinstance(said, Done | Failed):
                        return said
        limit = self._job.limits.work_seconds
        raise ReportError(f"{self._job.report.template}: still at work after {limit:g} s, it was killed")

    async def _answer(self, ask: Ask) -> bytes:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(self._data_left) as limit:
                rows = await self._fetch(ask)
            return self._encoded(rows)
        except TimeoutError:
            if not limit.expired():
                raise
            return REFUSED + f"no data within {self._job.limits.data_seconds:g} s".encode()
        except (ReportDataError, UnicodeEncodeError) as error:
            return REFUSED + str(error).encode(errors="replace")
        finally:
            self._data_left -= loop.time() - began

    async def _fetch(self, ask: Ask) -> _Rows:
        if isinstance(ask, AskTag):
            return await self._data.tag(ask.name)
        if isinstance(ask, AskTrend):
            return await self._data.trend(ask.name, ask.start_utc, ask.end_utc, ask.bucket)
        if isinstance(ask, AskAlarms):
            return await self._data.alarms(ask.active, ask.acknowledged, ask.category, ask.area)
        return await self._data.journal(ask.start_utc, ask.end_utc)

    def _encoded(self, rows: _Rows) -> bytes:
        most = self._job.limits.rows
        if not isinstance(rows, TagRow) and len(rows) > most:
            raise ReportDataError(
                f"{len(rows):,} rows, and {most:,} are the most; ask for a shorter time or for buckets"
            )
        return ANSWERED + msgspec.msgpack.encode(rows)

    async def _how_it_ended(self, words: asyncio.Task[str]) -> str:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._child.wait(), _GRACE_SECONDS)
        status = self._child.returncode
        await end(self._child)
        return "its process " + ("says no more" if status is None else ending(status, await words))


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while data := await stream.read(_PIPE_BYTES):
        kept = (kept + data)[-_WORDS_BYTES_MAX:]
    return kept.decode(errors="replace")
