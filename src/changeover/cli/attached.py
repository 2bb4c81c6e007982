"""A client of alarm, trend or report servers in this very process: it asks, acts, and says how it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import TypeVar

import click

from changeover.cli.attach import answer_seconds, ways_in_words
from changeover.cli.common import fail
from changeover.core import machine as core
from changeover.core.alarm_records import AlarmAction
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function
from changeover.protocol.queries import Answer, QueryError, Question
from changeover.runtime.client import CommandEnd, HardwareAlarm
from changeover.runtime.process import Ending, run_loop
from changeover.runtime.task_client import TaskClientHost
from changeover.runtime.trace_file import NoTrace

INTERRUPTED = 130
"""Exit status where a signal ended a verb before it had its answer: 128 + SIGINT, as shells have it."""
NOTHING_SENT = "nothing was sent"
_LOOK_SECONDS = 0.02
_FIRST_PROGRESS_SECONDS = 1.0
_PROGRESS_SECONDS = 5.0

_T = TypeVar("_T")


class EndedError(Exception):
    """This process has to end before the answer came.

    Attributes:
        status: Its exit status: `INTERRUPTED`, or what a programmer's error left.
    """

    def __init__(self, status: int) -> None:
        super().__init__("interrupted before the answer came")
        self.status = status or INTERRUPTED


@dataclass(frozen=True, slots=True)
class Answerer:
    """The server that serves a client.

    Attributes:
        server: Its name.
        lan: By which LAN.
        active: Whether it believes that it is the active one of its pair.
    """

    server: str
    lan: str
    active: bool

    def __str__(self) -> str:
        """For people: `Alarm1 on LAN_A, the active server`."""
        return f"{self.server} on {self.lan}, {'the active server' if self.active else 'not the active one'}"

    def fields(self) -> dict[str, object]:
        """For programs."""
        return {"server": self.server, "lan": self.lan, "active": self.active}


class AttachedClient(TaskClientHost):
    """A client that knows what its server says of itself.

    Args:
        plant: The plant.
        client: The client to be.
        function: ALARM, TREND or REPORT.
        on_alarm: Takes hardware alarms.
    """

    def __init__(
        self,
        plant: Plant,
        client: Client,
        function: Function,
        on_alarm: Callable[[HardwareAlarm], None] | None = None,
    ) -> None:
        super().__init__(plant, client, function, NoTrace(), Random(time.monotonic_ns()), on_alarm)
        self._is_active = False

    @property
    def answerer(self) -> Answerer | None:
        """The server that serves now, None while it is searched for."""
        way = self.way
        return None if way is None else Answerer(way.server, way.lan, self._is_active)

    def _show_news(self, effect: core.ShowNews) -> None:
        self._is_active = effect.news.active
        super()._show_news(effect)


class Asking:
    """Asks a function's servers, one question after the other. Made inside the running loop.

    Args:
        plant: The plant.
        client: The client to be.
        function: ALARM, TREND or REPORT.
        wait_seconds: How long each answer may take; None for as long as a changeover may, and an answer.
        say: Takes a line for people while it lasts.

    Attributes:
        host: The client.
    """

    def __init__(
        self,
        plant: Plant,
        client: Client,
        function: Function,
        wait_seconds: float | None,
        say: Callable[[str], None],
    ) -> None:
        self.host = AttachedClient(plant, client, function)
        self._function = function.value
        self._wait = answer_seconds(plant, client, function) if wait_seconds is None else wait_seconds
        self._say = say
        self._ending = Ending()
        self._loop = asyncio.get_running_loop()
        self._way: Way | None = None
        self._next_progress = 0.0

    async def __aenter__(self) -> Asking:
        """Connect."""
        self.host.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self.host.stop()
        # Let the transports close: the servers hear of it at once.
        await asyncio.sleep(0)

    @property
    def status(self) -> int:
        """The exit status: 0, or what a programmer's error left."""
        return self._ending.status

    @property
    def answerer(self) -> Answerer:
        """Who answered last."""
        answerer = self.host.answerer
        assert answerer is not None, "looked at before the loop could lose it"
        return answerer

    async def ask(self, question: Question) -> Answer:
        """Ask; a changeover on the way does no harm.

        Raises:
            QueryError: There is no answer; the text says why.
            EndedError: A signal came first.
        """
        began = self._loop.time()
        asked = asyncio.ensure_future(self.host.ask(question, self._wait))
        await self._until(asked)
        try:
            return asked.result()
        except QueryError as error:
            if self._loop.time() - began < self._wait:
                raise
            raise QueryError(f"{error} within {self._wait:g} s ({self._links()})") from error

    async def act(self, make: Callable[[], AlarmAction]) -> CommandEnd:
        """Act on alarms once a server is there: done, refused or unknown.

        Args:
            make: Makes the action; called when it can be sent, since it carries its time.
        """
        try:
            if not await self._until_served():
                return CommandEnd("refused", f"{self._nobody()}, {NOTHING_SENT}")
        except EndedError as error:
            return CommandEnd("refused", f"{error}, {NOTHING_SENT}")
        acting = asyncio.ensure_future(self.host.act(make(), self._wait))
        try:
            await self._until(acting)
        except EndedError as error:
            return CommandEnd("unknown", str(error))
        return acting.result()

    # --- waiting ---

    async def _until_served(self) -> bool:
        """Wait for a server; false when none was found in time, EndedError when a signal came first."""
        deadline = self._loop.time() + self._wait
        self._await_progress()
        while self.host.way is None:
            if self._loop.time() >= deadline:
                return False
            await self._pause(None)
        return True

    async def _until(self, future: asyncio.Future[_T]) -> None:
        self._await_progress()
        try:
            while not future.done():
                await self._pause(future)
        finally:
            future.cancel()

    async def _pause(self, future: asyncio.Future[_T] | None) -> None:
        """Wait a moment, at most until something is done, and say what there is to say."""
        interrupted = asyncio.ensure_future(self._ending.event.wait())
        everything = (interrupted,) if future is None else (interrupted, future)
        await asyncio.wait(everything, timeout=_LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        if self._ending.event.is_set():
            raise EndedError(self._ending.status)
        if future is None or not future.done():
            self._progress()

    def _await_progress(self) -> None:
        self._way = self.host.way
        self._next_progress = self._loop.time() + _FIRST_PROGRESS_SECONDS

    def _progress(self) -> None:
        before, self._way = self._way, self.host.way
        if before is not None and self._way is None:
            self._say(f"{before} is lost: looking for a server, which is asked the same then")
        elif before is None and self._way is not None and self._loop.time() >= self._next_progress:
            self._say(f"{self._way} serves, waiting for its answer")
        elif self._loop.time() < self._next_progress:
            return
        elif self._way is None:
            self._say(f"waiting for a server of {self._function}s: {self._links()}")
        else:
            self._say(f"{self._way} was asked, waiting for its answer")
        self._next_progress = self._loop.time() + _PROGRESS_SECONDS

    def _nobody(self) -> str:
        return f"no {self._function} server was reached within {self._wait:g} s ({self._links()})"

    def _links(self) -> str:
        return ways_in_words(self.host.machine.search.links)


def converse(
    plant: Plant,
    client: Client,
    function: Function,
    wait_seconds: float | None,
    talk: Callable[[Asking], Awaitable[_T]],
) -> _T:
    """Run a client in this process, talk to its server, and end.

    Args:
        plant: The plant.
        client: The client to be.
        function: ALARM, TREND or REPORT.
        wait_seconds: As for `Asking`.
        talk: What to ask and do; its result is given back.

    Returns:
        What `talk` returned. Where there is no answer the process ends: status 1, or `INTERRUPTED`.
    """
    results: list[_T] = []

    async def main() -> int:
        async with Asking(plant, client, function, wait_seconds, _say) as asking:
            results.append(await talk(asking))
            return asking.status

    try:
        status = run_loop(main)
    except QueryError as error:
        fail(str(error), 1)
    except EndedError as error:
        fail(str(error), error.status)
    if status:
        raise SystemExit(status)
    return results[0]


def _say(line: str) -> None:
    click.echo(line, err=True)
