"""What the lab has to build: a plant as hosts, ports and bridges, before anything is made.

Planning is pure and checks everything that can be known beforehand, so that a build fails only for reasons
that lie in the machine.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from changeover.model.plant import Plant
from changeover.model.stack import NetworkProtocol

FIRST_HUB_INDEX = 1001
"""Interface numbers of the hub start here, those of hosts at 2.

When the two ends of a veth pair happen to have the same number, the kernel takes the link for one that is
not stacked and may report its carrier up to one second late.
"""

FIRST_HOST_INDEX = 2

LOCALLY_ADMINISTERED = b"\x02\x00"
"""How an Ethernet address begins that nobody was sold; the host's IPv4 address makes the rest of it."""


class LabError(Exception):
    """The lab cannot do it; the message says which step failed and why."""


@dataclass(frozen=True, slots=True)
class Bridge:
    """The switch of one LAN, or all that one host sees of it.

    Attributes:
        lan: Name of the LAN.
        interface: Name of the bridge in the hub's namespace.
        index: Its interface number there.
        host: The one host that is plugged into it besides a TAP; None for the switch of all.
    """

    lan: str
    interface: str
    index: int
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """One cable: a host's interface on a LAN and the bridge port that it is plugged into.

    Attributes:
        host: Name of the host.
        lan: Name of the LAN.
        address: The host's IPv4 address there.
        prefix: Length of the LAN's network prefix.
        interface: Name of the interface in the host's namespace.
        host_index: Its interface number there.
        hub_interface: Name of the bridge port in the hub's namespace.
        hub_index: Its interface number there.
        bridge_index: Interface number of the bridge.
    """

    host: str
    lan: str
    address: str
    prefix: int
    interface: str
    host_index: int
    hub_interface: str
    hub_index: int
    bridge_index: int

    @property
    def hardware_address(self) -> bytes:
        """The Ethernet address of the host's interface, 6 bytes; no other port has it."""
        return LOCALLY_ADMINISTERED + ipaddress.IPv4Address(self.address).packed


@dataclass(frozen=True, slots=True)
class Tap:
    """What joins a port's own bridge and the switch that is a process.

    Attributes:
        port: The port.
        interface: Name of the TAP in the hub's namespace.
        index: Its interface number there.
    """

    port: Port
    interface: str
    index: int


@dataclass(frozen=True, slots=True)
class LabPlan:
    """All that a lab consists of.

    Attributes:
        lans: Names, in file order.
        bridges: One per LAN, in their order; in a switched lab one per port, in theirs.
        hosts: Names: computers in file order, then each I/O device address that is no computer's.
        ports: Every cable, hosts in order.
        kernel: Settings of net.ipv4 that every host must have, by name: where the network stack decides about
            a silent peer, those that the plant says (D2).
        taps: In a switched lab one per port, in their order; else none.
    """

    lans: tuple[str, ...]
    bridges: tuple[Bridge, ...]
    hosts: tuple[str, ...]
    ports: tuple[Port, ...]
    kernel: Mapping[str, int]
    taps: tuple[Tap, ...] = ()


def plan_lab(plant: Plant, *, switched: bool = False) -> LabPlan:
    """Turn a plant into hosts and ports.

    Args:
        plant: With real addresses; loopback ones cannot be plugged into anything (`rewrite_loopback`).
        switched: Whether a process carries the frames (`lab_switch`), and no bridge joins two hosts.

    Returns:
        One host per computer and one per I/O device address; a device that lives on a computer has none of
        its own.

    Raises:
        LabError: An address is loopback, taken twice, or in no LAN; two LANs overlap.
    """
    networks = _networks(plant)
    places = _places(plant, networks)
    bridges = _bridges(tuple(networks), places, switched=switched)
    bridge_of = {(bridge.lan, bridge.host): bridge.index for bridge in bridges}
    first_port = FIRST_HUB_INDEX + len(bridges)
    next_index: dict[str, int] = {computer.name: FIRST_HOST_INDEX for computer in plant.computers}
    ports: list[Port] = []
    for host, lan, address in places:
        host_index = next_index.get(host, FIRST_HOST_INDEX)
        next_index[host] = host_index + 1
        hub_index = first_port + len(ports)
        ports.append(
            Port(
                host=host,
                lan=lan,
                address=address,
                prefix=networks[lan].prefixlen,
                interface=f"lan{tuple(networks).index(lan)}",
                host_index=host_index,
                hub_interface=f"port{hub_index}",
                hub_index=hub_index,
                bridge_index=bridge_of[lan, host if switched else None],
            )
        )
    kernel = plant.linux.settings if plant.network_protocol is NetworkProtocol.LINUX else {}
    taps = (Tap(port, f"tap{port.hub_index}", port.hub_index + len(ports)) for port in ports)
    return LabPlan(
        lans=tuple(networks),
        bridges=bridges,
        hosts=tuple(next_index),
        ports=tuple(ports),
        kernel=kernel,
        taps=tuple(taps) if switched else (),
    )


def _bridges(
    lans: tuple[str, ...], places: Sequence[tuple[str, str, str]], *, switched: bool
) -> tuple[Bridge, ...]:
    if switched:
        numbered = enumerate(places, FIRST_HUB_INDEX)
        return tuple(Bridge(lan, f"bridge{index}", index, host) for index, (host, lan, _) in numbered)
    return tuple(Bridge(lan, f"lan{number}", FIRST_HUB_INDEX + number) for number, lan in enumerate(lans))


def _networks(plant: Plant) -> dict[str, ipaddress.IPv4Network]:
    networks: dict[str, ipaddress.IPv4Network] = {}
    for lan in plant.lans:
        try:
            network = ipaddress.IPv4Network(lan.subnet)
        except ValueError as error:
            raise LabError(f"LAN {lan.name}: {error}") from error
        if network.is_loopback:
            raise LabError(f"LAN {lan.name}: {lan.subnet} is loopback, the lab needs real addresses")
        for other, taken in networks.items():
            if network.overlaps(taken):
                raise LabError(f"LAN {lan.name}: {lan.subnet} overlaps {taken} of LAN {other}")
        networks[lan.name] = network
    return networks


def _places(plant: Plant, networks: dict[str, ipaddress.IPv4Network]) -> tuple[tuple[str, str, str], ...]:
    """(host, LAN, address) of every port; no address is taken twice."""
    places = tuple(_addresses(plant, networks))
    owners: dict[str, str] = {}
    for host, _, address in places:
        if address in owners:
            raise LabError(f"{host} and {owners[address]} both have the address {address}")
        owners[address] = host
    return places


def _addresses(plant: Plant, networks: dict[str, ipaddress.IPv4Network]) -> Iterator[tuple[str, str, str]]:
    """Yield (host, LAN, address): the computers' first, then those of I/O devices elsewhere."""
    computers: set[str] = set()
    for computer in plant.computers:
        for lan, text in computer.addresses:
            if _lan_of(text, networks, f"computer {computer.name}") != lan:
                raise LabError(f"computer {computer.name}: {text} is not in the subnet of LAN {lan}")
            computers.add(text)
            yield computer.name, lan, text
    endpoints = (unit.address for device in plant.io_devices for unit in device.units)
    for text in dict.fromkeys(endpoint.host for endpoint in endpoints):
        if text not in computers:
            yield text, _lan_of(text, networks, "I/O device"), text


def _lan_of(text: str, networks: dict[str, ipaddress.IPv4Network], owner: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise LabError(f"{owner}: {error}") from error
    for lan, network in networks.items():
        if address in network:
            return lan
    raise LabError(f"{owner}: {text} is in the subnet of no LAN")
