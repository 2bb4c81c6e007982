"""`changeover plan PROJECT --sweep`: what each target costs, as a table and as a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from changeover.cli.common import fail
from changeover.cli.console import make_console, two_lines
from changeover.cli.plan_view import FIGURES
from changeover.config.project import Project
from changeover.forecast.result import Forecast
from changeover.forecast.tail import Rate
from changeover.forecast.wording import per_time, seconds
from changeover.guide.cells import Measure
from changeover.guide.planner import Planner
from changeover.guide.sweep import ASKED_S, Swept, frontier, sweep
from changeover.guide.sweep_chart import chart_svg
from changeover.guide.trip_floors import TripDemand
from changeover.model.network import Network


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a sweep.

    Attributes:
        measure: Which figure of a changeover has to meet a target.
        wanted: Whether a row of the forecast is asked for.
        target_s: A target that has to be among them.
        demand: How rarely the plant may trip falsely; None where that is not asked.
    """

    measure: Measure
    wanted: Callable[[Forecast], bool]
    target_s: float | None
    demand: TripDemand | None


def print_sweep(project: Project, asked: Asked, network: Network | None, chart: Path, as_json: bool) -> None:
    """Plan for many targets, draw them and print them.

    Args:
        project: The project.
        asked: What is asked.
        network: What was measured: the frontier of false trips follows from it.
        chart: Where the picture goes.
        as_json: Print JSON instead of the table.
    """
    plant, measure = project.plant, asked.measure
    targets = ASKED_S if asked.target_s is None else (*ASKED_S, asked.target_s)
    planner = Planner(plant, project.ini, measure, asked.wanted, asked.demand)
    if not planner.now_s:
        fail("nothing changes over here: no target costs anything", 1)
    swept = sweep(planner, targets, _tracked)
    trips = {} if network is None else frontier(plant, swept, network)
    title = f"{plant.name}, version {plant.version} (family {plant.policy.family.value})"
    bound = None if asked.demand is None else asked.demand.per_s
    drawing = _Drawing(chart, title, measure, trips, bound)
    if as_json:
        found = document(project, measure, swept, chart, trips)
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        _draw(drawing, swept)
        return
    click.echo(f"{title}: what each target costs, {FIGURES[measure]}")
    make_console().print(_table(swept, trips))
    click.echo(f"it takes {seconds(swept.now_s)} now; {seconds(swept.least_s)} is reachable")
    if network is None:
        click.echo("risk of false time-outs: what [limits] of plant.toml does not name is not assessed")
    else:
        click.echo(f"false trips: of the whole plant, by {network.seconds / 60:.1f} minutes of measuring")
    _draw(drawing, swept)
    click.echo(f"drawn in {chart}")


class _Drawing(NamedTuple):
    """What a sweep's picture is made of beside the plans."""

    chart: Path
    title: str
    measure: Measure
    trips: Mapping[float, Rate]
    bound: float | None


def _draw(drawing: _Drawing, swept: Swept) -> None:
    figure = FIGURES[drawing.measure]
    try:
        text = chart_svg(swept, drawing.title, figure, drawing.trips, drawing.bound)
        drawing.chart.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{drawing.chart} cannot be written: {error.strerror or error}")


def document(
    project: Project, measure: Measure, swept: Swept, chart: Path, trips: Mapping[float, Rate]
) -> dict[str, Any]:
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
                "false_trips_per_s": trips[plan.target_s]._asdict() if plan.target_s in trips else None,
            }
            for plan in swept.plans
        ],
    }


def _tracked(targets: list[float]) -> Iterator[float]:
    console = Console(stderr=True)
    columns = (TextColumn("planning"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        yield from bar.track(targets)


def _table(swept: Swept, trips: Mapping[float, Rate]) -> Table:
    knobs = list(dict.fromkeys(change.knob for plan in swept.rows for change in plan.changes))
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    heads: Iterable[str] = ("target", "parameters", "Σ ln", *(two_lines(escape(str(knob))) for knob in knobs))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=head == "parameters")
    if trips:
        table.add_column("false trips", justify="right")
    table.add_row("now", "", "", *(knob.in_words(knob.value) for knob in knobs), style="bold")
    for plan in swept.rows:
        if not plan.is_met:
            table.add_row(_target(plan.target_s), "out of reach")
            continue
        values = plan.values
        cells = (knob.in_words(values[knob]) if knob in values else "" for knob in knobs)
        number = str(len(plan.changes)) if plan.changes else "as it is"
        rate = [per_time(trips[plan.target_s].rate)] if trips else []
        cost = f"{plan.cost:.2f}" if plan.changes else ""
        table.add_row(_target(plan.target_s), number, cost, *cells, *rate)
    return table


def _target(target_s: float) -> str:
    return f"{target_s:g} s"
