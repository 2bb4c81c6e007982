"""`changeover drill --disturb`: false trips under a disturbance, predicted and counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import fail

if TYPE_CHECKING:
    from changeover.config.project import Project
    from changeover.drill.trips import TripPoint, TripRun
    from changeover.scenario.disturbance import Disturbance

INTERRUPTED = 130
DEFAULT_MS = (500, 1000, 2000)


def read_disturbance(ctx: click.Context, param: click.Parameter, text: str | None) -> Disturbance | None:
    """A disturbance of the command line; a usage error for any other text."""
    from changeover.runtime.disturbances import parse_disturbance

    try:
        return None if text is None else parse_disturbance(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def drill_trips(
    project: Project,
    out: Path,
    disturbance: Disturbance,
    timeouts: tuple[tuple[int, ...] | None, tuple[int, ...] | None],
    seconds: float,
    seed: int,
    as_json: bool,
) -> None:
    """Count false trips at each value, hold them against the forecast, write the sheet, and end.

    Args:
        project: The project.
        out: Folder for what is found.
        disturbance: What is done.
        timeouts: Values of SendTimeout and of the driver's Timeout that were asked for, in milliseconds.
        seconds: How long to count at each.
        seed: Of what is drawn.
        as_json: Whether to print the records.
    """
    import json

    from changeover.config.diagnostics import ConfigurationError
    from changeover.drill.lab import LabError
    from changeover.drill.nemesis import NemesisError
    from changeover.drill.rig import RigError
    from changeover.drill.sheet_trips import trips_html
    from changeover.drill.trips import TripRun, write_trips
    from changeover.drivers.modbus.address import check_address
    from changeover.runtime.process import NotRunnableError

    values = _values(disturbance, *timeouts)
    try:
        run = TripRun(project, out, check_address, disturbance, seed)
        interrupted = _run_and_show(run, values, seconds, as_json)
        result = run.result()
        sheet, records = write_trips(result, out, trips_html(result))
    except (LabError, RigError, NemesisError, NotRunnableError) as error:
        fail(str(error))
    except ConfigurationError as error:
        fail("; ".join(map(str, error.diagnostics)))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1))
    else:
        click.echo(f"sheet: {sheet}\nrecords: {records}")
    raise SystemExit(INTERRUPTED if interrupted else 0 if result.holds else 1)


def _values(
    disturbance: Disturbance, send: tuple[int, ...] | None, device: tuple[int, ...] | None
) -> tuple[int, ...]:
    from changeover.scenario.disturbance import SlowAnswers

    is_device = isinstance(disturbance, SlowAnswers)
    if is_device and send is not None:
        fail("a slow device trips the driver's Timeout: give --device-timeouts, not --send-timeouts")
    if not is_device and device is not None:
        fail("this disturbance trips SendTimeout: give --send-timeouts, not --device-timeouts")
    return (device if is_device else send) or DEFAULT_MS


def _run_and_show(run: TripRun, values: tuple[int, ...], seconds: float, quiet: bool) -> bool:
    """Count, one line for each value; whether it was interrupted."""
    from rich.console import Console

    console = Console(stderr=quiet, highlight=False)
    with console.status("") as status:

        def say(text: str) -> None:
            status.update(f"[dim]{text}[/dim]".replace("[LAN]", "\\[LAN]"))

        try:
            for point in run.run(values, seconds, say):
                for line in _lines(run.parameter, point):
                    console.print(line, soft_wrap=True, markup=False)
        except KeyboardInterrupt:
            console.print("[bold]interrupted: everything is cleaned up; the sheet holds what was done[/bold]")
            return True
    return False


def _lines(parameter: str, point: TripPoint) -> tuple[str, str]:
    verdict = "inside" if point.holds else "OUTSIDE"
    moved = f", a value by another way after {point.moved_s:.3f} s" if point.moved_s is not None else ""
    back = f" after {point.back_s:.3f} s" if point.back_s is not None else ""
    return (
        f"{parameter} {point.value_ms} ms: {point.counted} false trips in {point.seconds:.0f} s, "
        f"predicted {point.predicted:.1f} ({point.low} to {point.high}): {verdict}",
        f"  hardware error with {point.errors}, changeover with {point.moved}{moved}, "
        f"attached again {point.back}{back}",
    )
