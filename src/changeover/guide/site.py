"""A project as rules and explanations see it: its plant, and where each part of it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import NamedTuple

from changeover.config.driver_table import find_driver
from changeover.config.ini import IniEntry
from changeover.config.parameters import Parameter
from changeover.config.project import Project
from changeover.config.timing import DriverSettings, Setting, driver_settings, setting
from changeover.config.toml_table import Table
from changeover.guide.knobs import Knob, knobs_of
from changeover.model.device import IoDevice, Unit
from changeover.model.policy import Family
from changeover.model.server import Client, IoServer, TaskServer
from changeover.model.stack import NetworkProtocol

_CLIENT = "client"


class Place(NamedTuple):
    """Where something is written.

    Attributes:
        file: The file as the user named it.
        line: From 1; None for a default, which no line sets.
        name: What is there, such as `[LAN]SendTimeout` or `io_device.unit.address`.
    """

    file: str
    line: int | None
    name: str


class Owned(NamedTuple):
    """A unit, its device, and the settings of its driver."""

    device: IoDevice
    unit: Unit
    settings: DriverSettings


class Site:
    """A checked project.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.plant = project.plant
        self.ini = project.ini

    @property
    def family(self) -> Family:
        """The version family."""
        return self.plant.policy.family

    @property
    def honours_send_timeout(self) -> bool:
        """Whether [LAN]SendTimeout finds a silent peer (D1), not the network stack's own time-outs (D2)."""
        return self.plant.network_protocol is NetworkProtocol.ACKNOWLEDGED

    @cached_property
    def knobs(self) -> tuple[Knob, ...]:
        """Every parameter that may govern a changeover."""
        return knobs_of(self.plant, self.ini)

    @cached_property
    def units(self) -> tuple[Owned, ...]:
        """Every unit, devices in file order, units by priority."""
        found = []
        for device in self.plant.io_devices:
            driver = find_driver(device.protocol)
            assert driver is not None, "a checked plant has known protocols"
            for unit in device.units:
                settings = driver_settings(self.ini, driver, unit.port_name, device.name, self.family)
                found.append(Owned(device, unit, settings))
        return tuple(found)

    def setting(self, parameter: Parameter, sections: Iterable[str] = ()) -> Setting:
        """The value of a parameter, and the line that sets it."""
        return setting(self.ini, parameter, self.family, sections)

    def at(self, one: Setting) -> Place:
        """Where a setting is; without a line for a default."""
        if one.entry is None:
            return Place(self.ini.file, None, str(one.parameter))
        return self.at_entry(one.entry)

    def at_entry(self, entry: IniEntry) -> Place:
        """Where an entry of citect.ini is."""
        return Place(self.ini.file, entry.line, f"[{entry.section}]{entry.name}")

    def at_knob(self, knob: Knob) -> Place:
        """Where a parameter that governs changeovers is set."""
        return Place(self.ini.file, knob.line, str(knob))

    def at_root(self, key: str) -> Place:
        """Where a table of plant.toml is that is there once at most."""
        line = self.root.line_of(key) if key in self.root.values else None
        return Place(self.root.file, line, self.root.name_of(key))

    def at_table(self, key: str, name: str, of: str | None = None) -> Place:
        """Where a named table of plant.toml is, or one of its keys.

        Args:
            key: Such as `io_server`.
            name: The table's `name`.
            of: The key in it.
        """
        return _place(self._tables[key, name.lower()], of)

    def at_unit(self, unit: Unit, of: str | None = None) -> Place:
        """Where a unit is, or one of its keys."""
        return _place(self._unit_tables[unit.device, unit.io_server, str(unit.address)], of)

    def at_server(self, server: IoServer | TaskServer, of: str | None = None) -> Place:
        """Where a server is, or one of its keys."""
        key = "io_server" if isinstance(server, IoServer) else f"{server.function.value}_server"
        return self.at_table(key, server.name, of)

    def at_client(self, client: Client, of: str | None = None) -> Place:
        """Where a client is, or one of its keys."""
        return self.at_table(_CLIENT, client.name, of)

    @property
    def root(self) -> Table:
        """The plant.toml."""
        return self.project.root

    @cached_property
    def _tables(self) -> Mapping[tuple[str, str], Table]:
        arrays = [key for key, value in self.root.values.items() if isinstance(value, list)]
        return {
            (key, str(table.values["name"]).strip().lower()): table
            for key in arrays
            for table in self.root.tables(key)
        }

    @cached_property
    def _unit_tables(self) -> Mapping[tuple[str, str, str], Table]:
        servers = {server.name.lower(): server.name for server in self.plant.io_servers}
        found = {}
        for device in self.plant.io_devices:
            for table in self._tables["io_device", device.name.lower()].tables("unit"):
                server = servers[str(table.values["io_server"]).strip().lower()]
                found[device.name, server, _address(table)] = table
        return found


def _address(table: Table) -> str:
    """As an endpoint is written; a port may be given with zeros before it."""
    host, _, port = str(table.values["address"]).strip().rpartition(":")
    return f"{host}:{int(port)}"


def _place(table: Table, key: str | None) -> Place:
    return Place(table.file, table.line_of(key), table.name_of(key))
