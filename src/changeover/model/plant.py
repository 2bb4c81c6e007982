"""The whole plant as one frozen value: what every other layer works from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Protocol, TypeVar

from changeover.model.alarm import Alarm
from changeover.model.device import IoDevice, Unit
from changeover.model.lan import Computer, Endpoint, Lan
from changeover.model.limits import NOTHING_MEASURED, Limits
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.policy import Policy
from changeover.model.report import Report
from changeover.model.server import Client, Function, IoServer, TaskMode, TaskServer
from changeover.model.stack import (
    LINUX_DEFAULTS,
    WINDOWS_DEFAULTS,
    LinuxStack,
    NetworkProtocol,
    WindowsStack,
)
from changeover.model.tag import Tag
from changeover.model.trend import Trend


@dataclass(frozen=True, slots=True)
class Timing:
    """The parameters of citect.ini that servers and clients go by, as durations.

    Attributes:
        send_timeout: [LAN]SendTimeout, S.
        request_timeout: [LAN]TimeOut, T.
        watch: [LAN]WatchTime, W.
        heartbeat: [IOSERVER]HeartTime, H.
        client_retry: [LAN]ClientRetryTime.
        watchdog: [IOServer]WatchDog: standby units are probed every driver WatchTime (I8).
        alarm_scan: [Alarm]ScanTime, between two scans of an alarm server.
        alarm_start: [Alarm]StartTimeout: how long a starting alarm server waits for its partner's states.
        alarm_save: [Alarm]SavePeriod; 0 for never.
        trend_gap_fill: [Trend]GapFillTime: between two looks of a running trend server for what it lacks; 0
            for none but at the return.
        trend_samples_max: [Trend]MaxRdnSamples, samples in one message of a back-fill, at least 1.
        report_watch: [Report]WatchTime: between two looks of a report server for runs that are due.
        stack: About how long the network stack goes on before it gives a silent peer up, where it decides
            (D2); None where sessions acknowledge by themselves (D1). A plant sets it.
    """

    send_timeout: Duration = 15 * SECOND
    request_timeout: Duration = 8 * SECOND
    watch: Duration = 2 * SECOND
    heartbeat: Duration = 30 * SECOND
    client_retry: Duration = 5 * SECOND
    watchdog: bool = True
    alarm_scan: Duration = 500 * MILLISECOND
    alarm_start: Duration = 120 * SECOND
    alarm_save: Duration = 600 * SECOND
    trend_gap_fill: Duration = 10 * SECOND
    trend_samples_max: int = 500
    report_watch: Duration = SECOND
    stack: Duration | None = None

    @property
    def silence(self) -> Duration | None:
        """How long a session waits for an acknowledgement; None where that is the stack's affair (D2)."""
        return self.send_timeout if self.stack is None else None

    @property
    def patience(self) -> Duration:
        """How long a silent peer goes unnoticed at most, about: S, or what the stack takes."""
        return self.send_timeout if self.stack is None else self.stack


@dataclass(frozen=True, slots=True)
class Way:
    """A path by which a client can reach a server: one per LAN that both their computers are on."""

    server: str
    lan: str

    def __str__(self) -> str:
        return f"{self.server}/{self.lan}"


@dataclass(frozen=True, slots=True)
class Plant:
    """One plant: topology, tags and timing, checked and complete.

    Attributes:
        name: The plant's name.
        version: The product version as written in plant.toml.
        policy: The version family's behaviour.
        network_protocol: Who detects a silent peer.
        timing: Parameters of citect.ini.
        round_trip: Round trip of a healthy LAN, the forecast's measure for c.
        answer: How long an I/O server takes at most to answer a request, while all is well.
        lans, computers, io_servers, io_devices, task_servers, clients, tags: In file order.
        windows, linux: The stacks' own retransmission, used where `network_protocol` says so.
        alarms, trends, reports: In file order.
        time_zone: IANA name of the zone that reports are scheduled in.
        limits: What the site has measured of devices and LANs.
    """

    name: str
    version: str
    policy: Policy
    network_protocol: NetworkProtocol
    timing: Timing
    round_trip: Duration
    lans: tuple[Lan, ...]
    computers: tuple[Computer, ...]
    io_servers: tuple[IoServer, ...]
    io_devices: tuple[IoDevice, ...]
    task_servers: tuple[TaskServer, ...]
    clients: tuple[Client, ...]
    tags: tuple[Tag, ...]
    windows: WindowsStack = WINDOWS_DEFAULTS
    linux: LinuxStack = LINUX_DEFAULTS
    answer: Duration = 0
    alarms: tuple[Alarm, ...] = ()
    trends: tuple[Trend, ...] = ()
    reports: tuple[Report, ...] = ()
    time_zone: str = "UTC"
    limits: Limits = NOTHING_MEASURED
    _index: _Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "timing", replace(self.timing, stack=self._stack_patience()))
        object.__setattr__(self, "_index", _Index(self))

    def _stack_patience(self) -> Duration | None:
        if self.network_protocol is NetworkProtocol.ACKNOWLEDGED:
            return None
        return (self.windows if self.network_protocol is NetworkProtocol.WINDOWS else self.linux).patience

    @property
    def acknowledgement_delay(self) -> Duration:
        """How long a read's acknowledgement may wait for the answer that carries it."""
        healthy_answer = max(20 * MILLISECOND, 3 * self.round_trip)
        return min(healthy_answer, self.timing.send_timeout // 10)

    def computer(self, name: str) -> Computer:
        """The computer of that name; KeyError when there is none."""
        return self._index.computers[name]

    def io_server(self, name: str) -> IoServer:
        """The I/O server of that name; KeyError when there is none."""
        return self._index.io_servers[name]

    def io_device(self, name: str) -> IoDevice:
        """The I/O device of that name; KeyError when there is none."""
        return self._index.io_devices[name]

    def client(self, name: str) -> Client:
        """The client of that name; KeyError when there is none."""
        return self._index.clients[name]

    def computer_of(self, server: str) -> str:
        """The computer that a server of any function runs on; KeyError when there is no such server."""
        return self._server(server).computer

    def servers_on(self, computer: str) -> tuple[str, ...]:
        """Every server of a computer, I/O servers first, in file order."""
        return tuple(server.name for server in self._servers() if server.computer == computer)

    def task_server(self, name: str) -> TaskServer:
        """The alarm, trend or report server of that name; KeyError when there is none."""
        return self._index.task_servers[name]

    def partner_of(self, server: TaskServer) -> TaskServer | None:
        """The other server of its function, None when it has none."""
        return next((other for other in self.tasks(server.function) if other.name != server.name), None)

    def neighbours(self, server: TaskServer) -> frozenset[str]:
        """Servers and clients on a server's own computer."""
        clients = (client.name for client in self.clients if client.computer == server.computer)
        return frozenset((*self.servers_on(server.computer), *clients))

    def has_visitors(self, server: TaskServer) -> bool:
        """Whether a client on another computer reaches a server."""
        return any(
            client.computer != server.computer and self.session_lans(client.computer, server.computer)
            for client in self.clients
        )

    def task_ways(self, computer: str, function: Function) -> tuple[Way, ...]:
        """Every way from a computer to the servers of a function, the primary's first, LANs in file order."""
        return tuple(
            Way(server.name, lan)
            for server in self.tasks(function)
            for lan in self.session_lans(computer, server.computer)
        )

    def session_lans(self, computer: str, other: str) -> tuple[str, ...]:
        """LANs on which a server takes sessions from another computer: shared ones that a client is on."""
        clients = self.client_lans()
        return tuple(lan for lan in self.common_lans(computer, other) if lan in clients)

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Computers that hold the two servers of one pair, of any function, each pair once."""
        found: dict[tuple[str, str], None] = {}
        for device in self.io_devices:
            owners = dict.fromkeys(self.io_server(unit.io_server).computer for unit in device.units)
            found.update(dict.fromkeys(combinations(owners, 2)))
        for server in self.task_servers:
            partner = self.partner_of(server)
            if server.mode is TaskMode.PRIMARY and partner is not None:
                found[server.computer, partner.computer] = None
        return tuple(dict.fromkeys(pair for pair in found if pair[0] != pair[1] and pair[::-1] not in found))

    def tasks(self, function: Function) -> tuple[TaskServer, ...]:
        """The alarm, trend or report servers, primaries first, else in file order."""
        found = (server for server in self.task_servers if server.function is function)
        return tuple(sorted(found, key=lambda server: server.mode.value))

    def units_of(self, io_server: str) -> tuple[Unit, ...]:
        """All units that one I/O server owns, in file order of their devices."""
        return tuple(u for device in self.io_devices for u in device.units if u.io_server == io_server)

    def tags_of(self, device: str) -> tuple[Tag, ...]:
        """All tags of one I/O device, in file order."""
        return tuple(tag for tag in self.tags if tag.device == device)

    def common_lans(self, computer: str, other: str) -> tuple[str, ...]:
        """LANs that two computers share, in file order: the ways between them."""
        found = self._index.lans.get((computer, other))
        if found is None:
            one, two = self.computer(computer), self.computer(other)
            shared = (lan.name for lan in self.lans if one.address_on(lan.name) and two.address_on(lan.name))
            found = self._index.lans[computer, other] = tuple(shared)
        return found

    def ways(self, client: Client) -> tuple[Way, ...]:
        """Every way from a client to the I/O servers, servers in file order, then LANs."""
        return tuple(
            Way(server.name, lan)
            for server in self.io_servers
            for lan in self.session_lans(client.computer, server.computer)
        )

    def endpoints_of(self, server: IoServer | TaskServer) -> tuple[Endpoint, ...]:
        """Where a server listens: on every LAN of its computer that a client is on."""
        computer = self.computer(server.computer)
        return tuple(
            Endpoint(address, server.port)
            for lan in self.client_lans()
            if (address := computer.address_on(lan)) is not None
        )

    def route(self, computer: str, way: Way) -> tuple[str, Endpoint]:
        """Own address of a computer, and the server's endpoint, on a way."""
        server = self._server(way.server)
        own = self.computer(computer).address_on(way.lan)
        address = self.computer(server.computer).address_on(way.lan)
        assert own is not None and address is not None, f"{way} is no way from {computer}"
        return own, Endpoint(address, server.port)

    def _servers(self) -> tuple[IoServer | TaskServer, ...]:
        return (*self.io_servers, *self.task_servers)

    def _server(self, name: str) -> IoServer | TaskServer:
        return self._index.servers[name]

    def client_lans(self) -> tuple[str, ...]:
        """LANs that a client is on; the others carry only devices (field LANs)."""
        found = self._index.client_lans
        if found is None:
            homes = [self.computer(client.computer) for client in self.clients]
            shared = (lan.name for lan in self.lans if any(home.address_on(lan.name) for home in homes))
            found = self._index.client_lans = tuple(shared)
        return found


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


class _Index:
    """Everything by its name, and what was asked for about two computers: a forecast asks again and again."""

    __slots__ = (
        "client_lans",
        "clients",
        "computers",
        "io_devices",
        "io_servers",
        "lans",
        "servers",
        "task_servers",
    )

    def __init__(self, plant: Plant) -> None:
        self.computers = _by_name(plant.computers)
        self.io_servers = _by_name(plant.io_servers)
        self.io_devices = _by_name(plant.io_devices)
        self.task_servers = _by_name(plant.task_servers)
        self.clients = _by_name(plant.clients)
        self.servers: dict[str, IoServer | TaskServer] = {**self.task_servers, **self.io_servers}
        self.lans: dict[tuple[str, str], tuple[str, ...]] = {}
        self.client_lans: tuple[str, ...] | None = None


def _by_name(items: tuple[_N, ...]) -> dict[str, _N]:
    # Of equal names, which no checked plant has, the first counts.
    return {item.name: item for item in reversed(items)}
