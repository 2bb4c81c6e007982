"""`changeover forecast PROJECT`: every changeover of a plant, before it happens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changeover.cli.common import fault_option, function_option, load, project_argument

if TYPE_CHECKING:
    from changeover.forecast.advice import Miss
    from changeover.forecast.result import Forecast
    from changeover.model.plant import Plant

_DURATION = re.compile(r"(?P<amount>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>ms|s|min)?", re.IGNORECASE)
_SECONDS_MAX = 1_000_000
_SECONDS_OF = {"ms": 0.001, "s": 1.0, "min": 60.0}


def read_seconds(context: click.Context, option: click.Parameter, text: str | None) -> float | None:
    """A duration such as `5s`, `500ms`, `1.5min` or `5` (seconds), as seconds; else a usage error."""
    if text is None:
        return None
    found = _DURATION.fullmatch(text.strip())
    amount = float(found["amount"]) * _SECONDS_OF[(found["unit"] or "s").lower()] if found else 0.0
    if not 0 < amount <= _SECONDS_MAX:
        raise click.BadParameter(
            f"{text!r} is no duration above 0 and up to {_SECONDS_MAX} s, write it like 5s, 500ms or 5",
            ctx=context,
            param=option,
        )
    return amount


@click.command("forecast")
@project_argument
@click.option("--version", help="Forecast for this product version instead of plant.toml's.")
@function_option
@fault_option
@click.option(
    "--target",
    metavar="DURATION",
    callback=read_seconds,
    help="Mark changeovers that may take longer: 5s, 500ms, 5.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: docs/reference/forecast-json.md.")
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the stages of each changeover into this SVG file.",
)
def command(
    folder: Path,
    version: str | None,
    function: str | None,
    fault: str | None,
    target: float | None,
    as_json: bool,
    chart: Path | None,
) -> None:
    """Forecast every changeover of PROJECT: how long, how much #COM, and which parameter makes it so."""
    plant = load(folder, version, judged=True).plant
    rows = _rows(plant, function, fault)
    missed = _missed(plant, rows, target)
    if chart is not None:
        _draw(plant, rows, target, chart)
    if as_json:
        click.echo(json.dumps(_document(plant, rows, target, missed), indent=2, ensure_ascii=False))
        return
    from changeover.cli.forecast_view import print_forecast

    print_forecast(plant, rows, target, missed)
    if chart is not None:
        click.echo(f"stages drawn in {chart}")


def _rows(plant: Plant, function: str | None, fault: str | None) -> tuple[Forecast, ...]:
    from changeover.forecast.rules import forecast_plant

    return tuple(
        row
        for row in forecast_plant(plant)
        if function in (None, row.function.value) and fault in (None, row.fault.value)
    )


def _missed(plant: Plant, rows: tuple[Forecast, ...], target: float | None) -> tuple[Miss, ...]:
    if target is None:
        return ()
    from changeover.forecast.advice import misses

    return misses(plant, rows, target)


def _document(
    plant: Plant, rows: tuple[Forecast, ...], target: float | None, missed: tuple[Miss, ...]
) -> dict[str, Any]:
    from changeover.forecast import as_json

    answer = as_json.document(plant, rows)
    if target is not None:
        answer["target_s"] = target
        answer["misses"] = [as_json.miss(found) for found in missed]
    return answer


def _draw(plant: Plant, rows: tuple[Forecast, ...], target: float | None, chart: Path) -> None:
    from changeover.forecast.chart import chart_svg

    title = f"{plant.name}, version {plant.version} (family {plant.policy.family.value})"
    try:
        chart.write_text(chart_svg(rows, title=title, target_s=target), encoding="utf-8")
    except OSError as error:
        click.echo(f"{chart} cannot be written: {error.strerror or error}", err=True)
        raise SystemExit(2) from None
