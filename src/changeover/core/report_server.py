"""A report server: scheduled reports run once, on the active server, whatever fails (T6).

Theory of operation. A run is (report, scheduled time), and has one end: finished, failed or skipped.

    due --active--> STARTED --rendered--> published, FINISHED (or FAILED)

Each step is a record in the log of the server that took it, and goes to the partner like a journal. A run
that was started and did not end is run again by the active server when the one that started it is gone, or
was started anew; one that has an end never is. Rendering takes a while, and much may happen meanwhile: so it
ends with files that are there, but not under their names. The machine publishes them only if the run is still
its own: a server that slept first learns what its partner did.

Two servers that cannot see each other both believe that they are active, and both run. Their logs then hold
two ends of one run: that is counted, not hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import ClassVar, Protocol

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
from changeover.core.task_server import TaskPeer, TaskServer
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.report import MissedRuns, Report, Schedule

RECORDS_PER_BATCH = 500
START_TIMEOUT: Duration = 30 * SECOND
"""How long the partner's log may take at the start."""
MISSED_MAX = 1000
"""Of one report, missed runs that are looked at."""


class Calendar(Protocol):
    """When reports run. Pure: the same arguments, the same runs."""

    def runs_between(self, schedule: Schedule, after_utc: int, until_utc: int, limit: int) -> tuple[int, ...]:
        """Scheduled times after one instant and not after another, the earliest first, at most `limit`."""


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
    """What is known of a run that was started or has ended."""

    event: RunEvent
    origin: str


class ReportServer(TaskServer):
    """The machine of one report server.

    Args:
        name, partner, ways, is_first, neighbours, timing, rng: As for every task server.
        reports: All reports.
        calendar: Says when they run.
        kept: What the own archive holds.
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
    ) -> None:
        super().__init__(name, partner, ways, is_first, neighbours, timing, START_TIMEOUT, rng)
        self.origin = kept.origin
        self._reports = {report.name: report for report in reports}
        self._calendar = calendar
        self._kept = dict(kept.numbers)
        self._saved = kept.saved_utc
        self._runs: dict[tuple[str, int], _Run] = {}
        self._looked_until: dict[str, int] = {}
        for record in kept.records:
            self._learn(record)
        self._rendering: dict[int, tuple[str, int]] = {}
        self._started: dict[int, int] = {}
        self._rendered: list[RunRendered] = []
        self._runs_out = 0
        self._utc = 0

    # --- running ---

    def _on_wall_clock(self, clock: WallClock, now: Instant) -> Iterable[Effect]:
        self._utc = clock.utc
        for name in self._reports:
            # A report that never ran begins now: what lies before is nobody's debt.
            self._looked_until.setdefault(name, clock.utc)
        if not self.is_active:
            return
        yield from self._run_again(now)
        for report in self._reports.values():
            yield from self._run_due(report, now)

    def _run_due(self, report: Report, now: Instant) -> Iterable[Effect]:
        due = self._calendar.runs_between(
            report.schedule, self._looked_until[report.name], self._utc, MISSED_MAX
        )
        due = tuple(scheduled for scheduled in due if (report.name, scheduled) not in self._runs)
        in_time = self._utc - 2 * (self._timing.send_timeout + self._timing.report_watch)
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
        self._looked_until[report.name] = max(self._looked_until[report.name], self._utc)

    def _run_again(self, now: Instant) -> Iterable[Effect]:
        """Runs that were started and will not end: their server is gone, or was started anew."""
        under_way = set(self._rendering.values())
        for (report, scheduled), run in tuple(self._runs.items()):
            if run.event is not RunEvent.STARTED or (report, scheduled) in under_way:
                continue
            theirs = run.origin != self.origin
            if report in self._reports and not (theirs and self._pair.belief is Belief.ACTIVE):
                yield from self._start(report, scheduled, now)

    def _start(self, report: str, scheduled: int, now: Instant) -> Iterable[Effect]:
        self._runs_out += 1
        self._rendering[self._runs_out] = (report, scheduled)
        token = self._runs_out
        yield from self._keep([self._record(report, scheduled, RunEvent.STARTED, ())], now)
        self._started[token] = self._kept[self.origin]
        yield RunReport(token, report, scheduled)

    def _on_rendered(self, rendered: RunRendered, now: Instant) -> Iterable[Effect]:
        self._rendered.append(rendered)
        return self._end_runs(now)

    def _end_runs(self, now: Instant) -> Iterable[Effect]:
        """Publish, or drop, what is rendered, as far as it is known which."""
        waiting, self._rendered = self._rendered, []
        for rendered in waiting:
            if self._is_undecided(rendered.token):
                self._rendered.append(rendered)
            else:
                yield from self._end_run(rendered, now)

    def _is_undecided(self, token: int) -> bool:
        """Whether the partner may do, or have done, the same run, and we do not know."""
        if self.status is PairStatus.STARTING or self._pair.belief is Belief.CUT_OFF:
            return True
        told = dict(self._pair.partner.numbers).get(self.origin, 0)
        return self._pair.is_there and told < self._started[token]

    def _end_run(self, rendered: RunRendered, now: Instant) -> Iterable[Effect]:
        del self._started[rendered.token]
        report, scheduled = self._rendering.pop(rendered.token)
        if not self._is_own((report, scheduled)):
            yield DropRun(rendered.token)
            return
        if rendered.files:
            yield PublishRun(rendered.token)
        else:
            yield DropRun(rendered.token)
        event = RunEvent.FINISHED if rendered.files else RunEvent.FAILED
        detail = rendered.files or rendered.problems
        yield from self._keep([self._record(report, scheduled, event, detail)], now)

    def _is_own(self, identity: tuple[str, int]) -> bool:
        """Whether a run that was rendered here may be published: it has no end, nor another server."""
        run = self._runs[identity]
        return run.event is RunEvent.STARTED and (self.is_active or run.origin == self.origin)

    def _on_ready(self, now: Instant) -> Iterable[Effect]:
        return self._end_runs(now)

    def _on_partner_told(self, state: PairState, now: Instant) -> Iterable[Effect]:
        return self._end_runs(now)

    def _on_partner_lost(self, now: Instant) -> Iterable[Effect]:
        return self._end_runs(now)

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
        run = self._runs.get((record.report, record.scheduled_utc))
        if run is None or run.event is RunEvent.STARTED:
            self._runs[record.report, record.scheduled_utc] = _Run(record.event, record.origin)
        seen = self._looked_until.get(record.report, 0)
        self._looked_until[record.report] = max(seen, record.scheduled_utc)

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
        return self._keep(batch.runs, now)

    def _on_poll(self, peer: TaskPeer, poll: Poll, now: Instant) -> Iterable[Effect]:
        yield self._peers.tell(peer, News(poll.request, sum(self._kept.values()), self.is_active), now)

    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = TaskServer.TABLE | {
        WallClock: _on_wall_clock,
        RunRendered: _on_rendered,
    }
