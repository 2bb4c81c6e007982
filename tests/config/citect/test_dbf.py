"""The reader of dBase III tables, beside two others, and against damage of every kind."""

from __future__ import annotations

import struct
import tempfile
from pathlib import Path

import dbf
import pytest
from dbfread import DBF
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.config.citect.dbf import RECORDS_MAX, read_dbf
from changeover.config.citect.refusal import RefusedError
from citect_projects import dbf_bytes

FIELDS = [("NAME", 20), ("COMMENT", 60), ("N", 4)]
ROWS = [
    {"NAME": "Pump_1", "COMMENT": "Fördermenge in m³/h", "N": "1"},
    {"NAME": "Pump_2", "COMMENT": "deleted", "N": "2"},
    {"NAME": "", "COMMENT": "  leading blanks stay", "N": ""},
    {"NAME": "Pump_4"},
]
TABLE = dbf_bytes(FIELDS, ROWS, deleted=[1])
HEADER_BYTES = 32


def texts(data: bytes, encoding: str = "cp1252") -> list[dict[str, str]]:
    table = read_dbf(data, "t.dbf")
    names = [field.name for field in table.fields]
    return [
        dict(zip(names, (c.decode(encoding) for c in cells), strict=True)) for _, cells in table.records()
    ]


def refusal(data: bytes) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        read_dbf(data, "t.dbf")
    return caught.value


def test_records_have_their_numbers_and_deleted_ones_are_left_out() -> None:
    table = read_dbf(TABLE, "t.dbf")
    assert [number for number, _ in table.records()] == [1, 3, 4]
    assert [(field.name, field.start, field.length) for field in table.fields] == [
        ("NAME", 1, 20), ("COMMENT", 21, 60), ("N", 81, 4),
    ]  # fmt: skip
    assert texts(TABLE)[0] == ROWS[0]
    assert texts(TABLE)[2] == {"NAME": "Pump_4", "COMMENT": "", "N": ""}


_names = st.lists(st.from_regex(r"[A-Z][A-Z0-9_]{0,9}", fullmatch=True), min_size=1, max_size=6, unique=True)
_alphabets = {
    "cp1252": st.characters(codec="cp1252", exclude_categories=["Cc"]),
    "cp1251": st.characters(codec="cp1251", exclude_categories=["Cc"]),
    "cp932": st.sampled_from("水位警報ポンプ異常ﾎﾟﾝﾌﾟ aB9-ー表ソ能"),
}


@st.composite
def tables(draw: st.DrawFn) -> tuple[bytes, str]:
    encoding = draw(st.sampled_from(sorted(_alphabets)))
    names = draw(_names)
    fields = [(name, draw(st.integers(1, 40))) for name in names]
    text = st.text(_alphabets[encoding], max_size=40)
    rows = draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, text)), max_size=6))
    cut = [
        {name: row[name].encode(encoding)[:length].decode(encoding, "ignore") for name, length in fields}
        for row in rows
    ]
    deleted = draw(st.sets(st.integers(0, max(len(rows) - 1, 0)))) if rows else set()
    return dbf_bytes(fields, cut, encoding=encoding, deleted=deleted), encoding


@settings(max_examples=150, deadline=None)
@given(tables())
def test_dbfread_reads_the_same(case: tuple[bytes, str]) -> None:
    data, encoding = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.dbf"
        path.write_bytes(data)
        theirs = [dict(record) for record in DBF(str(path), encoding=encoding)]
    assert texts(data, encoding) == theirs


@settings(max_examples=60, deadline=None)
@given(tables())
def test_dbf_reads_the_same(case: tuple[bytes, str]) -> None:
    data, encoding = case
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.dbf"
        path.write_bytes(data)
        table = dbf.Table(str(path), codepage=encoding).open(dbf.READ_ONLY)
        try:
            kept = [record for record in table if not dbf.is_deleted(record)]
            theirs = [{n.upper(): str(record[n]).rstrip(" \0") for n in table.field_names} for record in kept]
        finally:
            table.close()
    # That library drops blanks that are not ASCII as well.
    stripped = [{name: text.rstrip() for name, text in row.items()} for row in texts(data, encoding)]
    assert stripped == [{name: text.rstrip() for name, text in row.items()} for row in theirs]


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252"])
def test_a_table_that_dbf_writes(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "t.dbf"
    table = dbf.Table(str(path), "NAME C(20); COMMENT C(60)", codepage=encoding, dbf_type="db3")
    word = "Насос" if encoding == "cp1251" else "Größe"
    table.open(dbf.READ_WRITE)
    table.append({"name": "A", "comment": word})
    table.append({"name": "B"})
    table.close()
    assert texts(path.read_bytes(), encoding) == [
        {"NAME": "A", "COMMENT": word},
        {"NAME": "B", "COMMENT": ""},
    ]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is 0 bytes long"),
        (b"\x03" * 20, "is 20 bytes long"),
        (b"\x83" + TABLE[1:], "begins with byte 0x83"),
        (b"PK\x03\x04" + TABLE[4:], "begins with byte 0x50"),
        (TABLE[:HEADER_BYTES] + b"\r" + TABLE[HEADER_BYTES + 1 :], "no end of its fields"),
        (TABLE[:60], "no end of its fields"),
        (TABLE[:10] + struct.pack("<H", 99) + TABLE[12:], "records of 99 bytes, but its fields take 85"),
        (TABLE[:4] + struct.pack("<I", 0xFFFFFFFF) + TABLE[8:], f"at most {RECORDS_MAX} are read"),
        (TABLE[:43] + b"M" + TABLE[44:], "field NAME: is of type 'M'"),
        (TABLE[:48] + b"\0" + TABLE[49:], "field NAME: is of type 'C' and 0 bytes"),
        (TABLE[:64] + b"NAME\0\0\0" + TABLE[71:], "field 2 has no name of its own"),
        (TABLE[:32] + b"\0" * 11 + TABLE[43:], "field 1 has no name of its own"),
        (TABLE[:-100], "record 3: is cut off: it says 4 records"),
    ],
)
def test_damage_is_named(data: bytes, said: str) -> None:
    assert said in str(refusal(data))
    assert str(refusal(data)).startswith("t.dbf: ")


def test_a_record_that_does_not_begin_as_one_is_named() -> None:
    second = len(TABLE) - 1 - 3 * 85
    error = refusal(TABLE[:second] + b"x" + TABLE[second + 1 :])
    assert error.record == 2
    assert "begins with byte 0x78" in str(error)


def test_what_follows_the_last_record_is_of_no_interest() -> None:
    assert texts(TABLE[:-1]) == texts(TABLE) == texts(TABLE + b"trailing")


def read_or_refuse(data: bytes) -> None:
    try:
        table = read_dbf(data, "t.dbf")
    except RefusedError as error:
        assert str(error).startswith("t.dbf: ")
        assert len(str(error).splitlines()) == 1
    else:
        for number, cells in table.records():
            assert 1 <= number <= table.record_count
            assert len(cells) == len(table.fields)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    read_or_refuse(data)
    read_or_refuse(b"\x03" + data)


_edits = st.lists(st.tuples(st.integers(0, len(TABLE) - 1), st.integers(0, 255)), min_size=1, max_size=5)


@settings(max_examples=500, deadline=None)
@given(_edits, st.integers(0, len(TABLE)))
def test_a_damaged_table(edits: list[tuple[int, int]], end: int) -> None:
    data = bytearray(TABLE)
    for place, value in edits:
        data[place] = value
    read_or_refuse(bytes(data))
    read_or_refuse(bytes(data[:end]))
