"""Which parameter moves which changeover, and by how much: asked of the forecast, not of a table of rules.

A changeover is piecewise linear in each parameter, so two differences say it: of one unit more, and of one
unit less. Where they differ two time-outs meet. Where both are nothing the parameter may still count
elsewhere: then the value is looked for from which on it does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from changeover.config.ini import IniFile
from changeover.config.parameters import ParameterUnit
from changeover.config.servers import PAGE_SCAN_MS_MAX, PAGE_SCAN_MS_MIN
from changeover.forecast.detection import PAGE_SCAN, ROUND_TRIP
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_one
from changeover.forecast.stages import Distribution
from changeover.guide.cells import ROUNDING_S
from changeover.guide.knobs import Knob, knobs_of, return_knobs_of, turned
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant

_MS = ParameterUnit.MILLISECONDS
_ROUND_TRIP_MS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Lever:
    """Anything that governs a changeover or a return: a parameter of citect.ini, or a number of plant.toml.

    Attributes:
        name: As stages and diagnostics name it.
        value: What it is now.
        unit: What the value counts.
        least: Its least value.
        most: Its greatest value.
        turn: The plant with another value.
        knob: The parameter of citect.ini, None for what plant.toml says.
    """

    name: str
    value: int
    unit: ParameterUnit
    least: int
    most: int
    turn: Callable[[Plant, int], Plant]
    knob: Knob | None = None

    @property
    def units(self) -> int:
        """How many of its own units a sensitivity is said for: one second of a time-out, one retry."""
        return 1000 if self.unit is _MS else 1


@dataclass(frozen=True, slots=True)
class Figures:
    """What is asked of a row, in seconds; None where it has no such figure."""

    longest: float | None
    mean: float | None
    com: float | None
    return_: float | None

    def less(self, other: Figures) -> Figures:
        """The differences to another; figures that only one of the two has are none."""

        def difference(one: float | None, two: float | None) -> float | None:
            return None if one is None or two is None else one - two

        return Figures(
            difference(self.longest, other.longest),
            difference(self.mean, other.mean),
            difference(self.com, other.com),
            difference(self.return_, other.return_),
        )

    @property
    def is_nothing(self) -> bool:
        """Whether all there is is zero."""
        return all(abs(one or 0.0) <= ROUNDING_S for one in (self.longest, self.mean, self.com, self.return_))


@dataclass(frozen=True, slots=True)
class Influence:
    """What one lever does to one row.

    Attributes:
        lever: The lever.
        row: The row as it is.
        now: Its figures.
        more: What one unit more adds to them, in seconds; None at the greatest value.
        less: What one unit less takes off them; None at the least value.
        counts_below: Where it does nothing at its value: the largest below from which on it shortens the
            longest changeover. None where there is none.
        counts_above: Likewise the least above from which on it lengthens it.
        stages: Names and rules of the stages that it governs.
    """

    lever: Lever
    row: Forecast
    now: Figures
    more: Figures | None
    less: Figures | None
    counts_below: int | None
    counts_above: int | None
    stages: tuple[tuple[str, str], ...]

    @property
    def is_none(self) -> bool:
        """Whether it does nothing to the row, at its value."""
        return all(step is None or step.is_nothing for step in (self.more, self.less))

    @property
    def slope(self) -> float:
        """Seconds that one unit more adds to the longest changeover; one unit less, at the greatest value."""
        step = self.more or self.less
        return 0.0 if step is None else step.longest or 0.0


def levers_of(plant: Plant, ini: IniFile) -> tuple[Lever, ...]:
    """Everything that governs changeovers and returns of a project, parameters of citect.ini first."""
    knobs = (*knobs_of(plant, ini), *return_knobs_of(plant, ini))
    slowest = max((client.page_scan for client in plant.clients), default=0) // MILLISECOND
    trip = plant.round_trip // MILLISECOND
    return (
        *(_of_knob(knob) for knob in knobs),
        Lever(PAGE_SCAN, slowest, _MS, PAGE_SCAN_MS_MIN, PAGE_SCAN_MS_MAX, _with_page_scan),
        Lever(ROUND_TRIP, trip, _MS, 0, _ROUND_TRIP_MS_MAX, _with_round_trip),
    )


def _of_knob(knob: Knob) -> Lever:
    def turn(plant: Plant, value: int) -> Plant:
        return turned(plant, {knob: value})

    parameter = knob.parameter
    return Lever(str(knob), knob.value, parameter.unit, knob.least, parameter.maximum, turn, knob)


def _with_page_scan(plant: Plant, value: int) -> Plant:
    """All clients as much quicker or slower as the slowest."""
    slowest = max(client.page_scan for client in plant.clients)
    shift = value * MILLISECOND - slowest
    clients = (
        replace(client, page_scan=max(client.page_scan + shift, MILLISECOND)) for client in plant.clients
    )
    return replace(plant, clients=tuple(clients))


def _with_round_trip(plant: Plant, value: int) -> Plant:
    shift = value - plant.round_trip // MILLISECOND
    return replace(plant, round_trip=plant.round_trip + shift * MILLISECOND)


def figures_of(row: Forecast) -> Figures:
    """The figures of a row."""
    return Figures(
        _longest(row.changeover),
        None if row.changeover is None else row.changeover.mean,
        _longest(row.com),
        _longest(row.return_),
    )


def _longest(distribution: Distribution | None) -> float | None:
    return None if distribution is None else distribution.maximum


def influence(plant: Plant, lever: Lever, row: Forecast) -> Influence:
    """What a lever does to a row of the plant's forecast."""

    def ask(value: int) -> Figures:
        there = forecast_one(lever.turn(plant, value), row.function, row.fault, row.target)
        return figures_of(there)

    now = figures_of(row)
    more = ask(lever.value + 1).less(now) if lever.value < lever.most else None
    less = ask(lever.value - 1).less(now) if lever.value > lever.least else None
    below = above = None
    if now.longest is not None and (less is None or less.is_nothing) and (more is None or more.is_nothing):
        longest = now.longest

        def shortens(value: int) -> bool:
            return (ask(value).longest or 0.0) < longest - ROUNDING_S

        def lengthens(value: int) -> bool:
            return (ask(value).longest or 0.0) > longest + ROUNDING_S

        below = _last(lever.least, lever.value, shortens)
        above = _last(lever.most, lever.value, lengthens)
    stages = tuple(dict.fromkeys((s.name, s.rule) for s in row.stages if _governs(lever, s.parameter)))
    return Influence(lever, row, now, more, less, below, above, stages)


def _last(far: int, near: int, counts: Callable[[int], bool]) -> int | None:
    """The value next to `near` with which it counts, from `far` on; None where it does not even there."""
    if far == near or not counts(far):
        return None
    while abs(far - near) > 1:
        middle = (far + near) // 2
        if counts(middle):
            far = middle
        else:
            near = middle
    return far


def _governs(lever: Lever, parameter: str) -> bool:
    """Whether a stage's parameter, which may be a pair such as `[MODNET]Timeout, Retry`, is this lever."""
    if lever.knob is None:
        return lever.name == parameter
    section, bracket, names = parameter.partition("]")
    own = f"[{lever.knob.parameter.section}"
    return bool(bracket) and section == own and lever.knob.parameter.name in names.split(", ")


def worst_rows(rows: Iterable[Forecast], devices: Collection[str] = ()) -> tuple[Forecast, ...]:
    """Of each function and fault the row with the longest changeover, in the order given.

    Args:
        rows: Of one plant.
        devices: Where given, faults of other I/O devices do not count.
    """
    found: dict[tuple[object, object], Forecast] = {}
    for row in rows:
        if devices and row.fault.is_device and row.target not in devices:
            continue
        kind = (row.function, row.fault)
        if kind not in found or _rank(row) > _rank(found[kind]):
            found[kind] = row
    return tuple(found.values())


def told_rows(rows: Iterable[Forecast], devices: Collection[str] = ()) -> tuple[Forecast, ...]:
    """The rows to explain: every server, LAN and pair; of the I/O devices the worst for each fault.

    Args:
        rows: Of one plant.
        devices: Where given, faults of other I/O devices do not count.
    """
    rows = tuple(rows)
    worst = {id(row) for row in worst_rows((row for row in rows if row.fault.is_device), devices)}
    return tuple(row for row in rows if not row.fault.is_device or id(row) in worst)


def _rank(row: Forecast) -> float:
    return row.changeover.maximum if row.changeover is not None else -1.0


def influences_of(plant: Plant, lever: Lever, rows: Iterable[Forecast]) -> tuple[Influence, ...]:
    """What a lever does to every row; of the I/O devices to the worst of those that it governs."""
    units = lever.knob.units if lever.knob is not None else frozenset()
    governed = [
        device.name for device in plant.io_devices if any(unit.name in units for unit in device.units)
    ]
    return tuple(influence(plant, lever, row) for row in told_rows(rows, governed))
