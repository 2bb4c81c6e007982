"""What the processes of alarm, trend and report servers have in common: listeners, the partner, the time."""

from __future__ import annotations

import asyncio
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from changeover.core import machine as core
from changeover.core.task_server import TaskServer
from changeover.model.moment import SECOND, Duration
from changeover.model.plant import Plant, Way
from changeover.model.server import TaskMode
from changeover.model.server import TaskServer as TaskServerConfiguration
from changeover.protocol.frames import FROM_PARTNERS, FROM_TASK_CLIENTS
from changeover.protocol.queries import QueryError
from changeover.runtime.archive_thread import KEEP, ArchiveThread
from changeover.runtime.host import Host
from changeover.runtime.trace_file import Trace
from changeover.runtime.transport import Connector, Listener
from changeover.storage.errors import ArchiveUnusableError

CLOCK_PERIOD_MAX: Duration = SECOND
ANSWER_BYTES_MAX = 3 * 1024 * 1024
"""Of an answer to a question: it goes into a peer's write buffer, and is acknowledged as a whole."""
ROWS_MAX = 20_000
"""Rows of one answer; who wants more asks for them page by page."""
NO_ANSWER = (QueryError, ArchiveUnusableError, ValueError, OverflowError)
"""What a question can come to: it makes no sense, or its numbers do not, or the archive cannot say."""

_T = TypeVar("_T")


class ArchiveError(Exception):
    """What a server has to keep cannot be kept: its process ends, so that its partner takes over."""


class Partner(NamedTuple):
    """What a server's machine is told of its partner, in the order of its arguments.

    Attributes:
        name: The partner's name, None without one.
        ways: Every way to it.
        is_first: Whether the server stands first of the two.
        neighbours: Servers and clients on the server's own computer.
    """

    name: str | None
    ways: tuple[Way, ...]
    is_first: bool
    neighbours: frozenset[str]


def partner_of(plant: Plant, server: TaskServerConfiguration) -> Partner:
    """A server's partner, and every way to it."""
    partner = plant.partner_of(server)
    neighbours = plant.neighbours(server)
    if partner is None:
        return Partner(None, (), True, neighbours)
    ways = tuple(Way(partner.name, lan) for lan in plant.session_lans(server.computer, partner.computer))
    return Partner(partner.name, ways, server.mode is TaskMode.PRIMARY, neighbours)


class TaskServerHost(Host, ABC):
    """Runs one alarm, trend or report server; a subclass adds its archive.

    Args:
        plant: The plant.
        server: Which of its servers.
        machine: The server's machine.
        trace: Where trace lines go.
        clock_period: How often the machine is told the time.
        on_failure: Told why this process has to end.
    """

    def __init__(
        self,
        plant: Plant,
        server: TaskServerConfiguration,
        machine: TaskServer,
        trace: Trace,
        clock_period: Duration,
        on_failure: Callable[[str], None],
    ) -> None:
        super().__init__(machine, trace)
        self.plant = plant
        self.server = server
        self.machine = machine
        self.endpoints = plant.endpoints_of(server)
        self._on_failure = on_failure
        silence = plant.timing.silence
        self._listener = Listener(self.feed, self.endpoints, silence, FROM_TASK_CLIENTS)
        self._connector = Connector(self.feed, silence, FROM_PARTNERS)
        self._clock_period = min(clock_period, CLOCK_PERIOD_MAX)
        self._clock: asyncio.TimerHandle | None = None
        self._stopped = False
        self._performers |= {
            core.SendFrame: self._send_frame,
            core.OpenConnection: self._open_connection,
            core.CloseConnection: self._close_connection,
            core.ResetListener: lambda _: self._listener.reset(),
            core.LookUp: self._look_up,
        }

    def start(self) -> None:
        """Listen, then start the machine.

        Raises:
            OSError: An address cannot be listened on.
        """
        self._listener.open()
        self.trace.line("listening", addresses=[str(endpoint) for endpoint in self.endpoints])
        super().start()
        self._tick()

    def stop(self) -> None:
        """Close every connection, so that clients and the partner hear of it at once."""
        super().stop()
        self._stopped = True
        if self._clock is not None:
            self._clock.cancel()
        self._listener.close_all()
        self._connector.close_all()

    def feed(self, stimulus: core.Stimulus) -> None:
        """Hand over a stimulus; what cannot be kept ends the process."""
        if self._stopped:
            return
        try:
            super().feed(stimulus)
        except ArchiveError as error:
            self.fail(str(error))

    def fail(self, why: str) -> None:
        """End this process: it cannot do what it is for."""
        if not self._stopped:
            self.stop()
            self._on_failure(f"{self.server.name}: {why}")

    @abstractmethod
    def look_up(self, effect: core.LookUp) -> None:
        """Answer a look-up with `found`, at once or later."""

    def found(self, token: int, found: object) -> None:
        """A look-up's answer; one that no frame holds is none."""
        if isinstance(found, bytes) and len(found) > ANSWER_BYTES_MAX:
            size = len(found) / 1024 / 1024
            self.not_found(token, f"the answer has {size:.1f} MiB, 3 are allowed: ask for a shorter span")
        else:
            self.feed(core.Looked(token, found))

    def not_found(self, token: int, why: str) -> None:
        """A look-up that has no answer."""
        self.feed(core.Looked(token, None, why))

    def do(
        self,
        thread: ArchiveThread,
        urgency: int,
        work: Callable[[], _T],
        then: Callable[[_T], None],
        otherwise: Callable[[str], None],
    ) -> None:
        """Do something in an archive's thread, in its turn; then go on in the loop, unless this has stopped.

        Args:
            thread: The thread.
            urgency: KEEP or LOOK.
            work: What to do there.
            then: Takes its result.
            otherwise: Told why there is none. An unforeseen error is told as well where something was looked
                for; where something had to be kept it ends this process, which no longer can.
        """

        def run() -> None:
            try:
                result = work()
            except NO_ANSWER as error:
                self._loop.call_soon_threadsafe(self._unless_stopped, otherwise, str(error))
            except Exception as error:  # whatever a library raises: told, or the end of this process
                traceback.print_exc()
                unforeseen = self.fail if urgency == KEEP else otherwise
                self._loop.call_soon_threadsafe(self._unless_stopped, unforeseen, f"the archive: {error!r}")
            else:
                self._loop.call_soon_threadsafe(self._unless_stopped, then, result)

        thread.submit(run, urgency)

    def _unless_stopped(self, call: Callable[[_T], None], argument: _T) -> None:
        if not self._stopped:
            call(argument)

    def _look_up(self, effect: core.LookUp) -> None:
        # Never from inside the machine's own call.
        self._loop.call_soon(self.look_up, effect)

    def _on_timer(self, deadline: int) -> None:
        if self._stopped:
            return
        try:
            super()._on_timer(deadline)
        except ArchiveError as error:
            self.fail(str(error))

    def _tick(self) -> None:
        self._clock = self._loop.call_later(self._clock_period / SECOND, self._tick)
        self.feed(core.WallClock(time.time_ns()))

    def _send_frame(self, effect: core.SendFrame) -> None:
        # Odd numbers are sessions that others opened, even ones our own (`Listener`).
        if effect.session % 2:
            self._listener.send(effect.session, effect.frame)
        else:
            self._connector.send(effect.session, effect.frame)

    def _open_connection(self, effect: core.OpenConnection) -> None:
        self._connector.connect(effect.session, *self.plant.route(self.server.computer, effect.way))

    def _close_connection(self, effect: core.CloseConnection) -> None:
        if effect.session % 2:
            self._listener.close(effect.session)
        else:
            self._connector.close(effect.session)


def data_folder(root: Path, server: TaskServerConfiguration) -> Path:
    """The folder of a server's archive; it is made.

    Raises:
        ArchiveUnusableError: It cannot be made.
    """
    folder = root / server.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveUnusableError(f"{folder}: cannot be made: {error.strerror}") from error
    return folder


def rows_wanted(limit: int) -> int:
    """How many rows an answer has at most, of those that were asked for."""
    return max(0, min(limit, ROWS_MAX))
