"""When a plant under drill is as it was at the beginning, and what is done to bring it back there."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from changeover.drill import stage as module
from changeover.drill.stage import Stage
from changeover.drill.traces import TraceReader
from changeover.drill.watch import RowWatch
from changeover.forecast.rules import forecast_one
from changeover.model.moment import SECOND
from changeover.model.server import Function
from changeover.scenario.fault import Fault
from plants import two_server_plant

PLANT = two_server_plant("C", lans=2)
TASKS = {Function.ALARM: "Alarm", Function.TREND: "Trend", Function.REPORT: "Report"}


class Rig:
    """Traces that a test writes, and what the stage does with the processes."""

    def __init__(self, folder: Path) -> None:
        self.done: list[tuple[str, tuple[str, ...]]] = []
        names = [server.name for server in (*PLANT.io_servers, *PLANT.task_servers)]
        self._folder = folder
        self.traces = {name: TraceReader(folder / f"{name}.trace.jsonl") for name in (*names, "HMI1")}
        self.on: Any = lambda what, names: None

    def tell(self, source: str, kind: str, subject: str = "", detail: str = "", **fields: Any) -> None:
        at = fields.pop("at", time.monotonic_ns())
        line = {"at": at, "utc": 0, "source": source, "kind": kind, "subject": subject, "detail": detail}
        with (self._folder / f"{source}.trace.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line | fields) + b"\n")

    def answer(self, unit: str = "IOServer1.PLC1@1", lan: str = "LAN_A", **fields: Any) -> None:
        by = {"device": "PLC1", "unit": unit, "server": unit.partition(".")[0], "lan": lan}
        self.tell("HMI1", "answered", **by, **fields)

    def read(self) -> None:
        for trace in self.traces.values():
            trace.read()

    def wait(self, until: Any, seconds: float) -> bool:
        self.read()
        return bool(until())

    def _do(self, what: str, names: list[str]) -> None:
        self.done.append((what, tuple(names)))
        for name in names:
            self.traces[name].begin()
        self.on(what, names)

    def stop(self, names: list[str]) -> None:
        self._do("stop", names)

    def begin(self, names: list[str]) -> None:
        self._do("begin", names)

    def renew(self, names: list[str]) -> None:
        self._do("renew", names)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """Everybody is where he is while all is well."""
    made = Rig(tmp_path)
    for function, name in TASKS.items():
        made.tell(f"{name}1", "server-active", f"{name}1")
        for number in (1, 2):
            made.tell(f"{name}{number}", "redundant", f"{name}{number}")
        made.tell("HMI1", "server-found", f"{name}1/LAN_A", function.value)
    for server in ("IOServer1", "IOServer2"):
        made.tell(server, "unit-online", f"{server}.PLC1")
        for lan in ("LAN_A", "LAN_B"):
            made.tell("HMI1", "session-opened", f"{server}/{lan}")
    made.answer()
    made.read()
    return made


def stage(rig: Rig, *functions: Function) -> Stage:
    return Stage(PLANT, rig, functions or tuple(Function), lambda _: None)


def unsteady(rig: Rig, *functions: Function) -> str:
    rig.read()
    return stage(rig, *functions).unsteady(PLANT.clients)


def test_all_is_well(rig: Rig) -> None:
    assert unsteady(rig) == ""
    assert stage(rig).await_steady(PLANT.clients) == ""
    assert rig.done == []


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (
            ("HMI1", "server-found", "Alarm2/LAN_A", "alarm"),
            "HMI1 asks Alarm2/LAN_A for alarm, not Alarm1/LAN_A",
        ),
        (
            ("HMI1", "server-found", "Trend1/LAN_B", "trend"),
            "HMI1 asks Trend1/LAN_B for trend, not Trend1/LAN_A",
        ),
        (
            ("HMI1", "session-timeout", "Report1/LAN_A", "report"),
            "HMI1 asks nobody for report, not Report1/LAN_A",
        ),
        (
            ("HMI1", "session-closed", "Report1/LAN_A", "report"),
            "HMI1 asks nobody for report, not Report1/LAN_A",
        ),
        (("Alarm1", "server-inactive", "Alarm1"), "Alarm1 is not active"),
        (("Trend2", "server-active", "Trend2"), "Trend2 is active"),
        (("Report2", "partner-lost", "Report1"), "Report2 is not redundant"),
        (("Alarm2", "woke-late", "Alarm2"), "Alarm2 is not redundant"),
        (
            ("IOServer2", "unit-offline", "IOServer2.PLC1"),
            "IOServer2 has said unit-offline of IOServer2.PLC1",
        ),
        (("HMI1", "session-timeout", "IOServer1/LAN_B"), "HMI1 has said session-timeout of IOServer1/LAN_B"),
        (
            ("Trend1", "session-closed", "IOServer2/LAN_A"),
            "Trend1 has said session-closed of IOServer2/LAN_A",
        ),
    ],
)
def test_what_is_not_well_is_said(rig: Rig, line: tuple[str, ...], why: str) -> None:
    rig.tell(*line)
    assert unsteady(rig) == why


def test_a_way_to_an_io_server_that_is_back_is_well_again(rig: Rig) -> None:
    rig.tell("HMI1", "session-timeout", "IOServer1/LAN_B")
    rig.tell("HMI1", "session-opened", "IOServer1/LAN_B")
    rig.tell("Alarm2", "partner-lost", "Alarm1")
    rig.tell("Alarm2", "redundant", "Alarm2")
    assert unsteady(rig) == ""


@pytest.mark.parametrize(("unit", "lan"), [("IOServer2.PLC1@2", "LAN_A"), ("IOServer1.PLC1@1", "LAN_B")])
def test_a_client_that_reads_by_another_way_is_not_served_as_usual(rig: Rig, unit: str, lan: str) -> None:
    rig.answer(unit, lan)
    assert unsteady(rig) == "HMI1 is not served PLC1 by IOServer1.PLC1@1 over LAN_A"


def test_an_answer_of_long_ago_counts_for_nothing(rig: Rig) -> None:
    rig.traces["HMI1"].forget()
    rig.answer(at=time.monotonic_ns() - 5 * SECOND)
    assert unsteady(rig) == "HMI1 is not served PLC1 by IOServer1.PLC1@1 over LAN_A"


def test_functions_that_are_not_drilled_may_be_as_they_like(rig: Rig) -> None:
    rig.tell("Alarm1", "partner-lost", "Alarm2")
    assert unsteady(rig, Function.TREND) == ""
    assert unsteady(rig, Function.IO_DATA) == ""
    assert unsteady(rig, Function.ALARM) == "Alarm1 is not redundant"
    rig.tell("Trend1", "session-timeout", "IOServer1/LAN_B")
    assert unsteady(rig, Function.TREND) != "", "every one of them reads I/O data"


def test_the_standby_s_servers_are_stopped_while_clients_begin_anew(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS_MAX", 0.0)
    for name in ("Alarm", "Trend"):
        rig.tell(f"{name}1", "server-inactive", f"{name}1")
        rig.tell(f"{name}2", "server-active", f"{name}2")
        rig.tell("HMI1", "server-found", f"{name}2/LAN_A", name.lower())

    def follow(what: str, names: list[str]) -> None:
        if what == "stop":
            for name in names:
                rig.tell(f"{name[:-1]}1", "server-active", f"{name[:-1]}1")
        elif what == "renew":
            for function, name in TASKS.items():
                rig.tell("HMI1", "server-found", f"{name}1/LAN_A", function.value)
            rig.answer()
        else:
            for name in names:
                rig.tell(name, "redundant", name)

    rig.on = follow
    assert stage(rig).await_steady(PLANT.clients) == ""
    standbys = ("Alarm2", "Trend2")
    assert rig.done == [("stop", standbys), ("renew", ("HMI1",)), ("begin", standbys)]


def test_after_a_lost_lan_only_clients_begin_anew(rig: Rig) -> None:
    rig.tell("HMI1", "server-found", "Alarm1/LAN_B", "alarm")
    assert "not Alarm1/LAN_A" in stage(rig).await_steady(PLANT.clients)
    assert rig.done == [("stop", ()), ("renew", ("HMI1",)), ("begin", ())]


def test_what_does_not_come_back_is_told(rig: Rig) -> None:
    rig.tell("Trend2", "partner-lost", "Trend1")
    assert stage(rig).await_steady(PLANT.clients) == "after 60 s Trend2 is not redundant"
    assert rig.done == [], "nothing is stopped while a second fault would cost something"
    assert not stage(rig).await_redundant()


def test_a_server_that_begins_anew_has_said_nothing_yet(rig: Rig) -> None:
    rig.traces["Alarm1"].begin()
    assert unsteady(rig) == "Alarm1 is not active"
    rig.tell("Alarm1", "server-active", "Alarm1")
    assert unsteady(rig) == "Alarm1 is not redundant"


# ---- redundant again ------------------------------------------------------------------------------------


def watch(rig: Rig, function: Function, target: str) -> RowWatch:
    row = forecast_one(PLANT, function, Fault.SERVER_CLOSED, target)
    return RowWatch(row, PLANT.clients[0], PLANT, rig)


def redundant_after(rig: Rig, function: Function, target: str) -> int | None:
    rig.read()
    return watch(rig, function, target).redundant_after(FAULT, REPAIR)


FAULT, REPAIR = 1_000_000 * SECOND, 1_000_010 * SECOND


def test_both_servers_have_to_say_so_after_they_lost_each_other(rig: Rig) -> None:
    assert redundant_after(rig, Function.ALARM, "Alarm1") is None, "it was never lost"
    rig.tell("Alarm2", "partner-lost", "Alarm1", at=FAULT + SECOND)
    rig.tell("Alarm1", "listening", at=REPAIR + SECOND)
    assert redundant_after(rig, Function.ALARM, "Alarm1") is None
    rig.tell("Alarm2", "redundant", "Alarm2", at=REPAIR + 2 * SECOND)
    assert redundant_after(rig, Function.ALARM, "Alarm1") is None, "one of the two"
    rig.tell("Alarm1", "redundant", "Alarm1", at=REPAIR + 3 * SECOND)
    assert redundant_after(rig, Function.ALARM, "Alarm1") == 3 * SECOND


def test_what_was_lost_again_is_not_redundant(rig: Rig) -> None:
    rig.tell("Trend1", "partner-lost", "Trend2", at=FAULT + SECOND)
    rig.tell("Trend1", "redundant", "Trend1", at=REPAIR + SECOND)
    assert redundant_after(rig, Function.TREND, "Trend1") == SECOND
    rig.tell("Trend1", "woke-late", "Trend1", at=REPAIR + 2 * SECOND)
    assert redundant_after(rig, Function.TREND, "Trend1") is None


def test_io_data_is_redundant_when_the_last_unit_and_way_are_back(rig: Rig) -> None:
    assert redundant_after(rig, Function.IO_DATA, "IOServer1") is None
    rig.tell("HMI1", "session-opened", "IOServer1/LAN_A", at=REPAIR + SECOND)
    rig.tell("IOServer1", "unit-online", "IOServer1.PLC1", at=REPAIR + SECOND // 2)
    assert redundant_after(rig, Function.IO_DATA, "IOServer1") == SECOND
