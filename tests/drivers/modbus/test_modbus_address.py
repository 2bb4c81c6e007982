"""Addresses of tags.csv: what is read, what is refused, and with which words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.drivers.modbus.address import ModbusAddress, check_address, parse_address
from changeover.model.tag import TagType


@pytest.mark.parametrize(
    ("text", "tag_type", "address"),
    [
        ("00001", TagType.DIGITAL, ModbusAddress(1, 1, 0, 1)),
        ("1", TagType.DIGITAL, ModbusAddress(1, 1, 0, 1)),
        ("9999", TagType.DIGITAL, ModbusAddress(1, 1, 9998, 1)),
        ("065536", TagType.DIGITAL, ModbusAddress(1, 1, 65535, 1)),
        ("10001", TagType.DIGITAL, ModbusAddress(2, 1, 0, 1)),
        ("100001", TagType.DIGITAL, ModbusAddress(2, 1, 0, 1)),
        ("30010", TagType.UINT, ModbusAddress(4, 1, 9, 1)),
        ("40001", TagType.INT, ModbusAddress(3, 1, 0, 1)),
        (" 465536 ", TagType.BCD, ModbusAddress(3, 1, 65535, 1)),
        ("40001.15", TagType.DIGITAL, ModbusAddress(3, 1, 0, 1, bit=15)),
        ("40001.0:byteswap", TagType.DIGITAL, ModbusAddress(3, 1, 0, 1, bit=0, byte_swap=True)),
        ("40001:WordSwap", TagType.REAL, ModbusAddress(3, 1, 0, 2, word_swap=True)),
        (
            "40001:byteswap:unit=3:wordswap",
            TagType.DOUBLE,
            ModbusAddress(3, 3, 0, 4, word_swap=True, byte_swap=True),
        ),
        ("40100 : len = 9", TagType.STRING, ModbusAddress(3, 1, 99, 5, length=9)),
        ("465414:len=246", TagType.STRING, ModbusAddress(3, 1, 65413, 123, length=246)),
    ],
)
def test_addresses(text: str, tag_type: TagType, address: ModbusAddress) -> None:
    assert parse_address(text, tag_type) == address
    assert check_address("MODNET", text, tag_type) is None


@pytest.mark.parametrize(
    ("text", "tag_type", "reason"),
    [
        ("", TagType.INT, "is no Modbus address, write 00001"),
        ("%MW100", TagType.INT, "is no Modbus address"),
        ("٤٠٠٠١", TagType.INT, "is no Modbus address"),
        ("40000", TagType.INT, "number 0, allowed are 1 to 65536"),
        ("465537", TagType.INT, "number 65537"),
        ("4000001", TagType.INT, "7 digits, five or six"),
        ("20001", TagType.INT, "begins with 2"),
        ("40001.16", TagType.DIGITAL, "bit 16, allowed are 0"),
        ("40001", TagType.DIGITAL, "needs a bit"),
        ("00001.1", TagType.DIGITAL, "has no bits"),
        ("40001.1", TagType.INT, "is a DIGITAL, not INT"),
        ("00001", TagType.INT, "does not fit a coil"),
        ("00001:byteswap", TagType.DIGITAL, "no bytes to swap"),
        ("40001:wordswap", TagType.UINT, "for 32 and 64 bits"),
        ("40001:len=4", TagType.INT, "len is for STRING"),
        ("40001", TagType.STRING, "needs its length"),
        ("40001:len=0", TagType.STRING, "from 1 to 246"),
        ("40001:len=4:wordswap", TagType.STRING, "byteswap only"),
        ("40001:unit=256", TagType.INT, "from 0 to 255"),
        ("40001:unit", TagType.INT, "allowed are wordswap, byteswap, len=N and unit=N"),
        ("40001:swap", TagType.INT, "'swap' is no option"),
        ("40001:unit=1:unit=2", TagType.INT, "given twice"),
        ("465536", TagType.REAL, "end beyond number 65536"),
    ],
)
def test_problems_say_what_is_wrong_and_what_is_allowed(text: str, tag_type: TagType, reason: str) -> None:
    problem = check_address("modbus", text, tag_type)
    assert problem is not None
    assert reason in problem


def test_other_protocols_are_not_judged() -> None:
    assert check_address("ABTCP", "N7:0", TagType.INT) is None


@given(st.text(max_size=30), st.sampled_from(TagType))
def test_any_text_is_an_address_or_a_problem(text: str, tag_type: TagType) -> None:
    problem = check_address("MODNET", text, tag_type)
    assert problem is None or problem
