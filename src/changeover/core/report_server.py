"""A report server: scheduled reports run once, on the active server, whatever fails (T6).

Theory of operation. A run is (report, scheduled time), and has one end: finished, failed or skipped.

    due --active--> STARTED --rendered--> PREPARED --partner knows, or is gone--> published, FINISHED

Each step is a record in the log of the server that took it, and goes to the partner like a journal. A run
that was started is run again by the active server when the one that started it is gone, or was started anew.
One that is prepared belongs to its server for good: its files lie on that server's disk, wait for nothing but
their names, and get them when the server is back, however long that takes. So between the two servers it is
decided at one point who runs: where the partner learns that a run is prepared, or does not. A server that is
cut off, or slept, at that point waits until it has learnt what its partner did; if that ran it meanwhile, the
files are thrown away. One that has an end is never run again.

A server that comes back while its partner is gone does not know what that did meanwhile. Runs that fell due
while it was away, and those that the partner had started, wait for the partner; after two minutes they are
run all the same, rather twice than never.

Two servers that cannot see each other while clients see both believe that they are active, and both run.
Their logs then hold two ends of one run: that is counted, not hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar, Protocol, TypeAlias

import msgspec

from changeover.core.machine import (
    DropRun,
    Effect,
    KeepRuns,
    PublishRun,
    RunRendered,
    RunReport,
    WallClock,
)
from changeover.core.pair import Belief
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.task_messages import (
    Batch,
    Fetch,
    FetchRecords,
    News,
    Numbers,
    PairState,
    PairStatus,
    Poll,
)
from changeover.core.task_server import LONELY, TaskPeer, TaskServer
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.report import MissedRuns, Report, Schedule

RECORDS_PER_BATCH = 500
START_TIMEOUT: Duration = 30 * SECOND
"""How long the partner's log may take at the start."""
LOOK_BACK: Duration = 600 * SECOND
"""How far before the last decided run others are looked for: a server that came back decides out of order."""
RUNS_MAX = 20_000
"""Runs that are remembered, before those are forgotten that nobody will look for again."""
MISSED_MAX = 1000
"""Of one report, missed runs that are looked at."""


_Identity: TypeAlias = tuple[str, int]
"""Of a run: report, scheduled time."""


class Calendar(Protocol):
    """When reports run. Pure: the same arguments, the same runs."""

    def runs_between(self, schedule: Schedule, after_utc: int, until_utc: int, limit: int) -> tuple[int, ...]:
        """Scheduled times after one instant, and not after another, ascending; the latest `limit` of them."""


class KeptRuns(msgspec.Struct, frozen=True):
    """What a server's own archive held when it started.

    Attributes:
        origin: Under which name this archive numbers its records: one for each archive, for ever.
        numbers: By origin, the highest number kept.
        records: The last records, oldest first: at least the last of each report, and all open runs.
        saved_utc: When anything was kept last, 0 for never.
    """

    origin: str
    numbers: Numbers = ()
    records: tuple[RunRecord, ...] = ()
    saved_utc: int = 0


class _Run(msgspec.Struct):
    """What is known of a run that was started or has ended.

    Attributes:
        event: Its end, else PREPARED, else STARTED.
        record: The line that says so.
    """

    event: RunEvent
    record: RunRecord

    @property
    def origin(self) -> str:
        """The server that wrote that."""
        return self.record.origin


_RANK = {RunEvent.STARTED: 0, RunEvent.PREPARED: 1}
"""Of what is known of a run, the last in this order counts; ends come after."""


class ReportServer(TaskServer):
    """The machine of one report server.

    Args:
        name, partner, ways, is_first, neighbours, timing, rng: As for every task server.
        reports: All reports.
        calendar: Says when they run.
        kept: What the own archive holds.
        has_visitors: As for every task server.
    """

    def __init__(
        self,
        name: str,
        partner: str | None,
        ways: tuple[Way, ...],
        is_first: bool,
        neighbours: frozenset[str],
        timing: Timing,
        rng: Random,
        reports: tuple[Report, ...],
        calendar: Calendar,
        kept: KeptRuns,
        has_visitors: bool = False,
    ) -> None:
        super().__init__(name, partner, ways, is_first, neighbours, timing, START_TIMEOUT, rng, has_visitors)
        self.origin = kept.origin
        self._reports = {report.name: report for report in reports}
        self._calendar = calendar
        self._kept = dict(kept.numbers)
        self._saved = kept.saved_utc
        self._runs: dict[_Identity, _Run] = {}
        self._looked_until: dict[str, int] = {}
        self._first: dict[str, int] = {}
        self._rendering: set[_Identity] = set()
        self._prepared: dict[_Identity, None] = {}
        for record in kept.records:
            self._learn(record)
        self._utc = 0
        self._is_unsure = False
        self._unsure_utc = 0
        self._unsure_until: Instant = 0

    # --- running ---

    def _on_wall_clock(self, clock: WallClock, now: Instant) -> Iterable[Effect]:
        self._utc = clock.utc
        for name in self._reports:
            # A report that never ran begins now: what lies before is nobody's debt.
            self._looked_until.setdefault(name, clock.utc)
            self._first.setdefault(name, clock.utc)
        if self._is_unsure:
            # The first time that is told after it came back: until then it was away.
            self._unsure_utc = self._unsure_utc or clock.utc
            self._is_unsure = now < self._unsure_until and not self._knows_all()
            if not self._is_unsure:
                yield from self._publish(now)
        if len(self._runs) > RUNS_MAX:
            self._forget_old()
        if not self.is_active:
            return
        yield from self._run_again(now)
        for report in self._reports.values():
            yield from self._run_due(report, now)

    def _run_due(self, report: Report, now: Instant) -> Iterable[Effect]:
        since = max(self._first[report.name], self._looked_until[report.name] - LOOK_BACK)
        if self._is_unsure:
            since = max(since, self._unsure_utc)
        due = self._calendar.runs_between(report.schedule, since, self._utc, MISSED_MAX)
        due = tuple(scheduled for scheduled in due if (report.name, scheduled) not in self._runs)
        in_time = self._utc - 2 * (self._timing.patience + self._timing.report_watch)
        late = [scheduled for scheduled in due if scheduled < in_time]
        skipped: list[int] = []
        if report.missed is MissedRuns.SKIP:
            skipped = late
        elif report.missed is MissedRuns.ONCE:
            skipped = late if len(late) < len(due) else late[:-1]
        records = [
            self._record(report.name, scheduled, RunEvent.SKIPPED, (), place)
            for place, scheduled in enumerate(skipped)
        ]
        yield from self._keep(records, now)
        for scheduled in due:
            if scheduled not in skipped:
                yield from self._start(report.name, scheduled, now)
        if not self._is_unsure:
            self._looked_until[report.name] = max(self._looked_until[report.name], self._utc)

    def _forget_old(self) -> None:
        """Forget runs that have an end, and that no look goes back to."""
        limit = self._utc - 2 * LOOK_BACK
        self._runs = {
            identity: run
            for identity, run in self._runs.items()
            if identity[1] >= limit or run.event in _RANK
        }
        self._first = {name: max(first, limit) for name, first in self._first.items()}

    def _knows_all(self) -> bool:
        """Whether the partner is there, and has told everything."""
        return self._pair.is_there and self._pair.belief is not Belief.STARTING and not self._lacks()

    def _run_again(self, now: Instant) -> Iterable[Effect]:
        """Runs that were started and will not end: their server is gone, or was started anew."""
        for identity, run in tuple(self._runs.items()):
            if run.event is not RunEvent.STARTED or identity in self._rendering:
                continue
            theirs = run.origin != self.origin
            waits = self._is_unsure or self._pair.belief is Belief.ACTIVE
            if identity[0] in self._reports and not (theirs and waits):
                yield from self._start(*identity, now)

    def _start(self, report: str, scheduled: int, now: Instant) -> Iterable[Effect]:
        self._rendering.add((report, scheduled))
        yield from self._keep([self._record(report, scheduled, RunEvent.STARTED, ())], now)
        yield RunReport(report, scheduled)

    def _on_rendered(self, rendered: RunRendered, now: Instant) -> Iterable[Effect]:
        identity = (rendered.report, rendered.scheduled_utc)
        self._rendering.discard(identity)
        if not self._is_own(identity):
            yield DropRun(*identity)
        elif rendered.files:
            yield from self._keep([self._record(*identity, RunEvent.PREPARED, rendered.files)], now)
            yield from self._publish(now)
        else:
            yield DropRun(*identity)
            yield from self._keep([self._record(*identity, RunEvent.FAILED, rendered.problems)], now)

    def _publish(self, now: Instant) -> Iterable[Effect]:
        """Publish, or throw away, what is prepared here, as far as it is known which."""
        if self.status is PairStatus.STARTING or self._pair.belief is Belief.CUT_OFF or self._lacks():
            return
        told = dict(self._pair.partner.numbers).get(self.origin, 0)
        for identity in tuple(self._prepared):
            run = self._runs[identity]
            if run.event is not RunEvent.PREPARED or run.origin != self.origin:
                del self._prepared[identity]
                yield DropRun(*identity)
            elif told >= run.record.number if self._pair.is_there else not self._predates(run.record):
                del self._prepared[identity]
                yield PublishRun(*identity)
                yield from self._keep([self._record(*identity, RunEvent.FINISHED, run.record.detail)], now)

    def _predates(self, record: RunRecord) -> bool:
        """Whether a record is from before this server was away, and it does not know what happened since."""
        return self._is_unsure and (not self._unsure_utc or record.utc <= self._unsure_utc)

    def _is_own(self, identity: _Identity) -> bool:
        """Whether a run that was rendered here may go on: it has no end, nor another server."""
        run = self._runs[identity]
        return run.event is RunEvent.STARTED and (self.is_active or run.origin == self.origin)

    def _on_ready(self, now: Instant) -> Iterable[Effect]:
        if self._partner is not None and self._pair.belief in (Belief.GONE, Belief.CUT_OFF):
            self._is_unsure, self._unsure_utc, self._unsure_until = True, 0, now + LONELY
        return self._publish(now)

    def _on_partner_told(self, state: PairState, now: Instant) -> Iterable[Effect]:
        return self._publish(now)

    def _on_partner_lost(self, now: Instant) -> Iterable[Effect]:
        return self._publish(now)

    # --- the log ---

    def _record(
        self, report: str, scheduled: int, event: RunEvent, detail: tuple[str, ...], ahead: int = 0
    ) -> RunRecord:
        number = self._kept.get(self.origin, 0) + 1 + ahead
        return RunRecord(self.origin, number, self._utc, report, scheduled, event, detail)

    def _keep(self, records: Iterable[RunRecord], now: Instant) -> Iterable[Effect]:
        records = tuple(records)
        if not records:
            return
        for record in records:
            self._kept[record.origin] = max(record.number, self._kept.get(record.origin, 0))
            self._saved = max(self._saved, record.utc)
            self._learn(record)
        yield KeepRuns(records)
        yield from self._tell_partner(now)

    def _learn(self, record: RunRecord) -> None:
        identity = (record.report, record.scheduled_utc)
        run = self._runs.get(identity)
        if run is None or _outranks(record, run.record):
            self._runs[identity] = _Run(record.event, record)
        if record.event is RunEvent.PREPARED and record.origin == self.origin:
            self._prepared[identity] = None
        elif record.event is RunEvent.FINISHED and record.origin == self.origin:
            self._prepared.pop(identity, None)
        seen = self._looked_until.get(record.report, 0)
        self._looked_until[record.report] = max(seen, record.scheduled_utc)
        first = self._first.get(record.report, record.scheduled_utc)
        self._first[record.report] = min(first, record.scheduled_utc)

    # --- the partner and clients ---

    def _numbers(self) -> Numbers:
        return tuple(self._kept.items())

    def _saved_utc(self) -> int:
        return self._saved

    def _lacking(self, partner: PairState) -> Fetch | None:
        for origin, number in partner.numbers:
            kept = self._kept.get(origin, 0)
            if number > kept:
                return FetchRecords(origin, kept, RECORDS_PER_BATCH)
        return None

    def _on_batch(self, fetch: Fetch, batch: Batch, now: Instant) -> Iterable[Effect]:
        yield from self._keep(batch.runs, now)
        yield from self._publish(now)

    def _on_poll(self, peer: TaskPeer, poll: Poll, now: Instant) -> Iterable[Effect]:
        yield self._peers.tell(peer, News(poll.request, sum(self._kept.values()), self.is_active), now)

    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = TaskServer.TABLE | {
        WallClock: _on_wall_clock,
        RunRendered: _on_rendered,
    }


def _outranks(record: RunRecord, known: RunRecord) -> bool:
    """Whether a record says more of a run than the one that is known; both servers come to the same."""
    rank, known_rank = _RANK.get(record.event, len(_RANK)), _RANK.get(known.event, len(_RANK))
    if rank == known_rank == _RANK[RunEvent.PREPARED]:
        # Both prepared it: the earlier one is published.
        return (record.utc, record.origin) < (known.utc, known.origin)
    return known_rank < len(_RANK) and rank >= known_rank
