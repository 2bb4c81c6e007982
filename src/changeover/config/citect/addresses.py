"""LANs and addresses for a plant.toml: those that the project holds, and placeholders for the others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from itertools import product

from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.units import DeviceDraft, UnitDraft
from changeover.model.lan import Endpoint

PLACEHOLDER_DEVICE_PORT = 5020

_PREFIX_LENGTH = 16
_PREFIX_LENGTH_MIN = 8
_CLIENT_NET, _FIELD_NET = 10, 20
_HOST_FIRST = 11
"""Host numbers of computers begin here, as in the example of `changeover new`."""


@dataclass(frozen=True, slots=True)
class NamedLan:
    """A LAN of a plant.toml.

    Attributes:
        name: Its name.
        subnet: Its addresses.
        is_assumed: Whether the project says nothing of it at all.
    """

    name: str
    subnet: IPv4Network
    is_assumed: bool


class AddressBook:
    """Every address of the plant, none of them twice.

    Args:
        devices: The I/O devices.
        client_lans: How many LANs the clients have.

    Attributes:
        client_lans: LANs that clients are on.
        field_lans: LANs that devices answer on, none of them a client LAN.
    """

    def __init__(self, devices: Sequence[DeviceDraft], client_lans: int) -> None:
        units = [unit for device in devices for unit in device.units]
        self._taken = {unit.place.host for unit in units if unit.place.host is not None}
        fields = _subnets(self._taken)
        unplaced = list(dict.fromkeys(unit.identity for unit in units if unit.place.host is None))
        spare: IPv4Network | None = None
        used = list(fields)
        if unplaced or not fields:
            spare = _free_net(used, _FIELD_NET)
            used.append(spare)
        clients: list[IPv4Network] = []
        for _ in range(client_lans):
            clients.append(_free_net(used, _CLIENT_NET))
            used.append(clients[-1])
        named = [(net, False) for net in fields] + ([(spare, True)] if spare else [])
        self.client_lans = [NamedLan(f"LAN_{chr(ord('A') + i)}", net, True) for i, net in enumerate(clients)]
        self.field_lans = [
            NamedLan("FIELD" if i == 0 else f"FIELD_{i + 1}", net, assumed)
            for i, (net, assumed) in enumerate(named)
        ]
        self._placeholders: dict[tuple[str, str, str], IPv4Address] = {}
        for number, identity in enumerate(unplaced, start=256):
            assert spare is not None, "it is there for these"
            self._placeholders[identity] = spare.network_address + number
        self._taken |= set(self._placeholders.values())
        self._next: dict[str, IPv4Address] = {}

    def endpoint(self, unit: UnitDraft) -> Endpoint:
        """Where a unit answers."""
        if unit.place.host is not None:
            return Endpoint(str(unit.place.host), unit.place.port)
        return Endpoint(str(self._placeholders[unit.identity]), unit.place.port or PLACEHOLDER_DEVICE_PORT)

    def lan_of(self, unit: UnitDraft) -> NamedLan:
        """The LAN that a unit answers on."""
        address = IPv4Address(self.endpoint(unit).host)
        return next(lan for lan in self.field_lans if address in lan.subnet)

    def next_host(self, lan: NamedLan) -> IPv4Address:
        """An address for one more computer on a LAN."""
        address = self._next.get(lan.name, lan.subnet.network_address + _HOST_FIRST)
        while address in self._taken or address.packed[-1] in (0, 255):
            address += 1
        self._next[lan.name] = address + 1
        return address


def _subnets(addresses: Iterable[IPv4Address]) -> list[IPv4Network]:
    """Subnets that hold all addresses as hosts, none within another: a project holds no masks."""
    nets: list[IPv4Network] = []
    # Sorted, so that only the last net can hold the next address, or lie within its net.
    for address in sorted(addresses):
        net = _net_of(address)
        if nets and net.subnet_of(nets[-1]):
            continue
        while nets and nets[-1].subnet_of(net):
            nets.pop()
        nets.append(net)
    return nets


def _net_of(address: IPv4Address) -> IPv4Network:
    for prefix in range(_PREFIX_LENGTH, _PREFIX_LENGTH_MIN - 1, -1):
        net = IPv4Network((address, prefix), strict=False)
        if address not in (net.network_address, net.broadcast_address):
            return net
    return IPv4Network((address, _PREFIX_LENGTH_MIN), strict=False)


def _free_net(used: Sequence[IPv4Network], first: int) -> IPv4Network:
    """A subnet that is not used: 127.<first>.0.0/16 or one of those that follow, else one of 10.0.0.0/8."""
    numbers = (*range(first, 255), *range(1, first))
    for network, number in product((127, 10), numbers):
        net = IPv4Network(f"{network}.{number}.0.0/{_PREFIX_LENGTH}")
        if not any(net.overlaps(known) for known in used):
            return net
    problem = "the devices' addresses leave no subnet of 127.0.0.0/8 and 10.0.0.0/8 free for the clients"
    raise RefusedError("ports.dbf", problem, "is this one project?")
