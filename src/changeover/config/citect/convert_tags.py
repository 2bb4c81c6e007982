"""variable.dbf: variable tags, and Modbus addresses from the product's way of writing them to ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from changeover.config.citect.judged import Columnwise, Draft, Sheet
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.tables import Record
from changeover.config.citect.units import DeviceDraft, Devices
from changeover.config.diagnostics import Findings
from changeover.config.tags import COLUMNS, AddressChecker, read_tags
from changeover.config.variables import Variables
from changeover.model.device import IoDevice

TAGS_FILE = "tags.csv"

_SCALING = ("raw_zero", "raw_full", "eng_zero", "eng_full")
_COPIED = (*_SCALING, "eng_units", "deadband", "comment", *COLUMNS.unused)
_TOGETHER = {**dict.fromkeys(_SCALING, _SCALING), "deadband": ("deadband",)}
_UNSCALED = ("DIGITAL", "STRING")
_UNTYPED = "INT"

_MODBUS = re.compile(r"(\d{1,6})(?:\.(\d{1,2}))?", re.ASCII)
_DIGITS_FULL = 5
_BITS = 16


def convert_tags(
    records: Iterable[Record],
    devices: Devices,
    read: Mapping[str, IoDevice],
    check_address: AddressChecker | None,
    notes: Notes,
) -> tuple[bytes, Variables]:
    """The content of tags.csv, and its tags.

    Args:
        records: Of variable.dbf.
        devices: Of units.dbf.
        read: The same, as plant.toml has them, by name in lower case.
        check_address: As of `load_project`.
        notes: Takes what cannot be represented.
    """

    def judge(data: bytes, findings: Findings) -> Variables:
        return read_tags(data, TAGS_FILE, read, check_address, findings)

    sheet = Sheet(COLUMNS, "name", _TOGETHER, judge)
    data, variables, _ = sheet.settle(_drafts(records, devices, notes), notes)
    return data, variables


def _drafts(records: Iterable[Record], devices: Devices, notes: Notes) -> Iterator[Draft]:
    columns = Columnwise((*(c.upper() for c in _COPIED), "NAME", "TYPE", "UNIT", "ADDR"), notes)
    for record in records:
        unit = record.get("UNIT")
        device = devices.by_unit_name.get(unit.lower())
        if device is None:
            what = "was left out" if unit.lower() in devices.left_out else "is not in units.dbf"
            record.note(notes, NoteKind.LEFT_OUT, "UNIT", f"its I/O device {what}")
            continue
        own = Notes()
        address = _address(record, device, own)
        if address is None:
            why = f"bits of a register are 1 to {_BITS} in the product"
            record.note(notes, NoteKind.LEFT_OUT, "ADDR", why)
            continue
        cells = {
            "name": record.get("NAME"),
            "unit": device.name,
            "addr": address,
            "type": _type(record, own),
        }
        cells |= {column: record.get(column.upper()) for column in _COPIED}
        if cells["type"].upper() in _UNSCALED and any(cells[column] for column in _SCALING):
            why = f"{cells['type']} tags are not scaled here"
            column = next(column.upper() for column in _SCALING if cells[column])
            record.note(own, NoteKind.CELL_LEFT_OUT, column, why)
            cells.update(dict.fromkeys(_SCALING, ""))
        columns.list(record, own)
        yield Draft(record, cells, notes=own)


def _type(record: Record, notes: Notes) -> str:
    text = record.get("TYPE")
    if not text:
        record.note(notes, NoteKind.CHANGED, "TYPE", f"none is given, which the product takes as {_UNTYPED}")
    return text or _UNTYPED


def _address(record: Record, device: DeviceDraft, notes: Notes) -> str | None:
    """The address as our drivers read it; None for a bit that the product does not have."""
    text = record.get("ADDR")
    match = _MODBUS.fullmatch(text)
    if not device.driver.is_spoken or not match:
        return text
    digits, bit = match.groups()
    if len(digits) < _DIGITS_FULL:
        # The product takes the first digit for the kind of register, however many follow (KB 2446).
        digits = f"{digits[0]}{digits[1:].zfill(_DIGITS_FULL - 1)}"
    if bit is not None and not 1 <= int(bit) <= _BITS:
        return None
    written = digits if bit is None else f"{digits}.{_BITS - int(bit)}"
    if written != text:
        why = f"it is {written} here: the first digit is the kind of register (KB 2446)"
        if bit is not None:
            why = (
                f"it is {written} here, where bit 0 is the lowest: in the product bit 1 is the highest, "
                "unless its driver is told otherwise in the ini (KB 2355)"
            )
        record.note(notes, NoteKind.CHANGED, "ADDR", why)
    return written if device.unit_id is None else f"{written}:unit={device.unit_id}"
