"""What two hosts say to each other when they measure the way between them without a plant.

    connects                     listens
      | -- HELLO, bytes of an answer -> |    once
      | -- REQUEST n ----------------> |
      | <-------------------- ACK n -- |     at once
      | <----------------- ANSWER n -- |

Each is a head of 13 bytes (kind, number, length of what follows) and filling. Numbers count from 1.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

HELLO, REQUEST, ACK, ANSWER = 1, 2, 3, 4
MAGIC = b"changeover measure 1"
LENGTH_MAX = 1_000_000
_HEAD = struct.Struct(">BQI")
HEAD_BYTES = _HEAD.size


class WireError(Exception):
    """The peer is none that measures."""


class Said(NamedTuple):
    """One message: its kind, its number, and for HELLO the bytes that an answer is to have."""

    kind: int
    number: int
    size: int


def hello(answer_bytes: int) -> bytes:
    """The first message: what answers are to be."""
    return _HEAD.pack(HELLO, answer_bytes, len(MAGIC)) + MAGIC


def message(kind: int, number: int, size: int) -> bytes:
    """A message of `size` bytes in all, its head included; at least the head."""
    filling = max(0, size - HEAD_BYTES)
    return _HEAD.pack(kind, number, filling) + bytes(filling)


class Decoder:
    """Bytes of one connection, in any pieces, to messages; filling is counted, not kept."""

    def __init__(self) -> None:
        self._rest = b""
        self._skip = 0
        self._pending: Said | None = None

    def feed(self, data: bytes) -> list[Said]:
        """Take received bytes; the messages that are complete now.

        Raises:
            WireError: The peer does not speak this.
        """
        found: list[Said] = []
        data = self._rest + data
        at = 0
        while True:
            if self._pending is not None:
                taken = min(self._skip, len(data) - at)
                at, self._skip = at + taken, self._skip - taken
                if self._skip:
                    break
                found.append(self._pending)
                self._pending = None
            if len(data) - at < HEAD_BYTES:
                break
            kind, number, length = _HEAD.unpack_from(data, at)
            if not HELLO <= kind <= ANSWER or length > LENGTH_MAX or number > 1 << 48:
                raise WireError("not the other end of a measurement")
            if kind == HELLO:
                if len(data) - at < HEAD_BYTES + len(MAGIC):
                    break
                if data[at + HEAD_BYTES : at + HEAD_BYTES + length] != MAGIC:
                    raise WireError("not the other end of a measurement, or of another version")
            at += HEAD_BYTES
            self._pending, self._skip = Said(kind, number, HEAD_BYTES + length), length
        self._rest = data[at:]
        return found
