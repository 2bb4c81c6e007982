"""`changeover simulate`: the machines on a virtual clock, beside the forecast."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import (
    choose,
    fail,
    fault_option,
    function_option,
    json_option,
    load,
    project_argument,
)

if TYPE_CHECKING:
    from changeover.cli.simulate_view import Record
    from changeover.forecast.result import Forecast
    from changeover.model.plant import Plant
    from changeover.model.server import Function
    from changeover.scenario.fault import Fault, Injection
    from changeover.scenario.measure import Measured


NOBODY = "not simulated: no client is left that asks for it, or chance decides by which LAN it does"


@click.command("simulate")
@project_argument
@function_option
@fault_option
@click.option("--target", help="Only this target: a server, a LAN, an I/O device or a pair of computers.")
@click.option("--trials", type=click.IntRange(1, 1_000_000), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed, the same trials.")
@click.option("--version", help="Another product version than plant.toml's.")
@json_option
def command(
    folder: Path,
    function: str | None,
    fault: str | None,
    target: str | None,
    trials: int,
    seed: int,
    version: str | None,
    as_json: bool,
) -> None:
    """Strike PROJECT's plant on a virtual clock, and hold what its machines do against the forecast.

    Each trial starts a fresh plant with every phase drawn anew. Alarms, trends and reports are measured in
    the same trials, I/O data in trials of its own. The exit status is 1 when a simulation contradicts its
    forecast; of true forecasts each comparison rejects one in a thousand.
    """
    from changeover.cli.simulate_view import document, print_table
    from changeover.forecast.rules import forecast_plant

    plant = load(folder, version, judged=True).plant
    rows = forecast_plant(plant)
    if target is not None:
        target = choose("target", target, list(dict.fromkeys(row.target for row in rows)))
    chosen = [
        row
        for row in rows
        if function in (None, row.function.value)
        and fault in (None, row.fault.value)
        and target in (None, row.target)
    ]
    if not chosen:
        asked = [f"function {function}", f"fault {fault}", f"target {target}"]
        fail(f"nothing to simulate: no row has {', '.join(a for a in asked if not a.endswith(' None'))}")
    records = _simulate(plant, rows, chosen, trials, seed, quiet=as_json)
    if as_json:
        click.echo(json.dumps(document(records), indent=2))
    else:
        print_table(records, trials, seed)
    raise SystemExit(0 if all(not record.contradictions for record in records) else 1)


@dataclass(frozen=True, slots=True)
class _Series:
    """Trials of one injection, and the rows that they measure: one of I/O data, or all of the others."""

    injection: Injection
    rows: tuple[Forecast, ...]

    def __str__(self) -> str:
        names = ", ".join(function.value for function in self.functions)
        return f"{self.injection.fault.value} {self.injection.target}: {names}"

    @property
    def functions(self) -> tuple[Function, ...]:
        """What is measured."""
        return tuple(row.function for row in self.rows)

    def run(self, plant: Plant, count: int, seed: int) -> Iterator[dict[Function, Measured]]:
        """By function, one measurement per trial; raises as the trials do."""
        from changeover.model.server import Function
        from changeover.simulation.task_trial import task_trials
        from changeover.simulation.trial import trials

        if self.functions == (Function.IO_DATA,):
            return ({Function.IO_DATA: one} for one in trials(plant, self.injection, count, seed))
        return task_trials(plant, self.injection, count, seed, self.functions)


def _series(plant: Plant, rows: tuple[Forecast, ...]) -> list[_Series]:
    """Which rows are measured together, whatever was chosen: the same seed gives the same trials."""
    from changeover.model.server import Function
    from changeover.scenario.fault import Injection

    together: dict[tuple[Injection, bool], list[Forecast]] = {}
    for row in rows:
        is_io = row.function is Function.IO_DATA
        injection = Injection(row.fault, row.target) if is_io else _injection(plant, row)
        together.setdefault((injection, is_io), []).append(row)
    return [_Series(injection, tuple(members)) for (injection, _), members in together.items()]


def _injection(plant: Plant, row: Forecast) -> Injection:
    """A server fault strikes the whole computer, for all functions at once, where no function loses more."""
    from changeover.scenario.fault import Injection

    if not row.fault.is_server:
        return Injection(row.fault, row.target)
    computer = plant.computer_of(row.target)
    alike = [server for server in plant.tasks(row.function) if server.computer == computer]
    return Injection(row.fault, computer if len(alike) == 1 else row.target)


def _simulate(
    plant: Plant, rows: tuple[Forecast, ...], chosen: list[Forecast], count: int, seed: int, quiet: bool
) -> list[Record]:
    """Run every series that a chosen row needs; the records come in the order of the chosen rows."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from changeover.cli.simulate_view import Record

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    records: dict[tuple[Function, Fault, str], Record] = {}
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        for series in _series(plant, rows):
            if not any(row in chosen for row in series.rows):
                continue
            task = bar.add_task(str(series), total=count)
            measured, why = _measure(plant, series, count, seed, partial(bar.advance, task))
            bar.remove_task(task)
            for row in series.rows:
                found = tuple(one[row.function] for one in measured if row.function in one)
                missing = why or (None if found else NOBODY)
                record = Record(row, series.injection, found, count if found else 0, missing)
                records[row.function, row.fault, row.target] = record
    return [records[row.function, row.fault, row.target] for row in chosen]


def _measure(
    plant: Plant, series: _Series, count: int, seed: int, advance: Callable[[], None]
) -> tuple[list[dict[Function, Measured]], str | None]:
    """Every trial of a series, or why there is none."""
    from changeover.simulation.trial import SteadyStateError

    measured = []
    try:
        for one in series.run(plant, count, seed):
            measured.append(one)
            advance()
    except ValueError as error:
        return [], f"not simulated: {error}"
    except SteadyStateError as error:
        fail(f"{series}: {error}", status=1)
    return measured, None
