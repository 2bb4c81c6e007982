"""I/O devices, asked as their I/O server asks them, by a connection of our own and with all patience.

Each unit has at most as many requests in flight as its driver keeps, and a block that is not answered yet is
not asked again. Nothing is given up before a minute; then, and when the device refuses or resets, the
connection is made anew after a pause that grows up to a minute: a PLC with few connections has them taken by
its I/O servers, and must not be pressed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from changeover.core.machine import (
    DeviceAnswered,
    DeviceClosed,
    DeviceConnected,
    SendDevice,
    Stimulus,
    Ticket,
)
from changeover.drivers.modbus.address import parse_address
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.values import ReadPlan
from changeover.model.device import Unit
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.network import Kind
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.runtime.modbus_device import ModbusDevices
from changeover.survey.board import Board
from changeover.survey.sessions import PATIENCE, measuring_client
from changeover.survey.stream import Stream, StreamKey

PAUSE_FIRST: Duration = SECOND
PAUSE_LAST: Duration = 60 * SECOND
_REQUEST_BYTES = 12
_ANSWER_HEAD_BYTES = 9
_ANY_REGISTER = Block(function=3, unit_id=1, start=0, count=1)


class _Channel:
    """One unit: what is asked of it, and how its connection stands.

    Attributes:
        in_flight: By ticket the block and when it was asked.
        due: The next page scan; while there is no connection, the next attempt.
        refusals: Attempts that came to nothing since the device last answered.
    """

    def __init__(self, unit: Unit, blocks: Sequence[Block], stream: Stream, now: Instant) -> None:
        self.unit = unit
        self.blocks = blocks
        self.stream = stream
        self.in_flight: dict[Ticket, tuple[Block, Instant]] = {}
        self.queue: list[Block] = []
        self.is_connected = False
        self.due: Instant = now
        self.refusals = 0

    def pause(self) -> Duration:
        """How long to wait before the next attempt."""
        return min(PAUSE_LAST, PAUSE_FIRST << min(self.refusals, 6))


class DevicePoller:
    """Asks all units of the I/O servers of one computer.

    Args:
        plant: The plant.
        computer: Whose units.
        board: What is filled; it has a stream for each of them.
    """

    def __init__(self, plant: Plant, computer: str, board: Board) -> None:
        self._board = board
        self._scan = measuring_client(plant, computer).page_scan
        units = units_on(plant, computer)
        now = time.monotonic_ns()
        self._channels = {
            unit.name: _Channel(unit, blocks_of(plant, unit), board.streams[_key(unit)], now)
            for unit in units
        }
        own = tuple((unit, own_address(plant, computer, unit)) for unit in units)
        self._devices = ModbusDevices(own, self._feed)
        self._tickets = 0
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Ask until cancelled."""
        try:
            while self._channels:
                now = time.monotonic_ns()
                for channel in self._channels.values():
                    self._look(channel, now)
                until = min(channel.due for channel in self._channels.values())
                pause = max(0, until - time.monotonic_ns()) / SECOND
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), pause)
        finally:
            self._devices.close_all()

    def _look(self, channel: _Channel, now: Instant) -> None:
        if now < channel.due:
            return
        if not channel.is_connected:
            self._connect(channel, now)
            return
        channel.due += self._scan * (1 + (now - channel.due) // self._scan)
        oldest = min((asked for _, asked in channel.in_flight.values()), default=now)
        if now - oldest >= PATIENCE:
            self._lose(channel, now)
            return
        waiting = {*channel.queue, *(block for block, _ in channel.in_flight.values())}
        channel.queue += [block for block in channel.blocks if block not in waiting]
        self._send(channel)

    def _connect(self, channel: _Channel, now: Instant) -> None:
        """Try, or try anew: an attempt that nobody answers tells nothing by itself."""
        channel.refusals += 1
        channel.due = now + max(channel.pause(), PATIENCE if channel.refusals > 1 else 0)
        self._devices.connect(channel.unit.name)

    def _send(self, channel: _Channel) -> None:
        while channel.queue and len(channel.in_flight) < max(1, channel.unit.timing.max_pending):
            block = channel.queue.pop(0)
            self._tickets += 1
            channel.in_flight[self._tickets] = (block, time.monotonic_ns())
            channel.stream.sent(_REQUEST_BYTES)
            self._devices.send(SendDevice(channel.unit.name, self._tickets, block))

    def _feed(self, stimulus: Stimulus) -> None:
        now = time.monotonic_ns()
        if isinstance(stimulus, DeviceConnected):
            channel = self._channels[stimulus.unit]
            channel.is_connected, channel.due = True, now
            channel.stream.opened(now)
            self._news.set()
        elif isinstance(stimulus, DeviceClosed):
            self._lose(self._channels[stimulus.unit], now)
        elif isinstance(stimulus, DeviceAnswered):
            channel = self._channels[stimulus.unit]
            block, asked = channel.in_flight.pop(stimulus.ticket)
            channel.refusals = 0
            channel.stream.received(_ANSWER_HEAD_BYTES + block.payload_bytes)
            self._board.add(channel.stream, now, now - asked)
            self._send(channel)

    def _lose(self, channel: _Channel, now: Instant) -> None:
        oldest = min((asked for _, asked in channel.in_flight.values()), default=None)
        if channel.is_connected:
            channel.stream.ended(now, None if oldest is None else now - oldest)
        channel.in_flight.clear()
        channel.queue.clear()
        channel.is_connected = False
        channel.due = now + channel.pause()
        self._news.set()
        self._devices.close(channel.unit.name)


def units_on(plant: Plant, computer: str) -> tuple[Unit, ...]:
    """The units of a computer's I/O servers."""
    servers = [server.name for server in plant.io_servers if server.computer == computer]
    return tuple(unit for server in servers for unit in plant.units_of(server))


def blocks_of(plant: Plant, unit: Unit) -> tuple[Block, ...]:
    """What is read of a unit: every tag, as when a page shows all of them."""
    tags = plant.tags_of(unit.device)
    for tag in tags:
        parse_address(tag.address, tag.type)
    return ReadPlan(tags).blocks or (_ANY_REGISTER,)


def own_address(plant: Plant, computer: str, unit: Unit) -> str | None:
    """The computer's own address on the LAN of a unit's device, None where it is on none of them."""
    for lan in plant.lans:
        if lan.contains(unit.address.host):
            return plant.computer(computer).address_on(lan.name)
    return None


def device_streams(plant: Plant, computer: str) -> dict[StreamKey, Duration]:
    """What the devices of a computer's I/O servers fill, each with its period."""
    scan = measuring_client(plant, computer).page_scan
    return {_key(unit): scan for unit in units_on(plant, computer)}


def _key(unit: Unit) -> StreamKey:
    return StreamKey(Kind.DEVICE, unit.name, Function.IO_DATA.value)
