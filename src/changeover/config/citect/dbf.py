"""dBase III tables, bytes to records.

A table is a header of 32 bytes, a descriptor of 32 bytes for each field, the byte 0x0D, and records of equal
length: a flag (0x20, or 0x2A for a deleted one), then the fields, padded with blanks. All is checked before
it is believed: the counts of a damaged header reach for memory that is not there.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from changeover.config.citect.refusal import RefusedError

VERSION = 0x03
FIELDS_MAX = 255
RECORDS_MAX = 1_000_000

_HEADER = struct.Struct("<4xIHH17xB2x")
_DESCRIPTOR = struct.Struct("<11sc4xB15x")
_FIRST = _HEADER.size
_END_OF_FIELDS = 0x0D
_TEXT_TYPES = b"CNFLD"
_VALID, _DELETED = 0x20, 0x2A
_WANTED = "a whole dBase III table is wanted: copy it again, or pack it in the product"


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name in upper case, where it begins in a record, and its length in bytes."""

    name: str
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class DbfTable:
    """A table whose structure is sound.

    Attributes:
        fields: In file order.
        language: The header's language driver, 0 where none is given.
        data: The whole file.
        first: Where the first record begins.
        record_length: Bytes of a record, its flag counted.
        record_count: Deleted records counted.
    """

    fields: tuple[Field, ...]
    language: int
    data: bytes
    first: int
    record_length: int
    record_count: int

    def records(self) -> Iterator[tuple[int, list[bytes]]]:
        """Number from 1 and cells of each record that is not deleted, without blanks and NULs at the end."""
        for index in range(self.record_count):
            start = self.first + index * self.record_length
            if self.data[start] != _DELETED:
                record = self.data[start : start + self.record_length]
                yield index + 1, [record[f.start : f.start + f.length].rstrip(b"\0 ") for f in self.fields]


def read_dbf(data: bytes, file: str) -> DbfTable:
    """Read a table's structure.

    Args:
        data: The whole file.
        file: Name for refusals.

    Raises:
        RefusedError: It is no dBase III table, or damaged.
    """
    if len(data) < _FIRST + 1:
        raise RefusedError(file, f"is {len(data)} bytes long", _WANTED)
    if data[0] != VERSION:
        raise RefusedError(
            file, f"begins with byte 0x{data[0]:02X}", "dBase III without memos, 0x03, is wanted"
        )
    count, first, length, language = _HEADER.unpack_from(data)
    fields = _read_fields(data, first, file)
    needed = 1 + sum(field.length for field in fields)
    if length != needed:
        problem = f"records of {length} bytes, but its fields take {needed}"
        raise RefusedError(file, problem, _WANTED)
    _check_records(data, first, length, count, file)
    return DbfTable(fields, language, data, first, length, count)


def _read_fields(data: bytes, first: int, file: str) -> tuple[Field, ...]:
    fields: list[Field] = []
    place, start = _FIRST, 1
    while place < min(first, len(data)) and data[place] != _END_OF_FIELDS:
        if place + _DESCRIPTOR.size > len(data) or len(fields) == FIELDS_MAX:
            break
        raw, kind, length = _DESCRIPTOR.unpack_from(data, place)
        name = raw.partition(b"\0")[0].decode("ascii", "replace").strip().upper()
        if not name or not name.isprintable() or any(field.name == name for field in fields):
            raise RefusedError(file, f"field {len(fields) + 1} has no name of its own", _WANTED)
        if kind not in _TEXT_TYPES or not length:
            problem = f"is of type {kind.decode('latin-1')!r} and {length} bytes long"
            raise RefusedError(file, problem, "types C, N, F, L and D of 1 to 255 bytes are read", field=name)
        fields.append(Field(name, start, length))
        place, start = place + _DESCRIPTOR.size, start + length
    if not fields or place >= min(first, len(data)) or data[place] != _END_OF_FIELDS:
        raise RefusedError(file, f"has no end of its fields within {FIELDS_MAX} of them", _WANTED)
    return tuple(fields)


def _check_records(data: bytes, first: int, length: int, count: int, file: str) -> None:
    if count > RECORDS_MAX:
        raise RefusedError(file, f"says {count} records", f"at most {RECORDS_MAX} are read")
    held = max(len(data) - first, 0) // length
    if held < count:
        raise RefusedError(file, f"is cut off: it says {count} records", _WANTED, record=held + 1)
    for index, flag in enumerate(data[first : first + count * length : length]):
        if flag not in (_VALID, _DELETED):
            problem = f"begins with byte 0x{flag:02X}, not with 0x20 or 0x2A"
            raise RefusedError(file, problem, _WANTED, record=index + 1)
