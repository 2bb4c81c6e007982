"""LANs and computers of a plant.toml, and the addresses on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from changeover.config.diagnostics import quoted
from changeover.config.names import Names, allowed_names
from changeover.config.toml_table import Table
from changeover.model.lan import Computer, Endpoint, Lan

_PREFIX_LENGTHS = range(8, 31)
_SUBNET_ALLOWED = 'an IPv4 network such as "127.10.0.0/16", prefix 8 to 30, is wanted'
_NO_ENDPOINT = Endpoint("", 0)


@dataclass(slots=True)
class Network:
    """LANs and computers as far as they could be read, by name in lower case, in file order."""

    lans: dict[str, Lan] = field(default_factory=dict)
    subnets: dict[str, IPv4Network] = field(default_factory=dict)
    computers: dict[str, Computer] = field(default_factory=dict)
    owners: dict[IPv4Address, str] = field(default_factory=dict)

    def lan_of(self, address: IPv4Address) -> Lan | None:
        """The LAN whose subnet holds an address."""
        for key, subnet in self.subnets.items():
            if address in subnet:
                return self.lans[key]
        return None


def read_network(root: Table) -> Network:
    """Read `[[lan]]` and `[[computer]]`."""
    network = Network()
    lan_names, computer_names = Names(), Names()
    for table in root.tables("lan"):
        _read_lan(table, lan_names, network)
    for table in root.tables("computer"):
        _read_computer(table, computer_names, network)
    for key in ("lan", "computer"):
        if key not in root.values:
            root.problem(key, "is missing", f"at least one [[{key}]] is wanted")
    return network


def _read_lan(table: Table, names: Names, network: Network) -> None:
    table.expect_only("name", "subnet")
    name = names.claim(table, "LAN")
    text = table.text("subnet", example="127.10.0.0/16")
    subnet = _subnet(table, text) if text else None
    network.lans.setdefault(name.lower(), Lan(name, str(subnet or "")))
    if subnet is None:
        return
    for key, other in network.subnets.items():
        if subnet.overlaps(other):
            table.problem(
                "subnet",
                f"{subnet} overlaps {other} of {network.lans[key].name}",
                "each LAN needs its own subnet",
            )
    network.subnets.setdefault(name.lower(), subnet)


def _subnet(table: Table, text: str) -> IPv4Network | None:
    try:
        subnet = IPv4Network(text)
    except ValueError as error:
        table.problem("subnet", f"{quoted(text)} is no subnet ({error})", _SUBNET_ALLOWED)
        return None
    if (
        subnet.prefixlen not in _PREFIX_LENGTHS
        or subnet.is_multicast
        or subnet.network_address.is_unspecified
    ):
        table.problem("subnet", f"{quoted(text)} is no subnet for a LAN", _SUBNET_ALLOWED)
        return None
    return subnet


def _read_computer(table: Table, names: Names, network: Network) -> None:
    table.expect_only("name", "addresses")
    name = names.claim(table, "computer")
    addresses: list[tuple[str, str]] = []
    if "addresses" not in table.values:
        table.problem("addresses", "is missing", 'such as addresses = { LAN_A = "127.10.0.11" }')
    elif not table.values["addresses"]:
        table.problem("addresses", "is empty", "a computer needs an address on at least one LAN")
    inner = table.table("addresses")
    for key in inner.values:
        lan = network.lans.get(key.lower())
        if lan is None:
            inner.problem(key, "is no LAN of this project", allowed_names(network.lans))
            continue
        if any(lan.name == known for known, _ in addresses):
            inner.problem(key, "this LAN is listed twice", "one address on each LAN")
        text = inner.text(key, example="127.10.0.11")
        if text:
            _claim_address(inner, key, text, lan, name, network)
        addresses.append((lan.name, text))
    network.computers.setdefault(name.lower(), Computer(name, tuple(addresses)))


def _claim_address(table: Table, key: str, text: str, lan: Lan, computer: str, network: Network) -> None:
    address = _address(table, key, text)
    subnet = network.subnets.get(lan.name.lower())
    if address is None or subnet is None:
        return
    if not _is_host(address, subnet):
        table.problem(key, f"{address} is no host of LAN {lan.name}", f"allowed are the hosts of {subnet}")
    owner = network.owners.setdefault(address, computer)
    if owner != computer:
        table.problem(key, f"{address} is also an address of {owner}", "each computer needs its own")


def _is_host(address: IPv4Address, subnet: IPv4Network) -> bool:
    return address in subnet and address not in (subnet.network_address, subnet.broadcast_address)


def _address(table: Table, key: str, text: str) -> IPv4Address | None:
    try:
        return IPv4Address(text)
    except ValueError:
        table.problem(key, f"{quoted(text)} is no IPv4 address", 'such as "127.10.0.11"')
        return None


def read_endpoint(table: Table, key: str, network: Network) -> tuple[Endpoint, Lan | None]:
    """The address and port of a device, and the LAN that it is on.

    Returns:
        The endpoint (an empty one where it cannot be read) and its LAN (None where it is on none: reported).
    """
    text = table.text(key, example="127.20.0.101:5020")
    if not text:
        return _NO_ENDPOINT, None
    host, colon, port_text = text.rpartition(":")
    port = int(port_text) if port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 else 0
    if not colon or not 1 <= port <= 65535:
        table.problem(
            key,
            f"{quoted(text)} has no port from 1 to 65535",
            'IPv4:port, such as "127.20.0.101:5020", is wanted',
        )
        return _NO_ENDPOINT, None
    address = _address(table, key, host)
    if address is None:
        return _NO_ENDPOINT, None
    lan = network.lan_of(address)
    if lan is None and len(network.subnets) < len(network.lans):
        # A LAN whose subnet could not be read may well be the one.
        return Endpoint(str(address), port), None
    if lan is None:
        subnets = ", ".join(str(subnet) for subnet in network.subnets.values()) or "none"
        table.problem(key, f"{address} is on no LAN of this project", f"the subnets are {subnets}")
    elif not _is_host(address, network.subnets[lan.name.lower()]):
        table.problem(
            key, f"{address} is no host of LAN {lan.name}", f"allowed are the hosts of {lan.subnet}"
        )
    elif address in network.owners:
        owner = network.owners[address]
        table.problem(
            key, f"{address} is the address of computer {owner}", "a device needs an address of its own"
        )
    return Endpoint(str(address), port), lan
