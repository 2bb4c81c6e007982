"""`changeover demo`: the whole product in about a minute."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import click

from changeover.cli.common import fail, load

SILENT, FROZEN, CLOSED = "server-silent", "server-frozen", "server-closed"


@click.command("demo")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the project, the sheet and the traces; it must not exist yet.",
)
@click.option("--loopback", is_flag=True, help="Do without namespaces, even where they may be made.")
def command(out: Path | None, loopback: bool) -> None:
    """Write a project, forecast it, run it, strike its primary servers, and measure beside the forecast.

    The I/O server is killed; then the whole computer is unplugged where network namespaces may be made,
    elsewhere all its servers are frozen.
    """
    from changeover.cli.drill import end_in_good_order, may_build_lab
    from changeover.cli.drill_view import audit_lines, run_and_show
    from changeover.cli.forecast_view import print_forecast
    from changeover.cli.new import write_project
    from changeover.drill.campaign import CampaignError, DrillRun
    from changeover.drill.lab import LabError
    from changeover.drill.nemesis import NemesisError
    from changeover.drill.rig import RigError
    from changeover.drill.strikes import strikes
    from changeover.drivers.modbus.address import check_address
    from changeover.forecast.rules import forecast_plant
    from changeover.model.server import Function
    from changeover.storage.errors import ArchiveUnusableError

    out = out or Path(f"demo-{datetime.now():%Y%m%d-%H%M%S}")
    if out.exists():
        fail(f"--out {out} exists already: give a new folder, nothing is overwritten")
    in_lab = not loopback and may_build_lab(quiet=False)
    end_in_good_order()
    started = time.monotonic()
    folder = out / "project"
    try:
        out.mkdir(parents=True)
        write_project(folder)
        _step(1, f"a project in {folder}: plant.toml, citect.ini, tables of tags, alarms, trends and reports")
        plant = load(folder).plant
        whole = SILENT if in_lab else FROZEN
        rows = forecast_plant(plant)
        closed = [r for r in rows if r.fault.value == CLOSED and r.function is Function.IO_DATA]
        chosen = [*closed, *(row for row in rows if row.fault.value == whole)]
        _step(
            2, f"the forecast of two faults, from its parameters (all of them: changeover forecast {folder})"
        )
        print_forecast(plant, chosen, None, ())
        where = "in network namespaces, one per computer and device" if in_lab else "on loopback"
        _step(3, f"8 servers, a client, an operator and 2 simulated PLCs run {where}; primaries are struck")
        run = DrillRun(load(folder), out / "drill", in_lab, check_address, seed=time.time_ns())
        interrupted = run_and_show(run, strikes(plant, chosen), repeat=1)
        sheet, records = run.write()
    except (CampaignError, LabError, RigError, NemesisError, ArchiveUnusableError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}")
    for what, why in run.campaign.left_out:
        click.echo(f"  left out: {what}: {why}")
    passed = sum(drill.passed for drill in run.campaign.drills)
    _step(4, f"{passed} of {len(run.campaign.drills)} measured changeovers lie within their forecast")
    for line in audit_lines(run.campaign):
        click.echo(f"  {line}")
    click.echo(f"  sheet:   {sheet}\n  records: {records}\n  it took {time.monotonic() - started:.0f} s")
    click.echo(
        f"next: changeover up {folder}   and in another terminal: changeover watch {folder} --client HMI1"
    )
    if interrupted:
        raise SystemExit(130)
    raise SystemExit(0 if run.campaign.passed else 1)


def _step(number: int, text: str) -> None:
    click.echo()
    click.secho(f"{number}. {text}", bold=True)
