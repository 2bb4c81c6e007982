"""What several verbs share: loading a project, and saying what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from changeover.config.diagnostics import ConfigurationError
from changeover.config.project import Project, load_project
from changeover.model.server import Function
from changeover.scenario.fault import Fault

project_argument = click.argument("folder", metavar="PROJECT", type=click.Path(path_type=Path))
function_option = click.option(
    "--function", type=click.Choice([f.value for f in Function]), help="Only this function."
)
fault_option = click.option("--fault", type=click.Choice([f.value for f in Fault]), help="Only this fault.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")


def load(folder: Path, version: str | None = None) -> Project:
    """Load a project, warnings to stderr; with faults in it, list them all and end with status 2."""
    from changeover.drivers.modbus.address import check_address

    try:
        project = load_project(folder, version=version, check_address=check_address)
    except ConfigurationError as error:
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        for warning in error.warnings:
            click.echo(f"warning: {warning}", err=True)
        raise SystemExit(2) from None
    for warning in project.warnings:
        click.echo(f"warning: {warning}", err=True)
    return project


def fail(text: str, status: int = 2) -> NoReturn:
    """Say what is wrong on stderr and end."""
    click.echo(f"changeover: {text}", err=True)
    raise SystemExit(status)


def choose(what: str, name: str, known: Sequence[str]) -> str:
    """A name as its owner spells it, case aside; ends with status 2 when it is unknown."""
    for candidate in known:
        if candidate.lower() == name.lower():
            return candidate
    fail(f"no {what} {name} in this project, it has: {', '.join(known) or 'none'}")
