"""The codec against pymodbus's encoder and decoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu import bit_message as bits_pdu
from pymodbus.pdu import register_message as registers_pdu

from changeover.drivers.modbus import codec
from changeover.drivers.modbus.codec import Decoder, Response

transactions = st.integers(0, 65535)
unit_ids = st.integers(0, 255)
registers = st.lists(st.integers(0, 65535), min_size=1, max_size=123)
bits = st.lists(st.booleans(), min_size=1, max_size=1968)


def as_pymodbus_reads_it(frame: bytes) -> ModbusPDU:
    used, pdu = FramerSocket(DecodePDU(True)).handleFrame(frame, 0, 0)
    assert used == len(frame)
    assert pdu is not None
    return pdu


def as_pymodbus_answers(pdu: ModbusPDU) -> bytes:
    return FramerSocket(DecodePDU(True)).buildFrame(pdu)


def big_endian(values: list[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


@given(transactions, unit_ids, st.integers(1, 4), st.data())
def test_reads_are_what_pymodbus_reads(
    transaction: int, unit_id: int, function: int, data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, 2000 if function <= 2 else 125))
    start = data.draw(st.integers(0, 65536 - count))
    pdu = as_pymodbus_reads_it(codec.encode_read(transaction, unit_id, function, start, count))
    assert (pdu.transaction_id, pdu.dev_id, pdu.function_code) == (transaction, unit_id, function)
    assert (pdu.address, pdu.count) == (start, count)


@given(transactions, unit_ids, st.integers(0, 65535 - 123), registers)
def test_register_writes_are_what_pymodbus_reads(
    transaction: int, unit_id: int, start: int, values: list[int]
) -> None:
    pdu = as_pymodbus_reads_it(codec.write_registers(unit_id, start, big_endian(values)).encode(transaction))
    assert (pdu.transaction_id, pdu.dev_id, pdu.function_code) == (transaction, unit_id, 16)
    assert (pdu.address, pdu.count, pdu.registers) == (start, len(values), values)
    single = as_pymodbus_reads_it(
        codec.write_register(unit_id, start, big_endian(values[:1])).encode(transaction)
    )
    assert (single.function_code, single.address, single.registers) == (6, start, values[:1])


@given(transactions, unit_ids, st.integers(0, 65535 - 1968), bits)
def test_coil_writes_are_what_pymodbus_reads(
    transaction: int, unit_id: int, start: int, values: list[bool]
) -> None:
    pdu = as_pymodbus_reads_it(codec.write_coils(unit_id, start, values).encode(transaction))
    assert (pdu.transaction_id, pdu.dev_id, pdu.function_code) == (transaction, unit_id, 15)
    assert (pdu.address, pdu.count, list(pdu.bits)[: len(values)]) == (start, len(values), values)
    single = as_pymodbus_reads_it(codec.write_coil(unit_id, start, values[0]).encode(transaction))
    assert (single.function_code, single.address, list(single.bits)) == (5, start, values[:1])


@st.composite
def answers(draw: st.DrawFn) -> tuple[ModbusPDU, Response]:
    """An answer of pymodbus and what we must make of it."""
    ids = {"transaction_id": draw(transactions), "dev_id": draw(unit_ids)}
    address = draw(st.integers(0, 65535))
    kind = draw(st.sampled_from((1, 2, 3, 4, 5, 6, 15, 16, 0x80)))
    pdu: ModbusPDU
    if kind in (1, 2):
        flags = draw(bits)
        payload = sum(1 << n for n, on in enumerate(flags) if on).to_bytes((len(flags) + 7) // 8, "little")
        made = bits_pdu.ReadCoilsResponse if kind == 1 else bits_pdu.ReadDiscreteInputsResponse
        pdu = made(bits=flags, **ids)
    elif kind in (3, 4):
        values = draw(registers)
        payload = big_endian(values)
        read = (
            registers_pdu.ReadHoldingRegistersResponse
            if kind == 3
            else registers_pdu.ReadInputRegistersResponse
        )
        pdu = read(registers=values, **ids)
    elif kind == 0x80:
        function, code, payload = draw(st.sampled_from((1, 3, 16))), draw(st.integers(1, 11)), b""
        pdu = ExceptionResponse(function, code, device_id=ids["dev_id"], transaction=ids["transaction_id"])
        return pdu, Response(ids["transaction_id"], ids["dev_id"], function, payload, code)
    elif kind in (5, 6):
        value = draw(st.booleans())
        payload = big_endian([address, (0xFF00 if value else 0) if kind == 5 else int(value)])
        if kind == 5:
            pdu = bits_pdu.WriteSingleCoilResponse(address=address, bits=[value], **ids)
        else:
            pdu = registers_pdu.WriteSingleRegisterResponse(address=address, registers=[int(value)], **ids)
    else:
        count = draw(st.integers(1, 100))
        payload = big_endian([address, count])
        write = (
            bits_pdu.WriteMultipleCoilsResponse
            if kind == 15
            else registers_pdu.WriteMultipleRegistersResponse
        )
        pdu = write(address=address, count=count, **ids)
    return pdu, Response(ids["transaction_id"], ids["dev_id"], kind, payload, 0)


@given(st.lists(answers(), min_size=1, max_size=6), st.data())
def test_the_decoder_reads_what_pymodbus_answers_in_any_pieces(
    exchanged: list[tuple[ModbusPDU, Response]], data: st.DataObject
) -> None:
    stream = b"".join(as_pymodbus_answers(pdu) for pdu, _ in exchanged)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted))
    decoder, got = Decoder(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got.extend(decoder.feed(stream[start:end]))
    assert got == [response for _, response in exchanged]
    assert decoder.broken == ""


def test_byte_by_byte() -> None:
    frame = as_pymodbus_answers(
        registers_pdu.ReadHoldingRegistersResponse(registers=[1, 2], transaction_id=9, dev_id=1)
    )
    decoder = Decoder()
    got = [response for octet in frame for response in decoder.feed(bytes((octet,)))]
    assert got == [Response(9, 1, 3, bytes((0, 1, 0, 2)), 0)]


GOOD = bytes.fromhex("0001 0000 0005 01 03 02 0007")


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        ("0002 0001 0005 01 03 02 0007", "protocol id 1"),
        ("0002 0000 0002 01 03 02 0007", "frame length 2"),
        ("0002 0000 00ff 01 03 02 0007", "frame length 255"),
        ("0002 0000 0005 01 03 04 0007", "4 bytes announced"),
        ("0002 0000 0006 01 03 03 000700", "3 bytes announced"),
        ("0002 0000 0003 01 03 00", "0 bytes announced"),
        ("0002 0000 0004 01 83 02 00", "exception of length 4"),
        ("0002 0000 0007 01 06 0000 0001 00", "answered write of length 7"),
        ("0002 0000 0003 01 2b 0e", "function 43 was never asked"),
        ("0002 0000 0003 01 00 0e", "function 0 was never asked"),
    ],
)
def test_a_broken_stream_keeps_what_came_before_and_stays_broken(frame: str, reason: str) -> None:
    decoder = Decoder()
    assert [r.transaction for r in decoder.feed(GOOD + bytes.fromhex(frame))] == [1]
    assert reason in decoder.broken
    assert decoder.feed(GOOD) == []


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_noise_never_raises(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        decoder.feed(piece)


@pytest.mark.parametrize(
    ("function", "start", "count"),
    [(1, 0, 2001), (2, 0, 0), (3, 0, 126), (4, 65535, 2), (3, -1, 1), (5, 0, 1), (0, 0, 1)],
)
def test_reads_out_of_bounds_are_refused(function: int, start: int, count: int) -> None:
    with pytest.raises(ValueError, match="allowed"):
        codec.encode_read(1, 1, function, start, count)


def test_writes_out_of_bounds_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 123"):
        codec.write_registers(1, 0, bytes(248))
    with pytest.raises(ValueError, match="whole number"):
        codec.write_registers(1, 0, bytes(3))
    with pytest.raises(ValueError, match="1 to 1968"):
        codec.write_coils(1, 0, [True] * 1969)
    with pytest.raises(ValueError, match="2 bytes"):
        codec.write_register(1, 0, b"\0")
    with pytest.raises(ValueError, match="outside the table"):
        codec.write_coil(1, 65536, True)


def test_a_response_must_answer_the_request() -> None:
    proper = Response(1, 1, 3, bytes(20), 0)
    assert codec.mismatch(3, 1, 20, proper) == ""
    assert codec.mismatch(3, 1, 20, proper._replace(payload=b"", exception=2)) == ""
    assert "18 bytes answered" in codec.mismatch(3, 1, 20, proper._replace(payload=bytes(18)))
    assert "asked was function 4" in codec.mismatch(4, 1, 20, proper)
    assert "unit id 2" in codec.mismatch(3, 2, 20, proper)


def test_a_write_must_be_echoed() -> None:
    write = codec.write_registers(1, 16, bytes(4))
    proper = Response(1, 1, 16, bytes.fromhex("00100002"), 0)
    assert codec.write_mismatch(write, proper) == ""
    assert "echoed 00100001" in codec.write_mismatch(
        write, proper._replace(payload=bytes.fromhex("00100001"))
    )
    assert codec.write_mismatch(write, proper._replace(payload=b"", exception=4)) == ""


def test_exceptions_have_words() -> None:
    assert Response(1, 1, 3, b"", 2).trouble() == "exception 2: illegal data address"
    assert Response(1, 1, 3, b"", 99).trouble() == "exception 99: not a standard code"
    assert Response(1, 1, 3, b"\0\0", 0).trouble() == ""
