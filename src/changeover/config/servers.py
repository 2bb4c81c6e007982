"""Servers and clients of a plant.toml."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from changeover.config.names import Names, refer
from changeover.config.network import Network
from changeover.config.toml_table import Table
from changeover.model.lan import Computer
from changeover.model.moment import milliseconds
from changeover.model.server import Client, Function, IoServer, TaskMode, TaskServer

DEFAULT_PORTS = {
    Function.ALARM: 12080,
    Function.IO_DATA: 12082,
    Function.REPORT: 12084,
    Function.TREND: 12085,
}
"""TCP ports of servers that name none. The numbers are ours."""

PRIORITY_MAX = 32_767
PAGE_SCAN_MS_MIN = 10
PAGE_SCAN_MS_MAX = 60_000
PAGE_SCAN_MS_DEFAULT = 250

_TASK_KEYS = {
    Function.ALARM: "alarm_server",
    Function.TREND: "trend_server",
    Function.REPORT: "report_server",
}


@dataclass(slots=True)
class Servers:
    """Servers and clients as far as they could be read, in file order; I/O servers by name in lower case."""

    io_servers: dict[str, IoServer] = field(default_factory=dict)
    task_servers: list[TaskServer] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)


class _Ports:
    """TCP ports that are taken on each computer."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, int], str] = {}

    def claim(self, table: Table, function: Function, server: str, computer: Computer | None) -> int:
        port = table.whole("port", 1, 65535, DEFAULT_PORTS[function])
        if computer is not None and table.values.get("port", port) == port:
            owner = self._owners.setdefault((computer.name, port), server)
            if owner != server:
                table.problem(
                    "port",
                    f"{port} is also the port of {owner} on {computer.name}",
                    "each server of one computer needs its own port, write port = …",
                )
        return port


def read_servers(root: Table, network: Network) -> Servers:
    """Read the I/O, alarm, trend and report servers and the clients."""
    servers, names, ports = Servers(), Names(), _Ports()
    for table in root.tables("io_server"):
        table.expect_only("name", "computer", "port")
        name = names.claim(table, "I/O server")
        computer = refer(table, "computer", network.computers)
        port = ports.claim(table, Function.IO_DATA, name, computer)
        servers.io_servers.setdefault(name.lower(), IoServer(name, _name(computer), port))
    for function, key in _TASK_KEYS.items():
        tables = root.tables(key)
        group = [_read_task_server(table, function, names, ports, network) for table in tables]
        _check_group(tables, group)
        servers.task_servers += group
    for table in root.tables("client"):
        servers.clients.append(_read_client(table, names, network, servers))
    if "client" not in root.values:
        root.problem("client", "is missing", "at least one [[client]] is wanted, a changeover is seen there")
    return servers


def _name(computer: Computer | None) -> str:
    return computer.name if computer else ""


def _read_task_server(
    table: Table, function: Function, names: Names, ports: _Ports, network: Network
) -> TaskServer:
    table.expect_only("name", "computer", "mode", "port", "priority")
    name = names.claim(table, f"{function.value} server")
    computer = refer(table, "computer", network.computers)
    mode = table.choice("mode", TaskMode)
    priority = table.whole("priority", 1, PRIORITY_MAX, 1)
    port = ports.claim(table, function, name, computer)
    return TaskServer(function, name, _name(computer), mode, priority, port)


def _check_group(tables: list[Table], group: list[TaskServer]) -> None:
    primary: TaskServer | None = None
    for table, server in zip(tables, group, strict=True):
        if table.values.get("mode") != TaskMode.PRIMARY.value:
            continue
        if primary is not None:
            table.problem(
                "mode", f"{primary.name} is the primary already", 'one is "primary", the others "standby"'
            )
        primary = primary or server


def _read_client(table: Table, names: Names, network: Network, servers: Servers) -> Client:
    table.expect_only("name", "computer", "page_scan_ms")
    name = names.claim(table, "client")
    computer = refer(table, "computer", network.computers)
    scan = table.whole("page_scan_ms", PAGE_SCAN_MS_MIN, PAGE_SCAN_MS_MAX, PAGE_SCAN_MS_DEFAULT)
    if computer is not None and computer.addresses:
        _check_reach(table, computer, network, servers)
    return Client(name, _name(computer), milliseconds(scan))


def _check_reach(table: Table, computer: Computer, network: Network, servers: Servers) -> None:
    """A client that shares no LAN with any I/O server sees nothing; with a single server, not that one."""
    unreached = _unreached(computer, network, servers.io_servers.values())
    if unreached and len(unreached) == len(servers.io_servers):
        table.problem(
            "computer",
            f"{computer.name} has no LAN in common with any I/O server",
            f"a LAN of {', '.join(unreached)} is wanted",
        )


def _unreached(computer: Computer, network: Network, servers: Iterable[IoServer | TaskServer]) -> list[str]:
    mine = {lan for lan, _ in computer.addresses}
    unreached = []
    for server in servers:
        home = network.computers.get(server.computer.lower())
        if home is not None and mine.isdisjoint(lan for lan, _ in home.addresses):
            unreached.append(server.name)
    return unreached
