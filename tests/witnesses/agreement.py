"""What contradicts the forecast of one cell, whoever measured it."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.forecast.compare import compare
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.stages import Distribution
from changeover.model.moment import Duration, to_seconds
from changeover.model.server import Function
from changeover.scenario.measure import Measured


def contradictions(row: Forecast, measured: Sequence[Measured]) -> list[str]:
    """Empty when every trial lies in the forecast's interval, and mean and shape are the forecast's."""
    found = _of_io_data(row, measured) if row.function is Function.IO_DATA else _of_tasks(row, measured)
    if row.outcome is Outcome.LOST and (moved := sum(m.changeover is not None for m in measured)):
        found.append(f"lost, but {moved} of {len(measured)} changed over")
    return found


def _of_io_data(row: Forecast, measured: Sequence[Measured]) -> list[str]:
    found = []
    if row.outcome is Outcome.UNAFFECTED and any(m.com and m.com.last for m in measured):
        found.append("unaffected, but #COM was shown")
    spans = {
        "detection": (row.detection, [m.detection for m in measured]),
        "changeover, first tag": (row.changeover, [m.changeover and m.changeover.first for m in measured]),
        "changeover, last tag": (row.changeover, [m.changeover and m.changeover.last for m in measured]),
        "#COM": (row.com, [m.com and m.com.last for m in measured]),
        "return": (row.return_, [m.return_ and m.return_.last for m in measured]),
    }
    return found + _compared(spans)


def _of_tasks(row: Forecast, measured: Sequence[Measured]) -> list[str]:
    found = []
    if row.outcome is Outcome.UNAFFECTED and any(m.changeover for m in measured):
        found.append("unaffected, but a client moved")
    if row.detection is None and any(m.detection is not None for m in measured):
        found.append("not to be noticed, but a client did")
    if row.outcome is not Outcome.LOST and row.return_ is None and any(m.return_ for m in measured):
        found.append("nobody goes back, but a client did")
    spans = {
        "detection": (row.detection, [m.detection for m in measured]),
        "changeover": (row.changeover, [m.changeover and m.changeover.first for m in measured]),
        "return": (row.return_, [m.return_ and m.return_.first for m in measured]),
    }
    return found + _compared(spans)


def _compared(spans: dict[str, tuple[Distribution | None, list[Duration | None]]]) -> list[str]:
    found = []
    for what, (forecast, measured) in spans.items():
        if forecast is None:
            continue
        seen = [to_seconds(span) for span in measured if span is not None]
        agreement = compare(forecast, seen)
        if len(seen) < len(measured) or not agreement.holds:
            found.append(f"{what}: seen {len(seen)} of {len(measured)}; {agreement}")
    return found
