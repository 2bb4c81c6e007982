"""From an operator's value to the request that writes it."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Final

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.address import ModbusAddress
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.values import TEXT_ENCODING
from changeover.model.tag import Tag, TagType

_INTEGERS: Final = {
    TagType.INT: (">h", -(2**15), 2**15 - 1),
    TagType.UINT: (">H", 0, 2**16 - 1),
    TagType.BCD: (">H", 0, 9999),
    TagType.LONG: (">i", -(2**31), 2**31 - 1),
    TagType.ULONG: (">I", 0, 2**32 - 1),
}
_FLOATS: Final = {TagType.REAL: ">f", TagType.DOUBLE: ">d"}
_SWAP_LOW_HIGH = 8


@dataclass(frozen=True, slots=True)
class Refused:
    """A value that cannot be written, and why: the operator's command ends as refused."""

    reason: str


def read_before_write(address: ModbusAddress) -> Block | None:
    """The register that must be read before one bit of it can be written, None for every other address.

    Reading, changing and writing is not one action for the device: what it writes itself in between is lost.
    """
    if address.bit is None or not address.is_writable:
        return None
    return Block(address.function, address.unit_id, address.start, 1)


def encode_write(
    tag: Tag, address: ModbusAddress, value: float | str, current: bytes | None = None
) -> codec.Write | Refused:
    """The request that writes one value.

    Args:
        tag: The tag: type and scaling.
        address: Its address.
        value: Engineering value, or text for a STRING. A DIGITAL takes 0 and 1. Raw values of integer types
            are rounded to the nearest.
        current: For a bit of a register, the register's payload (`read_before_write`), else None.

    Returns:
        The write, or the reason why there is none: a read-only table, a value outside the type, the wrong
        kind.
    """
    if not address.is_writable:
        table = "a discrete input" if address.is_bit else "an input register"
        return Refused(f"{tag.name} is {table}, which cannot be written")
    if tag.type is TagType.STRING:
        return _text(tag, address, value)
    if isinstance(value, str):
        return Refused(f"{tag.name} is {tag.type.value}, it takes a number, not text")
    if not math.isfinite(value):
        return Refused(f"{tag.name}: {value} is no number that a device can hold")
    raw = tag.scaling.to_raw(value) if tag.scaling else value
    if not math.isfinite(raw):
        return Refused(f"{tag.name}: {value:g} is beyond what its scaling can hold")
    if tag.type is TagType.DIGITAL:
        return _digital(tag, address, raw, current)
    octets = _number(tag, raw)
    return octets if isinstance(octets, Refused) else _registers(address, octets)


def _digital(tag: Tag, address: ModbusAddress, raw: float, current: bytes | None) -> codec.Write | Refused:
    if raw not in (0, 1):
        return Refused(f"{tag.name} is DIGITAL, {raw:g} is neither 0 nor 1")
    if address.bit is None:
        return codec.write_coil(address.unit_id, address.start, raw == 1)
    assert current is not None and len(current) == 2, "a bit of a register is written into what was read"
    mask = 1 << (address.bit ^ (_SWAP_LOW_HIGH if address.byte_swap else 0))
    register = int.from_bytes(current, "big")
    register = register | mask if raw else register & ~mask
    return codec.write_register(address.unit_id, address.start, register.to_bytes(2, "big"))


def _number(tag: Tag, raw: float) -> bytes | Refused:
    """A raw number's bytes, most significant first."""
    if tag.type in _FLOATS:
        try:
            return struct.pack(_FLOATS[tag.type], raw)
        except OverflowError:
            return Refused(f"{tag.name}: raw value {raw:g} is too large for {tag.type.value}")
    layout, least, most = _INTEGERS[tag.type]
    if not least <= round(raw) <= most:
        return Refused(f"{tag.name}: raw value {raw:g} is outside {tag.type.value}, {least} to {most}")
    whole = round(raw)
    return struct.pack(layout, int(str(whole), 16) if tag.type is TagType.BCD else whole)


def _text(tag: Tag, address: ModbusAddress, value: float | str) -> codec.Write | Refused:
    if not isinstance(value, str):
        return Refused(f"{tag.name} is STRING, it takes text")
    try:
        octets = value.encode(TEXT_ENCODING)
    except UnicodeEncodeError:
        return Refused(f"{tag.name} takes characters of Latin-1 only")
    if len(octets) > address.length:
        return Refused(f"{tag.name} has room for {address.length} characters, {len(octets)} were given")
    return _registers(address, octets.ljust(2 * address.count, b"\0"))


def _registers(address: ModbusAddress, octets: bytes) -> codec.Write:
    """A write of whole registers from bytes, most significant first, in the address's order."""
    registers = [octets[at : at + 2] for at in range(0, len(octets), 2)]
    if address.word_swap:
        registers.reverse()
    if address.byte_swap:
        registers = [register[::-1] for register in registers]
    if len(registers) == 1:
        return codec.write_register(address.unit_id, address.start, registers[0])
    return codec.write_registers(address.unit_id, address.start, b"".join(registers))
