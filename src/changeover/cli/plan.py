"""`changeover plan PROJECT --target 5s`: the smallest change of parameters that reaches a target."""

from __future__ import annotations

import json
import os
import tempfile
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import fail, json_option, load, project_argument, working
from changeover.cli.forecast import read_seconds
from changeover.cli.plan_trips import read_false_trips
from changeover.model.server import Function
from changeover.scenario.fault import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from changeover.config.project import Project
    from changeover.forecast.result import Forecast
    from changeover.guide.planner import Plan

UNMET = 1
SWEEP_FILE = "plan-sweep.svg"


@click.command("plan")
@project_argument
@click.option("--target", metavar="DURATION", callback=read_seconds, help="The target: 5s, 500ms, 5.")
@click.option(
    "--function",
    "functions",
    multiple=True,
    type=click.Choice([f.value for f in Function]),
    help="Only this function; may be given several times.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    type=click.Choice([f.value for f in Fault]),
    help="Only this fault; may be given several times.",
)
@click.option(
    "--at",
    type=click.Choice(["max", "p99", "mean"]),
    default="max",
    show_default=True,
    help="Which figure of each changeover has to meet the target.",
)
@click.option("--version", help="Plan for this product version instead of plant.toml's.")
@click.option("--sweep", is_flag=True, help="Plan for many targets, and say what each costs.")
@click.option(
    "--chart",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw the sweep into this SVG file; by default plan-sweep.svg in the folder you are in.",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `changeover measure` wrote: state the risk of false trips. One of each computer, if need be.",
)
@click.option(
    "--false-trips",
    callback=read_false_trips,
    metavar="RATE",
    help="With --network, how often the whole plant may trip falsely: 1/year, 2/day. Floors follow from it.",
)
@click.option("--write", is_flag=True, help="Set the parameters in citect.ini; a backup is left beside it.")
@json_option
def command(
    folder: Path,
    target: float | None,
    functions: tuple[str, ...],
    faults: tuple[str, ...],
    at: str,
    version: str | None,
    sweep: bool,
    chart: Path | None,
    networks: tuple[Path, ...],
    false_trips: float | None,
    write: bool,
    as_json: bool,
) -> None:
    """The smallest change of PROJECT's parameters with which every changeover meets a target.

    Fewest parameters first, then least Σ ln(old/new); the result is exact. Status 1 where it cannot be met.
    With --sweep a table and a picture of what each target costs.
    """
    if target is None and not sweep:
        raise click.UsageError("--target is wanted, such as --target 5s; or --sweep for many targets")
    if sweep and write:
        raise click.UsageError(
            "--sweep writes no parameters: plan for one target with --target, then --write"
        )
    if chart is not None and not sweep:
        raise click.UsageError("--chart draws a sweep: give --sweep")
    if chart is not None and chart.suffix.lower() != ".svg":
        raise click.UsageError(f"--chart writes an SVG file: {chart} does not end with .svg")
    if false_trips is not None and not networks:
        raise click.UsageError("--false-trips needs --network: a rate follows from what was measured")
    from changeover.cli.plan_trips import TripOutlook, demand_of, load_networks
    from changeover.guide.cells import Measure
    from changeover.guide.planner import make_plan
    from changeover.guide.remedies import remedies

    if write and version is not None:
        fail("--write plans for the version of plant.toml: leave --version out")
    project = load(folder, version, judged=True)
    measured = load_networks(networks, project.plant)
    demand = demand_of(measured, false_trips)
    if sweep:
        from changeover.cli.plan_sweep import Asked, print_sweep

        measure = Measure(at)
        asked_for = Asked(measure, _wanted(functions, faults), target, demand)
        print_sweep(project, asked_for, measured, chart or Path(SWEEP_FILE), as_json)
        return
    assert target is not None, "either of the two is there"
    asked = (project.plant, project.ini, target, Measure(at), _wanted(functions, faults), demand)
    with working("planning"):
        plan = make_plan(*asked)
        found = remedies(*asked) if plan.unmet or not plan.before else ()
    trips = None if measured is None else TripOutlook.of(project.plant, plan, measured, false_trips)
    is_met = plan.is_met and (trips is None or trips.is_kept)
    written = _write(project, plan) if write and is_met else None
    if as_json:
        from changeover.cli.plan_view import document

        click.echo(
            json.dumps(document(project.plant, plan, found, written, trips), indent=2, ensure_ascii=False)
        )
    else:
        from changeover.cli.plan_view import print_plan

        print_plan(project.plant, plan, found, trips)
        if written:
            click.echo(written)
    raise SystemExit(0 if is_met else UNMET)


def _wanted(functions: tuple[str, ...], faults: tuple[str, ...]) -> Callable[[Forecast], bool]:
    return lambda row: (
        (not functions or row.function.value in functions) and (not faults or row.fault.value in faults)
    )


def _write(project: Project, plan: Plan) -> str:
    """Set the plan's parameters in citect.ini, and write what the computers need; what was done, in words."""
    from changeover.cli.plan_stack import write_stack

    done = [write_stack(project, plan)] if any(change.knob.is_of_stack for change in plan.changes) else []
    if not done or any(not change.knob.is_of_stack for change in plan.changes):
        done.append(_write_ini(project, plan))
    return "\n".join(done)


def _write_ini(project: Project, plan: Plan) -> str:
    from changeover.config.ini import parse_ini
    from changeover.config.ini_edit import Assignment, edited
    from changeover.config.text_file import UnreadableFileError, read_bytes

    # What a link leads to is changed, not the link.
    path = Path(project.ini.file).resolve()
    assignments = [
        Assignment(change.knob.section, change.knob.parameter.name, change.value)
        for change in plan.changes
        if not change.knob.is_of_stack
    ]
    try:
        before = read_bytes(path)
        if parse_ini(before, project.ini.file) != project.ini:
            fail(f"{path} has changed since it was read: nothing is written, plan again", UNMET)
        if not path.stat().st_mode & 0o222:
            fail(f"{path} is read-only: nothing is written")
        after = edited(before, assignments)
        if after == before:
            return f"{path}: nothing to change"
        backup = replace_whole(path, before, after)
    except UnreadableFileError as error:
        fail(str(error.diagnostic))
    except OSError as error:
        fail(f"{error.filename or path}: {error.strerror}")
    return f"{path}: {len(assignments)} set, what it was is in {backup}"


def replace_whole(path: Path, before: bytes, after: bytes) -> Path:
    """Replace a file's content, all of it or nothing; its mode and owner stay.

    Returns:
        The backup beside it, under the first name that is free.
    """
    part = _beside(path, after)
    try:
        backup = _backup(path, before)
        try:
            part.replace(path)
        except BaseException:
            backup.unlink(missing_ok=True)
            raise
    finally:
        part.unlink(missing_ok=True)
    return backup


def _beside(path: Path, content: bytes) -> Path:
    """A new file with this content, and the mode and owner of another one."""
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        like = path.stat()
        part.chmod(like.st_mode)
        if (like.st_uid, like.st_gid) != (part.stat().st_uid, part.stat().st_gid):
            os.chown(part, like.st_uid, like.st_gid)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return part


def _backup(path: Path, content: bytes) -> Path:
    """Keep what a file was, under the first name that is free."""
    kept = _beside(path, content)
    try:
        for number in count():
            backup = path.with_name(f"{path.name}.bak{number or ''}")
            try:
                os.link(kept, backup)
            except FileExistsError:
                continue
            return backup
    finally:
        kept.unlink(missing_ok=True)
    raise AssertionError("some name is free")
