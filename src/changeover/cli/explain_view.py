"""How influences are shown: by parameter, by changeover, and as a matrix of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click
from rich.markup import escape
from rich.table import Table

from changeover.cli.console import add_alike, fits, make_console, two_lines
from changeover.config.parameters import Parameter, ParameterUnit
from changeover.config.project import Project
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.wording import few, seconds, span
from changeover.guide.influence import Figures, Influence, Lever
from changeover.model.server import Function

_NONE = "·"
_FEW = 8
_HEADS = ("longest", "mean", "#COM", "return")


def row_document(row: Parameter) -> dict[str, object]:
    """A row of the parameter table for programs."""
    return {
        "parameter": str(row),
        "unit": row.unit.value,
        "range": [row.minimum, row.maximum],
        "defaults": dict(zip("ABC", row.defaults, strict=True)),
        "affects": row.affects,
        "use": row.use.value,
        "source": row.source,
    }


def print_row(row: Parameter) -> None:
    """Print a row of the parameter table."""
    a, b, c = row.defaults
    default = str(a) if a == b == c else f"{a} in family A, {b} in B, {c} in C"
    click.echo(f"{row}: default {default}, {row.allowed}")
    click.echo(f"  {row.affects} Source: {row.source}.")


def influence_document(one: Influence) -> dict[str, object]:
    """An influence for programs: figures in seconds, sensitivities in seconds per unit of the parameter."""
    return {
        "parameter": one.lever.name,
        "value": one.lever.value,
        "unit": one.lever.unit.value,
        "line": one.lever.knob.line if one.lever.knob is not None else None,
        "function": one.row.function.value,
        "fault": one.row.fault.value,
        "target": one.row.target,
        "outcome": one.row.outcome.value,
        "now": _document(one.now),
        "one_unit_more": None if one.more is None else _document(one.more),
        "one_unit_less": None if one.less is None else _document(one.less),
        "counts_below": one.counts_below,
        "counts_above": one.counts_above,
        "stages": [{"name": name, "rule": rule} for name, rule in one.stages],
    }


def _document(figures: Figures) -> dict[str, float | None]:
    return {
        "longest": figures.longest,
        "mean": figures.mean,
        "com": figures.com,
        "return": figures.return_,
    }


def print_lever(project: Project, lever: Lever, influences: Sequence[Influence]) -> None:
    """What one parameter does in a project."""
    click.echo(_head(project, lever))
    if lever.knob is not None:
        click.echo(f"  {lever.knob.parameter.affects} Source: {lever.knob.parameter.source}.")
    click.echo()
    shown = [one for one in influences if not one.is_none]
    if shown:
        click.echo(f"how many seconds one {_one_more(lever)} more adds")
        table = _table("function", "fault", "target", "longest now", *_HEADS)
        add_alike(
            table,
            ((one.row.function.value, *_struck(one.row), _longest(one.row), *_steps(one)) for one in shown),
        )
        make_console().print(table)
        for line in _by(shown):
            click.echo(line)
    for line in _elsewhere(influences, shown):
        click.echo(line)
    click.echo()


def print_changeover(project: Project, row: Forecast, influences: Sequence[Influence]) -> None:
    """What one changeover is made of, and what each parameter adds to it."""
    plant = project.plant
    name = f"{row.function.value} {row.fault.value} {row.target}"
    click.echo(
        f"{plant.name}, version {plant.version} (family {plant.policy.family.value}): {name}: {_said(row)}"
    )
    if row.stages:
        stages = _table("stage", "takes", "by", "rule")
        for stage in row.stages:
            stages.add_row(stage.name, span(stage.distribution), stage.parameter, stage.rule)
        make_console().print(stages)
        for line in _stack(project, row):
            click.echo(line)
        click.echo()
    shown = [one for one in influences if not one.is_none]
    if shown:
        table = _table("parameter", "now", *(f"{head}, s" for head in _HEADS), "for one more")
        for one in shown:
            table.add_row(one.lever.name, _valued(one.lever), *_steps(one), _one_more(one.lever))
        make_console().print(table)
    silent = [one for one in influences if one.is_none]
    later = [line for one in silent if (line := _later(one))]
    for line in later:
        click.echo(line)
    without = [one.lever.name for one in silent if not _later(one)]
    if without:
        click.echo(f"no effect: {', '.join(dict.fromkeys(without))}")
    click.echo()


def _stack(project: Project, row: Forecast) -> list[str]:
    """The numbers of the network stack, and where each is set, of a changeover that they decide (D2)."""
    if not any("D2" in stage.rule for stage in row.stages):
        return []
    table = project.plant.network_protocol.value
    return [f"  {one}" for one in project.stacks.settings.values() if one.row.table == table]


def print_matrix(project: Project, levers: Sequence[Lever], found: Sequence[Sequence[Influence]]) -> None:
    """Every parameter against every changeover."""
    plant = project.plant
    family = plant.policy.family.value
    click.echo(f"{plant.name}, version {plant.version} (family {family})")
    click.echo("longest changeovers, and how many seconds one second (or one retry) more adds to them")
    used = [
        (lever, many)
        for lever, many in zip(levers, found, strict=True)
        if any(_slope(one) != _NONE for one in many)
    ]
    table = _table(
        "function", "fault", "target", "longest now", *(two_lines(lever.name) for lever, _ in used)
    )
    by_row = [{_kind(one.row): one for one in many} for _, many in used]
    rows = {_kind(one.row): one.row for many in found for one in reversed(many)}
    lines = []
    for kind in dict.fromkeys(_kind(one.row) for many in found for one in many):
        row = rows[kind]
        if row.outcome is not Outcome.UNAFFECTED:
            cells = (_cell(ones.get(kind), row) for ones in by_row)
            lines.append((row.function.value, *_struck(row), _longest(row), *cells))
    add_alike(table, lines)
    console = make_console()
    if fits(console, table):
        console.print(table)
    else:
        for line in _listed(lines, [lever.name for lever, _ in used]):
            click.echo(line)
    idle = [lever.name for lever in levers if lever not in {lever for lever, _ in used}]
    if idle:
        click.echo(f"on no changeover: {few(idle) if len(idle) > _FEW else ', '.join(idle)}")
    click.echo(
        "changeover explain PROJECT PARAMETER says more, --function and --fault show a changeover's stages"
    )


def _struck(row: Forecast) -> tuple[str, str]:
    """The fault, and the target where it says more than the function does."""
    return row.fault.value, "" if row.fault.is_server and row.function is not Function.IO_DATA else row.target


def _kind(row: Forecast) -> tuple[object, ...]:
    """What makes one line of the matrix: of I/O devices the fault alone, each lever has its own worst."""
    return row.function, row.fault, "" if row.fault.is_device else row.target


def _cell(one: Influence | None, row: Forecast) -> str:
    """A sensitivity; of a driver that governs other I/O devices than the row's, of the worst of its own."""
    if one is None or _slope(one) == _NONE:
        return _NONE
    return _slope(one) if one.row.target == row.target else f"{_slope(one)} ({one.row.target})"


def _listed(rows: Iterable[tuple[str, ...]], names: Sequence[str]) -> list[str]:
    """The matrix where it is too wide for the terminal: a line for each changeover."""
    functions: dict[str, list[str]] = {}
    for function, fault, target, longest, *cells in rows:
        moved = (f"{name} {cell}" for name, cell in zip(names, cells, strict=True) if cell != _NONE)
        told = f"{f'{fault} {target}'.strip()}, {longest}: {', '.join(moved) or 'nothing'}"
        functions.setdefault(told, []).append(function)
    return [f"{', '.join(found)} {told}" for told, found in functions.items()]


def _by(shown: Sequence[Influence]) -> list[str]:
    """By which stages it does so, and in which changeovers."""
    faults: dict[str, list[str]] = {}
    for one in shown:
        stages = ", ".join(dict.fromkeys(f"{name} ({rule})" for name, rule in one.stages))
        if stages:
            faults.setdefault(stages, []).append(one.row.fault.value)
    return [f"by {stages}: {', '.join(dict.fromkeys(names))}" for stages, names in faults.items()]


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    texts = ("function", "fault", "target", "by", "rule", "stage", "parameter", "for one more")
    for head in heads:
        table.add_column(escape(head), justify="left" if head in texts else "right")
    return table


def _head(project: Project, lever: Lever) -> str:
    plant = project.plant
    what = f"{plant.name}, version {plant.version} (family {plant.policy.family.value})"
    if lever.knob is None:
        return f"{what}: {lever.name} = {_valued(lever)}, plant.toml"
    line, row = lever.knob.line, lever.knob.parameter
    default = row.default(plant.policy.family)
    where = "the default" if line is None else f"{project.ini.file}:{line}, default {default}"
    return f"{what}: {lever.name} = {_valued(lever)}, {where}, {row.allowed}"


def _valued(lever: Lever) -> str:
    unit = "" if lever.unit is ParameterUnit.COUNT else f" {lever.unit.value}"
    return f"{lever.value}{unit}"


def _one_more(lever: Lever) -> str:
    return "retry" if lever.unit is ParameterUnit.COUNT else "second"


def _steps(one: Influence) -> tuple[str, ...]:
    def shown(read: str) -> str:
        more = None if one.more is None else getattr(one.more, read)
        less = None if one.less is None else getattr(one.less, read)
        return _step(more, None if less is None else -less, one.lever.units)

    return shown("longest"), shown("mean"), shown("com"), shown("return_")


def _step(more: float | None, less: float | None, units: int) -> str:
    """A sensitivity; where the two differ both: for more, and for less of the parameter."""
    found = [_signed(one * units) for one in (more, less) if one is not None]
    if not found:
        return ""
    if len(set(found)) == 1:
        return found[0]
    return f"{found[0]} up, {found[1]} down"


def _signed(amount: float) -> str:
    if abs(amount) < 0.005:
        return _NONE
    return f"{amount:+.2f}".replace("-", "−")


def _slope(one: Influence) -> str:
    more = None if one.more is None else one.more.longest
    less = None if one.less is None or one.less.longest is None else -one.less.longest
    return _step(more, less, one.lever.units) or _NONE


def _longest(row: Forecast) -> str:
    return seconds(row.changeover.maximum) if row.changeover is not None else row.outcome.value


def _said(row: Forecast) -> str:
    if row.changeover is None:
        return f"{row.outcome.value}{f': {row.reason}' if row.reason else ''}"
    return f"{span(row.changeover)}, mean {seconds(row.changeover.mean)}"


def _later(one: Influence) -> str:
    """Where a parameter without effect begins to have one."""
    cell = " ".join((one.row.function.value, *_struck(one.row))).strip()
    name = one.lever.name
    lines = []
    if one.counts_below is not None:
        lines.append(f"from {unit_of(one, one.counts_below)} down it shortens it")
    if one.counts_above is not None:
        lines.append(f"from {unit_of(one, one.counts_above)} up it lengthens it")
    return f"{name} does nothing to {cell} at {_valued(one.lever)}; {', '.join(lines)}" if lines else ""


def unit_of(one: Influence, value: int) -> str:
    """A value of a lever with its unit."""
    return str(value) if one.lever.unit is ParameterUnit.COUNT else f"{value} {one.lever.unit.value}"


def _elsewhere(influences: Iterable[Influence], shown: Sequence[Influence]) -> list[str]:
    """Where it does nothing: with a value that would change that, and without."""
    silent = [one for one in influences if one not in shown]
    later = [line for one in silent if (line := _later(one))]
    faults: dict[str, list[str]] = {}
    for one in silent:
        if not _later(one):
            faults.setdefault(one.row.function.value, []).append(" ".join(_struck(one.row)).strip())
    by_faults: dict[str, list[str]] = {}
    for function, names in faults.items():
        by_faults.setdefault(", ".join(names), []).append(function)
    nothing = [f"no effect on {', '.join(functions)}: {names}" for names, functions in by_faults.items()]
    return [*later, *nothing]
