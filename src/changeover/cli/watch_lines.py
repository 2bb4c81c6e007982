"""`changeover watch` where there is no terminal: one line, or one JSON object, per change."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

import msgspec

from changeover.cli.watched import QUALITY_WORDS, Wanted, WatchedClient, value_text, watch
from changeover.model.tag import Tag
from changeover.runtime.client import HardwareAlarm
from changeover.runtime.process import Ending
from changeover.runtime.tag_image import TagValue

_ENCODER = msgspec.json.Encoder()


class LinesClient(WatchedClient):
    """Prints changes as they come.

    Attributes:
        broken: Whether the reader of our output is gone.
    """

    def __init__(self, wanted: Wanted, as_json: bool) -> None:
        super().__init__(wanted)
        self.broken = False
        self._as_json = as_json
        self._printed: dict[str, TagValue] = {}
        self._links: dict[str, str] = {}

    def on_shown(self, device: str, positions: Sequence[int]) -> None:
        """Print the tags that look different now; with `--once` each tag only the first time."""
        tags, image = self.places[device], self.image.devices[device]
        lines = []
        for position in positions:
            tag = tags.get(position)
            if tag is None:
                continue
            shown, before = image.at(position), self._printed.get(tag.name)
            if before is not None and self.wanted.once:
                continue
            if before is None or _looks(shown) != _looks(before):
                self._printed[tag.name] = shown
                lines.append(self._value_json(tag, shown) if self._as_json else self._value_line(tag, shown))
        self._print(lines)

    def on_alarm(self, alarm: HardwareAlarm) -> None:
        """Print a hardware alarm."""
        if self._as_json:
            fields = {
                "utc": alarm.utc,
                "kind": "hardware-alarm",
                "text": alarm.text,
                "subject": alarm.subject,
            }
            self._print([_ENCODER.encode(fields).decode()])
        else:
            self._print([f"{clock(alarm.utc)}  ALARM  {alarm.text}  {alarm.subject}"])

    def print_links(self) -> None:
        """Print the links that changed their state."""
        for way, link in self.machine.links.items():
            if self._links.get(str(way)) != link.state.value:
                self._links[str(way)] = link.state.value
                fields = {"utc": time.time_ns(), "kind": "link", "way": str(way), "state": link.state.value}
                self._print([_ENCODER.encode(fields).decode()])

    def print_missing(self) -> None:
        """Print the tags that had nothing to show so far."""
        for device, places in self.places.items():
            self.on_shown(device, [n for n, tag in places.items() if tag.name not in self._printed])

    def _value_line(self, tag: Tag, shown: TagValue) -> str:
        value = " ".join(filter(None, (value_text(tag, shown), tag.units if shown.quality.is_good else "")))
        unit = shown.unit if shown.quality.is_good else ""
        words = QUALITY_WORDS[shown.quality]
        return "  ".join(filter(None, (clock(time.time_ns()), tag.name, value, words, unit)))

    def _value_json(self, tag: Tag, shown: TagValue) -> str:
        group = self.machine.groups[tag.device]
        fields = {
            "utc": time.time_ns(),
            "kind": "value",
            "tag": tag.name,
            "value": shown.value if shown.quality.is_good else None,
            "units": tag.units,
            "quality": shown.quality.name,
            "source_utc": shown.source_utc or None,
            "unit": shown.unit or None,
            "server": group.way.server if group.way else None,
            "lan": group.way.lan if group.way else None,
        }
        return _ENCODER.encode(fields).decode()

    def _print(self, lines: list[str]) -> None:
        if not lines or self.broken:
            return
        try:
            print("\n".join(lines), flush=True)
        except BrokenPipeError:
            self.broken = True
            # What is still buffered goes nowhere, and Python does not complain about it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def watch_lines(wanted: Wanted, as_json: bool) -> int:
    """Print changes until the end, or until nobody reads them any more; the exit status."""
    ending = Ending()
    client = LinesClient(wanted, as_json)

    def tick() -> bool:
        if as_json:
            client.print_links()
        return not client.broken

    status = await watch(client, ending, tick)
    if wanted.once:
        client.print_missing()
    return status


def clock(utc: int) -> str:
    """A time of day for people, local, to the millisecond."""
    seconds, rest = divmod(utc, 1_000_000_000)
    return f"{time.strftime('%H:%M:%S', time.localtime(seconds))}.{rest // 1_000_000:03}"


def _looks(shown: TagValue) -> tuple[object, ...]:
    """What a page would show: a bad quality hides the value."""
    good = shown.quality.is_good
    return (shown.quality, shown.unit if good else "", shown.value if good else None)
