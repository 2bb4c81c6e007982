"""Talk to the kernel's network configuration (rtnetlink): one socket, bound to one namespace for life.

Why not a library: cutting a port must work inside a running asyncio loop, must take microseconds, and must
leave the carrier up. pyroute2 0.9 runs a loop of its own inside every call, and its `brport` also takes the
link down, which is another fault.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from changeover.model.moment import Instant

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11

REPLY_TIMEOUT_S = 10.0
"""The kernel answers in microseconds; after this long something is badly wrong with the machine."""

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_ERROR = struct.Struct("=i")


@dataclass(frozen=True, slots=True)
class Span:
    """When a change took effect: at some instant from `before` to `after`, monotonic nanoseconds."""

    before: Instant
    after: Instant


@dataclass(frozen=True, slots=True)
class Message:
    """One request: its rtnetlink type, flags beside NLM_F_REQUEST, and its body."""

    kind: int
    body: bytes
    flags: int = 0


def attribute(kind: int, payload: bytes) -> bytes:
    """One netlink attribute, padded to four bytes."""
    length = _ATTRIBUTE.size + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + bytes(-length % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, payload) pairs in a run of attributes; the flag bits of the type are taken off."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + (-length % 4)


class Netlink:
    """A netlink socket of the namespace in which the calling thread is when it is made.

    The socket stays there, whichever namespace its later callers are in. Safe to share between threads.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._lock = threading.Lock()
        self._sequence = 0
        try:
            self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
            self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
            self._socket.bind((0, 0))
            self._socket.settimeout(REPLY_TIMEOUT_S)
        except BaseException:
            self._socket.close()
            raise

    def close(self) -> None:
        """Close the socket; closing twice is fine."""
        self._socket.close()

    def change(self, *messages: Message, missing_ok: bool = False) -> Span:
        """Carry out requests, all in one system call.

        Args:
            messages: The requests, in order.
            missing_ok: Whether what is not there to be deleted is no error.

        Returns:
            The instants just before the call and just after the last request was carried out.

        Raises:
            OSError: The kernel refused one; the others were carried out nevertheless.
        """
        with self._lock:
            packed, sequences = self._pack(messages, NLM_F_ACK)
            before = time.monotonic_ns()
            if packed:
                self._socket.send(packed)
            after = time.monotonic_ns()
            refusals = [error for error in self._acknowledgements(sequences) if error is not None]
        trouble = [error for error in refusals if not (missing_ok and isinstance(error, FileNotFoundError))]
        if trouble:
            raise trouble[0]
        return Span(before, after)

    def ask(self, message: Message) -> tuple[bytes, ...]:
        """The bodies of all answers to a query (a dump where its flags say so).

        Raises:
            OSError: The kernel refused it.
        """
        with self._lock:
            packed, sequences = self._pack((message,), NLM_F_ACK)
            self._socket.send(packed)
            return tuple(self._answers(sequences))

    def _pack(self, messages: Sequence[Message], flags: int) -> tuple[bytes, set[int]]:
        packed = bytearray()
        sequences = set()
        for message in messages:
            self._sequence += 1
            sequences.add(self._sequence)
            length = _HEADER.size + len(message.body)
            all_flags = NLM_F_REQUEST | flags | message.flags
            packed += _HEADER.pack(length, message.kind, all_flags, self._sequence, 0)
            packed += message.body + bytes(-length % 4)
        return bytes(packed), sequences

    def _acknowledgements(self, sequences: set[int]) -> Iterator[OSError | None]:
        waiting = set(sequences)
        while waiting:
            for kind, sequence, body in self._receive():
                # An interrupted call leaves its answers behind: they are not ours.
                if kind == NLMSG_ERROR and sequence in waiting:
                    waiting.discard(sequence)
                    yield _error(body)

    def _answers(self, sequences: set[int]) -> Iterator[bytes]:
        while True:
            for kind, sequence, body in self._receive():
                if sequence not in sequences:
                    continue
                if kind == NLMSG_ERROR and (error := _error(body)) is not None:
                    raise error
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    return
                yield body

    def _receive(self) -> list[tuple[int, int, bytes]]:
        data = self._socket.recv(1 << 17)
        found = []
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
            found.append((kind, sequence, data[offset + _HEADER.size : offset + length]))
            offset += length + (-length % 4)
        return found


def _error(body: bytes) -> OSError | None:
    (number,) = _ERROR.unpack_from(body)
    if number == 0:
        return None
    text = os.strerror(-number)
    for kind, payload in attributes(body[_ERROR.size + _HEADER.size :]):
        if kind == NLMSGERR_ATTR_MSG:
            text = f"{text} ({payload.rstrip(bytes(1)).decode(errors='replace')})"
    return OSError(-number, text)
