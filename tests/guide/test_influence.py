"""Sensitivities: what one unit of a parameter adds to a changeover, against the rules' own formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.config.ini import IniFile, parse_ini
from changeover.forecast.rules import forecast_one, forecast_plant
from changeover.guide.influence import (
    Influence,
    Lever,
    influence,
    influences_of,
    levers_of,
    worst_rows,
)
from changeover.guide.knobs import knobs_of
from changeover.guide.partners import partners
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.model.stack import NetworkProtocol
from changeover.scenario.fault import Fault
from plants import timing_for, two_server_plant


def ini_of(plant: Plant) -> IniFile:
    """The file that a plant was built with."""
    timing = plant.timing
    text = (
        f"[LAN]\nSendTimeout={timing.send_timeout // MILLISECOND}\n"
        f"TimeOut={timing.request_timeout // MILLISECOND}\nWatchTime={timing.watch // SECOND}\n"
        f"ClientRetryTime={timing.client_retry // MILLISECOND}\n"
        f"[IOSERVER]\nHeartTime={timing.heartbeat // MILLISECOND}\n"
    )
    return parse_ini(text.encode(), "citect.ini")


def lever(plant: Plant, name: str) -> Lever:
    (found,) = (one for one in levers_of(plant, ini_of(plant)) if one.name == name)
    return found


def ask(plant: Plant, name: str, function: Function, fault: Fault) -> Influence:
    (row,) = worst_rows(
        row for row in forecast_plant(plant) if (row.function, row.fault) == (function, fault)
    )
    return influence(plant, lever(plant, name), row)


@pytest.mark.parametrize(("lans", "times"), [(1, 2), (2, 3)])
def test_a_silent_alarm_server_counts_send_timeout_and_watch_time_once_more_than_there_are_lans(
    lans: int, times: int
) -> None:
    """T4: (n+1)·(S + U(0,W)), so the mean goes by half of W."""
    plant = two_server_plant("C", lans=lans)
    send = ask(plant, "[LAN]SendTimeout", Function.ALARM, Fault.SERVER_SILENT)
    watch = ask(plant, "[LAN]WatchTime", Function.ALARM, Fault.SERVER_SILENT)
    assert send.more is not None and watch.more is not None
    assert send.more.longest == pytest.approx(times / 1000)
    assert watch.more.longest == pytest.approx(times)
    assert watch.more.mean == pytest.approx(times / 2)
    assert {rule for _, rule in send.stages} == {"D1", "T3"}


@pytest.mark.parametrize(
    ("name", "family", "fault"),
    [
        ("[LAN]WatchTime", "A", Fault.SERVER_SILENT),
        ("[LAN]SendTimeout", "A", Fault.DEVICE_SILENT),
        ("[IOSERVER]HeartTime", "C", Fault.SERVER_SILENT),
        ("[LAN]TimeOut", "C", Fault.DEVICE_SILENT),
    ],
)
def test_what_the_model_says_has_no_effect_has_none(name: str, family: str, fault: Fault) -> None:
    """I5."""
    found = ask(two_server_plant(family), name, Function.IO_DATA, fault)
    assert found.is_none
    assert (found.counts_below, found.counts_above, found.slope) == (None, None, 0.0)


def test_two_time_outs_for_one_wait_meet_where_they_are_equal() -> None:
    """I3: D = min(S, T), and a probe is acknowledged a round trip sooner than a read: they meet here."""
    plant = two_server_plant("A", timing=timing_for("A", send_timeout=2000, request_timeout=2000))
    found = ask(plant, "[LAN]SendTimeout", Function.IO_DATA, Fault.SERVER_SILENT)
    assert found.more is not None and found.less is not None
    assert found.more.longest == pytest.approx(0.0)
    assert found.less.longest == pytest.approx(-0.001)


def test_it_says_from_which_value_on_a_parameter_counts() -> None:
    plant = two_server_plant("A", timing=timing_for("A", send_timeout=3000, request_timeout=8000))
    found = ask(plant, "[LAN]TimeOut", Function.IO_DATA, Fault.SERVER_SILENT)
    assert found.is_none
    assert found.counts_below is not None
    assert found.counts_below == pytest.approx(3000, abs=2)
    below = replace(plant, timing=replace(plant.timing, request_timeout=found.counts_below * MILLISECOND))
    row = forecast_one(below, Function.IO_DATA, Fault.SERVER_SILENT, found.row.target)
    assert row.changeover is not None and found.now.longest is not None
    assert row.changeover.maximum < found.now.longest
    assert ask(plant, "[LAN]TimeOut", Function.IO_DATA, Fault.SERVER_CLOSED).counts_above is None


def test_time_out_moves_com_alone_from_5_0_on() -> None:
    """I2: #COM time = max(0, S − T + c)."""
    plant = two_server_plant("C", timing=timing_for("C", send_timeout=15_000, request_timeout=8_000))
    found = ask(plant, "[LAN]TimeOut", Function.IO_DATA, Fault.SERVER_SILENT)
    assert found.more is not None
    assert (found.more.longest, found.more.com) == (pytest.approx(0.0), pytest.approx(-0.001))
    assert not found.is_none


def test_client_retry_time_moves_the_return_alone() -> None:
    """I6."""
    found = ask(two_server_plant("C"), "[LAN]ClientRetryTime", Function.IO_DATA, Fault.SERVER_SILENT)
    assert found.more is not None
    assert (found.more.longest, found.more.return_) == (pytest.approx(0.0), pytest.approx(0.001))


def test_a_page_scan_is_waited_for_once() -> None:
    """D1: U(0, R)."""
    found = ask(two_server_plant("C", clients=2), "page_scan_ms", Function.IO_DATA, Fault.SERVER_SILENT)
    assert found.more is not None
    assert (found.more.longest, found.more.mean) == (pytest.approx(0.001), pytest.approx(0.0005))


def test_a_drivers_section_is_asked_of_its_own_devices() -> None:
    plant = two_server_plant("C", devices=2)
    first = plant.io_devices[0].units[0]
    ini = parse_ini(b"[MODNET]\nTimeout=900\n", "citect.ini")
    for one in levers_of(plant, ini):
        if one.knob is not None and one.knob.units:
            assert first.name in one.knob.units
            rows = {found.row.target for found in influences_of(plant, one, forecast_plant(plant))}
            assert rows


def test_all_clients_get_quicker_by_as_much() -> None:
    plant = two_server_plant("C")
    turned = lever(plant, "page_scan_ms").turn(plant, 100)
    assert {client.page_scan for client in turned.clients} == {100 * MILLISECOND}


def test_lowering_a_drivers_timeout_alone_brings_nothing_below_5_0() -> None:
    """I3: max(T, P), so the driver's time-out counts only together with TimeOut."""
    timing = timing_for("B", request_timeout=8000)
    ini = parse_ini(b"[MODNET]\nTimeout=500\n", "citect.ini")
    plant = two_server_plant("B", timing=timing)
    units = tuple(
        replace(unit, timing=replace(unit.timing, timeout=500 * MILLISECOND))
        for unit in plant.io_devices[0].units
    )
    plant = replace(plant, io_devices=(replace(plant.io_devices[0], units=units),))
    ((knob, others),) = partners(plant, knobs_of(plant, ini))
    assert (str(knob), [str(other) for other in others]) == ("[MODNET]Timeout", ["[LAN]TimeOut"])
    quick = replace(plant, timing=replace(timing, request_timeout=400 * MILLISECOND))
    assert list(partners(quick, knobs_of(quick, ini))) == []


def test_what_a_stack_ignores_counts_together_with_nothing() -> None:
    ini = parse_ini(b"[LAN]\nSendTimeout=500\n", "citect.ini")
    plant = two_server_plant(
        "C", timing=timing_for("C", send_timeout=500), network_protocol=NetworkProtocol.WINDOWS
    )
    assert list(partners(plant, knobs_of(plant, ini))) == []
