"""How long a changeover takes, as a function of the knobs: what a search asks, again and again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from changeover.forecast.reach import unit_is_on
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one
from changeover.forecast.stages import Distribution
from changeover.guide.knobs import Knob, Values, turned
from changeover.model.device import IoDevice
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.scenario.fault import Fault

ROUNDING_S = 1e-9
"""Figures of the forecast are exact to about a tenth of this."""


class Measure(Enum):
    """Which figure of a changeover a target is held against."""

    MAX = "max"
    P99 = "p99"
    MEAN = "mean"

    def of(self, changeover: Distribution) -> float:
        """The figure, in seconds."""
        match self:
            case Measure.MAX:
                return changeover.maximum
            case Measure.P99:
                return changeover.quantile(0.99)
            case Measure.MEAN:
                return changeover.mean


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the forecast."""

    function: Function
    fault: Fault
    target: str

    def __str__(self) -> str:
        return f"{self.function.value} {self.fault.value} {self.target}"


def cell_of(row: Forecast) -> Cell:
    """The cell of a row."""
    return Cell(row.function, row.fault, row.target)


class Oracle:
    """Tells a cell's figure for any values of the knobs. It never rises when a knob is lowered.

    Args:
        plant: The plant as it is.
        knobs: What may be turned.
        measure: Which figure.

    Attributes:
        asked: How many forecasts of a cell were made.
    """

    def __init__(self, plant: Plant, knobs: Iterable[Knob], measure: Measure) -> None:
        self._plant = plant
        self._measure = measure
        self._knobs = tuple(knobs)
        # Of I/O devices that are alike one is enough: a row is the worst of them.
        kinds = {_kind(plant, device, self._knobs): device for device in reversed(plant.io_devices)}
        self._unlike = tuple(kinds.values())[::-1]
        self._governing: dict[Cell, tuple[Knob, ...]] = {}
        self._known: dict[tuple[Cell, tuple[int, ...]], float] = {}
        self._plants: dict[Cell, Plant] = {}
        self._candidates: dict[Cell, tuple[Knob, ...]] = {}
        self.asked = 0

    def learn(self, rows: Iterable[Forecast]) -> None:
        """Take in what is known already: rows of the plant as it is."""
        for row in rows:
            cell = cell_of(row)
            now = tuple(knob.value for knob in self.candidates(cell))
            self._known[cell, now] = figure(row, self._measure)

    def row(self, cell: Cell, values: Values) -> Forecast:
        """The whole forecast of a cell."""
        self.asked += 1
        return forecast_one(turned(self._plant_of(cell), values), cell.function, cell.fault, cell.target)

    def _plant_of(self, cell: Cell) -> Plant:
        plant = self._plants.get(cell)
        if plant is None:
            plant = self._plants[cell] = self._needed_by(cell)
        return plant

    def _needed_by(self, cell: Cell) -> Plant:
        """The plant without what has no say in a cell: a large one is forecast thousands of times."""
        if cell.function is not Function.IO_DATA:
            devices: tuple[IoDevice, ...] = ()
        elif cell.fault.is_device:
            devices = (self._plant.io_device(cell.target),)
        else:
            devices = self._unlike
        return replace(self._plant, io_devices=devices, tags=(), alarms=(), trends=(), reports=())

    def figure(self, cell: Cell, values: Values) -> float:
        """A cell's figure in seconds; infinite where nothing is left to change over to."""
        key = (cell, tuple(values.get(knob, knob.value) for knob in self.candidates(cell)))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = figure(self.row(cell, values), self._measure)
        return found

    def candidates(self, cell: Cell) -> tuple[Knob, ...]:
        """Every knob that can have a say in a cell: the whole plant's, and those of its units' drivers."""
        found = self._candidates.get(cell)
        if found is None:
            units = {unit.name for device in self._plant_of(cell).io_devices for unit in device.units}
            found = self._candidates[cell] = tuple(
                knob for knob in self._knobs if not knob.units or not units.isdisjoint(knob.units)
            )
        return found

    def governing(self, cell: Cell, floors: Values) -> tuple[Knob, ...]:
        """Those of them that are seen to make a difference somewhere between their values and these floors.

        Halves of the knobs are tried with the other half at its values and at its floors, and so on down to
        single knobs. Since no figure rises when a knob is lowered, knobs that make no difference together
        make none alone. One that counts only amid the others' ranges is missed: a search that rests on this
        has to look at the figures themselves.
        """
        found = self._governing.get(cell)
        if found is None:
            seen: set[Knob] = set()
            knobs = tuple(knob for knob in self.candidates(cell) if knob in floors)
            self._probe(cell, knobs, {}, floors, seen)
            found = self._governing[cell] = tuple(knob for knob in knobs if knob in seen)
        return found

    def _probe(
        self, cell: Cell, knobs: tuple[Knob, ...], fixed: Values, floors: Values, seen: set[Knob]
    ) -> None:
        """Add those of some knobs that make a difference, the others being where they are."""
        high = {**fixed, **{knob: knob.value for knob in knobs}}
        low = {**fixed, **{knob: floors[knob] for knob in knobs}}
        if seen.issuperset(knobs) or self.figure(cell, high) <= self.figure(cell, low) + ROUNDING_S:
            return
        if len(knobs) == 1:
            seen.update(knobs)
            return
        half = len(knobs) // 2
        for part, rest in ((knobs[:half], knobs[half:]), (knobs[half:], knobs[:half])):
            self._probe(cell, part, {**fixed, **{knob: floors[knob] for knob in rest}}, floors, seen)
            self._probe(cell, part, {**fixed, **{knob: knob.value for knob in rest}}, floors, seen)


def _kind(plant: Plant, device: IoDevice, knobs: tuple[Knob, ...]) -> tuple[object, ...]:
    """What tells I/O devices apart: by which servers, LANs and time-outs they are reached."""
    addresses = [unit.address for unit in device.units]
    return (
        device.protocol,
        *(
            (
                unit.io_server,
                unit.mode,
                unit.priority,
                unit.timing,
                addresses.index(unit.address),
                tuple(lan.name for lan in plant.lans if unit_is_on(plant, unit, lan.name)),
                tuple(place for place, knob in enumerate(knobs) if unit.name in knob.units),
            )
            for unit in device.units
        ),
    )


def changing_over(rows: Iterable[Forecast]) -> tuple[Cell, ...]:
    """The cells that a target is held against: those with a changeover."""
    return tuple(cell_of(row) for row in rows if row.outcome is Outcome.CHANGEOVER)


def figure(row: Forecast, measure: Measure) -> float:
    """A row's figure in seconds; infinite where it is lost, 0 where it is unaffected."""
    if row.outcome is Outcome.LOST:
        return float("inf")
    return 0.0 if row.changeover is None else measure.of(row.changeover)
