"""From a target to parameters: the smallest change with which every changeover that is asked for meets it.

Fewest parameters first, then least Σ ln(old / new). Both are exact (`subsets`, `values`); the plan carries
the proof: for each parameter in it, which changeover would miss the target without it, and which one keeps
its value from being larger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from changeover.config.ini import IniFile
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_plant
from changeover.guide.cells import ROUNDING_S, Cell, Measure, Oracle, changing_over
from changeover.guide.floors import Floor
from changeover.guide.knobs import Knob, Values, knobs_of
from changeover.guide.subsets import Subsets
from changeover.guide.trip_floors import TripDemand, floors_of
from changeover.guide.values import BestValues
from changeover.model.plant import Plant

GAPS = {Measure.MAX: 0.0, Measure.P99: 0.01, Measure.MEAN: 0.01}
"""By how much less Σ ln another plan might cost. The longest of a changeover is piecewise linear, so a plan
for it is the best there is; the others are curved, and what is left to prove is a hundredth of a parameter.
"""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a cell takes, in seconds."""

    cell: Cell
    seconds: float


@dataclass(frozen=True, slots=True)
class Change:
    """One parameter of a plan.

    Attributes:
        knob: The parameter.
        value: What it has to be.
        floor: How low it might go.
        binding: What would take how long with a value larger by one: it keeps this one from being larger.
        without: What would take how long without this change, all others at their floors: no plan can do
            without it. None where another set of as many parameters can.
    """

    knob: Knob
    value: int
    floor: Floor
    binding: Figure | None
    without: Figure | None


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another set of as many parameters that meets the target too, at a greater change."""

    values: Values
    cost: float


@dataclass(frozen=True, slots=True)
class Unmet:
    """A changeover that misses the target whatever the parameters are.

    Attributes:
        cell: Which.
        seconds: What is left of it with every parameter at its floor.
        row: Its forecast then.
    """

    cell: Cell
    seconds: float
    row: Forecast


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change for a target.

    Attributes:
        target_s: The target, in seconds.
        measure: Which figure of a changeover it is held against.
        changes: The parameters, in the order of the knobs; none where the target is met as it is.
        cost: Σ ln(old / new).
        before: What each cell takes now.
        after: What it takes then, or with all parameters at their floors where the target cannot be met.
        unmet: What cannot meet it, the longest first.
        lost: Rows that are asked for and come to no changeover at all.
        alternatives: Other sets of as many parameters, the next best first.
        floors: Of every knob.
        forecasts: How many forecasts of a cell the search made.
        divided: How many intervals it divided: the size of the proof.
        is_whole: Whether every set of as few parameters was looked at; else another one may cost less.
        gap: By how much less Σ ln other values of the same parameters might cost.
    """

    target_s: float
    measure: Measure
    changes: tuple[Change, ...]
    cost: float
    before: tuple[Figure, ...]
    after: tuple[Figure, ...]
    unmet: tuple[Unmet, ...]
    lost: tuple[Forecast, ...]
    alternatives: tuple[Alternative, ...]
    floors: Mapping[Knob, Floor]
    forecasts: int
    divided: int
    is_whole: bool
    gap: float

    @property
    def is_met(self) -> bool:
        """Whether every changeover that is asked for meets the target with these changes.

        What is lost comes to no changeover, whatever the parameters are; where there is nothing else, no.
        """
        return not self.unmet and bool(self.before or not self.lost)

    @property
    def values(self) -> dict[Knob, int]:
        """The changes as values."""
        return {change.knob: change.value for change in self.changes}


class _Found(NamedTuple):
    """What a search has found.

    Attributes:
        best: The best.
        others: With another set of as many parameters in one place, the next best first.
        divided: How many intervals were divided.
        is_whole: Whether every set was looked at.
    """

    best: Alternative
    others: tuple[Alternative, ...]
    divided: int
    is_whole: bool


_NOTHING = _Found(Alternative({}, 0.0), (), 0, True)


def make_plan(
    plant: Plant,
    ini: IniFile,
    target_s: float,
    measure: Measure = Measure.MAX,
    wanted: Callable[[Forecast], bool] = lambda _: True,
    demand: TripDemand | None = None,
) -> Plan:
    """Plan for a target.

    Args:
        plant: The plant as it is.
        ini: Its citect.ini.
        target_s: The target, in seconds.
        measure: Which figure of a changeover.
        wanted: Whether a row of the forecast is asked for.
        demand: How rarely it may trip falsely, None where that is not asked.
    """
    return Planner(plant, ini, measure, wanted, demand).plan(target_s)


class Planner:
    """Plans for one plant, as often as one likes: what was forecast once is known.

    Args:
        plant, ini, measure, wanted, demand: As for `make_plan`.

    Attributes:
        lost: Rows that are asked for and come to no changeover at all.
    """

    def __init__(
        self,
        plant: Plant,
        ini: IniFile,
        measure: Measure,
        wanted: Callable[[Forecast], bool],
        demand: TripDemand | None = None,
    ) -> None:
        self._knobs = knobs_of(plant, ini)
        self._floors = floors_of(plant, self._knobs, demand)
        self._least = {knob: floor.value for knob, floor in self._floors.items() if floor.value < knob.value}
        self._measure = measure
        rows = [row for row in forecast_plant(plant) if wanted(row)]
        self.lost = tuple(row for row in rows if row.outcome is Outcome.LOST)
        self._cells = changing_over(rows)
        self._oracle = Oracle(plant, self._knobs, measure)
        self._oracle.learn(rows)
        self._some = self._unlike()

    @property
    def now_s(self) -> float:
        """The longest changeover as it is, in seconds; 0 where there is none."""
        return max((figure.seconds for figure in self._figures({})), default=0.0)

    @property
    def least_s(self) -> float:
        """The longest changeover with every parameter at its floor, in seconds; 0 where there is none."""
        return max((figure.seconds for figure in self._figures(self._least)), default=0.0)

    def plan(self, target_s: float) -> Plan:
        """Plan for a target, in seconds."""
        least = self._figures(self._least)
        unmet = sorted(
            (figure for figure in least if figure.seconds > target_s + ROUNDING_S),
            key=lambda figure: -figure.seconds,
        )
        if unmet:
            return self._plan(target_s, _NOTHING, [self._unmet(figure) for figure in unmet])
        while True:
            # What meets the target with some of the cells is the best for all if it meets it with all.
            found = self._search(target_s)
            missed = [f for f in self._figures(found.best.values) if f.seconds > target_s + ROUNDING_S]
            if not missed:
                return self._plan(target_s, found, [])
            # Cells that miss it by the same are most likely alike, too: one of each.
            unlike = {(f.cell.function, f.cell.fault, f.seconds): f.cell for f in reversed(missed)}
            self._some.extend(unlike.values())

    def _search(self, target_s: float) -> _Found:
        """The best for some of the cells."""
        cells = tuple(self._some)
        parts = _parts(cells, self._least, self._oracle)
        found = self._searched(parts, target_s)
        values = found.best.values
        if len(parts) > 1 and any(self._oracle.figure(c, values) > target_s + ROUNDING_S for c in cells):
            # Parts that are tied after all.
            return self._searched([cells], target_s)
        return found

    def _searched(self, parts: Iterable[tuple[Cell, ...]], target_s: float) -> _Found:
        """The best for cells of which no two parts have a knob in common, each part by itself."""
        values: dict[Knob, int] = {}
        swaps: list[tuple[Alternative, Alternative]] = []
        divided, is_whole = 0, True
        for cells in parts:
            search = BestValues(self._oracle, self._least, target_s, cells, GAPS[self._measure])
            sets, are_all = Subsets(self._oracle, self._least, target_s).smallest(cells)
            is_whole &= are_all
            solved = []
            for knobs in sets:
                one = search.find(knob for knob in self._least if knob in knobs)
                assert one is not None, "with all of them at their floors the target is met"
                solved.append(Alternative(one, _cost(one)))
            best, *others = sorted(solved, key=lambda one: one.cost)
            values.update(best.values)
            swaps += [(best, other) for other in others]
            divided += search.divided
        others = []
        for best, other in swaps:
            swapped = {k: v for k, v in values.items() if k not in best.values} | dict(other.values)
            others.append(Alternative(swapped, _cost(swapped)))
        ordered = tuple(sorted(others, key=lambda one: one.cost))
        return _Found(Alternative(values, _cost(values)), ordered, divided, is_whole)

    def _plan(self, target_s: float, found: _Found, unmet: list[Unmet]) -> Plan:
        values = found.best.values
        ordered = [knob for knob in self._knobs if values.get(knob, knob.value) != knob.value]
        changes = tuple(self._change(knob, values, target_s) for knob in ordered)
        return Plan(
            target_s=target_s,
            measure=self._measure,
            changes=changes,
            cost=found.best.cost,
            before=self._figures({}),
            after=self._figures(self._least if unmet else values),
            unmet=tuple(unmet),
            lost=self.lost,
            alternatives=found.others,
            floors=self._floors,
            forecasts=self._oracle.asked,
            divided=found.divided,
            is_whole=found.is_whole,
            gap=GAPS[self._measure],
        )

    def _change(self, knob: Knob, values: Values, target_s: float) -> Change:
        larger = self._worst({**values, knob: values[knob] + 1}) if values[knob] < knob.value else None
        spared = {other: floor for other, floor in self._least.items() if other != knob}
        without = self._worst(spared)
        return Change(
            knob,
            values[knob],
            self._floors[knob],
            larger if larger and larger.seconds > target_s + ROUNDING_S else None,
            without if without and without.seconds > target_s + ROUNDING_S else None,
        )

    def _figures(self, values: Values) -> tuple[Figure, ...]:
        return tuple(Figure(cell, self._oracle.figure(cell, values)) for cell in self._cells)

    def _worst(self, values: Values) -> Figure | None:
        figures = (Figure(cell, self._oracle.figure(cell, values)) for cell in self._some)
        return max(figures, key=lambda figure: figure.seconds, default=None)

    def _unlike(self) -> list[Cell]:
        """One of all cells that are alike now and with every parameter at its floor: most likely they are."""
        found: dict[tuple[object, ...], Cell] = {}
        for now, least in zip(self._figures({}), self._figures(self._least), strict=True):
            cell = now.cell
            found.setdefault((cell.function, cell.fault, now.seconds, least.seconds), cell)
        return list(found.values())

    def _unmet(self, figure: Figure) -> Unmet:
        return Unmet(figure.cell, figure.seconds, self._oracle.row(figure.cell, self._least))


def _parts(cells: tuple[Cell, ...], floors: Values, oracle: Oracle) -> list[tuple[Cell, ...]]:
    """Cells that some knob ties to each other, knob by knob as far as probes show."""
    parts: list[tuple[set[Knob], list[Cell]]] = []
    for cell in cells:
        knobs = set(oracle.governing(cell, floors))
        tied = [part for part in parts if part[0] & knobs]
        for part in tied:
            parts.remove(part)
        parts.append(
            (knobs.union(*(part[0] for part in tied)), [*(c for part in tied for c in part[1]), cell])
        )
    return [tuple(found) for _, found in parts]


def worst_by_kind(figures: Iterable[Figure]) -> tuple[Figure, ...]:
    """Of each function and fault the longest, in the order given."""
    found: dict[tuple[object, object], Figure] = {}
    for figure in figures:
        kind = (figure.cell.function, figure.cell.fault)
        if kind not in found or figure.seconds > found[kind].seconds:
            found[kind] = figure
    return tuple(found.values())


def _cost(values: Values) -> float:
    return sum(knob.worth(knob.value) - knob.worth(value) for knob, value in values.items())
