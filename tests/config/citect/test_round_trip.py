"""Our project to the product's tables and back: the same forecast, tags, alarms and trends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.cli.new import write_project
from changeover.config.citect.importing import import_project
from changeover.config.citect.notes import NoteKind
from changeover.config.citect.plant_text import Assumptions
from changeover.config.citect.source import DiskSource
from changeover.config.project import load_project
from changeover.drivers.modbus.address import check_address
from changeover.forecast.as_json import document
from changeover.forecast.rules import forecast_plant
from changeover.model.alarm import Alarm
from changeover.model.device import DriverTiming, OfflineRule, UnitMode
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.policy import Family
from changeover.model.server import Client
from changeover.model.trend import Trend
from citect_projects import citect_tables, write_folder
from plants import two_server_plant


def there_and_back(folder: Path, plant: Plant, ini: bytes, encoding: str = "cp1252") -> Plant:
    """A plant as it comes out of the tables that were made of it."""
    write_folder(folder / "site", {**citect_tables(plant, encoding), "citect.ini": ini})
    assumed = Assumptions(
        plant.version, len(plant.client_lans()), len(plant.clients), plant.clients[0].page_scan // MILLISECOND
    )
    imported = import_project(DiskSource(folder / "site"), assumed=assumed, check_address=check_address)
    lost = [note for note in imported.notes if note.kind in (NoteKind.LEFT_OUT, NoteKind.CELL_LEFT_OUT)]
    assert lost == []
    write_folder(folder / "out", dict(imported.files))
    return load_project(folder / "out", check_address=check_address).plant


def forecasts(plant: Plant) -> object:
    return document(plant, forecast_plant(plant))["forecasts"]


def test_the_example_comes_back(tmp_path: Path) -> None:
    write_project(tmp_path / "example")
    plant = load_project(tmp_path / "example").plant
    back = there_and_back(tmp_path, plant, (tmp_path / "example" / "citect.ini").read_bytes())
    assert forecasts(back) == forecasts(plant)
    assert back.tags == plant.tags
    assert sorted(map(_product_has, back.alarms), key=_key) == sorted(
        map(_product_has, plant.alarms), key=_key
    )
    assert back.trends == tuple(_without_retention(trend) for trend in plant.trends)
    assert back.timing == plant.timing
    assert [d.units for d in back.io_devices] == [
        tuple(replace(u, port_name=f"P{d.number}_{u.priority}") for u in d.units) for d in plant.io_devices
    ]


def _key(alarm: Alarm) -> str:
    return alarm.tag


def _product_has(alarm: Alarm) -> Alarm:
    """In the product alarms have no priority of their own."""
    return replace(alarm, priority=None)


def _without_retention(trend: Trend) -> Trend:
    return replace(trend, retention=0)


def hmis(count: int) -> list[Client]:
    return [Client(f"HMI{n}", "HMI" if count == 1 else f"HMI{n}") for n in range(1, count + 1)]


@pytest.mark.parametrize("family", list(Family))
@pytest.mark.parametrize("lans", [1, 2])
@pytest.mark.parametrize(
    ("devices", "servers", "clients", "protocol"),
    [(1, 1, 1, "MODNET"), (1, 2, 1, "MODBUS"), (3, 2, 2, "MODNET"), (2, 3, 1, "MELSEC"), (2, 2, 3, "DNPR")],
)
def test_the_forecast_comes_back(
    tmp_path: Path, family: Family, lans: int, devices: int, servers: int, clients: int, protocol: str
) -> None:
    rule = OfflineRule.SQUARED if protocol in ("MODBUS", "MELSEC") else OfflineRule.PER_REQUEST
    driver = DriverTiming(timeout=1500 * MILLISECOND, retry=1, offline_rule=rule, watch=20 * SECOND)
    plant = two_server_plant(
        family, lans=lans, clients=hmis(clients), devices=devices, servers=servers, protocol=protocol,
        driver=driver, tags_per_device=2,
    )  # fmt: skip
    ini = f"[{protocol}]\r\nTimeout=1500\r\nRetry=1\r\nWatchTime=20\r\n".encode()
    back = there_and_back(tmp_path, plant, ini)
    assert forecasts(back) == forecasts(plant)
    assert back.tags == plant.tags


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_order_of_units_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    plant = two_server_plant(clients=hmis(1), devices=2, servers=3)
    devices = []
    for device in plant.io_devices:
        order = data.draw(st.permutations(device.units))
        modes = data.draw(
            st.lists(st.sampled_from([UnitMode.STANDBY, UnitMode.STANDBY_WRITE]), min_size=2, max_size=2)
        )
        units = [
            replace(unit, priority=place, mode=mode)
            for place, (unit, mode) in enumerate(zip(order, [UnitMode.PRIMARY, *modes], strict=True), start=1)
        ]
        devices.append(replace(device, units=tuple(units)))
    plant = replace(plant, io_devices=tuple(devices))
    # The servers' computers are named in the order of their first records.
    first = list(dict.fromkeys(unit.io_server for device in devices for unit in device.units))
    homes = {name: f"SCADA{number}" for number, name in enumerate(first, start=1)}
    plant = replace(
        plant,
        io_servers=tuple(replace(plant.io_server(name), computer=homes[name]) for name in first),
    )
    back = there_and_back(tmp_path_factory.mktemp("trip"), plant, b"")
    assert forecasts(back) == forecasts(plant)
