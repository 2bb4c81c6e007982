"""The traffic control requests that a lab needs (rtnetlink): filters and token buckets at a bridge port.

A port's filters see each frame that leaves the bridge through it, before any queue. They tell where a frame
came from by its source address, which the plan has fixed: the kernel's own tests for the port of entry need
parts that small kernels lack, and one that drops needs another.

Numbers and layouts are those of linux/rtnetlink.h, pkt_sched.h, pkt_cls.h, gen_stats.h and filter.h.
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from changeover.drill.lab_netlink import NLM_F_DUMP, Message, attribute, attributes
from changeover.model.moment import SECOND, Duration

RTM_NEWQDISC = 36
RTM_DELQDISC = 37
RTM_GETQDISC = 38
RTM_NEWTFILTER = 44
RTM_DELTFILTER = 45
NLM_F_REPLACE = 0x100
NLM_F_CREATE = 0x400
NLA_F_NESTED = 0x8000

TCA_KIND = 1
TCA_OPTIONS = 2
TCA_STATS2 = 7
TCA_STATS_BASIC = 1
TCA_STATS_QUEUE = 3
TCA_BPF_OPS_LEN = 4
TCA_BPF_OPS = 5
TCA_BPF_FLAGS = 8
TCA_BPF_FLAG_ACT_DIRECT = 1
TCA_TBF_PARMS = 1
TCA_TBF_BURST = 6
TC_LINKLAYER_ETHERNET = 1
TC_ACT_UNSPEC = 0xFFFFFFFF
TC_ACT_SHOT = 2
ETH_P_ALL = 0x0003
ETH_P_ARP = 0x0806

ROOT = 0xFFFFFFFF
FILTER_POINT = 0xFFFFFFF1  # TC_H_CLSACT
FILTER_POINT_HANDLE = 0xFFFF0000
LEAVING = 0xFFFFFFF3  # TC_H_CLSACT with TC_H_MIN_EGRESS
BUCKET_HANDLE = 0x00010000
FILTER_HANDLE = 1

FRAME_BYTES_MAX = 1514
"""A full Ethernet frame as the kernel counts it: 1500 bytes and its header."""

BYTES_PER_S_MAX = 2**32 - 1

_HEADER = struct.Struct("=BxxxiIII")  # family, index, handle, parent, priority and protocol
_INSTRUCTION = struct.Struct("=HBBI")  # code, jump if true, jump if false, constant
_RATE = struct.Struct("=BBHhHI")  # cell log, link layer, overhead, cell align, least size, bytes per second
_BUCKET = struct.Struct("=12s12sIII")  # rate, peak rate, limit, buffer, mtu
_BASIC_STATS = struct.Struct("=QI")  # bytes, packets
_QUEUE_STATS = struct.Struct("=IIIII")  # length, backlog, drops, requeues, overlimits

# Classic BPF: load a word or half word at a constant offset, jump if equal, return.
_LOAD_WORD, _LOAD_HALF, _IF_EQUAL, _RETURN = 0x20, 0x28, 0x15, 0x06
_SOURCE_OFFSET, _PROTOCOL_OFFSET = 6, 12


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """A token bucket at a bridge port: what goes to the host is queued here, and dropped when that is full.

    Attributes:
        rate_bit_s: Bits per second that leave it.
        queue_delay: The delay of a full queue, nanoseconds; together with the rate, the queue's size.
        burst_bytes: What may leave at once after a pause.
    """

    rate_bit_s: int
    queue_delay: Duration
    burst_bytes: int = 2 * FRAME_BYTES_MAX

    def __post_init__(self) -> None:
        if not 8 <= self.rate_bit_s <= 8 * BYTES_PER_S_MAX:
            raise ValueError(f"a bottleneck cannot pass {self.rate_bit_s} bit/s")
        if self.burst_bytes < FRAME_BYTES_MAX:
            raise ValueError(f"a burst of {self.burst_bytes} bytes holds no frame of {FRAME_BYTES_MAX}")
        if self.queue_delay < 0 or self.queue_bytes >= 2**32:
            raise ValueError(f"a queue cannot hold {self.queue_delay} ns at {self.rate_bit_s} bit/s")

    @property
    def queue_bytes(self) -> int:
        """What the queue holds at most: the delay at the rate, and one burst."""
        return self.rate_bit_s * self.queue_delay // (8 * SECOND) + self.burst_bytes


@dataclass(frozen=True, slots=True)
class Queue:
    """What a bottleneck has seen since it was made.

    Attributes:
        backlog_bytes: What waits in it now.
        passed_bytes: What has left it.
        dropped_frames: Frames that found it full.
    """

    backlog_bytes: int
    passed_bytes: int
    dropped_frames: int


def new_filter_point(index: int) -> Message:
    """Let a port have filters; where it can already, nothing happens."""
    body = _HEADER.pack(socket.AF_UNSPEC, index, FILTER_POINT_HANDLE, FILTER_POINT, 0) + _kind("clsact")
    return Message(RTM_NEWQDISC, body, NLM_F_CREATE)


def delete_filter_point(index: int) -> Message:
    """Undo `new_filter_point`, and all filters with it."""
    return Message(RTM_DELQDISC, _HEADER.pack(socket.AF_UNSPEC, index, 0, FILTER_POINT, 0))


def drop_from(index: int, number: int, source: bytes, *, spare_arp: bool) -> Message:
    """Drop what leaves a port and comes from one host; it replaces the filter of the same number.

    Args:
        index: The port's interface number; it has a filter point.
        number: The filter's own number at this port, 1 to 65535.
        source: The hardware address of the host whose frames are dropped, 6 bytes.
        spare_arp: Whether its ARP frames pass nevertheless.
    """
    program = _program(source, spare_arp=spare_arp)
    options = (
        attribute(TCA_BPF_OPS_LEN, struct.pack("=H", len(program) // _INSTRUCTION.size))
        + attribute(TCA_BPF_OPS, program)
        + attribute(TCA_BPF_FLAGS, struct.pack("=I", TCA_BPF_FLAG_ACT_DIRECT))
    )
    body = _filter_header(index, number) + _kind("bpf") + attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    return Message(RTM_NEWTFILTER, body, NLM_F_CREATE)


def delete_filter(index: int, number: int) -> Message:
    """Undo `drop_from`; the kernel finds no file where there is no such filter."""
    return Message(RTM_DELTFILTER, _filter_header(index, number) + _kind("bpf"))


def new_bucket(index: int, bottleneck: Bottleneck) -> Message:
    """Put a token bucket before a port; one that is there takes the new values and keeps its frames."""
    # With the link layer said, the kernel needs no table of times per size.
    rate = _RATE.pack(0, TC_LINKLAYER_ETHERNET, 0, 0, 0, bottleneck.rate_bit_s // 8)
    options = attribute(TCA_TBF_PARMS, _BUCKET.pack(rate, bytes(_RATE.size), bottleneck.queue_bytes, 0, 0))
    options += attribute(TCA_TBF_BURST, struct.pack("=I", bottleneck.burst_bytes))
    body = _HEADER.pack(socket.AF_UNSPEC, index, BUCKET_HANDLE, ROOT, 0) + _kind("tbf")
    body += attribute(TCA_OPTIONS | NLA_F_NESTED, options)
    return Message(RTM_NEWQDISC, body, NLM_F_CREATE | NLM_F_REPLACE)


def delete_bucket(index: int) -> Message:
    """Take the token bucket away, and what waits in it; the kernel finds no file where there is none."""
    return Message(RTM_DELQDISC, _HEADER.pack(socket.AF_UNSPEC, index, 0, ROOT, 0))


def get_queues() -> Message:
    """Ask for the queues of all ports; `queue_of` reads the answers."""
    return Message(RTM_GETQDISC, _HEADER.pack(socket.AF_UNSPEC, 0, 0, 0, 0), NLM_F_DUMP)


def queue_of(answers: tuple[bytes, ...], index: int) -> Queue | None:
    """What the token bucket of a port has seen, None where there is none."""
    for answer in answers:
        _, interface, handle, parent, _ = _HEADER.unpack_from(answer)
        if (interface, handle, parent) == (index, BUCKET_HANDLE, ROOT):
            found = dict(attributes(answer[_HEADER.size :]))
            stats = dict(attributes(found.get(TCA_STATS2, b"")))
            _, backlog, drops, _, _ = _QUEUE_STATS.unpack_from(stats[TCA_STATS_QUEUE])
            passed, _ = _BASIC_STATS.unpack_from(stats[TCA_STATS_BASIC])
            return Queue(backlog, passed, drops)
    return None


def _kind(name: str) -> bytes:
    return attribute(TCA_KIND, name.encode() + bytes(1))


def _filter_header(index: int, number: int) -> bytes:
    order = number << 16 | socket.htons(ETH_P_ALL)
    return _HEADER.pack(socket.AF_UNSPEC, index, FILTER_HANDLE, LEAVING, order)


def _program(source: bytes, *, spare_arp: bool) -> bytes:
    """The filter as classic BPF: drop when the source address is this one, else let others decide."""
    tests = [
        (_LOAD_WORD, _SOURCE_OFFSET, int.from_bytes(source[:4], "big")),
        (_LOAD_HALF, _SOURCE_OFFSET + 4, int.from_bytes(source[4:], "big")),
    ]
    code = bytearray()
    for number, (load, offset, value) in enumerate(tests):
        # To the last instruction: over the rest of the tests, the test for ARP and the drop.
        to_pass = 2 * (len(tests) - 1 - number) + (2 if spare_arp else 0) + 1
        code += _INSTRUCTION.pack(load, 0, 0, offset) + _INSTRUCTION.pack(_IF_EQUAL, 0, to_pass, value)
    if spare_arp:
        code += _INSTRUCTION.pack(_LOAD_HALF, 0, 0, _PROTOCOL_OFFSET)
        code += _INSTRUCTION.pack(_IF_EQUAL, 1, 0, ETH_P_ARP)
    code += _INSTRUCTION.pack(_RETURN, 0, 0, TC_ACT_SHOT) + _INSTRUCTION.pack(_RETURN, 0, 0, TC_ACT_UNSPEC)
    return bytes(code)
