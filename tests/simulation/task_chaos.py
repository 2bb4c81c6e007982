"""Random faults on a plant whose pairs alarm, record and report, and audits of what is left on their disks.

Phase 1: faults and repairs come and go, at times two at once, while alarms toggle, trends are recorded,
reports fall due and operators act. Phase 2: all is repaired, and within a bound everything must be redundant
again; then the disks of each pair are audited.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import replace
from random import Random

from changeover.core.alarm_records import AlarmAction, AlarmEvent, JournalRecord
from changeover.core.intervals import Intervals
from changeover.core.machine import ActOnAlarms, GiveUp, Present, ShowCom
from changeover.core.report_records import RunRecord
from changeover.core.task_messages import PairStatus
from changeover.core.task_server import TaskServer
from changeover.core.trace import TraceLine
from changeover.model.alarm import Alarm, AlarmType, Category, Condition
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant, seconds
from changeover.model.plant import Plant
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from changeover.model.server import Function
from changeover.model.trend import Trend, TrendType
from changeover.scenario.audit import (
    Counts,
    TrueTransition,
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
from plants import timing_for, two_server_plant

CHAOS: Duration = 60 * SECOND
DWELL_MIN: Duration = 16 * SECOND
"""How long an alarm stays as it is at least: it outlasts every outage and I/O changeover here."""
OUTAGE_MAX: Duration = 5 * SECOND
"""After this an outage ends with the next step: two that follow one another are shorter than a dwell."""
STEP_SECONDS_MAX = 2.5
FAULTS_MAX = 2
TAGS = 3


class Script:
    """What the plant does: each tag is switched on and off at instants drawn before."""

    def __init__(self, tags: tuple[str, ...], until: Instant, rng: Random) -> None:
        self.switched = {tag: self._instants(until, rng) for tag in tags}

    def _instants(self, until: Instant, rng: Random) -> list[int]:
        at, instants = round(rng.uniform(5, 12) * SECOND), []
        while at < until:
            instants.append(at + EPOCH_UTC)
            at += DWELL_MIN + round(rng.random() * 8 * SECOND)
        return instants

    def value(self, tag: str, utc: int) -> float | None:
        """1 after an odd number of switchings."""
        instants = self.switched.get(tag)
        return 0.0 if instants is None else float(bisect_right(instants, utc) % 2)

    def transitions(self) -> list[TrueTransition]:
        """Everything that happens to the alarms."""
        return [
            TrueTransition(f"A_{tag}", Condition.NORMAL if place % 2 else Condition.ON, utc)
            for tag, instants in self.switched.items()
            for place, utc in enumerate(instants)
        ]


def random_plant(seed: int, rng: Random) -> Plant:
    """Family and number of LANs follow from the seed."""
    family = "ABC"[seed % 3]
    timing = timing_for(
        family,
        send_timeout=rng.choice((500, 800)),
        request_timeout=rng.choice((300, 600)),
        heartbeat=rng.choice((500, 1000)),
        client_retry=rng.choice((300, 900)),
        watch=rng.choice((500, 1000)),
    )
    timing = replace(timing, alarm_scan=250 * MILLISECOND, trend_gap_fill=seconds(3), trend_samples_max=50)
    plant = two_server_plant(
        family,
        timing=timing,
        lans=1 + seed // 3 % 2,
        driver=DriverTiming(timeout=200 * MILLISECOND, watch=500 * MILLISECOND),
        devices=2,
        tags_per_device=TAGS,
    )
    category = Category(1, "process", 1)
    alarms = tuple(
        Alarm(f"A_{tag.name}", tag.name, AlarmType.DIGITAL, category, (tag.name,)) for tag in plant.tags
    )
    trends = tuple(
        Trend(tag.name, TrendType.PERIODIC if place % 2 else TrendType.EVENT, SECOND if place % 2 else 0)
        for place, tag in enumerate(plant.tags)
    )
    policies = (MissedRuns.ALL, MissedRuns.ONCE)
    reports = tuple(
        Report(f"R{policy.value}", Schedule(period=seconds(5)), "t", (ReportFormat.HTML,), policy)
        for policy in policies
    )
    return replace(plant, alarms=alarms, trends=trends, reports=reports)


class TaskChaos:
    """One plant under random faults."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(f"tasks {seed}")
        self.plant = random_plant(seed, self._rng)
        self.trace: list[TraceLine] = []
        self.script = Script(tuple(tag.name for tag in self.plant.tags), CHAOS, self._rng)
        self.world = PlantWorld(self.plant, self._rng, self.trace.append, with_tasks=True, truth=self.script)
        self.history: list[str] = []
        self.was_cut = False
        self._commands = 0
        self._actions: dict[int, AlarmAction] = {}
        self.redundant_after: Duration | None = None
        self.stale: list[str] = []
        self._shown: dict[str, int] = {}
        self.world.clients["HMI1"].on_present = self._on_shown

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
        self.was_cut |= injection.fault is Fault.PARTNER_CUT
        self.history.append(f"{self.world.world.now / SECOND:.3f} {injection.fault.value} {injection.target}")
        self.world.inject(injection)

    def _repair(self, injection: Injection) -> None:
        now = self.world.world.now / SECOND
        self.history.append(f"{now:.3f} repair {injection.fault.value} {injection.target}")
        self.world.repair(injection)

    def _act(self) -> None:
        """An operator comments on an alarm, or acknowledges all."""
        self._commands += 1
        host = self.world.task_clients["HMI1", Function.ALARM]
        utc = self.world.world.now + EPOCH_UTC
        name = f"HMI1-{self._commands}"
        alarm = self._rng.choice(self.plant.alarms).tag
        if self._rng.random() < 0.5:
            action = AlarmAction(name, AlarmEvent.COMMENT, utc, "op", "HMI1", (alarm,), comment="seen")
        else:
            action = AlarmAction(name, AlarmEvent.ACKNOWLEDGED, utc, "op", "HMI1", everything=True)
        self._actions[self._commands] = action
        host.deliver(ActOnAlarms(self._commands, action))

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
            self.world.task_clients["HMI1", Function.ALARM].deliver(GiveUp(command))

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
            "journals differ": _differ(_journal(disk) for disk in alarm.values()),
            "stale values": Counts(1, len(self.stale), names={"lost": tuple(self.stale[:3])}),
            "runs differ": _differ(_runs(disk) for disk in report.values()),
        }

    def _audit_alarms(self, disks: dict[str, AlarmDisk]) -> Counts:
        window = 2 * self.plant.timing.alarm_scan
        records = [record for disk in disks.values() for record in _journal(disk)]
        return audit_journal(records, self.script.transitions(), window, DWELL_MIN)

    def _audit_actions(self, disks: dict[str, AlarmDisk]) -> Counts:
        records = [record for disk in disks.values() for record in _journal(disk)]
        ended = {end.command: end for end in self.world.task_clients["HMI1", Function.ALARM].ended}
        outcomes = {action.action: ended[number].outcome for number, action in self._actions.items()}
        comments = [a.action for a in self._actions.values() if a.event is AlarmEvent.COMMENT]
        return audit_actions(records, outcomes, comments)

    def _audit_runs(self, disks: dict[str, RunDisk]) -> Counts:
        records = [record for disk in disks.values() for record in _runs(disk)]
        period = 5 * SECOND
        first = (self._began_utc // period + 1) * period
        last = self.world.world.now + EPOCH_UTC - 6 * SECOND
        every = [(name, utc) for name in ("Rall", "Ronce") for utc in range(first, last, period)]
        return audit_runs(records, every, skipped_count=True)

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


def _runs(disk: RunDisk) -> list[RunRecord]:
    return [record for log in disk.log.values() for record in log]


def _differ(logs: Iterable[Iterable[object]]) -> Counts:
    first, second = (set(log) for log in logs)
    return Counts(len(first | second), len(first ^ second))
