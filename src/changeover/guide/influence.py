"""Which parameter moves which changeover, and by how much: asked of the forecast, not of a table of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from changeover.forecast.rules import forecast_plant
from changeover.guide.cells import ROUNDING_S, Measure, Oracle, changing_over
from changeover.guide.knobs import Knob
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
    lowered = [
        knob for knob in knobs if knob.line is not None and knob.value < knob.parameter.default(family)
    ]
    if not lowered:
        return
    oracle = Oracle(plant, knobs, Measure.MAX)
    cells = changing_over(forecast_plant(plant))
    for knob in lowered:
        before = {knob: knob.parameter.default(family)}
        if any(oracle.figure(cell, {}) < oracle.figure(cell, before) - ROUNDING_S for cell in cells):
            continue
        found = [
            other
            for other in knobs
            if other != knob
            and any(
                oracle.figure(cell, {other: other.least})
                < oracle.figure(cell, {**before, other: other.least}) - ROUNDING_S
                for cell in cells
            )
        ]
        if found:
            yield knob, tuple(found)
