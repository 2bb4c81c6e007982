"""Plans: what they change, what proves that no less is enough, and what they say where nothing is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.config.ini import IniFile, parse_ini
from changeover.config.timing import read_timing
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_one
from changeover.guide.cells import Measure
from changeover.guide.floors import floor_of
from changeover.guide.knobs import knobs_of, turned
from changeover.guide.load import load_of
from changeover.guide.planner import Plan, Planner, make_plan
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.limits import Limits
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant
from changeover.model.server import Function
from plants import two_server_plant

EMPTY = parse_ini(b"", "citect.ini")


def tasks(row: Forecast) -> bool:
    return row.function is not Function.IO_DATA


def by_name(plan: Plan) -> dict[str, int]:
    return {str(change.knob): change.value for change in plan.changes}


@pytest.mark.parametrize("family", "ABC")
def test_five_seconds_between_tasks_and_lan(family: str) -> None:
    """The seed's question, with two LANs: three times S and W, a page scan of 250 ms, and a connect."""
    plant = two_server_plant(family, lans=2)
    plan = make_plan(plant, EMPTY, 5.0, wanted=tasks)
    assert plan.is_met
    assert by_name(plan) == {"[LAN]SendTimeout": 582, "[LAN]WatchTime": 1}
    there = turned(plant, plan.values)
    for change in plan.changes:
        assert change.binding is not None and change.without is not None
        more = turned(there, {change.knob: change.value + 1})
        cell = change.binding.cell
        row = forecast_one(more, cell.function, cell.fault, cell.target)
        assert row.changeover is not None
        assert row.changeover.maximum == pytest.approx(change.binding.seconds)
        assert row.changeover.maximum > 5.0
    assert all(figure.seconds <= 5.0 + 1e-9 for figure in plan.after)


def test_what_is_met_already_needs_no_change() -> None:
    plan = make_plan(two_server_plant("C"), EMPTY, 60.0)
    assert (plan.changes, plan.cost, plan.is_met) == ((), 0.0, True)
    assert plan.before == plan.after


def test_what_cannot_be_met_says_what_is_left() -> None:
    plan = make_plan(two_server_plant("C"), EMPTY, 1.0)
    assert not plan.is_met
    assert plan.changes == ()
    worst = plan.unmet[0]
    assert worst.cell.function is not Function.IO_DATA
    # W is a whole second at least: two of them, two time-outs of 50 ms, a page scan and a connect.
    assert worst.seconds == pytest.approx(2.35, abs=0.01)
    assert worst.row.changeover is not None
    assert worst.row.changeover.maximum == pytest.approx(worst.seconds)


def test_a_device_that_answers_slowly_is_a_floor() -> None:
    plant = two_server_plant("C")
    names = [unit.name for device in plant.io_devices for unit in device.units]
    slow = tuple((name, 3100 * MILLISECOND) for name in names)
    measured = replace(plant, limits=Limits(slow, (("LAN_A", 40 * MILLISECOND),)))
    floors = {str(knob): floor_of(measured, knob) for knob in knobs_of(measured, EMPTY)}
    assert floors["[MODNET]Timeout"].value == 3101
    assert "answers in up to 3100 ms" in floors["[MODNET]Timeout"].why
    assert floors["[LAN]SendTimeout"].is_assessed is True
    unmeasured = {str(knob): floor_of(plant, knob) for knob in knobs_of(plant, EMPTY)}
    assert unmeasured["[LAN]SendTimeout"].is_assessed is False
    assert unmeasured["[LAN]WatchTime"].is_assessed is None


@pytest.mark.parametrize("measure", Measure)
def test_a_mean_is_cheaper_to_meet_than_a_longest(measure: Measure) -> None:
    plant = two_server_plant("B")
    longest = make_plan(plant, EMPTY, 5.0, Measure.MAX)
    plan = make_plan(plant, EMPTY, 5.0, measure)
    assert plan.is_met
    assert (len(plan.changes), plan.cost) <= (len(longest.changes), longest.cost)


def test_a_planner_plans_again_and_again() -> None:
    plant = two_server_plant("A")
    planner = Planner(plant, EMPTY, Measure.MAX, lambda _: True)
    targets = (60.0, 30.0, 10.0, 5.0)
    again = [planner.plan(target) for target in targets]
    costs = [(len(plan.changes), plan.cost) for plan in again]
    assert costs == sorted(costs), "a shorter target never costs less"
    for target, plan in zip(targets, again, strict=True):
        assert by_name(plan) == by_name(make_plan(plant, EMPTY, target))
    assert planner.least_s < 5.0 < planner.now_s


def test_heartbeats_cost_messages() -> None:
    plant: Plant = two_server_plant("A", lans=2, clients=3)
    load = load_of(plant)
    assert load.sessions == 2 * 2 * 3
    assert load.heartbeats_per_s == pytest.approx(12 / 30)


def many_ports(family: str, number: int) -> tuple[Plant, IniFile]:
    """I/O devices with a port of their own each, whose target a shorter Timeout reaches, or no Retry."""
    text = "".join(f"[MODBUS.P{n}]\nTimeout={2000 + n}\nRetry=2\n" for n in range(number))
    text += "[LAN]\nSendTimeout=300\nTimeOut=1000\nWatchTime=1\n[IOSERVER]\nHeartTime=1000\n"
    ini = parse_ini(text.encode(), "citect.ini")
    plant = two_server_plant(family, devices=number, protocol="MODBUS")
    devices = []
    for place, device in enumerate(plant.io_devices):
        driver = DriverTiming((2000 + place) * MILLISECOND, 2, OfflineRule.SQUARED)
        units = tuple(replace(unit, port_name=f"P{place}", timing=driver) for unit in device.units)
        devices.append(replace(device, units=units))
    timing = read_timing(ini, plant.policy.family)
    return replace(plant, timing=timing, io_devices=tuple(devices)), ini


@pytest.mark.parametrize(("family", "is_whole"), [("C", True), ("A", False)])
def test_of_many_ports_each_has_its_best_without_all_sets_being_tried(family: str, is_whole: bool) -> None:
    """Twelve ports with two ways each are 4,096 sets; below 5.0 heartbeats tie them to each other."""
    plan = make_plan(*many_ports(family, 12), 5.0)
    assert plan.is_met
    assert len(plan.changes) == 12
    assert {change.knob.parameter.name for change in plan.changes} == {"Retry"}
    assert plan.is_whole is is_whole
    (one,) = make_plan(*many_ports(family, 1), 5.0).changes
    assert plan.cost == pytest.approx(12 * (one.knob.worth(one.knob.value) - one.knob.worth(one.value)))
    assert plan.forecasts < 8_000
