"""What `watch` shows, whatever it looks like: which tags, until when, and how a value is written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from fnmatch import fnmatchcase
from math import isfinite, log10
from random import Random

from changeover.model.plant import Plant
from changeover.model.quality import Quality
from changeover.model.server import Client
from changeover.model.tag import Tag, TagType
from changeover.runtime.client import ClientHost
from changeover.runtime.process import Ending
from changeover.runtime.tag_image import TagValue
from changeover.runtime.trace_file import NoTrace

ONCE_SECONDS_MAX = 10.0
"""How long `--once` waits for tags that nobody delivers."""
_LOOK_SECONDS = 0.05
_STEPS_SHOWN = 10_000
_DECIMALS_MAX = 4
_WHOLE = frozenset((TagType.DIGITAL, TagType.INT, TagType.UINT, TagType.LONG, TagType.ULONG, TagType.BCD))


class Wanted:
    """What was asked for on the command line.

    Args:
        plant: The plant.
        client: The client to be.
        patterns: Names of tags, with * and ?, case aside; none for every tag.
        once: End when every tag was shown.
        seconds: End after so many seconds, None for never.
    """

    def __init__(
        self, plant: Plant, client: Client, patterns: tuple[str, ...], once: bool, seconds: float | None
    ) -> None:
        self.plant = plant
        self.client = client
        self.once = once
        self.seconds = ONCE_SECONDS_MAX if once and seconds is None else seconds
        lowered = [pattern.lower() for pattern in patterns]
        self.tags = tuple(
            tag
            for tag in plant.tags
            if not lowered or any(fnmatchcase(tag.name.lower(), pattern) for pattern in lowered)
        )


class WatchedClient(ClientHost):
    """The client that is watched.

    Attributes:
        places: By I/O device, each wanted tag by its position in the device's image.
    """

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(wanted.plant, wanted.client, NoTrace(), Random(time.monotonic_ns()))
        self.wanted = wanted
        names = {tag.name for tag in wanted.tags}
        self.places = {
            device: {position: tag for position, tag in enumerate(image.tags) if tag.name in names}
            for device, image in self.image.devices.items()
        }
        self._positions = {
            tag.name: position for places in self.places.values() for position, tag in places.items()
        }

    def position(self, tag: Tag) -> int:
        """Where a wanted tag is in its device's image."""
        return self._positions[tag.name]

    @property
    def is_complete(self) -> bool:
        """Whether every wanted tag was delivered once, or shows why not."""
        images = (self.image.devices[device] for device, places in self.places.items() if places)
        return all(image.updates or image.shows_com for image in images)


async def watch(host: WatchedClient, ending: Ending, tick: Callable[[], bool]) -> int:
    """Run a client until it is time to end.

    Args:
        host: The client, not started yet.
        ending: Of this process.
        tick: Called about 20 times a second, and once more at the end; false ends it all.

    Returns:
        The exit status: 0, or 1 when `--once` could not show every tag.
    """
    loop = asyncio.get_running_loop()
    wanted = host.wanted
    until = None if wanted.seconds is None else loop.time() + wanted.seconds
    host.start()
    try:
        while tick() and not ending.event.is_set():
            if (until is not None and loop.time() >= until) or (wanted.once and host.is_complete):
                tick()
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.event.wait(), _LOOK_SECONDS)
    finally:
        host.stop()
    # Let the transports close: the servers hear of it at once.
    await asyncio.sleep(0)
    return ending.status or int(wanted.once and not host.is_complete)


def value_text(tag: Tag, shown: TagValue) -> str:
    """A value as a page shows it: with as many decimals as its scale resolves, or `#COM` and the like."""
    if not shown.quality.is_good or shown.value is None:
        return shown.quality.value or Quality.ERROR.value
    if isinstance(shown.value, str):
        return shown.value.rstrip("\0 ")
    if tag.scaling is not None:
        span = abs(tag.scaling.eng_full - tag.scaling.eng_zero)
        return f"{shown.value:.{_decimals(span)}f}"
    if tag.type in _WHOLE or not isfinite(shown.value):
        return f"{shown.value:.0f}"
    return f"{shown.value:.3f}" if abs(shown.value) < 1e9 else f"{shown.value:.6g}"


def _decimals(span: float) -> int:
    """Decimals that show a ten-thousandth of a span."""
    if span <= 0 or not isfinite(span):
        return 0
    return min(_DECIMALS_MAX, max(0, round(log10(_STEPS_SHOWN / span))))


QUALITY_WORDS = {
    Quality.GOOD: "good",
    Quality.WAITING: "no value yet",
    Quality.COM: "no communication",
    Quality.ERROR: "the device refuses it",
    Quality.RANGE: "out of range",
}
