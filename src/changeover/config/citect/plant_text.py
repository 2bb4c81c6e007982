"""The plant.toml of an imported project, with `# check:` where the project holds nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from changeover.config.citect.addresses import AddressBook, NamedLan
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.units import DeviceDraft, Devices, UnitDraft, free_name
from changeover.config.servers import PAGE_SCAN_MS_DEFAULT
from changeover.model.device import UnitMode

PLANT_FILE = "plant.toml"
VERSION_DEFAULT = "5.0"

_CHECK = "# check:"
_TASKS = ("alarm", "trend", "report")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What a project does not hold, and whoever imports it may know.

    Attributes:
        version: The product's version; None where nobody said so.
        lans: LANs that clients are on.
        clients: Display clients, each on a computer of its own.
        page_scan_ms: Period of their requests.
    """

    version: str | None = None
    lans: int = 1
    clients: int = 1
    page_scan_ms: int = PAGE_SCAN_MS_DEFAULT


def plant_text(name: str, devices: Devices, assumed: Assumptions, notes: Notes) -> str:
    """The content of plant.toml.

    Args:
        name: The plant's name.
        devices: The I/O devices and I/O servers.
        assumed: What the project does not hold.
        notes: Takes a note for every placeholder.
    """
    book = AddressBook(devices.all, assumed.lans)
    plant = _Plant(devices, book, assumed, notes)
    return "\n".join(plant.lines(name)) + "\n"


@dataclass(frozen=True, slots=True)
class _Plant:
    devices: Devices
    book: AddressBook
    assumed: Assumptions
    notes: Notes

    def lines(self, name: str) -> Iterator[str]:
        yield "# Made by `changeover import`. What the Citect project does not hold is marked `# check:`."
        yield from self._head(name)
        yield from self._lans()
        yield from self._computers()
        for server, computer in zip(self.devices.io_servers, self._scadas, strict=True):
            yield from ("", "[[io_server]]", f"name = {_quoted(server)}", f"computer = {_quoted(computer)}")
        for device in self.devices.all:
            yield from self._device(device)
        yield from self._task_servers()
        yield from self._clients()

    @property
    def _scadas(self) -> list[str]:
        return [f"SCADA{number}" for number in range(1, len(self.devices.io_servers) + 1)]

    @property
    def _hmis(self) -> list[str]:
        numbers = range(1, self.assumed.clients + 1)
        return ["HMI" if len(numbers) == 1 else f"HMI{number}" for number in numbers]

    def _assume(self, what: str, value: str, why: str) -> str:
        """Note a placeholder; the comment that stands behind it."""
        self.notes.add(NoteKind.PLACEHOLDER, PLANT_FILE, why, column=what, value=value)
        return f"{_CHECK} {why}"

    def _head(self, name: str) -> Iterator[str]:
        version = self.assumed.version
        comment = ""
        if version is None:
            version = VERSION_DEFAULT
            why = "the project does not say its version, which decides how a changeover goes; see --version"
            comment = f"  {self._assume('plant.version', version, why)}"
        yield from ("", "[plant]", f"name = {_quoted(_printable(name))}")
        yield f"version = {_quoted(version)}{comment}"
        why = "whether the network honours SendTimeout is not in the project"
        comment = self._assume("plant.network_protocol", "acknowledged", why)
        yield f'network_protocol = "acknowledged"  {comment}'
        comment = self._assume("plant.time_zone", "UTC", "the time zone is not in the project")
        yield f'time_zone = "UTC"  {comment}'

    def _lans(self) -> Iterator[str]:
        for lan in (*self.book.client_lans, *self.book.field_lans):
            yield from ("", "[[lan]]", f"name = {_quoted(lan.name)}")
            if lan.is_assumed:
                why = "the project holds no addresses of this LAN"
            else:
                why = "the project holds addresses of devices, but no subnet masks"
            subnet = str(lan.subnet)
            yield f"subnet = {_quoted(subnet)}  {self._assume(f'lan.{lan.name}', subnet, why)}"

    def _computers(self) -> Iterator[str]:
        lans = {server: dict.fromkeys(self.book.client_lans) for server in self.devices.io_servers}
        for device in self.devices.all:
            for unit in device.units:
                lans[unit.io_server][self.book.lan_of(unit)] = None
        for server, name in zip(self.devices.io_servers, self._scadas, strict=True):
            yield from self._computer(name, lans[server], f"that of I/O server {server}")
        for name in self._hmis:
            yield from self._computer(name, self.book.client_lans, "an operator's")

    def _computer(self, name: str, lans: Iterable[NamedLan], whose: str) -> Iterator[str]:
        pairs = [f"{lan.name} = {_quoted(str(self.book.next_host(lan)))}" for lan in lans]
        text = f"{{ {', '.join(pairs)} }}"
        why = f"name and addresses of this computer, {whose}, are not in the project"
        comment = self._assume(f"computer.{name}", text, why)
        yield from ("", "[[computer]]", f"name = {_quoted(name)}", f"addresses = {text}  {comment}")

    def _device(self, device: DeviceDraft) -> Iterator[str]:
        yield from ("", "[[io_device]]", f"name = {_quoted(device.name)}", f"number = {device.number}")
        yield f"protocol = {_quoted(device.driver.protocol)}"
        for unit in device.units:
            yield from ("", "[[io_device.unit]]", f"io_server = {_quoted(unit.io_server)}")
            yield from self._unit(unit)

    def _unit(self, unit: UnitDraft) -> Iterator[str]:
        yield f"mode = {_quoted(unit.mode.value)}"
        comment = "" if unit.place.host is not None else f"  {_CHECK} {_printable(unit.place.why)}"
        yield f"address = {_quoted(str(self.book.endpoint(unit)))}{comment}"
        if unit.priority is not None:
            yield f"priority = {unit.priority}"
        if unit.port_name:
            yield f"port_name = {_quoted(unit.port_name)}"

    def _task_servers(self) -> Iterator[str]:
        """A pair of each on the first two computers: the project does not say where they run."""
        taken = {server.lower() for server in self.devices.io_servers}
        for task in _TASKS:
            for number, computer in enumerate(self._scadas[:2], start=1):
                name = free_name(f"{task.capitalize()}{number}", taken)
                mode = UnitMode.PRIMARY if number == 1 else UnitMode.STANDBY
                why = f"where {task} servers run is not in the project"
                comment = self._assume(f"{task}_server.{name}", computer, why)
                yield from ("", f"[[{task}_server]]", f"name = {_quoted(name)}")
                yield f"computer = {_quoted(computer)}  {comment}"
                yield f"mode = {_quoted(mode.value)}"

    def _clients(self) -> Iterator[str]:
        taken = {server.lower() for server in self.devices.io_servers}
        for number, computer in enumerate(self._hmis, start=1):
            name = free_name(f"HMI{number}", taken)
            why = "clients and their page scan are not in the project"
            yield from ("", "[[client]]", f"name = {_quoted(name)}", f"computer = {_quoted(computer)}")
            scan = self.assumed.page_scan_ms
            yield f"page_scan_ms = {scan}  {self._assume(f'client.{name}', f'{computer}, {scan} ms', why)}"


def _printable(text: str) -> str:
    tidy = "".join(c if c.isprintable() else " " for c in text).strip()
    return tidy or "plant"


def _quoted(text: str) -> str:
    """A printable text as a basic string of TOML."""
    return json.dumps(text, ensure_ascii=False)
