"""Sets of whole numbers as half-open intervals: which spans of time were recorded, and which are lacking."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter

Span = tuple[int, int]
"""From the first number that belongs to it to the first that does not; empty when that is no later."""

_START: itemgetter[int] = itemgetter(0)
_END: itemgetter[int] = itemgetter(1)


@dataclass(frozen=True, slots=True)
class Intervals:
    """An immutable set of whole numbers, kept as intervals.

    Two sets of the same numbers are equal however they came about.

    Attributes:
        spans: Ascending, not empty, with a gap between any two. The constructor takes spans in any order,
            empty, overlapping or adjacent ones too.
    """

    spans: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "spans", _normal(self.spans))

    @property
    def total(self) -> int:
        """How many numbers belong to it."""
        return sum(end - start for start, end in self.spans)

    def __bool__(self) -> bool:
        return bool(self.spans)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def __or__(self, other: Intervals) -> Intervals:
        return Intervals((*self.spans, *other.spans))

    def __and__(self, other: Intervals) -> Intervals:
        common: list[Span] = []
        mine, theirs = self.spans, other.spans
        i = j = 0
        while i < len(mine) and j < len(theirs):
            start = max(mine[i][0], theirs[j][0])
            end = min(mine[i][1], theirs[j][1])
            if start < end:
                common.append((start, end))
            if mine[i][1] == end:
                i += 1
            else:
                j += 1
        return _unchecked(tuple(common))

    def __sub__(self, other: Intervals) -> Intervals:
        if not self.spans:
            return self
        first, last = self.spans[0][0], self.spans[-1][1]
        return self & other._gaps(first, last)

    def add(self, start: int, end: int) -> Intervals:
        """The set with one span more; cheap wherever it lies, at the end as anywhere.

        Args:
            start: First number of the span.
            end: First number after it.

        Returns:
            A new set, or this one when the span is empty.
        """
        if end <= start:
            return self
        spans = self.spans
        # Those that touch the new span: adjacent ones too, so that no two are left without a gap.
        first = bisect_left(spans, start, key=_END)
        after = bisect_right(spans, end, key=_START)
        if first < after:
            start, end = min(start, spans[first][0]), max(end, spans[after - 1][1])
        return _unchecked((*spans[:first], (start, end), *spans[after:]))

    def clip(self, start: int, end: int) -> Intervals:
        """What of the set lies in one span.

        Args:
            start: First number of the span.
            end: First number after it.

        Returns:
            A new set, empty when the span is.
        """
        if end <= start:
            return Intervals()
        first = bisect_right(self.spans, start, key=_END)
        after = bisect_left(self.spans, end, key=_START)
        inside = list(self.spans[first:after])
        if inside:
            inside[0] = (max(start, inside[0][0]), inside[0][1])
            inside[-1] = (inside[-1][0], min(end, inside[-1][1]))
        return _unchecked(tuple(inside))

    def _gaps(self, start: int, end: int) -> Intervals:
        """What of one span, which is not empty, does not belong to the set."""
        edges = [start]
        for span in self.clip(start, end).spans:
            edges += span
        edges.append(end)
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return _unchecked(tuple(pair for pair in pairs if pair[0] < pair[1]))


def _normal(spans: Iterable[Span]) -> tuple[Span, ...]:
    normal: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if normal and start <= normal[-1][1]:
            normal[-1] = (normal[-1][0], max(end, normal[-1][1]))
        else:
            normal.append((start, end))
    return tuple(normal)


def _unchecked(spans: tuple[Span, ...]) -> Intervals:
    """A set of spans that are known to be normal: adding to a long one would else read all of it."""
    made = object.__new__(Intervals)
    object.__setattr__(made, "spans", spans)
    return made
