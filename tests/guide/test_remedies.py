"""What would reach a target that no parameters reach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.config.ini import parse_ini
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_plant
from changeover.guide.cells import Measure
from changeover.guide.planner import make_plan
from changeover.guide.remedies import Remedy, remedies, with_second_lan
from changeover.model.limits import Limits
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.model.stack import NetworkProtocol
from changeover.scenario.fault import Fault
from plants import two_server_plant

EMPTY = parse_ini(b"", "citect.ini")


def io_data(row: Forecast) -> bool:
    return row.function is Function.IO_DATA


def tasks(row: Forecast) -> bool:
    return row.function is not Function.IO_DATA


def by_what(plant: Plant, target_s: float, wanted: object = io_data) -> dict[str, Remedy]:
    found = remedies(plant, EMPTY, target_s, Measure.MAX, wanted)
    return {one.what: one for one in found}


def test_a_second_lan_survives_the_loss_of_one() -> None:
    plant = two_server_plant("C")
    assert {
        row.outcome for row in forecast_plant(plant) if row.fault is Fault.LAN_SILENT and io_data(row)
    } == {Outcome.LOST}
    twice = with_second_lan(plant)
    rows = [r for r in forecast_plant(twice) if r.fault is Fault.LAN_SILENT and r.target == "LAN_A"]
    assert {row.outcome for row in rows} == {Outcome.CHANGEOVER}
    assert len({lan.name for lan in twice.lans}) == len(plant.lans) + 1
    remedy = by_what(plant, 0.1)["a second LAN"]
    assert remedy.lost < len(make_plan(plant, EMPTY, 0.1, wanted=io_data).lost)


def test_a_second_lan_gets_addresses_that_nobody_has() -> None:
    plant = with_second_lan(with_second_lan(two_server_plant("C")))
    addresses = [address for computer in plant.computers for _, address in computer.addresses]
    assert len(set(addresses)) == len(addresses)
    assert len({lan.subnet for lan in plant.lans}) == len(plant.lans)


def test_one_lan_is_searched_sooner_than_two() -> None:
    """T4: (n+1)·(S + U(0,W))."""
    plant = two_server_plant("C", lans=2)
    remedy = by_what(plant, 2.4, tasks)["clients and servers off LAN_B"]
    assert remedy.meets
    assert remedy.lost > 0


def test_a_version_without_heartbeats() -> None:
    plant = two_server_plant("A")
    units = [unit.name for device in plant.io_devices for unit in device.units]
    limits = Limits(tuple((unit, SECOND) for unit in units), (("LAN_A", SECOND),))
    slow = replace(plant, limits=limits)
    assert by_what(slow, 1.27)["version 5.0 or later"].meets
    assert make_plan(slow, EMPTY, 1.27, wanted=io_data).unmet


@pytest.mark.parametrize("target_s", [0.1, 0.2])
def test_the_slowest_page_scan_that_meets_the_target(target_s: float) -> None:
    plant = two_server_plant("C")
    (remedy,) = (one for what, one in by_what(plant, target_s).items() if "page_scan" in what)
    assert remedy.meets
    value = int(remedy.what.rpartition(" ")[2])
    slower = tuple(replace(client, page_scan=(value + 1) * MILLISECOND) for client in plant.clients)
    assert make_plan(replace(plant, clients=slower), EMPTY, target_s, wanted=io_data).unmet


def test_a_stack_that_ignores_send_timeout() -> None:
    plant = two_server_plant("C", network_protocol=NetworkProtocol.WINDOWS)
    found = by_what(plant, 5.0)
    assert found["a network protocol that honours SendTimeout"].meets


def test_what_brings_nothing_is_not_said() -> None:
    plant = two_server_plant("C", lans=2, page_scan=10 * MILLISECOND)
    assert all(one.reach_s < 2.4 or one.lost == 0 for one in by_what(plant, 0.01).values())
    assert "version 5.0 or later" not in by_what(plant, 0.01)
