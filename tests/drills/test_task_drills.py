"""Real drills of every function at once, on two LANs, with everything audited."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from test_drills import running_in

from changeover.config.project import load_project
from changeover.drill.backup import BackupRun, course_of, write_backup
from changeover.drill.campaign import RECORDS, SHEET, DrillRun, drillable
from changeover.drill.lab import Bottleneck
from changeover.drill.lab_backup import BackupLoad
from changeover.drill.result import (
    ACTIONS,
    COVERAGE,
    JOURNALS,
    KINDS,
    RUNS,
    SAMPLES,
    TRANSITIONS,
    VALUES,
    Audit,
    Campaign,
)
from changeover.drill.sheet_backup import backup_html
from changeover.drill.started import set_parameters
from changeover.drivers.modbus.address import check_address
from changeover.model.moment import SECOND

ROOT = Path(__file__).resolve().parents[2]
write_drill_project = runpy.run_path(str(ROOT / "scripts/drill_project.py"))["write_drill_project"]
INI = {
    "LAN": {"SendTimeout": 700, "TimeOut": 700, "WatchTime": 1, "ClientRetryTime": 500},
    "MODNET": {"Timeout": 500, "WatchTime": 1},
    "Trend": {"GapFillTime": 1000},
}
FUNCTIONS = ["io-data", "alarm", "trend", "report"]
FAULTS = ("server-silent", "server-closed", "partner-cut")

pytestmark = [pytest.mark.namespaces, pytest.mark.usefixtures("lab_right")]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drilled") / "out"


@pytest.fixture(scope="module")
def campaign(out: Path, lab_right: object) -> Campaign:
    """The computer of the primaries falls silent, its servers are killed and stopped, the pair is cut."""
    project = load_project(write_drill_project(out.parent / "plant", INI), check_address=check_address)
    run = DrillRun(project, out, True, check_address, seed=7)
    strikes = [strike for fault in FAULTS for strike in drillable(project.plant, None, fault)]
    for strike, drills in run.run(strikes, 1, lambda _: None):
        assert [drill.function for drill in drills] == FUNCTIONS
        assert {drill.fault for drill in drills} == {strike.injection.fault.value}
    run.write()
    return run.campaign


def audits(campaign: Campaign, kind: str, *, is_cut: bool | None = None) -> list[Audit]:
    return [a for a in campaign.audits if a.kind == kind and is_cut in (None, a.is_cut)]


def total(found: list[Audit], name: str) -> int:
    return sum(getattr(audit, name) for audit in found)


def test_every_function_lies_within_its_forecast(campaign: Campaign) -> None:
    assert [f"{d.function} {d.fault} {d.repetition}: {d.why}" for d in campaign.failures] == []
    assert campaign.left_out == ()
    assert {(d.function, d.fault) for d in campaign.drills} == {(f, x) for f in FUNCTIONS for x in FAULTS}


def test_one_strike_is_measured_for_all_functions(campaign: Campaign) -> None:
    silent = [d for d in campaign.drills if d.fault == "server-silent" and d.repetition == 1]
    assert len({d.trace for d in silent}) == len({d.fault_at for d in silent}) == 1
    tasks = [d for d in silent if d.function != "io-data"]
    assert all(d.changeover_s is not None and d.changeover_s > 2.0 for d in tasks), "three times S at least"
    killed = [d for d in campaign.drills if d.fault == "server-closed" and d.repetition == 1]
    assert {d.target for d in killed} == {"IOServer1", "Alarm1", "Trend1", "Report1"}
    assert len({d.trace for d in killed}) == 1
    assert len({d.fault_at for d in killed}) == 4, "each at the instant at which its own process was killed"
    assert len({d.repair_at for d in killed}) == 4


def test_both_servers_are_redundant_again(campaign: Campaign) -> None:
    for drill in campaign.drills:
        if drill.function != "io-data":
            assert drill.redundant_s is not None, f"{drill.function} {drill.fault}"


def test_nothing_is_lost_and_nothing_doubled(campaign: Campaign) -> None:
    assert [f"{a.kind} after {a.after}: {a.names}" for a in campaign.found_wanting] == []
    assert {audit.kind for audit in campaign.audits} == set(KINDS)
    for kind in (TRANSITIONS, ACTIONS, JOURNALS, RUNS, SAMPLES, COVERAGE, VALUES):
        assert total(audits(campaign, kind), "expected") > 0, kind
    assert total(audits(campaign, TRANSITIONS, is_cut=False), "expected") > 10
    assert campaign.passed


def test_what_both_did_while_they_were_cut_apart_is_counted(campaign: Campaign) -> None:
    assert total(audits(campaign, RUNS, is_cut=True), "doubled") > 0
    assert total(audits(campaign, RUNS, is_cut=False), "doubled") == 0
    assert total(audits(campaign, TRANSITIONS, is_cut=True), "folded") > 0


def test_sheet_and_records_tell_all_of_it(campaign: Campaign, out: Path) -> None:
    document: dict[str, Any] = json.loads((out / RECORDS).read_text())
    assert document == json.loads(json.dumps(campaign.as_json()))
    assert len(document["audits"]) == len(campaign.audits)
    assert "While and after a pair was cut" in (out / SHEET).read_text()
    for drill in campaign.drills:
        assert (out / drill.trace / "Alarm2.trace.jsonl").exists()


def test_nobody_is_left(campaign: Campaign, out: Path) -> None:
    assert campaign.drills
    assert running_in(out.parent) == []


# ---- a network backup -----------------------------------------------------------------------------------


def test_a_backup_that_fills_the_lan_makes_sessions_time_out_falsely(tmp_path: Path) -> None:
    project = load_project(write_drill_project(tmp_path / "plant", INI, lans=1), check_address=check_address)
    load = BackupLoad(Bottleneck(rate_bit_s=2_000_000, queue_delay=2 * SECOND), streams=8)
    run = BackupRun(project, tmp_path / "out", check_address, load)
    (point,) = run.run((250,), 4.0, lambda _: None)
    assert point.send_timeout_ms == 250
    assert point.seconds >= 4.0
    assert point.timeouts_per_hour > 0
    assert point.losses_per_hour >= point.timeouts_per_hour
    assert point.delay_s is not None
    assert point.delay_s["max"] > 0.25, "or nothing would have timed out"
    assert point.delay_s["min"] <= point.delay_s["p50"] <= point.delay_s["p99"] <= point.delay_s["max"]
    result = run.result()
    sheet, records = write_backup(result, tmp_path / "out", backup_html(result))
    assert json.loads(records.read_text())["points"][0]["send_timeout_ms"] == 250
    assert "250 ms" in sheet.read_text()
    assert running_in(tmp_path) == []


def test_a_backup_goes_to_the_first_server_by_a_lan_of_clients(tmp_path: Path) -> None:
    folder = write_drill_project(tmp_path / "plant", INI)
    course = course_of(load_project(folder, check_address=check_address).plant)
    assert course is not None
    assert (course.source, course.target, course.lan) == ("HMI", "SCADA1", "LAN_A")


def test_another_send_timeout_is_put_before_whatever_the_file_says(tmp_path: Path) -> None:
    folder = write_drill_project(tmp_path / "plant", INI)
    set_parameters(folder / "citect.ini", {"LAN": {"SendTimeout": 321}})
    plant = load_project(folder, check_address=check_address).plant
    assert plant.timing.send_timeout == 321_000_000
    assert plant.timing.watch == SECOND, "everything else stays as it was"
