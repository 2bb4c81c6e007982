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
        self.asked = 0

    def row(self, cell: Cell, values: Values) -> Forecast:
        """The whole forecast of a cell."""
        plant = self._plants.get(cell)
        if plant is None:
            plant = self._plants[cell] = self._needed_by(cell)
        self.asked += 1
        return forecast_one(turned(plant, values), cell.function, cell.fault, cell.target)

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
        knobs = self._governing.get(cell, self._knobs)
        key = (cell, tuple(values.get(knob, knob.value) for knob in knobs))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = figure(self.row(cell, values), self._measure)
        return found

    def governing(self, cell: Cell, floors: Values) -> tuple[Knob, ...]:
        """Which knobs a cell's figure depends on, between their values and these floors.

        A knob counts that makes a difference when it alone is lowered, or when all others are: of two
        time-outs, whichever ends first, and whichever ends last.
        """
        found = self._governing.get(cell)
        if found is None:
            now, least = self.figure(cell, {}), self.figure(cell, floors)
            found = tuple(
                knob
                for knob, floor in floors.items()
                if self.figure(cell, {knob: floor}) < now - ROUNDING_S
                or self.figure(cell, {**floors, knob: knob.value}) > least + ROUNDING_S
            )
            self._governing[cell] = found
        return found


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
