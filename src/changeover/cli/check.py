"""`changeover check`: every fault and warning of a project."""

from __future__ import annotations

from pathlib import Path

import click

from changeover.cli.common import load, project_argument


@click.command("check")
@project_argument
def command(folder: Path) -> None:
    """Read PROJECT and list every fault and warning in it; status 2 when there are faults."""
    project = load(folder)
    plant = project.plant
    counts = (
        (plant.computers, "computer"),
        (plant.io_servers, "I/O server"),
        (plant.io_devices, "I/O device"),
        (plant.tags, "tag"),
        (plant.clients, "client"),
        (plant.alarms, "alarm"),
        (plant.trends, "trend"),
        (plant.reports, "report"),
        (project.warnings, "warning"),
    )
    words = (f"{len(items)} {name}{'' if len(items) == 1 else 's'}" for items, name in counts)
    family = plant.policy.family.value
    click.echo(f"{plant.name}: version {plant.version} (family {family}), {', '.join(words)}")
