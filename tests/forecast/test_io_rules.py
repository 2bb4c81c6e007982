"""I/O data: every cell of fault × family against figures worked out by hand from changeover-model.md.

Throughout R = 0.25 s, rt = 0.01 s (large, to be seen), S = 6 s, T = 1 s, H = 3 s, τ = 1 s, r = 0, driver
WatchTime 30 s, ClientRetryTime 5 s, unless a test says otherwise.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one, forecast_plant
from changeover.forecast.stages import Distribution
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.server import Client, Function, IoServer
from changeover.scenario.fault import Fault
from plants import seed_configurations, timing_for, two_server_plant

RT = 10 * MILLISECOND
SMALL = {"send_timeout": 6000, "request_timeout": 1000, "heartbeat": 3000}


def plant(family: str, **more: object) -> Plant:
    return two_server_plant(family, **{"timing": timing_for(family, **SMALL), "round_trip": RT, **more})


def row(of: Plant, fault: str, target: str = "") -> Forecast:
    kind = Fault(fault)
    return forecast_one(of, Function.IO_DATA, kind, target or ("PLC1" if kind.is_device else "IOServer1"))


def ends(distribution: Distribution | None) -> tuple[float, float] | None:
    if distribution is None:
        return None
    return round(distribution.minimum, 6), round(distribution.maximum, 6)


CELLS = [
    # fault, changeover, #COM, detection, return: (min, max)
    ("C", "server-silent", (6.0, 6.25), (5.02, 5.02), (5.98, 6.23), (0.035, 5.065)),
    ("C", "server-frozen", (6.005, 6.255), (5.02, 5.02), (5.985, 6.235), (0.035, 5.0425)),
    ("C", "server-closed", (0.025, 0.025), (0.0, 0.0), (0.005, 0.005), (0.035, 5.0425)),
    ("C", "device-silent", (1.015, 1.265), (0.03, 0.03), (0.99, 1.24), (0.035, 30.065)),
    ("C", "device-closed", (0.03, 0.03), (0.0, 0.0), (0.005, 0.005), (0.035, 30.065)),
    ("B", "server-silent", (1.0, 4.25), (0.02, 3.02), (0.98, 1.23), (0.035, 8.065)),
    ("B", "server-frozen", (1.005, 4.255), (0.02, 3.02), (0.985, 1.235), (0.035, 8.0425)),
    ("B", "server-closed", (0.025, 3.025), (0.02, 3.02), (0.005, 0.005), (0.035, 8.0425)),
    # T = 1 s < P + rt = 1.01 s: P holds it.
    ("B", "device-silent", (1.015, 4.265), (0.03, 3.03), (0.99, 1.24), (0.035, 33.065)),
    ("B", "device-closed", (1.01, 4.26), (0.02, 3.02), (0.005, 0.005), (0.035, 33.065)),
]


@pytest.mark.parametrize(("family", "fault", "changeover", "com", "detection", "back"), CELLS)
def test_every_cell(
    family: str,
    fault: str,
    changeover: tuple[float, float],
    com: tuple[float, float],
    detection: tuple[float, float],
    back: tuple[float, float],
) -> None:
    found = row(plant(family), fault)
    assert found.outcome is Outcome.CHANGEOVER
    assert ends(found.changeover) == changeover
    assert ends(found.com) == com
    assert ends(found.detection) == detection
    assert ends(found.return_) == back


def test_a_and_b_differ_in_nothing_but_their_defaults() -> None:
    a, b = plant("A"), plant("B", timing=timing_for("A", **SMALL))
    assert forecast_plant(a) == forecast_plant(b)


@pytest.mark.parametrize("family", "ABC")
def test_stages_sum_up_to_the_changeover_and_name_who_governs(family: str) -> None:
    for found in forecast_plant(plant(family, lans=2)):
        if found.changeover is None:
            assert not found.stages
            assert found.reason
            continue
        for key in ("minimum", "mean", "maximum"):
            parts = sum(getattr(stage.distribution, key) for stage in found.stages)
            assert parts == pytest.approx(getattr(found.changeover, key), abs=1e-9)


def test_the_stages_of_c_and_of_b() -> None:
    def names(family: str) -> list[str]:
        return [stage.parameter for stage in row(plant(family), "server-silent").stages]

    assert names("C") == ["page_scan_ms", "[LAN]SendTimeout", "round_trip_ms"]
    assert names("B") == ["page_scan_ms", "[LAN]TimeOut", "[IOSERVER]HeartTime", "round_trip_ms"]
    slow = plant("B", timing=timing_for("B", send_timeout=500))
    assert row(slow, "server-silent").stages[1].parameter == "[LAN]SendTimeout"
    # S = 0.5 s: D = S − 2 rt + U, then U(0, 30 s) + 2 rt.
    assert ends(row(slow, "server-silent").changeover) == (0.5, 30.75)


def test_s_and_t_count_from_the_same_send() -> None:
    """An answer acknowledges its request: the first unanswered send is the first unacknowledged one."""
    close = plant("B", timing=timing_for("B", send_timeout=1000, request_timeout=1005, heartbeat=3000))
    assert row(close, "server-silent").stages[1].parameter == "[LAN]SendTimeout"
    assert ends(row(close, "server-silent").changeover) == (1.0, 4.25)


def test_parameters_without_effect_have_none() -> None:
    """I5: W never; S on a device fault never; H and T on a changeover in C never."""
    for family in "ABC":
        there = plant(family)
        without_w = replace(there, timing=replace(there.timing, watch=77 * SECOND))
        assert row(there, "server-silent") == row(without_w, "server-silent")
        without_s = replace(there, timing=replace(there.timing, send_timeout=77 * SECOND))
        assert row(there, "device-silent") == row(without_s, "device-silent")
    c = plant("C")
    other = replace(c, timing=replace(c.timing, heartbeat=77 * SECOND, request_timeout=77 * SECOND))
    for fault in ("server-silent", "server-closed", "device-silent"):
        assert row(c, fault).changeover == row(other, fault).changeover


def test_com_is_zero_with_sensible_settings_in_c() -> None:
    """I2: S = 2 s below T = 8 s."""
    sensible = seed_configurations()["C recommended"]
    assert ends(row(sensible, "server-silent").com) == (0.0, 0.0)
    assert ends(row(sensible, "device-silent").com) == (0.0, 0.0)
    assert ends(row(seed_configurations()["C defaults"], "server-silent").com) == (7.002, 7.002)


def test_measured_by_the_seed() -> None:
    """Section 6: 3 s with S = 2 s in 5.0; a switch after 1 s without #COM for a removed device cable."""
    found = seed_configurations()["C recommended"]
    silent = row(found, "server-silent").changeover
    assert silent is not None
    assert silent.maximum < 3.0
    device = row(found, "device-silent").changeover
    assert device is not None
    assert device.minimum == pytest.approx(1.0015)


@pytest.mark.parametrize(
    ("name", "silent", "device"),
    [
        # D = min(S, T) + U(0, 0.25), H 30: means T + 0.125 + 15 and so on, rt 1 ms
        ("A defaults", 23.125, 23.1255),
        ("B defaults", 23.125, 23.1255),
        ("C defaults", 15.126, 1.1265),
        ("A recommended", 4.625, 4.6255),
        ("B recommended", 4.626, 10.6255),
        ("C recommended", 2.126, 1.1265),
    ],
)
def test_the_seeds_configurations(name: str, silent: float, device: float) -> None:
    there = seed_configurations()[name]
    for fault, mean in (("server-silent", silent), ("device-silent", device)):
        found = row(there, fault).changeover
        assert found is not None
        assert found.mean == pytest.approx(mean, abs=0.0011)


# ---------------------------------------- offline rules, D5 and D6


@pytest.mark.parametrize(
    ("rule", "retry", "attempts"),
    [(OfflineRule.PER_REQUEST, 2, 3), (OfflineRule.SQUARED, 2, 9), (OfflineRule.SQUARED, 0, 1)],
)
def test_p_follows_the_drivers_offline_rule(rule: OfflineRule, retry: int, attempts: int) -> None:
    driver = DriverTiming(timeout=SECOND // 2, retry=retry, offline_rule=rule)
    c = plant("C", driver=driver, protocol="MODBUS")
    assert ends(row(c, "device-silent").changeover) == (
        round(attempts * 0.5 + 0.015, 6),
        round(attempts * 0.5 + 0.265, 6),
    )
    assert ends(row(c, "device-closed").detection) == (round((attempts - 0.5) * 0.01, 6),) * 2
    assert ends(row(c, "device-closed").changeover) == (round((attempts + 2) * 0.01, 6),) * 2
    assert "[MODBUS]Timeout, Retry" in [s.parameter for s in row(c, "device-silent").stages]


def test_in_b_the_longer_of_t_and_p_counts() -> None:
    short = plant("B", driver=DriverTiming(timeout=SECOND // 4))
    assert ends(row(short, "device-silent").changeover) == (1.005, 4.255)
    assert ends(row(short, "device-silent").com) == (0.02, 3.02)
    assert row(short, "device-silent").stages[1].parameter == "[LAN]TimeOut"
    long = plant("B", driver=DriverTiming(timeout=4 * SECOND))
    assert ends(row(long, "device-silent").changeover) == (4.015, 7.265)
    assert ends(row(long, "device-silent").com) == (3.03, 6.03)


# ---------------------------------------- topology


def test_one_row_per_primary_server_however_many_devices() -> None:
    rows = [r for r in forecast_plant(plant("C", devices=3)) if r.function is Function.IO_DATA]
    assert [r.target for r in rows if r.fault is Fault.SERVER_SILENT] == ["IOServer1"]
    assert [r.target for r in rows if r.fault is Fault.DEVICE_SILENT] == ["PLC1", "PLC2", "PLC3"]
    assert [r.target for r in rows if r.fault is Fault.LAN_SILENT] == ["LAN_A", "FIELD"]


def test_rows_come_by_function_then_fault_then_target() -> None:
    rows = forecast_plant(plant("C", devices=2, lans=2))
    order = [(list(Function).index(r.function), list(Fault).index(r.fault)) for r in rows]
    assert order == sorted(order)
    assert {r.function for r in rows} == set(Function)
    assert {r.function for r in forecast_plant(plant("C", tasks=False))} == {Function.IO_DATA}


def test_one_address_is_one_device() -> None:
    shared = plant("C", shared_address=True)
    for fault in ("device-silent", "device-closed", "standby-device-silent"):
        found = row(shared, fault)
        assert found.outcome is Outcome.LOST
        assert found.changeover is None
        assert found.com is None
        assert found.detection is not None
        assert found.return_ is not None
        assert "one device" in (found.reason or "")
    assert row(shared, "server-silent").outcome is Outcome.CHANGEOVER


def test_a_device_without_a_standby_is_lost() -> None:
    alone = plant("C", servers=1)
    for fault in ("server-silent", "server-closed", "server-frozen", "device-silent"):
        found = row(alone, fault)
        assert found.outcome is Outcome.LOST
        assert found.reason
        assert found.detection is not None
        assert found.return_ is not None
    assert row(alone, "standby-device-silent").outcome is Outcome.UNAFFECTED


def test_a_single_device_beside_redundant_ones_is_named() -> None:
    both = plant("C", devices=2)
    first, second = both.io_devices
    mixed = replace(both, io_devices=(first, replace(second, units=second.units[:1])))
    found = row(mixed, "server-silent")
    assert found.outcome is Outcome.CHANGEOVER
    assert "PLC2" in (found.reason or "")
    assert row(mixed, "device-silent", "PLC2").outcome is Outcome.LOST


def test_a_silent_server_takes_its_computer_along() -> None:
    there = plant("C")
    together = replace(
        there, io_servers=(there.io_servers[0], IoServer("IOServer2", "SCADA1", there.io_servers[1].port + 1))
    )
    assert row(together, "server-silent").outcome is Outcome.LOST
    assert row(together, "server-closed").outcome is Outcome.CHANGEOVER
    local = plant("C", clients=[Client("Panel", "SCADA1")])
    assert row(local, "server-silent").outcome is Outcome.LOST
    assert "no client is left" in (row(local, "server-silent").reason or "")
    assert row(local, "server-frozen").outcome is Outcome.CHANGEOVER


def test_the_slowest_client_that_survives_counts() -> None:
    many = plant(
        "C",
        clients=[
            Client("Panel", "SCADA1", 9 * SECOND),
            Client("Fast", "HMI1", SECOND // 10),
            Client("Slow", "HMI2", 2 * SECOND),
        ],
    )
    assert ends(row(many, "server-silent").changeover) == (6.0, 8.0)
    assert ends(row(many, "server-frozen").changeover) == (6.005, 15.005)


def test_the_first_request_of_any_client_finds_a_silent_device() -> None:
    """Two clients with R = 1 s: min of two U(0, 1), mean 1/3, instead of 1/2."""
    many = plant("C", clients=2, page_scan=SECOND)
    found = row(many, "device-silent").changeover
    assert found is not None
    assert found.mean == pytest.approx(1 / 3 + 1.015)
    assert ends(found) == (1.015, 2.015)


def test_in_b_the_first_heartbeat_of_any_standby_counts() -> None:
    three = plant("B", servers=3)
    found = row(three, "server-silent").changeover
    assert found is not None
    assert found.mean == pytest.approx(1.0 + 0.125 + 3.0 / 3)
    device = row(three, "device-silent").changeover
    assert device is not None
    assert device.mean == pytest.approx(1.015 + 0.125 + 3.0 / 2)


# ---------------------------------------- standby devices, I8


def test_a_dead_standby_is_found_by_the_watchdog_alone() -> None:
    found = row(plant("C"), "standby-device-silent")
    assert found.outcome is Outcome.UNAFFECTED
    assert (found.changeover, found.com, found.return_) == (None, None, None)
    assert ends(found.detection) == (0.99, 30.99)
    assert found.reason
    blind = row(plant("C", timing=timing_for("C", watchdog=False)), "standby-device-silent")
    assert blind.detection is None
    assert "WatchDog" in (blind.reason or "")
