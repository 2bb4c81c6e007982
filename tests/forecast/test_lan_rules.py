"""lan-silent for I/O data: sessions, devices, both (T4, I1, I3). Figures as in test_io_rules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one, targets
from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault
from plants import timing_for, two_server_plant

SMALL = {"send_timeout": 6000, "request_timeout": 1000, "heartbeat": 3000}


def plant(family: str, **more: object) -> Plant:
    small = timing_for(family, **SMALL)
    return two_server_plant(family, **{"timing": small, "round_trip": 10 * MILLISECOND, **more})


def lan(of: Plant, name: str) -> Forecast:
    return forecast_one(of, Function.IO_DATA, Fault.LAN_SILENT, name)


def with_addresses(of: Plant, *hosts: str) -> Plant:
    device = of.io_devices[0]
    units = tuple(
        replace(unit, address=Endpoint(host, 502)) for unit, host in zip(device.units, hosts, strict=True)
    )
    return replace(of, io_devices=(replace(device, units=units),))


def test_the_only_lan_of_a_client_is_lost() -> None:
    for family in "ABC":
        found = lan(plant(family), "LAN_A")
        assert found.outcome is Outcome.LOST
        assert found.detection is not None
        assert found.return_ is not None
        assert "LAN_A" in (found.reason or "")


def test_over_the_other_lan_the_client_keeps_the_primary() -> None:
    c = lan(plant("C", lans=2), "LAN_A")
    assert c.outcome is Outcome.CHANGEOVER
    assert c.changeover is not None
    assert (c.changeover.minimum, c.changeover.maximum) == pytest.approx((6.0, 6.25))
    assert c.return_ is None
    assert "LAN_B" in (c.reason or "")


def test_in_b_a_heartbeat_of_either_server_is_waited_for() -> None:
    b = lan(plant("B", lans=2), "LAN_A").changeover
    assert b is not None
    assert (b.minimum, b.maximum) == pytest.approx((1.0, 4.25))
    assert b.mean == pytest.approx(1.0 + 0.125 + 1.0)


def test_the_lan_that_waits_beside_is_missed_by_nobody() -> None:
    found = lan(plant("C", lans=2), "LAN_B")
    assert found.outcome is Outcome.UNAFFECTED
    assert found.detection is not None
    assert found.detection.minimum == pytest.approx(5.99)


def test_one_client_with_that_lan_alone_is_enough_to_be_lost() -> None:
    two = plant("C", lans=2, clients=2)
    poor = replace(two.computers[-1], addresses=two.computers[-1].addresses[:1])
    mixed = replace(two, computers=(*two.computers[:-1], poor))
    assert lan(mixed, "LAN_A").outcome is Outcome.LOST
    assert lan(mixed, "LAN_B").outcome is Outcome.UNAFFECTED


def test_a_client_on_the_servers_own_computer_needs_no_lan() -> None:
    local = plant("C", clients=[Client("Panel", "SCADA1")])
    assert lan(local, "LAN_A").outcome is Outcome.UNAFFECTED


def test_a_field_lan_with_all_devices_is_lost() -> None:
    found = lan(plant("C"), "FIELD")
    assert found.outcome is Outcome.LOST
    assert found.detection is not None
    assert found.detection.minimum == pytest.approx(0.99)


def test_a_field_lan_with_the_primary_device_alone_is_device_silent() -> None:
    for family in "BC":
        apart = with_addresses(plant(family), "127.100.0.1", "127.200.0.1")
        found = lan(apart, "FIELD")
        silent = forecast_one(apart, Function.IO_DATA, Fault.DEVICE_SILENT, "PLC1")
        assert replace(found, fault=silent.fault, target=silent.target) == silent
        assert (found.fault, found.target) == (Fault.LAN_SILENT, "FIELD")


def test_a_field_lan_with_the_standby_device_alone_is_noticed_only() -> None:
    found = lan(with_addresses(plant("C"), "127.200.0.1", "127.100.0.1"), "FIELD")
    assert found.outcome is Outcome.UNAFFECTED
    assert found.detection is not None
    assert found.detection.maximum == pytest.approx(30.99)


def test_requests_and_device_on_one_lan_are_found_by_the_client_or_by_the_watch_timer() -> None:
    """C: the client asks again by the other LAN after U + S and waits P, or a probe found it before."""
    both = with_addresses(plant("C", lans=2), "127.10.0.99", "127.11.0.99")
    found = lan(both, "LAN_A")
    assert found.changeover is not None
    assert (found.changeover.minimum, found.changeover.maximum) == pytest.approx((1.27, 7.27))
    assert found.com is not None
    assert found.com.maximum == pytest.approx(6.04)
    assert found.return_ is not None
    b = lan(with_addresses(plant("B", lans=2), "127.10.0.99", "127.11.0.99"), "LAN_A")
    assert b.changeover is not None
    assert b.changeover.maximum == pytest.approx(1.0 + 0.25 + 3 + 1.0 + 3 + 0.02)


def test_client_lans_come_first_whatever_the_file_says() -> None:
    there = plant("C", lans=2)
    turned = replace(there, lans=tuple(reversed(there.lans)))
    assert [lan.name for lan in turned.lans] == ["FIELD", "LAN_B", "LAN_A"]
    assert targets(turned, Function.IO_DATA, Fault.LAN_SILENT) == ("LAN_B", "LAN_A", "FIELD")


def test_a_client_on_a_server_finds_the_field_lan_by_its_own_session() -> None:
    """Its requests go over LAN_A, its probes over FIELD too: S + U(0, R) less a round trip; elsewhere P."""
    panel = plant("C", clients=[Client("Panel", "SCADA2")])
    found = lan(panel, "FIELD")
    assert found.outcome is Outcome.LOST
    assert found.detection is not None
    assert (found.detection.minimum, found.detection.maximum) == pytest.approx((5.99, 6.24))
    away = lan(plant("C"), "FIELD").detection
    assert away is not None
    assert (away.minimum, away.maximum) == pytest.approx((0.99, 1.24))


def test_a_session_that_comes_back_over_the_field_lan_makes_the_server_try_its_device() -> None:
    """The sooner of the driver's watch (30 s) and the session's retry (5 s); in B then a heartbeat."""
    for family, heartbeat in (("B", 3.0), ("C", 0.0)):
        there = plant(family, clients=[Client("Panel", "SCADA2"), Client("HMI", "HMI")])
        back, away = lan(there, "FIELD").return_, lan(plant(family), "FIELD").return_
        assert back is not None
        assert away is not None
        assert back.maximum == pytest.approx(5 + heartbeat + 0.065)
        assert away.maximum == pytest.approx(30 + heartbeat + 0.065)
        # Of two waits U(0, 5) and U(0, 30) the sooner takes 5/2 - 5²/(6·30) on the average.
        assert back.mean == pytest.approx(2.5 - 25 / 180 + heartbeat / 2 + 0.05)
