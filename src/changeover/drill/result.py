"""What a drill found, as values: one record per repetition, and how it is held against its forecast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from changeover.model.server import Function

EARLY_SECONDS = 0.050
LATE_SECONDS = 0.150
"""A measurement may lie this far outside its forecast's interval: scheduling (issue: -50 ms, +150 ms)."""

_WORDS = {
    "detection_s": "detection",
    "changeover_s": "changeover, first tag",
    "changeover_last_s": "changeover, last tag",
    "com_s": "#COM time",
    "return_s": "return",
    "redundant_s": "redundant again",
}
MEASURES = ("detection_s", "changeover_s", "com_s", "return_s")
_MOVES = ("detection_s", "changeover_s", "changeover_last_s", "return_s")


@dataclass(frozen=True, slots=True)
class Miss:
    """One measurement outside its interval, or one that the forecast demands and the drill did not see.

    Attributes:
        measure: One of `MEASURES`, `changeover_last_s` or `redundant_s`.
        measured_s: What was measured, None for nothing.
        earliest_s, latest_s: The forecast's interval, widened for scheduling; None where the forecast's
            outcome rules the measurement out.
    """

    measure: str
    measured_s: float | None
    earliest_s: float | None
    latest_s: float | None

    @property
    def is_late(self) -> bool:
        """Whether the only thing wrong is that it came late."""
        return self.measured_s is not None and self.latest_s is not None and self.measured_s > self.latest_s

    def __str__(self) -> str:
        what = _WORDS[self.measure]
        if self.earliest_s is None or self.latest_s is None:
            return f"{what}: {self.measured_s} s, by the forecast there is none"
        allowed = f"{self.earliest_s:.3f} to {self.latest_s:.3f} s"
        if self.measured_s is None:
            return f"{what}: not seen, allowed {allowed}"
        return f"{what}: {self.measured_s:.3f} s, allowed {allowed}"


@dataclass(frozen=True, slots=True)
class Drill:
    """One repetition.

    Attributes:
        function, fault, target: As in the forecast.
        repetition: 1, 2, 3 …
        variant: How the fault was made, in words, such as `SIGKILL`.
        detection_s: Fault until detection.
        changeover_s: Fault until the first tag's first fresh good value, or until the first answer.
        changeover_last_s: The same for the last tag; of alarms, trends and reports the same as the first.
        com_s: Longest #COM time of a tag; `com_first_s` the shortest, `com_median_s` the median.
        return_s: Repair until the last tag, or the function, is served by the primary again.
        redundant_s: Repair until a second fault would be survived; None where it was never lost.
        forecast: The forecast's row, as its JSON has it.
        misses: Measurements outside; empty for a pass.
        spoiled: Why nothing can be said (the drill itself went wrong), empty otherwise.
        trace: Folder of the raw traces, relative to the sheet.
        fault_at, repair_at: The instants from which times count, on the traces' clock; None if spoiled.
        repeats: The repetition that this one repeats after a miss by lateness, None for none.
    """

    function: str
    fault: str
    target: str
    repetition: int
    variant: str
    detection_s: float | None
    changeover_s: float | None
    changeover_last_s: float | None
    com_s: float | None
    com_first_s: float | None
    com_median_s: float | None
    return_s: float | None
    redundant_s: float | None
    forecast: dict[str, Any]
    misses: tuple[Miss, ...] = ()
    spoiled: str = ""
    trace: str = ""
    fault_at: int | None = None
    repair_at: int | None = None
    repeats: int | None = None

    def measured(self) -> dict[str, float | None]:
        """What is held against the forecast, in seconds by measure."""
        names = ("detection_s", "changeover_s", "changeover_last_s", "com_s", "return_s")
        return {name: getattr(self, name) for name in names}

    @property
    def passed(self) -> bool:
        """Whether every measurement lies in its forecast's interval."""
        return not self.misses and not self.spoiled

    @property
    def why(self) -> str:
        """Why it failed, empty for a pass."""
        return self.spoiled or "; ".join(str(miss) for miss in self.misses)

    def as_json(self) -> dict[str, Any]:
        """The record that a program reads."""
        record = asdict(self)
        del record["misses"], record["spoiled"]
        return record | {"pass": self.passed, "why": self.why}


@dataclass(frozen=True, slots=True)
class Audit:
    """What one audit counted after one strike, or after the whole run.

    Attributes:
        kind: What was audited, such as `alarm transitions`.
        after: The strike, with its repetition; empty for the whole run.
        is_cut: Whether the pair was cut: what both did then, each believing the other gone, is counted and
            shown, and no failure.
        expected: How many there should be.
        lost: Expected, and not there.
        doubled: There more than once.
        folded: Told by both servers, and told once by the merged journal.
        names: By kind of trouble, whom it concerns.
    """

    kind: str
    after: str
    is_cut: bool
    expected: int
    lost: int
    doubled: int
    folded: int
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether nothing was lost, and nothing doubled that should not be."""
        return not self.lost and (not self.doubled or self.may_double)

    @property
    def may_double(self) -> bool:
        """Whether doubled ones are counted and no failure: both run a report while they are cut apart."""
        return self.is_cut and self.kind == RUNS

    def as_json(self) -> dict[str, Any]:
        """The record that a program reads."""
        return asdict(self) | {"pass": self.passed}


TRANSITIONS, ACTIONS, RUNS = "alarm transitions", "operators' actions", "report runs"
JOURNALS, LOGS, VALUES = "journal on both servers", "run log on both servers", "values shown as good"
SAMPLES, COVERAGE = "trend samples on both servers", "seconds recorded on both servers"
KINDS = (TRANSITIONS, ACTIONS, JOURNALS, SAMPLES, COVERAGE, RUNS, LOGS, VALUES)
"""What is audited, in the order in which it is shown."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """All drills of one run.

    Attributes:
        plant, version, family: Of the project.
        lab: `namespaces` or `loopback`.
        started_utc: When it began, ISO 8601.
        parameters: (parameter, value with unit, where it was set) of everything that governs the forecasts.
        notes: What a reader must know of the lab.
        left_out: (fault, why) of what could not be drilled here.
        drills: In the order in which they ran.
        audits: In the order in which they were made.
    """

    plant: str
    version: str
    family: str
    lab: str
    started_utc: str
    parameters: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    drills: tuple[Drill, ...] = field(default=())
    audits: tuple[Audit, ...] = field(default=())

    @property
    def failures(self) -> tuple[Drill, ...]:
        """Drills that failed and were not made good by a repetition that passed."""
        made_good = {
            (d.function, d.fault, d.target, d.repeats)
            for d in self.drills
            if d.repeats is not None and d.passed
        }
        return tuple(
            d
            for d in self.drills
            if not d.passed and (d.function, d.fault, d.target, d.repetition) not in made_good
        )

    @property
    def found_wanting(self) -> tuple[Audit, ...]:
        """Audits that found something lost, or doubled."""
        return tuple(audit for audit in self.audits if not audit.passed)

    @property
    def passed(self) -> bool:
        """Whether no drill failed for good, and no audit."""
        return not self.failures and not self.found_wanting

    def as_json(self) -> dict[str, Any]:
        """The document beside the sheet."""
        record = {
            name: getattr(self, name)
            for name in ("plant", "version", "family", "lab", "started_utc", "notes", "left_out")
        }
        parameters = [{"parameter": p, "value": v, "source": s} for p, v, s in self.parameters]
        return record | {
            "parameters": parameters,
            "drills": [drill.as_json() for drill in self.drills],
            "audits": [audit.as_json() for audit in self.audits],
        }


def hold_against(forecast: dict[str, Any], measured: dict[str, float | None]) -> tuple[Miss, ...]:
    """Hold measurements against a forecast's row, as its JSON has it.

    Args:
        forecast: The row.
        measured: Seconds by measure; `changeover_last_s` is held against the changeover too.
    """
    misses = []
    for measure, seconds in measured.items():
        interval = forecast[measure.replace("_last_s", "_s")]
        if interval is None:
            if _forbids(forecast, measure, seconds):
                misses.append(Miss(measure, seconds, None, None))
            continue
        earliest, latest = interval["min"] - EARLY_SECONDS, interval["max"] + LATE_SECONDS
        if seconds is None or not earliest <= seconds <= latest:
            misses.append(Miss(measure, seconds, earliest, latest))
    return tuple(misses)


def _forbids(forecast: dict[str, Any], measure: str, seconds: float | None) -> bool:
    """Whether a forecast without an interval rules a measurement out.

    What is lost has no changeover; what is unaffected shows no #COM. A client of alarms, trends or reports
    that is unaffected does not lose its way either, and goes back nowhere unless the forecast says so (T5).
    """
    outcome = forecast["outcome"]
    if outcome == "lost":
        return measure in ("changeover_s", "changeover_last_s") and seconds is not None
    if forecast["function"] != Function.IO_DATA.value:
        return measure in _MOVES and seconds is not None
    return outcome == "unaffected" and measure == "com_s" and bool(seconds)
