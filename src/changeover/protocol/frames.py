"""Frames as bytes: four bytes of length, then the frame in msgpack, arrays instead of maps.

A stream that breaks the format cannot be trusted again: the decoder raises, and the caller drops the
connection.
"""

from __future__ import annotations

import struct

import msgspec

from changeover.core.machine import Frame

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""Longest frame that is accepted: about a million values."""

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
    """Bytes of one connection, in any pieces, to frames."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take received bytes; the frames that are complete now, in order.

        Raises:
            FrameError: A frame is too long, or is none.
        """
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at = 0
        while len(data) - at >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data, at)
            if length > FRAME_BYTES_MAX:
                raise FrameError(f"a frame of {length} bytes, allowed are {FRAME_BYTES_MAX}")
            end = at + _LENGTH.size + length
            if len(data) < end:
                break
            try:
                frames.append(_DECODER.decode(memoryview(data)[at + _LENGTH.size : end]))
            except msgspec.MsgspecError as error:
                raise FrameError(f"not a frame: {error}") from error
            at = end
        self._rest = data[at:]
        return frames
