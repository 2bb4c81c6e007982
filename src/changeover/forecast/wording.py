"""Forecasts as people read them."""

from __future__ import annotations

from collections.abc import Iterable

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.stages import Distribution


def figure(amount: float) -> str:
    """Seconds without their unit: three digits that matter, milliseconds at the finest."""
    if amount < 0.0005:
        return "0"
    if amount < 0.0995:
        return f"{amount:.3f}"
    if amount < 9.995:
        return f"{amount:.2f}"
    return f"{amount:.1f}" if amount < 99.95 else f"{amount:.0f}"


def seconds(amount: float) -> str:
    """Seconds with their unit: `0.003 s`, `2.25 s`, `30.0 s`."""
    return f"{figure(amount)} s"


def span(distribution: Distribution) -> str:
    """From the shortest to the longest: `2.00 – 2.25 s`."""
    low, high = figure(distribution.minimum), figure(distribution.maximum)
    return f"{high} s" if low == high else f"{low} – {high} s"


def unaffected(forecasts: Iterable[Forecast]) -> list[str]:
    """The unaffected rows, one line per set of functions: `alarm: unaffected by lan-silent (FIELD)`."""
    targets: dict[str, dict[str, list[str]]] = {}
    for row in forecasts:
        if row.outcome is Outcome.UNAFFECTED:
            targets.setdefault(row.function.value, {}).setdefault(row.fault.value, []).append(row.target)
    functions: dict[str, list[str]] = {}
    for function, faults in targets.items():
        told = ", ".join(f"{fault} ({few(names)})" for fault, names in faults.items())
        functions.setdefault(told, []).append(function)
    return [f"{', '.join(names)}: unaffected by {told}" for told, names in functions.items()]


def few(names: list[str]) -> str:
    """Names, all of three, else two and how many more."""
    return ", ".join(names) if len(names) <= 3 else f"{names[0]}, {names[1]} and {len(names) - 2} more"
