"""What a trace says about one fault: detection, changeover, #COM time, return.

The simulation and the drills measure with this one function, each on its own trace. It knows the definitions
of changeover-model.md, section 1, and nothing of any machine or forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.device import Unit
from changeover.model.moment import Duration, Instant
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.scenario.fault import Fault, Injection

_CLIENT_LOSS = (TraceKind.SESSION_TIMEOUT, TraceKind.SESSION_CLOSED, TraceKind.REQUEST_TIMEOUT)


class Shown(NamedTuple):
    """A client's display of one tag changed, or was confirmed, at an instant.

    Attributes:
        at: When.
        tag: The tag (in the simulation: its I/O device).
        good: A good value; else #COM.
        unit: The unit that delivered it, empty for #COM.
        server: The I/O server that it came from, empty for #COM.
        lan: The LAN that it came by, empty for #COM.
    """

    at: Instant
    tag: str
    good: bool
    unit: str = ""
    server: str = ""
    lan: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """First, median and last over the tags of one measurement."""

    first: Duration
    median: Duration
    last: Duration

    @staticmethod
    def over(spans: Sequence[Duration]) -> Span | None:
        """Of all tags; None when there are none."""
        return Span(min(spans), round(median(spans)), max(spans)) if spans else None


@dataclass(frozen=True, slots=True)
class Measured:
    """One fault's times; None for what did not happen within the trace.

    Attributes:
        detection: Fault time until the client (server and LAN faults) or the I/O server (device faults)
            treats it as lost.
        changeover: Fault time until the first good value by a way that the fault did not strike.
        com: How long tags showed #COM between fault and repair; zero for tags that never did.
        return_: Repair until the first good value by the primary unit.
    """

    detection: Duration | None
    changeover: Span | None
    com: Span | None
    return_: Span | None


@dataclass(frozen=True, slots=True)
class Struck:
    """What a fault takes away, by name."""

    servers: frozenset[str]
    lans: frozenset[str]
    units: frozenset[str]

    def by(self, shown: Shown) -> bool:
        """Whether a display came by something that the fault struck."""
        return shown.server in self.servers or shown.lan in self.lans or shown.unit in self.units


def struck_by(plant: Plant, injection: Injection) -> Struck:
    """The servers, LANs and units that a fault takes away."""
    servers: set[str] = set()
    lans: set[str] = set()
    units: set[str] = set()
    fault, target = injection.fault, injection.target
    if fault.is_server:
        servers = set(struck_servers(plant, injection))
    elif fault is Fault.PARTNER_CUT:
        pass
    elif fault is Fault.LAN_SILENT:
        lans = {target}
        units = {unit.name for unit in _all_units(plant) if lan_of(plant, unit) == target}
    else:
        victim = struck_unit(plant, injection)
        units = {u.name for u in _all_units(plant) if victim and _is_one_device(u, victim, fault)}
    return Struck(frozenset(servers), frozenset(lans), frozenset(units))


def struck_servers(plant: Plant, injection: Injection) -> tuple[str, ...]:
    """The servers, of any function, that a server fault takes: all of a silent computer, or of one named."""
    target = injection.target
    if any(computer.name == target for computer in plant.computers):
        return plant.servers_on(target)
    if injection.fault is Fault.SERVER_SILENT:
        return plant.servers_on(plant.computer_of(target))
    return (target,)


def struck_computer(plant: Plant, injection: Injection) -> str | None:
    """The computer that falls silent, None for a fault that leaves all of them on the network."""
    if injection.fault is not Fault.SERVER_SILENT:
        return None
    if any(computer.name == injection.target for computer in plant.computers):
        return injection.target
    return plant.computer_of(injection.target)


def struck_unit(plant: Plant, injection: Injection) -> Unit | None:
    """The unit whose device a device fault strikes: the primary, or the best standby; None without one."""
    units = plant.io_device(injection.target).units
    place = 1 if injection.fault is Fault.STANDBY_DEVICE_SILENT else 0
    return units[place] if place < len(units) else None


def _is_one_device(unit: Unit, victim: Unit, fault: Fault) -> bool:
    # Silent is a cable, and takes every unit behind that host; closed is a process, and takes its address.
    if fault is Fault.DEVICE_CLOSED:
        return unit.address == victim.address
    return unit.address.host == victim.address.host


def lan_of(plant: Plant, unit: Unit) -> str | None:
    """The LAN that a unit's device is on, None when it is on none of them."""
    return next((lan.name for lan in plant.lans if lan.contains(unit.address.host)), None)


def struck_devices(plant: Plant, injection: Injection, client: Client) -> tuple[str, ...]:
    """The I/O devices whose tags a fault takes from a client: by their primary unit or the LAN."""
    struck = struck_by(plant, injection)
    return tuple(
        device.name
        for device in plant.io_devices
        if device.primary.name in struck.units
        or device.primary.io_server in struck.servers
        or way_in_use(plant, client, device.primary.io_server) in struck.lans
    )


def way_in_use(plant: Plant, client: Client, io_server: str) -> str | None:
    """The LAN by which a client reads from an I/O server: the first in file order, None if local."""
    computer = plant.io_server(io_server).computer
    if computer == client.computer:
        return None
    return next(iter(plant.common_lans(client.computer, computer)), None)


def measured_devices(plant: Plant, injection: Injection, client: Client) -> tuple[str, ...]:
    """The devices to measure a fault on: those taken that keep a unit, else all taken, else all."""
    struck = struck_devices(plant, injection, client)
    able = tuple(device for device in struck if _has_unit_left(plant, injection, client, device))
    return able or struck or tuple(device.name for device in plant.io_devices)


def can_change_over(plant: Plant, injection: Injection, client: Client) -> bool:
    """Whether a device that a fault takes from a client has a unit and a way that are not struck."""
    struck = struck_devices(plant, injection, client)
    return any(_has_unit_left(plant, injection, client, device) for device in struck)


def _has_unit_left(plant: Plant, injection: Injection, client: Client, device: str) -> bool:
    struck = struck_by(plant, injection)
    return any(
        unit.name not in struck.units
        and unit.io_server not in struck.servers
        and _reaches(plant, client, unit.io_server, struck)
        for unit in plant.io_device(device).units
    )


def _reaches(plant: Plant, client: Client, io_server: str, struck: Struck) -> bool:
    computer = plant.io_server(io_server).computer
    lans = plant.common_lans(client.computer, computer)
    return computer == client.computer or any(lan not in struck.lans for lan in lans)


def measure(
    plant: Plant,
    injection: Injection,
    client: Client,
    shown: Iterable[Shown],
    notes: Iterable[TraceLine],
    fault_at: Instant,
    repair_at: Instant | None,
) -> Measured:
    """Measure one fault.

    Args:
        plant: The plant.
        injection: The fault and its target.
        client: The client at which it is measured.
        shown: That client's display, in order, of the tags of `measured_devices`.
        notes: Trace lines of clients and I/O servers, in order.
        fault_at: The fault time.
        repair_at: When the fault was taken away, None if it was not.
    """
    struck = struck_by(plant, injection)
    primaries = {device.primary.name for device in plant.io_devices}
    by_tag: dict[str, list[Shown]] = {}
    for line in shown:
        by_tag.setdefault(line.tag, []).append(line)
    end = repair_at if repair_at is not None else max((s[-1].at for s in by_tag.values()), default=fault_at)
    changeovers, coms, returns = [], [], []
    for lines in by_tag.values():
        after = [line for line in lines if line.at > fault_at]
        first = next((s.at for s in after if s.good and not struck.by(s) and s.at <= end), None)
        if first is not None:
            changeovers.append(first - fault_at)
        coms.append(_com_time(lines, fault_at, end))
        back = next((s.at for s in after if s.good and s.unit in primaries and s.at > end), None)
        if back is not None and repair_at is not None:
            returns.append(back - repair_at)
    complete = len(changeovers) == len(by_tag)
    return Measured(
        detection=_detection(plant, injection, client, notes, fault_at),
        changeover=Span.over(changeovers) if complete else None,
        com=Span.over(coms),
        return_=Span.over(returns) if len(returns) == len(by_tag) else None,
    )


def _com_time(lines: Sequence[Shown], fault_at: Instant, end: Instant) -> Duration:
    total, since = 0, None
    for line in lines:
        if line.at > end:
            break
        if not line.good and since is None and line.at >= fault_at:
            since = line.at
        elif line.good and since is not None:
            total += line.at - since
            since = None
    return total + (end - since if since is not None else 0)


def _detection(
    plant: Plant, injection: Injection, client: Client, notes: Iterable[TraceLine], fault_at: Instant
) -> Duration | None:
    units = _units_that_tell(plant, injection, client)
    ways = set() if units else _ways_that_tell(plant, injection, client)
    for note in notes:
        if note.at < fault_at:
            continue
        if note.kind is TraceKind.UNIT_OFFLINE and note.subject in units:
            return note.at - fault_at
        if note.kind in _CLIENT_LOSS and note.source == client.name and note.subject in ways:
            return note.at - fault_at
    return None


def _units_that_tell(plant: Plant, injection: Injection, client: Client) -> set[str]:
    """Units whose I/O server detects a fault: of a device, or of a LAN that carries only devices to it."""
    if injection.fault.is_device:
        victim = struck_unit(plant, injection)
        if victim is None:
            return set()
        # A standby that is the primary's own device is found where it is read: at the primary.
        primary = plant.io_device(injection.target).primary
        return {primary.name if _is_one_device(victim, primary, injection.fault) else victim.name}
    if injection.fault is not Fault.LAN_SILENT or _ways_that_tell(plant, injection, client):
        return set()
    struck = struck_by(plant, injection).units
    primaries = {device.primary.name for device in plant.io_devices}
    return set(struck & primaries) or set(struck)


def _ways_that_tell(plant: Plant, injection: Injection, client: Client) -> set[str]:
    """Ways whose loss a client detects, to the I/O servers of primary units."""
    owners = {device.primary.io_server for device in plant.io_devices}
    ways = [way for way in plant.ways(client) if way.server in owners]
    if injection.fault is Fault.LAN_SILENT:
        away = {s.name for s in plant.io_servers if s.computer != client.computer}
        return {str(way) for way in ways if way.lan == injection.target and way.server in away}
    struck = struck_servers(plant, injection) if injection.fault.is_server else ()
    return {str(way) for way in ways if way.server in struck}


def _all_units(plant: Plant) -> Iterable[Unit]:
    return (unit for device in plant.io_devices for unit in device.units)
