"""The smallest sets of knobs by which a target can be met.

Lowering a knob never lengthens a changeover, so a set of knobs is enough exactly when it is with all of them
at their floors. A search for hitting sets: where a cell misses the target although every knob of the set is
at its floor, one more of the knobs that can have a say in the cell has to be in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from math import inf

from changeover.guide.cells import ROUNDING_S, Cell, Oracle
from changeover.guide.knobs import Knob, Values

SETS_MAX = 48
"""So many sets of one size have their values searched."""
LOOKED_MAX = 20_000
"""So many sets, enough or not, are looked at for one size."""


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
        self._looked = 0

    def missed(self, cells: Iterable[Cell], values: Values) -> Cell | None:
        """The first cell that misses the target."""
        return next((cell for cell in cells if self._oracle.figure(cell, values) > self._limit), None)

    def smallest(self, cells: tuple[Cell, ...]) -> tuple[tuple[frozenset[Knob], ...], bool]:
        """Sets of the smallest size that are enough for these cells, the most promising first.

        Args:
            cells: Those that meet the target with every knob at its floor.

        Returns:
            At least one set, the empty one where every cell meets the target as it is; and whether these are
            all: of very many alternatives, such as a time-out or a retry for each of many ports, only the
            first `SETS_MAX` are looked for.
        """
        forced = self._forced(cells)
        least = len(forced) + self._clauses(cells, forced)
        is_whole = True
        for size in range(least, len(self._floors) + 1):
            self._looked = 0
            found = dict.fromkeys(islice(self._enough(cells, forced, size), SETS_MAX + 1))
            is_whole &= len(found) <= SETS_MAX and self._looked <= LOOKED_MAX
            if found:
                return tuple(found)[:SETS_MAX], is_whole
        raise AssertionError("a cell misses the target with every knob at its floor")

    def _clauses(self, cells: Iterable[Cell], forced: frozenset[Knob]) -> int:
        """How many disjoint groups of knobs there are of which every set that is enough holds one."""
        used = set(forced)
        count = 0
        for cell in cells:
            own = {knob for knob in self._oracle.candidates(cell) if knob.units and knob in self._floors}
            spared = {knob: floor for knob, floor in self._floors.items() if knob not in own}
            if used.isdisjoint(own) and self._oracle.figure(cell, spared) > self._limit:
                used |= own
                count += 1
        return count

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
        self._looked += 1
        at_floors = {knob: self._floors[knob] for knob in knobs}
        cell = self.missed(cells, at_floors)
        if cell is None:
            yield knobs
        elif len(knobs) < size and self._looked <= LOOKED_MAX:
            further = [k for k in self._oracle.candidates(cell) if k in self._floors and k not in knobs]
            for knob in sorted(further, key=lambda one: self._cost(cell, one, at_floors)):
                yield from self._enough(cells, knobs | {knob}, size)

    def _cost(self, cell: Cell, knob: Knob, at_floors: Values) -> float:
        """What it costs to have a cell meet the target by one more knob; infinite where it cannot."""
        low, high = self._floors[knob], knob.value
        if self._oracle.figure(cell, {**at_floors, knob: low}) > self._limit:
            return inf
        while high - low > max(1, high // 20):
            middle = (low + high) // 2
            if self._oracle.figure(cell, {**at_floors, knob: middle}) > self._limit:
                high = middle
            else:
                low = middle
        return knob.worth(knob.value) - knob.worth(low)
