"""Modbus TCP frames: requests to bytes, bytes to responses.

A frame is the MBAP header (transaction, protocol 0, length, unit id) and a PDU (function, data). Requests are
encoded by functions that return the whole frame; `Decoder` takes whatever the socket delivers and returns the
responses that are complete. Registers stay big-endian bytes here: `values` decodes many of them at once.

Several requests may be in flight: the transaction id, which the caller chooses (0 to 65535), says which
request a response answers. A response whose transaction id nobody waits for is a late one, to be dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

READ_COILS = 1
READ_DISCRETE_INPUTS = 2
READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
WRITE_COIL = 5
WRITE_REGISTER = 6
WRITE_COILS = 15
WRITE_REGISTERS = 16

BIT_READS = frozenset((READ_COILS, READ_DISCRETE_INPUTS))
REGISTER_READS = frozenset((READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS))

READ_REGISTERS_MAX = 125
READ_BITS_MAX = 2000
WRITE_REGISTERS_MAX = 123
WRITE_COILS_MAX = 1968
TABLE_SIZE = 65536
"""Registers, or bits, that one table of a device can hold."""

EXCEPTION_TEXTS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target failed to respond",
}
"""The exception codes of the Modbus application protocol, in words."""

_REQUEST = struct.Struct(">HHHBBHH")
_HEAD = struct.Struct(">HHHBBB")
_HEADER_BYTES = 6
"""Bytes that the length field does not count."""
_LENGTH_MIN = 3
_LENGTH_MAX = 254
_ECHO_LENGTH = 6
"""Unit id, function and the four bytes that every answered write carries."""
_ON, _OFF = b"\xff\x00", b"\x00\x00"


class Response(NamedTuple):
    """One answer of a device. A tuple: tens of thousands a second are made of these.

    Attributes:
        transaction: Transaction id of the request that it answers.
        unit_id: Modbus unit id.
        function: Function code of the request, without the exception bit.
        payload: Of a read the registers (big-endian) or bits (packed, lowest first), without the byte count;
            of a write the four bytes of its echo; of an exception empty.
        exception: Exception code, 0 for none.
    """

    transaction: int
    unit_id: int
    function: int
    payload: bytes
    exception: int

    def trouble(self) -> str:
        """The exception in words, empty where there is none."""
        if not self.exception:
            return ""
        return f"exception {self.exception}: {EXCEPTION_TEXTS.get(self.exception, 'not a standard code')}"


@dataclass(frozen=True, slots=True)
class Write:
    """A write request without its transaction id.

    Attributes:
        function: 5, 6, 15 or 16.
        unit_id: Modbus unit id.
        start: First register or coil, from 0.
        count: Registers or coils.
        payload: Registers big-endian, coils packed lowest first; of function 5 `ff00` or `0000`.
    """

    function: int
    unit_id: int
    start: int
    count: int
    payload: bytes

    @property
    def echo(self) -> bytes:
        """The four bytes with which a device says that it is done."""
        if self.function in (WRITE_COIL, WRITE_REGISTER):
            return struct.pack(">H", self.start) + self.payload
        return struct.pack(">HH", self.start, self.count)

    def encode(self, transaction: int) -> bytes:
        """The request's frame."""
        if self.function in (WRITE_COIL, WRITE_REGISTER):
            value = int.from_bytes(self.payload, "big")
            return _REQUEST.pack(transaction, 0, 6, self.unit_id, self.function, self.start, value)
        length = 7 + len(self.payload)
        head = _REQUEST.pack(transaction, 0, length, self.unit_id, self.function, self.start, self.count)
        return head + bytes((len(self.payload),)) + self.payload


def encode_read(transaction: int, unit_id: int, function: int, start: int, count: int) -> bytes:
    """A read request's frame.

    Args:
        transaction: Transaction id, 0 to 65535.
        unit_id: Modbus unit id, 0 to 255.
        function: 1 to 4.
        start: First register or bit, from 0.
        count: 1 to 125 registers or 2000 bits, none beyond number 65535.

    Raises:
        ValueError: The function is no read, or the count or the range is not allowed.
    """
    if function in REGISTER_READS:
        check_range(start, count, READ_REGISTERS_MAX)
    elif function in BIT_READS:
        check_range(start, count, READ_BITS_MAX)
    else:
        raise ValueError(f"function {function} is no read, allowed are 1 to 4")
    return _REQUEST.pack(transaction, 0, 6, unit_id, function, start, count)


def write_coil(unit_id: int, start: int, on: bool) -> Write:
    """Function 5: one coil; ValueError outside the table."""
    check_range(start, 1, 1)
    return Write(WRITE_COIL, unit_id, start, 1, _ON if on else _OFF)


def write_coils(unit_id: int, start: int, bits: Sequence[bool]) -> Write:
    """Function 15: 1 to 1968 coils; ValueError for any other count."""
    check_range(start, len(bits), WRITE_COILS_MAX)
    packed = sum(1 << place for place, bit in enumerate(bits) if bit)
    return Write(WRITE_COILS, unit_id, start, len(bits), packed.to_bytes((len(bits) + 7) // 8, "little"))


def write_register(unit_id: int, start: int, register: bytes) -> Write:
    """Function 6: one register, two bytes; ValueError for any other length."""
    if len(register) != 2:
        raise ValueError(f"one register has 2 bytes, not {len(register)}")
    check_range(start, 1, 1)
    return Write(WRITE_REGISTER, unit_id, start, 1, register)


def write_registers(unit_id: int, start: int, registers: bytes) -> Write:
    """Function 16: 1 to 123 registers as big-endian bytes; ValueError for any other length."""
    if len(registers) % 2:
        raise ValueError(f"registers have 2 bytes each, {len(registers)} bytes are no whole number of them")
    count = len(registers) // 2
    check_range(start, count, WRITE_REGISTERS_MAX)
    return Write(WRITE_REGISTERS, unit_id, start, count, registers)


def check_range(start: int, count: int, count_max: int) -> None:
    """ValueError unless 1 to `count_max` registers or bits from `start` on lie in a device's table."""
    if not 1 <= count <= count_max:
        raise ValueError(f"{count} registers or bits in one request, allowed are 1 to {count_max}")
    if not 0 <= start <= TABLE_SIZE - count:
        raise ValueError(
            f"{start} to {start + count - 1} is outside the table, allowed is 0 to {TABLE_SIZE - 1}"
        )


class Decoder:
    """Bytes of one connection to responses.

    A stream that breaks the protocol cannot be trusted again: `broken` then says why, in words, every later
    `feed` returns nothing, and the caller drops the connection, after it has handled the responses that came
    before the break. One decoder per connection.

    Attributes:
        broken: Empty while the stream is sound.
    """

    __slots__ = ("_rest", "broken")

    def __init__(self) -> None:
        self._rest = b""
        self.broken = ""

    def feed(self, data: bytes) -> list[Response]:
        """Take what the socket delivered, in any pieces.

        Returns:
            The responses that are complete now, in order of arrival.
        """
        if self.broken:
            return []
        if self._rest:
            data = self._rest + data
        responses: list[Response] = []
        at, end = 0, len(data)
        # Nine bytes are the shortest frame (an exception), so the head can always be read.
        while end - at >= 9:
            transaction, protocol, length, unit_id, function, lead = _HEAD.unpack_from(data, at)
            if protocol or not _LENGTH_MIN <= length <= _LENGTH_MAX:
                self.broken = _header_fault(protocol, length)
                break
            stop = at + _HEADER_BYTES + length
            if 1 <= function <= 4:
                # The byte count must be the rest of the frame; registers come in pairs of bytes.
                if lead != length - 3 or not lead or (function > 2 and lead & 1):
                    self.broken = f"function {function}: {lead} bytes announced in a frame of length {length}"
                    break
                if stop > end:
                    break
                responses.append(Response(transaction, unit_id, function, data[at + 9 : stop], 0))
            else:
                self.broken = _other_fault(function, length)
                if self.broken or stop > end:
                    break
                if function & 0x80:
                    responses.append(Response(transaction, unit_id, function & 0x7F, b"", lead))
                else:
                    responses.append(Response(transaction, unit_id, function, data[at + 8 : stop], 0))
            at = stop
        self._rest = b"" if self.broken else data[at:]
        return responses


def mismatch(function: int, unit_id: int, payload_bytes: int, response: Response) -> str:
    """Why a sound response does not answer the read that its transaction id names.

    Args:
        function: Function code that was asked.
        unit_id: Unit id that was asked.
        payload_bytes: Bytes that the read's payload must have (`Block.payload_bytes`).
        response: What came.

    Returns:
        The problem in words, empty for a proper answer. A device's exception is a proper answer.
    """
    if response.function != function or response.unit_id != unit_id:
        return (
            f"function {response.function} of unit id {response.unit_id} answered,"
            f" asked was function {function} of unit id {unit_id}"
        )
    if not response.exception and len(response.payload) != payload_bytes:
        return f"{len(response.payload)} bytes answered, asked were {payload_bytes}"
    return ""


def write_mismatch(write: Write, response: Response) -> str:
    """Why a sound response does not answer a write; empty for a proper answer, exceptions among them."""
    trouble = mismatch(write.function, write.unit_id, 4, response)
    if not trouble and not response.exception and response.payload != write.echo:
        return f"the device echoed {response.payload.hex()}, written was {write.echo.hex()}"
    return trouble


def _header_fault(protocol: int, length: int) -> str:
    if protocol:
        return f"protocol id {protocol}, Modbus has 0"
    return f"frame length {length}, allowed are {_LENGTH_MIN} to {_LENGTH_MAX}"


def _other_fault(function: int, length: int) -> str:
    """What is wrong with the head of an answer to a write, or of an exception; empty for nothing."""
    if function & 0x80:
        return "" if length == _LENGTH_MIN else f"an exception of length {length}, it has {_LENGTH_MIN}"
    if function in (WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS):
        return (
            "" if length == _ECHO_LENGTH else f"an answered write of length {length}, it has {_ECHO_LENGTH}"
        )
    return f"function {function} was never asked"
