"""`changeover measure --connect`: asks a host that listens, and measures its acknowledgements and answers."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from changeover.core.machine import Frame
from changeover.core.messages import Answer, Columns, ReadRequest
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.model.network import Kind
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.protocol.frames import encode
from changeover.survey.board import Board
from changeover.survey.measuring import Measuring, Plan, Progress
from changeover.survey.sessions import PATIENCE
from changeover.survey.stream import StreamKey
from changeover.survey.wire import ACK, ANSWER, REQUEST, Decoder, WireError, hello, message

SIZE_DEFAULT = 40
ANSWER_DEFAULT = 2000
PERIOD_DEFAULT: Duration = 250 * MILLISECOND
_RETRY_SECONDS = 1.0
_POSITION_BYTES = 4
_VALUE_BYTES = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """What is measured between two hosts.

    Attributes:
        host, port: Of the one that listens.
        size, answer: Bytes of a request and of its answer.
        period: Between requests.
    """

    host: str
    port: int
    size: int
    answer: int
    period: Duration

    @classmethod
    def like(
        cls,
        plant: Plant | None,
        endpoint: tuple[str, int],
        size: int | None,
        answer: int | None,
        period: float | None,
    ) -> Asked:
        """What was asked for; what was not is as in a plant, else the defaults."""
        usual_size, usual_answer, scan = SIZE_DEFAULT, ANSWER_DEFAULT, PERIOD_DEFAULT
        if plant is not None:
            usual_size, usual_answer = sizes_of(plant)
            scan = min(client.page_scan for client in plant.clients)
        span = scan if period is None else round(period * SECOND)
        return cls(*endpoint, size or usual_size, answer or usual_answer, span)


def sizes_of(plant: Plant) -> tuple[int, int]:
    """Bytes of a request and of its answer: of the largest I/O device, with every tag in it."""
    device = max(plant.io_devices, key=lambda known: len(plant.tags_of(known.name)), default=None)
    if device is None:
        return SIZE_DEFAULT, ANSWER_DEFAULT
    count = len(plant.tags_of(device.name))
    unit = device.primary.name
    request = ReadRequest(1, unit, PERIOD_DEFAULT)
    columns = Columns(bytes(_POSITION_BYTES * count), bytes(_VALUE_BYTES * count), bytes(count), 1 << 60)
    return len(encode(Frame(1, 1, request))), len(encode(Frame(1, 1, Answer(1, unit, "", columns))))


def host_streams(asked: Asked) -> dict[StreamKey, Duration]:
    """What is filled: acknowledgements and answers."""
    return dict.fromkeys(_keys(asked), asked.period)


def make_asking(asked: Asked, board: Board, plan: Plan, show: Callable[[Progress], None]) -> Measuring:
    """A run between two hosts; call it inside the running loop."""
    return Measuring(board, plan, lambda: [_ask_for_ever(asked, board)], show)


def _keys(asked: Asked) -> tuple[StreamKey, StreamKey]:
    name = f"{asked.host}:{asked.port}"
    function = Function.IO_DATA.value
    return StreamKey(Kind.SESSION, name, function), StreamKey(Kind.ROUND_TRIP, name, function)


async def _ask_for_ever(asked: Asked, board: Board) -> None:
    loop = asyncio.get_running_loop()
    link: _Link | None = None
    try:
        while True:
            connecting = loop.create_connection(partial(_Link, asked, board), asked.host, asked.port)
            try:
                _, made = await asyncio.wait_for(connecting, PATIENCE / SECOND)
                link = made
                await _ask(asked, made)
            except OSError:
                link = None
            await asyncio.sleep(_RETRY_SECONDS)
    finally:
        if link is not None:
            link.close()


async def _ask(asked: Asked, link: _Link) -> None:
    due = time.monotonic_ns()
    while not link.gone.is_set():
        link.ask(time.monotonic_ns())
        due += asked.period
        late = time.monotonic_ns() - due
        if late > 0:
            due += asked.period * (late // asked.period + 1)
        try:
            await asyncio.wait_for(link.gone.wait(), max(0, due - time.monotonic_ns()) / SECOND)
        except TimeoutError:
            continue


class _Link(asyncio.Protocol):
    """One connection to the host that listens."""

    def __init__(self, asked: Asked, board: Board) -> None:
        self.gone = asyncio.Event()
        self._asked = asked
        self._board = board
        acknowledged, answered = _keys(asked)
        self._acknowledged, self._answered = board.streams[acknowledged], board.streams[answered]
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._number = 0
        self._unacknowledged: dict[int, Instant] = {}
        self._unanswered: dict[int, Instant] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast(asyncio.Transport, transport)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.write(hello(self._asked.answer))
        now = time.monotonic_ns()
        self._acknowledged.opened(now)
        self._answered.opened(now)

    def ask(self, now: Instant) -> None:
        """Send a request, or give the connection up where one has waited for a minute."""
        oldest = next(iter(self._unanswered.values()), now)
        if now - oldest >= PATIENCE:
            self._end(counts=True)
            return
        self._number += 1
        assert self._transport is not None
        data = message(REQUEST, self._number, self._asked.size)
        self._unacknowledged[self._number] = self._unanswered[self._number] = now
        for stream in (self._acknowledged, self._answered):
            stream.sent(len(data))
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Acknowledgements and answers came."""
        now = time.monotonic_ns()
        self._acknowledged.received(len(data))
        try:
            for said in self._decoder.feed(data):
                if said.kind == ACK and said.number in self._unacknowledged:
                    asked = self._unacknowledged.pop(said.number)
                    self._board.add(self._acknowledged, now, now - asked)
                elif said.kind == ANSWER and said.number in self._unanswered:
                    self._answered.received(said.size)
                    self._board.add(self._answered, now, now - self._unanswered.pop(said.number))
        except WireError:
            self._end(counts=True)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone, with what was under way."""
        self._end(counts=True)

    def close(self) -> None:
        """Let go at once, because measuring ends."""
        self._end(counts=False)

    def _end(self, counts: bool) -> None:
        if self.gone.is_set() or self._transport is None:
            return
        self.gone.set()
        self._transport.abort()
        now = time.monotonic_ns()
        for stream, under_way in (
            (self._acknowledged, self._unacknowledged),
            (self._answered, self._unanswered),
        ):
            oldest = next(iter(under_way.values()), None)
            stream.ended(now, None if oldest is None else now - oldest, counts=counts)
