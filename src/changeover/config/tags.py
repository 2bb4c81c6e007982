"""tags.csv: the variable tags of a plant."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from changeover.config.diagnostics import Diagnostic, Findings, quoted
from changeover.config.driver_table import find_driver
from changeover.config.names import allowed_names
from changeover.config.text_file import decode
from changeover.model.device import IoDevice
from changeover.model.tag import Scaling, Tag, TagType

AddressChecker = Callable[[str, str, TagType], str | None]
"""Protocol, address as written, tag type to `what is wrong, what is allowed`; None where nothing is wrong."""

COLUMNS = (
    "name", "type", "unit", "addr", "raw_zero", "raw_full", "eng_zero", "eng_full", "eng_units", "deadband",
    "comment",
)  # fmt: skip
REQUIRED_COLUMNS = COLUMNS[:4]
UNUSED_COLUMNS = ("format", "cluster", "equip", "item")
"""Further columns of variable.dbf: an export may hold them, nothing reads them."""

_SCALING_COLUMNS = COLUMNS[4:8]
_NAME = re.compile(r"[^\W\d][\w.\\/-]*")
_NAME_LENGTH_MAX = 79
_ALLOWED_COLUMNS = (
    f"allowed are {', '.join((*COLUMNS, *UNUSED_COLUMNS))}; {', '.join(REQUIRED_COLUMNS)} are wanted"
)


@dataclass(slots=True)
class _Reader:
    file: str
    devices: Mapping[str, IoDevice]
    check_address: AddressChecker | None
    findings: Findings
    tags: list[Tag] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def problem(self, line: int, column: str, problem: str, allowed: str) -> None:
        self.findings.problems.append(Diagnostic(self.file, line, column, problem, allowed))


def read_tags(
    data: bytes,
    file: str,
    devices: Mapping[str, IoDevice],
    check_address: AddressChecker | None,
    findings: Findings,
) -> tuple[Tag, ...]:
    """Read a tags.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        devices: I/O devices by name in lower case.
        check_address: Checks addresses of the protocols that this product speaks; None checks none.
        findings: Takes the diagnostics.

    Returns:
        The tags in file order, those with a problem left out.
    """
    reader = _Reader(file, devices, check_address, findings)
    rows = csv.reader(io.StringIO(decode(data), newline=""), strict=True)
    header: tuple[str, ...] | None = None
    line = 1
    try:
        for row in rows:
            fields = [text.strip() for text in row]
            if header is None and any(fields):
                header = _read_header(reader, line, fields)
                if header is None:
                    return ()
            elif header is not None and any(fields):
                _read_row(reader, line, header, fields)
            line = rows.line_num + 1
    except csv.Error as error:
        reader.problem(
            line, "tags.csv", f"is no CSV from here on ({error})", "quotes are closed and doubled inside"
        )
    if header is None and not any(d.file == file for d in findings.problems):
        reader.problem(1, "tags.csv", "has no header", _ALLOWED_COLUMNS)
    return tuple(reader.tags)


def _read_header(reader: _Reader, line: int, fields: list[str]) -> tuple[str, ...] | None:
    header = tuple(text.lower() for text in fields)
    while header and not header[-1]:
        header = header[:-1]
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        reader.problem(
            line, "header", "the columns are not separated by commas", "a comma between columns is wanted"
        )
        return None
    sound = True
    for column in header:
        if column not in COLUMNS and column not in UNUSED_COLUMNS:
            reader.problem(line, "header", f"{quoted(column)} is no column", _ALLOWED_COLUMNS)
            sound = False
    for column in dict.fromkeys(header):
        if header.count(column) > 1:
            reader.problem(line, "header", f"{quoted(column)} is there more than once", "each column once")
            sound = False
    for column in REQUIRED_COLUMNS:
        if column not in header:
            reader.problem(line, "header", f"column {column} is missing", _ALLOWED_COLUMNS)
            sound = False
    return header if sound else None


def _read_row(reader: _Reader, line: int, header: tuple[str, ...], fields: list[str]) -> None:
    if any(fields[len(header) :]):
        reader.problem(
            line,
            "tags.csv",
            f"has {len(fields)} fields",
            f"the header has {len(header)}; quote text with commas",
        )
        return
    cells = dict(zip(header, fields, strict=False))
    before = len(reader.findings.problems)
    name = _read_name(reader, line, cells.get("name", ""))
    kind = _read_type(reader, line, cells.get("type", ""))
    device = reader.devices.get(cells.get("unit", "").lower())
    if device is None:
        reader.problem(
            line, "unit", f"{quoted(cells.get('unit', ''))} is no I/O device", allowed_names(reader.devices)
        )
    address = cells.get("addr", "")
    if not address:
        reader.problem(line, "addr", "is empty", "an address of the device is wanted, such as 40001")
    elif device is not None and kind is not None:
        _check_address(reader, line, device, address, kind)
    scaling = _read_scaling(reader, line, cells)
    if scaling is not None and kind in (TagType.DIGITAL, TagType.STRING):
        reader.findings.warnings.append(
            Diagnostic(
                reader.file, line, "raw_zero", f"{kind.value} tags are not scaled", "leave the four empty"
            )
        )
        scaling = None
    deadband = _number(reader, line, "deadband", cells) or 0.0
    if not 0 <= deadband <= 100:
        reader.problem(line, "deadband", f"{deadband:g} is out of range", "allowed are 0 to 100, in percent")
    if len(reader.findings.problems) > before or kind is None or device is None:
        return
    units, comment = cells.get("eng_units", ""), cells.get("comment", "")
    reader.tags.append(Tag(name, kind, device.name, address, scaling, units, deadband, comment))


def _read_name(reader: _Reader, line: int, name: str) -> str:
    if len(name) > _NAME_LENGTH_MAX or not _NAME.fullmatch(name):
        reader.problem(
            line,
            "name",
            f"{quoted(name)} is no tag name",
            f"a letter or '_', then letters, digits and '_ . \\ / -', at most {_NAME_LENGTH_MAX}",
        )
        return name
    first = reader.lines.setdefault(name.lower(), line)
    if first != line:
        reader.problem(
            line, "name", f"{quoted(name)} is also the tag in line {first}", "names are unique, in any case"
        )
    return name


def _read_type(reader: _Reader, line: int, text: str) -> TagType | None:
    try:
        return TagType(text.upper())
    except ValueError:
        names = ", ".join(kind.value for kind in TagType)
        reader.problem(line, "type", f"{quoted(text)} is not known", f"allowed are {names}")
        return None


def _check_address(reader: _Reader, line: int, device: IoDevice, address: str, kind: TagType) -> None:
    driver = find_driver(device.protocol)
    if reader.check_address is None or driver is None or not driver.is_spoken:
        return
    answer = reader.check_address(driver.protocol, address, kind)
    if answer is None:
        return
    problem, _, allowed = answer.partition(", ")
    if address not in problem:
        problem = f"{quoted(address)}: {problem}"
    reader.problem(line, "addr", problem, allowed or f"an address of {driver.protocol} is wanted")


def _read_scaling(reader: _Reader, line: int, cells: Mapping[str, str]) -> Scaling | None:
    given = [column for column in _SCALING_COLUMNS if cells.get(column)]
    if not given:
        return None
    if len(given) < len(_SCALING_COLUMNS):
        missing = ", ".join(column for column in _SCALING_COLUMNS if column not in given)
        reader.problem(
            line, given[0], f"without {missing}", "all four of raw and eng, zero and full, or none"
        )
    numbers = [_number(reader, line, column, cells) for column in given]
    known = [number for number in numbers if number is not None]
    if len(known) < len(_SCALING_COLUMNS):
        return None
    scaling = Scaling(*known)
    if scaling.raw_zero == scaling.raw_full:
        reader.problem(line, "raw_full", "is equal to raw_zero", "the range must not be empty")
    if scaling.eng_zero == scaling.eng_full:
        reader.problem(line, "eng_full", "is equal to eng_zero", "the range must not be empty")
    return scaling


def _number(reader: _Reader, line: int, column: str, cells: Mapping[str, str]) -> float | None:
    text = cells.get(column, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        reader.problem(
            line, column, f"{quoted(text)} is not a number", "such as 0 or 27648.5, with a decimal point"
        )
        return None
    return number
