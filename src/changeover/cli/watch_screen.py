"""`changeover watch` on a terminal: one screen, renewed a few times a second."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from changeover.cli.attached import AttachedClient
from changeover.cli.watch_lines import clock
from changeover.cli.watched import QUALITY_WORDS, Wanted, WatchedClient, value_text, watch
from changeover.core.io_group import IoGroup
from changeover.core.link import LinkState
from changeover.model.quality import Quality
from changeover.model.server import Function
from changeover.model.tag import Tag
from changeover.runtime.client import HardwareAlarm
from changeover.runtime.process import Ending

REFRESH_SECONDS = 0.25
_DEVICES_MAX = 8
_ALARMS_MAX = 5
_FIXED_ROWS = 9
"""Rows of the screen besides devices, ways, tags and alarms: title, rules, column heads, the line of more."""
_LINK_STYLES = {
    LinkState.OPEN: "green",
    LinkState.CONNECTING: "yellow",
    LinkState.GREETING: "yellow",
    LinkState.WAITING: "red",
}
_ALARM_STYLES = {
    "active unacknowledged": "bold red",
    "active acknowledged": "red",
    "returned unacknowledged": "yellow",
    "shelved": "dim",
    "disabled": "dim",
}
_QUALITY_STYLES = {
    Quality.GOOD: "green",
    Quality.WAITING: "yellow",
    Quality.COM: "bold white on red",
    Quality.ERROR: "bold red",
    Quality.RANGE: "bold red",
}


async def watch_screen(wanted: Wanted) -> int:
    """Show the screen until the end; the exit status."""
    console = Console(highlight=False)
    ending = Ending()
    client = WatchedClient(wanted)
    if wanted.once:
        status = await watch(client, ending, lambda: True)
        console.print(screen(client, time.time_ns(), None))
        return status
    plant = wanted.plant
    alarms = None
    if plant.alarms and plant.task_ways(wanted.client.computer, Function.ALARM):
        alarms = AttachedClient(plant, wanted.client, Function.ALARM, client.take_alarm)
        alarms.start()
    try:
        return await _live(console, client, alarms, ending)
    finally:
        if alarms is not None:
            alarms.stop()


async def _live(
    console: Console, client: WatchedClient, alarms: AttachedClient | None, ending: Ending
) -> int:
    loop = asyncio.get_running_loop()
    drawn = loop.time()
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def tick() -> bool:
            nonlocal drawn
            if loop.time() - drawn >= REFRESH_SECONDS:
                drawn = loop.time()
                live.update(screen(client, time.time_ns(), console.height, alarms), refresh=True)
            return True

        return await watch(client, ending, tick)


def screen(
    client: WatchedClient, utc: int, height: int | None, alarms: AttachedClient | None = None
) -> RenderableType:
    """The whole screen.

    Args:
        client: What is shown.
        utc: Now, UTC nanoseconds since 1970.
        height: Rows that there are; None for as many as it takes.
        alarms: The same client's side of the alarms; None where they are not shown.
    """
    devices = _devices(client, utc)
    ways = _ways(client)
    hardware = list(client.alarms)[-_ALARMS_MAX:]
    counts = [_alarm_counts(alarms)] if alarms is not None else []
    left = None
    if height is not None:
        left = max(1, height - _FIXED_ROWS - devices.row_count - 1 - max(1, len(hardware)) - len(counts))
    return Group(
        _title(client, utc),
        devices,
        ways,
        *counts,
        Rule(style="dim"),
        _tags(client, utc, left),
        _hardware(client, hardware),
    )


def _title(client: WatchedClient, utc: int) -> RenderableType:
    plant = client.plant
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_column(no_wrap=True, justify="right")
    line.add_row(
        Text.assemble(
            (f" {plant.name}", "bold"),
            f"  version {plant.version} (family {plant.policy.family.value}), "
            f"client {client.client.name}, page scan {client.client.page_scan // 1_000_000} ms",
        ),
        Text(clock(utc)[:8]),
    )
    return Group(line, Rule(style="dim"))


def _devices(client: WatchedClient, utc: int) -> Table:
    """Per device the active unit and way; those that do not run by their primary come first."""
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for name in ("I/O device", "active unit", "by way", "state"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    table.add_column("last answer", justify="right", no_wrap=True)
    groups = sorted(client.machine.groups.values(), key=_is_usual)
    for group in groups[:_DEVICES_MAX]:
        words, style = _state(group)
        table.add_row(
            group.device.name,
            group.active.name if group.active else "none",
            str(group.way or ""),
            Text(words, style),
            age(utc, client.image.devices[group.device.name].confirmed_utc),
        )
    rest = groups[_DEVICES_MAX:]
    if rest:
        unusual = sum(not _is_usual(group) for group in rest)
        more = f"{unusual} of them not" if unusual else "all"
        table.add_row(f"… {len(rest)} more", f"{more} by their primary unit", "", "", "", style="dim")
    return table


def _is_usual(group: IoGroup) -> bool:
    return group.served_by is group.units[0] and group.active is group.units[0] and not group.shows_com


def _state(group: IoGroup) -> tuple[str, str]:
    if group.shows_com:
        return "#COM", _QUALITY_STYLES[Quality.COM]
    if group.active is None or group.served_by is None:
        return "no unit serves" if group.active is None else "asked", "yellow"
    if group.active is group.units[0]:
        return "primary", "green"
    return "standby", "bold yellow"


def _ways(client: WatchedClient) -> Text:
    line = Text(" ways  ", "bold", no_wrap=True, overflow="ellipsis")
    for way, link in client.machine.links.items():
        line.append(f"{way} ", "default")
        line.append(link.state.value, _LINK_STYLES[link.state])
        line.append("   ")
    return line


def _tags(client: WatchedClient, utc: int, rows: int | None) -> RenderableType:
    table = Table(box=None, header_style="bold", padding=(0, 1), expand=True)
    table.add_column("tag", no_wrap=True, overflow="ellipsis", ratio=3)
    table.add_column("value", justify="right", no_wrap=True, overflow="ellipsis", ratio=2, min_width=8)
    table.add_column("", no_wrap=True, overflow="ellipsis", min_width=4)
    table.add_column("quality", no_wrap=True, overflow="ellipsis", ratio=2)
    table.add_column("age", justify="right", no_wrap=True, min_width=7)
    table.add_column("delivered by", no_wrap=True, overflow="ellipsis", ratio=3)
    wanted = client.wanted.tags
    for tag in wanted[:rows]:
        _add_tag(table, client, tag, utc)
    hidden = wanted[rows:] if rows is not None else ()
    return Group(table, _more(client, hidden))


def _add_tag(table: Table, client: WatchedClient, tag: Tag, utc: int) -> None:
    image = client.image.devices[tag.device]
    shown = image.at(client.position(tag))
    good = shown.quality.is_good
    style = "" if good else _QUALITY_STYLES[shown.quality]
    table.add_row(
        tag.name,
        Text(value_text(tag, shown), style),
        tag.units if good else "",
        Text(QUALITY_WORDS[shown.quality], "green" if good else "red" if shown.unit else "yellow"),
        age(utc, image.confirmed_utc),
        shown.unit if good else "",
    )


def _more(client: WatchedClient, hidden: tuple[Tag, ...]) -> RenderableType:
    """How many tags have no room, and how they fare."""
    if not hidden:
        return Text()
    fares = Counter(client.image.devices[tag.device].at(client.position(tag)).quality for tag in hidden)
    words = ", ".join(f"{count} {QUALITY_WORDS[quality]}" for quality, count in fares.items())
    return Text(f" … {len(hidden)} more: {words}. --tag PATTERN shows others.", "dim", no_wrap=True)


def _alarm_counts(alarms: AttachedClient) -> Text:
    """How many alarms are in each state that asks for attention, and who says so."""
    line = Text(no_wrap=True, overflow="ellipsis").append(" alarms  ", "bold")
    answerer = alarms.answerer
    found = Counter(state.words for state in alarms.states.values())
    for words, style in _ALARM_STYLES.items():
        if found[words]:
            line.append(f"{found[words]} {words}   ", style)
    if not found and answerer is not None:
        line.append("none   ", "green")
    if answerer is None:
        return line.append("no server", "bold red")
    return line.append(f"told by {answerer.server}", "dim")


def _hardware(client: WatchedClient, alarms: list[HardwareAlarm]) -> RenderableType:
    title = f"hardware alarms: {len(client.alarms)}" if client.alarms else "hardware alarms"
    lines: list[RenderableType] = [Rule(Text(title, "bold"), align="left", style="dim")]
    lines.extend(
        Text.assemble(f" {clock(alarm.utc)}  ", (alarm.text, "red"), f"  {alarm.subject}") for alarm in alarms
    )
    if not alarms:
        lines.append(Text(" none since the start", "dim"))
    return Group(*lines)


def age(utc: int, since: int) -> str:
    """How long ago something was, for people; a dash for never."""
    if not since:
        return "–"
    seconds = max(0, utc - since) / 1e9
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"
