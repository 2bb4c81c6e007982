"""How strikes are repeated, and how several processes are struck at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from changeover.drill.campaign import drillable
from changeover.drill.faults import NEEDS_NETWORK, Moments, methods, obstacle
from changeover.drill.nemesis import NemesisError, Victim
from changeover.drill.result import Drill, hold_against
from changeover.drill.runner import Driller
from changeover.drill.strikes import Strike
from changeover.drill.watch import tags_of, why_not
from changeover.forecast.as_json import row as row_json
from changeover.forecast.result import Forecast
from changeover.model.moment import MILLISECOND
from changeover.model.server import Client
from changeover.scenario.fault import Fault, Injection
from plants import two_server_plant

PLANT = two_server_plant("C", lans=2)
(SILENT,) = drillable(PLANT, None, "server-silent")
(CLOSED,) = drillable(PLANT, None, "server-closed")
(FROZEN,) = drillable(PLANT, None, "server-frozen")


# ---- repetitions ----------------------------------------------------------------------------------------


def found(row: Forecast, repetition: int, late_s: float) -> Drill:
    forecast = row_json(row)
    seconds = {"changeover_s": row.changeover.maximum + late_s if row.changeover else None}
    drill = Drill(
        row.function.value, row.fault.value, row.target, repetition, "cut", None, seconds["changeover_s"],
        None, None, None, None, None, None, forecast,
    )  # fmt: skip
    return replace(drill, misses=hold_against(forecast, seconds))


def repeated(tmp_path: Path, repeat: int, late: dict[int, dict[str, float]]) -> list[tuple[Drill, ...]]:
    """Strikes of which some rows come late: by repetition and function, by how many seconds."""
    driller = Driller(
        PLANT, None, None, None, None, tmp_path, Random(1), lambda _: None,
    )  # fmt: skip
    hidden: Any = driller
    hidden._methods = lambda strike: ("one way", "another")

    def drill(strike: Strike, way: int, repetition: int) -> tuple[Drill, ...]:
        by_function = late.get(repetition, {})
        return tuple(found(row, repetition, by_function.get(row.function.value, 0.0)) for row in strike.rows)

    hidden._drill = drill
    return list(driller.drills(SILENT, repeat))


def test_each_way_is_drilled_as_often_as_asked(tmp_path: Path) -> None:
    done = repeated(tmp_path, 2, {})
    assert [drills[0].repetition for drills in done] == [1, 2, 3, 4]
    assert all(len(drills) == 4 for drills in done)
    assert all(drill.repeats is None for drills in done for drill in drills)


def test_a_strike_is_repeated_once_when_a_row_was_late(tmp_path: Path) -> None:
    done = repeated(tmp_path, 1, {1: {"trend": 0.4}, 2: {"alarm": 0.4}})
    assert [drills[0].repetition for drills in done] == [1, 2, 3], "the repetition is not repeated itself"
    repeats = {drill.function: drill.repeats for drill in done[1]}
    assert repeats == {"io-data": None, "alarm": None, "trend": 1, "report": None}


def test_a_strike_is_not_repeated_for_what_is_not_late(tmp_path: Path) -> None:
    done = repeated(tmp_path, 1, {1: {"trend": 0.4, "alarm": -9.0}})
    assert [drills[0].repetition for drills in done] == [1, 2]
    assert all(drill.repeats is None for drills in done for drill in drills)


# ---- several processes ----------------------------------------------------------------------------------


class Rig:
    """Processes that sleep, by the names of servers."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.processes = {name: self._sleeper() for name in names}
        self.back: list[str] = []

    def _sleeper(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])

    def victim(self, name: str) -> Victim:
        return Victim(self.processes[name])

    def recovered(self, name: str) -> None:
        self.back.append(name)

    def restart(self, names: tuple[str, ...]) -> dict[str, int]:
        for name in names:
            self.processes[name].wait()
            self.processes[name] = self._sleeper()
        return {name: time.monotonic_ns() for name in names}

    def states(self) -> set[str]:
        texts = (Path(f"/proc/{p.pid}/stat").read_text() for p in self.processes.values())
        return {text[text.rindex(")") + 2] for text in texts}

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.wait()


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig(CLOSED.servers)
    yield made
    made.close()


def made(strike: Strike, rig: Rig) -> Any:
    return methods(PLANT, strike, rig, None)


def test_all_processes_are_killed_and_each_has_its_instants(rig: Rig) -> None:
    killing, stopping = made(CLOSED, rig)
    assert killing.words == "SIGKILL of the processes of IOServer1, Alarm1, Trend1, Report1"
    assert stopping.words == "clean stop (SIGTERM) of the processes of IOServer1, Alarm1, Trend1, Report1"
    struck = killing.inject()
    assert {process.poll() for process in rig.processes.values()} == {-9}
    instants = [struck.of(name) for name in CLOSED.servers]
    assert instants == sorted(instants)
    assert struck.first == instants[0]
    repaired = killing.repair()
    assert [repaired.of(name) for name in CLOSED.servers] == sorted(repaired.own.values())
    assert all(process.poll() is None for process in rig.processes.values())


def test_all_processes_are_stopped_in_good_order(rig: Rig) -> None:
    _, stopping = made(CLOSED, rig)
    stopping.inject()
    assert {process.wait() for process in rig.processes.values()} == {-15}


def test_all_processes_are_frozen_and_thawed(rig: Rig) -> None:
    (freezing,) = made(FROZEN, rig)
    struck = freezing.inject()
    assert rig.states() == {"T"}
    repaired = freezing.repair()
    assert "T" not in rig.states()
    assert rig.back == list(FROZEN.servers)
    assert repaired.first > max(struck.own.values())


def test_a_process_that_ended_before_is_told(rig: Rig) -> None:
    rig.processes["Trend1"].kill()
    rig.processes["Trend1"].wait()
    (freezing,) = made(FROZEN, rig)
    with pytest.raises(NemesisError, match="has ended by itself"):
        freezing.inject()


def test_a_target_without_an_instant_of_its_own_has_that_of_all() -> None:
    assert Moments(5).of("anyone") == 5
    assert Moments(5, {"Alarm1": 7}).of("Alarm1") == 7


# ---- what cannot be drilled -----------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["server-silent", "lan-silent", "partner-cut"])
def test_without_a_lab_no_cable_is_cut(fault: str) -> None:
    for strike in drillable(PLANT, None, fault):
        assert obstacle(PLANT, strike, None) == NEEDS_NETWORK
        assert made(strike, Rig(())) == ()


class Lab:
    """A lab whose kernel has no filters."""

    def missing(self) -> tuple[str, ...]:
        return ("cutting a pair or a direction needs filters", "a network backup needs buckets")


def test_a_pair_is_not_cut_where_the_kernel_has_no_filters() -> None:
    (cut,) = drillable(PLANT, None, "partner-cut")
    assert obstacle(PLANT, cut, Lab()) == "cutting a pair or a direction needs filters"
    assert obstacle(PLANT, SILENT, Lab()) == ""


def test_a_pair_that_shares_no_lan_is_not_cut() -> None:
    one, two = (c for c in PLANT.computers if c.name in ("SCADA1", "SCADA2"))
    apart = replace(two, addresses=tuple((lan, a) for lan, a in two.addresses if lan == "LAN_B"))
    alone = replace(one, addresses=tuple((lan, a) for lan, a in one.addresses if lan == "LAN_A"))
    computers = tuple({"SCADA1": alone, "SCADA2": apart}.get(c.name, c) for c in PLANT.computers)
    plant = replace(PLANT, computers=computers)
    (cut,) = drillable(PLANT, None, "partner-cut")
    assert obstacle(plant, cut, Lab()).startswith("the two share no LAN")


def test_what_has_no_standby_or_no_client_is_left_out_with_its_reason() -> None:
    device = PLANT.io_devices[0]
    lonely = replace(PLANT, io_devices=(replace(device, units=device.units[:1]),))
    (standby,) = drillable(lonely, None, "standby-device-silent")
    assert {why_not(lonely, row) for row in standby.rows} == {"it has no standby unit"}
    local = replace(PLANT, clients=(replace(PLANT.clients[0], computer="SCADA1"),))
    assert {why_not(local, row) for row in SILENT.rows} == {"no client is left to measure at"}


def test_a_cut_pair_is_to_a_client_on_one_of_the_two_computers_the_silence_of_the_other() -> None:
    clients = (Client("View", "SCADA2", 250 * MILLISECOND),)
    plant = two_server_plant("C", clients=clients)
    cut = Injection(Fault.PARTNER_CUT, "SCADA1+SCADA2")
    silent = Injection(Fault.SERVER_SILENT, "SCADA1")
    assert tags_of(plant, cut, clients[0]) == tags_of(plant, silent, clients[0]) != frozenset()
