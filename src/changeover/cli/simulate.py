"""`changeover simulate`: the machines on a virtual clock, beside the forecast."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from changeover.model.moment import to_seconds

if TYPE_CHECKING:
    from changeover.forecast.result import Forecast
    from changeover.forecast.stages import Distribution
    from changeover.model.plant import Plant
    from changeover.scenario.measure import Measured

AGREES = "agrees"
MEASURES = ("changeover_s", "com_s", "detection_s", "return_s")


@click.command("simulate")
@project_argument
@function_option
@fault_option
@click.option("--target", help="Only this target: a server, a LAN or an I/O device.")
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

    Each trial starts a fresh plant with every phase drawn anew. Simulated is I/O data. The exit status is 1
    when a simulation contradicts its forecast; of true forecasts each comparison rejects one in a thousand.
    """
    from changeover.forecast.rules import forecast_plant
    from changeover.model.plant import NetworkProtocol
    from changeover.model.server import Function

    plant = load(folder, version).plant
    if plant.network_protocol is not NetworkProtocol.ACKNOWLEDGED:
        fail(
            f'network_protocol = "{plant.network_protocol.value}" can only be forecast (D2); '
            'set it to "acknowledged" to simulate'
        )
    if function not in (None, Function.IO_DATA.value):
        fail(f"function {function} can only be forecast, simulated is {Function.IO_DATA.value}")
    rows = [row for row in forecast_plant(plant) if row.function is Function.IO_DATA]
    if target is not None:
        target = choose("target", target, list(dict.fromkeys(row.target for row in rows)))
    chosen = [row for row in rows if fault in (None, row.fault.value) and target in (None, row.target)]
    if not chosen:
        fail(f"nothing to simulate: no {fault} of {target}" if target else f"nothing to simulate: {fault}")
    records = _simulate(plant, chosen, trials, seed, quiet=as_json)
    if as_json:
        documents = [{k: v for k, v in record.items() if k != "verdicts"} for record in records]
        click.echo(json.dumps({"simulations": documents}, indent=2))
    else:
        _print(records, trials, seed)
    raise SystemExit(0 if all(not record["contradictions"] for record in records) else 1)


def _simulate(
    plant: Plant, rows: list[Forecast], trials: int, seed: int, quiet: bool
) -> list[dict[str, Any]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from changeover.scenario.fault import Injection
    from changeover.simulation.trial import SteadyStateError
    from changeover.simulation.trial import trials as run_trials

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    records = []
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        for row in rows:
            task = bar.add_task(f"{row.fault.value} {row.target}", total=trials)
            measured: list[Measured] = []
            why = ""
            try:
                for one in run_trials(plant, Injection(row.fault, row.target), trials, seed):
                    measured.append(one)
                    bar.advance(task)
            except ValueError as error:
                why = f"not simulated: {error}"
            except SteadyStateError as error:
                fail(f"{row.fault.value} {row.target}: {error}", status=1)
            bar.remove_task(task)
            records.append(_record(row, measured, 0 if why else trials, why))
    return records


def _record(row: Forecast, measured: list[Measured], trials: int, why: str) -> dict[str, Any]:
    from changeover.forecast.as_json import row as row_json
    from changeover.scenario.summary import summarise

    forecast = row_json(row)
    expected: dict[str, Distribution | None] = {
        "changeover_s": row.changeover,
        "com_s": row.com,
        "detection_s": row.detection,
        "return_s": row.return_,
    }
    record: dict[str, Any] = {
        "function": row.function.value,
        "fault": row.fault.value,
        "target": row.target,
        "trials": trials,
    }
    # What the forecast calls not applicable (null, with its reason) is not measured either.
    samples = {m: _samples(measured, m) if d is not None else [] for m, d in expected.items()}
    record |= {measure: summarise(found) for measure, found in samples.items()}
    verdicts = {
        measure: _verdict(distribution, samples[measure], trials)
        for measure, distribution in expected.items()
        if distribution is not None and not why
    }
    contradictions = [f"{m}: {verdict}" for m, verdict in verdicts.items() if verdict != AGREES]
    contradictions.extend(_other_outcome(row, measured))
    record["forecast"] = {"outcome": forecast["outcome"]} | {m: forecast[m] for m in MEASURES}
    record["forecast"]["reason"] = forecast["reason"]
    record["contradictions"] = contradictions
    record["reason"] = why or None
    record["verdicts"] = verdicts
    return record


def _verdict(forecast: Distribution, samples: list[float], trials: int) -> str:
    from changeover.forecast.compare import compare

    if len(samples) < trials:
        return f"seen in {len(samples)} of {trials} trials only"
    return str(compare(forecast, samples))


def _other_outcome(row: Forecast, measured: list[Measured]) -> list[str]:
    """What happened although the forecast says lost, or unaffected."""
    from changeover.forecast.result import Outcome

    moved = sum(one.changeover is not None for one in measured)
    if row.outcome is Outcome.LOST and moved:
        return [f"outcome: lost, but changed over in {moved} of {len(measured)} trials"]
    shaken = sum(one.com is not None and one.com.last > 0 for one in measured)
    if row.outcome is Outcome.UNAFFECTED and shaken:
        return [f"outcome: unaffected, but tags showed #COM in {shaken} of {len(measured)} trials"]
    return []


def _samples(measured: list[Measured], measure: str) -> list[float]:
    spans = []
    for one in measured:
        if measure == "detection_s":
            spans.append(one.detection)
        else:
            span = {"changeover_s": one.changeover, "com_s": one.com, "return_s": one.return_}[measure]
            spans.append(span.last if span is not None else None)
    return [to_seconds(span) for span in spans if span is not None]


def _print(records: list[dict[str, Any]], trials: int, seed: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title=f"{trials} trials each, seed {seed}; seconds: simulated, below it the forecast",
        title_justify="left",
        show_edge=False,
        pad_edge=False,
    )
    for heading in ("fault", "target", "measure"):
        table.add_column(heading, no_wrap=True)
    for heading in ("min", "mean", "p95", "max"):
        table.add_column(heading, justify="right")
    table.add_column("verdict")
    for record in records:
        first = True
        for measure in MEASURES:
            simulated, forecast = record[measure], record["forecast"][measure]
            if simulated is None and forecast is None:
                continue
            names = (record["fault"], record["target"]) if first else ("", "")
            label = {"com_s": "#COM", "return_s": "return"}.get(measure, measure.removesuffix("_s"))
            verdict = record["verdicts"].get(measure, "")
            style = "green" if verdict == AGREES else "bold red"
            table.add_row(*names, label, *_figures(simulated), f"[{style}]{verdict}[/]")
            table.add_row("", "", "[dim]forecast[/]", *(f"[dim]{f}[/]" for f in _figures(forecast)), "")
            first = False
        if first:
            table.add_row(
                record["fault"], record["target"], record["forecast"]["outcome"], "", "", "", "", ""
            )
        table.add_section()
    Console().print(table)


def _figures(summary: dict[str, float] | None) -> tuple[str, ...]:
    if summary is None:
        return ("-", "-", "-", "-")
    from changeover.forecast.compare import ROUNDING_S

    return tuple(f"{summary[key] + ROUNDING_S:.3f}" for key in ("min", "mean", "p95", "max"))
