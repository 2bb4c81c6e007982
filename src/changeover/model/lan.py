"""LANs and the computers on them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, slots=True)
class Lan:
    """One network.

    Attributes:
        name: Unique name.
        subnet: IPv4 network in CIDR notation, such as `127.10.0.0/16`.
    """

    name: str
    subnet: str

    def contains(self, address: str) -> bool:
        """Whether an IPv4 address belongs to this LAN."""
        return IPv4Address(address) in IPv4Network(self.subnet)


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer and its address on each LAN.

    Attributes:
        name: Unique name.
        addresses: (LAN name, IPv4 address) pairs, in file order.
    """

    name: str
    addresses: tuple[tuple[str, str], ...]

    def address_on(self, lan: str) -> str | None:
        """The computer's address on a LAN, None where it is not on it."""
        for name, address in self.addresses:
            if name == lan:
                return address
        return None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IPv4 address and TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
