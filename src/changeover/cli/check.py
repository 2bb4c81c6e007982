"""`changeover check`: every fault and warning of a project."""

from __future__ import annotations

from pathlib import Path

import click

from changeover.cli.common import family_words, load, project_argument


@click.command("check")
@project_argument
def command(folder: Path) -> None:
    """Read PROJECT and list every fault and warning in it; status 2 when there are faults."""
    project = load(folder)
    plant = project.plant
    click.echo(
        f"{plant.name}: version {plant.version} ({family_words(plant.policy.family)}), "
        f"{len(plant.computers)} computers, {len(plant.io_servers)} I/O servers, "
        f"{len(plant.io_devices)} I/O devices, {len(plant.tags)} tags, {len(plant.clients)} clients; "
        f"{len(project.warnings)} warnings"
    )
