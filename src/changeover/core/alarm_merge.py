"""The journals of a pair, told as one.

Where both servers believed themselves active (they could not see each other), both have logged what they
saw: the same transition twice, at slightly different times. The merged journal tells it once. Which two
records are one is decided alarm by alarm: the transitions of each server are laid side by side, each in its
own order (no server sees an alarm return before it became active), and paired with their like (same event
and condition, UTC within the window) so that as much nearness as possible comes together: the window less
the distance of each pair. What then still repeats the state that another server's record has told before is
folded as well, however late: a server that was blind for a while tells what it sees when it sees again, and
an alarm does not become active twice, or return twice, without the other in between.

That is exact, whoever logged what, where two servers see a transition less than a window apart and
transitions of one alarm are a window apart. It is exact too for an alarm that changes with every scan,
where both have logged it and the window is two scans. Only where one stops logging such an alarm just as
the other begins can two transitions be taken for one.

Records of one server are never folded: it logs each of its transitions once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.core.origins import server_of
from changeover.model.moment import Duration

_Pair: TypeAlias = tuple[int, int]


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
    # Shelvings that ended by themselves are no transitions, and told apart from them.
    seen: dict[tuple[str, bool], list[JournalRecord]] = defaultdict(list)
    for record in sorted(distinct.values(), key=_place):
        if record.action:
            actions[record.action, record.tag, record.event].append(record)
        else:
            seen[record.tag, record.event.is_transition].append(record)
    done = [record for group in actions.values() for record in _merge_action(group)]
    disabled: dict[str, list[int]] = defaultdict(list)
    for record in done:
        if record.event is AlarmEvent.DISABLED:
            disabled[record.tag].append(record.utc)
    told = [
        record
        for (tag, _), group in seen.items()
        for record in _merge_seen(group, sorted(disabled[tag]), window)
    ]
    folded = sum(map(len, seen.values())) - len(told)
    return Merged(tuple(sorted([*done, *told], key=_place)), folded)


def _place(record: JournalRecord) -> tuple[int, str, int]:
    return record.utc, record.origin, record.number


def _by_origin(records: Iterable[JournalRecord]) -> list[list[JournalRecord]]:
    """The records of each server in their order, servers by name."""
    lists: dict[str, list[JournalRecord]] = defaultdict(list)
    for record in records:
        lists[server_of(record.origin)].append(record)
    return [lists[server] for server in sorted(lists)]


def _merge_action(records: list[JournalRecord]) -> Iterator[JournalRecord]:
    """One action on one alarm: one record, whoever wrote it."""
    lists = _by_origin(records)
    for place in range(max(map(len, lists))):
        yield min((told[place] for told in lists if place < len(told)), key=_place)


def _merge_seen(records: list[JournalRecord], disabled: list[int], window: Duration) -> list[JournalRecord]:
    """What servers saw of one alarm: of each transition the record of the first that saw it.

    Args:
        records: Of the alarm, by place.
        disabled: When it was disabled, which ends what it was in, ascending.
        window: See `merge`.
    """
    first, *others = _by_origin(records)
    groups = [[record] for record in first]
    for theirs in others:
        ours = [group[0] for group in groups]
        twins = dict(_pair_up(ours, theirs, window))
        for i, j in twins.items():
            groups[i] = sorted([*groups[i], theirs[j]], key=_place)
        paired = set(twins.values())
        groups.extend([record] for j, record in enumerate(theirs) if j not in paired)
        groups.sort(key=lambda group: _place(group[0]))
    return [group[0] for group in _without_repeats(groups, disabled)]


def _without_repeats(groups: list[list[JournalRecord]], disabled: list[int]) -> list[list[JournalRecord]]:
    """Fold what tells the state once more that another server has told before."""
    kept: list[list[JournalRecord]] = []
    for group in groups:
        record, before = group[0], kept[-1] if kept else []
        repeats = before and _kind(before[0]) == _kind(record)
        if repeats and bisect_right(disabled, record.utc) > bisect_right(disabled, before[0].utc):
            repeats = False
        if repeats and not {server_of(r.origin) for r in before} & {server_of(r.origin) for r in group}:
            before.extend(group)
        else:
            kept.append(group)
    return kept


def _pair_up(ours: list[JournalRecord], theirs: list[JournalRecord], window: Duration) -> list[_Pair]:
    """Which of ours and theirs are one: the chain of pairs, in the order of both, with the most nearness.

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
            nearness, before = best.before(j)
            nearness += window + 1 - abs(record.utc - theirs[j].utc)
            links.append(((i, j), before))
            best.enter(j, nearness, len(links) - 1)
    chain: list[_Pair] = []
    _, link = best.before(len(theirs))
    while link >= 0:
        pair, link = links[link]
        chain.append(pair)
    return chain[::-1]


def _kind(record: JournalRecord) -> tuple[int, str]:
    return record.event, record.condition.value


class _BestBefore:
    """The nearest chain that ends before a position: a tree of prefix maxima."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._nodes: list[tuple[int, int]] = [(0, -1)] * (size + 1)

    def before(self, position: int) -> tuple[int, int]:
        """Nearness of the best chain that ends before a position, and its last link; 0 and -1 for none."""
        best = self._nodes[0]
        while position > 0:
            if self._nodes[position][0] > best[0]:
                best = self._nodes[position]
            position -= position & -position
        return best

    def enter(self, position: int, nearness: int, link: int) -> None:
        """A chain of that nearness ends at a position."""
        position += 1
        while position <= self._size:
            if nearness > self._nodes[position][0]:
                self._nodes[position] = (nearness, link)
            position += position & -position
