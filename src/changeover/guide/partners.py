"""Parameters that count only together: asked of the forecast, not of a table of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from changeover.forecast.rules import forecast_plant
from changeover.guide.cells import ROUNDING_S, Cell, Measure, Oracle, changing_over
from changeover.guide.knobs import Knob, Values
from changeover.model.plant import Plant


def partners(plant: Plant, knobs: Iterable[Knob]) -> Iterator[tuple[Knob, tuple[Knob, ...]]]:
    """Parameters that were lowered and shorten nothing until another one is lowered, too.

    Args:
        plant: The plant.
        knobs: Its parameters.

    Yields:
        The parameter and the others of which each alone, at its least, lets it count. One that shortens
        nothing whatever the others are is not among them: other rules tell of it.
    """
    knobs, family = tuple(knobs), plant.policy.family
    defaults = {knob: knob.parameter.default(family) for knob in knobs}
    idle = {
        knob: default for knob, default in defaults.items() if knob.line is not None and knob.value < default
    }
    if not idle:
        return
    oracle = Oracle(plant, knobs, Measure.MAX)
    cells = changing_over(forecast_plant(plant))
    for cell in cells:
        for knob in tuple(_alone(oracle, cell, {}, idle)):
            del idle[knob]
    found: dict[Knob, set[Knob]] = {knob: set() for knob in idle}
    least = {knob: knob.least for knob in knobs}
    for cell in cells if idle else ():
        # What shortens nothing by itself lets no other one count either: the figure would lie between.
        for other in _alone(oracle, cell, {}, least):
            raised = {knob: default for knob, default in idle.items() if knob != other}
            for knob in _alone(oracle, cell, {other: other.least}, raised):
                found[knob].add(other)
    for knob, others in found.items():
        if others:
            yield knob, tuple(other for other in knobs if other in others)


def _alone(oracle: Oracle, cell: Cell, base: Values, changes: Values) -> Iterator[Knob]:
    """The knobs of which each by itself moves a cell's figure, all changes being upwards or all downwards.

    Where all together move nothing none does alone, since no figure rises when a knob is lowered: a large
    site has hundreds of ports, and each cell hears of two or three.
    """
    moved = oracle.figure(cell, {**base, **changes}) - oracle.figure(cell, base)
    if not abs(moved) > ROUNDING_S:
        return
    if len(changes) == 1:
        yield from changes
        return
    items = tuple(changes.items())
    for half in (items[: len(items) // 2], items[len(items) // 2 :]):
        yield from _alone(oracle, cell, base, dict(half))
