"""`changeover plan PROJECT --sweep`: what each target costs, as a table and as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from changeover.cli.common import fail
from changeover.cli.console import make_console, two_lines
from changeover.cli.plan_view import FIGURES
from changeover.config.project import Project
from changeover.forecast.result import Forecast
from changeover.forecast.wording import seconds
from changeover.guide.cells import Measure
from changeover.guide.planner import Planner
from changeover.guide.sweep import ASKED_S, Swept, sweep
from changeover.guide.sweep_chart import chart_svg


def print_sweep(
    project: Project,
    measure: Measure,
    wanted: Callable[[Forecast], bool],
    target_s: float | None,
    chart: Path,
    as_json: bool,
) -> None:
    """Plan for many targets, draw them and print them.

    Args:
        project: The project.
        measure: Which figure of a changeover has to meet a target.
        wanted: Whether a row of the forecast is asked for.
        target_s: A target that has to be among them.
        chart: Where the picture goes.
        as_json: Print JSON instead of the table.
    """
    plant = project.plant
    asked = ASKED_S if target_s is None else (*ASKED_S, target_s)
    planner = Planner(plant, project.ini, measure, wanted)
    if not planner.now_s:
        fail("nothing changes over here: no target costs anything", 1)
    swept = sweep(planner, asked, _tracked)
    title = f"{plant.name}, version {plant.version} (family {plant.policy.family.value})"
    if as_json:
        click.echo(json.dumps(document(project, measure, swept, chart), indent=2, ensure_ascii=False))
        _draw(chart, swept, title, measure)
        return
    click.echo(f"{title}: what each target costs, {FIGURES[measure]}")
    make_console().print(_table(swept))
    click.echo(f"it takes {seconds(swept.now_s)} now; {seconds(swept.least_s)} is reachable")
    click.echo("risk of false time-outs: what [limits] of plant.toml does not name is not assessed")
    _draw(chart, swept, title, measure)
    click.echo(f"drawn in {chart}")


def _draw(chart: Path, swept: Swept, title: str, measure: Measure) -> None:
    try:
        chart.write_text(chart_svg(swept, title, FIGURES[measure]), encoding="utf-8")
    except OSError as error:
        fail(f"{chart} cannot be written: {error.strerror or error}")


def document(project: Project, measure: Measure, swept: Swept, chart: Path) -> dict[str, Any]:
    """The same for programs, every target that was planned for."""
    plant = project.plant
    return {
        "plant": plant.name,
        "version": plant.version,
        "family": plant.policy.family.value,
        "at": measure.value,
        "now_s": swept.now_s,
        "reachable_s": swept.least_s,
        "chart": str(chart),
        "targets": [
            {
                "target_s": plan.target_s,
                "met": plan.is_met,
                "cost": plan.cost if plan.is_met else None,
                "values": {str(change.knob): change.value for change in plan.changes},
            }
            for plan in swept.plans
        ],
    }


def _tracked(targets: list[float]) -> Iterator[float]:
    console = Console(stderr=True)
    columns = (TextColumn("planning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield from bar.track(targets)


def _table(swept: Swept) -> Table:
    knobs = list(dict.fromkeys(change.knob for plan in swept.rows for change in plan.changes))
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    heads: Iterable[str] = ("target", "parameters", "Σ ln", *(two_lines(str(knob)) for knob in knobs))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=head == "parameters")
    table.add_row("now", "", "", *(knob.in_words(knob.value) for knob in knobs), style="bold")
    for plan in swept.rows:
        if not plan.is_met:
            table.add_row(_target(plan.target_s), "out of reach")
            continue
        values = plan.values
        cells = (knob.in_words(values[knob]) if knob in values else "" for knob in knobs)
        number = str(len(plan.changes)) if plan.changes else "as it is"
        table.add_row(_target(plan.target_s), number, f"{plan.cost:.2f}" if plan.changes else "", *cells)
    return table


def _target(target_s: float) -> str:
    return f"{target_s:g} s"
