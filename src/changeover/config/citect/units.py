"""units.dbf: I/O devices and their redundant units.

Units pair by device NUMBER; their order is that of the records, or of the column PRIORITY where there is one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from changeover.config.citect.judged import Columnwise
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.ports import Place, Ports
from changeover.config.citect.tables import Record
from changeover.config.driver_table import DRIVERS, Driver, find_driver
from changeover.config.names import is_name
from changeover.config.servers import PRIORITY_MAX
from changeover.model.device import UnitMode

NUMBER_MAX = 32_767
SERVER_DEFAULT = "IOServer"
NAME_LENGTH_MAX = 63

_USED = ("SERVER", "NAME", "NUMBER", "ADDR", "PROTOCOL", "PORT", "MODE", "PRIORITY")
_MODES = {
    "": UnitMode.PRIMARY,
    "primary": UnitMode.PRIMARY,
    "standby": UnitMode.STANDBY,
    "standbywrite": UnitMode.STANDBY_WRITE,
}
_UNIT_ID_DEFAULT = 1
_UNIT_ID_MAX = 255


@dataclass(frozen=True, slots=True)
class UnitDraft:
    """A unit of a plant.toml.

    Attributes:
        record: What it is made of.
        io_server: Name of its I/O server.
        mode: Start-up mode.
        priority: As configured, None where it follows from the order.
        port_name: Its port.
        place: Where it answers.
    """

    record: Record
    io_server: str
    mode: UnitMode
    priority: int | None
    port_name: str
    place: Place

    @property
    def identity(self) -> tuple[str, str, str]:
        """What tells it from other units where the project holds no address: server, port, address on it."""
        return self.io_server.lower(), self.port_name.lower(), self.record.get("ADDR").lower()


@dataclass(frozen=True, slots=True)
class DeviceDraft:
    """An I/O device of a plant.toml.

    Attributes:
        name: The name of its primary unit, by which tags refer to it.
        number: Its number.
        driver: Its protocol.
        units: In the order of the records.
        unit_id: Modbus unit id of its tags; None where it is the usual one, or the protocol has none.
    """

    name: str
    number: int
    driver: Driver
    units: tuple[UnitDraft, ...]
    unit_id: int | None = None


@dataclass(slots=True)
class Devices:
    """What units.dbf says, as far as it can be represented.

    Attributes:
        all: In the order of their first records.
        io_servers: Names, in the order of their first records.
        by_unit_name: The device that each name of a unit belongs to, by name in lower case.
        left_out: Names of units that were left out, in lower case.
    """

    all: list[DeviceDraft] = field(default_factory=list)
    io_servers: list[str] = field(default_factory=list)
    by_unit_name: dict[str, DeviceDraft] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)


def convert_units(records: Iterable[Record], ports: Ports, notes: Notes) -> Devices:
    """I/O devices of units.dbf.

    Args:
        records: Of units.dbf.
        ports: Where units answer.
        notes: Takes what cannot be represented.
    """
    return _Conversion(ports, notes).run(records)


def tidy_name(text: str, fallback: str) -> str:
    """A text as a name of a plant.toml."""
    name = re.sub(r"[^\w .-]", "_", text.strip())[:NAME_LENGTH_MAX].strip()
    return name if is_name(name) else f"_{name}"[:NAME_LENGTH_MAX].strip() if name else fallback


def free_name(name: str, taken: set[str]) -> str:
    """A name that is not taken yet, and is from now on; names in any case, at most as long as they may be."""
    stem, number = name[: NAME_LENGTH_MAX - 6], 2
    while name.lower() in taken:
        name, number = f"{stem}_{number}", number + 1
    taken.add(name.lower())
    return name


class _Conversion:
    def __init__(self, ports: Ports, notes: Notes) -> None:
        self._ports = ports
        self._notes = notes
        self._columns = Columnwise(_USED, notes)
        self._devices = Devices()
        self._servers: dict[str, str] = {}
        self._taken: set[str] = set()
        self._names: set[str] = set()

    def run(self, records: Iterable[Record]) -> Devices:
        groups: dict[int, list[Record]] = {}
        for record in records:
            number = self._number(record)
            if number is not None:
                groups.setdefault(number, []).append(record)
        for number, group in groups.items():
            if number:
                self._device(number, group)
                continue
            free = next(n for n in range(NUMBER_MAX, 0, -1) if n not in groups)
            group[0].note(
                self._notes, NoteKind.CHANGED, "NUMBER", f"devices have numbers from 1 on here: it is {free}"
            )
            self._device(free, group)
        return self._devices

    def _number(self, record: Record) -> int | None:
        text = record.get("NUMBER")
        if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= NUMBER_MAX:
            return int(text)
        self._leave_out(record, "NUMBER", f"units pair by their number: 0 to {NUMBER_MAX} is wanted")
        return None

    def _leave_out(self, record: Record, column: str, why: str) -> None:
        record.note(self._notes, NoteKind.LEFT_OUT, column, why)
        self._devices.left_out.add(record.get("NAME").lower())

    def _device(self, number: int, group: list[Record]) -> None:
        driver = None
        units: list[UnitDraft] = []
        for record in group:
            found = self._driver(record)
            if found is None:
                continue
            if driver is not None and found != driver:
                why = f"another unit of this device speaks {driver.protocol}: all speak one protocol"
                self._leave_out(record, "PROTOCOL", why)
                continue
            driver = found
            self._add_unit(units, record)
        if driver is not None and units:
            self._add_device(number, driver, self._with_one_primary(units))

    def _driver(self, record: Record) -> Driver | None:
        driver = find_driver(record.get("PROTOCOL"))
        if driver is None:
            names = ", ".join(known.protocol for known in DRIVERS)
            self._leave_out(record, "PROTOCOL", f"its timing is not known here; known are {names}")
        return driver

    def _add_unit(self, units: list[UnitDraft], record: Record) -> None:
        server = self._server(record)
        place = self._ports.place(record.get("SERVER"), record.get("PORT"))
        unit = UnitDraft(
            record, server, self._mode(record), self._priority(record, units), record.get("PORT"), place
        )
        for other in units:
            same_place = place.host is not None and (place.host, place.port) == (
                other.place.host,
                other.place.port,
            )
            if other.io_server == server and (
                same_place or (place.host is None and other.identity == unit.identity)
            ):
                why = f"record {other.record.number} reaches the same address from the same I/O server"
                self._leave_out(record, "PORT", why)
                return
        if place.host is None:
            why = f"{place.why}; a loopback address is written, its silence can be forecast all the same"
            record.note(self._notes, NoteKind.PLACEHOLDER, "PORT", why)
        self._columns.list(record, self._notes)
        units.append(unit)

    def _server(self, record: Record) -> str:
        text = record.get("SERVER")
        if text.lower() not in self._servers:
            name = tidy_name(text, SERVER_DEFAULT)
            name = free_name(name, self._taken)
            self._servers[text.lower()] = name
            self._devices.io_servers.append(name)
            if name != text:
                why = f"this is no name of a server here: it is called {name}"
                record.note(self._notes, NoteKind.CHANGED, "SERVER", why)
        return self._servers[text.lower()]

    def _mode(self, record: Record) -> UnitMode:
        mode = _MODES.get(record.get("MODE").replace(" ", "").lower())
        if mode is None:
            record.note(self._notes, NoteKind.CHANGED, "MODE", "this mode is not known here: it is a standby")
            return UnitMode.STANDBY
        return mode

    def _priority(self, record: Record, units: list[UnitDraft]) -> int | None:
        text = record.get("PRIORITY")
        if not text:
            return None
        number = int(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0
        if 1 <= number <= PRIORITY_MAX and all(unit.priority != number for unit in units):
            return number
        why = f"1 to {PRIORITY_MAX}, each once, is wanted: the unit follows after those that have one"
        record.note(self._notes, NoteKind.CELL_LEFT_OUT, "PRIORITY", why)
        return None

    def _with_one_primary(self, units: list[UnitDraft]) -> tuple[UnitDraft, ...]:
        primaries = [unit for unit in units if unit.mode is UnitMode.PRIMARY]
        chosen = min(primaries or units, key=lambda unit: unit.priority or PRIORITY_MAX + 1)
        if not primaries:
            chosen.record.note(self._notes, NoteKind.CHANGED, "MODE", "no unit is primary: this one is")
        for unit in primaries:
            if unit is not chosen:
                why = f"record {chosen.record.number} is the primary of this device: this one is a standby"
                unit.record.note(self._notes, NoteKind.CHANGED, "MODE", why)
        if units[0] is not chosen and all(unit.priority is None for unit in units):
            why = "the primary comes first here, though its record does not"
            chosen.record.note(self._notes, NoteKind.CHANGED, "MODE", why)
        return tuple(_with_mode(unit, unit is chosen) for unit in units)

    def _add_device(self, number: int, driver: Driver, units: tuple[UnitDraft, ...]) -> None:
        primary = next(unit for unit in units if unit.mode is UnitMode.PRIMARY)
        text = primary.record.get("NAME")
        name = tidy_name(text, f"Device{number}")
        if name.lower() in self._names:
            why = "another device, of another number, has this name: tags could not tell them apart"
            for unit in units:
                unit.record.note(self._notes, NoteKind.LEFT_OUT, "NAME", why)
            return
        if name != text:
            primary.record.note(
                self._notes, NoteKind.CHANGED, "NAME", f"no name of a device here: it is {name}"
            )
        self._names.add(name.lower())
        device = DeviceDraft(name, number, driver, units, self._unit_id(driver, primary, units))
        self._devices.all.append(device)
        for unit in units:
            self._devices.by_unit_name.setdefault(unit.record.get("NAME").lower(), device)

    def _unit_id(self, driver: Driver, primary: UnitDraft, units: tuple[UnitDraft, ...]) -> int | None:
        """The ADDR of a Modbus device, which its tags carry here; that of others has no counterpart."""
        text = primary.record.get("ADDR")
        for unit in units:
            other = unit.record.get("ADDR")
            if driver.is_spoken and other != text:
                why = f"redundant units have one address: that of the primary, '{text}', counts"
                unit.record.note(self._notes, NoteKind.CELL_LEFT_OUT, "ADDR", why)
            elif other and not driver.is_spoken:
                why = f"the address of a {driver.protocol} device has no counterpart: it is forecast only"
                unit.record.note(self._notes, NoteKind.CELL_LEFT_OUT, "ADDR", why)
        if not driver.is_spoken or not text:
            return None
        if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= _UNIT_ID_MAX:
            return None if int(text) == _UNIT_ID_DEFAULT else int(text)
        why = f"a Modbus unit id, 0 to {_UNIT_ID_MAX}, is wanted: {_UNIT_ID_DEFAULT} is taken"
        primary.record.note(self._notes, NoteKind.CELL_LEFT_OUT, "ADDR", why)
        return None


def _with_mode(unit: UnitDraft, is_primary: bool) -> UnitDraft:
    if is_primary:
        return replace(unit, mode=UnitMode.PRIMARY)
    return replace(unit, mode=UnitMode.STANDBY) if unit.mode is UnitMode.PRIMARY else unit
