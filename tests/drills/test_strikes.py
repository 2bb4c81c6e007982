"""Strikes: which rows of a forecast one injection serves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.drill.campaign import drillable
from changeover.drill.strikes import Strike, functions_of, strikes
from changeover.forecast.rules import forecast_plant
from changeover.model.device import IoDevice, Unit, UnitMode
from changeover.model.lan import Endpoint
from changeover.model.plant import Plant
from changeover.model.server import Function, IoServer, TaskMode
from changeover.scenario.fault import Fault, Injection
from plants import two_server_plant


def found(plant: Plant, fault: Fault | None = None) -> dict[str, list[tuple[str, str]]]:
    rows = (row for row in forecast_plant(plant) if fault in (None, row.fault))
    return {
        strike.name: [(row.function.value, row.target) for row in strike.rows]
        for strike in strikes(plant, rows)
    }


def test_every_row_is_in_exactly_one_strike() -> None:
    plant = two_server_plant("C", lans=2)
    rows = forecast_plant(plant)
    struck = [row for strike in strikes(plant, rows) for row in strike.rows]
    assert sorted(map(id, struck)) == sorted(map(id, rows))


def test_one_injection_serves_every_function() -> None:
    servers = [("io-data", "IOServer1"), ("alarm", "Alarm1"), ("trend", "Trend1"), ("report", "Report1")]
    plant = two_server_plant("C", lans=2)
    everything = found(plant)
    for fault in (Fault.SERVER_SILENT, Fault.SERVER_CLOSED, Fault.SERVER_FROZEN):
        assert everything[f"{fault.value} SCADA1"] == servers
    names = [function.value for function in Function]
    for target in ("LAN_A", "LAN_B", "FIELD"):
        assert everything[f"lan-silent {target}"] == [(name, target) for name in names]
    assert everything["partner-cut SCADA1+SCADA2"] == [(name, "SCADA1+SCADA2") for name in names]
    assert everything["device-silent PLC1"] == [(name, "PLC1") for name in names]
    assert len(everything) == 3 + 3 + 1 + 3


def test_a_single_row_is_struck_by_its_own_name() -> None:
    plant = two_server_plant("C")
    (strike,) = drillable(plant, "alarm", "server-closed")
    assert strike.injection == Injection(Fault.SERVER_CLOSED, "Alarm1")
    assert strike.servers == ("Alarm1",)
    assert functions_of([strike]) == {Function.ALARM}


def test_servers_on_two_computers_are_two_strikes() -> None:
    plant = two_server_plant("C")
    swapped = {"Report1": TaskMode.STANDBY, "Report2": TaskMode.PRIMARY}
    servers = tuple(replace(s, mode=swapped.get(s.name, s.mode)) for s in plant.task_servers)
    everything = found(replace(plant, task_servers=servers), Fault.SERVER_FROZEN)
    assert everything == {
        "server-frozen SCADA1": [("io-data", "IOServer1"), ("alarm", "Alarm1"), ("trend", "Trend1")],
        "server-frozen Report2": [("report", "Report2")],
    }


def test_two_servers_of_one_function_are_never_struck_by_one_process_fault() -> None:
    """The forecast of one takes the other to be well: it may be what the client changes over to."""
    plant = two_server_plant("C")
    device = plant.io_devices[0]
    other = IoServer("IOServer3", "SCADA1", 12099)
    unit = Unit("PLC9", "IOServer3", UnitMode.PRIMARY, Endpoint("127.100.1.9", 502), 1)
    devices = (device, IoDevice("PLC9", 9, device.protocol, (unit,)))
    plant = replace(plant, io_servers=(*plant.io_servers, other), io_devices=devices)
    closed = found(plant, Fault.SERVER_CLOSED)
    assert closed["server-closed IOServer3"] == [("io-data", "IOServer3")]
    assert [name for _, name in closed["server-closed SCADA1"]] == [
        "IOServer1",
        "Alarm1",
        "Trend1",
        "Report1",
    ]
    silent = found(plant, Fault.SERVER_SILENT)
    assert len(silent) == 1, "a silent computer takes all of them, and each forecast knows"
    assert len(silent["server-silent SCADA1"]) == 5


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("SCADA1", {"server-silent SCADA1", "server-closed SCADA1", "server-frozen SCADA1"}),
        ("scada1", {"server-silent SCADA1", "server-closed SCADA1", "server-frozen SCADA1"}),
        ("trend1", {"server-silent Trend1", "server-closed Trend1", "server-frozen Trend1"}),
        ("LAN_A", {"lan-silent LAN_A"}),
        ("nobody", set()),
    ],
)
def test_a_target_is_a_row_s_own_or_a_server_s_computer(target: str, expected: set[str]) -> None:
    plant = two_server_plant("C", lans=2)
    assert {strike.name for strike in drillable(plant, None, None, target)} == expected


def test_a_plant_without_task_servers_has_only_io_data() -> None:
    plant = two_server_plant("C", tasks=False)
    assert functions_of(drillable(plant, None, None)) == {Function.IO_DATA}
    assert drillable(plant, "report", None) == ()
    assert all(isinstance(strike, Strike) for strike in drillable(plant, "io-data", None))
