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


_SPANS = (
    ("year", 365.25 * 86_400),
    ("month", 365.25 * 7200),
    ("day", 86_400.0),
    ("hour", 3600.0),
    ("second", 1.0),
)


def per_time(per_s: float) -> str:
    """A rate in the shortest span that leaves a number above 1: `3.2 per day`, `0.04 per year`."""
    for name, span in reversed(_SPANS):
        if per_s * span >= 1.0:
            return f"{per_s * span:.3g} per {name}"
    return f"{per_s * _SPANS[0][1]:.2g} per year"


def read_rate(text: str) -> float:
    """A rate as people write it, `1/year` or `0.5/day`, per second.

    Raises:
        ValueError: It is none, or not above 0.
    """
    number, stroke, unit = text.strip().partition("/")
    spans = dict(_SPANS)
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if not stroke or unit.strip() not in spans or not 0 < value < float("inf"):
        raise ValueError(f"{text!r} is no rate, write a number above 0 per {', '.join(spans)}, like 1/year")
    return value / spans[unit.strip()]
