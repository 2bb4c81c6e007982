"""A simulated PLC: Modbus TCP over values that move, for `up`, demos, drills and benchmarks.

Requests are decoded and answers encoded by pymodbus, so that our own codec talks to another's. Only the
transport is ours: pymodbus's server keeps one request per connection and forgets the others of the same
segment, while a driver keeps several in flight, which a real PLC answers in order.

Values move by the wall clock, in steps of `period_ms`: two PLCs of one seed move alike, as the two of a
redundant pair do. They are renewed when they are read, so an idle PLC costs nothing. Every unit id is
answered. Registers by number, holding (4xxxx) and input (3xxxx) alike:

| numbers | type | value |
| --- | --- | --- |
| 1 | UINT | steps, counting up |
| 2 | INT | sine, ±10000, 60 s |
| 3 | ULONG | steps, counting up |
| 5 | REAL | sine, 0 to 100, 60 s |
| 7 | DOUBLE | sine, 0 to 100, 20 s |
| 11 | BCD | steps, 0 to 9999 |
| 12 | LONG | sine, ±1000000, 60 s |
| 14 | STRING, len=16 | `STEP 00000000123` |
| 22 to 100 | UINT | holding registers: what was written, 0 at first; input registers: as from 101 on |
| from 101 | UINT | each counts up from a start of its own, by the seed |

Coils (0xxxx) and discrete inputs (1xxxx): number n of 1 to 16 toggles every 2^(n-1) steps, those from 97 on
with every step; coils 17 to 96 keep what was written, inputs 17 to 96 toggle with every step. What is
written to a value that moves is accepted and lasts until the next step. Any bit may follow a square wave
instead (`plc_waves`).
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import signal
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse
from pymodbus.simulator import DataType, SimData, SimDevice
from pymodbus.simulator.simcore import SimCore

from changeover.model.lan import Endpoint
from changeover.model.moment import to_seconds
from changeover.runtime.plc_waves import Square
from changeover.scenario.disturbance import Spells

REGISTERS_MIN = 100
REGISTERS_MAX = 65536

_HEADER = struct.Struct(">HHHB")
_FUNCTIONS = frozenset((1, 2, 3, 4, 5, 6, 15, 16, 22, 23))
_BIT_FUNCTIONS = frozenset((1, 2, 5, 15))
_INPUT_FUNCTIONS = frozenset((2, 4))
_NAMED_WORDS = 21
_HELD_REGISTERS = slice(_NAMED_WORDS, REGISTERS_MIN)
_HELD_COIL_WORDS = slice(1, 6)
_READ_BYTES = 65536


class PlcError(Exception):
    """The PLC cannot run: the text names the address and the reason."""


@dataclass(frozen=True, slots=True)
class PlcSettings:
    """What a simulated PLC holds.

    Attributes:
        registers: Size of each of the four tables, 100 to 65536.
        seed: Starts of the counting registers.
        period_ms: Values move once in so many milliseconds.
        squares: Bits that follow a square wave, seen at the steps; the last of one place counts.
        slow: When it answers nothing, to answer all that it was asked then; None for never.
    """

    registers: int = 1000
    seed: int = 1
    period_ms: int = 100
    squares: tuple[Square, ...] = ()
    slow: Spells | None = None


class MovingValues:
    """The moving values of all PLCs with the same settings, at one step.

    Args:
        settings: Size, seed and period.
        now_ns: UTC in nanoseconds, such as `time.time_ns`.
    """

    def __init__(self, settings: PlcSettings, now_ns: Callable[[], int] = time.time_ns) -> None:
        rng = np.random.default_rng(settings.seed)
        self._starts = rng.integers(0, 65536, settings.registers, dtype=np.uint16)
        self._bit_words = (settings.registers + 15) // 16
        self._period_ns = settings.period_ms * 1_000_000
        self._now_ns = now_ns
        self._step = -1
        self._registers: list[int] = []
        self._bits: list[int] = []

    def step(self) -> int:
        """The current step."""
        return self._now_ns() // self._period_ns

    def utc(self, step: int) -> int:
        """When a step begins, UTC nanoseconds since 1970."""
        return step * self._period_ns

    def registers(self, step: int) -> list[int]:
        """All registers at a step, 0 to 65535 each."""
        self._renew(step)
        return self._registers

    def bits(self, step: int) -> list[int]:
        """All bits at a step, 16 in each word, lowest first."""
        self._renew(step)
        return self._bits

    def _renew(self, step: int) -> None:
        if step == self._step:
            return
        self._step = step
        counting = self._starts + np.uint16(step & 0xFFFF)
        self._registers = self._named(step) + counting[_NAMED_WORDS:].tolist()
        self._bits = [step & 0xFFFF] + [0xAAAA if step & 1 else 0x5555] * (self._bit_words - 1)

    def _named(self, step: int) -> list[int]:
        seconds = step * self._period_ns / 1e9
        slow = math.sin(2 * math.pi * (seconds % 60) / 60)
        fast = math.sin(2 * math.pi * (seconds % 20) / 20)
        octets = struct.pack(
            ">HhIfdHi16s",
            step & 0xFFFF,
            round(10_000 * slow),
            step & 0xFFFF_FFFF,
            50 + 50 * slow,
            50 + 50 * fast,
            int(str(step % 10_000), 16),
            round(1_000_000 * slow),
            f"STEP {step % 10**11:011}".encode(),
        )
        return list(struct.unpack(f">{_NAMED_WORDS}H", octets))


class SimulatedPlc:
    """One PLC: its four tables and the connections to it.

    Args:
        settings: Size, seed and period.
        values: The moving values, which PLCs of one process share.
    """

    def __init__(self, settings: PlcSettings, values: MovingValues) -> None:
        self._values = values
        self._steps: dict[tuple[bool, bool], int] = {}
        self._squares: dict[tuple[bool, bool], list[Square]] = {}
        for square in settings.squares:
            self._squares.setdefault(_table(square.address.function), []).append(square)
        bits = [False] * (16 * ((settings.registers + 15) // 16))
        registers = [0] * settings.registers
        tables = (
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, values=registers, datatype=DataType.REGISTERS)],
            [SimData(0, values=registers, datatype=DataType.REGISTERS)],
        )
        self._store = SimCore(SimDevice(id=0, simdata=tables, action=self._move))
        self._decoder = DecodePDU(True)
        self._framer = FramerSocket(self._decoder)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        self._slow = settings.slow
        self._awake = asyncio.Event()
        self._awake.set()
        self._spells: asyncio.Task[None] | None = None

    async def start(self, address: Endpoint) -> Endpoint:
        """Listen; PlcError when the address cannot be had.

        Returns:
            The address in use: port 0 takes a free one.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, address.host, address.port, reuse_address=True
            )
        except OSError as fault:
            raise PlcError(f"cannot listen on {address}: {fault.strerror or fault}") from fault
        if self._slow is not None:
            self._spells = asyncio.create_task(self._sleep_now_and_then(self._slow))
        host, port = self._server.sockets[0].getsockname()[:2]
        return Endpoint(host, port)

    async def stop(self) -> None:
        """Stop listening, close every connection and wait for their ends."""
        if self._spells is not None:
            self._spells.cancel()
        if self._server:
            self._server.close()
        for writer in self._connections.values():
            writer.close()
        await asyncio.gather(*self._connections)

    async def _sleep_now_and_then(self, slow: Spells) -> None:
        rng = random.Random()
        while True:
            await asyncio.sleep(rng.expovariate(1 / to_seconds(slow.gap)))
            self._awake.clear()
            await asyncio.sleep(rng.expovariate(1 / to_seconds(slow.length)))
            self._awake.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "asyncio runs the handler of a connection as a task"
        self._connections[task] = writer
        try:
            with suppress(ConnectionError):
                await self._converse(reader, writer)
        finally:
            del self._connections[task]
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer in order until the peer closes or breaks the protocol."""
        rest = b""
        while data := await reader.read(_READ_BYTES):
            rest += data
            at = 0
            answers: list[bytes] = []
            sound = True
            while len(rest) - at >= _HEADER.size:
                transaction, protocol, length, unit_id = _HEADER.unpack_from(rest, at)
                sound = protocol == 0 and 2 <= length <= 254
                stop = at + 6 + length
                if not sound or stop > len(rest):
                    break
                await self._awake.wait()
                answers.append(await self._answer(transaction, unit_id, rest[at + _HEADER.size : stop]))
                at = stop
            rest = rest[at:]
            writer.write(b"".join(answers))
            if not sound:
                return
            await writer.drain()

    async def _answer(self, transaction: int, unit_id: int, pdu: bytes) -> bytes:
        function = pdu[0]
        if function not in _FUNCTIONS:
            answer = ExceptionResponse(function, ExcCodes.ILLEGAL_FUNCTION)
        elif (request := self._decoder.decode(pdu)) is None:
            answer = ExceptionResponse(function, ExcCodes.ILLEGAL_VALUE)
        else:
            answer = await request.datastore_update(self._store, unit_id)
        answer.transaction_id, answer.dev_id = transaction, unit_id
        frame: bytes = self._framer.buildFrame(answer)
        return frame

    async def _move(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        words: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Called by pymodbus's store before each access: renews the table (`words`) once per step."""
        is_bits, is_input = _table(function)
        step = self._values.step()
        if self._steps.get((is_bits, is_input)) == step:
            return None
        self._steps[is_bits, is_input] = step
        moving = self._values.bits(step) if is_bits else self._values.registers(step)
        held = _HELD_COIL_WORDS if is_bits else _HELD_REGISTERS
        if is_input:
            words[: len(moving)] = moving
        else:
            words[: held.start] = moving[: held.start]
            words[held.stop : len(moving)] = moving[held.stop :]
        for square in self._squares.get((is_bits, is_input), ()):
            square.put(words, self._values.utc(step))
        return None


def _table(function: int) -> tuple[bool, bool]:
    """Which of the four tables a function code is about: whether it holds bits, and whether inputs."""
    return function in _BIT_FUNCTIONS, function in _INPUT_FUNCTIONS


async def serve(
    addresses: Sequence[Endpoint], settings: PlcSettings, announce: Callable[[Endpoint], None]
) -> None:
    """Run one PLC per address until SIGTERM or SIGINT.

    Args:
        addresses: Where to listen, at least one.
        settings: The same for all of them.
        announce: Called once per address, in order, when all of them listen.

    Raises:
        PlcError: An address cannot be had; then none is served.
    """
    # Whoever talks nonsense to a PLC gets an exception response: pymodbus need not print it as well.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    values = MovingValues(settings)
    plcs: list[SimulatedPlc] = []
    try:
        listening: list[Endpoint] = []
        for address in addresses:
            plc = SimulatedPlc(settings, values)
            listening.append(await plc.start(address))
            plcs.append(plc)
        for address in listening:
            announce(address)
        await stopping.wait()
    finally:
        for plc in plcs:
            await plc.stop()
