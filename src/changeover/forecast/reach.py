"""Who still reaches whom: the plant's topology as a fault leaves it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from changeover.model.device import IoDevice, Unit
from changeover.model.plant import Plant
from changeover.model.server import Client, Function, TaskServer
from changeover.scenario.fault import Fault


def live_lans(plant: Plant, client: Client, computer: str, dead_lan: str | None = None) -> tuple[str, ...]:
    """LANs by which a client reaches a computer, in file order, less a dead one.

    A client on that very computer reaches it without any LAN, so a dead one changes nothing for it.
    """
    shared = plant.common_lans(client.computer, computer)
    if client.computer == computer:
        return shared
    return tuple(lan for lan in shared if lan != dead_lan)


def way_in_use(plant: Plant, client: Client, computer: str) -> str | None:
    """The LAN that carries a client's requests to a computer: the first in file order; None for none.

    None too for a client on that very computer.
    """
    if client.computer == computer:
        return None
    shared = plant.common_lans(client.computer, computer)
    return shared[0] if shared else None


def struck_computer(fault: Fault, computer: str) -> str | None:
    """The computer that a server fault takes with it: only a silent server's whole computer is gone."""
    return computer if fault is Fault.SERVER_SILENT else None


def home_of(plant: Plant, function: Function) -> TaskServer:
    """The alarm, trend or report server that serves clients while all is well.

    It is the one of the best priority; of equals the primary, else the first in file order (T5).
    """
    return min(plant.tasks(function), key=lambda server: server.priority)


def beyond_cut(client: Client, target: str) -> str | None:
    """The computer that a partner-cut takes from a client on the other one; None for clients elsewhere."""
    pair = target.split("+")
    return next((name for name in pair if name != client.computer), None) if client.computer in pair else None


def watchers(plant: Plant, computer: str, dead_computer: str | None = None) -> tuple[Client, ...]:
    """Clients that reach a computer while all is well and do not die with `dead_computer`, slowest first."""
    found = (
        client
        for client in plant.clients
        if client.computer != dead_computer and plant.common_lans(client.computer, computer)
    )
    return tuple(sorted(found, key=lambda client: -client.page_scan))


def unlike(plant: Plant, clients: Iterable[Client]) -> tuple[Client, ...]:
    """Of clients that are alike the first: as quick, on the same LANs, on a computer without a server.

    They come through every fault alike, so of many operators' computers one has to be forecast.
    """
    homes = {server.computer for server in plant.io_servers} | {s.computer for s in plant.task_servers}
    found: dict[tuple[object, ...], Client] = {}
    for client in clients:
        home = client.computer if client.computer in homes else None
        lans = tuple(lan for lan, _ in plant.computer(client.computer).addresses)
        found.setdefault((client.page_scan, home, lans), client)
    return tuple(found.values())


def units_left(plant: Plant, device: IoDevice, client: Client, *, gone: frozenset[str]) -> tuple[Unit, ...]:
    """Units that a client can go to when the I/O servers named in `gone` are lost."""
    return tuple(
        unit
        for unit in device.units
        if unit.io_server not in gone and live_lans(plant, client, plant.io_server(unit.io_server).computer)
    )


def unit_is_on(plant: Plant, unit: Unit, lan: str) -> bool:
    """Whether a unit's device answers on this LAN."""
    subnet = next(candidate.subnet for candidate in plant.lans if candidate.name == lan)
    return _contains(subnet, unit.address.host)


@lru_cache(maxsize=8192)
def _contains(subnet: str, host: str) -> bool:
    return IPv4Address(host) in _network(subnet)


@lru_cache(maxsize=256)
def _network(subnet: str) -> IPv4Network:
    return IPv4Network(subnet, strict=False)
