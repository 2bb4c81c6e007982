"""Frames as bytes: four bytes of length, then the frame in msgpack, arrays instead of maps.

A stream that breaks the format cannot be trusted again: the decoder raises, and the caller drops the
connection.
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import msgspec

from changeover.core.machine import Frame
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Hello,
    Probe,
    ReadRequest,
    UnitState,
    Welcome,
    WriteRequest,
    WriteResult,
)
from changeover.core.task_messages import (
    Batch,
    Command,
    CommandResult,
    FetchCovered,
    FetchRecords,
    FetchSamples,
    FetchStates,
    Found,
    News,
    PairState,
    Poll,
    Query,
)

Kinds: TypeAlias = frozenset[type]
"""Types of messages that a side may say."""

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""Longest frame that is accepted: about a million values."""

FROM_CLIENTS: Kinds = frozenset((Hello, Probe, ReadRequest, WriteRequest))
"""What an I/O server's clients say."""
FROM_SERVERS: Kinds = frozenset((Welcome, Answer, UnitState, Heartbeat, WriteResult))
"""What I/O servers say."""
FROM_TASK_CLIENTS: Kinds = frozenset(
    (
        Hello,
        Probe,
        Poll,
        Query,
        Command,
        PairState,
        FetchRecords,
        FetchStates,
        FetchCovered,
        FetchSamples,
    )
)
"""What clients of alarm, trend and report servers say, their partners among them."""
FROM_TASK_SERVERS: Kinds = frozenset((Welcome, News, Found, CommandResult))
"""What these servers say to clients."""
FROM_PARTNERS: Kinds = frozenset((Welcome, PairState, Batch))
"""What they say to a partner that asks."""

_LENGTH = struct.Struct(">I")
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Frame)


class FrameError(Exception):
    """The peer does not speak this protocol."""


def encode(frame: Frame) -> bytes:
    """A frame with its length before it."""
    buffer = bytearray(_LENGTH.size)
    _ENCODER.encode_into(frame, buffer, _LENGTH.size)
    _LENGTH.pack_into(buffer, 0, len(buffer) - _LENGTH.size)
    return bytes(buffer)


class FrameDecoder:
    """Bytes of one connection, in any pieces, to frames.

    Args:
        kinds: What this peer may say; anything else breaks the format.
    """

    __slots__ = ("_kinds", "_rest", "_wanted")

    def __init__(self, kinds: Kinds = FROM_CLIENTS | FROM_SERVERS) -> None:
        self._kinds = kinds
        self._rest = bytearray()
        self._wanted = 0

    def feed(self, data: bytes) -> list[Frame]:
        """Take received bytes; the frames that are complete now, in order.

        Raises:
            FrameError: A frame is too long, or is none, or is none that this peer may send.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            data = bytes(self._rest)
        frames: list[Frame] = []
        at, end = 0, _LENGTH.size
        while len(data) >= end:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > FRAME_BYTES_MAX:
                raise FrameError(f"a frame of {length} bytes, allowed are {FRAME_BYTES_MAX}")
            end += length
            if len(data) < end:
                break
            frames.append(self._frame(memoryview(data)[at + _LENGTH.size : end]))
            at, end = end, end + _LENGTH.size
        # A long frame in small pieces is looked at once it is whole, not with each piece.
        self._rest, self._wanted = bytearray(memoryview(data)[at:]), end - at
        return frames

    def _frame(self, text: memoryview) -> Frame:
        try:
            frame = _DECODER.decode(text)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise FrameError(f"not a frame: {error}") from error
        message = frame.message
        if frame.ack < 0 or frame.seq < 0 or (frame.seq == 0) != (message is None):
            raise FrameError(f"a frame numbered {frame.seq}, {frame.ack}")
        if message is not None and type(message) not in self._kinds:
            raise FrameError(f"{type(message).__name__} is nothing that this peer may say")
        return frame
