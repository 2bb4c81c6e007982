"""Samples of one tag as numpy columns, and what follows from them: held spans, interpolation, buckets.

A sample holds until the next one: of a periodic trend for one period at most, of an event trend as long as
its I/O device was recorded without interruption. What no sample holds is a gap, and what a bad one holds too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from changeover.core.intervals import Intervals
from changeover.core.trend_records import BAD, GOOD
from changeover.model.moment import Duration
from changeover.storage.trend_days import TICK

Moments: TypeAlias = npt.NDArray[np.int64]
"""UTC nanoseconds since 1970."""

Values: TypeAlias = npt.NDArray[np.float64]
Qualities: TypeAlias = npt.NDArray[np.uint8]

_NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Definition:
    """How a tag was recorded, as trends.csv said from some instant on.

    Attributes:
        since_utc: From when on; of the first one the beginning of time.
        device: The tag's I/O device.
        event: Whether it was an event trend.
        period: Of a periodic trend.
    """

    since_utc: int
    device: str
    event: bool
    period: Duration


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """n samples of one tag, ascending.

    Attributes:
        utc: When each was taken.
        values: Engineering values, NaN for a bad sample.
        qualities: `GOOD` or `BAD`.
        until: The first instant at which each does not hold any more. Where that is before the next sample
            there is a gap.
    """

    utc: Moments
    values: Values
    qualities: Qualities
    until: Moments

    def __len__(self) -> int:
        return len(self.utc)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A tag's value at n instants, equally far apart.

    Attributes:
        utc: The instants.
        values: Engineering values, NaN in a gap.
    """

    utc: Moments
    values: Values


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """A tag's values in n spans of time, equally long but for the last.

    Attributes:
        utc: Where each span starts.
        minima: The least value held in it, NaN where the whole span is a gap.
        maxima: The greatest value held in it, or NaN.
        means: The mean over the time for which a value was held, or NaN.
        counts: How many good samples were taken in it; 0 with values that were held from before.
        qualities: `GOOD` where a good value was held all the time, else `BAD`.
    """

    utc: Moments
    minima: Values
    maxima: Values
    means: Values
    counts: Moments
    qualities: Qualities


def is_good(series: Series) -> npt.NDArray[np.bool_]:
    """Which samples have a value."""
    good: npt.NDArray[np.bool_] = (series.qualities == GOOD) & ~np.isnan(series.values)
    return good


def is_event(utc: Moments, definitions: Sequence[Definition]) -> npt.NDArray[np.bool_]:
    """Which samples an event trend took; all of them where nothing is known of the tag."""
    if not definitions:
        return np.ones(len(utc), np.bool_)
    events = np.array([definition.event for definition in definitions], np.bool_)
    chosen: npt.NDArray[np.bool_] = events[_in_force(utc, definitions)]
    return chosen


def held_until(
    utc: Moments,
    definitions: Sequence[Definition],
    coverage: Mapping[str, Intervals],
    last_next: int = _NEVER,
) -> Moments:
    """Until when each of n samples holds.

    Args:
        utc: When they were taken, ascending.
        definitions: How the tag was recorded, oldest first.
        coverage: What was recorded of each I/O device.
        last_next: When the sample after the last one was taken.

    Returns:
        n instants, later than `utc`. A sample of which nothing says how long it holds has one tick.
    """
    following = np.append(utc[1:], last_next)
    reach = utc + TICK
    in_force = _in_force(utc, definitions)
    for index, definition in enumerate(definitions):
        mine = in_force == index
        if definition.event:
            reach[mine] = _recorded_until(utc[mine], coverage.get(definition.device, Intervals()))
        else:
            # Both ends of a period are cut to whole ticks, so it may look one longer than it is.
            near = mine & (following - utc <= definition.period + TICK)
            reach[mine] += definition.period - TICK
            reach[near] = following[near]
    held: Moments = np.minimum(reach, following)
    return held


def interpolate(series: Series, events: npt.NDArray[np.bool_], wanted: Moments) -> Values:
    """Values at some instants: of an event trend the one held, of a periodic one on the line between two.

    Args:
        series: n samples; between a gap's ends no line is drawn, and none after the last sample.
        events: Which of them an event trend took.
        wanted: The instants, ascending.

    Returns:
        A value for each instant, NaN in a gap.
    """
    values = np.full(len(wanted), np.nan)
    if not len(series):
        return values
    index = np.searchsorted(series.utc, wanted, "right") - 1
    held = (index >= 0) & (wanted < series.until[index])
    index, inside = index[held], np.flatnonzero(held)
    good = np.where(is_good(series), series.values, np.nan)
    after = np.minimum(index + 1, len(series) - 1)
    here = series.utc[index]
    length = series.utc[after] - here
    joined = (length > 0) & (series.until[index] == series.utc[after])
    share = np.where(joined, wanted[inside] - here, 0) / np.where(joined, length, 1)
    with np.errstate(invalid="ignore"):
        on_line = good[index] + share * (good[after] - good[index])
    exact = (share == 0) & (wanted[inside] == here)
    values[inside] = np.where(events[index] | exact, good[index], np.where(joined, on_line, np.nan))
    return values


class BucketSums:
    """Buckets in the making: takes a tag's samples piece by piece.

    Args:
        start: Where the first bucket starts, UTC nanoseconds.
        end: Where the last one ends; it may be shorter than the others.
        width: Their length.
    """

    def __init__(self, start: int, end: int, width: Duration) -> None:
        self._start, self._end, self._width = start, end, width
        self._utc = np.arange(start, end, width, dtype=np.int64)
        count = len(self._utc)
        self._minima = np.full(count, np.inf)
        self._maxima = np.full(count, -np.inf)
        self._sums = np.zeros(count)
        self._known = np.zeros(count, np.int64)
        self._counts = np.zeros(count, np.int64)

    def take(self, series: Series) -> None:
        """Take some samples more; what they hold outside of the buckets is left out."""
        begin = np.maximum(series.utc, self._start)
        finish = np.minimum(series.until, self._end)
        inside = is_good(series) & (begin < finish)
        begin, finish, values = begin[inside], finish[inside], series.values[inside]
        if not len(begin):
            return
        taken = series.utc[inside]
        np.add.at(self._counts, (taken[taken >= self._start] - self._start) // self._width, 1)
        source, bucket = _spread(
            (begin - self._start) // self._width, (finish - 1 - self._start) // self._width
        )
        edge = self._start + bucket * self._width
        held = np.minimum(finish[source], edge + self._width) - np.maximum(begin[source], edge)
        values = values[source]
        np.minimum.at(self._minima, bucket, values)
        np.maximum.at(self._maxima, bucket, values)
        np.add.at(self._sums, bucket, values * held)
        np.add.at(self._known, bucket, held)

    def result(self) -> Buckets:
        """The buckets, once all samples were taken."""
        known = self._known > 0
        # A sum of rounded products may leave the range of what was summed.
        means = np.clip(self._sums / np.maximum(self._known, 1), self._minima, self._maxima)
        full = self._known == np.minimum(self._utc + self._width, self._end) - self._utc
        return Buckets(
            self._utc,
            np.where(known, self._minima, np.nan),
            np.where(known, self._maxima, np.nan),
            np.where(known, means, np.nan),
            self._counts,
            np.where(full, GOOD, BAD).astype(np.uint8),
        )


def _in_force(utc: Moments, definitions: Sequence[Definition]) -> npt.NDArray[np.intp]:
    since = np.array([definition.since_utc for definition in definitions], np.int64)
    return np.maximum(np.searchsorted(since, utc, "right") - 1, 0)


def _recorded_until(utc: Moments, recorded: Intervals) -> Moments:
    """The end of the recorded span in which each instant lies, one tick later than the instant for none."""
    if not recorded:
        return utc + TICK
    starts, ends = np.array(recorded.spans, np.int64).T
    index = np.searchsorted(starts, utc, "right") - 1
    return np.where(index >= 0, np.maximum(ends[index], utc + TICK), utc + TICK)


def _spread(first: Moments, last: Moments) -> tuple[npt.NDArray[np.intp], Moments]:
    """Spans of buckets, one entry for each bucket: which span it is of, and which bucket it is."""
    lengths = last - first + 1
    source = np.repeat(np.arange(len(first)), lengths)
    before = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return source, first[source] + np.arange(len(source)) - before
