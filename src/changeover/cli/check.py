"""`changeover check`: everything that can be said against a project."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import json_option, project_argument, read_project
from changeover.config.diagnostics import ConfigurationError, Diagnostic, Severity, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from changeover.config.project import Project

FAULTY, STRICT = 2, 1
_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}


@click.command("check")
@project_argument
@json_option
@click.option("--strict", is_flag=True, help="End with status 1 when there are warnings; notes do not count.")
def command(folder: Path, as_json: bool, strict: bool) -> None:
    """Read PROJECT and say what is wrong in it, without effect, or worth a look: where, why, and what to do.

    Status 2 when there are errors, which forbid its use. docs/reference/checks has a page for each rule.
    """
    from changeover.guide.check import check

    project: Project | None = None
    try:
        project = read_project(folder)
        found = check(project)
    except ConfigurationError as error:
        found = (*error.diagnostics, *error.warnings)
    counts = Counter(one.severity for one in found)
    if as_json:
        click.echo(json.dumps(document(folder, project, found, counts), indent=2, ensure_ascii=False))
    else:
        for one in found:
            _print(one)
        if project is not None:
            click.echo(_parts(project))
        click.echo(", ".join(_counted(counts[severity], severity.value) for severity in Severity))
    if counts[Severity.ERROR]:
        raise SystemExit(FAULTY)
    if strict and counts[Severity.WARNING]:
        raise SystemExit(STRICT)


def document(
    folder: Path, project: Project | None, found: Sequence[Diagnostic], counts: Counter[Severity]
) -> dict[str, object]:
    """The same for programs."""
    plant = project.plant if project else None
    return {
        "project": str(folder),
        "plant": plant.name if plant else None,
        "version": plant.version if plant else None,
        "family": plant.policy.family.value if plant else None,
        "counts": {severity.value: counts[severity] for severity in Severity},
        "findings": [
            {
                "rule": one.rule,
                "severity": one.severity.value,
                "file": one.file,
                "line": one.line,
                "parameter": one.parameter,
                "problem": one.problem,
                "why": one.why or None,
                "fix": one.allowed,
            }
            for one in found
        ],
    }


def _print(one: Diagnostic) -> None:
    place = one.file if one.line is None else f"{one.file}:{one.line}"
    severity = click.style(one.severity.value, fg=_COLOURS[one.severity], bold=True)
    rule = click.style(one.rule, dim=True)
    click.echo(f"{one_line(place)}: {severity}: {one_line(f'{one.parameter}: {one.problem}')} [{rule}]")
    if one.why:
        click.echo(f"    why: {one_line(one.why)}")
    click.echo(f"    fix: {one_line(one.allowed)}")


def _parts(project: Project) -> str:
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
    )
    words = ", ".join(_counted(len(items), name) for items, name in counts)
    return f"{plant.name}: version {plant.version} (family {plant.policy.family.value}), {words}"


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"
