"""Runs of delays beyond a threshold: what the tail of a stream is made of (peaks over threshold).

Theory of operation. Long delays come together: one full queue makes many of them. What is independent, and
may be counted, are episodes: a run of delays beyond the threshold u, over when none exceeded u for a while.

Of episodes that went far the 500 farthest are kept, and u follows them: what is kept is *all* that went
beyond u since the beginning. So u only rises. It begins low, at a quantile of the first delays, and rises
when more than 500 are kept, and slowly with the quantile that the histogram has by now; who fits a tail takes
a threshold of his own, at or above u. Only within the first hour does it fall, when that began with a storm
that would spoil the days that follow; what lay between the two thresholds by then is lost.
"""

from __future__ import annotations

from copy import copy
from heapq import heappop, heappush
from typing import NamedTuple

from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.network import KEPT_MAX
from changeover.survey.histogram import Histogram

WARM = 200
"""Delays after which there is a first threshold."""
EARLY = 100 * WARM
"""Delays until which the threshold may still fall."""
_SLACK = 4.0
"""So much more than what a fit wants is kept."""
_LOAD_MAX = 0.1
"""Delays beyond the threshold within the time that ends an episode: with more, episodes run together."""
_SHARE_MAX = 0.01
_QUIET_PERIODS = 4


class Peak(NamedTuple):
    """An episode: its longest delay, when it began, how long it lasted, delays beyond the threshold."""

    longest: Duration
    utc: int
    length: Duration
    messages: int


class Totals:
    """Of all episodes that are over, kept or not."""

    __slots__ = ("count", "gap_seconds", "gaps", "length", "messages")

    def __init__(self) -> None:
        self.count = 0
        self.length: Duration = 0
        self.messages = 0
        self.gaps = 0
        self.gap_seconds = 0.0


class Episodes:
    """The episodes of one stream.

    Args:
        period: Between two requests.
        seen: The stream's histogram, which has every delay before it comes here.

    Attributes:
        threshold: u; None until there were enough delays to choose it.
        kept: A heap of the farthest, the least far first.
        totals: Of all.
    """

    def __init__(self, period: Duration, seen: Histogram) -> None:
        self.quiet: Duration = max(_QUIET_PERIODS * period, SECOND)
        self.share = min(_SHARE_MAX, _LOAD_MAX * period / self.quiet)
        self.threshold: Duration | None = None
        self.kept: list[Peak] = []
        self.totals = Totals()
        self._period = period
        self._seen = seen
        self._first: list[tuple[Instant, int, Duration]] = []
        self._current: Peak | None = None
        self._began: Instant = 0
        self._last: Instant | None = None
        self._next_look = 0

    def add(self, now: Instant, utc: int, delay: Duration) -> None:
        """Take a delay that ended now."""
        if self.threshold is None:
            self._first.append((now, utc, delay))
            if len(self._first) >= WARM:
                self._choose()
            return
        if delay > self.threshold:
            self._exceed(now, utc, delay)
        elif self._current is not None and self._last is not None and now - self._last > self.quiet:
            self._end()
        if self._seen.count >= self._next_look:
            self._look()

    def fit_threshold(self) -> Duration:
        """The threshold that a fit should take now."""
        wanted = round(self._seen.quantiles((1 - self.share,))[0]) if self._seen.count else 0
        return max(wanted, self.threshold or 0)

    @property
    def current(self) -> Peak | None:
        """The episode that is under way, or whose end is not certain yet."""
        return self._current

    def peaks(self) -> list[Peak]:
        """All that is kept, and the one under way, by time."""
        current = [self._current] if self._current is not None else []
        return sorted([*self.kept, *current], key=lambda peak: peak.utc)

    def frozen(self, seen: Histogram) -> Episodes:
        """These as they stand; `seen` is as the histogram stands."""
        other = copy(self)
        other.kept, other._first, other._seen = self.kept.copy(), self._first.copy(), seen
        other.totals = copy(self.totals)
        return other

    def settled(self) -> Episodes:
        """These episodes; or, while there is no threshold, what they would be with the one of now."""
        if self.threshold is not None:
            return self
        other = Episodes(self._period, self._seen)
        other._first = list(self._first)
        other._choose()
        return other

    def restore(self, threshold: Duration, kept: list[Peak], totals: Totals) -> None:
        """Go on where an earlier run ended."""
        self.threshold = threshold
        self.totals = totals
        for peak in kept:
            heappush(self.kept, peak)
        # The file has the one under way as well.
        self._bound()
        self._next_look = 2 * self._seen.count

    def _bound(self) -> None:
        while len(self.kept) > KEPT_MAX:
            self._raise_to(heappop(self.kept).longest)

    def _choose(self) -> None:
        self.threshold = 0
        if self._seen.count:
            self.threshold = round(self._seen.quantiles((1 - _SLACK * self.share,))[0])
        self._next_look = 2 * max(WARM, self._seen.count)
        held, self._first = self._first, []
        for now, utc, delay in held:
            self.add(now, utc, delay)

    def _look(self) -> None:
        assert self.threshold is not None
        wanted = round(self._seen.quantiles((1 - _SLACK * self.share,))[0])
        if self._seen.count <= EARLY:
            self.threshold = min(self.threshold, wanted)
        self._raise_to(wanted)
        self._next_look = 2 * self._seen.count

    def _exceed(self, now: Instant, utc: int, delay: Duration) -> None:
        current = self._current
        if current is not None and self._last is not None and now - self._last > self.quiet:
            self._end()
            current = None
        if current is None:
            if self._last is not None:
                self.totals.gaps += 1
                self.totals.gap_seconds += (now - self._last) / SECOND
            self._began = now
            self._current = Peak(delay, utc, 0, 1)
        else:
            longest = max(delay, current.longest)
            self._current = Peak(longest, current.utc, now - self._began, current.messages + 1)
        self._last = now

    def _end(self) -> None:
        peak, self._current = self._current, None
        assert peak is not None
        self.totals.count += 1
        self.totals.length += peak.length
        self.totals.messages += peak.messages
        if peak.longest > (self.threshold or 0):
            heappush(self.kept, peak)
        self._bound()

    def _raise_to(self, threshold: Duration) -> None:
        assert self.threshold is not None
        self.threshold = max(self.threshold, threshold)
        while self.kept and self.kept[0].longest <= self.threshold:
            heappop(self.kept)
