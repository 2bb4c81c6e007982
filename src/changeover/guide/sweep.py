"""What each target costs: plans from what a plant takes now down to what it can reach."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import ceil, exp, log

from changeover.forecast.tail import Rate
from changeover.forecast.trip_rates import trip_rates
from changeover.guide.knobs import turned
from changeover.guide.planner import Plan, Planner
from changeover.model.network import Network
from changeover.model.plant import Plant

ASKED_S = (5.0, 3.0, 1.0)
"""Targets that everybody asks for: planned whether they can be reached or not."""

_ROUND_S = (
    300.0, 200.0, 120.0, 90.0, 60.0, 45.0, 30.0, 20.0, 15.0, 10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.5, 2.0, 1.5,
    1.0, 0.75, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05,
)  # fmt: skip
_BETWEEN = 28
"""Further targets, for the picture's sake."""


@dataclass(frozen=True, slots=True)
class Swept:
    """The plans of one plant for many targets.

    Attributes:
        now_s: What it takes now: longer targets are met as it is.
        least_s: What it can reach: shorter ones are not.
        plans: By target, the longest first; those that cannot be met among them.
        shown: The targets to read: round ones, those that were asked for, and the shortest that is reachable.
    """

    now_s: float
    least_s: float
    plans: tuple[Plan, ...]
    shown: frozenset[float]

    @property
    def rows(self) -> tuple[Plan, ...]:
        """The plans to read."""
        return tuple(plan for plan in self.plans if plan.target_s in self.shown)


def sweep(planner: Planner, asked: Iterable[float], track: Callable[[list[float]], Iterable[float]]) -> Swept:
    """Plan for every target.

    Args:
        planner: Of the plant.
        asked: Targets that have to be among them, in seconds.
        track: Hands the targets on one by one, and may show progress.
    """
    now, least = planner.now_s, planner.least_s
    reach = _rounded_up(least)
    shown = {*asked, *(one for one in _ROUND_S if least <= one < now)}
    if 0 < least < now:
        shown.add(reach)
        step = (log(now) - log(reach)) / _BETWEEN if reach < now else 0.0
        between = {_rounded_up(reach * exp(step * place)) for place in range(1, _BETWEEN)}
    else:
        between = set()
    targets = sorted(shown | between, reverse=True)
    return Swept(now, least, tuple(planner.plan(target) for target in track(targets)), frozenset(shown))


def frontier(plant: Plant, swept: Swept, network: Network) -> dict[float, Rate]:
    """How often the plant trips falsely with each plan that meets its target, per second.

    Args:
        plant: As it is.
        swept: The plans.
        network: What was measured.
    """
    return {
        plan.target_s: trip_rates(turned(plant, plan.values), network).total
        for plan in swept.plans
        if plan.is_met
    }


def _rounded_up(span_s: float) -> float:
    """To whole milliseconds."""
    return ceil(span_s * 1000 - 1e-6) / 1000
