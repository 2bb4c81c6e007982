"""Audits of a plant under drill: what its archives and traces hold, against what really happened.

After each strike, once the plant is redundant again, that is audited which happened since the audit before;
each thing belongs to exactly one such span. What is on its way may take a while: an audit looks again until
it finds everything, or patience is over. Trends are audited when all processes have ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from changeover.core.alarm_records import JournalRecord
from changeover.drill import archives
from changeover.drill.load import Load
from changeover.drill.operator import Deed, read_deeds
from changeover.drill.result import (
    ACTIONS,
    COVERAGE,
    JOURNALS,
    LOGS,
    RUNS,
    SAMPLES,
    TRANSITIONS,
    VALUES,
    Audit,
)
from changeover.drill.rig import Rig
from changeover.drill.traces import source_at
from changeover.drill.truth import split, transitions
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.runtime.report_calendar import Calendar
from changeover.scenario.audit import (
    Counts,
    Shown,
    TrueTransition,
    audit_actions,
    audit_ages,
    audit_alike,
    audit_coverage,
    audit_journal,
    audit_runs,
    audit_samples,
)

AUDIT_SECONDS_MAX = 15.0
LOOK_SECONDS = 0.25
RUNS_MAX = 100_000
STALE_MARGIN: Duration = 200 * MILLISECOND
"""A value is shown as good for [LAN]TimeOut, a page scan and this at most."""
SETTLED: Duration = 6 * SECOND
"""Samples that are younger may still be on their way to either disk."""
EARLY: Duration = SECOND
"""Values are dated by the oldest block of an answer: what the others tell may be so much younger."""
ACTION_REACH: Duration = 120 * SECOND
"""An action was given so long before it ended, at most."""


class Auditor:
    """Audits one run of drills.

    Args:
        plant: The plant as it runs.
        rig: The running product.
        load: What switches the alarms.
        functions: Those that are drilled; the others are not audited.
        now_utc: UTC in nanoseconds since 1970.
    """

    def __init__(
        self,
        plant: Plant,
        rig: Rig,
        load: Load,
        functions: Collection[Function],
        now_utc: Callable[[], int] = time.time_ns,
    ) -> None:
        self._now_utc = now_utc
        self._plant = plant
        self._rig = rig
        self._has_alarms = Function.ALARM in functions and bool(plant.alarms)
        self._has_reports = Function.REPORT in functions and bool(plant.reports)
        self._has_trends = Function.TREND in functions and bool(plant.trends)
        self._load = load
        self._calendar = Calendar(plant.time_zone)
        self._waves = {name: square.wave for name, square in load.squares.items()}
        self._since: int | None = None
        self._steady: list[tuple[int, int]] = []
        self._steady_since: int | None = None

    # --- what the drills tell ---

    def on_steady(self) -> None:
        """All is well: from now on everything counts."""
        self._steady_since = self._now_utc()
        if self._since is None:
            self._since = self._steady_since

    def on_strike(self) -> None:
        """All was well until now."""
        if self._steady_since is not None:
            self._steady.append((self._steady_since, self._now_utc()))
            self._steady_since = None

    # --- audits ---

    def judge(self, after: str, is_cut: bool) -> tuple[Audit, ...]:
        """Audit what happened since the audit before; the plant is redundant.

        Args:
            after: The strike.
            is_cut: Whether it cut the pair.
        """
        assert self._since is not None, "a strike is made when all is well"
        start, until = self._since, self._now_utc()
        self._since = until
        looks: dict[str, Callable[[], Counts]] = {}
        if self._has_alarms:
            looks[TRANSITIONS] = lambda: self._audit_transitions(start, until)
            looks[ACTIONS] = lambda: self._audit_actions(start, until)
            looks[JOURNALS] = lambda: self._audit_journals(start, until)
        if self._has_reports:
            looks[RUNS] = lambda: self._audit_runs(start, until)
            looks[LOGS] = lambda: self._audit_logs(start, until)
        found = self._patiently(looks)
        return tuple(_audit(kind, after, is_cut, counts) for kind, counts in found.items())

    def judge_values(self, after: str, is_cut: bool) -> Audit:
        """Audit what clients showed, by the traces that are held."""
        end = time.monotonic_ns()
        counts = [self._audit_values(client, end) for client in self._plant.clients]
        return _audit(VALUES, after, is_cut, sum(counts, Counts(0)))

    def await_trends(self) -> None:
        """Let trend servers fill their gaps, and make what was recorded durable: then they may be stopped."""
        if self._has_trends:
            time.sleep((self._plant.timing.trend_gap_fill + SETTLED) / SECOND)

    def judge_trends(self) -> tuple[Audit, ...]:
        """Audit what both trend servers hold; their processes have ended.

        Raises:
            TrendArchiveError: An archive cannot be read.
        """
        servers = self._plant.tasks(Function.TREND)
        if not self._has_trends or not self._steady:
            return ()
        start, end = self._steady[0][0], self._now_utc() - SETTLED - self._plant.timing.trend_gap_fill
        held = {s.name: archives.samples(self._rig.data, s, self._plant, start, end) for s in servers}
        samples = audit_samples({name: found for name, (found, _) in held.items()}, self._required(end))
        covered = audit_coverage({name: spans for name, (_, spans) in held.items()})
        in_seconds = Counts(covered.expected // SECOND, -(-covered.lost // SECOND), 0, 0, covered.names)
        return _audit(SAMPLES, "", False, samples), _audit(COVERAGE, "", False, in_seconds)

    # --- one kind each ---

    def _audit_transitions(self, start: int, until: int) -> Counts:
        late, window = self._load.blind, 2 * self._plant.timing.alarm_scan
        alarms = self._load.audited(self._plant)
        had_to: list[TrueTransition] = []
        may: list[TrueTransition] = []
        for alarm in alarms:
            found = transitions(alarm, self._waves, start - 3 * late, until + 3 * late, EARLY)
            dated = [replace(one, utc=one.utc - EARLY) for one in found]
            one, other = split(dated, start, until, late)
            had_to += one
            may += other
        names = {alarm.tag for alarm in alarms}
        records = [r for r in self._journal(start) if r.tag in names and r.utc < until + late]
        return audit_journal(records, had_to, window, late, may, until)

    def _audit_actions(self, start: int, until: int) -> Counts:
        ended = [deed for deed in read_deeds(self._rig.deeds) if start <= deed.ended_utc < until]
        outcomes = {deed.action: deed.outcome for deed in ended}
        records = [r for r in self._journal(start - ACTION_REACH) if r.action in outcomes]
        return audit_actions(records, outcomes, _that_leave_records(ended))

    def _audit_journals(self, start: int, until: int) -> Counts:
        servers = self._plant.tasks(Function.ALARM)
        kept = {s.name: archives.journal(self._rig.data, s, start) for s in servers}
        return audit_alike({name: [r for r in records if r.utc < until] for name, records in kept.items()})

    def _audit_runs(self, start: int, until: int) -> Counts:
        due = [
            (report.name, utc)
            for report in self._plant.reports
            for utc in self._calendar.runs_between(report.schedule, start - 1, until - 1, RUNS_MAX)
        ]
        servers = self._plant.tasks(Function.REPORT)
        records = [r for s in servers for r in archives.runs(self._rig.data, s, start)]
        return audit_runs([r for r in records if r.scheduled_utc < until], due, skipped_count=True)

    def _audit_logs(self, start: int, until: int) -> Counts:
        servers = self._plant.tasks(Function.REPORT)
        kept = {s.name: archives.runs(self._rig.data, s, start) for s in servers}
        return audit_alike(
            {name: [r for r in records if r.scheduled_utc < until] for name, records in kept.items()}
        )

    def _audit_values(self, client: Client, end: int) -> Counts:
        oldest = self._plant.timing.request_timeout + client.page_scan + STALE_MARGIN
        devices = {tag.name: tag.device for tag in self._plant.tags}
        shown = []
        for line in self._rig.traces[client.name].lines:
            if line["kind"] == "answered":
                shown.append(Shown(line["at"], line["device"], source_at(line)))
            elif line["kind"] == "value" and line["quality"] == "COM":
                shown.append(Shown(line["at"], devices[line["tag"]], None))
        return audit_ages(shown, oldest, end)

    # --- parts ---

    def _journal(self, since: int) -> list[JournalRecord]:
        servers = self._plant.tasks(Function.ALARM)
        return [r for server in servers for r in archives.journal(self._rig.data, server, since)]

    def _required(self, end: int) -> list[tuple[int, str]]:
        """Samples that one of the two at least must have taken: those of the times when all was well."""
        scan = self._plant.timing.patience + SECOND
        return [
            (multiple * period, tag)
            for tag, period in archives.compared(self._plant).items()
            for begin, over in self._steady
            for multiple in range((begin + scan) // period + 1, (min(over, end) - scan) // period + 1)
        ]

    def _patiently(self, looks: dict[str, Callable[[], Counts]]) -> dict[str, Counts]:
        give_up = time.monotonic() + AUDIT_SECONDS_MAX
        found = {kind: look() for kind, look in looks.items()}
        # What is doubled stays doubled; only what is missing may be on its way.
        while any(counts.lost for counts in found.values()) and time.monotonic() < give_up:
            time.sleep(LOOK_SECONDS)
            self._rig.read()
            found |= {kind: looks[kind]() for kind, counts in found.items() if counts.lost}
        return found


def _that_leave_records(deeds: Sequence[Deed]) -> list[str]:
    return [deed.action for deed in deeds if deed.leaves_record]


def _audit(kind: str, after: str, is_cut: bool, counts: Counts) -> Audit:
    return Audit(
        kind, after, is_cut, counts.expected, counts.lost, counts.doubled, counts.folded, counts.names
    )
