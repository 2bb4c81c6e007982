"""plant.toml and citect.ini to a plant: every table read, every reference checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import available_timezones

from changeover.config.devices import Surroundings, read_devices
from changeover.config.diagnostics import Diagnostic, quoted
from changeover.config.ini import IniFile
from changeover.config.limits import read_limits
from changeover.config.network import Network, read_network
from changeover.config.servers import Servers, read_servers
from changeover.config.stacks import Stacks, read_stacks
from changeover.config.task_files import TaskFiles
from changeover.config.timing import read_timing
from changeover.config.toml_table import Table
from changeover.model.device import IoDevice
from changeover.model.limits import Limits
from changeover.model.plant import Plant
from changeover.model.policy import POLICIES, Family, family_of, parse_version
from changeover.model.stack import LinuxStack, NetworkProtocol, WindowsStack
from changeover.model.tag import Tag

_KEYS = (
    "plant", "lan", "computer", "io_server", "io_device", "alarm_server", "trend_server", "report_server",
    "client", "windows", "linux", "network", "limits",
)  # fmt: skip
_VERSIONS = 'allowed are 1.0 to 7.20, such as "5.0" or "3.40"'
_OPTION = "--version"
_UTC = "UTC"


@dataclass(frozen=True, slots=True)
class PlantFile:
    """What a plant.toml says, as far as it could be read.

    Attributes:
        root: The document.
        name: The plant's name.
        version: The version that applies.
        family: Its family.
        network_protocol: Who detects a silent peer.
        stacks: What the tables windows, linux and network set.
        network: LANs and computers.
        servers: Servers and clients.
        devices: I/O devices by name in lower case.
        time_zone: The zone that reports are scheduled in.
        limits: What the site has measured.
    """

    root: Table
    name: str
    version: str
    family: Family
    network_protocol: NetworkProtocol
    stacks: Stacks
    network: Network
    servers: Servers
    devices: Mapping[str, IoDevice]
    time_zone: str
    limits: Limits


def read_plant(root: Table, ini: IniFile, version: str | None) -> PlantFile:
    """Read a document; problems go to its findings.

    Args:
        root: The document's root table.
        ini: The drivers' parameters.
        version: Replaces the document's version where given.
    """
    root.expect_only(*_KEYS)
    head = root.table("plant")
    if "plant" not in root.values:
        root.problem("plant", "is missing", "a table [plant] with name and version is wanted")
        head = Table(root.file, {"name": "?", "version": "5.0"}, head.path, head.lines, head.findings)
    head.expect_only("name", "version", "network_protocol", "time_zone")
    name = head.text("name")
    chosen, family = _read_version(head, version)
    network_protocol = head.choice("network_protocol", NetworkProtocol, NetworkProtocol.ACKNOWLEDGED)
    stacks = read_stacks(root)
    network = read_network(root)
    servers = read_servers(root, network)
    round_trip = stacks.duration("network", "round_trip_ms")
    around = Surroundings(network, servers, ini, family, round_trip)
    devices = read_devices(root, around)
    time_zone = _read_time_zone(head)
    limits = read_limits(root, devices, network.lans.values())
    return PlantFile(
        root, name, chosen, family, network_protocol, stacks, network, servers, devices, time_zone, limits
    )


def build_plant(read: PlantFile, ini: IniFile, tags: tuple[Tag, ...], tasks: TaskFiles) -> Plant:
    """The plant as the other layers want it; only for files without problems."""
    servers, stacks = read.servers, read.stacks
    return Plant(
        name=read.name,
        version=read.version,
        policy=POLICIES[read.family],
        network_protocol=read.network_protocol,
        timing=read_timing(ini, read.family),
        round_trip=stacks.duration("network", "round_trip_ms"),
        lans=tuple(read.network.lans.values()),
        computers=tuple(read.network.computers.values()),
        io_servers=tuple(servers.io_servers.values()),
        io_devices=tuple(read.devices.values()),
        task_servers=tuple(servers.task_servers),
        clients=tuple(servers.clients),
        tags=tags,
        answer=stacks.duration("network", "answer_ms"),
        windows=WindowsStack(
            data_retransmissions=stacks.count("windows", "tcp_max_data_retransmissions"),
            connect_retransmissions=stacks.count("windows", "tcp_max_connect_retransmissions"),
            rto=stacks.duration("windows", "rto_ms"),
            initial_rtt=stacks.duration("windows", "tcp_initial_rtt_ms"),
        ),
        linux=LinuxStack(
            retries2=stacks.count("linux", "tcp_retries2"),
            syn_retries=stacks.count("linux", "tcp_syn_retries"),
            linear_syns=stacks.count("linux", "tcp_syn_linear_timeouts"),
            rto=stacks.duration("linux", "rto_ms"),
            tick=stacks.duration("linux", "tick_ms"),
        ),
        alarms=tasks.alarms,
        trends=tasks.trends,
        reports=tasks.reports,
        time_zone=read.time_zone,
        limits=read.limits,
    )


def _read_version(head: Table, override: str | None) -> tuple[str, Family]:
    text = head.text("version", example="5.0")
    family = Family.C
    if text:
        try:
            family = family_of(parse_version(text))
        except ValueError as error:
            head.problem("version", _without_advice(error), _VERSIONS)
    if override is None:
        return text, family
    try:
        return override.strip(), family_of(parse_version(override))
    except ValueError as error:
        head.findings.problems.append(Diagnostic(_OPTION, None, "version", _without_advice(error), _VERSIONS))
        return text, family


def _without_advice(error: ValueError) -> str:
    """What `parse_version` says is wrong; what is allowed follows its last comma."""
    return str(error).rpartition(", ")[0]


def _read_time_zone(head: Table) -> str:
    """An IANA name, which means the same on every computer: `localtime`, which need not, is refused."""
    zone = head.text("time_zone", _UTC)
    if not zone or zone == _UTC:
        return _UTC
    names = available_timezones() - {"localtime"}
    if zone not in names:
        near = {name.lower(): name for name in names}
        found = difflib.get_close_matches(zone.lower(), near, n=1)
        allowed = f'did you mean "{near[found[0]]}"?' if found else 'such as "UTC" or "Europe/Berlin"'
        head.problem("time_zone", f"{quoted(zone)} is no time zone", allowed)
    return zone
