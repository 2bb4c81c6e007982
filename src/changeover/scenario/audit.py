"""Audits: what must hold after any history of faults and repairs, once all is well again (T6).

The simulation's sweeps and the drills judge with these functions, each by what it knows. An audit counts; it
says nothing of why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from changeover.core.alarm_merge import merge
from changeover.core.alarm_records import JournalRecord
from changeover.core.intervals import Intervals
from changeover.core.report_records import RunEvent, RunRecord
from changeover.model.alarm import Condition
from changeover.model.moment import Duration, Instant, to_seconds


@dataclass(frozen=True, slots=True)
class Counts:
    """What an audit counted; `names` are examples, at most a few of each kind.

    Attributes:
        expected: How many there should be.
        lost: Expected, and not there.
        doubled: There more than once.
        folded: Told by both servers, and told once by the merged journal.
        names: By kind of trouble, whom it concerns.
    """

    expected: int
    lost: int = 0
    doubled: int = 0
    folded: int = 0
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost and nothing doubled."""
        return not self.lost and not self.doubled

    def __add__(self, other: Counts) -> Counts:
        names = {
            kind: (*self.names.get(kind, ()), *other.names.get(kind, ()))[:EXAMPLES_MAX]
            for kind in (*self.names, *other.names)
        }
        return Counts(
            self.expected + other.expected,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.folded + other.folded,
            names,
        )


EXAMPLES_MAX = 5


@dataclass(frozen=True, slots=True)
class TrueTransition:
    """What really happened to an alarm: from an instant on it was in a condition."""

    tag: str
    condition: Condition
    utc: int


def audit_journal(
    records: Iterable[JournalRecord],
    truth: Iterable[TrueTransition],
    window: Duration,
    late: Duration,
    optional: Iterable[TrueTransition] = (),
    until_utc: int | None = None,
) -> Counts:
    """Whether the merged journal tells every transition of the truth exactly once.

    Args:
        records: Of both servers' journals.
        truth: Transitions that had to be seen, in order; from NORMAL at the beginning.
        window: Two servers may tell one transition so far apart (two scans).
        late: How long after it happened a transition may be seen at most.
        optional: Transitions that may have been seen or not, because they were too short or are another
            audit's affair; told twice they are doubled all the same.
        until_utc: Records from this instant on are not counted as doubled: a later audit sees them.
    """
    merged = merge(records, window)
    told: dict[str, list[tuple[Condition, int]]] = {}
    for record in merged.records:
        if record.event.is_transition:
            condition = record.condition if record.event.name == "ACTIVE" else Condition.NORMAL
            told.setdefault(record.tag, []).append((condition, record.utc))
    truth = tuple(truth)
    lost = [
        f"{transition.tag} {transition.condition.value} at {transition.utc}"
        for transition in truth
        if not _take(told, transition, late)
    ]
    for transition in optional:
        _take(told, transition, late)
    left = [
        f"{tag} {condition.value} at {utc}"
        for tag, rest in told.items()
        for condition, utc in rest
        if until_utc is None or utc < until_utc
    ]
    return Counts(len(truth), len(lost), len(left), merged.folded, _examples(lost=lost, doubled=left))


def _take(
    told: Mapping[str, list[tuple[Condition, int]]], transition: TrueTransition, late: Duration
) -> bool:
    """Take the first record of a transition out of what is told; whether there was one."""
    candidates = told.get(transition.tag, [])
    for place, (condition, utc) in enumerate(candidates):
        if condition is transition.condition and transition.utc <= utc <= transition.utc + late:
            del candidates[place]
            return True
    return False


def audit_actions(
    records: Iterable[JournalRecord], outcomes: Mapping[str, str], always_logged: Iterable[str]
) -> Counts:
    """Whether operators' actions ended as they were told.

    Args:
        records: Of both servers' journals.
        outcomes: By action, `done`, `refused` or `unknown`.
        always_logged: Actions that leave a record on one alarm when they are done, such as comments.
    """
    merged = merge(records, 0)
    found = Counter((record.action, record.tag) for record in merged.records if record.action)
    by_action = Counter(action for action, _ in found)
    lost = [a for a in always_logged if outcomes.get(a) == "done" and not by_action[a]]
    doubled = [f"{action} on {tag}" for (action, tag), times in found.items() if times > 1]
    doubled += [f"{action}: refused, and done" for action in by_action if outcomes.get(action) == "refused"]
    return Counts(len(outcomes), len(lost), len(doubled), 0, _examples(lost=lost, doubled=doubled))


def audit_runs(
    records: Iterable[RunRecord], due: Iterable[tuple[str, int]], skipped_count: bool = False
) -> Counts:
    """Whether every scheduled run was run once.

    Args:
        records: Of both servers' logs.
        due: (report, scheduled time) of every run that had to be.
        skipped_count: Whether a run that was skipped by its report's policy counts as run.
    """
    ends = {RunEvent.FINISHED, RunEvent.SKIPPED} if skipped_count else {RunEvent.FINISHED}
    distinct = {(record.origin, record.number): record for record in records}
    ended = {(record.report, record.scheduled_utc) for record in distinct.values() if record.event in ends}
    finished = Counter(
        (record.report, record.scheduled_utc)
        for record in distinct.values()
        if record.event is RunEvent.FINISHED
    )
    due = tuple(due)
    lost = [f"{report} at {scheduled}" for report, scheduled in due if (report, scheduled) not in ended]
    doubled = [f"{report} at {scheduled}" for (report, scheduled), n in finished.items() if n > 1]
    return Counts(len(due), len(lost), len(doubled), 0, _examples(lost=lost, doubled=doubled))


def audit_samples(
    held: Mapping[str, Iterable[tuple[int, str]]], required: Iterable[tuple[int, str]] = ()
) -> Counts:
    """Whether both trend servers hold whatever one of them recorded.

    Args:
        held: By server, (UTC, tag) of its samples.
        required: Samples that one of the two must have recorded.
    """
    sets = {server: set(samples) for server, samples in held.items()}
    everything = set().union(*sets.values(), required)
    lost = [
        f"{tag} at {utc}, not on {server}"
        for server, samples in sorted(sets.items())
        for utc, tag in sorted(everything - samples)
    ]
    return Counts(len(everything) * len(sets), len(lost), 0, 0, _examples(lost=lost))


def audit_coverage(held: Mapping[str, Mapping[str, Intervals]]) -> Counts:
    """Whether both trend servers cover the same spans, counted in nanoseconds."""
    devices = {device for spans in held.values() for device in spans}
    names: list[str] = []
    lost = expected = 0
    for device in sorted(devices):
        whole = Intervals(())
        for spans in held.values():
            whole = whole | spans.get(device, Intervals(()))
        for server, spans in sorted(held.items()):
            gap = whole - spans.get(device, Intervals(()))
            expected += whole.total
            lost += gap.total
            names.extend(f"{device} on {server} {start}..{end}" for start, end in gap)
    return Counts(expected, lost, 0, 0, _examples(lost=names))


def audit_alike(kept: Mapping[str, Iterable[Hashable]]) -> Counts:
    """Whether both servers of a pair keep the same records.

    Args:
        kept: By server, what it keeps.
    """
    sets = {server: frozenset(records) for server, records in kept.items()}
    everything = frozenset[Hashable]().union(*sets.values())
    lost = [
        f"{record}, not on {server}"
        for server, records in sorted(sets.items())
        for record in everything - records
    ]
    return Counts(len(everything) * len(sets), len(lost), 0, 0, _examples(lost=sorted(lost)))


class Shown(NamedTuple):
    """What a client shows of an I/O device changed, or was confirmed.

    Attributes:
        at: When.
        device: The I/O device.
        source_at: When the device delivered what is shown from now on; None for #COM.
    """

    at: Instant
    device: str
    source_at: Instant | None


def audit_ages(shown: Iterable[Shown], oldest: Duration, end: Instant) -> Counts:
    """Whether no value was shown as good for longer than it may be.

    Args:
        shown: Of one client, in order.
        oldest: How long ago the device may have delivered what is shown as good.
        end: Until when one looks.

    Returns:
        As many are expected as answers came; lost are those that were shown as good for too long.
    """
    showing: dict[str, Instant | None] = {}
    expected = 0
    old: list[str] = []

    def judge(device: str, until: Instant) -> None:
        source_at = showing.get(device)
        if source_at is not None and until - source_at > oldest:
            old.append(f"{device}: {to_seconds(until - source_at):.3f} s old")

    for one in shown:
        judge(one.device, one.at)
        showing[one.device] = one.source_at
        expected += one.source_at is not None
    for device in showing:
        judge(device, end)
    return Counts(expected, len(old), 0, 0, _examples(lost=old))


def _examples(**kinds: Iterable[str]) -> dict[str, tuple[str, ...]]:
    return {kind: tuple(names)[:EXAMPLES_MAX] for kind, names in kinds.items() if names}
