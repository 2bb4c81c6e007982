"""Values against pymodbus's conversions, both ways."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.pdu.utils import pack_bitstring

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.address import parse_address
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.values import Deadbands, ReadPlan, changed
from changeover.drivers.modbus.writes import Refused, encode_write, read_before_write
from changeover.model.tag import Scaling, Tag, TagType

DATATYPE = ModbusClientMixin.DATATYPE
ORACLES = {
    TagType.INT: (DATATYPE.INT16, st.integers(-(2**15), 2**15 - 1)),
    TagType.UINT: (DATATYPE.UINT16, st.integers(0, 2**16 - 1)),
    TagType.LONG: (DATATYPE.INT32, st.integers(-(2**31), 2**31 - 1)),
    TagType.ULONG: (DATATYPE.UINT32, st.integers(0, 2**32 - 1)),
    TagType.REAL: (DATATYPE.FLOAT32, st.floats(allow_nan=False, allow_infinity=False, width=32)),
    TagType.DOUBLE: (DATATYPE.FLOAT64, st.floats(allow_nan=False, allow_infinity=False)),
}


def make(
    name: str, tag_type: TagType, address: str, scaling: Scaling | None = None, deadband: float = 0
) -> Tag:
    return Tag(name, tag_type, "PLC1", address, scaling, deadband=deadband)


def payload_of(registers: list[int], byte_swap: bool = False) -> bytes:
    return b"".join(register.to_bytes(2, "little" if byte_swap else "big") for register in registers)


@st.composite
def numbers(draw: st.DrawFn) -> tuple[TagType, float, bool, bool]:
    tag_type = draw(st.sampled_from(sorted(ORACLES, key=lambda kind: kind.value)))
    value = draw(ORACLES[tag_type][1])
    wide = tag_type not in (TagType.INT, TagType.UINT)
    return tag_type, value, wide and draw(st.booleans()), draw(st.booleans())


def registers_of(tag_type: TagType, value: float, word_swap: bool) -> list[int]:
    """Registers as pymodbus makes them."""
    order = "little" if word_swap else "big"
    return ModbusClientMixin.convert_to_registers(value, ORACLES[tag_type][0], word_order=order)


@given(st.lists(numbers(), min_size=1, max_size=25))
def test_many_values_of_mixed_types_and_orders_at_once(
    wanted: list[tuple[TagType, float, bool, bool]],
) -> None:
    tags, payload = [], b""
    for place, (tag_type, value, word_swap, byte_swap) in enumerate(wanted):
        options = ":wordswap" * word_swap + ":byteswap" * byte_swap
        tags.append(make(f"T{place}", tag_type, f"{40001 + len(payload) // 2}{options}"))
        payload += payload_of(registers_of(tag_type, value, word_swap), byte_swap)
    plan = ReadPlan(tags)
    assert plan.blocks == (Block(3, 1, 0, len(payload) // 2),)
    image = plan.new_image()
    assert not image.good.any()
    assert plan.decode(0, payload, image).tolist() == list(range(len(tags)))
    assert image.values.tolist() == [value for _, value, _, _ in wanted]
    assert image.good.all()


@given(numbers())
def test_writes_are_what_pymodbus_converts(wanted: tuple[TagType, float, bool, bool]) -> None:
    tag_type, value, word_swap, byte_swap = wanted
    tag = make("T", tag_type, "40011" + ":wordswap" * word_swap + ":byteswap" * byte_swap + ":unit=4")
    write = encode_write(tag, parse_address(tag.address, tag.type), value)
    assert isinstance(write, codec.Write)
    registers = registers_of(tag_type, value, word_swap)
    assert write.payload == payload_of(registers, byte_swap)
    assert (write.unit_id, write.start, write.count) == (4, 10, len(registers))
    assert write.function == (6 if len(registers) == 1 else 16)


@given(st.integers(0, 9999), st.booleans())
def test_bcd_both_ways(value: int, byte_swap: bool) -> None:
    tag = make("T", TagType.BCD, "40001" + ":byteswap" * byte_swap)
    write = encode_write(tag, parse_address(tag.address, tag.type), value)
    assert isinstance(write, codec.Write)
    assert write.payload == payload_of([int(str(value), 16)], byte_swap)
    plan = ReadPlan([tag])
    image = plan.new_image()
    plan.decode(0, write.payload, image)
    assert image.values[0] == value


@given(st.text(st.characters(codec="latin-1", exclude_characters="\0"), max_size=12), st.booleans())
def test_strings_both_ways(text: str, byte_swap: bool) -> None:
    number = make("N", TagType.INT, "40001")
    tag = make("T", TagType.STRING, "40002:len=12" + ":byteswap" * byte_swap)
    address = parse_address(tag.address, tag.type)
    write = encode_write(tag, address, text)
    assert isinstance(write, codec.Write)
    assert write.count == 6
    order = "little" if byte_swap else "big"
    swapped = [int.from_bytes(write.payload[at : at + 2], order) for at in range(0, 12, 2)]
    oracle = ModbusClientMixin.convert_from_registers(swapped, DATATYPE.STRING, string_encoding="latin-1")
    assert oracle == text
    plan = ReadPlan([number, tag])
    image = plan.new_image()
    plan.decode(0, payload_of([7]) + write.payload, image)
    assert image.texts == ["", text]
    assert image.good.tolist() == [True, True]
    assert image.values[0] == 7
    assert math.isnan(image.values[1])


def test_a_string_of_odd_length_ends_with_its_length_or_a_nul() -> None:
    plan = ReadPlan([make("T", TagType.STRING, "40001:len=5")])
    image = plan.new_image()
    plan.decode(0, b"ABCDEF", image)
    assert image.texts == ["ABCDE"]
    plan.decode(0, b"AB\0DEF", image)
    assert image.texts == ["AB"]


@given(st.lists(st.booleans(), min_size=1, max_size=100), st.data())
def test_coils(flags: list[bool], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(flags))))
    plan = ReadPlan([make(f"T{n}", TagType.DIGITAL, f"{1 + n:05}") for n in order])
    image = plan.new_image()
    plan.decode(0, pack_bitstring(flags), image)
    assert image.values.tolist() == [float(flags[n]) for n in order]


@given(st.integers(0, 65535), st.booleans())
def test_bits_of_a_register(register: int, byte_swap: bool) -> None:
    tags = [make(f"T{n}", TagType.DIGITAL, f"30001.{n}" + ":byteswap" * byte_swap) for n in range(16)]
    plan = ReadPlan(tags)
    image = plan.new_image()
    plan.decode(0, payload_of([register], byte_swap), image)
    assert image.values.tolist() == [float(register >> n & 1) for n in range(16)]


@given(st.integers(0, 65535), st.integers(0, 15), st.booleans(), st.booleans())
def test_a_written_bit_is_the_only_one_that_changes(
    register: int, bit: int, on: bool, byte_swap: bool
) -> None:
    tag = make("T", TagType.DIGITAL, f"40007.{bit}" + ":byteswap" * byte_swap)
    address = parse_address(tag.address, tag.type)
    assert read_before_write(address) == Block(3, 1, 6, 1)
    write = encode_write(tag, address, on, payload_of([register], byte_swap))
    assert isinstance(write, codec.Write)
    expected = register | 1 << bit if on else register & ~(1 << bit)
    assert write.payload == payload_of([expected], byte_swap)
    assert (write.function, write.start) == (6, 6)


def test_coils_are_written_by_function_5() -> None:
    tag = make("T", TagType.DIGITAL, "00008")
    address = parse_address(tag.address, tag.type)
    assert read_before_write(address) is None
    assert encode_write(tag, address, 1.0) == codec.write_coil(1, 7, True)
    assert encode_write(tag, address, 0.0) == codec.write_coil(1, 7, False)


LEVEL = Scaling(4000, 20000, 0, 10)


def test_scaling_both_ways() -> None:
    tags = [
        make("A", TagType.INT, "40001", LEVEL),
        make("B", TagType.INT, "40002"),
        make("C", TagType.INT, "40003", Scaling(0, 100, 100, 0)),
    ]
    plan = ReadPlan(tags)
    image = plan.new_image()
    plan.decode(0, payload_of([12000, 12000, 25]), image)
    assert image.values.tolist() == pytest.approx([5, 12000, 75])
    assert encode_write(tags[0], plan.addresses[0], 5.0) == codec.write_register(1, 0, payload_of([12000]))
    assert encode_write(tags[0], plan.addresses[0], 5.0003) == codec.write_register(1, 0, payload_of([12000]))
    assert encode_write(tags[2], plan.addresses[2], 75) == codec.write_register(1, 2, payload_of([25]))


SIGNALLING_NAN = bytes.fromhex("7fa00000")


@pytest.mark.parametrize(
    "octets",
    [struct.pack(">f", math.nan), struct.pack(">f", math.inf), struct.pack(">f", -math.inf), SIGNALLING_NAN],
)
def test_floats_that_are_no_numbers_are_bad(octets: bytes) -> None:
    plan = ReadPlan([make("A", TagType.REAL, "40001", LEVEL), make("B", TagType.REAL, "40003")])
    image = plan.new_image()
    plan.decode(0, octets + struct.pack(">f", 1.5), image)
    assert image.good.tolist() == [False, True]
    assert math.isnan(image.values[0])
    assert image.values[1] == 1.5
    plan.decode(0, struct.pack(">ff", 4000, 1.5), image)
    assert image.good.all()
    assert image.values[0] == pytest.approx(0, abs=1e-9)


def test_bcd_digits_over_9_are_bad() -> None:
    plan = ReadPlan([make(f"T{n}", TagType.BCD, str(40001 + n)) for n in range(3)])
    image = plan.new_image()
    plan.decode(0, bytes.fromhex("1234 12a4 f000"), image)
    assert image.good.tolist() == [True, False, False]
    assert image.values[0] == 1234
    assert np.isnan(image.values[1:]).all()


def test_each_block_updates_its_own_tags_only() -> None:
    tags = [
        make("FAR", TagType.INT, "41001"),
        make("COIL", TagType.DIGITAL, "00003"),
        make("NEAR", TagType.INT, "40001"),
        make("BESIDE", TagType.LONG, "41002"),
    ]
    plan = ReadPlan(tags)
    assert plan.blocks == (Block(1, 1, 2, 1), Block(3, 1, 0, 1), Block(3, 1, 1000, 3))
    image = plan.new_image()
    assert plan.decode(2, payload_of([5, 1, 0]), image).tolist() == [0, 3]
    assert image.good.tolist() == [True, False, False, True]
    assert image.values[[0, 3]].tolist() == [5, 65536]
    assert plan.decode(0, b"\x01", image).tolist() == [1]
    assert plan.positions(1).tolist() == [2]


def test_values_of_overlapping_blocks_come_from_the_one_that_holds_them() -> None:
    # 123 registers and a DOUBLE that begins in them do not fit into one request.
    tags = [make("S", TagType.STRING, "40001:len=246"), make("D", TagType.DOUBLE, "40122")]
    tags.append(make("I", TagType.INT, "40123"))
    plan = ReadPlan(tags)
    assert plan.blocks == (Block(3, 1, 0, 125),)
    tags[1] = make("D", TagType.DOUBLE, "40123")
    plan = ReadPlan(tags)
    assert plan.blocks == (Block(3, 1, 0, 123), Block(3, 1, 122, 4))
    image = plan.new_image()
    plan.decode(0, bytes(246), image)
    plan.decode(1, struct.pack(">d", 0.1), image)
    assert image.values[1] == 0.1
    assert image.good.all()


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (make("T", TagType.INT, "40001"), 40000, "-32768 to 32767"),
        (make("T", TagType.UINT, "40001"), -1, "0 to 65535"),
        (make("T", TagType.BCD, "40001"), 10000, "0 to 9999"),
        (make("T", TagType.REAL, "40001"), 1e39, "too large for REAL"),
        (make("T", TagType.INT, "40001"), math.nan, "no number"),
        (make("T", TagType.INT, "40001"), "7", "a number, not text"),
        (make("T", TagType.DIGITAL, "00001"), 2, "neither 0 nor 1"),
        (make("T", TagType.DIGITAL, "10001"), 1, "a discrete input, which cannot be written"),
        (make("T", TagType.INT, "30001"), 1, "an input register, which cannot be written"),
        (make("T", TagType.STRING, "40001:len=3"), "abcd", "room for 3 characters, 4"),
        (make("T", TagType.STRING, "40001:len=3"), "Ω", "Latin-1"),
        (make("T", TagType.STRING, "40001:len=3"), 5, "it takes text"),
    ],
)
def test_refused_writes_say_why(tag: Tag, value: float | str, reason: str) -> None:
    outcome = encode_write(tag, parse_address(tag.address, tag.type), value)
    assert isinstance(outcome, Refused)
    assert reason in outcome.reason


def test_deadbands_are_percent_of_the_range_or_of_the_value() -> None:
    tags = [
        make("RANGE", TagType.INT, "40001", Scaling(0, 1, 50, 250), deadband=1),
        make("VALUE", TagType.INT, "40002", deadband=10),
        make("NONE", TagType.INT, "40003"),
        make("BIT", TagType.DIGITAL, "00001", deadband=100),
    ]
    deadbands = Deadbands.of(tags)
    before = np.array([100.0, 40.0, 5.0, 0.0])
    assert not changed(before, before, deadbands).any()
    assert not changed(before, before + np.array([1.9, 3.9, 0, 0]), deadbands).any()
    assert changed(before, before + np.array([2.0, -4.0, 1e-12, 1]), deadbands).all()
    assert changed(before, before + np.array([2.0, -4.0, 0, 1]), deadbands).tolist() == [
        True,
        True,
        False,
        True,
    ]
    chosen = np.array([1, 3])
    assert changed(before[chosen], before[chosen] + np.array([3, 1]), deadbands.take(chosen)).tolist() == [
        False,
        True,
    ]


def test_a_value_that_comes_or_goes_has_changed() -> None:
    deadbands = Deadbands.of([make(f"T{n}", TagType.INT, str(40001 + n), deadband=5) for n in range(3)])
    before, now = np.array([np.nan, 1.0, np.nan]), np.array([1.0, np.nan, np.nan])
    assert changed(before, now, deadbands).tolist() == [True, True, False]


def test_a_value_that_leaves_zero_has_changed_whatever_the_percentage() -> None:
    deadbands = Deadbands.of([make("T", TagType.INT, "40001", deadband=50)])
    assert changed(np.array([0.0]), np.array([1.0]), deadbands).all()
    assert not changed(np.array([0.0]), np.array([0.0]), deadbands).any()


def test_a_value_beyond_its_scaling_is_refused_not_an_error():
    """1e308 m scales to an infinite raw value: the operator is told, the I/O server lives on."""
    tag = Tag("Level", TagType.INT, "PLC1", "40022", Scaling(0, 27648, 0, 6.5))
    refused = encode_write(tag, parse_address("40022", TagType.INT), 1e308)
    assert isinstance(refused, Refused)
    assert "Level" in refused.reason
