"""Alarms as they stand, once."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from changeover.cli.alarms import SHOWN_MAX
from changeover.cli.alarms_filters import AlarmFilter
from changeover.cli.alarms_rows import AlarmBook
from changeover.cli.alarms_view import counts, states_table
from changeover.cli.attached import Answerer, Asking, converse
from changeover.cli.console import make_console
from changeover.cli.trend_times import shown_zone, zone_name
from changeover.core.alarm_records import AlarmState
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.runtime.alarm_pages import all_states

"""So many are shown where no limit is given: nobody reads more, and drawing them takes time."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was asked for on the command line.

    Attributes:
        plant, client: Who asks.
        wanted: Which alarms.
        everything: Normal, shelved and disabled ones too.
        limit: The most urgent so many; None for all, of which a terminal shows some.
        local: Times in the plant's time zone.
    """

    plant: Plant
    client: Client
    wanted: AlarmFilter
    everything: bool
    limit: int | None
    local: bool


def print_list(listing: Listing, wait_seconds: float | None, as_json: bool) -> None:
    """Ask for it and print it."""

    async def talk(asking: Asking) -> tuple[tuple[AlarmState, ...], Answerer]:
        states = await all_states(asking.ask, listed_only=not listing.everything)
        return states, asking.answerer

    plant = listing.plant
    states, answerer = converse(plant, listing.client, Function.ALARM, wait_seconds, talk)
    book = AlarmBook(plant)
    rows = book.rows(states, listing.wanted)
    if as_json:
        fields = [row.fields() for row in rows[: listing.limit]]
        document = {"plant": plant.name, **answerer.fields(), "alarms": fields}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    console = make_console()
    shown = rows[: listing.limit or SHOWN_MAX]
    if rows:
        console.print(states_table(shown, book, shown_zone(plant, listing.local), console.width))
    if len(shown) < len(rows):
        console.print(f"the {len(shown)} most urgent of {len(rows)}, --limit shows more", soft_wrap=True)
    zone = zone_name(plant, listing.local)
    console.print(f"{counts(rows)}; times in {zone}; told by {answerer}", soft_wrap=True)
