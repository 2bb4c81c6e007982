"""`changeover drill --backup`: a network backup while everything runs, and what is given up falsely."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import fail

if TYPE_CHECKING:
    from changeover.config.project import Project
    from changeover.drill.backup import BackupPoint

INTERRUPTED = 130


def drill_backup(
    project: Project, out: Path, send_timeouts_ms: tuple[int, ...], seconds: float, as_json: bool
) -> None:
    """Count false time-outs at each SendTimeout, write the sheet, and end."""
    import json

    from changeover.config.diagnostics import ConfigurationError
    from changeover.drill.backup import BackupRun, write_backup
    from changeover.drill.lab import LabError
    from changeover.drill.rig import RigError
    from changeover.drill.sheet_backup import backup_html
    from changeover.drivers.modbus.address import check_address
    from changeover.runtime.process import NotRunnableError

    try:
        run = BackupRun(project, out, check_address)
        interrupted = _run_and_show(run.run, send_timeouts_ms, seconds, as_json)
        result = run.result()
        sheet, records = write_backup(result, out, backup_html(result))
    except (LabError, RigError, NotRunnableError) as error:
        fail(str(error))
    except ConfigurationError as error:
        fail("; ".join(map(str, error.diagnostics)))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    if as_json:
        click.echo(json.dumps(result.as_json(), indent=1))
    else:
        for point in result.points:
            if point.predicted is not None:
                click.echo(_prediction(point))
        click.echo(f"sheet: {sheet}\nrecords: {records}")
    raise SystemExit(INTERRUPTED if interrupted else 0)


def read_timeouts(ctx: click.Context, param: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Milliseconds with commas between; a usage error for any other text."""
    if text is None:
        return None
    try:
        values = tuple(int(word) for word in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: write milliseconds with commas between, like 500,1000,2000", ctx, param
        ) from None
    if min(values) <= 0 or len(set(values)) < len(values):
        raise click.BadParameter(f"{text!r}: each must be above 0, and stand there once", ctx, param)
    return values


def _run_and_show(
    run: Callable[..., Iterator[BackupPoint]], send_timeouts_ms: tuple[int, ...], seconds: float, quiet: bool
) -> bool:
    """Count, one line for each SendTimeout; whether it was interrupted."""
    from rich.console import Console

    console = Console(stderr=quiet, highlight=False)
    with console.status("") as status:

        def say(text: str) -> None:
            status.update(f"[dim]{text}[/dim]")

        try:
            for point in run(send_timeouts_ms, seconds, say):
                console.print(_line(point), soft_wrap=True)
        except KeyboardInterrupt:
            console.print("[bold]interrupted: everything is cleaned up; the sheet holds what was done[/bold]")
            return True
    return False


def _prediction(point: BackupPoint) -> str:
    verdict = "inside" if point.holds else "OUTSIDE"
    return (
        f"SendTimeout {point.send_timeout_ms:>5} ms: {point.given_up} times one of {point.exposed} sessions "
        f"to the I/O server was given up, predicted {point.predicted:.1f} ({point.low} to {point.high}) by "
        f"the probe's delays at the other values: {verdict}"
    )


def _line(point: BackupPoint) -> str:
    answered = f", 99 % answered within {point.delay_s['p99']:.3f} s" if point.delay_s else ""
    return (
        f"SendTimeout {point.send_timeout_ms:>5} ms, {point.seconds:.0f} s: given up {point.io_timeouts} "
        f"sessions to I/O servers, {point.task_timeouts} to alarm, trend and report servers, "
        f"{point.partners_lost} partners; closed by the other side {point.closings}: "
        f"{point.timeouts_per_hour:.0f} false time-outs per hour{answered}"
    )
