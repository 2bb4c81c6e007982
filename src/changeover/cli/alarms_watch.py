"""`changeover alarms --watch`: the list as it changes, on a screen or in lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from changeover.cli.alarms_filters import AlarmFilter
from changeover.cli.alarms_rows import AlarmBook, AlarmRow
from changeover.cli.alarms_view import counts, states_table
from changeover.cli.attach import ways_in_words
from changeover.cli.attached import AttachedClient
from changeover.cli.trend_times import shown, shown_zone, zone_name
from changeover.core.alarm_records import AlarmState
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.runtime.process import Ending

REFRESH_SECONDS = 0.25
_OTHER_ROWS = 5
"""Rows of the screen besides alarms: title, column heads, the line of more, the counts, one free."""


@dataclass(frozen=True, slots=True)
class AlarmsWatched:
    """What was asked for on the command line.

    Attributes:
        plant, client: Who looks.
        wanted: Which alarms.
        everything: Normal, shelved and disabled ones too.
        local: Times in the plant's time zone.
    """

    plant: Plant
    client: Client
    wanted: AlarmFilter
    everything: bool
    local: bool

    def rows(self, host: AttachedClient, book: AlarmBook) -> list[AlarmRow]:
        """What is listed now; of alarms that are normal a client knows no more than that."""
        states = host.states.values()
        if self.everything:
            known = {state.tag.lower() for state in states}
            normal = (AlarmState(alarm.tag) for key, alarm in book.alarms.items() if key not in known)
            return book.rows((*states, *normal), self.wanted)
        listed = (state for state in states if not state.disabled and not state.shelved_until_utc)
        return book.rows(listed, self.wanted)


async def watch_screen(watched: AlarmsWatched) -> int:
    """Show the screen until the end; the exit status."""
    console = Console(highlight=False)
    book = AlarmBook(watched.plant)
    with Live(console=console, screen=True, auto_refresh=False) as live:

        def show(host: AttachedClient) -> bool:
            live.update(screen(watched, host, book, console.width, console.height), refresh=True)
            return True

        return await _watch(watched, show)


async def watch_lines(watched: AlarmsWatched, as_json: bool) -> int:
    """Print changes until the end, or until nobody reads them any more; the exit status."""
    lines = _Lines(watched, as_json)
    return await _watch(watched, lines.show)


async def _watch(watched: AlarmsWatched, show: Callable[[AttachedClient], bool]) -> int:
    ending = Ending()
    host = AttachedClient(watched.plant, watched.client, Function.ALARM)
    host.start()
    try:
        while show(host) and not ending.event.is_set():
            host.news.clear()
            waiting = [asyncio.ensure_future(event.wait()) for event in (host.news, ending.event)]
            await asyncio.wait(waiting, timeout=REFRESH_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for each in waiting:
                each.cancel()
    finally:
        host.stop()
    # Let the transports close: the servers hear of it at once.
    await asyncio.sleep(0)
    return ending.status


def screen(
    watched: AlarmsWatched, host: AttachedClient, book: AlarmBook, width: int, height: int
) -> RenderableType:
    """The whole screen, on so many columns and rows."""
    zone = shown_zone(watched.plant, watched.local)
    rows = watched.rows(host, book)
    room = max(1, height - _OTHER_ROWS)
    answerer = host.answerer
    now = f"{shown(time.time_ns(), zone)} {zone_name(watched.plant, watched.local)}"
    who = Text(f"told by {answerer}")
    if answerer is None:
        who = Text(f"no server: {ways_in_words(host.machine.search.links)}", "bold red")
    hidden = len(rows) - room
    return Group(
        Text.assemble((watched.plant.name, "bold"), f"  alarms  {now}  ", who, no_wrap=True),
        states_table(rows[:room], book, zone, width),
        Text(f" … {hidden} more" if hidden > 0 else "", "dim"),
        Text(counts(rows), "bold", no_wrap=True),
    )


class _Lines:
    """Prints what changed since the last look."""

    def __init__(self, watched: AlarmsWatched, as_json: bool) -> None:
        self._watched = watched
        self._as_json = as_json
        self._book = AlarmBook(watched.plant)
        self._zone = shown_zone(watched.plant, watched.local)
        self._printed: dict[str, AlarmState] = {}
        self._server: str | None = None
        self._is_broken = False

    def show(self, host: AttachedClient) -> bool:
        """Print it; false when nobody reads it any more."""
        self._show_server(host)
        if host.answerer is not None:
            self._show_alarms(host)
        with suppress(BrokenPipeError):
            sys.stdout.flush()
            return not self._is_broken
        # What is still buffered goes nowhere, and Python does not complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False

    def _show_server(self, host: AttachedClient) -> None:
        answerer = host.answerer
        if str(answerer) == self._server:
            return
        self._server = str(answerer)
        if self._as_json:
            fields = answerer.fields() if answerer else {"server": None, "lan": None, "active": None}
            self._print(json.dumps({"utc": time.time_ns(), "kind": "server", **fields}))
        else:
            words = f"told by {answerer}" if answerer else "no server"
            self._print(f"{shown(time.time_ns(), self._zone, 3)}  {words}")

    def _show_alarms(self, host: AttachedClient) -> None:
        rows = {row.state.tag: row for row in self._watched.rows(host, self._book)}
        for tag in [*rows, *(tag for tag in self._printed if tag not in rows)]:
            state = rows[tag].state if tag in rows else host.states.get(tag, AlarmState(tag))
            if self._printed.get(tag) == state:
                continue
            self._printed[tag] = state
            alarm = self._book.find(tag)
            self._show_alarm(AlarmRow(state, alarm, self._book.value_tag(alarm)))
            if tag not in rows:
                del self._printed[tag]

    def _show_alarm(self, row: AlarmRow) -> None:
        if self._as_json:
            fields = {"utc": time.time_ns(), "kind": "alarm", **row.fields()}
            self._print(json.dumps(fields, ensure_ascii=False))
            return
        state = row.state
        parts = (shown(time.time_ns(), self._zone, 3), str(row.urgency or "–"), state.tag, state.words)
        self._print("  ".join((*parts, state.condition.value)))

    def _print(self, line: str) -> None:
        if self._is_broken:
            return
        try:
            print(line)
        except BrokenPipeError:
            self._is_broken = True
