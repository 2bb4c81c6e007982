"""Modbus addresses as engineers write them in tags.csv.

```
00001   1       coil 1                        40001      holding register 1 (number 0 on the wire)
10001           discrete input 1              400001     the same, six digits reach number 65536
30001           input register 1              40001.3    bit 3 of it, 0 is the lowest (DIGITAL)
40001:wordswap            least significant register first (32 and 64 bits)
40001:byteswap            least significant byte first in each register; both: little-endian throughout
40100:len=10              STRING of 10 characters, two in each register
40001:unit=3              Modbus unit id 3 instead of 1
```

Options follow in any order, each after its own colon; case and outer spaces do not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from changeover.drivers.modbus import codec
from changeover.model.tag import TagType

MODBUS_PROTOCOLS: Final = frozenset(("MODNET", "MODBUS"))
"""Protocols of the driver table that speak Modbus TCP here; addresses of the others are nobody's to judge."""

REGISTER_COUNTS: Final[dict[TagType, int]] = {
    TagType.DIGITAL: 1,
    TagType.INT: 1,
    TagType.UINT: 1,
    TagType.BCD: 1,
    TagType.LONG: 2,
    TagType.ULONG: 2,
    TagType.REAL: 2,
    TagType.DOUBLE: 4,
}
"""Registers of one value; of a STRING its length decides, of a DIGITAL it is one register or one bit."""

UNIT_ID_DEFAULT = 1
STRING_LENGTH_MAX = 2 * codec.WRITE_REGISTERS_MAX
"""Characters that one write can carry."""

_FUNCTIONS: Final = {
    "0": codec.READ_COILS,
    "1": codec.READ_DISCRETE_INPUTS,
    "3": codec.READ_INPUT_REGISTERS,
    "4": codec.READ_HOLDING_REGISTERS,
}
_REFERENCE: Final = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)
_SHAPE = "write 00001 (coil), 10001 (discrete input), 30001 (input register) or 40001 (holding register)"


class AddressError(ValueError):
    """An address that cannot be read; the text says what is wrong and what is allowed."""


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """Where one value lives.

    Attributes:
        function: The function code that reads it, 1 to 4.
        unit_id: Modbus unit id.
        start: First register or bit, from 0.
        count: Registers or bits that the value takes.
        bit: Bit of the register for a DIGITAL in a register, 0 is the lowest, else None.
        word_swap: Least significant register first.
        byte_swap: Least significant byte first in each register.
        length: Characters of a STRING, else 0.
    """

    function: int
    unit_id: int
    start: int
    count: int
    bit: int | None = None
    word_swap: bool = False
    byte_swap: bool = False
    length: int = 0

    @property
    def is_bit(self) -> bool:
        """Whether it is a coil or a discrete input."""
        return self.function in codec.BIT_READS

    @property
    def is_writable(self) -> bool:
        """Whether the device's table takes writes: coils and holding registers do."""
        return self.function in (codec.READ_COILS, codec.READ_HOLDING_REGISTERS)


@dataclass(slots=True)
class _Options:
    word_swap: bool = False
    byte_swap: bool = False
    length: int | None = None
    unit_id: int = UNIT_ID_DEFAULT


def parse_address(text: str, tag_type: TagType) -> ModbusAddress:
    """Read an address of a tag.

    Args:
        text: As written in tags.csv.
        tag_type: The tag's raw type, which decides how many registers it takes.

    Raises:
        AddressError: The text is no address, or not one for that type.
    """
    reference, *option_texts = text.strip().lower().split(":")
    function, start, bit = _parse_reference(reference.strip())
    options = _parse_options(option_texts)
    problem = _kind_problem(tag_type, function, bit) or _option_problem(tag_type, function, options)
    if problem:
        raise AddressError(problem)
    length = options.length or 0
    count = (length + 1) // 2 if tag_type is TagType.STRING else REGISTER_COUNTS[tag_type]
    if start + count > codec.TABLE_SIZE:
        raise AddressError(
            f"{count} registers from {reference} on end beyond number {codec.TABLE_SIZE}, the last"
        )
    return ModbusAddress(
        function, options.unit_id, start, count, bit, options.word_swap, options.byte_swap, length
    )


def check_address(protocol: str, address: str, tag_type: TagType) -> str | None:
    """What is wrong with a tag's address and what is allowed, None for a proper one.

    Args:
        protocol: The I/O device's protocol; other than MODNET and MODBUS are forecast only and never wrong.
        address: As written in tags.csv.
        tag_type: The tag's raw type.
    """
    if protocol.upper() not in MODBUS_PROTOCOLS:
        return None
    try:
        parse_address(address, tag_type)
    except AddressError as problem:
        return str(problem)
    return None


def _parse_reference(reference: str) -> tuple[int, int, int | None]:
    """Function, start from 0, and bit of the part before the options."""
    match = _REFERENCE.fullmatch(reference)
    if not match:
        raise AddressError(f"{reference!r} is no Modbus address, {_SHAPE}")
    digits, bit_text = match.groups()
    if len(digits) > 6:
        raise AddressError(f"{reference!r} has {len(digits)} digits, five or six are allowed")
    # Fewer than five digits can only be a coil whose leading zeros were left out.
    table, number = ("0", int(digits)) if len(digits) < 5 else (digits[0], int(digits[1:]))
    if table not in _FUNCTIONS:
        raise AddressError(f"{reference!r} begins with {table}, {_SHAPE}")
    if not 1 <= number <= codec.TABLE_SIZE:
        raise AddressError(f"{reference!r} has number {number}, allowed are 1 to {codec.TABLE_SIZE}")
    if bit_text is None:
        return _FUNCTIONS[table], number - 1, None
    if len(bit_text) > 2 or int(bit_text) > 15:
        raise AddressError(f"{reference!r} has bit {bit_text}, allowed are 0 (the lowest) to 15")
    return _FUNCTIONS[table], number - 1, int(bit_text)


def _parse_options(texts: list[str]) -> _Options:
    options = _Options()
    seen: list[str] = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name in seen:
            raise AddressError(f"option {name!r} is given twice")
        seen.append(name)
        if name == "wordswap" and not equals:
            options.word_swap = True
        elif name == "byteswap" and not equals:
            options.byte_swap = True
        elif name == "len" and equals:
            options.length = _number(name, value, 1, STRING_LENGTH_MAX)
        elif name == "unit" and equals:
            options.unit_id = _number(name, value, 0, 255)
        else:
            allowed = "wordswap, byteswap, len=N and unit=N"
            raise AddressError(f"{text.strip()!r} is no option, allowed are {allowed}")
    return options


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and least <= int(text) <= most):
        raise AddressError(f"{name}={text} is not allowed, {name} is a whole number from {least} to {most}")
    return int(text)


def _kind_problem(tag_type: TagType, function: int, bit: int | None) -> str:
    """Why a table, or a bit of it, does not suit a type; empty where it does."""
    is_bit = function in codec.BIT_READS
    if tag_type is TagType.DIGITAL:
        if is_bit and bit is not None:
            return "a coil or input has no bits, write the address without the dot"
        if not is_bit and bit is None:
            return "a DIGITAL in a register needs a bit, such as 40001.0; or take a coil (00001)"
        return ""
    if is_bit:
        return f"{tag_type.value} does not fit a coil or input, allowed are registers (30001, 40001)"
    if bit is not None:
        return f"a bit of a register is a DIGITAL, not {tag_type.value}"
    return ""


def _option_problem(tag_type: TagType, function: int, options: _Options) -> str:
    """Why the options do not suit a type; empty where they do."""
    if tag_type is TagType.STRING:
        if options.length is None:
            return f"a STRING needs its length, such as 40100:len=10, 1 to {STRING_LENGTH_MAX} characters"
        if options.word_swap:
            return "wordswap is for 32 and 64 bits, a STRING takes byteswap only"
        return ""
    if options.length is not None:
        return f"len is for STRING, not for {tag_type.value}"
    if options.word_swap and REGISTER_COUNTS[tag_type] == 1:
        return f"wordswap is for 32 and 64 bits, {tag_type.value} has 16 or fewer"
    if options.byte_swap and function in codec.BIT_READS:
        return "a coil or input has no bytes to swap"
    return ""
