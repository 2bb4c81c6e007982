"""A forecast's distribution against what was measured: the interval, the mean, the shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from changeover.forecast.stages import Distribution

ROUNDING_S = 1e-6
"""Measurements are whole nanoseconds, sums of floats are not."""

MEAN_STANDARD_ERRORS = 4.0
MEAN_MARGIN_S = 0.005
KS_SIGNIFICANCE = 0.001
FEW = 30
"""Up to so many measurements their own standard deviation is not trusted."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How measurements agree with a forecast.

    Attributes:
        count: How many measurements.
        outside: How many lie outside the forecast's interval.
        mean_off_s: Measured mean less forecast mean.
        mean_allowed_s: What it may be off: 4 standard errors + 5 ms.
        ks: Kolmogorov-Smirnov distance between the measured and the forecast distribution.
        ks_allowed: The distance that a true forecast exceeds once in a thousand times.
    """

    count: int
    outside: int
    mean_off_s: float
    mean_allowed_s: float
    ks: float
    ks_allowed: float

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts the forecast."""
        mean_holds = abs(self.mean_off_s) <= self.mean_allowed_s
        return self.count > 0 and not self.outside and mean_holds and self.ks <= self.ks_allowed

    def __str__(self) -> str:
        if self.holds:
            return "agrees"
        faults = []
        if self.outside:
            faults.append(f"{self.outside} of {self.count} outside the interval")
        if abs(self.mean_off_s) > self.mean_allowed_s:
            faults.append(f"mean off by {self.mean_off_s * 1000:+.1f} ms")
        if self.ks > self.ks_allowed:
            faults.append(f"other shape (KS {self.ks:.3f} > {self.ks_allowed:.3f})")
        return "; ".join(faults) or "nothing was measured"


def compare(forecast: Distribution, measured_s: Sequence[float]) -> Agreement:
    """Hold measurements against a forecast.

    Args:
        forecast: The distribution.
        measured_s: Independent measurements in seconds, in any order.
    """
    ordered = sorted(measured_s)
    count = len(ordered)
    if not count:
        return Agreement(0, 0, 0.0, 0.0, 0.0, 0.0)
    low, high = forecast.minimum - ROUNDING_S, forecast.maximum + ROUNDING_S
    mean = math.fsum(ordered) / count
    spread = math.fsum((value - mean) ** 2 for value in ordered) / max(count - 1, 1)
    if count < FEW:
        # A handful says little about its own spread: take an even one over the forecast's interval.
        spread = max(spread, (forecast.maximum - forecast.minimum) ** 2 / 12)
    return Agreement(
        count=count,
        outside=sum(not low <= value <= high for value in ordered),
        mean_off_s=mean - forecast.mean,
        mean_allowed_s=MEAN_STANDARD_ERRORS * math.sqrt(spread / count) + MEAN_MARGIN_S,
        ks=_distance(forecast, ordered),
        ks_allowed=math.sqrt(-math.log(KS_SIGNIFICANCE / 2) / 2 / count),
    )


def _distance(forecast: Distribution, ordered: Sequence[float]) -> float:
    # Looked at a rounding to either side, so that a measurement on a constant counts as on it.
    count = len(ordered)
    above = max((i + 1) / count - forecast.cdf(value + ROUNDING_S) for i, value in enumerate(ordered))
    below = max(forecast.cdf(value - ROUNDING_S) - i / count for i, value in enumerate(ordered))
    return max(above, below, 0.0)
