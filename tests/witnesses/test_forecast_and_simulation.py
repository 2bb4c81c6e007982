"""Two of the three witnesses for I/O data: plain arithmetic and the machines on a virtual clock, every cell.

In each cell all trials lie in the forecast's interval, the mean within 4 standard errors + 5 ms, and a
Kolmogorov-Smirnov test at 0.1 % does not reject (`forecast.compare`).
"""

from dataclasses import replace

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_plant
from changeover.model.device import DriverTiming, OfflineRule
from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND, SECOND, milliseconds, seconds
from changeover.model.plant import Plant, Timing
from changeover.model.policy import Family
from changeover.model.server import Client, Function
from changeover.model.stack import LinuxStack, NetworkProtocol, WindowsStack
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import struck_unit
from changeover.scenario.outage import measuring_client
from changeover.simulation.trial import trials
from plants import two_server_plant, version_of
from witnesses.agreement import contradictions

TRIALS = 400


def distinguishable(family: Family) -> Timing:
    """Values with which S, T, H and ClientRetryTime can be told apart in each other's cells."""
    if family is Family.C:
        return Timing(send_timeout=milliseconds(1500), client_retry=milliseconds(900), heartbeat=seconds(3))
    return Timing(
        send_timeout=milliseconds(6000),
        request_timeout=milliseconds(1000),
        heartbeat=milliseconds(3000),
        client_retry=milliseconds(900),
    )


def send_timeout_first(family: Family) -> Timing:
    """S before T (A, B), and #COM before S (C)."""
    return Timing(
        send_timeout=milliseconds(1200),
        request_timeout=milliseconds(700 if family is Family.C else 2500),
        heartbeat=milliseconds(2000),
        client_retry=milliseconds(1100),
    )


DRIVERS = {
    "one attempt": DriverTiming(timeout=SECOND // 2, watch=2 * SECOND),
    "three attempts": DriverTiming(timeout=SECOND // 2, retry=2, watch=2 * SECOND),
    "squared": DriverTiming(
        timeout=milliseconds(300), retry=1, offline_rule=OfflineRule.SQUARED, watch=2 * SECOND
    ),
}


def agree(plant: Plant, row: Forecast, count: int = TRIALS) -> list[str]:
    """What contradicts the forecast of one cell; empty when all three demands hold."""
    return contradictions(row, list(trials(plant, Injection(row.fault, row.target), count, seed=20)))


def clients(*where: tuple[str, int]) -> list[Client]:
    return [Client(f"HMI{i + 1}", computer, milliseconds(scan)) for i, (computer, scan) in enumerate(where)]


def one_host(plant: Plant) -> Plant:
    """Both units behind one gateway, at two ports."""
    (device,) = plant.io_devices
    first, second = device.units
    moved = replace(second, address=Endpoint(first.address.host, first.address.port + 1))
    return replace(plant, io_devices=(replace(device, units=(first, moved)),))


def second_path_first(plant: Plant) -> Plant:
    """The second unit is another path to the primary's device, the third has a device of its own."""
    (device,) = plant.io_devices
    first, second, third = device.units
    units = (first, replace(second, address=first.address), third)
    return replace(plant, io_devices=(replace(device, units=units),))


def second_device_alone(plant: Plant) -> Plant:
    """The second device has no standby unit."""
    first, second = plant.io_devices
    return replace(plant, io_devices=(first, replace(second, units=second.units[:1])))


def crossed(plant: Plant) -> Plant:
    """The second device's primary is on the second I/O server."""
    first, second = plant.io_devices
    one, other = second.units
    units = (replace(other, priority=1), replace(one, priority=2))
    return replace(plant, io_devices=(first, replace(second, units=units)))


ODD = {
    "two clients alike": lambda family, **more: two_server_plant(family, clients=2, **more),
    "two clients of different scans": lambda family, **more: two_server_plant(
        family, clients=clients(("HMI1", 250), ("HMI2", 1000)), **more
    ),
    "a client on the primary's computer": lambda family, **more: two_server_plant(
        family, clients=clients(("SCADA1", 250), ("HMI2", 500)), **more
    ),
    "only a client on the primary's computer": lambda family, **more: two_server_plant(
        family, clients=clients(("SCADA1", 250)), **more
    ),
    "three servers": lambda family, **more: two_server_plant(family, servers=3, **more),
    "two paths to one device": lambda family, **more: two_server_plant(family, shared_address=True, **more),
    "one host, two ports": lambda family, **more: one_host(two_server_plant(family, **more)),
    "five devices": lambda family, **more: two_server_plant(family, devices=5, **more),
    "a device without a standby": lambda family, **more: second_device_alone(
        two_server_plant(family, devices=2, **more)
    ),
    "crossed primaries": lambda family, **more: crossed(two_server_plant(family, devices=2, **more)),
    "one server": lambda family, **more: two_server_plant(family, servers=1, **more),
}


@pytest.mark.parametrize("family", [Family.B, Family.C], ids=lambda family: family.value)
@pytest.mark.parametrize("shape", ODD)
def test_odd_plants_agree(shape, family):
    plant = ODD[shape](version_of(family), timing=distinguishable(family), driver=DRIVERS["one attempt"])
    wrong = {}
    for row in cells(plant):
        injection = Injection(row.fault, row.target)
        if measuring_client(plant, injection) is None:
            assert row.outcome is Outcome.LOST
            continue
        if row.fault.is_device and struck_unit(plant, injection) is None:
            assert row.outcome is Outcome.UNAFFECTED
            continue
        found = agree(plant, row, count=100)
        if found:
            wrong[row.fault.value, row.target] = found
    assert wrong == {}


def test_a_second_path_to_a_dead_device_is_asked_before_the_third_unit():
    plant = second_path_first(
        two_server_plant("5.0", servers=3, timing=distinguishable(Family.C), driver=DRIVERS["one attempt"])
    )
    for row in cells(plant):
        if row.fault is Fault.DEVICE_SILENT:
            assert row.changeover.maximum > 1.0, "P is paid twice, unless the watch timer was quicker"
            assert agree(plant, row, count=150) == []


def cells(plant: Plant) -> list[Forecast]:
    return [row for row in forecast_plant(plant) if row.function is Function.IO_DATA]


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
@pytest.mark.parametrize("lans", [1, 2])
@pytest.mark.parametrize("family", Family, ids=lambda family: family.value)
@pytest.mark.parametrize("timing", [distinguishable, send_timeout_first], ids=lambda f: f.__name__)
def test_every_cell_agrees(timing, family, lans, fault):
    plant = two_server_plant(
        version_of(family), timing=timing(family), lans=lans, driver=DRIVERS["one attempt"]
    )
    rows = [row for row in cells(plant) if row.fault is fault]
    assert rows
    for row in rows:
        assert agree(plant, row) == [], (row.fault, row.target)


@pytest.mark.parametrize("driver", ["three attempts", "squared"])
@pytest.mark.parametrize("family", Family, ids=lambda family: family.value)
@pytest.mark.parametrize("fault", [Fault.DEVICE_SILENT, Fault.DEVICE_CLOSED, Fault.STANDBY_DEVICE_SILENT])
def test_the_offline_rules_agree(fault, family, driver):
    plant = two_server_plant(version_of(family), timing=distinguishable(family), driver=DRIVERS[driver])
    for row in cells(plant):
        if row.fault is fault:
            assert agree(plant, row) == []


@pytest.mark.parametrize("fault", [Fault.SERVER_SILENT, Fault.DEVICE_SILENT])
@pytest.mark.parametrize("family", Family, ids=lambda family: family.value)
def test_defaults_agree(family, fault):
    plant = two_server_plant(version_of(family))
    for row in cells(plant):
        if row.fault is fault:
            assert agree(plant, row, count=100) == []


def test_a_wrong_forecast_is_rejected():
    slow = two_server_plant("5.0", timing=Timing(send_timeout=milliseconds(1700)))
    quick = two_server_plant("5.0", timing=Timing(send_timeout=milliseconds(1500)))
    row = next(row for row in cells(slow) if row.fault is Fault.SERVER_SILENT)
    assert row.outcome is Outcome.CHANGEOVER
    assert any("changeover" in line for line in agree(quick, row, count=50))


def test_a_field_lan_that_takes_one_unit_after_the_other_agrees():
    """S is shorter than the two units' P: the outage must last until both are known to be lost."""
    timing = Timing(send_timeout=milliseconds(1200), client_retry=SECOND)
    plant = two_server_plant("5.0", timing=timing, driver=DriverTiming(timeout=SECOND, watch=2 * SECOND))
    row = next(r for r in cells(plant) if (r.fault, r.target) == (Fault.LAN_SILENT, "FIELD"))
    assert row.outcome is Outcome.LOST
    assert agree(plant, row, count=200) == []


STACKS = {
    "windows": {
        "network_protocol": NetworkProtocol.WINDOWS,
        "windows": WindowsStack(data_retransmissions=2, rto=milliseconds(300)),
    },
    "linux": {"network_protocol": NetworkProtocol.LINUX, "linux": LinuxStack(retries2=2)},
    "linux, many retries": {"network_protocol": NetworkProtocol.LINUX, "linux": LinuxStack(retries2=6)},
}


@pytest.mark.parametrize("family", [Family.B, Family.C], ids=lambda family: family.value)
@pytest.mark.parametrize("stack", STACKS)
def test_where_the_stack_decides_every_cell_agrees(stack, family):
    """The round trip is short: an answer that is lost alone is asked for a page scan later."""
    for shape in ({"lans": 1, "devices": 2}, {"lans": 2, "devices": 1}):
        more = {"timing": distinguishable(family), "driver": DRIVERS["one attempt"]} | shape | STACKS[stack]
        plant = two_server_plant(version_of(family), round_trip=MILLISECOND // 20, **more)
        wrong = {}
        for row in cells(plant):
            if row.fault.is_device or row.target == "FIELD" or row.fault is Fault.PARTNER_CUT:
                continue
            found = agree(plant, row, count=100)
            if found:
                wrong[row.fault.value, row.target] = found
        assert wrong == {}, shape
