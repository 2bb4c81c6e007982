"""What several verbs share: loading a project, and saying what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click

from changeover.config.diagnostics import ConfigurationError, Diagnostic
from changeover.config.project import Project, load_project
from changeover.model.server import Function
from changeover.scenario.fault import Fault

project_argument = click.argument("folder", metavar="PROJECT", type=click.Path(path_type=Path))
function_option = click.option(
    "--function", type=click.Choice([f.value for f in Function]), help="Only this function."
)
fault_option = click.option("--fault", type=click.Choice([f.value for f in Fault]), help="Only this fault.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")


def read_project(folder: Path, version: str | None = None) -> Project:
    """Read a project; addresses are checked by the drivers.

    Raises:
        ConfigurationError: With every fault in it.
    """
    from changeover.drivers.modbus.address import check_address

    return load_project(folder, version=version, check_address=check_address)


def load(folder: Path, version: str | None = None, *, judged: bool = False) -> Project:
    """Load a project; with faults in it, list them all and end with status 2.

    Args:
        folder: The project's folder.
        version: Replaces the version in plant.toml.
        judged: Whether to list, on stderr, all that `changeover check` warns of, not only what is wrong in
            the rows of its files: for verbs of whoever designs the plant, not of its operators.
    """
    try:
        project = read_project(folder, version)
    except ConfigurationError as error:
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        for warning in error.warnings:
            click.echo(f"warning: {warning}", err=True)
        raise SystemExit(2) from None
    for warning in _judged(project) if judged else project.warnings:
        click.echo(f"warning: {warning}", err=True)
    return project


def _judged(project: Project) -> tuple[Diagnostic, ...]:
    from changeover.guide.check import check, warnings

    return warnings(check(project))


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something goes on: a large plant takes seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


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
