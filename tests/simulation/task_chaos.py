"""Random faults on a plant whose pairs alarm, record and report, and audits of what is left on their disks.

Phase 1: faults and repairs come and go, at times two at once, while alarms toggle, trends are recorded,
reports fall due and operators act. Phase 2: all is repaired, and within a bound everything must be redundant
again; then the disks of each pair are audited.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from random import Random

from changeover.core.alarm_records import AlarmAction, AlarmEvent, AlarmState, JournalRecord
from changeover.core.alarm_server import AlarmServer
from changeover.core.intervals import Intervals
from changeover.core.machine import ActOnAlarms, GiveUp, Present, ShowCom, ShowNews
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.task_messages import PairStatus
from changeover.core.task_server import TaskServer
from changeover.core.trace import TraceKind, TraceLine
from changeover.model.alarm import Condition
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.model.server import Function
from changeover.model.trend import TrendType
from changeover.scenario.audit import (
    Counts,
    audit_actions,
    audit_coverage,
    audit_journal,
    audit_runs,
    audit_samples,
)
from changeover.scenario.fault import Fault, Injection
from changeover.simulation.disk import AlarmDisk, RunDisk, TrendDisk
from changeover.simulation.host import EPOCH_UTC
from changeover.simulation.plant_world import PlantWorld
from simulation.chaos_plant import DWELL_MIN, LEVEL, Script, random_plant

CHAOS: Duration = 60 * SECOND
OUTAGE_MAX: Duration = 5 * SECOND
"""After this an outage ends with the next step: two that follow one another are shorter than a dwell."""
STEP_SECONDS_MAX = 2.5
FAULTS_MAX = 2
MARGIN: Duration = 100 * MILLISECOND
"""For rounding, and for messages that are under way."""
EXAMPLES = 4


class TaskChaos:
    """One plant under random faults."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"tasks {seed}")
        self.plant = random_plant(seed, self._rng)
        self.trace: list[TraceLine] = []
        self.script = Script(tuple(tag.name for tag in self.plant.tags), CHAOS, self._rng)
        self.world = PlantWorld(self.plant, self._rng, self.trace.append, with_tasks=True, truth=self.script)
        self.history: list[str] = []
        self._commands = 0
        self._actions: dict[int, AlarmAction] = {}
        self._leave_record: list[str] = []
        self._states: dict[str, AlarmState] = {}
        self._acknowledged_utc: dict[str, int] = {}
        self._noted: set[int] = set()
        self.redundant_after: Duration | None = None
        self.stale: list[str] = []
        self._shown: dict[str, int] = {}
        self.world.clients["HMI1"].on_present = self._on_shown
        self._operator = self.world.task_clients["HMI1", Function.ALARM]
        self._operator.performers[ShowNews] = self._on_news

    def _on_news(self, effect: ShowNews) -> None:
        if effect.news.full:
            self._states.clear()
        self._states.update((state.tag, state) for state in effect.news.states)

    def _on_shown(self, effect: Present | ShowCom, now: Instant) -> None:
        """No value older than T + R + 0.2 s is shown as good, up to the instant at which it is replaced."""
        shown = self._shown.pop(effect.device, None)
        bound = self.plant.timing.request_timeout + self.plant.clients[0].page_scan + 200 * MILLISECOND
        if shown is not None and now + EPOCH_UTC - shown > bound:
            self.stale.append(f"{effect.device} at {now}: {(now + EPOCH_UTC - shown) / SECOND:.3f} s old")
        if isinstance(effect, Present):
            assert effect.data is not None
            self._shown[effect.device] = effect.data.source_utc

    # --- what happens ---

    def run(self) -> None:
        """Both phases; raises AssertionError when something does not come back."""
        world, clock, rng = self.world, self.world.world, self._rng
        world.start()
        clock.run(3 * SECOND)
        self._began_utc = clock.now + EPOCH_UTC
        active: dict[Injection, Instant] = {}
        while clock.now < CHAOS:
            clock.run(clock.now + round(min(rng.expovariate(1 / 3), STEP_SECONDS_MAX) * SECOND))
            self._act()
            over = [i for i, since in active.items() if clock.now - since >= OUTAGE_MAX]
            if over or (active and rng.random() < 0.5):
                injection = over[0] if over else rng.choice(tuple(active))
                del active[injection]
                self._repair(injection)
            elif len(active) < FAULTS_MAX and self._is_quiet():
                injection = self._draw(tuple(active))
                if injection is not None:
                    active[injection] = clock.now
                    self._inject(injection)
        for injection in active:
            self._repair(injection)
        self._heal()

    def _is_quiet(self) -> bool:
        """Whether no pair is still coming back: a second fault must find something that is redundant."""
        return all(machine.is_redundant for machine in self._machines()) or self._rng.random() < 0.1

    def _draw(self, active: tuple[Injection, ...]) -> Injection | None:
        rng, plant = self._rng, self.plant
        lans = [lan.name for lan in plant.lans if lan.name != "FIELD"]
        computers = ["SCADA1", "SCADA2"]
        servers = [*self.world.tasks, *self.world.servers]
        choices = [
            *(Injection(Fault.SERVER_SILENT, computer) for computer in computers),
            *(Injection(Fault.SERVER_CLOSED, server) for server in servers),
            *(Injection(Fault.SERVER_FROZEN, server) for server in servers),
            *(Injection(Fault.LAN_SILENT, lan) for lan in lans),
            Injection(Fault.PARTNER_CUT, "SCADA1+SCADA2"),
            Injection(Fault.DEVICE_SILENT, "PLC1"),
            Injection(Fault.DEVICE_CLOSED, "PLC2"),
        ]  # fmt: skip
        injection = rng.choice(choices)
        # The same process cannot be killed and frozen at once.
        struck = {i.target for i in active}
        return None if injection.target in struck else injection

    def _inject(self, injection: Injection) -> None:
        self.history.append(f"{self.world.world.now / SECOND:.3f} {injection.fault.value} {injection.target}")
        self.world.inject(injection)

    def _repair(self, injection: Injection) -> None:
        now = self.world.world.now / SECOND
        self.history.append(f"{now:.3f} repair {injection.fault.value} {injection.target}")
        self.world.repair(injection)

    def _act(self) -> None:
        """An operator comments on an alarm, acknowledges one, or all."""
        self._commands += 1
        utc, tags, kind = self.world.world.now + EPOCH_UTC, tuple[str, ...](), AlarmEvent.ACKNOWLEDGED
        name, drawn = f"HMI1-{self._commands}", self._rng.random()
        open_tags = self._open_acknowledgements(utc)
        if drawn < 0.4:
            kind, tags = AlarmEvent.COMMENT, (self._rng.choice(self.plant.alarms).tag,)
            self._leave_record.append(name)
        elif drawn < 0.8:
            listed = [s for _, s in sorted(self._states.items()) if not s.acknowledged]
            if not listed:
                return
            state = self._rng.choice(listed)
            tags = (state.tag,)
            # Nobody else can have acknowledged this occurrence.
            if not open_tags & {state.tag, ""} and state.active_utc > self._last_acknowledged(state.tag):
                self._leave_record.append(name)
        comment = "seen" if kind is AlarmEvent.COMMENT else ""
        action = AlarmAction(name, kind, utc, "op", "HMI1", tags, everything=not tags, comment=comment)
        action = action.showing(self._states)
        self._actions[self._commands] = action
        self._operator.deliver(ActOnAlarms(self._commands, action))

    def _open_acknowledgements(self, utc: int) -> set[str]:
        """Tags of acknowledgements that have not ended, empty for all; notes which have."""
        ended = {end.command: end.outcome for end in self._operator.ended}
        found = set()
        for number, action in self._actions.items():
            if action.event is AlarmEvent.ACKNOWLEDGED:
                tag = "" if action.everything else action.tags[0]
                # One of which nobody knows how it ended may still have been done.
                if ended.get(number, "unknown") == "unknown":
                    found.add(tag)
                elif number not in self._noted:
                    self._noted.add(number)
                    self._acknowledged_utc[tag] = utc
        return found

    def _last_acknowledged(self, tag: str) -> int:
        return max(self._acknowledged_utc.get(tag, 0), self._acknowledged_utc.get("", 0))

    def _heal(self) -> None:
        clock, repaired = self.world.world, self.world.world.now
        limit = repaired + self._bound()
        while clock.now < limit:
            clock.run(clock.now + 100 * MILLISECOND)
            if all(machine.is_redundant for machine in self._machines()) and self._one_is_active():
                self.redundant_after = clock.now - repaired
                break
        else:
            states = {name: (m.status.name, m.is_redundant, m._pair.belief) for name, m in self._by_name()}
            raise AssertionError(f"not redundant again: {states}")
        # What the last seconds brought has to reach both disks.
        clock.run(clock.now + 12 * SECOND)
        for command in self._actions:
            self._operator.deliver(GiveUp(command))

    def _bound(self) -> Duration:
        timing = self.plant.timing
        waits = timing.client_retry + timing.watch + timing.heartbeat + timing.request_timeout
        return 4 * timing.send_timeout + 4 * waits + timing.trend_gap_fill + 10 * SECOND

    def _by_name(self) -> list[tuple[str, TaskServer]]:
        found = []
        for name, task in self.world.tasks.items():
            assert isinstance(task.host.machine, TaskServer)
            found.append((name, task.host.machine))
        return found

    def _machines_of(self, function: Function) -> list[TaskServer]:
        return [m for name, m in self._by_name() if self.plant.task_server(name).function is function]

    def _machines(self) -> list[TaskServer]:
        return [machine for _, machine in self._by_name()]

    def _one_is_active(self) -> bool:
        by_function: dict[Function, int] = {}
        for name, machine in self._by_name():
            function = self.plant.task_server(name).function
            by_function[function] = by_function.get(function, 0) + (machine.status is PairStatus.ACTIVE)
        return all(count == 1 for count in by_function.values())

    # --- audits ---

    def audits(self) -> dict[str, Counts]:
        """What every audit counted."""
        alarm, trend, report = {}, {}, {}
        for name, task in self.world.tasks.items():
            if isinstance(task.disk, AlarmDisk):
                alarm[name] = task.disk
            elif isinstance(task.disk, TrendDisk):
                trend[name] = task.disk
            elif isinstance(task.disk, RunDisk):
                report[name] = task.disk
        return {
            "transitions": self._audit_alarms(alarm),
            "actions": self._audit_actions(alarm),
            "samples": audit_samples({name: self._settled(disk) for name, disk in trend.items()}),
            "coverage": audit_coverage({name: self._covered(disk) for name, disk in trend.items()}),
            "runs": self._audit_runs(report),
            "journals differ": _differ(self._old(_journal(disk)) for disk in alarm.values()),
            "states differ": _differ(map(_believed, self._machines_of(Function.ALARM))),
            "stale values": Counts(1, len(self.stale), names={"lost": tuple(self.stale[:3])}),
            "runs differ": _differ(self._old(_runs(disk)) for disk in report.values()),
        }

    def _old(self, records: Iterable[JournalRecord | RunRecord]) -> list[JournalRecord | RunRecord]:
        """Without what was written this very moment, and is under way to the partner."""
        until = self.world.world.now + EPOCH_UTC - SECOND
        return [record for record in records if record.utc < until]

    def _audit_alarms(self, disks: dict[str, AlarmDisk]) -> Counts:
        window = 2 * self.plant.timing.alarm_scan
        records = [r for disk in disks.values() for r in _journal(disk) if not _is_short(r)]
        return audit_journal(records, self.script.transitions(), window, DWELL_MIN)

    def _audit_actions(self, disks: dict[str, AlarmDisk]) -> Counts:
        records = [record for disk in disks.values() for record in _journal(disk)]
        ended = {end.command: end for end in self._operator.ended}
        outcomes = {action.action: ended[number].outcome for number, action in self._actions.items()}
        return audit_actions(records, outcomes, self._leave_record)

    def _audit_runs(self, disks: dict[str, RunDisk]) -> Counts:
        records = [record for disk in disks.values() for record in _runs(disk)]
        period = 5 * SECOND
        first = (self._began_utc // period + 1) * period
        last = self.world.world.now + EPOCH_UTC - 6 * SECOND
        every = [(name, utc) for name in ("Rall", "Ronce") for utc in range(first, last, period)]
        counts = audit_runs(records, every, skipped_count=True)
        apart = self._repeated_unseen(records)
        return replace(counts, doubled=counts.doubled - apart, folded=apart)

    def _repeated_unseen(self, records: list[RunRecord]) -> int:
        """How many runs a server repeated that could not have heard that its partner had finished them."""
        runs: dict[tuple[str, int], list[RunRecord]] = {}
        for record in sorted(set(records), key=lambda r: (r.utc, r.number)):
            runs.setdefault((record.report, record.scheduled_utc), []).append(record)
        found = 0
        for told in runs.values():
            made = [(self._began(record, told), record) for record in told if _is_end(record)]
            for (_, one), (began, later) in pairwise(sorted(made, key=lambda run: run[0])):
                if one.origin == later.origin:
                    continue
                if one.utc > began:
                    heard = self._heard(one.origin, began, one.utc)
                else:
                    heard = self._heard(later.origin, one.utc, began)
                found += not heard
        return found

    def _began(self, end: RunRecord, told: list[RunRecord]) -> int:
        """When the run was started that came to this end."""
        return max(
            r.utc
            for r in told
            if r.event is RunEvent.STARTED and r.origin == end.origin and r.number < end.number
        )

    def _heard(self, server: str, start_utc: int, end_utc: int) -> bool:
        """Whether the partner can have told a server, between two instants, what it had done by then."""
        found_utc: int | None = None
        for line in self.trace:
            utc = line.at + EPOCH_UTC
            if line.source == server and line.kind is TraceKind.PARTNER_FOUND and found_utc is None:
                found_utc = utc
            elif line.source == server and line.kind is TraceKind.PARTNER_LOST and found_utc is not None:
                # It may have been dead for [LAN]SendTimeout; records have the time of a tick.
                timing = self.plant.timing
                dead_utc = utc - timing.send_timeout - timing.report_watch - MARGIN
                if found_utc <= end_utc and dead_utc > start_utc:
                    return True
                found_utc = None
        return found_utc is not None and found_utc <= end_utc

    def _settled(self, disk: TrendDisk) -> list[tuple[int, str]]:
        """Samples that are not of the last seconds."""
        until = self.world.world.now + EPOCH_UTC - 6 * SECOND
        return [key for key in disk.samples if key[0] < until and not self._is_event(key[1])]

    def _is_event(self, tag: str) -> bool:
        return any(t.tag == tag and t.type is TrendType.EVENT for t in self.plant.trends)

    def _covered(self, disk: TrendDisk) -> dict[str, Intervals]:
        until = self.world.world.now + EPOCH_UTC - 6 * SECOND
        return {device: spans.clip(0, until) for device, spans in disk.covered.items()}


def _journal(disk: AlarmDisk) -> list[JournalRecord]:
    return [record for log in disk.journal.values() for record in log]


def _is_short(record: JournalRecord) -> bool:
    """Whether it tells of HIGH on the way to HIGH_HIGH, which need not be seen."""
    return record.tag.startswith(LEVEL) and record.condition is Condition.HIGH


def _believed(machine: TaskServer) -> list[tuple[str, str, str]]:
    assert isinstance(machine, AlarmServer)
    return [(state.tag, state.words, state.condition.value) for state in machine.states]


def _runs(disk: RunDisk) -> list[RunRecord]:
    return [record for log in disk.log.values() for record in log]


def _is_end(record: RunRecord) -> bool:
    return record.event is RunEvent.FINISHED


def _differ(logs: Iterable[Iterable[object]]) -> Counts:
    first, second = (set(log) for log in logs)
    names = tuple(sorted(map(str, first ^ second)))
    return Counts(len(first | second), len(first ^ second), names={"lost": names[:EXAMPLES]})
