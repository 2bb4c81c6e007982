"""Targets: what misses them, what holds it, and the largest value that does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.forecast.advice import Miss, first_change, holder, misses, worst
from changeover.forecast.rules import forecast_one, forecast_plant
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.model.stack import NetworkProtocol
from changeover.scenario.fault import Fault
from plants import seed_configurations, timing_for, two_server_plant


def missed(plant: Plant, target_s: float, function: str, fault: str) -> Miss:
    rows = misses(plant, forecast_plant(plant), target_s)
    return next(m for m in rows if (m.forecast.function.value, m.forecast.fault.value) == (function, fault))


def test_is_five_seconds_realistic_in_c() -> None:
    """The seed's question. C's defaults: S holds everything that is silent; 4.75 s of it leave 5 s."""
    plant = two_server_plant("C", round_trip=2 * MILLISECOND)
    found = missed(plant, 5.0, "io-data", "server-silent")
    assert (found.parameter, found.value, found.enough) == ("[LAN]SendTimeout", 15000, True)
    assert found.needed == 5000 - 250
    assert found.next_parameter is None


def test_the_value_needed_meets_the_target_and_the_next_one_does_not() -> None:
    plant = two_server_plant("C")
    found = missed(plant, 5.0, "alarm", "server-silent")
    assert found.needed is not None
    for value, meets in ((found.needed, True), (found.needed + 1, False)):
        there = replace(plant, timing=replace(plant.timing, send_timeout=value * MILLISECOND))
        row = forecast_one(there, Function.ALARM, Fault.SERVER_SILENT, "Alarm1")
        assert row.changeover is not None
        assert (row.changeover.maximum <= 5.0) is meets


def test_one_parameter_alone_may_not_do() -> None:
    """A's defaults: T + H = 8 + 30 s. With H at its least (50 ms), T alone is above 5 s already."""
    found = missed(seed_configurations()["A defaults"], 5.0, "io-data", "device-silent")
    assert (found.parameter, found.enough, found.needed) == ("[IOSERVER]HeartTime", False, None)
    assert found.remaining_s == pytest.approx(8.30, abs=0.01)
    assert found.next_parameter == "[LAN]TimeOut"


def test_watch_time_is_given_in_seconds() -> None:
    found = missed(seed_configurations()["A defaults"], 10.0, "alarm", "server-closed")
    assert (found.parameter, found.value, found.needed) == ("[LAN]WatchTime", 30, 4)


def test_a_slow_driver_and_a_slow_page() -> None:
    slow = two_server_plant("C", driver=DriverTiming(timeout=4 * SECOND, retry=1), timing=timing_for("C"))
    found = missed(slow, 5.0, "io-data", "device-silent")
    assert (found.parameter, found.value, found.needed) == ("[MODNET]Timeout, Retry", 4000, 2374)
    page = two_server_plant("C", page_scan=9 * SECOND)
    found = missed(page, 5.0, "io-data", "device-silent")
    assert (found.parameter, found.value, found.needed) == ("page_scan_ms", 9000, 3998)


def test_nothing_misses_a_generous_target() -> None:
    plant = seed_configurations()["C recommended"]
    assert misses(plant, forecast_plant(plant), 9.0) == ()


def test_the_worst_row_and_its_first_change() -> None:
    plant = two_server_plant("C")
    row = worst(forecast_plant(plant))
    assert row is not None
    assert (row.function, row.fault) == (Function.ALARM, Fault.SERVER_SILENT)
    assert holder(row) == ("[LAN]SendTimeout", pytest.approx(30.0))
    change = first_change(plant, row)
    assert change is not None
    assert (change.value, change.lower) == (15000, 7500)
    assert change.longest_s == pytest.approx(34.252 - 15)
    assert worst(()) is None


def test_of_rows_alike_the_first_is_the_worst() -> None:
    """A frozen alarm server takes half a round trip longer than a silent one: that is nothing to act on."""
    plant = two_server_plant("C")
    alarms = [row for row in forecast_plant(plant) if row.function is Function.ALARM and row.changeover]
    longest = max(row.changeover.maximum for row in alarms if row.changeover)
    found = worst(alarms)
    assert found is not None
    assert found.fault is Fault.SERVER_SILENT
    assert found.changeover is not None
    assert 0 < longest - found.changeover.maximum < 0.001


def test_a_stacks_own_time_outs_cannot_be_turned() -> None:
    plant = two_server_plant("C", network_protocol=NetworkProtocol.LINUX)
    found = missed(plant, 5.0, "io-data", "server-silent")
    assert (found.parameter, found.value, found.enough) == ("tcp_retries2", None, False)


def test_what_is_at_its_least_already_is_not_what_to_change() -> None:
    """W is whole seconds: at one second it cannot be halved, S is next."""
    plant = two_server_plant("C", timing=timing_for("C", send_timeout=300, watch=1000))
    row = forecast_one(plant, Function.ALARM, Fault.SERVER_SILENT, "Alarm1")
    assert holder(row)[0] == "[LAN]WatchTime"
    change = first_change(plant, row)
    assert change is not None
    assert (change.parameter, change.value, change.lower) == ("[LAN]SendTimeout", 300, 150)
    assert change.share_s == pytest.approx(0.6)
