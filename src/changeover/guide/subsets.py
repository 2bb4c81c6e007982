"""The smallest sets of knobs by which a target can be met.

Lowering a knob never lengthens a changeover, so a set of knobs is enough exactly when it is with all of them
at their floors. A search for hitting sets: where a cell misses the target although every knob of the set is
at its floor, one more of the knobs that can have a say in the cell has to be in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from changeover.guide.cells import ROUNDING_S, Cell, Oracle
from changeover.guide.knobs import Knob, Values


class Subsets:
    """Looks for sets of knobs.

    Args:
        oracle: Tells figures.
        floors: The least value of each knob that may be turned.
        target_s: The target, in seconds.
    """

    def __init__(self, oracle: Oracle, floors: Values, target_s: float) -> None:
        self._oracle = oracle
        self._floors = floors
        self._limit = target_s + ROUNDING_S

    def missed(self, cells: Iterable[Cell], values: Values) -> Cell | None:
        """The first cell that misses the target."""
        return next((cell for cell in cells if self._oracle.figure(cell, values) > self._limit), None)

    def smallest(self, cells: tuple[Cell, ...]) -> tuple[frozenset[Knob], ...]:
        """Every set of the smallest size that is enough for these cells, in the order of the knobs.

        Returns:
            At least one; the empty set where every cell meets the target as it is. None is enough where a
            cell misses it at all floors: those must not be among the cells.
        """
        forced = self._forced(cells)
        for size in range(len(forced), len(self._floors) + 1):
            found = dict.fromkeys(self._enough(cells, forced, size))
            if found:
                order = {knob: place for place, knob in enumerate(self._floors)}
                return tuple(sorted(found, key=lambda knobs: sorted(order[knob] for knob in knobs)))
        raise AssertionError("a cell misses the target with every knob at its floor")

    def _forced(self, cells: tuple[Cell, ...]) -> frozenset[Knob]:
        """Knobs that no set can do without."""
        return frozenset(
            knob
            for cell in cells
            for knob in self._oracle.governing(cell, self._floors)
            if self._oracle.figure(cell, {**self._floors, knob: knob.value}) > self._limit
        )

    def _enough(
        self, cells: tuple[Cell, ...], knobs: frozenset[Knob], size: int
    ) -> Iterator[frozenset[Knob]]:
        """Sets of at most that size that hold these knobs and are enough."""
        cell = self.missed(cells, {knob: self._floors[knob] for knob in knobs})
        if cell is None:
            yield knobs
        elif len(knobs) < size:
            for knob in self._oracle.candidates(cell):
                if knob in self._floors and knob not in knobs:
                    yield from self._enough(cells, knobs | {knob}, size)
