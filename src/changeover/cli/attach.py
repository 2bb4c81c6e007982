"""What the verbs that look and act share: a client's machine that runs in this very process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import choose, fail, load
from changeover.model.moment import SECOND

if TYPE_CHECKING:
    from changeover.core.link import Link
    from changeover.model.plant import Plant, Way
    from changeover.model.server import Client, Function
    from changeover.runtime.client import ClientHost

_ANSWER_SECONDS = 10.0
"""For the answer itself, beside the changeover that may come before it."""

client_option = click.option(
    "--client",
    metavar="NAME",
    help="Which of the project's clients to be; may be left out when there is but one.",
)
wait_option = click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    help="Give up when no server answered after so many seconds; the default outlasts a changeover.",
)
local_option = click.option(
    "--local", is_flag=True, help="Times in the plant's time zone, from plant.toml, instead of UTC."
)


def load_client(folder: Path, name: str | None) -> tuple[Plant, Client]:
    """A plant that runs here, and one of its clients; ends with status 2 where there is none."""
    from changeover.runtime.process import NotRunnableError, check_runnable

    plant = load(folder).plant
    names = [client.name for client in plant.clients]
    if name is None and len(names) != 1:
        fail(f"--client NAME is needed, this project has: {', '.join(names) or 'none'}")
    client = plant.client(choose("client", name or names[0], names))
    try:
        check_runnable(plant)
    except NotRunnableError as error:
        fail(str(error))
    return plant, client


def load_asking_client(folder: Path, name: str | None, function: Function) -> tuple[Plant, Client]:
    """As `load_client`, of a client that a server of this function can be reached from."""
    plant, client = load_client(folder, name)
    if not plant.tasks(function):
        fail(f"this project has no {function.value} server")
    if not plant.task_ways(client.computer, function):
        fail(f"{client.name} is on no LAN with {' or '.join(s.name for s in plant.tasks(function))}")
    return plant, client


def answer_seconds(plant: Plant, client: Client, function: Function) -> float:
    """How long an answer may take, a search over every way included (T4), in seconds."""
    ways = plant.task_ways(client.computer, function)
    search = (len(ways) + 1) * (plant.timing.patience + plant.timing.watch)
    return search / SECOND + _ANSWER_SECONDS


def links_in_words(host: ClientHost) -> str:
    """Every way and how its link stands: `IOServer1/LAN_A open, IOServer2/LAN_A waiting`."""
    return ways_in_words(host.machine.links)


def ways_in_words(links: Mapping[Way, Link]) -> str:
    """As `links_in_words`, of any client's links."""
    return ", ".join(f"{way} {link.state.value}" for way, link in links.items())
