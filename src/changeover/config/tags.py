"""tags.csv: the variable tags of a plant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from changeover.config.csv_table import Claims, Columns, CsvTable, Row
from changeover.config.diagnostics import Findings, quoted
from changeover.config.driver_table import find_driver
from changeover.config.names import allowed_names
from changeover.config.variables import Variables
from changeover.model.device import IoDevice
from changeover.model.tag import Scaling, Tag, TagType

AddressChecker = Callable[[str, str, TagType], str | None]
"""Protocol, address as written, tag type to `what is wrong, what is allowed`; None where nothing is wrong."""

_SCALING_COLUMNS = ("raw_zero", "raw_full", "eng_zero", "eng_full")
_REQUIRED_COLUMNS = ("name", "type", "unit", "addr")
COLUMNS = Columns(
    "tags.csv",
    (*_REQUIRED_COLUMNS, *_SCALING_COLUMNS, "eng_units", "deadband", "comment"),
    _REQUIRED_COLUMNS,
    ("format", "cluster", "equip", "item"),
)

_TYPES = {kind.value.lower(): kind for kind in TagType}


@dataclass(frozen=True, slots=True)
class _Surroundings:
    devices: Mapping[str, IoDevice]
    check_address: AddressChecker | None
    claims: Claims


def read_tags(
    data: bytes,
    file: str,
    devices: Mapping[str, IoDevice],
    check_address: AddressChecker | None,
    findings: Findings,
) -> Variables:
    """Read a tags.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        devices: I/O devices by name in lower case.
        check_address: Checks addresses of the protocols that this product speaks; None checks none.
        findings: Takes the diagnostics.

    Returns:
        The tags in file order, and the names of those with a problem.
    """
    around = _Surroundings(devices, check_address, Claims("tag"))
    table = CsvTable(data, file, COLUMNS, findings)
    tags: list[Tag] = []
    faulty: list[str] = []
    for row in table:
        tag = _read_tag(row, around)
        if tag is None:
            faulty.append(row.text("name"))
        else:
            tags.append(tag)
    return Variables(tags, faulty, table.is_complete)


def _read_tag(row: Row, around: _Surroundings) -> Tag | None:
    name = row.name("name", "tag")
    around.claims.claim(row, "name", name)
    kind = _read_type(row)
    device = around.devices.get(row.text("unit").lower())
    if device is None:
        row.problem("unit", f"{quoted(row.text('unit'))} is no I/O device", allowed_names(around.devices))
    address = row.text("addr")
    if not address:
        row.problem("addr", "is empty", "an address of the device is wanted, such as 40001")
    elif device is not None and kind is not None:
        _check_address(row, around.check_address, device, address, kind)
    scaling = _read_scaling(row)
    if scaling is not None and kind in (TagType.DIGITAL, TagType.STRING):
        row.warn("raw_zero", f"{kind.value} tags are not scaled", "leave the four empty")
        scaling = None
    deadband = row.number("deadband") or 0.0
    if not 0 <= deadband <= 100:
        row.problem("deadband", f"{deadband:g} is out of range", "allowed are 0 to 100, in percent")
    if not row.is_sound or kind is None or device is None:
        return None
    units, comment = row.text("eng_units"), row.text("comment")
    return Tag(name, kind, device.name, address, scaling, units, deadband, comment)


def _read_type(row: Row) -> TagType | None:
    kind = _TYPES.get(row.text("type").lower())
    if kind is None:
        names = ", ".join(kind.value for kind in TagType)
        row.problem("type", f"{quoted(row.text('type'))} is not known", f"allowed are {names}")
    return kind


def _check_address(
    row: Row, check_address: AddressChecker | None, device: IoDevice, address: str, kind: TagType
) -> None:
    driver = find_driver(device.protocol)
    if check_address is None or driver is None or not driver.is_spoken:
        return
    answer = check_address(driver.protocol, address, kind)
    if answer is None:
        return
    problem, _, allowed = answer.partition(", ")
    if address not in problem:
        problem = f"{quoted(address)}: {problem}"
    row.problem("addr", problem, allowed or f"an address of {driver.protocol} is wanted")


def _read_scaling(row: Row) -> Scaling | None:
    given = [column for column in _SCALING_COLUMNS if row.text(column)]
    if not given:
        return None
    if len(given) < len(_SCALING_COLUMNS):
        missing = ", ".join(column for column in _SCALING_COLUMNS if column not in given)
        row.problem(given[0], f"without {missing}", "all four of raw and eng, zero and full, or none")
    numbers = [row.number(column) for column in given]
    known = [number for number in numbers if number is not None]
    if len(known) < len(_SCALING_COLUMNS):
        return None
    scaling = Scaling(*known)
    if scaling.raw_zero == scaling.raw_full:
        row.problem("raw_full", "is equal to raw_zero", "the range must not be empty")
    if scaling.eng_zero == scaling.eng_full:
        row.problem("eng_full", "is equal to eng_zero", "the range must not be empty")
    return scaling
