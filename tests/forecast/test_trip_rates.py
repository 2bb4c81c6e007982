"""How often a plant trips falsely, by what was measured of it."""

from dataclasses import replace
from math import exp

import pytest

from changeover.forecast.trip_rates import exposed, is_measured, least_patience, trip_rates
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, SECOND, milliseconds
from changeover.model.network import Kind
from changeover.model.plant import Timing
from changeover.model.stack import NetworkProtocol
from networks import network, stream
from plants import two_server_plant

SESSION = stream(Kind.SESSION, "IOServer1/LAN_A")
DEVICE = stream(Kind.DEVICE, "IOServer1.PLC1@1", seed=2)


def bare(**more):
    """Two I/O servers, no alarms, trends or reports."""
    return two_server_plant("5.0", tasks=False, **more)


def names(plant, kind):
    return [one.name for one in exposed(plant) if one.kind is kind]


def test_every_session_and_every_primary_unit_is_exposed():
    plant = bare(lans=2)
    ways = ["IOServer1/LAN_A", "IOServer1/LAN_B", "IOServer2/LAN_A", "IOServer2/LAN_B"]
    assert names(plant, Kind.SESSION) == [f"HMI1 to {way}" for way in ways]
    assert names(plant, Kind.DEVICE) == ["IOServer1.PLC1@1"]
    assert names(plant, Kind.ROUND_TRIP) == [], "from 5.0 on TimeOut trips nothing"
    assert names(two_server_plant("4.50", tasks=False), Kind.ROUND_TRIP) == [
        "HMI1 to IOServer1/LAN_A for PLC1"
    ]


def test_alarm_trend_and_report_sessions_and_partners_count():
    with_tasks = exposed(two_server_plant("5.0", tasks=True))
    sessions = [one.name for one in with_tasks if one.kind is Kind.SESSION]
    assert "HMI1 to Alarm1/LAN_A" in sessions
    assert "HMI1 to Alarm2/LAN_A" in sessions
    assert "Alarm1 to Alarm2/LAN_A" in sessions
    assert "Alarm2 to Alarm1/LAN_A" in sessions
    assert "Alarm1 to IOServer2/LAN_A" in sessions, "an alarm server reads I/O data"
    assert "Alarm1 to IOServer1/LAN_A" not in sessions, "on one computer no network is between them"


def test_where_the_stack_decides_no_session_waits_for_send_timeout():
    plant = bare(network_protocol=NetworkProtocol.LINUX)
    assert names(plant, Kind.SESSION) == []


def test_a_rate_is_that_of_what_was_measured_beyond_the_time_out():
    plant = bare(timing=Timing(send_timeout=milliseconds(250)))
    item = next(one for one in trip_rates(plant, network(SESSION)).items if one.exposed.kind is Kind.SESSION)
    assert item.measured_as == "IOServer1/LAN_A"
    assert item.rate.rate == pytest.approx(12 / 3600 * exp(-2), rel=0.25)
    assert item.rate.low < item.rate.rate < item.rate.high


def test_what_was_not_measured_itself_goes_by_the_worst_of_its_lan_or_of_all():
    plant = bare(lans=2)
    worse = stream(Kind.SESSION, "IOServer2/LAN_A", threshold_ms=80.0)
    rates = trip_rates(plant, network(SESSION, worse))
    by_name = {
        one.exposed.subject: one.measured_as for one in rates.items if one.exposed.kind is Kind.SESSION
    }
    assert by_name == {
        "IOServer1/LAN_A": "IOServer1/LAN_A",
        "IOServer2/LAN_A": "IOServer2/LAN_A",
        "IOServer1/LAN_B": "IOServer2/LAN_A",
        "IOServer2/LAN_B": "IOServer2/LAN_A",
    }
    assert rates.unmeasured == ("IOServer1.PLC1@1",)


def test_a_time_out_in_the_body_trips_at_least_so_often():
    plant = bare(timing=Timing(send_timeout=20 * MILLISECOND))
    rates = trip_rates(plant, network(SESSION, DEVICE))
    assert rates.at_least
    assert rates.total.rate == pytest.approx(2 * 12 / 3600, rel=0.05), "two sessions; the device waits longer"


def test_a_driver_is_as_patient_as_all_its_time_outs_in_a_row():
    driver = DriverTiming(timeout=SECOND // 10, retry=2)
    plant = bare(driver=driver)
    patience = [one.patience for one in exposed(plant) if one.kind is Kind.DEVICE]
    assert patience == [3 * SECOND // 10]


def test_the_least_time_out_keeps_to_the_rate_and_one_millisecond_less_does_not():
    plant = bare(lans=2)
    found = network(SESSION)
    those = [one for one in exposed(plant) if one.kind is Kind.SESSION]
    wanted = 1 / 86_400
    patience = least_patience(found, those, wanted)

    def total(span):
        turned = replace(plant, timing=replace(plant.timing, send_timeout=span))
        return sum(
            one.rate.rate for one in trip_rates(turned, found).items if one.exposed.kind is Kind.SESSION
        )

    assert total(patience) <= wanted < total(patience - MILLISECOND)
    assert patience % MILLISECOND == 0


def test_a_tail_that_ends_by_its_fit_is_not_believed_to_end():
    """Excesses that are spread evenly: the fit ends a little above the largest."""
    even = stream(Kind.SESSION, "IOServer1/LAN_A")
    record = replace_tail(even, tuple(float(n) for n in range(200, 0, -2)))
    plant = bare(timing=Timing(send_timeout=milliseconds(400)))
    rate = trip_rates(plant, network(record)).items[1].rate
    assert rate.rate == pytest.approx(100 / 36_000 * exp(-350 / 101), rel=0.01)


def replace_tail(record, excesses):
    from msgspec.structs import replace as replaced

    return replaced(record, tail=replaced(record.tail, excesses_ms=excesses, episodes=len(excesses)))


def test_without_any_measurement_of_its_kind_nothing_is_known():
    plant = bare()
    devices = [one for one in exposed(plant) if one.kind is Kind.DEVICE]
    assert not is_measured(network(SESSION), devices)
    with pytest.raises(ValueError, match="nothing was measured"):
        least_patience(network(SESSION), devices, 1.0)


def test_long_answers_of_a_device_trip_as_often_as_they_were_seen():
    """Forty in ten hours, of 1 s and more: no part of the tail, and the driver waits 1 s."""
    from msgspec.structs import replace as replaced

    from changeover.model.network import LongAnswer

    answers = tuple(LongAnswer("2026-01-01T00:00:00Z", 1000.0 + 50 * n) for n in range(40))
    device = replaced(DEVICE, long_answers=answers, long_answers_count=40)
    plant = bare(driver=DriverTiming(timeout=SECOND))
    (item,) = (one for one in trip_rates(plant, network(device)).items if one.exposed.kind is Kind.DEVICE)
    assert item.rate.rate == pytest.approx(40 / 36_000, rel=0.05)
    patient = bare(driver=DriverTiming(timeout=3 * SECOND))
    (later,) = (one for one in trip_rates(patient, network(device)).items if one.exposed.kind is Kind.DEVICE)
    assert 1 / 36_000 < later.rate.rate < 8 / 36_000, "the longest took 2.95 s"


def test_sessions_that_broke_off_trip_at_least_so_often():
    from msgspec.structs import replace as replaced

    broken = replaced(
        SESSION, tail=replaced(SESSION.tail, excesses_ms=(), episodes=8, censored_ms=(20_000.0,) * 8)
    )
    plant = bare(timing=Timing(send_timeout=10 * SECOND))
    rate = trip_rates(plant, network(broken)).items[1].rate
    assert rate.rate >= 8 / 36_000


def test_where_nothing_was_seen_something_may_come_and_without_messages_nothing_is_known():
    from msgspec.structs import replace as replaced

    calm = stream(Kind.SESSION, "IOServer1/LAN_A", per_hour=0)
    plant = bare(timing=Timing(send_timeout=50 * MILLISECOND))
    rate = trip_rates(plant, network(calm)).items[1].rate
    assert rate.rate == pytest.approx(0.693 / 36_000)
    longer = bare(timing=Timing(send_timeout=500 * MILLISECOND))
    assert 0 < trip_rates(longer, network(calm)).items[1].rate.rate < rate.rate / 1000
    silent = trip_rates(plant, network(replaced(calm, messages=0)))
    assert "HMI1 to IOServer1/LAN_A" in silent.unmeasured
