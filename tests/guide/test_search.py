"""The planner's search against brute force: every value of every knob, on small ranges.

`CHANGEOVER_PLANS=1000 pytest tests/guide/test_search.py` tries more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise, product
from random import Random

import pytest

from changeover.config.ini import parse_ini
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_one, forecast_plant
from changeover.guide.cells import ROUNDING_S, Cell, Measure, Oracle, changing_over, figure
from changeover.guide.knobs import Knob, knobs_of, turned
from changeover.guide.subsets import Subsets
from changeover.guide.values import BestValues
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant
from changeover.scenario.fault import Fault
from plants import timing_for, two_server_plant

PLANS = int(os.environ.get("CHANGEOVER_PLANS", "24"))
CELLS_MAX = 4
LEAST_RANGE, GREATEST_RANGE = 1, 3


WIDE_LEAST, WIDE_GREATEST = 2, 7


class Case:
    """A plant with small values, floors of its knobs, and a target between what it takes and what it can.

    Args:
        seed: Of everything in it.
        wide: Values of few milliseconds, so that of two time-outs now the one counts and now the other; else
            larger ones near their floors.
    """

    def __init__(self, seed: int, *, wide: bool = False) -> None:
        rng = self.rng = Random(f"plans {seed} {wide}")
        family = "ABC"[seed % 3]
        self.measure = tuple(Measure)[seed // 3 % 3]
        names = ("SendTimeout", "TimeOut", "HeartTime", "Timeout")
        low, high = (WIDE_LEAST, WIDE_GREATEST + 1) if wide else (50, 90)
        values = {name: rng.randrange(low, high) for name in names}
        watch, retry = rng.choice((1, 2, 3)), rng.choice((0, 0, 1, 2))
        self.plant = self._plant(family, values, watch, retry)
        named = {**values, "WatchTime": watch, "Retry": retry}
        empty = parse_ini(b"", "citect.ini")
        self.knobs = tuple(
            replace(knob, value=named[knob.parameter.name]) for knob in knobs_of(self.plant, empty)
        )
        greatest = WIDE_GREATEST if wide else GREATEST_RANGE
        spans = {knob: rng.randrange(LEAST_RANGE, greatest + 1) for knob in self.knobs}
        lowest = {knob: 0 if knob.parameter.name == "Retry" else 1 for knob in self.knobs}
        self.floors = {
            knob: max(knob.value - spans[knob], lowest[knob])
            for knob in self.knobs
            if knob.value > lowest[knob]
        }
        cells = changing_over(forecast_plant(self.plant))
        self.cells = tuple(rng.sample(cells, min(CELLS_MAX, len(cells))))
        worst = {way: max(self.figures(values)) for way, values in (("now", {}), ("least", self.floors))}
        self.target_s = worst["least"] + rng.random() * (worst["now"] - worst["least"])

    def _plant(self, family: str, values: dict[str, int], watch: int, retry: int) -> Plant:
        rng = self.rng
        timing = timing_for(
            family,
            send_timeout=values["SendTimeout"],
            request_timeout=values["TimeOut"],
            heartbeat=values["HeartTime"],
            watch=watch * 1000,
        )
        rule = rng.choice(tuple(OfflineRule))
        driver = DriverTiming(timeout=values["Timeout"] * MILLISECOND, retry=retry, offline_rule=rule)
        plant = two_server_plant(
            family,
            timing=timing,
            lans=rng.choice((1, 2)),
            clients=rng.choice((1, 2)),
            page_scan=rng.choice((1, 7, 40)) * MILLISECOND,
            driver=driver,
            devices=rng.choice((1, 2)),
            round_trip=MILLISECOND // 10,
        )
        return replace(plant, tags=())

    def figures(self, values: dict[Knob, int]) -> list[float]:
        """Of every cell, by the forecast itself."""
        plant = turned(self.plant, values)
        return [figure(self._row(plant, cell), self.measure) for cell in self.cells]

    @staticmethod
    def _row(plant: Plant, cell: Cell) -> Forecast:
        return forecast_one(plant, cell.function, cell.fault, cell.target)

    def brute_force(self) -> tuple[int, float]:
        """The fewest changes that meet the target, and the least Σ ln(old / new) with as many."""
        best = (len(self.knobs) + 1, 0.0)
        for chosen in product(*(range(floor, knob.value + 1) for knob, floor in self.floors.items())):
            values = dict(zip(self.floors, chosen, strict=True))
            size = sum(value != knob.value for knob, value in values.items())
            rank = (size, cost(values.items()))
            if rank < best and max(self.figures(values)) <= self.target_s + ROUNDING_S:
                best = rank
        return best

    def searched(self, gap: float = 0.0) -> tuple[int, float]:
        """The same by the search."""
        oracle = Oracle(self.plant, self.knobs, self.measure)
        search = BestValues(oracle, self.floors, self.target_s, self.cells, gap)
        found = []
        for knobs in Subsets(oracle, self.floors, self.target_s).smallest(self.cells)[0]:
            values = search.find(knob for knob in self.floors if knob in knobs)
            assert values is not None
            assert max(self.figures(dict(values))) <= self.target_s + ROUNDING_S
            found.append((sum(value != knob.value for knob, value in values.items()), cost(values.items())))
        return min(found)


def cost(values: Iterable[tuple[Knob, int]]) -> float:
    return sum(knob.worth(knob.value) - knob.worth(value) for knob, value in values)


@pytest.mark.parametrize("seed", range(PLANS))
@pytest.mark.parametrize("wide", [False, True])
def test_the_search_finds_what_brute_force_finds(seed: int, wide: bool) -> None:
    case = Case(seed, wide=wide)
    size, least = case.brute_force()
    found, spent = case.searched()
    assert found == size
    assert spent == pytest.approx(least, abs=1e-9)


@pytest.mark.parametrize("seed", range(12))
def test_with_a_gap_no_plan_is_better_by_more(seed: int) -> None:
    case = Case(seed, wide=True)
    gap = 0.2
    size, least = case.brute_force()
    found, spent = case.searched(gap)
    assert found == size
    assert least - 1e-9 <= spent <= least + gap + 1e-9


@pytest.mark.parametrize("family", "ABC")
def test_a_cell_never_takes_longer_when_a_knob_is_lowered(family: str) -> None:
    """What the search rests on."""
    rng = Random(f"falling {family}")
    for _ in range(60):
        plant = two_server_plant(
            family,
            lans=rng.choice((1, 2)),
            clients=rng.choice((1, 3)),
            page_scan=rng.choice((50, 1000, 5000)) * MILLISECOND,
        )
        knobs = knobs_of(plant, parse_ini(b"[MODNET]\nRetry=3\n", "citect.ini"))
        high = {knob: rng.randrange(1, 9 if knob.is_coarse else 20_000) for knob in knobs}
        knob = rng.choice(knobs)
        low = {**high, knob: rng.randrange(1, high[knob] + 1)}
        oracle = Oracle(plant, knobs, rng.choice(tuple(Measure)))
        for cell in changing_over(forecast_plant(plant)):
            assert oracle.figure(cell, low) <= oracle.figure(cell, high) + ROUNDING_S


@pytest.mark.parametrize("measure", Measure)
def test_a_shorter_time_out_beside_the_drivers_is_no_later(measure: Measure) -> None:
    """I3: max(T, P), where P may run from another client's request."""
    plant = two_server_plant("A", clients=3, page_scan=1000 * MILLISECOND)
    (knob,) = (k for k in knobs_of(plant, parse_ini(b"", "citect.ini")) if k.parameter.name == "TimeOut")
    oracle = Oracle(plant, (knob,), measure)
    (cell,) = (c for c in changing_over(forecast_plant(plant)) if c.fault is Fault.DEVICE_SILENT)
    figures = [oracle.figure(cell, {knob: value}) for value in range(50, 2050, 50)]
    assert all(one <= two + ROUNDING_S for one, two in pairwise(figures))
    assert figures[-1] > figures[0] + 0.3


def test_what_is_met_as_it_is_needs_no_change() -> None:
    plant = two_server_plant("C")
    knobs = knobs_of(plant, parse_ini(b"", "citect.ini"))
    oracle = Oracle(plant, knobs, Measure.MAX)
    cells = changing_over(forecast_plant(plant))
    longest = max(oracle.figure(cell, {}) for cell in cells)
    floors = {knob: 1 for knob in knobs if knob.value > 1}
    assert Subsets(oracle, floors, longest).smallest(cells) == ((frozenset(),), True)
    assert BestValues(oracle, floors, longest, cells).find(()) == {}
    assert longest > 10
