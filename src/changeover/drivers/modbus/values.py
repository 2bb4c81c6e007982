"""From block payloads to engineering values, many tags at a time.

A `ReadPlan` is built once per list of tags and knows, per block, which bytes of the payload make which
values: decoding is one gather of bytes per raw type, whatever the word and byte orders are, then one view,
one linear scaling and one store. It is immutable; what was read lies in an `Image`, so equal lists can share
a plan.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from changeover.drivers.modbus.address import ModbusAddress, parse_address
from changeover.drivers.modbus.blocks import REQUEST_BYTES, Block, plan_blocks
from changeover.model.tag import Tag, TagType

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Positions = NDArray[np.intp]

TEXT_ENCODING = "latin-1"
"""One byte is one character, and every byte is one: a device's text always decodes."""

RAW_TYPES: Final[dict[TagType, np.dtype[np.generic]]] = {
    TagType.DIGITAL: np.dtype("<u2"),
    TagType.INT: np.dtype("<i2"),
    TagType.UINT: np.dtype("<u2"),
    TagType.BCD: np.dtype("<u2"),
    TagType.LONG: np.dtype("<i4"),
    TagType.ULONG: np.dtype("<u4"),
    TagType.REAL: np.dtype("<f4"),
    TagType.DOUBLE: np.dtype("<f8"),
}
"""Raw types as they are gathered: least significant byte first."""

_BCD_WEIGHTS: Final = np.array([1.0, 10.0, 100.0, 1000.0])
_BCD_SHIFTS: Final = np.array([0, 4, 8, 12], dtype=np.uint16)


@dataclass(slots=True)
class Image:
    """What was read last, by position in the plan's list of tags.

    Attributes:
        values: Engineering values; NaN where there is none: not read yet, bad, or a STRING.
        good: Whether the device's last answer held a value: false for a BCD digit over 9, for NaN and
            infinity, and before the first answer.
        texts: Text of each STRING, empty for other tags.
    """

    values: Floats
    good: Mask
    texts: list[str]


@dataclass(frozen=True, slots=True)
class _Group:
    """Tags of one raw type in one block.

    Attributes:
        type: The raw type.
        positions: Of the tags in the list, shape (n,), or a slice where they are in a row.
        index: Bytes of the payload that make each value, least significant first, shape (n, size of the
            type); for coils and inputs the bit of each, shape (n,).
        bits: Bit in the register, shape (n,), for a DIGITAL in registers.
        scale: Gain and offset, shape (n,) each: engineering value = raw × gain + offset. None where all are
            raw.
    """

    type: TagType
    positions: Positions | slice
    index: Positions
    bits: NDArray[np.uint16] | None
    scale: tuple[Floats, Floats] | None

    def decode(self, payload: NDArray[np.uint8]) -> Floats:
        """Engineering values, shape (n,), not finite where the raw value is bad."""
        raw = self._raw(payload)
        if self.scale is not None:
            gain, offset = self.scale
            raw *= gain
            raw += offset
        return raw

    def _raw(self, payload: NDArray[np.uint8]) -> Floats:
        if self.index.ndim == 1:
            return np.unpackbits(payload, bitorder="little").take(self.index).astype(np.float64)
        raw = payload.take(self.index).view(RAW_TYPES[self.type])[:, 0]
        if self.bits is not None:
            return ((raw >> self.bits) & 1).astype(np.float64)
        if self.type is TagType.BCD:
            digits = (raw[:, np.newaxis] >> _BCD_SHIFTS) & 15
            number = digits @ _BCD_WEIGHTS
            number[(digits > 9).any(axis=1)] = np.nan
            return np.asarray(number, dtype=np.float64)
        return raw.astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Text:
    position: int
    start: int
    length: int
    byte_swap: bool

    def decode(self, payload: bytes) -> str:
        padded = payload[self.start : self.start + self.length + self.length % 2]
        raw = _swap_bytes(padded) if self.byte_swap else padded
        return raw[: self.length].partition(b"\0")[0].decode(TEXT_ENCODING)


@dataclass(frozen=True, slots=True)
class _BlockPlan:
    groups: tuple[_Group, ...]
    texts: tuple[_Text, ...]
    positions: Positions


class ReadPlan:
    """How a list of tags is read from one device, built once.

    Args:
        tags: Tags of one I/O device, in the caller's order, which is the order of every array here.
        request_bytes: Cost of one request (`blocks.plan_blocks`).

    Attributes:
        tags: The tags.
        addresses: Their addresses.
        blocks: The reads, to be sent in any order.

    Raises:
        AddressError: A tag's address is none; `check_address` finds them all beforehand.
    """

    __slots__ = ("_parts", "addresses", "blocks", "tags")

    def __init__(self, tags: Sequence[Tag], request_bytes: float = REQUEST_BYTES) -> None:
        self.tags: tuple[Tag, ...] = tuple(tags)
        self.addresses: tuple[ModbusAddress, ...] = tuple(parse_address(t.address, t.type) for t in self.tags)
        self.blocks: tuple[Block, ...] = plan_blocks(self.addresses, request_bytes)
        members: list[list[int]] = [[] for _ in self.blocks]
        for position, block in enumerate(_locate(self.blocks, self.addresses)):
            members[block].append(position)
        self._parts = tuple(
            _block_plan(block, positions, self.tags, self.addresses)
            for block, positions in zip(self.blocks, members, strict=True)
        )

    def new_image(self) -> Image:
        """An image in which nothing was read yet."""
        count = len(self.tags)
        return Image(np.full(count, np.nan), np.zeros(count, dtype=np.bool_), [""] * count)

    def positions(self, block_index: int) -> Positions:
        """Rising positions of the tags that a block serves, read-only; they turn bad when its read fails."""
        return self._parts[block_index].positions

    def decode(self, block_index: int, payload: bytes, image: Image) -> Positions:
        """Store a block's answer in an image.

        Args:
            block_index: Index into `blocks`.
            payload: The answer's payload, exactly `blocks[block_index].payload_bytes` bytes
                (`Block.mismatch` says so beforehand).
            image: From `new_image` of an equal plan; values, quality and texts of the block's tags are
            replaced.

        Returns:
            Positions of those tags, rising, read-only.
        """
        assert len(payload) == self.blocks[block_index].payload_bytes, "the caller asks Block.mismatch first"
        part = self._parts[block_index]
        octets = np.frombuffer(payload, dtype=np.uint8)
        # Signalling NaNs and absurd scalings only make bad values, no warnings.
        with np.errstate(all="ignore"):
            for group in part.groups:
                values = group.decode(octets)
                good = np.isfinite(values)
                if not good.all():
                    values[~good] = np.nan
                image.values[group.positions] = values
                image.good[group.positions] = good
        for text in part.texts:
            image.texts[text.position] = text.decode(payload)
            image.good[text.position] = True
        return part.positions


@dataclass(frozen=True, slots=True)
class Deadbands:
    """Least changes that count, by position.

    Attributes:
        absolute: In engineering units, shape (n,).
        relative: As a share of the value, shape (n,); where one of the two is set, the other is 0.
    """

    absolute: Floats
    relative: Floats

    @classmethod
    def of(cls, tags: Sequence[Tag]) -> Deadbands:
        """Deadbands of tags: percent of the engineering range, or of the value where there is none.

        A DIGITAL has none: a change of it always counts.
        """
        shares = [0.0 if tag.type is TagType.DIGITAL else tag.deadband / 100 for tag in tags]
        absolute = [
            share * abs(tag.scaling.eng_full - tag.scaling.eng_zero) if tag.scaling else 0.0
            for share, tag in zip(shares, tags, strict=True)
        ]
        relative = [0.0 if tag.scaling else share for share, tag in zip(shares, tags, strict=True)]
        return cls(np.array(absolute), np.array(relative))

    def take(self, positions: Positions) -> Deadbands:
        """The deadbands of some positions."""
        return Deadbands(self.absolute[positions], self.relative[positions])


def changed(previous: Floats, current: Floats, deadbands: Deadbands) -> Mask:
    """Which values count as changed.

    Args:
        previous: Values that the receiver has, shape (n,), NaN for none.
        current: Values now, shape (n,), NaN for none.
        deadbands: Of the same n tags.

    Returns:
        Shape (n,): they differ by the deadband or more, or exactly one of the two is NaN.
    """
    step = np.abs(current - previous)
    limit = deadbands.absolute + deadbands.relative * np.abs(previous)
    within = (step == 0) | (step < limit)
    result: Mask = ~within & ~(np.isnan(previous) & np.isnan(current))
    return result


def _locate(blocks: Sequence[Block], addresses: Sequence[ModbusAddress]) -> list[int]:
    """Index of the block that holds each address."""
    keys = [(block.function, block.unit_id, block.start) for block in blocks]
    found: list[int] = []
    for address in addresses:
        index = bisect_right(keys, (address.function, address.unit_id, address.start)) - 1
        # Where blocks overlap, the value may lie in the one before the last that starts at or before it.
        while blocks[index].start + blocks[index].count < address.start + address.count:
            index -= 1
        found.append(index)
    return found


def _block_plan(
    block: Block, positions: list[int], tags: Sequence[Tag], addresses: Sequence[ModbusAddress]
) -> _BlockPlan:
    by_type: dict[TagType, list[int]] = {}
    for position in positions:
        by_type.setdefault(tags[position].type, []).append(position)
    texts = tuple(
        _Text(at, 2 * (addresses[at].start - block.start), addresses[at].length, addresses[at].byte_swap)
        for at in by_type.pop(TagType.STRING, [])
    )
    groups = tuple(_group(kind, block, members, tags, addresses) for kind, members in by_type.items())
    everyone = np.array(positions, dtype=np.intp)
    everyone.setflags(write=False)
    return _BlockPlan(groups, texts, everyone)


def _group(
    kind: TagType,
    block: Block,
    positions: list[int],
    tags: Sequence[Tag],
    addresses: Sequence[ModbusAddress],
) -> _Group:
    own = [addresses[position] for position in positions]
    if block.is_bits:
        index = np.array([address.start - block.start for address in own], dtype=np.intp)
    else:
        index = np.array([_byte_order(address, block.start) for address in own], dtype=np.intp)
    bits = None
    if kind is TagType.DIGITAL and not block.is_bits:
        bits = np.array([address.bit for address in own], dtype=np.uint16)
    in_a_row = positions[-1] - positions[0] == len(positions) - 1
    where = slice(positions[0], positions[-1] + 1) if in_a_row else np.array(positions, dtype=np.intp)
    return _Group(kind, where, index, bits, _scaling([tags[position] for position in positions]))


def _byte_order(address: ModbusAddress, block_start: int) -> list[int]:
    """The payload's bytes of one value, least significant first."""
    registers = range(address.start - block_start, address.start - block_start + address.count)
    # On the wire the most significant register comes first unless swapped, and so do the bytes in each.
    rising = registers if address.word_swap else reversed(registers)
    low, high = (0, 1) if address.byte_swap else (1, 0)
    return [2 * register + half for register in rising for half in (low, high)]


def _scaling(tags: Sequence[Tag]) -> tuple[Floats, Floats] | None:
    if all(tag.scaling is None for tag in tags):
        return None
    gain, offset = np.ones(len(tags)), np.zeros(len(tags))
    for place, tag in enumerate(tags):
        if tag.scaling is not None:
            scale = tag.scaling
            gain[place] = (scale.eng_full - scale.eng_zero) / (scale.raw_full - scale.raw_zero)
            offset[place] = scale.eng_zero - scale.raw_zero * gain[place]
    return gain, offset


def _swap_bytes(octets: bytes) -> bytes:
    swapped = bytearray(octets)
    swapped[::2], swapped[1::2] = octets[1::2], octets[::2]
    return bytes(swapped)
