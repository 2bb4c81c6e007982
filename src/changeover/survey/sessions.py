"""Sessions of a running plant: the product's own client, with somebody who looks on.

The client is an ordinary one of all functions, and the servers treat it so, but for one thing: its name says
that it measures, so that no decision of redundancy counts it (`core.peers`). Its own copy of the plant has
a SendTimeout and a TimeOut of a minute: what it waits for is measured, not cut off. The servers keep theirs:
one that has waited SendTimeout for this client's acknowledgement closes the session, and the delay under way
is a censored one.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import replace
from random import Random

from changeover.core import machine as core
from changeover.core.machine import Frame, SessionId
from changeover.core.messages import Answer, ReadRequest
from changeover.core.peers import MEASURING
from changeover.core.task_messages import News, Poll
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.network import Kind
from changeover.model.plant import Plant, Way
from changeover.model.server import Client, Function
from changeover.runtime.client import ClientHost
from changeover.runtime.host import Host
from changeover.runtime.task_client import TaskClientHost
from changeover.runtime.trace_file import NoTrace
from changeover.survey.board import Board
from changeover.survey.stream import StreamKey

PATIENCE: Duration = 60 * SECOND
_UNANSWERED_MAX = 1000
"""Requests of one session whose answers are waited for; older ones are forgotten."""


class _Session:
    """What is under way on one session; the stream of acknowledgements is None where nobody acknowledges."""

    __slots__ = ("acknowledgements", "answers", "asks", "is_open", "requests", "unacknowledged")

    def __init__(self, board: Board, way: str, function: str) -> None:
        self.acknowledgements = board.streams.get(StreamKey(Kind.SESSION, way, function))
        self.answers = board.streams[StreamKey(Kind.ROUND_TRIP, way, function)]
        self.is_open = self.asks = False
        self.unacknowledged: deque[tuple[int, Instant]] = deque()
        self.requests: dict[int, Instant] = {}


class SessionTap:
    """Measures the sessions of one client's machine (`runtime.transport.Tap`).

    Args:
        board: What is filled.
        function: Of the servers.
    """

    def __init__(self, board: Board, function: Function) -> None:
        self._board = board
        self._function = function.value
        self._sessions: dict[SessionId, _Session] = {}

    def attempts(self, session: SessionId, way: Way) -> None:
        """A session of that number will go by a way."""
        self._sessions[session] = _Session(self._board, str(way), self._function)

    def opened(self, session: SessionId, at: Instant) -> None:
        """A connection stands."""
        known = self._sessions[session]
        known.is_open = True
        if known.acknowledgements is not None:
            known.acknowledgements.opened(at)

    def sent(self, session: SessionId, frame: Frame, size: int, at: Instant) -> None:
        """A frame leaves; a bare acknowledgement has no number, and none is awaited for it."""
        known, message = self._sessions[session], frame.message
        if message is None:
            return
        if known.acknowledgements is not None:
            known.unacknowledged.append((frame.seq, at))
            known.acknowledgements.sent(size)
        if isinstance(message, ReadRequest | Poll):
            # Most sessions carry probes alone: of answers nothing is seen there.
            if not known.asks:
                known.asks = True
                known.answers.opened(at)
            known.answers.sent(size)
            known.requests[message.request] = at
            if len(known.requests) > _UNANSWERED_MAX:
                del known.requests[next(iter(known.requests))]

    def arrived(self, session: SessionId, frames: list[Frame], size: int, at: Instant) -> None:
        """Acknowledgements and answers came."""
        known = self._sessions.get(session)
        if known is None:
            return
        board, stream, waiting = self._board, known.acknowledgements, known.unacknowledged
        if stream is not None:
            stream.received(size)
        for frame in frames:
            while stream is not None and waiting and waiting[0][0] <= frame.ack:
                board.add(stream, at, at - waiting.popleft()[1])
            message = frame.message
            if isinstance(message, Answer | News):
                asked = known.requests.pop(message.request, None)
                if asked is not None:
                    known.answers.received(size)
                    board.add(known.answers, at, at - asked)

    def closed(self, session: SessionId, at: Instant, lost: bool) -> None:
        """A session is gone; by our own doing it was given up after a minute, or is wanted no more."""
        known = self._sessions.pop(session, None)
        if known is None or not known.is_open:
            return
        waiting = known.unacknowledged
        outstanding = at - waiting[0][1] if waiting else None
        counts = lost or (outstanding or 0) >= PATIENCE
        if known.acknowledgements is not None:
            known.acknowledgements.ended(at, outstanding, counts=counts)
        if known.asks:
            asked = min(known.requests.values(), default=at)
            known.answers.ended(at, at - asked if asked < at else None, counts=counts)


class MeasuringClient(ClientHost):
    """The client of the I/O servers.

    Args:
        plant: The plant, its time-outs replaced.
        client: The measuring client.
        board: What is filled.
    """

    def __init__(self, plant: Plant, client: Client, board: Board) -> None:
        self._looks_on = SessionTap(board, Function.IO_DATA)
        super().__init__(plant, client, NoTrace(), Random(time.monotonic_ns()), self._looks_on)

    def _open_connection(self, effect: core.OpenConnection) -> None:
        self._looks_on.attempts(effect.session, effect.way)
        super()._open_connection(effect)


class MeasuringTaskClient(TaskClientHost):
    """The client of the alarm, trend or report servers.

    Args:
        plant: The plant, its time-outs replaced.
        client: The measuring client.
        function: Which servers.
        board: What is filled.
    """

    def __init__(self, plant: Plant, client: Client, function: Function, board: Board) -> None:
        self._looks_on = SessionTap(board, function)
        rng = Random(time.monotonic_ns())
        super().__init__(plant, client, function, NoTrace(), rng, tap=self._looks_on)

    def _open_connection(self, effect: core.OpenConnection) -> None:
        self._looks_on.attempts(effect.session, effect.way)
        super()._open_connection(effect)


def measuring_client(plant: Plant, computer: str) -> Client:
    """The client: as fast as the fastest of the plant; no other can have its name."""
    scan = min(client.page_scan for client in plant.clients)
    return Client(f"{computer}:{MEASURING}", computer, scan)


def patient(plant: Plant) -> Plant:
    """The plant as the measuring client has it."""
    timing = replace(plant.timing, send_timeout=PATIENCE, request_timeout=PATIENCE)
    return replace(plant, timing=timing)


def session_streams(plant: Plant, computer: str) -> dict[StreamKey, Duration]:
    """What the sessions of a computer fill, each with its period."""
    client = measuring_client(plant, computer)
    ways = {Function.IO_DATA: plant.ways(client)}
    ways |= {f: plant.task_ways(computer, f) for f in Function if f is not Function.IO_DATA}
    acknowledged = plant.timing.silence is not None or plant.policy.needs_heartbeat_to_switch
    kinds = (Kind.SESSION, Kind.ROUND_TRIP) if acknowledged else (Kind.ROUND_TRIP,)
    return {
        StreamKey(kind, str(way), function.value): client.page_scan
        for function, found in ways.items()
        for way in found
        for kind in kinds
    }


def session_hosts(plant: Plant, computer: str, board: Board) -> tuple[Host, ...]:
    """The measuring client's hosts, not started; call it inside the running loop."""
    client, copy = measuring_client(plant, computer), patient(plant)
    functions = [f for f in Function if f is not Function.IO_DATA and copy.task_ways(computer, f)]
    tasks = tuple(MeasuringTaskClient(copy, client, function, board) for function in functions)
    return (MeasuringClient(copy, client, board), *tasks) if copy.ways(client) else tasks
