"""Square waves: bits that the wall clock switches, so that several PLCs agree and anyone can compute them."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.address import AddressError, ModbusAddress, parse_address
from changeover.model.moment import SECOND, Duration, seconds
from changeover.model.tag import TagType

_TABLES = {
    codec.READ_COILS: "0",
    codec.READ_DISCRETE_INPUTS: "1",
    codec.READ_INPUT_REGISTERS: "3",
    codec.READ_HOLDING_REGISTERS: "4",
}
_SHAPE = "write ADDRESS:HALF_PERIOD_S[:PHASE_S], like 10012:20 or 40022.3:12.5:4"
WORD_BITS = 16


@dataclass(frozen=True, slots=True)
class Wave:
    """Off for half a period, on for the other half, for ever.

    Attributes:
        half_period: Between two switchings, at least 1 ns.
        phase: It is switched off at every even multiple of the half period after this UTC, and on at every
            odd one.
    """

    half_period: Duration
    phase: Duration = 0

    def is_on(self, utc: int) -> bool:
        """Whether it is on at an instant, UTC nanoseconds since 1970."""
        return (utc - self.phase) // self.half_period % 2 == 1

    def switchings(self, start_utc: int, end_utc: int) -> tuple[int, ...]:
        """When it switches, from one instant on up to before another; UTC nanoseconds since 1970."""
        first = -((self.phase - start_utc) // self.half_period)
        last = -((self.phase - end_utc) // self.half_period)
        return tuple(self.phase + count * self.half_period for count in range(first, last))


@dataclass(frozen=True, slots=True)
class Square:
    """One bit of a PLC that follows a wave.

    Attributes:
        address: A coil, a discrete input, or a bit of a register.
        wave: What it follows.
    """

    address: ModbusAddress
    wave: Wave

    @property
    def place(self) -> tuple[int, int]:
        """Word and bit of its table, which holds bits sixteen to a word, the lowest first."""
        if self.address.bit is not None:
            return self.address.start, self.address.bit
        return divmod(self.address.start, WORD_BITS)

    def put(self, words: list[int], utc: int) -> None:
        """Set or clear the bit in its table as it is at an instant; a table without it stays as it is."""
        word, bit = self.place
        if word < len(words):
            mask = 1 << bit
            words[word] = words[word] | mask if self.wave.is_on(utc) else words[word] & ~mask

    def __str__(self) -> str:
        reference = f"{_TABLES[self.address.function]}{self.address.start + 1:05}"
        bit = "" if self.address.bit is None else f".{self.address.bit}"
        return f"{reference}{bit}:{self.wave.half_period / SECOND:.9g}:{self.wave.phase / SECOND:.9g}"


def parse_square(text: str) -> Square:
    """Read a square as the command line has it.

    Args:
        text: ADDRESS:HALF_PERIOD_S[:PHASE_S]; the address as in tags.csv for a DIGITAL, without options.

    Raises:
        ValueError: It is none; the text says what is wrong.
    """
    address, _, rest = text.partition(":")
    half, _, phase = rest.partition(":")
    try:
        spans = seconds(float(half)), seconds(float(phase or 0))
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no square wave, {_SHAPE}") from None
    if spans[0] <= 0:
        raise ValueError(f"{text!r}: the half period must be above 0 s")
    try:
        return Square(parse_address(address, TagType.DIGITAL), Wave(*spans))
    except AddressError as error:
        raise ValueError(f"{text!r}: {error}") from None
