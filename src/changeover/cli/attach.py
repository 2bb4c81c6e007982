"""What `watch` and `write` share: a client's machine that runs in this very process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import choose, fail, load

if TYPE_CHECKING:
    from changeover.model.plant import Plant
    from changeover.model.server import Client
    from changeover.runtime.client import ClientHost

client_option = click.option(
    "--client",
    metavar="NAME",
    help="Which of the project's clients to be; may be left out when there is but one.",
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


def links_in_words(host: ClientHost) -> str:
    """Every way and how its link stands: `IOServer1/LAN_A open, IOServer2/LAN_A waiting`."""
    return ", ".join(f"{way} {link.state.value}" for way, link in host.machine.links.items())
