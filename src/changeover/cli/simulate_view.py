"""What `changeover simulate` says: simulated figures beside the forecast's, as a table or as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from changeover.forecast.as_json import row as row_json
from changeover.forecast.compare import ROUNDING_S, compare
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.stages import Distribution
from changeover.forecast.wording import unaffected
from changeover.model.moment import to_seconds
from changeover.model.server import Function
from changeover.scenario.fault import Injection
from changeover.scenario.measure import Measured
from changeover.scenario.summary import summarise

AGREES = "agrees"
NOT_SIMULATED = "not simulated"
MEASURES = ("changeover_s", "com_s", "detection_s", "return_s")
FIGURES = ("min", "mean", "p95", "max")


@dataclass(frozen=True)
class Record:
    """One row of the forecast, and what was simulated of it.

    Attributes:
        forecast: The row.
        injection: What was injected: the row's fault, on its target or on the target's whole computer.
        measured: One measurement per trial.
        trials: How many trials there were.
        reason: Why there was none.
    """

    forecast: Forecast
    injection: Injection
    measured: tuple[Measured, ...]
    trials: int
    reason: str | None

    @property
    def expected(self) -> dict[str, Distribution | None]:
        """The forecast by measure."""
        row = self.forecast
        return dict(zip(MEASURES, (row.changeover, row.com, row.detection, row.return_), strict=True))

    @cached_property
    def summaries(self) -> dict[str, dict[str, float] | None]:
        """By measure; None for what the forecast calls not applicable, which is not measured either."""
        return {
            measure: summarise(self._samples(measure)) if distribution is not None else None
            for measure, distribution in self.expected.items()
        }

    @cached_property
    def verdicts(self) -> dict[str, str]:
        """By measure that the forecast has."""
        return {
            measure: self._verdict(distribution, self._samples(measure))
            for measure, distribution in self.expected.items()
            if distribution is not None and self.reason is None
        }

    @cached_property
    def contradictions(self) -> tuple[str, ...]:
        """What is otherwise than forecast; empty when all agrees."""
        off = [f"{measure}: {verdict}" for measure, verdict in self.verdicts.items() if verdict != AGREES]
        return (*off, *self._other_outcomes())

    def as_json(self) -> dict[str, Any]:
        """The record as plain values."""
        forecast = row_json(self.forecast)
        return {
            "function": forecast["function"],
            "fault": forecast["fault"],
            "target": forecast["target"],
            "injected": self.injection.target,
            "trials": self.trials,
            **self.summaries,
            "forecast": {key: forecast[key] for key in ("outcome", *MEASURES, "reason")},
            "contradictions": list(self.contradictions),
            "reason": self.reason,
        }

    def _samples(self, measure: str) -> list[float]:
        spans = []
        for one in self.measured:
            if measure == "detection_s":
                spans.append(one.detection)
            else:
                span = {"changeover_s": one.changeover, "com_s": one.com, "return_s": one.return_}[measure]
                spans.append(span.last if span is not None else None)
        return [to_seconds(span) for span in spans if span is not None]

    def _verdict(self, forecast: Distribution, samples: Sequence[float]) -> str:
        if len(samples) < self.trials:
            return f"seen in {len(samples)} of {self.trials} trials only"
        return str(compare(forecast, samples))

    def _other_outcomes(self) -> list[str]:
        """What happened although the forecast says lost, unaffected, or nothing of it."""
        row, of = self.forecast, f"in {{}} of {len(self.measured)} trials"
        moved = sum(one.changeover is not None for one in self.measured)
        if row.outcome is Outcome.LOST:
            return [f"outcome: lost, but changed over {of.format(moved)}"] if moved else []
        unaffected = row.outcome is Outcome.UNAFFECTED
        if row.function is Function.IO_DATA:
            shaken = sum(one.com is not None and one.com.last > 0 for one in self.measured)
            said = f"outcome: unaffected, but tags showed #COM {of.format(shaken)}"
            return [said] if unaffected and shaken else []
        noticed, returned = len(self._samples("detection_s")), len(self._samples("return_s"))
        happened = (
            (unaffected and moved, f"outcome: unaffected, but changed over {of.format(moved)}"),
            (row.detection is None and noticed, f"detection_s: none, but noticed {of.format(noticed)}"),
            (row.return_ is None and returned, f"return_s: none, but went back {of.format(returned)}"),
        )
        return [said for did, said in happened if did]


def document(records: Iterable[Record]) -> dict[str, Any]:
    """The whole answer for a program."""
    return {"simulations": [record.as_json() for record in records]}


def print_table(records: Sequence[Record], trials: int, seed: int) -> None:
    """Print a table: per measure what was simulated, below it the forecast; then what was left alone."""
    console = Console(highlight=False)
    shown = [record for record in records if not _is_quiet(record)]
    title = f"{trials} trials each, seed {seed}; seconds: simulated, below it the forecast"
    console.print(_table(shown, title) if shown else title)
    for line in unaffected(record.forecast for record in records if _is_quiet(record)):
        console.print(f"{escape(line)}: {_styled(AGREES)}")
    for record in records:
        if record.reason is not None:
            row = record.forecast
            names = f"{row.function.value}, {row.fault.value} {row.target}"
            console.print(escape(f"{names}: {record.reason}"))


def _is_quiet(record: Record) -> bool:
    """Whether nothing was to happen, and nothing did."""
    is_unaffected = record.forecast.outcome is Outcome.UNAFFECTED
    was_simulated = record.reason is None
    return is_unaffected and was_simulated and not record.verdicts and not record.contradictions


def _table(records: Sequence[Record], title: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("fault", "target", "measure"):
        table.add_column(heading, no_wrap=True)
    for heading in FIGURES:
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    function = None
    for record in records:
        if record.forecast.function is not function:
            function = record.forecast.function
            table.add_row(f"[bold]{function.value}[/]")
        _add(table, record)
    return table


def _add(table: Table, record: Record) -> None:
    row = record.forecast
    names = (row.fault.value, row.target)
    for measure, distribution in record.expected.items():
        if distribution is None:
            continue
        label = {"com_s": "#COM", "return_s": "return"}.get(measure, measure.removesuffix("_s"))
        verdict = record.verdicts.get(measure, NOT_SIMULATED)
        table.add_row(*names, label, *_figures(record.summaries[measure]), _styled(verdict))
        forecast = (f"[dim]{figure}[/]" for figure in _figures(_summary(distribution)))
        table.add_row("", "", "[dim]forecast[/]", *forecast, "")
        names = ("", "")
    others = [said for said in record.contradictions if said.partition(":")[0] not in record.verdicts]
    if names[0] and not others:
        others = [NOT_SIMULATED if record.reason else AGREES]
    for said in others:
        table.add_row(*names, row.outcome.value, "", "", "", "", _styled(said))
        names = ("", "")


def _styled(verdict: str) -> str:
    style = {AGREES: "green", NOT_SIMULATED: "dim"}.get(verdict, "bold red")
    return f"[{style}]{verdict}[/]"


def _summary(distribution: Distribution) -> dict[str, float]:
    summary = distribution.summary()
    return {key: getattr(summary, key) for key in FIGURES}


def _figures(summary: dict[str, float] | None) -> tuple[str, ...]:
    if summary is None:
        return ("-", "-", "-", "-")
    return tuple(f"{summary[key] + ROUNDING_S:.3f}" for key in FIGURES)
