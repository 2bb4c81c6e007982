"""The journals of a pair, told as one.

Where both servers believed themselves active (they could not see each other), both have logged what they saw:
the same transition twice, at slightly different times. The merged journal tells it once. Which two records
are one is decided alarm by alarm: the transitions of each server are put side by side, each in its own order,
so that as many pairs as possible agree (same event and condition, UTC within the window), and of several ways
to do so the one with the least distance in time. Order is kept, for a server does not see an alarm return
before it became active: two servers that tell all of one truth are paired exactly, however fast it changes.
What one server alone has seen stays, unless the other has seen the like of it within the window.

Records of one server are never folded: it logs each of its transitions once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from changeover.core.alarm_records import JournalRecord
from changeover.model.moment import Duration

_Pair: TypeAlias = tuple[int, int]
_Score: TypeAlias = tuple[int, int]


class Merged(msgspec.Struct, frozen=True):
    """One journal of several servers.

    Attributes:
        records: By (utc, origin, number).
        folded: How many transitions (and ends of shelvings) are told once that servers had told twice.
    """

    records: tuple[JournalRecord, ...]
    folded: int


def merge(records: Iterable[JournalRecord], window: Duration) -> Merged:
    """Tell the journals of a pair as one.

    Args:
        records: Of both servers, in any order; each may be there more than once.
        window: How far apart in UTC two servers may see one transition, nanoseconds; two scans.

    Returns:
        The same for the same set of records. Of records that are one the earliest stays.
    """
    distinct = {(record.origin, record.number): record for record in records}
    actions: dict[tuple[str, str, int], list[JournalRecord]] = defaultdict(list)
    transitions: dict[str, list[JournalRecord]] = defaultdict(list)
    for record in sorted(distinct.values(), key=_place):
        if record.action:
            actions[record.action, record.tag, record.event].append(record)
        else:
            transitions[record.tag].append(record)
    merged = [record for group in actions.values() for record in _merge_action(group)]
    told = len(distinct) - sum(map(len, actions.values()))
    acted = len(merged)
    for group in transitions.values():
        merged.extend(_merge_transitions(group, window))
    return Merged(tuple(sorted(merged, key=_place)), told - (len(merged) - acted))


def _place(record: JournalRecord) -> tuple[int, str, int]:
    return record.utc, record.origin, record.number


def _by_origin(records: Iterable[JournalRecord]) -> list[list[JournalRecord]]:
    """The records of each server in their order, servers by name."""
    lists: dict[str, list[JournalRecord]] = defaultdict(list)
    for record in records:
        lists[record.origin].append(record)
    return [lists[origin] for origin in sorted(lists)]


def _merge_action(records: list[JournalRecord]) -> Iterator[JournalRecord]:
    """One action on one alarm: one record, whoever wrote it."""
    lists = _by_origin(records)
    for place in range(max(map(len, lists))):
        yield min((told[place] for told in lists if place < len(told)), key=_place)


def _merge_transitions(records: list[JournalRecord], window: Duration) -> list[JournalRecord]:
    """The transitions of one alarm, one server after the other laid beside what is there already."""
    first, *others = _by_origin(records)
    merged = first
    for told in others:
        twins = dict(_pair_up(merged, told, window))
        paired = set(twins.values())
        merged = [
            *(
                min(record, told[twins[i]], key=_place) if i in twins else record
                for i, record in enumerate(merged)
            ),
            *(record for j, record in enumerate(told) if j not in paired),
        ]
        merged.sort(key=_place)
    return merged


def _pair_up(ours: list[JournalRecord], theirs: list[JournalRecord], window: Duration) -> list[_Pair]:
    """Which of ours and theirs are one: the longest chain of pairs in the order of both, the nearest of these.

    Args:
        ours: Records of one alarm by UTC.
        theirs: Likewise, of another server.
        window: See `merge`.

    Returns:
        (position in ours, position in theirs), both increasing.
    """
    times: dict[tuple[int, str], list[int]] = defaultdict(list)
    positions: dict[tuple[int, str], list[int]] = defaultdict(list)
    for j, record in enumerate(theirs):
        times[_kind(record)].append(record.utc)
        positions[_kind(record)].append(j)
    best = _BestBefore(len(theirs))
    links: list[tuple[_Pair, int]] = []
    for i, record in enumerate(ours):
        kind = _kind(record)
        start = bisect_left(times[kind], record.utc - window)
        end = bisect_right(times[kind], record.utc + window)
        # From the right: what is entered for this i must not be found by another pair of the same i.
        for j in reversed(positions[kind][start:end]):
            (count, distance), before = best.before(j)
            score = (count + 1, distance - abs(record.utc - theirs[j].utc))
            links.append(((i, j), before))
            best.enter(j, score, len(links) - 1)
    chain: list[_Pair] = []
    _, link = best.before(len(theirs))
    while link >= 0:
        pair, link = links[link]
        chain.append(pair)
    return chain[::-1]


def _kind(record: JournalRecord) -> tuple[int, str]:
    return record.event, record.condition.value


class _BestBefore:
    """The best score of a chain that ends before a position: a tree of prefix maxima."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._nodes: list[tuple[_Score, int]] = [((0, 0), -1)] * (size + 1)

    def before(self, position: int) -> tuple[_Score, int]:
        """The best (pairs, minus their distance), and the link that it ends with; (0, 0) and -1 for none."""
        best = self._nodes[0]
        while position > 0:
            if self._nodes[position][0] > best[0]:
                best = self._nodes[position]
            position -= position & -position
        return best

    def enter(self, position: int, score: _Score, link: int) -> None:
        """A chain of that score ends at a position."""
        position += 1
        while position <= self._size:
            if score > self._nodes[position][0]:
                self._nodes[position] = (score, link)
            position += position & -position
