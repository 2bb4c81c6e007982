"""The best values of a set of knobs: the least Σ ln(old / new) that meets a target, in whole units.

Branch and bound over whole numbers. Of each knob alone, with all others at their floors, the largest value
that meets the target is found by interpolation, exactly: a cell's figure never falls when a knob is raised.
Together these values are an upper bound; where they meet the target, they are the best. Where not, one
knob's range is divided: over an interval no value of it is better than its upper end, and no value of the
others better than at its lower end. What remains when no interval can be better than the best that was found
is that best: the result is exact, whatever the shape of the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from math import inf, isqrt
from operator import itemgetter

from changeover.guide.cells import ROUNDING_S, Cell, Oracle
from changeover.guide.knobs import Knob, Values

_EQUAL = 1e-12
"""Differences of Σ ln below this are rounding."""


class BestValues:
    """Looks for values.

    Args:
        oracle: Tells figures.
        floors: The least value of each knob that may be turned.
        target_s: The target, in seconds.
        cells: What has to meet it.
        gap: By how much less Σ ln another plan might cost; nothing but rounding by default.

    Attributes:
        divided: How many intervals were looked at: the size of the proof.
    """

    def __init__(
        self, oracle: Oracle, floors: Values, target_s: float, cells: Iterable[Cell], gap: float = 0.0
    ) -> None:
        self._oracle = oracle
        self._floors = floors
        self._limit = target_s + ROUNDING_S
        self._all = tuple(cells)
        self._gap = max(gap, _EQUAL)
        self._cells: list[Cell] = []
        self._governed: dict[Knob, list[Cell]] = {}
        self.divided = 0

    def find(self, knobs: Iterable[Knob]) -> Values | None:
        """The best values of these knobs, all others as they are; None where none meet the target.

        Cells are taken in one by one, those that the best values so far miss by most: what meets the target
        with few of them and then with all is the best for all.
        """
        free = tuple(knobs)
        while True:
            found = self._solve(free, {})
            if found is None:
                return None
            missed = _worst_missed(self._oracle, self._all, found, self._limit)
            if missed is None:
                return self._raised(found) if self._gap > _EQUAL else found
            self._take(missed)

    def _raised(self, values: Values) -> Values:
        """Each value as large as the others let it be: within a gap they need not be yet."""
        raised = dict(values)
        for knob, low in values.items():
            high = knob.value + 1
            while high - low > 1:
                middle = (low + high) // 2
                if all(self._meets(cell, {**raised, knob: middle}) for cell in self._all):
                    low = middle
                else:
                    high = middle
            raised[knob] = low
        return raised

    def _take(self, cell: Cell) -> None:
        self._cells.append(cell)
        for knob in self._oracle.governing(cell, self._floors):
            self._governed.setdefault(knob, []).append(cell)

    def _solve(self, free: tuple[Knob, ...], fixed: Values, floor: float = -inf) -> Values | None:
        """The best values of some knobs, others fixed; None where none are worth more than `floor`."""
        tops = self._tops(free, fixed)
        if tops is None or _worth(tops) <= floor + self._gap:
            return None
        # What is met at the upper bound is met by everything below it.
        missed = [cell for cell in self._cells if not self._meets(cell, {**fixed, **tops})]
        groups = _groups(free, missed, self._governed)
        if all(group for group, _ in groups):
            found = self._solve_groups(groups, free, tops, fixed, floor)
            if found is None or all(self._meets(cell, {**fixed, **found}) for cell in missed):
                return found
        # A cell hangs on a knob that no probe showed: any may be it.
        return self._solve_groups([(free, missed)], free, tops, fixed, floor)

    def _solve_groups(
        self,
        groups: list[tuple[tuple[Knob, ...], list[Cell]]],
        free: tuple[Knob, ...],
        tops: Values,
        fixed: Values,
        floor: float,
    ) -> Values | None:
        """The best values of knobs that are tied within each group; others are at their upper bound."""
        found = dict(tops)
        for group, cells in groups:
            others = {other: self._floors[other] for other in free if other not in group}
            knob = self._to_divide(group, cells, tops, {**fixed, **others})
            rest = tuple(other for other in group if other is not knob)
            elsewhere = _worth({other: found[other] for other in free if other not in group})
            best = self._divide(knob, tops[knob], rest, {**fixed, **others}, floor - elsewhere)
            if best is None:
                return None
            found.update(best)
        return found

    def _to_divide(self, group: tuple[Knob, ...], cells: list[Cell], tops: Values, fixed: Values) -> Knob:
        """Which knob of a group to divide: one that leaves the least of the others tied to each other.

        What is untied then is found by itself, side by side instead of one search within the other. Of
        max(T, τ · (r + 1)) + H that is H, which leaves τ and r tied, but no T.
        """

        def tied(knob: Knob) -> int:
            middle = max(isqrt(max(self._floors[knob], 1) * tops[knob]), self._floors[knob])
            rest = tuple(other for other in group if other is not knob)
            there = {**fixed, knob: middle}
            best = self._tops(rest, there)
            if best is None:
                return len(rest)
            missed = [cell for cell in cells if not self._meets(cell, {**there, **best})]
            return max((len(found) for found, _ in _groups(rest, missed, self._governed)), default=0)

        def rank(knob: Knob) -> tuple[int, bool, int]:
            return -tied(knob), knob.is_coarse, sum(knob in self._of(cell) for cell in cells)

        return max(group, key=rank)

    def _of(self, cell: Cell) -> tuple[Knob, ...]:
        return self._oracle.governing(cell, self._floors)

    def _meets(self, cell: Cell, values: Values) -> bool:
        return self._oracle.figure(cell, values) <= self._limit

    def _divide(
        self, knob: Knob, top: int, rest: tuple[Knob, ...], fixed: Values, floor: float
    ) -> Values | None:
        """The best of all values of one knob up to `top`, each with the best values of the rest.

        None where none are worth more than `floor`.
        """
        best: Values | None = None
        worth = floor
        heap: list[tuple[float, int, int, bool]] = []

        def consider(low: int, high: int) -> None:
            if low > high:
                return
            tops = self._tops(rest, {**fixed, knob: low})
            if tops is not None:
                heappush(heap, (-knob.worth(high) - _worth(tops), low, high, False))

        consider(self._floors[knob], top)
        while heap:
            bound, low, high, is_tight = heappop(heap)
            if -bound <= worth + self._gap:
                break
            self.divided += 1
            at = high if is_tight else low
            found = self._solve(rest, {**fixed, knob: at}, worth - knob.worth(high))
            if found is not None and knob.worth(at) + _worth(found) > worth + _EQUAL:
                best, worth = {**found, knob: at}, knob.worth(at) + _worth(found)
            if is_tight:
                middle = (low + high - 1) // 2
                consider(low, middle)
                consider(max(low, middle + 1), high - 1)
            elif found is not None and low < high:
                # No others are better than those at its lower end: the bound is tighter than by each alone.
                heappush(heap, (-knob.worth(high) - _worth(found), low, high, True))
        return best

    def _tops(self, free: tuple[Knob, ...], fixed: Values) -> dict[Knob, int] | None:
        """The largest value of each knob alone, the others at their floors; None where one has none."""
        least = {**fixed, **{knob: self._floors[knob] for knob in free}}
        if not all(self._meets(cell, least) for cell in self._cells):
            return None
        return {knob: self._largest(knob, least) for knob in free}

    def _largest(self, knob: Knob, values: Values) -> int:
        """The largest value of a knob with which its cells meet the target; at its floor they do."""
        top = knob.value
        for cell in self._governed.get(knob, ()):
            top = self._largest_of(cell, knob, top, values)
        return top

    def _largest_of(self, cell: Cell, knob: Knob, top: int, values: Values) -> int:
        low, high = self._floors[knob], top
        over = self._oracle.figure(cell, {**values, knob: high})
        if over <= self._limit:
            return high
        under = self._oracle.figure(cell, {**values, knob: low})
        by_halves = False
        while high - low > 1:
            # Nearly linear: where a straight line says, else in the middle.
            share = (self._limit - under) / (over - under) if over > under else 0.5
            guess = low + int((high - low) * (0.5 if by_halves else share))
            guess = min(max(guess, low + 1), high - 1)
            seen = self._oracle.figure(cell, {**values, knob: guess})
            before = high - low
            if seen <= self._limit:
                low, under = guess, seen
            else:
                high, over = guess, seen
            by_halves = not by_halves and (high - low) * 2 > before
        return low


def _worst_missed(oracle: Oracle, cells: Iterable[Cell], values: Values, limit: float) -> Cell | None:
    """The cell that misses the target by most, None where none does."""
    figures = ((oracle.figure(cell, values), cell) for cell in cells)
    worst, cell = max(figures, key=itemgetter(0), default=(0.0, None))
    return cell if worst > limit else None


def _groups(
    free: tuple[Knob, ...], cells: list[Cell], governed: Mapping[Knob, list[Cell]]
) -> list[tuple[tuple[Knob, ...], list[Cell]]]:
    """Knobs that some of these cells tie together, and those cells; knobs that none governs are left out."""
    groups: list[tuple[set[Knob], list[Cell]]] = []
    for cell in cells:
        knobs = {knob for knob in free if cell in governed.get(knob, ())}
        tied = [group for group in groups if group[0] & knobs]
        for group in tied:
            groups.remove(group)
        groups.append(
            (knobs.union(*(group[0] for group in tied)), [cell, *(c for group in tied for c in group[1])])
        )
    return [(tuple(knob for knob in free if knob in knobs), listed) for knobs, listed in groups]


def _worth(values: Values) -> float:
    return sum(knob.worth(value) for knob, value in values.items())
