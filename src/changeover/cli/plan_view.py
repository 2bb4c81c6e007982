"""How a plan is shown: what to change, what each changeover takes then, and what is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from changeover.cli.console import add_alike, make_console
from changeover.cli.plan_trips import TripOutlook
from changeover.forecast.advice import holders
from changeover.forecast.wording import seconds
from changeover.guide.cells import Cell, Measure, cell_of
from changeover.guide.knobs import turned
from changeover.guide.load import load_of
from changeover.guide.planner import Change, Figure, Plan, worst_by_kind
from changeover.guide.remedies import Remedy
from changeover.model.plant import Plant

_SHARE_S = 0.005
FIGURES = {
    Measure.MAX: "at the longest",
    Measure.P99: "in 99 of 100 cases",
    Measure.MEAN: "on average",
}


def print_plan(plant: Plant, plan: Plan, found: Sequence[Remedy], trips: TripOutlook | None = None) -> None:
    """Print a plan for people, and where it cannot be met what would help."""
    console = make_console()
    family = plant.policy.family.value
    figure = FIGURES[plan.measure]
    head = f"{plant.name}, version {plant.version} (family {family}): {plan.target_s:g} s {figure}"
    if not plan.before and not plan.lost:
        click.echo(f"{head}: nothing changes over here")
        return
    click.echo(head)
    if plan.unmet:
        for line in (*_unmet(plan), *_remedies(found, len(plan.lost))):
            click.echo(line)
    elif not plan.before:
        click.echo("cannot be met: each of these faults leaves nothing, and no parameter helps")
        for line in _remedies(found, len(plan.lost)):
            click.echo(line)
    elif not plan.changes:
        click.echo("met as it is: nothing to change")
    else:
        console.print(_changes(plan.changes, plan.target_s))
        for line in _proof(plan):
            click.echo(line)
    for line in _lost(plan):
        click.echo(line)
    if plan.before:
        console.print(_figures(plan))
    for line in _below(plan):
        click.echo(line)
    for line in _load(plant, plan):
        click.echo(line)
    for line in _risk(plan) if trips is None else trips.lines():
        click.echo(line)


def document(
    plant: Plant, plan: Plan, found: Sequence[Remedy], written: str | None, trips: TripOutlook | None = None
) -> dict[str, Any]:
    """The same for programs."""
    before, after = load_of(plant), load_of(turned(plant, plan.values))
    return {
        "plant": plant.name,
        "version": plant.version,
        "family": plant.policy.family.value,
        "target_s": plan.target_s,
        "at": plan.measure.value,
        "met": plan.is_met,
        "cost": plan.cost,
        "gap": plan.gap,
        "whole": plan.is_whole,
        "changes": [
            {
                "parameter": str(change.knob),
                "unit": change.knob.parameter.unit.value,
                "line": change.knob.line,
                "old": change.knob.value,
                "new": change.value,
                "floor": change.floor.value,
                "floor_why": change.floor.why or None,
                "assessed": change.floor.is_assessed,
                "binding": _figure(change.binding),
                "without": _figure(change.without),
            }
            for change in plan.changes
        ],
        "alternatives": [
            {"cost": other.cost, "values": {str(knob): value for knob, value in other.values.items()}}
            for other in plan.alternatives
        ],
        "before": [_figure(one) for one in plan.before],
        "after": [_figure(one) for one in plan.after],
        "unmet": [{"cell": _cell(one.cell), "seconds": one.seconds} for one in plan.unmet],
        "remedies": [
            {"what": one.what, "reachable_s": one.reach_s, "meets": one.meets, "lost": one.lost}
            for one in found
        ],
        "lost": [{**_cell(cell_of(row)), "why": row.reason} for row in plan.lost],
        "below_limits": [
            {"parameter": str(knob), "value": knob.value, "floor": floor.value, "why": floor.why}
            for knob, floor in plan.floors.items()
            if floor.why and knob.value < floor.value
        ],
        "heartbeats_per_s": {"before": before.heartbeats_per_s, "after": after.heartbeats_per_s},
        "false_trips": None if trips is None else trips.as_json(),
        "written": written,
    }


def _cell(cell: Cell) -> dict[str, str]:
    return {"function": cell.function.value, "fault": cell.fault.value, "target": cell.target}


def _figure(figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else {**_cell(figure.cell), "seconds": figure.seconds}


def _beyond(amount: float, target_s: float) -> str:
    """Seconds that miss a target, with as many digits as show it."""
    return seconds(amount) if seconds(amount) != seconds(target_s) else f"{amount:.4f} s"


def _changes(changes: Iterable[Change], target_s: float) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    for name in ("parameter", "now", "then", "least", "larger by one"):
        table.add_column(name, justify="left" if name in ("parameter", "larger by one") else "right")
    for change in changes:
        knob, binding = change.knob, change.binding
        table.add_row(
            escape(str(knob)),
            knob.in_words(knob.value),
            knob.in_words(change.value),
            knob.in_words(change.floor.value),
            f"{binding.cell} would take {_beyond(binding.seconds, target_s)}" if binding else "",
        )
    return table


def _proof(plan: Plan) -> list[str]:
    needed = [change for change in plan.changes if change.without is not None]
    lines = [
        f"  without {change.knob}, all others at their least, {change.without.cell} would take"
        f" {seconds(change.without.seconds)}"
        for change in needed
        if change.without is not None
    ]
    count = len(plan.changes)
    words = "one parameter" if count == 1 else f"{count} parameters"
    head = f"{words}, Σ ln(old/new) = {plan.cost:.3f}"
    if not plan.is_whole:
        head += ": of very many sets of as many parameters only some were tried, another may cost less"
    else:
        head += ": no fewer are enough"
    if plan.gap:
        head += f"; proved to be the least to within {plan.gap:g}"
    if plan.alternatives:
        head += f"; {_alternative(plan)}"
    return [head, *lines]


def _alternative(plan: Plan) -> str:
    """The next best of as many parameters, by what is other in it."""
    other, values = plan.alternatives[0], plan.values
    instead = ", ".join(
        f"{knob} = {knob.in_words(v)}" for knob, v in other.values.items() if knob not in values
    )
    left = ", ".join(str(knob) for knob in values if knob not in other.values)
    more = f", and {len(plan.alternatives) - 1} more" if len(plan.alternatives) > 1 else ""
    return f"or {instead} in place of {left}, {other.cost:.3f}{more}"


def _below(plan: Plan) -> list[str]:
    """Values that are below what was measured already: no plan raises them."""
    kept = [knob for knob, floor in plan.floors.items() if floor.why and knob.value < floor.value]
    return [
        f"already too short, and left as it is: {knob} = {knob.in_words(knob.value)}, {plan.floors[knob].why}"
        for knob in kept
    ]


def _unmet(plan: Plan) -> list[str]:
    worst = plan.unmet[0]
    reach = _beyond(worst.seconds, plan.target_s)
    lines = [f"not realistic: with every parameter at its least {reach} are reachable"]
    alike: dict[str, list[str]] = {}
    for kind in worst_by_kind(Figure(one.cell, one.seconds) for one in plan.unmet):
        row = next(one.row for one in plan.unmet if one.cell == kind.cell)
        shares = ", ".join(
            f"{parameter} makes {seconds(share)}"
            for parameter, share in holders(row)[:3]
            if share >= _SHARE_S
        )
        told = f"{kind.cell.fault.value} takes {_beyond(kind.seconds, plan.target_s)}: {shares}"
        alike.setdefault(told, []).append(kind.cell.function.value)
    lines += [f"  {', '.join(functions)} {told}" for told, functions in alike.items()]
    floors = ((knob, floor) for knob, floor in plan.floors.items() if floor.why)
    lines += [f"  {knob} is at least {knob.in_words(floor.value)}: {floor.why}" for knob, floor in floors]
    return lines


def _lost(plan: Plan) -> list[str]:
    """What comes to no changeover, and the first reason why."""
    alike: dict[str, list[str]] = {}
    for row in plan.lost:
        told = f"{row.fault.value} {row.target}: {(row.reason or '').partition('; ')[0]}"
        alike.setdefault(told, []).append(row.function.value)
    return [f"lost: {', '.join(functions)} {told}" for told, functions in alike.items()]


def _remedies(found: Iterable[Remedy], lost: int) -> list[str]:
    return [
        f"  with {one.what}: {seconds(one.reach_s)}{', which meets it' if one.meets else ''}"
        f"{f'; of these faults {one.lost} leave nothing then, {lost} now' if one.lost != lost else ''}"
        for one in found
    ]


def _figures(plan: Plan) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    then = "at the least" if plan.unmet else "then"
    for name in ("function", "fault", "now", then, "margin"):
        table.add_column(name, justify="left" if name in ("function", "fault") else "right")
    after = {(f.cell.function, f.cell.fault): f for f in worst_by_kind(plan.after)}
    rows = []
    for now in worst_by_kind(plan.before):
        found = after[now.cell.function, now.cell.fault]
        left = seconds(plan.target_s - found.seconds) if found.seconds <= plan.target_s else "missed"
        names = (now.cell.function.value, now.cell.fault.value)
        rows.append((*names, seconds(now.seconds), seconds(found.seconds), left))
    add_alike(table, rows)
    return table


def _load(plant: Plant, plan: Plan) -> list[str]:
    before, after = load_of(plant), load_of(turned(plant, plan.values))
    if after.heartbeats_per_s == before.heartbeats_per_s:
        return []
    return [
        f"heartbeats of the I/O servers: {before.heartbeats_per_s:.2f} per second now, "
        f"{after.heartbeats_per_s:.2f} then, on {after.sessions} sessions"
    ]


def _risk(plan: Plan) -> list[str]:
    """What is not known of the risk that a time-out is false."""
    changed = {change.knob for change in plan.changes}
    unknown = [
        str(knob)
        for knob, floor in plan.floors.items()
        if floor.is_assessed is False and (knob in changed or (plan.unmet and floor.value < knob.value))
    ]
    if not unknown:
        return []
    return [
        f"risk of false time-outs: not assessed for {', '.join(unknown)}: "
        "[limits] in plant.toml does not say how slow all answers and acknowledgements can be"
    ]
