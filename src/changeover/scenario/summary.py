"""Measured times in the same words as a forecast's distribution."""

from __future__ import annotations

from collections.abc import Sequence

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def summarise(seconds: Sequence[float]) -> dict[str, float] | None:
    """Minimum, mean, p50, p95, p99 and maximum, in seconds; None for no measurement.

    A percentile is interpolated between its two neighbours.
    """
    if not seconds:
        return None
    ordered = sorted(seconds)
    summary = {"min": ordered[0], "mean": sum(ordered) / len(ordered)}
    summary |= {name: _quantile(ordered, share) for name, share in SHARES.items()}
    return summary | {"max": ordered[-1]}


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
