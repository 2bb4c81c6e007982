"""Waits as distributions, in seconds: constants and uniforms, their sums, maxima and minima.

Parts of one distribution are independent of each other. `add`, `later` and `sooner` build the simplest form:
constants fold, sums flatten. All figures are exact to about 1e-10 s: see `changeover.forecast.curve`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from changeover.forecast import curve
from changeover.forecast.curve import Curve


@dataclass(frozen=True, slots=True)
class Summary:
    """What a reader wants of a distribution, in seconds."""

    min: float
    mean: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True)
class Distribution:
    """A wait of at least `minimum` and at most `maximum` seconds; see the seven kinds below."""

    @property
    def minimum(self) -> float:
        """The shortest wait, exact."""
        return curve_of(self).knots[0]

    @property
    def maximum(self) -> float:
        """The longest wait, exact."""
        return curve_of(self).knots[-1]

    @property
    def mean(self) -> float:
        """The expected wait."""
        return curve_of(self).mean()

    def cdf(self, x: float) -> float:
        """The probability that the wait is at most `x` seconds."""
        return curve_of(self).cdf(x)

    def quantile(self, p: float) -> float:
        """The least x with cdf(x) ≥ p; `p` from 0 to 1, else ValueError."""
        if not 0 <= p <= 1:
            raise ValueError(f"a probability lies between 0 and 1, not at {p}")
        return curve_of(self).quantile(p)

    def summary(self) -> Summary:
        """Minimum, mean, quantiles and maximum."""
        return _summary(self)


@dataclass(frozen=True, slots=True)
class Constant(Distribution):
    """Always `value` seconds."""

    value: float

    @property
    def minimum(self) -> float:
        """The value."""
        return self.value

    @property
    def maximum(self) -> float:
        """The value."""
        return self.value

    @property
    def mean(self) -> float:
        """The value."""
        return self.value


@dataclass(frozen=True, slots=True)
class Uniform(Distribution):
    """Evenly spread from `low` to `high` seconds; a constant where both are equal.

    Raises:
        ValueError: `high` is below `low`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if self.high < self.low:
            raise ValueError(f"a uniform wait cannot end at {self.high} before it starts at {self.low}")

    @property
    def minimum(self) -> float:
        """The lower end."""
        return self.low

    @property
    def maximum(self) -> float:
        """The upper end."""
        return self.high

    @property
    def mean(self) -> float:
        """The middle."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Sum(Distribution):
    """The sum of independent parts, at least one."""

    parts: tuple[Distribution, ...]

    @property
    def minimum(self) -> float:
        """The sum of the minima."""
        return sum(part.minimum for part in self.parts)

    @property
    def maximum(self) -> float:
        """The sum of the maxima."""
        return sum(part.maximum for part in self.parts)

    @property
    def mean(self) -> float:
        """The sum of the means."""
        return sum(part.mean for part in self.parts)


@dataclass(frozen=True, slots=True)
class Max(Distribution):
    """The latest of independent parts, at least one."""

    parts: tuple[Distribution, ...]

    @property
    def minimum(self) -> float:
        """The largest of the minima."""
        return max(part.minimum for part in self.parts)

    @property
    def maximum(self) -> float:
        """The largest of the maxima."""
        return max(part.maximum for part in self.parts)


@dataclass(frozen=True, slots=True)
class Min(Distribution):
    """The soonest of independent parts, at least one."""

    parts: tuple[Distribution, ...]

    @property
    def minimum(self) -> float:
        """The smallest of the minima."""
        return min(part.minimum for part in self.parts)

    @property
    def maximum(self) -> float:
        """The smallest of the maxima."""
        return min(part.maximum for part in self.parts)


@dataclass(frozen=True, slots=True)
class Shared(Distribution):
    """max(X + early, min(X, Y) + late): one wait counts alone in the one, and with others in the other.

    Attributes:
        own: X.
        others: Y, independent of it.
        early: At most `late`.
        late: In seconds.
    """

    own: Distribution
    others: Distribution
    early: float
    late: float


@dataclass(frozen=True, slots=True)
class OneOf(Distribution):
    """One of several uniform waits, each with a probability; make it by `one_of`.

    Attributes:
        parts: (probability, wait), which sum up to 1.
    """

    parts: tuple[tuple[float, Distribution], ...]


ZERO = Constant(0.0)


def one_of(*parts: tuple[float, Distribution]) -> Distribution:
    """One of several waits, each with a probability; what never is, and what is alike, counts once."""
    shares: dict[Distribution, float] = {}
    for share, distribution in parts:
        if share > 0:
            shares[distribution] = shares.get(distribution, 0.0) + share
    if len(shares) == 1:
        return next(iter(shares))
    return OneOf(tuple((share, distribution) for distribution, share in shares.items()))


def wait(period: float) -> Distribution:
    """The wait for a timer of this period (seconds) whose phase is anybody's guess: U(0, period)."""
    return Uniform(0.0, period) if period > 0 else ZERO


def add(*parts: Distribution) -> Distribution:
    """The sum of independent parts, constants folded into one."""
    flat: list[Distribution] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Sum) else (part,))
    offset = sum(part.value for part in flat if isinstance(part, Constant))
    moving = [part for part in flat if not isinstance(part, Constant)]
    if not moving:
        return Constant(offset)
    if offset:
        moving.append(Constant(offset))
    return moving[0] if len(moving) == 1 else Sum(tuple(moving))


def later(*parts: Distribution) -> Distribution:
    """The latest of independent parts, without those that never are."""
    floor = max(part.minimum for part in parts)
    able = [part for part in parts if part.maximum > floor]
    if not able:
        return Constant(floor)
    if all(part.minimum < floor for part in able):
        able.append(Constant(floor))
    return able[0] if len(able) == 1 else Max(tuple(able))


def sooner(*parts: Distribution) -> Distribution:
    """The soonest of independent parts, without those that never are."""
    ceiling = min(part.maximum for part in parts)
    able = [part for part in parts if part.minimum < ceiling]
    if not able:
        return Constant(ceiling)
    if all(part.maximum > ceiling for part in able):
        able.append(Constant(ceiling))
    return able[0] if len(able) == 1 else Min(tuple(able))


@lru_cache(maxsize=4096)
def curve_of(distribution: Distribution) -> Curve:
    """The cumulative distribution function of any of the seven kinds."""
    match distribution:
        case Constant(value):
            return curve.atom(value)
        case Uniform(low, high):
            return curve.smoothed(curve.atom(low), high - low)
        case Max(parts):
            return curve.largest([curve_of(part) for part in parts])
        case Min(parts):
            return curve.smallest([curve_of(part) for part in parts])
        case Sum(parts):
            return _curve_of_sum(parts)
        case Shared(own, others, early, late):
            mine = curve_of(own)
            by_others = curve.shifted(curve_of(others), late)
            return curve.shared(curve.shifted(mine, early), curve.shifted(mine, late), by_others)
        case OneOf(parts):
            return curve.mixed([(share, curve_of(part)) for share, part in parts])
    raise TypeError(f"{distribution!r} is none of the seven kinds of distribution")


def _curve_of_sum(parts: tuple[Distribution, ...]) -> Curve:
    """Convolve the involved parts first, then widen by each uniform, which is the cheap step.

    The narrowest comes first: dividing by a small width is harmless while all figures are small.
    """
    offset = 0.0
    widths = []
    result = curve.atom(0.0)
    for part in parts:
        if isinstance(part, Constant):
            offset += part.value
        elif isinstance(part, Uniform):
            offset += part.low
            widths.append(part.high - part.low)
        else:
            result = curve.convolved(result, curve_of(part))
    for width in sorted(widths):
        result = curve.smoothed(result, width)
    return curve.shifted(result, offset)


@lru_cache(maxsize=4096)
def _summary(distribution: Distribution) -> Summary:
    return Summary(
        min=distribution.minimum,
        mean=distribution.mean,
        p50=distribution.quantile(0.50),
        p95=distribution.quantile(0.95),
        p99=distribution.quantile(0.99),
        max=distribution.maximum,
    )
