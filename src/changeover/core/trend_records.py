"""What trend servers keep and tell each other: samples in columns, and what a server has recorded."""

from __future__ import annotations

import msgspec

GOOD, BAD = 0, 1
"""Quality of a sample: as the device delivered it, or refused by the device (its value is NaN then)."""


class Samples(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Samples of several tags, in columns of n entries.

    Attributes:
        tags: Names of recorded tags.
        positions: n little-endian int32, indices into `tags`.
        utc: n little-endian int64, UTC nanoseconds since 1970: of a periodic trend the whole multiple of its
            period, of an event trend when the device delivered the value.
        values: n little-endian float64, engineering values.
        qualities: n uint8, `GOOD` or `BAD`.
    """

    tags: tuple[str, ...]
    positions: bytes
    utc: bytes
    values: bytes
    qualities: bytes

    def __len__(self) -> int:
        return len(self.qualities)


class Covered(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A span in which every trend of one I/O device was recorded.

    Attributes:
        device: The I/O device.
        start_utc: First nanosecond of the span.
        end_utc: First nanosecond after it.
    """

    device: str
    start_utc: int
    end_utc: int
