"""An I/O server's connections to Modbus TCP devices, and what was read over them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, cast

from changeover.core.machine import (
    DeviceAnswered,
    DeviceClosed,
    DeviceConnected,
    SendDevice,
    Stimulus,
    Ticket,
)
from changeover.drivers.modbus.address import ModbusAddress
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.codec import Decoder, Response, Write, write_mismatch
from changeover.drivers.modbus.writes import Refused, encode_write, read_before_write
from changeover.model.device import Unit
from changeover.model.tag import Tag
from changeover.runtime.transport import forget_on_close

REMEMBERED_MAX = 256
"""Transmissions without an answer that a connection remembers, so that a late answer still counts."""


@dataclass(frozen=True, slots=True)
class WriteBlock:
    """A write of one tag; `number` makes each different from all others."""

    number: int
    tag: Tag
    address: ModbusAddress
    value: float | str


class Payload(NamedTuple):
    """A block's last answer.

    Attributes:
        data: The registers or bits; empty where the device refused.
        trouble: The device's exception in words, else empty.
        utc: When it came, nanoseconds since 1970.
    """

    data: bytes
    trouble: str
    utc: int


class _Asked(NamedTuple):
    ticket: Ticket
    request: Block | Write
    block: Block | WriteBlock


class ModbusLink(asyncio.Protocol):
    """One TCP connection to one unit's device."""

    def __init__(self, unit: str, feed: Callable[[Stimulus], None], payloads: dict[Block, Payload]) -> None:
        self._unit = unit
        self._feed = feed
        self._payloads = payloads
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._asked: dict[int, _Asked] = {}
        self._transaction = 0
        self._unsent: list[bytes] = []
        self._closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        forget_on_close(transport.get_extra_info("socket"))
        if self._closed:
            self._transport.abort()
        else:
            self._feed(DeviceConnected(self._unit))

    def connection_lost(self, exc: Exception | None) -> None:
        """The device's host ended it."""
        if not self._closed:
            self._closed = True
            self._feed(DeviceClosed(self._unit))

    def data_received(self, data: bytes) -> None:
        """Answers came."""
        for response in self._decoder.feed(data):
            asked = self._asked.pop(response.transaction, None)
            if asked is not None and not self._closed:
                self._on_answer(asked, response)
        if self._decoder.broken and not self._closed:
            # What comes after a broken frame cannot be trusted: the same as a reset by the device.
            self.close()
            self._feed(DeviceClosed(self._unit))

    def ask(self, ticket: Ticket, block: Block | WriteBlock) -> None:
        """Transmit a block."""
        if isinstance(block, Block):
            self._transmit(_Asked(ticket, block, block))
            return
        first = read_before_write(block.address)
        if first is not None:
            self._transmit(_Asked(ticket, first, block))
            return
        request = encode_write(block.tag, block.address, block.value)
        assert isinstance(request, Write), "the planner refused it beforehand"
        self._transmit(_Asked(ticket, request, block))

    def close(self) -> None:
        """Let go at once."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def _transmit(self, asked: _Asked) -> None:
        if self._transport is None or self._closed:
            return
        self._transaction = (self._transaction + 1) & 0xFFFF
        if len(self._asked) >= REMEMBERED_MAX:
            del self._asked[next(iter(self._asked))]
        self._asked[self._transaction] = asked
        # What is asked in one turn of the loop leaves in one segment: a system call per request costs more
        # than all the rest of it.
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(asked.request.encode(self._transaction))

    def _flush(self) -> None:
        if self._transport is not None and not self._closed:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _on_answer(self, asked: _Asked, response: Response) -> None:
        request, trouble = asked.request, response.trouble()
        if isinstance(request, Block):
            wrong = request.mismatch(response)
            if wrong:
                return
            if isinstance(asked.block, WriteBlock):
                self._on_read_before_write(asked, asked.block, response, trouble)
                return
            self._payloads[request] = Payload(response.payload, trouble, time.time_ns())
            self._feed(DeviceAnswered(self._unit, asked.ticket))
            return
        refused = trouble or write_mismatch(request, response)
        self._feed(DeviceAnswered(self._unit, asked.ticket, refused))

    def _on_read_before_write(
        self, asked: _Asked, block: WriteBlock, response: Response, trouble: str
    ) -> None:
        request = (
            Refused(trouble)
            if trouble
            else encode_write(block.tag, block.address, block.value, response.payload)
        )
        if isinstance(request, Refused):
            self._feed(DeviceAnswered(self._unit, asked.ticket, request.reason))
        else:
            self._transmit(_Asked(asked.ticket, request, block))


class ModbusDevices:
    """All units of one I/O server.

    Args:
        units: The units and, for each, the server's own address to connect from.
        feed: Takes stimuli.

    Attributes:
        payloads: By unit, each block's last answer.
    """

    def __init__(self, units: tuple[tuple[Unit, str | None], ...], feed: Callable[[Stimulus], None]) -> None:
        self._units = {unit.name: (unit, own_address) for unit, own_address in units}
        self._feed = feed
        self._links: dict[str, ModbusLink] = {}
        self._attempts: dict[str, asyncio.Task[None]] = {}
        self.payloads: dict[str, dict[Block, Payload]] = {unit.name: {} for unit, _ in units}

    def connect(self, unit: str) -> None:
        """Begin a connection, dropping the one that is there."""
        self.close(unit)
        link = ModbusLink(unit, self._feed, self.payloads[unit])
        self._links[unit] = link
        self._attempts[unit] = asyncio.get_running_loop().create_task(self._attempt(unit, link))

    def close(self, unit: str) -> None:
        """Drop a unit's connection or attempt."""
        attempt = self._attempts.pop(unit, None)
        if attempt is not None:
            attempt.cancel()
        link = self._links.pop(unit, None)
        if link is not None:
            link.close()

    def close_all(self) -> None:
        """Drop everything."""
        for unit in self._units:
            self.close(unit)

    def send(self, effect: SendDevice) -> None:
        """Transmit one block."""
        assert isinstance(effect.block, Block | WriteBlock)
        self._links[effect.unit].ask(effect.ticket, effect.block)

    async def _attempt(self, unit: str, link: ModbusLink) -> None:
        configured, own_address = self._units[unit]
        local = (own_address, 0) if own_address else None
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: link, configured.address.host, configured.address.port, local_addr=local
            )
        except (ConnectionRefusedError, ConnectionResetError):
            if self._links.get(unit) is link:
                self._feed(DeviceClosed(unit))
        except OSError:
            # No route, no neighbour: as good as silence, and the unit's own time-out finds it (D6).
            return
