"""Redundancy that is not there, shares a fault, or is never used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from changeover.config.parameters import WATCHDOG
from changeover.guide.rules.rule import Found, note, warning
from changeover.guide.site import Site
from changeover.model.device import UnitMode
from changeover.model.plant import Plant
from changeover.model.server import Client, Function, IoServer, TaskMode, TaskServer

_TASKS = (Function.ALARM, Function.TREND, Function.REPORT)


@warning
def no_standby(site: Site) -> Iterator[Found]:
    """An I/O device with one unit, or an alarm, trend or report server alone."""
    why = "with its loss everything is lost that it serves, whatever the parameters are"
    for device in site.plant.io_devices:
        if len(device.units) == 1:
            yield Found(
                site.at_table("io_device", device.name),
                f"{device.name} has one unit, on {device.primary.io_server}, and no standby",
                why,
                "add a [[io_device.unit]] on another I/O server",
            )
    for function in _TASKS:
        servers = site.plant.tasks(function)
        if len(servers) == 1:
            lacking = TaskMode.PRIMARY if servers[0].mode is TaskMode.STANDBY else TaskMode.STANDBY
            yield Found(
                site.at_server(servers[0]),
                f"{servers[0].name} has no {lacking.value}",
                why,
                f'add a [[{function.value}_server]] with mode = "{lacking.value}" on another computer',
            )


@warning
def no_primary(site: Site) -> Iterator[Found]:
    """Alarm, trend or report servers that are all standby."""
    for function in _TASKS:
        servers = site.plant.tasks(function)
        if servers and all(server.mode is TaskMode.STANDBY for server in servers):
            yield Found(
                site.at_server(servers[0], "mode"),
                "there is no primary",
                "clients then look for the best priority, among equals for the first in the file (T1, T5)",
                'one of these servers should be "primary"',
            )


@warning
def same_computer(site: Site) -> Iterator[Found]:
    """A standby on the computer of its primary, and none elsewhere."""
    why = "its loss takes both: only the loss of a single process or device is survived"
    for device in site.plant.io_devices:
        homes = {site.plant.computer_of(unit.io_server) for unit in device.units}
        if len(device.units) > 1 and len(homes) == 1:
            yield Found(
                site.at_unit(device.units[1], "io_server"),
                f"all units of {device.name} are on one computer, {homes.pop()}",
                why,
                "give the standby unit to an I/O server on another computer",
            )
    for function in _TASKS:
        servers = site.plant.tasks(function)
        if len(servers) > 1 and len({server.computer for server in servers}) == 1:
            yield Found(
                site.at_server(servers[1], "computer"),
                f"all {function.value} servers are on one computer, {servers[0].computer}",
                why,
                "give the standby a computer of its own",
            )


@note
def same_device(site: Site) -> Iterator[Found]:
    """A standby unit with the address of its primary, and none with another."""
    for device in site.plant.io_devices:
        if len(device.units) > 1 and len({unit.address for unit in device.units}) == 1:
            yield Found(
                site.at_unit(device.units[1], "address"),
                f"all units of {device.name} lead to one device, {device.primary.address}",
                "the loss of an I/O server is survived, the loss of the device is not",
                "give the standby unit the address of a second device, where there is one",
            )


@warning
def same_lan_port(site: Site) -> Iterator[Found]:
    """A standby unit behind the LAN port of its primary: the same host, another TCP port."""
    for device in site.plant.io_devices:
        hosts = {unit.address.host for unit in device.units}
        if len(hosts) == 1 and len({unit.address for unit in device.units}) > 1:
            yield Found(
                site.at_unit(device.units[1], "address"),
                f"all units of {device.name} are behind one host, {hosts.pop()}",
                "one gateway, one cable and one switch port carry both: their loss takes both",
                "reach the standby by a gateway of its own",
            )


@warning
def shared_between_devices(site: Site) -> Iterator[Found]:
    """Two I/O devices with one address."""
    owners: dict[str, str] = {}
    for device in site.plant.io_devices:
        for unit in device.units:
            owner = owners.setdefault(str(unit.address), device.name)
            if owner != device.name:
                yield Found(
                    site.at_unit(unit, "address"),
                    f"{unit.address} is also an address of {owner}",
                    "equal addresses are one device: one fault takes both",
                    "give each I/O device its own address, unless it is one device with two names",
                )


@note
def single_lan(site: Site) -> Iterator[Found]:
    """Clients that reach their servers by one LAN only."""
    plant = site.plant
    clients: dict[str, list[str]] = {}
    for client in plant.clients:
        for lan in dict.fromkeys(lan for group in _groups(plant) for lan in _only_lan(plant, client, group)):
            clients.setdefault(lan, []).append(client.name)
    for lan, names in clients.items():
        whose = "clients" if len(names) == len(plant.clients) else ", ".join(names)
        yield Found(
            site.at_table("lan", lan),
            f"{lan} is the only LAN between {whose} and servers",
            "servers and devices may be redundant, this LAN is not: with it they are out of reach (T4)",
            "add a second [[lan]], with an address of each of these computers on it",
        )


@warning
def client_reaches_one(site: Site) -> Iterator[Found]:
    """A client that can reach only some of the servers that stand in for each other."""
    for client in site.plant.clients:
        for servers in _groups(site.plant):
            # Of its own computer it has every LAN in common.
            reached = [s.name for s in servers if site.plant.common_lans(client.computer, s.computer)]
            away = ", ".join(server.name for server in servers if server.name not in reached)
            if away:
                rest = f"only {', '.join(reached)}" if reached else "none of them"
                yield Found(
                    site.at_client(client, "computer"),
                    f"{client.computer} has no LAN in common with {away}",
                    f"{client.name} reaches {rest}: it never changes over to what it does not reach",
                    f"give {client.computer} an address on a LAN of {away}",
                )


def _groups(plant: Plant) -> Iterator[tuple[IoServer | TaskServer, ...]]:
    """Servers that stand in for each other."""
    pairs = [
        tuple(server for server in plant.io_servers if any(u.io_server == server.name for u in device.units))
        for device in plant.io_devices
    ]
    yield from dict.fromkeys(pairs)
    yield from (servers for function in _TASKS if (servers := plant.tasks(function)))


def _only_lan(plant: Plant, client: Client, servers: Iterable[IoServer | TaskServer]) -> tuple[str, ...]:
    """The LAN without which a client reaches none of these servers; empty where there is no such LAN."""
    homes = {server.computer for server in servers}
    lans = {lan for home in homes for lan in plant.session_lans(client.computer, home)}
    return tuple(lans) if len(lans) == 1 and client.computer not in homes else ()


@warning
def priority_undoes_return(site: Site) -> Iterator[Found]:
    """A standby whose priority is better than its primary's."""
    for device in site.plant.io_devices:
        first = device.primary
        if first.mode is not UnitMode.PRIMARY and any(u.mode is UnitMode.PRIMARY for u in device.units):
            yield Found(
                site.at_unit(first, "priority"),
                f"the unit on {first.io_server} comes first by its priority, though another has mode primary",
                "clients go back to the best priority: to this one, never to the primary (I6)",
                "give the primary the lowest number",
            )
    for function in _TASKS:
        servers = site.plant.tasks(function)
        primary = next((server for server in servers if server.mode is TaskMode.PRIMARY), None)
        for server in servers:
            if primary is not None and server.priority < primary.priority:
                yield Found(
                    site.at_server(server, "priority"),
                    f"{server.priority} is better than that of the primary {primary.name}, "
                    f"{primary.priority}",
                    "clients leave a healthy primary for it, and go back to it after each repair, never to "
                    "the primary (T5)",
                    f"write {primary.priority} or more, or make it the primary",
                )


@warning
def standby_unwatched(site: Site) -> Iterator[Found]:
    """Standby units that nobody probes."""
    watchdog = site.setting(WATCHDOG)
    if not site.plant.timing.watchdog and any(len(device.units) > 1 for device in site.plant.io_devices):
        yield Found(
            site.at(watchdog),
            "standby units are not checked",
            "a standby that is dead is found only when it is needed: the changeover then takes its time-out, "
            "too, and ends nowhere (I8)",
            "write WatchDog=1, and mind the driver's WatchTime: it is the period of the check",
        )


@note
def pair_timing_differs(site: Site) -> Iterator[Found]:
    """Units of one I/O device whose drivers have different time-outs."""
    settings = {unit.name: one for _, unit, one in site.units}
    for device in site.plant.io_devices:
        first = settings[device.primary.name]
        for unit in device.units[1:]:
            one = settings[unit.name]
            pairs = (one.timeout, first.timeout), (one.retry, first.retry)
            differing = next(((mine, its) for mine, its in pairs if mine.value != its.value), None)
            if differing is not None:
                mine, its = differing
                yield Found(
                    site.at(mine if mine.entry is not None else its),
                    f"{unit.io_server} loses {device.name} by other time-outs than "
                    f"{device.primary.io_server}",
                    "a changeover to one side takes longer than back, and a drill of one proves nothing of "
                    "the other (D5)",
                    "give both units the same Timeout and Retry, unless their ways differ",
                )


RULES = (
    no_standby,
    no_primary,
    same_computer,
    same_device,
    same_lan_port,
    shared_between_devices,
    single_lan,
    client_reaches_one,
    priority_undoes_return,
    standby_unwatched,
    pair_timing_differs,
)
