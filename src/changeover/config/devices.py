"""I/O devices and units of a plant.toml, their order, and the timing of their drivers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from changeover.config.diagnostics import quoted
from changeover.config.driver_table import DRIVERS, Driver, find_driver
from changeover.config.ini import IniFile
from changeover.config.names import Names, refer
from changeover.config.network import Network, read_endpoint
from changeover.config.servers import PRIORITY_MAX, Servers
from changeover.config.timing import DriverSettings, driver_settings
from changeover.config.toml_table import Table
from changeover.model.device import DriverTiming, IoDevice, Unit, UnitMode
from changeover.model.lan import Endpoint
from changeover.model.moment import Duration
from changeover.model.policy import Family

_NUMBER_MAX = 32_767
PROTOCOLS_DIFFER = "protocols-differ"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What units refer to.

    Attributes:
        network: LANs and computers.
        servers: The I/O servers.
        ini: Parameters of the drivers.
        family: Decides defaults.
        round_trip: Round trip of a healthy LAN.
    """

    network: Network
    servers: Servers
    ini: IniFile
    family: Family
    round_trip: Duration


@dataclass(frozen=True, slots=True)
class _Draft:
    """A unit before the order of its device's units is known."""

    table: Table
    io_server: str
    mode: UnitMode
    address: Endpoint
    priority: int | None
    port_name: str
    settings: DriverSettings | None


def effective_priorities(units: Sequence[tuple[UnitMode, int | None]]) -> tuple[int, ...]:
    """The priority of each unit of a device, lowest is best (AV 1040407).

    Args:
        units: Mode and configured priority of each unit, in file order.

    Returns:
        Configured values as they are; the other units follow in file order from the highest configured value
        + 1 on. Where none is configured, the unit in primary mode is first.
    """
    configured = [priority for _, priority in units if priority is not None]
    waiting = [index for index, (_, priority) in enumerate(units) if priority is None]
    if not configured:
        waiting.sort(key=lambda index: units[index][0] is not UnitMode.PRIMARY)
    automatic = {index: max(configured, default=0) + 1 + place for place, index in enumerate(waiting)}
    return tuple(
        automatic[index] if priority is None else priority for index, (_, priority) in enumerate(units)
    )


def read_devices(root: Table, around: Surroundings) -> dict[str, IoDevice]:
    """Read `[[io_device]]` with its units; devices by name in lower case, in file order."""
    devices: dict[str, IoDevice] = {}
    names = Names()
    numbers: dict[int, str] = {}
    for table in root.tables("io_device"):
        table.expect_only("name", "number", "protocol", "unit")
        name = names.claim(table, "I/O device")
        number = table.whole("number", 1, _NUMBER_MAX)
        if table.values.get("number") == number and numbers.setdefault(number, name) != name:
            table.problem(
                "number", f"{number} is also the number of {numbers[number]}", "each device needs its own"
            )
        driver = _read_protocol(table)
        drafts = [_read_unit(unit, name, driver, around) for unit in table.tables("unit")]
        _check_units(table, drafts)
        protocol = driver.protocol if driver else ""
        devices.setdefault(name.lower(), IoDevice(name, number, protocol, _ordered_units(name, drafts)))
    return devices


def _read_protocol(table: Table) -> Driver | None:
    text = table.text("protocol", example="MODNET")
    driver = find_driver(text)
    if text and driver is None:
        names = ", ".join(known.protocol for known in DRIVERS)
        table.problem("protocol", f"{quoted(text)} is not known", f"allowed are {names}")
    return driver


def _read_unit(table: Table, device: str, driver: Driver | None, around: Surroundings) -> _Draft:
    table.expect_only("io_server", "mode", "address", "priority", "port_name", "protocol")
    server = refer(table, "io_server", around.servers.io_servers)
    mode = table.choice("mode", UnitMode)
    address, lan = read_endpoint(table, "address", around.network)
    home = around.network.computers.get(server.computer.lower()) if server else None
    if home is not None and lan is not None and home.address_on(lan.name) is None:
        table.problem(
            "address",
            f"{address.host} is on LAN {lan.name}, {home.name} of the I/O server is not",
            f"allowed are the LANs of {home.name}: {', '.join(name for name, _ in home.addresses) or 'none'}",
        )
    priority = table.whole("priority", 1, PRIORITY_MAX, 0) or None
    port_name = table.text("port_name", default="") if "port_name" in table.values else ""
    settings = None
    if driver is not None:
        _check_protocol(table, driver)
        settings = driver_settings(around.ini, driver, port_name, device, around.family)
    return _Draft(table, server.name if server else "", mode, address, priority, port_name, settings)


def _check_protocol(table: Table, driver: Driver) -> None:
    """A unit may name its protocol: that of its device, since all units of a device speak one (KB 1085)."""
    if "protocol" not in table.values:
        return
    text = table.text("protocol")
    if text and find_driver(text) is not driver:
        table.problem(
            "protocol",
            f"{quoted(text)} is not the protocol of its I/O device, {driver.protocol}",
            "all units of an I/O device speak one protocol",
            PROTOCOLS_DIFFER,
        )


def _check_units(table: Table, drafts: list[_Draft]) -> None:
    if not drafts:
        if not isinstance(table.values.get("unit", []), list) or table.values.get("unit"):
            return
        table.problem(
            "unit", "there is none", "at least one [[io_device.unit]] is wanted, one of them primary"
        )
        return
    primaries = [draft for draft in drafts if draft.table.values.get("mode") == UnitMode.PRIMARY.value]
    if not primaries and all(draft.table.values.get("mode") == draft.mode.value for draft in drafts):
        table.problem("unit", "no unit is primary", 'exactly one unit has mode = "primary"')
    for draft in primaries[1:]:
        draft.table.problem(
            "mode", "there is a primary unit already", 'the others are "standby" or "standby_write"'
        )
    priorities: set[int] = set()
    ways: set[tuple[str, Endpoint]] = set()
    for draft in drafts:
        if draft.priority in priorities and draft.table.values["priority"] == draft.priority:
            draft.table.problem(
                "priority",
                f"{draft.priority} is also that of another unit",
                "each unit of a device needs its own",
            )
        way = (draft.io_server, draft.address)
        if draft.io_server and draft.address.port and way in ways:
            draft.table.problem(
                "address",
                f"{draft.io_server} reaches {draft.address} by another unit already",
                "units of one device differ in I/O server or address",
            )
        priorities |= {draft.priority} if draft.priority is not None else set()
        ways.add(way)


def _ordered_units(device: str, drafts: list[_Draft]) -> tuple[Unit, ...]:
    priorities = effective_priorities([(draft.mode, draft.priority) for draft in drafts])
    units = [
        Unit(
            device=device,
            io_server=draft.io_server,
            mode=draft.mode,
            address=draft.address,
            priority=priority,
            port_name=draft.port_name,
            timing=draft.settings.timing if draft.settings else DriverTiming(),
        )
        for draft, priority in zip(drafts, priorities, strict=True)
    ]
    units.sort(key=lambda unit: unit.priority)
    return tuple(units)
