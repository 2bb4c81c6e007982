"""Forecasts as plain values for JSON; the shape is documented in docs/reference/forecast-json.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from changeover.forecast.advice import Miss
from changeover.forecast.result import Forecast, Stage
from changeover.forecast.stages import Distribution
from changeover.model.plant import Plant

_DIGITS = 9
"""Parameters are whole nanoseconds; further digits would be rounding."""


def document(plant: Plant, forecasts: Iterable[Forecast]) -> dict[str, Any]:
    """The whole answer: plant, version, family and one object per forecast."""
    return {
        "plant": plant.name,
        "version": plant.version,
        "family": plant.policy.family.value,
        "forecasts": [row(forecast) for forecast in forecasts],
    }


def row(forecast: Forecast) -> dict[str, Any]:
    """One forecast; seconds as numbers, null for what does not apply."""
    return {
        "function": forecast.function.value,
        "fault": forecast.fault.value,
        "target": forecast.target,
        "outcome": forecast.outcome.value,
        "changeover_s": _span(forecast.changeover),
        "com_s": _span(forecast.com),
        "detection_s": _span(forecast.detection),
        "return_s": _span(forecast.return_),
        "stages": [_stage(stage) for stage in forecast.stages],
        "reason": forecast.reason,
    }


def miss(found: Miss) -> dict[str, Any]:
    """One row that misses a target, and what holds it."""
    return {
        "function": found.forecast.function.value,
        "fault": found.forecast.fault.value,
        "target": found.forecast.target,
        "max_s": _rounded(found.worst_s),
        "parameter": found.parameter,
        "value": found.value,
        "enough": found.enough,
        "needed": found.needed,
        "remaining_s": _rounded(found.remaining_s),
    }


def _span(distribution: Distribution | None) -> dict[str, float] | None:
    if distribution is None:
        return None
    summary = distribution.summary()
    return {key: _rounded(getattr(summary, key)) for key in ("min", "mean", "p50", "p95", "p99", "max")}


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "parameter": stage.parameter,
        "rule": stage.rule,
        "min": _rounded(stage.distribution.minimum),
        "mean": _rounded(stage.distribution.mean),
        "max": _rounded(stage.distribution.maximum),
    }


def _rounded(seconds: float) -> float:
    return round(seconds, _DIGITS)
