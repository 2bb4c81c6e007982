"""What a client shows: per tag a value, a quality and when the device delivered it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from changeover.core.messages import Columns
from changeover.model.quality import Quality
from changeover.model.tag import Tag

_QUALITIES = (Quality.GOOD, Quality.ERROR, Quality.ERROR)


@dataclass(frozen=True, slots=True)
class TagValue:
    """One tag as a page shows it.

    Attributes:
        value: Number or text; None where there never was one.
        quality: Good, or what to show instead.
        source_utc: When the device delivered it, UTC nanoseconds since 1970; 0 for never.
        unit: The unit that delivered it, empty for none.
    """

    value: float | str | None
    quality: Quality
    source_utc: int
    unit: str


class DeviceImage:
    """The tags of one I/O device, in columns."""

    def __init__(self, tags: tuple[Tag, ...]) -> None:
        self.tags = tags
        self.names = tuple(tag.name for tag in tags)
        self.unit = ""
        self.shows_com = False
        self.updates = 0
        self._values = np.full(len(tags), np.nan)
        self._qualities: NDArray[np.uint8] = np.zeros(len(tags), dtype=np.uint8)
        self._source_utc: NDArray[np.int64] = np.zeros(len(tags), dtype=np.int64)
        self._texts: dict[int, str] = {}
        self._confirmed_utc = 0

    def apply(self, unit: str, columns: Columns) -> NDArray[np.int32]:
        """Take an answer's columns; the positions that are shown anew: all of them after #COM.

        A tag that the answer leaves out did not change: its value is as fresh as the answer.
        """
        showed_com = self.shows_com
        positions = np.frombuffer(columns.positions, dtype="<i4")
        self._values[positions] = np.frombuffer(columns.values, dtype="<f8")
        self._qualities[positions] = np.frombuffer(columns.qualities, dtype=np.uint8)
        self._source_utc[positions] = columns.source_utc
        self._texts.update(columns.strings)
        self._confirmed_utc = columns.source_utc
        self.unit = unit
        self.shows_com = False
        self.updates += len(positions)
        return np.arange(len(self.tags), dtype=np.int32) if showed_com else positions

    def show_com(self) -> None:
        """Every tag shows #COM until the next answer."""
        self.shows_com = True

    def columns(self, positions: NDArray[np.int32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Values of some tags, and which of them are good; what a string tag holds is not."""
        values = self._values[positions]
        good = (self._qualities[positions] == 0) & (self._source_utc[positions] > 0) & ~np.isnan(values)
        return values, good

    def at(self, position: int) -> TagValue:
        """One tag."""
        source_utc = int(self._source_utc[position])
        number = float(self._values[position])
        value: float | str | None = self._texts.get(position, number)
        if self.shows_com:
            quality = Quality.COM
        elif source_utc == 0:
            quality, value = Quality.WAITING, None
        else:
            quality = _QUALITIES[int(self._qualities[position])]
        return TagValue(value, quality, source_utc, self.unit)

    @property
    def confirmed_utc(self) -> int:
        """When the device last delivered anything of this image."""
        return self._confirmed_utc


class TagImage:
    """Every tag of a client, by I/O device."""

    def __init__(self, tags: tuple[Tag, ...]) -> None:
        by_device: dict[str, list[Tag]] = {}
        for tag in tags:
            by_device.setdefault(tag.device, []).append(tag)
        self.devices = {device: DeviceImage(tuple(held)) for device, held in by_device.items()}
        self._places = {
            tag.name.lower(): (image, position)
            for image in self.devices.values()
            for position, tag in enumerate(image.tags)
        }

    def find(self, name: str) -> Tag | None:
        """The tag of that name, case aside."""
        place = self._places.get(name.lower())
        return place[0].tags[place[1]] if place else None
