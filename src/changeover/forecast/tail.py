r"""How often a delay goes beyond what was chosen as time-out: peaks over a threshold.

Theory. Episodes beyond a high threshold u come as a Poisson process with some rate λ, and the excess y of an
episode's longest delay over u is distributed by a generalised Pareto distribution, whatever the delays
themselves are distributed by (Balkema and de Haan, Pickands):

    sf(y) = (1 + ξ y/σ)^(−1/ξ),    exp(−y/σ) for ξ = 0,    and none beyond −σ/ξ for ξ < 0

With θ = ξ/σ the likelihood is maximal, for given θ, at ξ(θ) = Σ log(1 + θ yᵢ)/n, so that one number is left
to search for (Grimshaw, Technometrics 35(2), 1993). Sessions that ended before the acknowledgement came are
known to have taken *at least* so long: they contribute their sf, and ξ(θ) sums over them too.

The rate beyond t is r = λ sf(t − u). Its interval holds every r for which some (λ, ξ, σ) with λ sf(t − u) = r
has a log-likelihood within χ²(95 %)/2 = 1.92 of the greatest. The likelihood of n episodes in T seconds is
Poisson's: what the pair (ξ, σ) leaves of the 1.92 is what λ may deviate. Both are searched on a grid, laid
where the likelihood is; nothing is drawn by lot.

With fewer than ten episodes nothing is fitted: above is the exact bound of Poisson's distribution for as many
as were seen beyond t, 3.0/T for none, and below likewise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf, lgamma, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EPISODES_MIN = 10
SHAPE_MIN = -1.0
"""Below it the likelihood has no maximum."""
_SHAPE_MAX = 10.0
_DROP = 1.920729
"""Half of the 95 % quantile of χ² with one degree of freedom."""
_ALL_BELOW = 0.05
"""95 % to one side: the bound that 3.0/T is for none."""
_SMALL = 6.0
"""With n episodes the drop is larger by the share 6/n: for few of them χ² promises too much."""
_GRID = 120
_ACROSS = 49

Floats = NDArray[np.float64]


class Rate(NamedTuple):
    """Episodes per second beyond some delay, and the bounds of the 95 % interval."""

    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class _Region:
    """The pairs (ξ, σ) that 95 % does not exclude, each with what it leaves to λ.

    Attributes:
        theta, shape: θ and ξ.
        least, most: Bounds of λ, with the most likely λ as 1.
    """

    theta: Floats
    shape: Floats
    least: Floats
    most: Floats


@dataclass(frozen=True, slots=True)
class Tail:
    """Episodes beyond a threshold, in any one unit of time; rates are per second of exposure.

    Attributes:
        threshold: u.
        excesses: Of each episode, its longest delay less u, above 0.
        exposure: Seconds that were watched.
        censored: Of sessions that ended while a delay beyond u lasted, what it was by then less u.
        shape, scale: ξ and σ; None with fewer than `EPISODES_MIN` episodes.
    """

    threshold: float
    excesses: tuple[float, ...]
    exposure: float
    censored: tuple[float, ...]
    shape: float | None
    scale: float | None
    _region: _Region | None = field(repr=False, compare=False)

    @property
    def episodes(self) -> int:
        """How many episodes went beyond the threshold, the censored ones among them."""
        return len(self.excesses) + len(self.censored)

    def survival(self, t: float) -> float | None:
        """The share of episodes that go beyond t; None where nothing was fitted."""
        if self.shape is None or self.scale is None:
            return None
        y = (t - self.threshold) / self.scale
        if abs(self.shape) < 1e-9:
            return exp(-y)
        inner = 1.0 + self.shape * y
        return float(inner ** (-1.0 / self.shape)) if inner > 0 else 0.0

    def rate_above(self, t: float) -> Rate:
        """How often an episode goes beyond t.

        Args:
            t: Not below the threshold.

        Returns:
            Per second. Without a fit the bounds are the exact ones of Poisson's distribution for what was
            seen.

        Raises:
            ValueError: t is below the threshold: nothing is known there. Or nothing was watched.
        """
        if t < self.threshold:
            raise ValueError(f"the tail begins at {self.threshold}, it says nothing of {t}")
        if self.exposure <= 0:
            raise ValueError("nothing was watched")
        survival = self.survival(t)
        if survival is None or self._region is None:
            excess = t - self.threshold
            seen = sum(y > excess for y in self.excesses)
            # One that had not ended may have gone beyond any t.
            at_most = seen + len(self.censored)
            rate = seen / self.exposure
            return Rate(rate, _poisson_low(seen) / self.exposure, _poisson_high(at_most) / self.exposure)
        rate = self.episodes / self.exposure
        low, high = self._interval(self._region, t - self.threshold)
        return Rate(rate * survival, rate * min(low, survival), rate * max(high, survival))

    def _interval(self, region: _Region, y: float) -> tuple[float, float]:
        """Bounds of λ sf(y), with the most likely λ as 1."""
        inner = region.theta * y
        reaches = inner > -1.0
        survival = np.zeros(len(inner))
        survival[reaches] = np.exp(-np.log1p(inner[reaches]) / region.shape[reaches])
        high, low = float(np.max(survival * region.most)), float(np.min(survival * region.least))
        return low, high


def fit_tail(
    threshold: float,
    excesses: tuple[float, ...],
    exposure: float,
    censored: tuple[float, ...] = (),
) -> Tail:
    """Fit a tail.

    Args:
        threshold: u.
        excesses: Of each episode, its longest delay less u, above 0.
        exposure: Seconds that were watched.
        censored: What had not ended: at least so far beyond u.
    """
    if len(excesses) < EPISODES_MIN or min(excesses) <= 0:
        return Tail(threshold, excesses, exposure, censored, None, None, None)
    # In units of the mean the same grid suits every scale.
    unit = sum(excesses) / len(excesses)
    ended = np.array(excesses, dtype=np.float64) / unit
    cut = np.array(censored, dtype=np.float64) / unit
    theta, shape, best, coarse = _search(ended, cut)
    region = _region(ended, cut, best, coarse)
    if not len(region.shape):
        return Tail(threshold, excesses, exposure, censored, None, None, None)
    scaled = _Region(region.theta / unit, region.shape, region.least, region.most)
    return Tail(threshold, excesses, exposure, censored, shape, shape / theta * unit, scaled)


# --- the likelihood along θ ---


def _profile(theta: Floats, ended: Floats, cut: Floats) -> tuple[Floats, Floats]:
    """The best ξ for each θ, and the log-likelihood there."""
    n = len(ended)
    logs = np.log1p(np.outer(theta, ended)).sum(axis=1)
    total = logs + (np.log1p(np.outer(theta, cut)).sum(axis=1) if len(cut) else 0.0)
    shape = np.maximum(total / n, SHAPE_MIN)
    return shape, -n * np.log(shape / theta) - total / shape - logs


def _grid(low: float, high: float) -> Floats:
    """Values of θ·mean: dense towards the bound of the support and towards 0, which itself is left out."""
    steps: list[Floats] = []
    if low < 0:
        near = -low * np.concatenate(
            [np.geomspace(1e-7, 0.5, _GRID // 2), np.linspace(0.5, 0.999, _GRID // 4)]
        )
        steps.append(low + near)
        # A longest delay of a million times the mean, one that was given up, leaves no room between them.
        if -low * 1e-3 > 1e-6:
            steps.append(-np.geomspace(-low * 1e-3, 1e-6, 24))
    steps.append(np.geomspace(1e-6, high, _GRID))
    return np.unique(np.concatenate(steps))


def _search(ended: Floats, cut: Floats) -> tuple[float, float, float, Floats]:
    """θ and ξ of the greatest likelihood, that likelihood, and the values of θ that were looked at."""
    largest = max(float(ended.max()), float(cut.max()) if len(cut) else 0.0)
    grid = _grid(-1.0 / largest, 1e4)
    looked = grid
    for _ in range(6):
        shape, likelihood = _profile(grid, ended, cut)
        likelihood = np.where((shape > _SHAPE_MAX) | ~np.isfinite(likelihood), -inf, likelihood)
        at = int(np.argmax(likelihood))
        theta, found, best = float(grid[at]), float(shape[at]), float(likelihood[at])
        low, high = float(grid[max(0, at - 1)]), float(grid[min(len(grid) - 1, at + 1)])
        grid = np.linspace(low, high, 33)
        grid = grid[grid != 0.0]
    return theta, found, best, looked


def _region(ended: Floats, cut: Floats, best: float, looked: Floats) -> _Region:
    """A grid over all (θ, ξ) within the drop; for each θ that of ξ is known in closed form."""
    n = len(ended)
    allowed = _DROP * (1 + _SMALL / n)
    _, likelihood = _profile(looked, ended, cut)
    inside = np.flatnonzero(best - likelihood <= allowed)
    first, last = (int(inside[0]), int(inside[-1])) if len(inside) else (0, len(looked) - 1)
    low, high = float(looked[max(0, first - 1)]), float(looked[min(len(looked) - 1, last + 1)])
    theta = np.unique(np.concatenate([looked[first : last + 1], np.linspace(low, high, _GRID)]))
    theta = theta[np.abs(theta) > 1e-9]
    shape, likelihood = _profile(theta, ended, cut)
    drop = np.maximum(0.0, best - likelihood)
    theta, shape, drop = theta[drop <= allowed], shape[drop <= allowed], drop[drop <= allowed]
    # ξ = m ξ(θ) costs n (log m + 1/m − 1), Poisson's function of 1/m: m runs over what the rest allows.
    left = ((allowed - drop) / n)[:, None]
    spread = np.sin(np.linspace(-np.pi / 2, np.pi / 2, _ACROSS))
    log_m = np.where(spread < 0, -_log_bound(left, 1.0) * -spread, -_log_bound(left, -1.0) * spread)
    across = np.exp(log_m) * shape[:, None]
    cost = drop[:, None] + n * (log_m + np.expm1(-log_m))
    keep = (across >= SHAPE_MIN) & (across <= _SHAPE_MAX)
    rest = np.maximum(0.0, allowed - cost[keep]) / (n + len(cut))
    least, most = np.exp(_log_bound(rest, -1.0)), np.exp(_log_bound(rest, 1.0))
    return _Region(np.broadcast_to(theta[:, None], across.shape)[keep], across[keep], least, most)


def _log_bound(left: Floats, side: float) -> Floats:
    """V > 0 (side 1) or v < 0 at which exp(v) − 1 − v = left: how far a mean of Poisson's may be, as log.

    Newton's steps from beyond the root of a convex function come down to it from one side.
    """
    left = np.maximum(left, 1e-18)
    v = np.sqrt(2 * left) if side > 0 else -(np.sqrt(2 * left) + left)
    for _ in range(8):
        slope = np.expm1(v)
        v = v - (slope - v - left) / slope
    return v


# --- exact bounds of Poisson's distribution ---


def _poisson_at_most(seen: int, mean: float) -> float:
    """The probability of at most `seen`."""
    if mean <= 0:
        return 1.0
    return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(seen + 1))


def _poisson_high(seen: int) -> float:
    """The mean below which 95 % are sure to be, for so many seen; for none −log 0.05 = 3.0."""
    low, high = 0.0, 10.0 + 4.0 * seen
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _poisson_at_most(seen, middle) > _ALL_BELOW else (low, middle)
    return high


def _poisson_low(seen: int) -> float:
    """The mean above which 95 % are sure to be; 0 for none."""
    if not seen:
        return 0.0
    low, high = 0.0, float(seen)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if 1.0 - _poisson_at_most(seen - 1, middle) > _ALL_BELOW else (middle, high)
    return low
