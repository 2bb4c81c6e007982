"""`changeover drill`: real faults on real processes, held against the forecast."""

from __future__ import annotations

import signal
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from changeover.cli.common import fail, fault_option, function_option, json_option, load, project_argument
from changeover.cli.drill_backup import drill_backup, read_timeouts
from changeover.cli.drill_trips import drill_trips, read_disturbance
from changeover.cli.drill_view import audit_lines, run_and_show

if TYPE_CHECKING:
    from changeover.config.project import Project
    from changeover.drill.campaign import DrillRun
    from changeover.drill.strikes import Strike
    from changeover.model.plant import Plant
    from changeover.scenario.disturbance import Disturbance

INTERRUPTED = 130
SEND_TIMEOUTS_MS = (250, 500, 1000, 2000, 4000)
BACKUP_SECONDS = 60.0


def _finite(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and value != value:
        raise click.BadParameter("nan is no number of seconds", ctx, param)
    return value


@click.command("drill")
@project_argument
@function_option
@fault_option
@click.option("--target", metavar="NAME", help="Only this server, computer, LAN, I/O device or pair.")
@click.option("--repeat", type=click.IntRange(1, 10_000), default=1, show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the sheet, the records and the raw traces; it must not exist yet.  "
    "[default: drill-, date and time]",
)
@click.option("--loopback", is_flag=True, help="Do without namespaces, even where they may be made.")
@click.option("--seed", type=int, default=None, help="Draw the instants of the faults from this seed.")
@click.option("--version", help="Another product version than plant.toml's.")
@click.option("--backup", is_flag=True, help="Strike nothing: count false time-outs during a network backup.")
@click.option(
    "--disturb",
    callback=read_disturbance,
    metavar="WHAT",
    help="Strike nothing: hold counted false trips against the forecast's. loss:2%, bursts:300ms/10s, "
    "delay:5ms+2ms (with commas between), pauses:2s/1m, slow-device:2s/1m; mean lengths and mean gaps.",
)
@click.option(
    "--send-timeouts",
    callback=read_timeouts,
    metavar="MS,MS,…",
    help="With --backup and --disturb, the values of [LAN]SendTimeout, in milliseconds.  "
    "[default: 250 to 4000, doubled; 500,1000,2000]",
)
@click.option(
    "--device-timeouts",
    callback=read_timeouts,
    metavar="MS,MS,…",
    help="With --disturb slow-device, the values of the driver's Timeout.  [default: 500,1000,2000]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1.0, 1e6),
    callback=_finite,
    help="With --backup and --disturb, how long to count at each value.  [default: 60]",
)
@json_option
def command(
    folder: Path,
    function: str | None,
    fault: str | None,
    target: str | None,
    repeat: int,
    out: Path | None,
    loopback: bool,
    seed: int | None,
    version: str | None,
    backup: bool,
    disturb: Disturbance | None,
    send_timeouts: tuple[int, ...] | None,
    device_timeouts: tuple[int, ...] | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Start PROJECT's servers, clients and simulated PLCs, inject faults, and measure at the client.

    With the right to make network namespaces every fault is drilled; without it, those that need no network.
    The exit status is 1 when a drill misses its forecast, or an audit finds something lost or doubled.
    """
    if not (backup or disturb) and (send_timeouts or device_timeouts or seconds):
        fail("--send-timeouts, --device-timeouts and --seconds go with --backup and --disturb")
    if backup and disturb:
        fail("--backup and --disturb are two things: give one of them")
    counting = "--backup" if backup else "--disturb" if disturb else ""
    if counting and (loopback or any(option is not None for option in (function, fault, target))):
        fail(f"{counting} strikes nothing, and needs namespaces: leave the options for faults out")
    if backup and seed is not None:
        fail("--backup draws nothing from a seed: leave --seed out")
    project = load(folder, version, judged=True)
    strikes = () if counting else _strikes(project.plant, function, fault, target)
    out = out or Path(f"drill-{datetime.now():%Y%m%d-%H%M%S}")
    if out.exists():
        fail(f"--out {out} exists already: give a new folder, nothing is overwritten")
    in_lab = not loopback and may_build_lab(as_json)
    end_in_good_order()
    if not counting:
        _drill(project, out, in_lab, strikes, repeat, _seed(seed), as_json)
    elif not in_lab:
        fail("a disturbed network needs a network of its own: a lab of namespaces")
    elif disturb is not None:
        timeouts = (send_timeouts, device_timeouts)
        drill_trips(project, out, disturb, timeouts, seconds or BACKUP_SECONDS, _seed(seed), as_json)
    else:
        drill_backup(project, out, send_timeouts or SEND_TIMEOUTS_MS, seconds or BACKUP_SECONDS, as_json)


def _strikes(plant: Plant, function: str | None, fault: str | None, target: str | None) -> tuple[Strike, ...]:
    """What is asked for; ends with status 2 where the project has nothing of the kind."""
    from changeover.drill.campaign import drillable

    found = drillable(plant, function, fault, target)
    if not found:
        wanted = (("--function", function), ("--fault", fault), ("--target", target))
        asked = " ".join(f"{option} {value}" for option, value in wanted if value is not None)
        fail(f"{plant.name} has nothing to strike{': ' if asked else ''}{asked}")
    return found


def _drill(
    project: Project,
    out: Path,
    in_lab: bool,
    strikes: tuple[Strike, ...],
    repeat: int,
    seed: int,
    as_json: bool,
) -> NoReturn:
    from changeover.drill.campaign import CampaignError, DrillRun
    from changeover.drill.lab import LabError
    from changeover.drill.nemesis import NemesisError
    from changeover.drill.rig import RigError
    from changeover.drivers.modbus.address import check_address
    from changeover.runtime.process import NotRunnableError
    from changeover.storage.errors import ArchiveUnusableError

    try:
        run = DrillRun(project, out, in_lab, check_address, seed)
    except (CampaignError, NotRunnableError) as error:
        fail(str(error), status=2)
    try:
        interrupted = run_and_show(run, strikes, repeat, quiet=as_json)
        sheet, records = run.write()
    except (LabError, RigError, NemesisError, ArchiveUnusableError) as error:
        _keep(run)
        fail(str(error), status=2)
    except OSError as error:
        fail(f"{error.filename or out}: {error.strerror}", status=2)
    _conclude(run, sheet, records, as_json)
    if interrupted:
        raise SystemExit(INTERRUPTED)
    if not run.campaign.drills:
        fail("nothing was drilled, so nothing is proven: see what was left out", status=2)
    raise SystemExit(0 if run.campaign.passed else 1)


def _keep(run: DrillRun) -> None:
    """Write what was found before an error, if anything was."""
    if run.campaign.drills:
        sheet, records = run.write()
        click.echo(f"what was found until then: {sheet}, {records}", err=True)


def may_build_lab(quiet: bool) -> bool:
    """Whether a lab can be built; enters a user namespace (and starts anew in it) where that is the way."""
    from changeover.drill.rights import Right, probe, reexec_in_user_namespace

    rights = probe()
    if rights.right is Right.USER_NAMESPACE:
        reexec_in_user_namespace()
    if rights.right is Right.NONE and not quiet:
        click.echo(f"no network namespaces here: {rights.reason}", err=True)
    return rights.right is Right.DIRECT


def end_in_good_order() -> None:
    """Let SIGTERM end the drills as Ctrl-C does: everything is cleaned up, what was done is kept.

    SIGINT too, for a drill that was started in the background: a shell lets it ignore SIGINT there.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _seed(seed: int | None) -> int:
    import time

    return time.time_ns() if seed is None else seed


def _conclude(run: DrillRun, sheet: Path, records: Path, as_json: bool) -> None:
    import json

    campaign = run.campaign
    if as_json:
        click.echo(json.dumps(campaign.as_json(), indent=1))
        return
    for what, why in campaign.left_out:
        click.echo(f"left out: {what}: {why}")
    passed = sum(drill.passed for drill in campaign.drills)
    click.echo(f"{passed} of {len(campaign.drills)} drills within their forecast")
    for line in audit_lines(campaign):
        click.echo(f"  {line}")
    for audit in campaign.found_wanting:
        examples = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in audit.names.items())
        click.echo(f"FAIL {audit.kind} after {audit.after or 'everything'}: {examples}")
    click.echo(f"sheet: {sheet}\nrecords: {records}")
