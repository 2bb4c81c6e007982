"""One run of measuring: begins, shows itself, writes its file, ends."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changeover.model.network import Network
from changeover.runtime.process import Ending
from changeover.survey.board import Board, encode
from changeover.survey.file import write_whole
from changeover.survey.stream import Stream

WRITE_SECONDS = 10.0
SHOW_SECONDS = 2.0
_SWITCH_SECONDS = 0.0005
"""How long a thread that draws or writes may keep the one that measures waiting."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is asked for.

    Attributes:
        seconds: How long; None until it is ended.
        out: Where to write.
        shows_live: Whether somebody looks on.
    """

    seconds: float | None
    out: Path
    shows_live: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        network: Everything so far.
        seconds: How long this run has lasted.
        left: How long it will go on; None until it is ended.
        trouble: Why the file could not be written the last time, empty where it was.
    """

    network: Network
    seconds: float
    left: float | None
    trouble: str


class Measuring:
    """A run.

    Args:
        board: What is filled.
        plan: What is asked for.
        works: What fills it: coroutines that run until they are cancelled.
        show: Takes the progress, in a thread of its own.

    Attributes:
        network: The document, once it is over.
        trouble: Why the file could not be written; empty where it was.
    """

    def __init__(
        self,
        board: Board,
        plan: Plan,
        works: Callable[[], list[Coroutine[Any, Any, None]]],
        show: Callable[[Progress], None],
    ) -> None:
        self.network: Network | None = None
        self.trouble = ""
        self._board = board
        self._plan = plan
        self._works = works
        self._show = show

    async def run(self) -> int:
        """Measure; the exit status: 0, 1 where the file was not written, or what an error left."""
        ending = Ending()
        sys.setswitchinterval(_SWITCH_SECONDS)
        # What is here stays: the collector need not walk over it while delays are taken.
        gc.freeze()
        works = [asyncio.ensure_future(work) for work in (self._board.keep_watch(), *self._works())]
        for work in works:
            work.add_done_callback(lambda done: self._on_done(done, ending))
        try:
            await self._until(ending)
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)
            self._board.finish()
        await self._look(writes=True)
        return ending.status or (1 if self.trouble else 0)

    async def _until(self, ending: Ending) -> None:
        began = written = time.monotonic()
        while not ending.event.is_set():
            now = time.monotonic()
            left = None if self._plan.seconds is None else began + self._plan.seconds - now
            if left is not None and left <= 0:
                return
            look = SHOW_SECONDS if self._plan.shows_live else WRITE_SECONDS
            pause = look if left is None else min(look, left)
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.event.wait(), pause)
            # The loop may wake a moment early.
            writes = time.monotonic() - written >= 0.9 * WRITE_SECONDS
            if writes:
                written = time.monotonic()
            if not ending.event.is_set():
                await self._look(writes)

    async def _look(self, writes: bool) -> None:
        """Put the document together beside the loop, show it, write it."""
        streams = await self._board.frozen()
        seconds = (time.monotonic_ns() - self._board.began) / 1e9
        left = None if self._plan.seconds is None else max(0.0, self._plan.seconds - seconds)
        await asyncio.to_thread(self._put, streams, seconds, left, writes)

    def _put(self, streams: list[Stream], seconds: float, left: float | None, writes: bool) -> None:
        network = self.network = self._board.network(streams, fits=writes)
        if writes:
            try:
                write_whole(self._plan.out, encode(network))
                self.trouble = ""
            except OSError as error:
                self.trouble = f"{self._plan.out}: {error.strerror or error}"
        self._show(Progress(network, seconds, left, self.trouble))

    def _on_done(self, work: asyncio.Future[None], ending: Ending) -> None:
        if not work.cancelled() and work.exception() is not None:
            loop = asyncio.get_running_loop()
            loop.call_exception_handler({"message": "measuring failed", "exception": work.exception()})
