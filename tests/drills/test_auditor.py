"""Audits of crafted archives, traces and deeds: what is lost or doubled is found, and only that."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

from changeover.core.alarm_records import AlarmEvent, JournalRecord
from changeover.core.intervals import Intervals
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.trend_records import GOOD, Covered, Samples
from changeover.drill import auditor as module
from changeover.drill.auditor import SETTLED, Auditor
from changeover.drill.campaign import drillable
from changeover.drill.load import Load, plan_load
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
from changeover.drill.traces import TraceReader
from changeover.drill.truth import transitions
from changeover.model.alarm import Alarm, AlarmType, Category, Condition
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from changeover.model.server import Function
from changeover.model.tag import Tag, TagType
from changeover.model.trend import Trend, TrendType
from changeover.storage.alarm_store import AlarmStore
from changeover.storage.run_ledger import RunLedger
from changeover.storage.trend_archive import TrendArchive
from plants import timing_for, two_server_plant

BEGAN = 1_795_000_000 * SECOND
SPAN = 2000 * SECOND
PERIOD = 5 * SECOND
SEEN_AFTER = 300 * MILLISECOND


def plant_of_drills() -> Plant:
    timing = timing_for("C", send_timeout=1000, request_timeout=500, watch=1000)
    plant = two_server_plant("C", lans=2, timing=replace(timing, trend_gap_fill=SECOND))
    category = Category(1, "process", 1)
    tags = tuple(Tag(f"T{n}", TagType.DIGITAL, "PLC1", f"{n:05}") for n in (1, 2, 3))
    alarms = tuple(Alarm(f"A{n}", "", AlarmType.DIGITAL, category, (f"T{n}",)) for n in (1, 2, 3))
    schedule = Schedule(period=PERIOD)
    reports = (Report("Log", schedule, "t", (ReportFormat.HTML,), MissedRuns.ALL),)
    trends = (Trend("PLC1_T1", TrendType.PERIODIC, SECOND), Trend("T1", TrendType.EVENT, 0))
    return replace(plant, tags=(*plant.tags, *tags), alarms=alarms, reports=reports, trends=trends)


class Clock:
    """UTC that a test moves."""

    def __init__(self) -> None:
        self.utc = BEGAN

    def __call__(self) -> int:
        return self.utc


class Scene:
    """A rig's folder without a rig, and the auditor that looks at it."""

    def __init__(self, tmp_path: Path) -> None:
        self.plant = plant_of_drills()
        strikes = drillable(self.plant, None, None)
        self.load: Load = plan_load(self.plant, strikes)
        self.clock = Clock()
        self.rig: Any = SimpleNamespace(
            data=tmp_path / "data",
            deeds=tmp_path / "operator.jsonl",
            traces={"HMI1": TraceReader(tmp_path / "HMI1.trace.jsonl")},
            read=lambda: None,
        )
        for server in self.plant.task_servers:
            (self.rig.data / server.name).mkdir(parents=True)
        self.auditor = Auditor(self.plant, self.rig, self.load, frozenset(Function), self.clock)
        self.auditor.on_steady()

    def records(self, until: int = BEGAN + SPAN) -> list[JournalRecord]:
        """The journal of a server that saw everything a little later."""
        waves = {name: square.wave for name, square in self.load.squares.items()}
        found = [one for alarm in self.plant.alarms for one in transitions(alarm, waves, BEGAN, until)]
        found.sort(key=lambda one: one.utc)
        return [
            JournalRecord(
                "Alarm1~1",
                number,
                one.utc + SEEN_AFTER,
                one.tag,
                AlarmEvent.ACTIVE if one.condition is Condition.ON else AlarmEvent.RETURNED,
                one.condition if one.condition is Condition.ON else Condition.ON,
            )
            for number, one in enumerate(found, start=1)
        ]

    def due(self) -> list[int]:
        return list(range(-(-BEGAN // PERIOD) * PERIOD, BEGAN + SPAN, PERIOD))

    def write(
        self,
        journal: Iterable[JournalRecord] = (),
        also: Iterable[JournalRecord] | None = None,
        runs: Iterable[RunRecord] = (),
    ) -> None:
        """Both servers' archives; `also` where the second one has another journal."""
        journal = list(journal)
        for name, kept in (("Alarm1", journal), ("Alarm2", journal if also is None else list(also))):
            with closing(AlarmStore(self.rig.data / name / "alarms.sqlite")) as store:
                store.write((), renumbered(kept))
        for name in ("Report1", "Report2"):
            with closing(RunLedger(self.rig.data / name / "runs.sqlite")) as ledger:
                ledger.append(list(runs))

    def judge(self, is_cut: bool = False) -> dict[str, Audit]:
        self.clock.utc = BEGAN + SPAN
        return {audit.kind: audit for audit in self.auditor.judge("a strike 1", is_cut)}


def renumbered(records: list[JournalRecord]) -> list[JournalRecord]:
    """Numbers of each origin from 1, without gaps: what an archive takes."""
    counts: dict[str, int] = {}
    out = []
    for record in records:
        counts[record.origin] = counts.get(record.origin, 0) + 1
        out.append(msgspec.structs.replace(record, number=counts[record.origin]))
    return out


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(module, "AUDIT_SECONDS_MAX", 0.0)
    return Scene(tmp_path)


def finished(scheduled: Iterable[int], origin: str = "Report1~1") -> list[RunRecord]:
    return [
        RunRecord(origin, number, utc, "Log", utc, RunEvent.FINISHED, ("Log.html",))
        for number, utc in enumerate(scheduled, start=1)
    ]


def counts(audit: Audit) -> tuple[int, int, int]:
    return audit.lost, audit.doubled, audit.folded


# ---- transitions ----------------------------------------------------------------------------------------


def test_a_journal_that_tells_everything_once_is_clean(scene: Scene) -> None:
    scene.write(scene.records(BEGAN + SPAN + 100 * SECOND), runs=finished(scene.due()))
    found = scene.judge()
    assert all(audit.passed for audit in found.values()), found
    assert counts(found[TRANSITIONS]) == (0, 0, 0)
    assert found[TRANSITIONS].expected > 20
    assert found[RUNS].expected == len(scene.due())


def test_a_transition_that_nobody_told_is_lost(scene: Scene) -> None:
    records = scene.records()
    missing = records.pop(len(records) // 2)
    scene.write(records)
    audit = scene.judge()[TRANSITIONS]
    assert counts(audit) == (1, 0, 0)
    assert missing.tag in audit.names["lost"][0]


def test_a_transition_that_one_server_told_twice_is_doubled(scene: Scene) -> None:
    records = scene.records()
    twice = records[len(records) // 2]
    records.insert(len(records) // 2 + 1, msgspec.structs.replace(twice, utc=twice.utc + MILLISECOND))
    scene.write(records)
    assert counts(scene.judge()[TRANSITIONS]) == (0, 1, 0)


def test_a_transition_that_both_servers_told_is_folded(scene: Scene) -> None:
    records = scene.records()
    one = records[len(records) // 2]
    window = 2 * scene.plant.timing.alarm_scan
    scene.write([*records, msgspec.structs.replace(one, origin="Alarm2~1", utc=one.utc + window)])
    assert counts(scene.judge(is_cut=True)[TRANSITIONS]) == (0, 0, 1)


def test_an_occurrence_that_only_one_server_imagined_is_doubled(scene: Scene) -> None:
    records = scene.records()
    place = next(n for n, r in enumerate(records) if n > 20 and r.event is AlarmEvent.RETURNED)
    began = msgspec.structs.replace(
        records[place], origin="Alarm2~1", utc=records[place].utc + 10 * SECOND, event=AlarmEvent.ACTIVE
    )
    ended = msgspec.structs.replace(began, utc=began.utc + SECOND, event=AlarmEvent.RETURNED)
    scene.write([*records, began, ended])
    audit = scene.judge(is_cut=True)[TRANSITIONS]
    assert counts(audit) == (0, 2, 0)
    assert not audit.passed, "two servers that are cut apart may tell of one thing twice, not of another"


def test_what_was_told_too_late_was_lost_and_told_for_nothing(scene: Scene) -> None:
    records = scene.records()
    place = len(records) // 2
    late = records[place]
    records[place] = msgspec.structs.replace(late, utc=late.utc + scene.load.blind)
    scene.write(records)
    assert counts(scene.judge()[TRANSITIONS]) == (1, 1, 0)


def test_each_transition_belongs_to_one_audit(scene: Scene) -> None:
    everything = scene.records(BEGAN + 2 * SPAN + 100 * SECOND)
    scene.write(everything)
    first = scene.judge()[TRANSITIONS]
    early = [r for r in everything if r.utc - SEEN_AFTER - module.EARLY >= BEGAN]
    scene.clock.utc = BEGAN + 2 * SPAN
    (second,) = (audit for audit in scene.auditor.judge("a strike 2", False) if audit.kind == TRANSITIONS)
    whole = [r for r in early if r.utc - SEEN_AFTER - module.EARLY < BEGAN + 2 * SPAN]
    assert first.expected + second.expected == len(whole)
    assert counts(first) == counts(second) == (0, 0, 0)


def test_a_record_may_be_dated_by_an_older_block_of_the_same_answer(scene: Scene) -> None:
    records = scene.records()
    place = len(records) // 2
    records[place] = msgspec.structs.replace(records[place], utc=records[place].utc - 2 * SEEN_AFTER)
    scene.write(records)
    assert counts(scene.judge()[TRANSITIONS]) == (0, 0, 0)


def test_alarms_that_follow_no_wave_are_nobody_s_affair(scene: Scene) -> None:
    stray = JournalRecord("Alarm1~1", 1, BEGAN + SECOND, "Level", AlarmEvent.ACTIVE, Condition.HIGH)
    scene.write([*scene.records(), stray])
    assert counts(scene.judge()[TRANSITIONS]) == (0, 0, 0)


def test_journals_that_differ_are_told_with_the_server_that_lacks_something(scene: Scene) -> None:
    records = scene.records()
    scene.write(records, also=records[:-1])
    audit = scene.judge()[JOURNALS]
    assert audit.lost == 1
    assert "not on Alarm2" in audit.names["lost"][0]


def test_an_audit_looks_again_until_everything_is_there(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AUDIT_SECONDS_MAX", 30.0)
    records = scene.records()
    scene.write(records[:-1], runs=finished(scene.due()))
    looks = []

    def read() -> None:
        looks.append(len(looks))
        if len(looks) == 2:
            scene.write(records, runs=finished(scene.due()))

    scene.rig.read = read
    assert counts(scene.judge()[TRANSITIONS]) == (0, 0, 0)
    assert len(looks) == 2


# ---- actions --------------------------------------------------------------------------------------------


def note(scene: Scene, *deeds: Deed) -> None:
    lines = [msgspec.json.encode(asdict(deed)) + b"\n" for deed in deeds]
    scene.rig.deeds.write_bytes(b"".join(lines) + b'{"action": "half a li')


def deed(action: str, outcome: str, ended: int = SECOND, leaves_record: bool = True) -> Deed:
    return Deed(action, "COMMENT", "A1", BEGAN, leaves_record, outcome, "", BEGAN + ended)


def comment(action: str, origin: str = "Alarm1~1") -> JournalRecord:
    return JournalRecord(
        origin, 1, BEGAN, "A1", AlarmEvent.COMMENT, action=action, who="operator", comment="seen"
    )


def test_actions_that_ended_as_they_were_told_are_clean(scene: Scene) -> None:
    note(
        scene,
        deed("given", "", ended=-BEGAN),
        deed("done", "done"),
        deed("refused", "refused"),
        deed("perhaps", "unknown"),
        deed("perhaps too", "unknown"),
        deed("nothing to do", "done", leaves_record=False),
    )
    scene.write([*scene.records(), comment("done"), comment("perhaps")])
    audit = scene.judge()[ACTIONS]
    assert (audit.expected, *counts(audit)) == (5, 0, 0, 0)


def test_an_action_that_was_told_as_done_and_left_nothing_is_lost(scene: Scene) -> None:
    note(scene, deed("gone", "done"))
    scene.write(scene.records())
    audit = scene.judge()[ACTIONS]
    assert counts(audit) == (1, 0, 0)
    assert audit.names == {"lost": ("gone",)}


def test_an_action_that_was_applied_twice_or_refused_and_applied_is_doubled(scene: Scene) -> None:
    note(scene, deed("twice", "done"), deed("refused", "refused"))
    scene.write([*scene.records(), comment("twice"), comment("twice"), comment("refused")])
    assert counts(scene.judge()[ACTIONS]) == (0, 2, 0)


def test_an_action_that_both_servers_applied_is_one(scene: Scene) -> None:
    note(scene, deed("both", "done"))
    scene.write([*scene.records(), comment("both"), comment("both", "Alarm2~1")])
    assert counts(scene.judge()[ACTIONS]) == (0, 0, 0)


def test_the_last_line_of_a_deed_counts_and_half_a_line_does_not(scene: Scene) -> None:
    note(scene, replace(deed("a", ""), ended_utc=0), deed("b", "done"), deed("a", "refused"))
    assert [(one.action, one.outcome) for one in read_deeds(scene.rig.deeds)] == [
        ("a", "refused"),
        ("b", "done"),
    ]
    assert read_deeds(scene.rig.deeds.with_name("none")) == ()


# ---- runs -----------------------------------------------------------------------------------------------


def test_runs_that_are_missing_or_failed_are_lost_and_those_run_twice_doubled(scene: Scene) -> None:
    due = scene.due()
    runs = finished(due)
    failed = msgspec.structs.replace(runs[3], event=RunEvent.FAILED, detail=("no trend server",))
    runs = [*runs[:3], failed, *runs[4:-1]]
    runs += finished([due[6]], "Report2~1")
    scene.write(scene.records(), runs=runs)
    audit = scene.judge()[RUNS]
    assert counts(audit) == (2, 1, 0)
    assert audit.names["doubled"] == (f"Log at {due[6]}",)
    assert not audit.passed


def test_runs_doubled_while_the_pair_was_cut_are_counted_and_no_failure(scene: Scene) -> None:
    due = scene.due()
    scene.write(scene.records(), runs=[*finished(due), *finished(due[:2], "Report2~1")])
    audit = scene.judge(is_cut=True)[RUNS]
    assert counts(audit) == (0, 2, 0)
    assert audit.passed


def test_logs_of_both_report_servers_are_compared(scene: Scene) -> None:
    scene.write(scene.records(), runs=finished(scene.due()))
    with closing(RunLedger(scene.rig.data / "Report2" / "runs.sqlite")) as ledger:
        ledger.append(finished(scene.due()[:1], "Report2~1"))
    assert scene.judge()[LOGS].lost == 1


# ---- values ---------------------------------------------------------------------------------------------


def show(scene: Scene, *lines: tuple[float, str, float]) -> None:
    """Lines of the client's trace: (at, kind, how long ago the device had delivered), seconds."""
    text = b""
    for at, kind, age in lines:
        moment = round(at * SECOND)
        line = {"at": moment, "utc": BEGAN + moment, "source": "HMI1", "kind": kind}
        if kind == "answered":
            line |= {"device": "PLC1", "source_utc": BEGAN + moment - round(age * SECOND)}
        else:
            line |= {"kind": "value", "tag": "T1", "quality": "COM"}
        text += msgspec.json.encode(line) + b"\n"
    (scene.rig.data.parent / "HMI1.trace.jsonl").write_bytes(text)
    scene.rig.traces["HMI1"].read()


def judge_values(scene: Scene, monkeypatch: pytest.MonkeyPatch, end: float) -> Audit:
    monkeypatch.setattr(module.time, "monotonic_ns", lambda: round(end * SECOND))
    return scene.auditor.judge_values("a strike 1", False)


# T is 0.5 s and R 0.25 s here: with the margin a value may be 0.95 s old.
def test_a_value_that_is_confirmed_or_shows_com_in_time_is_well(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(scene, (1.0, "answered", 0.01), (1.9, "answered", 0.0), (2.8, "COM", 0), (60.0, "answered", 0.1))
    audit = judge_values(scene, monkeypatch, 60.5)
    assert audit.kind == VALUES
    assert (audit.expected, *counts(audit)) == (3, 0, 0, 0)


@pytest.mark.parametrize(
    ("lines", "end"),
    [
        ([(1.0, "answered", 0.01), (2.0, "answered", 0.0)], 2.1),
        ([(1.0, "answered", 0.9), (1.1, "COM", 0)], 2.0),
        ([(1.0, "answered", 0.0)], 2.0),
    ],
    ids=["confirmed too late", "old when it came", "never confirmed"],
)
def test_a_value_that_is_shown_as_good_for_too_long_is_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, lines: list[tuple[float, str, float]], end: float
) -> None:
    show(scene, *lines)
    audit = judge_values(scene, monkeypatch, end)
    assert counts(audit) == (1, 0, 0)
    assert "PLC1: " in audit.names["lost"][0]


# ---- trends ---------------------------------------------------------------------------------------------


def record(scene: Scene, server: str, seconds: Iterable[int], covered: Iterable[tuple[int, int]]) -> None:
    utc = [BEGAN + at * SECOND for at in seconds]
    samples = Samples(
        ("PLC1_T1",),
        np.zeros(len(utc), dtype="<i4").tobytes(),
        np.array(utc, dtype="<i8").tobytes(),
        np.ones(len(utc), dtype="<f8").tobytes(),
        np.full(len(utc), GOOD, dtype=np.uint8).tobytes(),
    )
    spans = [Covered("PLC1", BEGAN + start * SECOND, BEGAN + end * SECOND) for start, end in covered]
    devices = {"PLC1_T1": "PLC1", "T1": "PLC1"}
    with closing(TrendArchive(scene.rig.data / server, scene.plant.trends, devices, BEGAN)) as archive:
        archive.append(samples, spans)


def judge_trends(scene: Scene) -> dict[str, Audit]:
    scene.clock.utc = BEGAN + 60 * SECOND
    scene.auditor.on_strike()
    scene.clock.utc = BEGAN + 100 * SECOND + SETTLED + scene.plant.timing.trend_gap_fill
    return {audit.kind: audit for audit in scene.auditor.judge_trends()}


def test_trends_that_both_hold_are_clean(scene: Scene) -> None:
    for server in ("Trend1", "Trend2"):
        record(scene, server, range(101), [(0, 101)])
    found = judge_trends(scene)
    assert (found[SAMPLES].expected, *counts(found[SAMPLES])) == (200, 0, 0, 0)
    assert (found[COVERAGE].expected, *counts(found[COVERAGE])) == (200, 0, 0, 0)


def test_samples_that_only_one_holds_are_lost(scene: Scene) -> None:
    record(scene, "Trend1", range(101), [(0, 101)])
    record(scene, "Trend2", [at for at in range(101) if not 20 <= at < 23], [(0, 20), (23, 101)])
    found = judge_trends(scene)
    assert counts(found[SAMPLES]) == (3, 0, 0)
    assert "not on Trend2" in found[SAMPLES].names["lost"][0]
    assert counts(found[COVERAGE]) == (3, 0, 0)


def test_samples_that_none_holds_of_a_time_when_all_was_well_are_lost(scene: Scene) -> None:
    for server in ("Trend1", "Trend2"):
        record(scene, server, [at for at in range(101) if at not in (30, 80)], [(0, 101)])
    # The 80th second was after the strike: nobody has to have recorded it.
    found = judge_trends(scene)
    assert counts(found[SAMPLES]) == (2, 0, 0), "on neither server"
    assert f"PLC1_T1 at {BEGAN + 30 * SECOND}, not on Trend1" in found[SAMPLES].names["lost"]


def test_nothing_is_audited_of_functions_that_are_not_drilled(scene: Scene) -> None:
    auditor = Auditor(scene.plant, scene.rig, scene.load, {Function.IO_DATA}, scene.clock)
    auditor.on_steady()
    auditor.on_strike()
    assert auditor.judge("a strike 1", False) == ()
    assert auditor.judge_trends() == ()
    assert not Intervals(())
