"""Drills put together as the sheet shows them: all repetitions of one fault, and what they measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from changeover.drill.result import EARLY_SECONDS, LATE_SECONDS, Campaign, Drill
from changeover.model.server import Function


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that a drill measures.

    Attributes:
        key: The attribute of `Drill`.
        forecast_key: The key of the forecast's row that it is held against.
        name: Its name.
        meaning: What it is, in a few words.
    """

    key: str
    forecast_key: str
    name: str
    meaning: str


_DETECTION = Measure("detection_s", "detection_s", "Detection", "fault until treated as lost")
_RETURN = Measure("return_s", "return_s", "Return", "repair until the primary serves")
_REDUNDANT = Measure(
    "redundant_s", "redundant_s", "Redundant again", "repair until a second fault would be survived"
)
IO_MEASURES = (
    _DETECTION,
    Measure("changeover_s", "changeover_s", "Changeover, first tag", "fault until its first fresh value"),
    Measure("changeover_last_s", "changeover_s", "Changeover, last tag", "fault until every tag is fresh"),
    Measure("com_s", "com_s", "#COM time", "longest of any tag"),
    _RETURN,
    _REDUNDANT,
)
TASK_MEASURES = (
    _DETECTION,
    Measure("changeover_s", "changeover_s", "Changeover", "fault until a server answers by another way"),
    _RETURN,
    _REDUNDANT,
)
"""Of alarms, trends and reports: a client is served by one way, and shows no #COM."""
_FUNCTIONS = tuple(function.value for function in Function)
_BY_KEY = {measure.key: measure for measure in IO_MEASURES}


def measure_name(key: str) -> str:
    """The name of a measure by its key; the key itself where it is none of ours."""
    return _BY_KEY[key].name if key in _BY_KEY else key


@dataclass(frozen=True, slots=True)
class Sample:
    """One measured time.

    Attributes:
        seconds: What was measured.
        drill: Where.
        is_inside: Whether it lies within the forecast; None where nothing was forecast.
    """

    seconds: float
    drill: Drill
    is_inside: bool | None


@dataclass(frozen=True, slots=True)
class Series:
    """One measure over all repetitions of a fault that tell something.

    Attributes:
        measure: Which.
        interval: The forecast's figures by name, in seconds; None where it has none.
        samples: In the order of the drills.
        unseen: Drills that the forecast demands it of and that did not see it.
    """

    measure: Measure
    interval: dict[str, float] | None
    samples: tuple[Sample, ...]
    unseen: tuple[Drill, ...]

    @property
    def outside(self) -> tuple[Sample, ...]:
        """Those that the forecast does not allow."""
        return tuple(sample for sample in self.samples if sample.is_inside is False)

    def summary(self) -> tuple[float, float, float] | None:
        """Min, median and max in seconds; None of nothing."""
        seconds = [sample.seconds for sample in self.samples]
        return (min(seconds), median(seconds), max(seconds)) if seconds else None


@dataclass(frozen=True, slots=True)
class Group:
    """All drills of one fault on one target.

    Attributes:
        anchor: Its id on the page.
        drills: In the order in which they ran; all with one forecast.
        failures: Those that failed and were not made good.
    """

    anchor: str
    drills: tuple[Drill, ...]
    failures: tuple[Drill, ...]

    @property
    def first(self) -> Drill:
        """One that speaks for all of them: function, fault, target and forecast are theirs."""
        return self.drills[0]

    @property
    def forecast(self) -> dict[str, Any]:
        """The forecast's row."""
        return self.first.forecast

    @property
    def is_io(self) -> bool:
        """Whether it is about I/O data."""
        return self.first.function == Function.IO_DATA.value

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is measured."""
        return IO_MEASURES if self.is_io else TASK_MEASURES

    def moves(self) -> bool:
        """Whether anything was forecast, or measured, but for the time until redundant again."""
        shown = (self.series(measure) for measure in self.measures if measure is not _REDUNDANT)
        return any(one.interval or one.samples or one.unseen for one in shown)

    @property
    def verdict(self) -> str:
        """How many passed, or how many failed, of those that were not made good: `2 of 10`."""
        counted = len(self.drills) - len(self.made_good)
        return f"{len(self.failures) or counted} of {counted}"

    @property
    def made_good(self) -> tuple[Drill, ...]:
        """Those that missed, were repeated and passed then."""
        return tuple(drill for drill in self.drills if not drill.passed and drill not in self.failures)

    @property
    def variants(self) -> tuple[tuple[str, int], ...]:
        """How the fault was made, and how often."""
        ways = [drill.variant for drill in self.drills]
        return tuple((way, ways.count(way)) for way in dict.fromkeys(ways))

    def series(self, measure: Measure) -> Series:
        """One measure of all repetitions that are not spoiled."""
        interval = self.forecast.get(measure.forecast_key)
        told = [drill for drill in self.drills if not drill.spoiled]
        samples = [(getattr(drill, measure.key), drill) for drill in told]
        return Series(
            measure,
            interval,
            tuple(
                Sample(seconds, drill, _is_inside(seconds, drill, measure, interval))
                for seconds, drill in samples
                if seconds is not None
            ),
            tuple(drill for seconds, drill in samples if seconds is None and _missed(drill, measure)),
        )


def groups(campaign: Campaign) -> tuple[Group, ...]:
    """The drills by function, fault and target, function by function, in the order in which they ran."""
    found: dict[tuple[str, ...], list[Drill]] = {}
    for drill in campaign.drills:
        row = json.dumps(drill.forecast, sort_keys=True)
        found.setdefault((drill.function, drill.fault, drill.target, row), []).append(drill)
    failures = campaign.failures
    order = list(dict.fromkeys((*_FUNCTIONS, *(key[0] for key in found))))
    listed = sorted(found.items(), key=lambda item: order.index(item[0][0]))
    return tuple(
        Group(f"fault-{number}", tuple(drills), tuple(drill for drill in drills if drill in failures))
        for number, (_, drills) in enumerate(listed, start=1)
    )


def by_function(groups: Sequence[Group]) -> dict[str, list[Group]]:
    """Groups of each function, in their order."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        found.setdefault(group.first.function, []).append(group)
    return found


def repeated_as(drill: Drill, drills: Sequence[Drill]) -> tuple[int, ...]:
    """The repetitions that repeat this one."""
    return tuple(other.repetition for other in drills if other.repeats == drill.repetition)


def allowed(interval: dict[str, float]) -> tuple[float, float]:
    """The interval widened for scheduling, in seconds; no time is below zero."""
    return max(0.0, interval["min"] - EARLY_SECONDS), interval["max"] + LATE_SECONDS


def _missed(drill: Drill, measure: Measure) -> bool:
    return any(miss.measure == measure.key for miss in drill.misses)


def _is_inside(
    seconds: float, drill: Drill, measure: Measure, interval: dict[str, float] | None
) -> bool | None:
    """What the drill was judged as, and what the eye sees on the chart: outside by either is outside."""
    if _missed(drill, measure):
        return False
    if interval is None:
        return None
    return interval["min"] - EARLY_SECONDS <= seconds <= interval["max"] + LATE_SECONDS
