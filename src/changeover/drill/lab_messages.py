"""The handful of rtnetlink requests that a lab needs, and what their answers say.

Numbers and layouts are those of linux/rtnetlink.h, if_link.h, if_bridge.h, veth.h and neighbour.h.
"""

from __future__ import annotations

import socket
import struct

from changeover.drill.lab_netlink import NLM_F_DUMP, Message, attribute, attributes

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_SETLINK = 19
RTM_NEWADDR = 20
RTM_DELNEIGH = 29
RTM_GETNEIGH = 30
NLM_F_CREATE_NEW = 0x600  # NLM_F_CREATE | NLM_F_EXCL
NLA_F_NESTED = 0x8000

AF_BRIDGE = 7
IFF_UP = 0x1
IFLA_ADDRESS = 1
IFLA_IFNAME = 3
IFLA_MASTER = 10
IFLA_PROTINFO = 12
IFLA_OPERSTATE = 16
IFLA_LINKINFO = 18
IFLA_STATS64 = 23
IFLA_GROUP = 27
IFLA_NET_NS_FD = 28
IFLA_CARRIER = 33
IFLA_INFO_KIND = 1
IFLA_INFO_DATA = 2
IFLA_INFO_SLAVE_DATA = 5
IFLA_BR_FORWARD_DELAY = 1
IFLA_BR_STP_STATE = 5
IFLA_BR_MCAST_SNOOPING = 23
IFLA_BRPORT_STATE = 1
IF_OPER_UP = b"\x06"
VETH_INFO_PEER = 1
IFA_ADDRESS = 1
IFA_LOCAL = 2
NDA_DST = 1
NUD_NOARP = 0x40
NUD_PERMANENT = 0x80

DISABLED = 0
"""Bridge port state: nothing passes, and the host at the other end of the cable sees no difference."""
FORWARDING = 3
"""Bridge port state: everything passes."""

LOOPBACK_INDEX = 1

_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change mask
_STATS = struct.Struct("=QQQQQQQQ")  # packets in and out, bytes, errors, drops in and out
_TAPS = struct.pack("=I", 1)  # the number of their group
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type


def new_bridge(interface: str, index: int) -> Message:
    """Make a bridge that is up, forwards at once and knows neither spanning trees nor multicast groups."""
    options = (
        attribute(IFLA_BR_FORWARD_DELAY, struct.pack("=I", 0))
        + attribute(IFLA_BR_STP_STATE, struct.pack("=I", 0))
        + attribute(IFLA_BR_MCAST_SNOOPING, struct.pack("=B", 0))
    )
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP) + _name(interface)
    return Message(RTM_NEWLINK, body + _link_info("bridge", options), NLM_F_CREATE_NEW)


def new_cable(
    hub_interface: str,
    hub_index: int,
    bridge: int,
    peer: str,
    peer_index: int,
    peer_hardware_address: bytes,
    fd: int,
) -> Message:
    """Make a veth pair; its hub end is up, the other end must follow (a pair in the making refuses it).

    Args:
        hub_interface: Name of the end that stays in the hub.
        hub_index: Its interface number.
        bridge: Interface number of the bridge that it is plugged into.
        peer: Name of the other end.
        peer_index: Its interface number.
        peer_hardware_address: Its Ethernet address, 6 bytes.
        fd: Open file of the namespace that the other end goes to.
    """
    other_end = (
        _LINK.pack(socket.AF_UNSPEC, 0, peer_index, 0, 0)
        + _name(peer)
        + attribute(IFLA_ADDRESS, peer_hardware_address)
        + attribute(IFLA_NET_NS_FD, struct.pack("=i", fd))
    )
    body = (
        _LINK.pack(socket.AF_UNSPEC, 0, hub_index, IFF_UP, IFF_UP)
        + _name(hub_interface)
        + attribute(IFLA_MASTER, struct.pack("=I", bridge))
        + _link_info("veth", attribute(VETH_INFO_PEER | NLA_F_NESTED, other_end))
    )
    return Message(RTM_NEWLINK, body, NLM_F_CREATE_NEW)


def set_link(index: int, *, up: bool) -> Message:
    """Take an interface up or down."""
    return Message(RTM_SETLINK, _LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP if up else 0, IFF_UP))


def new_address(index: int, address: str, prefix: int) -> Message:
    """Give an interface an IPv4 address."""
    packed = socket.inet_aton(address)
    body = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index)
    body += attribute(IFA_LOCAL, packed) + attribute(IFA_ADDRESS, packed)
    return Message(RTM_NEWADDR, body, NLM_F_CREATE_NEW)


def plug_in(index: int, bridge: int) -> Message:
    """Make a TAP a port of a bridge and take it up; `delete_taps` will find it."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, IFF_UP, IFF_UP)
    body += attribute(IFLA_MASTER, struct.pack("=I", bridge)) + attribute(IFLA_GROUP, _TAPS)
    return Message(RTM_SETLINK, body)


def delete_taps() -> Message:
    """Delete all that `plug_in` has plugged in."""
    return Message(RTM_DELLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_GROUP, _TAPS))


def set_port_state(index: int, state: int) -> Message:
    """Set a bridge port to DISABLED or FORWARDING; the link stays as it is."""
    info = attribute(IFLA_BRPORT_STATE, struct.pack("=B", state))
    body = _LINK.pack(AF_BRIDGE, 0, index, 0, 0) + attribute(IFLA_PROTINFO | NLA_F_NESTED, info)
    return Message(RTM_SETLINK, body)


def get_link(index: int) -> Message:
    """Ask for one interface; `port_state`, `has_carrier` and `is_up` read the answer."""
    return Message(RTM_GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0))


def port_state(answer: bytes) -> int | None:
    """The bridge port state in an answer to `get_link`, None when the interface is no bridge port."""
    info = dict(attributes(answer[_LINK.size :])).get(IFLA_LINKINFO, b"")
    state = dict(attributes(dict(attributes(info)).get(IFLA_INFO_SLAVE_DATA, b""))).get(IFLA_BRPORT_STATE)
    return None if state is None else state[0]


def has_carrier(answer: bytes) -> bool:
    """Whether the interface of an answer to `get_link` sees a live cable."""
    return dict(attributes(answer[_LINK.size :])).get(IFLA_CARRIER) == b"\x01"


def is_up(answer: bytes) -> bool:
    """Whether the interface of an answer to `get_link` is taken for working by the rest of the kernel too."""
    return dict(attributes(answer[_LINK.size :])).get(IFLA_OPERSTATE) == IF_OPER_UP


def frames_dropped(answer: bytes) -> int:
    """How many frames the interface of an answer to `get_link` was to send and could not."""
    stats = dict(attributes(answer[_LINK.size :]))[IFLA_STATS64]
    return int(_STATS.unpack_from(stats)[-1])


def get_neighbours() -> Message:
    """Ask for the whole IPv4 neighbour table (ARP); `neighbours_to_forget` reads the answers."""
    return Message(RTM_GETNEIGH, _NEIGHBOUR.pack(socket.AF_INET, 0, 0, 0, 0), NLM_F_DUMP)


def neighbours_to_forget(answers: tuple[bytes, ...]) -> tuple[Message, ...]:
    """One deletion per learned entry of a neighbour table."""
    found = []
    for answer in answers:
        _, index, state, _, _ = _NEIGHBOUR.unpack_from(answer)
        address = dict(attributes(answer[_NEIGHBOUR.size :])).get(NDA_DST)
        if address is not None and not state & (NUD_NOARP | NUD_PERMANENT):
            body = _NEIGHBOUR.pack(socket.AF_INET, index, 0, 0, 0) + attribute(NDA_DST, address)
            found.append(Message(RTM_DELNEIGH, body))
    return tuple(found)


def _name(interface: str) -> bytes:
    return attribute(IFLA_IFNAME, interface.encode() + bytes(1))


def _link_info(kind: str, data: bytes) -> bytes:
    info = attribute(IFLA_INFO_KIND, kind.encode()) + attribute(IFLA_INFO_DATA | NLA_F_NESTED, data)
    return attribute(IFLA_LINKINFO | NLA_F_NESTED, info)
