"""Delays by size, in bins of 2 %: 1 µs to 1000 s in a thousand counts, however many delays there were."""

from __future__ import annotations

from collections.abc import Iterable
from math import log

from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.network import BIN_LAST, FIRST_MS, RATIO, Bins, Quantiles

FIRST: Duration = round(FIRST_MS * MILLISECOND)
LAST: Duration = 1000 * SECOND
_SCALE = 1.0 / log(RATIO)
_NONE: Duration = 1 << 62
QUANTILES = (0.5, 0.9, 0.99, 0.999, 0.9999)


def bin_of(delay: Duration) -> int:
    """The bin of a delay; what is shorter or longer than all is in the first or last one."""
    return min(BIN_LAST, int(log(delay / FIRST) * _SCALE)) if delay > FIRST else 0


def quantiles_in(bins: Iterable[tuple[int, int]], total: int, wanted: Iterable[float]) -> list[float]:
    """Quantiles of counts by bin.

    Args:
        bins: (bin, count) by rising bin.
        total: The sum of all counts, at least 1.
        wanted: Probabilities, rising.

    Returns:
        Nanoseconds, each to within its bin's width.
    """
    found: list[float] = []
    ranks = [probability * total for probability in wanted]
    below = 0
    for number, count in bins:
        if not count:
            continue
        while len(found) < len(ranks) and ranks[len(found)] <= below + count:
            within = max(0.0, ranks[len(found)] - below) / count
            found.append(FIRST * RATIO ** (number + within))
        below += count
    return found


class Histogram:
    """Counts of delays.

    Attributes:
        count: How many there are.
        least, greatest: Exact; of no meaning while there is none.
    """

    __slots__ = ("bins", "count", "greatest", "least")

    def __init__(self) -> None:
        self.bins = [0] * (BIN_LAST + 1)
        self.count = 0
        self.least = _NONE
        self.greatest = 0

    def add(self, delay: Duration) -> int:
        """Count a delay; its bin."""
        number = bin_of(delay)
        self.bins[number] += 1
        self.count += 1
        if delay < self.least:
            self.least = delay
        if delay > self.greatest:
            self.greatest = delay
        return number

    def take(self, bins: Iterable[tuple[int, int]], least: Duration, greatest: Duration) -> None:
        """Add what was counted elsewhere."""
        for number, count in bins:
            self.bins[min(number, BIN_LAST)] += count
            self.count += count
        self.least = min(self.least, least)
        self.greatest = max(self.greatest, greatest)

    def quantiles(self, wanted: Iterable[float]) -> list[float]:
        """Quantiles in nanoseconds, none outside of what was counted; `wanted` rising, at least one delay."""
        found = quantiles_in(enumerate(self.bins), self.count, wanted)
        return [min(max(value, float(self.least)), float(self.greatest)) for value in found]

    def sparse(self) -> Bins:
        """(bin, count) of every bin that is not empty."""
        return tuple((number, count) for number, count in enumerate(self.bins) if count)

    def record(self) -> Quantiles | None:
        """As the file has it, None when it is empty."""
        if not self.count:
            return None
        p50, p90, p99, p999, p9999 = (value / MILLISECOND for value in self.quantiles(QUANTILES))
        least, greatest = self.least / MILLISECOND, self.greatest / MILLISECOND
        return Quantiles(self.count, least, p50, p90, p99, p999, p9999, greatest)
