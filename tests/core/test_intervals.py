"""Sets of intervals against plain sets of numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from changeover.core.intervals import Intervals

NUMBERS = st.integers(-30, 60)
SPANS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8).map(tuple)
SETS = SPANS.map(Intervals)


def numbers(intervals: Intervals) -> set[int]:
    return {number for start, end in intervals for number in range(start, end)}


def is_normal(intervals: Intervals) -> bool:
    edges = [edge for span in intervals.spans for edge in span]
    return all(one < next_one for one, next_one in pairwise(edges))


@given(SPANS)
def test_spans_become_ascending_with_gaps(spans: tuple[tuple[int, int], ...]) -> None:
    made = Intervals(spans)
    assert is_normal(made)
    assert numbers(made) == {number for span in spans for number in range(*span)}
    assert made.total == len(numbers(made))
    assert bool(made) is bool(numbers(made))


@given(SETS, SETS)
def test_operators_are_those_of_sets(one: Intervals, other: Intervals) -> None:
    for result, expected in (
        (one | other, numbers(one) | numbers(other)),
        (one & other, numbers(one) & numbers(other)),
        (one - other, numbers(one) - numbers(other)),
    ):
        assert is_normal(result)
        assert numbers(result) == expected


@given(SETS, NUMBERS, NUMBERS)
def test_a_span_is_added_and_clipped(intervals: Intervals, start: int, end: int) -> None:
    added = intervals.add(start, end)
    assert is_normal(added)
    assert numbers(added) == numbers(intervals) | set(range(start, end))
    clipped = intervals.clip(start, end)
    assert is_normal(clipped)
    assert numbers(clipped) == numbers(intervals) & set(range(start, end))


@given(SETS)
def test_equal_sets_are_equal_however_they_came_about(intervals: Intervals) -> None:
    one_by_one = Intervals()
    for number in sorted(numbers(intervals), reverse=True):
        one_by_one = one_by_one.add(number, number + 1)
    assert one_by_one == intervals
    assert hash(one_by_one) == hash(intervals)


def test_nothing() -> None:
    nothing = Intervals()
    assert not nothing
    assert nothing == Intervals(((3, 3), (5, 4)))
    assert nothing - Intervals(((1, 2),)) == nothing
    assert nothing.add(4, 4) == nothing
    assert list(nothing.add(1, 3).add(3, 4)) == [(1, 4)]
