"""Measuring on traces written by hand: the definitions of section 1 of the changeover model."""

from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import SECOND
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import (
    Shown,
    Span,
    can_change_over,
    measure,
    struck_by,
    struck_devices,
    way_in_use,
)
from changeover.scenario.summary import summarise
from plants import two_server_plant

PLANT = two_server_plant("5.0")
TWO_LANS = two_server_plant("5.0", lans=2)
CLIENT = PLANT.clients[0]
PRIMARY, STANDBY = (unit.name for unit in PLANT.io_devices[0].units)
SILENT = Injection(Fault.SERVER_SILENT, "IOServer1")


def good(at: float, tag: str, unit: str = PRIMARY, server: str = "IOServer1", lan: str = "LAN_A") -> Shown:
    return Shown(round(at * SECOND), tag, True, unit, server, lan)


def com(at: float, tag: str) -> Shown:
    return Shown(round(at * SECOND), tag, False)


def by_standby(at: float, tag: str) -> Shown:
    return good(at, tag, STANDBY, "IOServer2")


def note(at: float, kind: TraceKind, subject: str) -> TraceLine:
    return TraceLine(round(at * SECOND), "HMI1", kind, subject)


def test_changeover_counts_from_the_fault_to_the_first_value_by_a_way_that_is_not_struck():
    lines = [good(1, "a"), good(1, "b"), good(2.5, "a"), by_standby(4, "a"), by_standby(4.5, "b")]
    found = measure(PLANT, SILENT, CLIENT, lines, [], 2 * SECOND, None)
    assert found.changeover == Span(2 * SECOND, round(2.25 * SECOND), round(2.5 * SECOND))
    assert found.com == Span(0, 0, 0)


def test_a_tag_that_nobody_delivered_again_means_that_nothing_changed_over():
    lines = [good(1, "a"), good(1, "b"), by_standby(4, "a")]
    assert measure(PLANT, SILENT, CLIENT, lines, [], 2 * SECOND, None).changeover is None


def test_com_time_is_summed_between_fault_and_repair():
    lines = [com(0.5, "a"), good(1, "a"), com(3, "a"), by_standby(4, "a"), com(5, "a"), by_standby(5.5, "a")]
    found = measure(PLANT, SILENT, CLIENT, lines, [], 2 * SECOND, 9 * SECOND)
    assert found.com is not None
    assert found.com.last == round(1.5 * SECOND)
    still = measure(PLANT, SILENT, CLIENT, [good(1, "a"), com(3, "a")], [], 2 * SECOND, 9 * SECOND)
    assert still.com is not None
    assert still.com.last == 6 * SECOND


def test_return_counts_from_the_repair_to_the_primary_s_value():
    lines = [good(1, "a"), by_standby(4, "a"), by_standby(11, "a"), good(12, "a")]
    found = measure(PLANT, SILENT, CLIENT, lines, [], 2 * SECOND, 10 * SECOND)
    assert found.return_ == Span(2 * SECOND, 2 * SECOND, 2 * SECOND)
    never = measure(PLANT, SILENT, CLIENT, lines[:-1], [], 2 * SECOND, 10 * SECOND)
    assert never.return_ is None


def test_detection_is_the_client_s_for_servers_and_the_server_s_for_devices():
    notes = [
        note(1, TraceKind.SESSION_TIMEOUT, "IOServer1/LAN_A"),
        note(3, TraceKind.SESSION_TIMEOUT, "IOServer2/LAN_A"),
        note(4, TraceKind.SESSION_TIMEOUT, "IOServer1/LAN_A"),
        note(5, TraceKind.UNIT_OFFLINE, PRIMARY),
    ]
    assert measure(PLANT, SILENT, CLIENT, [], notes, 2 * SECOND, None).detection == 2 * SECOND
    device = Injection(Fault.DEVICE_SILENT, "PLC1")
    assert measure(PLANT, device, CLIENT, [], notes, 2 * SECOND, None).detection == 3 * SECOND
    standby = Injection(Fault.STANDBY_DEVICE_SILENT, "PLC1")
    assert measure(PLANT, standby, CLIENT, [], notes, 2 * SECOND, None).detection is None


def test_what_a_fault_strikes():
    client = PLANT.clients[0]
    assert struck_by(PLANT, SILENT).servers == {"IOServer1", "Alarm1", "Trend1", "Report1"}
    assert struck_by(PLANT, Injection(Fault.DEVICE_SILENT, "PLC1")).units == {PRIMARY}
    assert struck_by(PLANT, Injection(Fault.STANDBY_DEVICE_SILENT, "PLC1")).units == {STANDBY}
    assert struck_by(PLANT, Injection(Fault.LAN_SILENT, "FIELD")).units == {PRIMARY, STANDBY}
    assert struck_devices(PLANT, SILENT, client) == ("PLC1",)
    assert struck_devices(PLANT, Injection(Fault.STANDBY_DEVICE_SILENT, "PLC1"), client) == ()
    assert can_change_over(PLANT, SILENT, client)
    assert not can_change_over(PLANT, Injection(Fault.LAN_SILENT, "LAN_A"), client)


def test_one_address_is_one_device():
    shared = two_server_plant("5.0", shared_address=True)
    client = shared.clients[0]
    fault = Injection(Fault.DEVICE_SILENT, "PLC1")
    assert len(struck_by(shared, fault).units) == 2
    assert not can_change_over(shared, fault, client)


def test_with_two_lans_the_first_is_in_use():
    client = TWO_LANS.clients[0]
    assert way_in_use(TWO_LANS, client, "IOServer1") == "LAN_A"
    assert struck_devices(TWO_LANS, Injection(Fault.LAN_SILENT, "LAN_A"), client) == ("PLC1",)
    assert struck_devices(TWO_LANS, Injection(Fault.LAN_SILENT, "LAN_B"), client) == ()
    assert can_change_over(TWO_LANS, Injection(Fault.LAN_SILENT, "LAN_A"), client)


def test_a_summary_has_the_forecast_s_words():
    assert summarise([]) is None
    found = summarise([3.0, 1.0, 2.0])
    assert found == {"min": 1.0, "mean": 2.0, "p50": 2.0, "p95": 2.9, "p99": 2.98, "max": 3.0}
