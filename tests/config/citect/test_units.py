"""units.dbf, boards.dbf and ports.dbf to plant.toml."""

from __future__ import annotations

import pytest

from changeover.config.citect.notes import NoteKind
from changeover.config.citect.plant_text import Assumptions
from changeover.config.citect.refusal import RefusedError
from changeover.model.device import UnitMode
from changeover.model.moment import MILLISECOND
from changeover.model.server import Function
from citect_projects import Row

from .conftest import Result, Site, unit


def units_of(result: Result, device: str = "PLC1") -> list[tuple[str, UnitMode, str]]:
    found = result.load().plant.io_device(device)
    return [(u.io_server, u.mode, str(u.address)) for u in found.units]


def reasons(result: Result, kind: NoteKind, file: str = "units.dbf") -> list[tuple[int | None, str]]:
    return [(record, field) for record, field, _, _ in result.notes(kind, file)]


def test_units_pair_by_number_and_the_device_has_the_primarys_name(site: Site) -> None:
    result = site.run()
    assert units_of(result) == [
        ("IOServer1", UnitMode.PRIMARY, "192.168.1.10:502"),
        ("IOServer2", UnitMode.STANDBY, "192.168.1.11:502"),
    ]
    kinds = {note.kind for note in result.imported.notes}
    assert kinds == {NoteKind.PLACEHOLDER, NoteKind.INFORMATION}


def test_what_the_project_does_not_hold_is_noted_and_marked(site: Site) -> None:
    result = site.run()
    plant = result.imported.files["plant.toml"].decode()
    noted = {field for _, field, _, _ in result.notes(NoteKind.PLACEHOLDER, "plant.toml")}
    assert noted == {
        "plant.version", "plant.network_protocol", "plant.time_zone", "lan.LAN_A", "lan.FIELD",
        "computer.SCADA1", "computer.SCADA2", "computer.HMI", "alarm_server.Alarm1", "alarm_server.Alarm2",
        "trend_server.Trend1", "trend_server.Trend2", "report_server.Report1", "report_server.Report2",
        "client.HMI1",
    }  # fmt: skip
    assert plant.count("  # check:") == len(noted)


def test_what_is_known_replaces_placeholders(site: Site) -> None:
    result = site.run(assumed=Assumptions("3.40", lans=2, clients=3, page_scan_ms=1000))
    plant = result.load().plant
    assert plant.version == "3.40"
    assert plant.client_lans() == ("LAN_A", "LAN_B")
    assert [(c.name, c.computer) for c in plant.clients] == [
        ("HMI1", "HMI1"),
        ("HMI2", "HMI2"),
        ("HMI3", "HMI3"),
    ]
    assert {client.page_scan for client in plant.clients} == {1000 * MILLISECOND}
    assert len(plant.tasks(Function.ALARM)) == 2
    assert "plant.version" not in {field for _, field, _, _ in result.notes(NoteKind.PLACEHOLDER)}


def test_the_order_of_records_counts_where_there_is_no_priority(site: Site) -> None:
    site.tables["units.dbf"] = [
        unit("S3", "C", "StandbyWrite", "P3"),
        unit("S1", "A", "", "P1"),
        unit("S2", "B", "Standby", "P2"),
    ]
    result = site.run()
    assert [u[:2] for u in units_of(result, "A")] == [
        ("S1", UnitMode.PRIMARY), ("S3", UnitMode.STANDBY_WRITE), ("S2", UnitMode.STANDBY),
    ]  # fmt: skip
    assert (2, "MODE") in reasons(result, NoteKind.CHANGED)


def test_priorities_count_where_there_are_some(site: Site) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [{**first, "PRIORITY": "2"}, {**second, "PRIORITY": "1"}]
    result = site.run()
    assert [server for server, _, _ in units_of(result)] == ["IOServer2", "IOServer1"]


@pytest.mark.parametrize("text", ["0", "x", "99999", "1"])
def test_priorities_that_cannot_be_are_noted(site: Site, text: str) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [{**first, "PRIORITY": "1"}, {**second, "PRIORITY": text}]
    result = site.run()
    assert [server for server, _, _ in units_of(result)] == ["IOServer1", "IOServer2"]
    assert reasons(result, NoteKind.CELL_LEFT_OUT) == [(2, "PRIORITY")]


def test_of_two_primaries_the_first_is_one(site: Site) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [first, {**second, "MODE": "Primary"}]
    result = site.run()
    assert [mode for _, mode, _ in units_of(result)] == [UnitMode.PRIMARY, UnitMode.STANDBY]
    assert reasons(result, NoteKind.CHANGED) == [(2, "MODE")]


def test_without_a_primary_the_first_is_one(site: Site) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [{**first, "MODE": "Standby"}, {**second, "MODE": "Hot"}]
    result = site.run()
    assert [mode for _, mode, _ in units_of(result)] == [UnitMode.PRIMARY, UnitMode.STANDBY]
    assert reasons(result, NoteKind.CHANGED) == [(2, "MODE"), (1, "MODE")]


def test_protocols_that_are_not_driven_can_be_forecast(site: Site) -> None:
    site.tables["units.dbf"] = [
        {**row, "PROTOCOL": "melsec", "ADDR": "7"} for row in site.tables["units.dbf"]
    ]
    site.tables["variable.dbf"] = [{"NAME": "D", "TYPE": "INT", "UNIT": "PLC1", "ADDR": "D100"}]
    result = site.run()
    plant = result.load().plant
    assert plant.io_device("PLC1").protocol == "MELSEC"
    assert [tag.address for tag in plant.tags] == ["D100"]
    assert reasons(result, NoteKind.CELL_LEFT_OUT) == [(1, "ADDR"), (2, "ADDR")]


def test_a_protocol_that_is_not_known_takes_its_device_and_its_tags(site: Site) -> None:
    site.tables["units.dbf"].append(unit("IOServer1", "Disk", "Primary", "P1", NUMBER=2, PROTOCOL="GENERIC"))
    site.tables["variable.dbf"].append({"NAME": "D", "TYPE": "INT", "UNIT": "Disk", "ADDR": "I1"})
    result = site.run()
    assert [device.name for device in result.load().plant.io_devices] == ["PLC1"]
    assert reasons(result, NoteKind.LEFT_OUT) == [(3, "PROTOCOL")]
    [(record, field, value, why)] = result.notes(NoteKind.LEFT_OUT, "variable.dbf")
    assert (record, field, value) == (4, "UNIT", "Disk")
    assert why == "its I/O device was left out"


def test_units_of_a_device_that_speak_other_protocols_are_left_out(site: Site) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [first, {**second, "PROTOCOL": "OPC"}]
    result = site.run()
    assert len(units_of(result)) == 1
    assert reasons(result, NoteKind.LEFT_OUT) == [(2, "PROTOCOL")]


def test_no_device_at_all_is_refused(site: Site) -> None:
    site.tables["units.dbf"] = [{**row, "PROTOCOL": "GENERIC"} for row in site.tables["units.dbf"]]
    with pytest.raises(
        RefusedError, match=r"units.dbf: no I/O device can be represented .*PROTOCOL: 'GENERIC'"
    ):
        site.run()


@pytest.mark.parametrize(
    ("port", "board", "why"),
    [
        ({"SPECIAL": ""}, "COMx", "its board is of type COMx"),
        ({"SPECIAL": "-Iplc.site.example -P502"}, "TCPIP", "is no IPv4 address"),
        ({"SPECIAL": "-I239.1.1.1 -P502"}, "TCPIP", "is no IPv4 address"),
        ({"SPECIAL": "-I0.0.0.0 -P502"}, "TCPIP", "is no IPv4 address"),
        ({"SPECIAL": "-I10.0.0.0 -P502"}, "TCPIP", "is no IPv4 address"),
        ({"SPECIAL": "-I10.255.255.255 -P502"}, "TCPIP", "is no IPv4 address"),
        ({"NAME": "other"}, "TCPIP", "not in ports.dbf"),
    ],
)
def test_units_without_a_tcp_address_get_a_placeholder(site: Site, port: Row, board: str, why: str) -> None:
    site.tables["boards.dbf"] = [{"NAME": "B", "TYPE": board}]
    site.tables["ports.dbf"][1] = {**site.tables["ports.dbf"][1], **port}
    result = site.run()
    addresses = [address for _, _, address in units_of(result)]
    assert addresses[0] == "192.168.1.10:502"
    assert addresses[1].startswith("127.20.1.0:")
    [(record, field, _, said)] = result.notes(NoteKind.PLACEHOLDER, "units.dbf")
    assert (record, field) == (2, "PORT")
    assert why in said


def test_devices_on_one_serial_port_have_addresses_of_their_own(site: Site) -> None:
    site.tables["ports.dbf"] = []
    site.tables["units.dbf"] = [
        unit(server, f"{name}{n}", mode, "COM1", NUMBER=n, ADDR=n)
        for n in (1, 2, 3)
        for server, name, mode in (("S1", "D", "Primary"), ("S2", "E", "Standby"))
    ]
    site.tables["variable.dbf"] = []
    plant = site.run().load().plant
    addresses = [unit.address for device in plant.io_devices for unit in device.units]
    assert len(set(addresses)) == 6


@pytest.mark.parametrize(
    ("special", "address"),
    [
        ("-I10.1.2.3 -P1502 -T", "10.1.2.3:1502"),
        ("-I 10.1.2.3 -P 1502", "10.1.2.3:1502"),
        ("–I010.001.002.003 –P1502 –T", "10.1.2.3:1502"),
        ("-t -p1502 -i10.1.2.3", "10.1.2.3:1502"),
        ("-I10.1.2.3", "10.1.2.3:502"),
        ("-I10.1.2.3 -P0", "10.1.2.3:502"),
    ],
)
def test_special_options(site: Site, special: str, address: str) -> None:
    site.tables["ports.dbf"][0] = {**site.tables["ports.dbf"][0], "SPECIAL": special}
    result = site.run()
    assert units_of(result)[0][2] == address
    assert bool(result.notes(NoteKind.PLACEHOLDER, "ports.dbf")) == (address.endswith(":502"))


def test_options_without_a_counterpart_are_told(site: Site) -> None:
    site.tables["ports.dbf"][0] = {**site.tables["ports.dbf"][0], "SPECIAL": "-I10.1.2.3 -P502 -U -LP2000"}
    [(record, field, _, why)] = site.run().notes(NoteKind.CELL_LEFT_OUT, "ports.dbf")
    assert (record, field) == (1, "SPECIAL")
    assert "-U -LP2000" in why


def test_ports_of_one_name_belong_to_their_servers(site: Site) -> None:
    site.tables["units.dbf"] = [{**row, "PORT": "P"} for row in site.tables["units.dbf"]]
    site.tables["ports.dbf"] = [
        {"SERVER": "IOServer2", "NAME": "P", "SPECIAL": "-I10.0.0.2 -P502"},
        {"SERVER": "IOServer1", "NAME": "P", "SPECIAL": "-I10.0.0.1 -P502"},
    ]
    assert [address for _, _, address in units_of(site.run())] == ["10.0.0.1:502", "10.0.0.2:502"]


@pytest.mark.parametrize(
    "hosts",
    [
        ["10.0.0.255", "10.1.255.255"],
        ["10.0.255.255", "10.0.0.1"],
        ["127.10.0.11", "127.20.0.11"],
        ["192.168.0.11", "192.168.0.12"],
        ["10.255.255.254", "11.0.0.1"],
        ["127.255.255.254", "126.0.0.1"],
        ["127.0.0.1", "127.0.0.2"],
        ["127.127.255.255", "10.10.0.1"],
    ],
)
def test_any_addresses_of_devices_find_lans(site: Site, hosts: list[str]) -> None:
    site.tables["ports.dbf"] = [
        {"NAME": f"P{i}", "SPECIAL": f"-I{host} -P502"} for i, host in enumerate(hosts, 1)
    ]
    plant = site.run().load().plant
    assert [unit.address.host for unit in plant.io_device("PLC1").units] == hosts


def test_devices_that_leave_no_subnet_are_refused(site: Site) -> None:
    hosts = ["127.127.255.255", "10.127.255.255"]
    site.tables["ports.dbf"] = [{"NAME": f"P{i}", "SPECIAL": f"-I{host}"} for i, host in enumerate(hosts, 1)]
    with pytest.raises(RefusedError, match="leave no subnet"):
        site.run()


def test_two_ways_that_are_one_are_told(site: Site) -> None:
    site.tables["units.dbf"].append(unit("IOServer1", "again", "Standby", "P1"))
    result = site.run()
    assert len(units_of(result)) == 2
    assert reasons(result, NoteKind.LEFT_OUT) == [(3, "PORT")]


@pytest.mark.parametrize("number", ["", "x", "-1", "99999", "1.5"])
def test_numbers_that_pair_nothing(site: Site, number: str) -> None:
    site.tables["units.dbf"].append(unit("IOServer1", "odd", "Primary", "P1", NUMBER=number))
    assert reasons(site.run(), NoteKind.LEFT_OUT) == [(3, "NUMBER")]


def test_number_0_gets_another(site: Site) -> None:
    site.tables["units.dbf"] = [{**row, "NUMBER": "0"} for row in site.tables["units.dbf"]]
    result = site.run()
    assert result.load().plant.io_device("PLC1").number == 32_767
    assert reasons(result, NoteKind.CHANGED) == [(1, "NUMBER")]


def test_two_devices_of_one_name(site: Site) -> None:
    site.tables["units.dbf"].append(unit("IOServer1", "plc1", "Primary", "P2", NUMBER=2))
    result = site.run()
    assert [device.number for device in result.load().plant.io_devices] == [1]
    assert reasons(result, NoteKind.LEFT_OUT) == [(3, "NAME")]


def test_names_that_are_none_here_are_tidied(site: Site) -> None:
    site.tables["units.dbf"] = [
        unit("Srv#1", "PLC/1", "Primary", "P1"),
        unit("Srv$1", "PLC/2", "Standby", "P2"),
        unit("", "Z", "", "P3", NUMBER=2),
    ]
    site.tables["variable.dbf"] = [{"NAME": "T", "TYPE": "INT", "UNIT": "PLC/1", "ADDR": "40001"}]
    plant = site.run().load().plant
    assert [server.name for server in plant.io_servers] == ["Srv_1", "Srv_1_2", "IOServer"]
    assert [tag.device for tag in plant.tags] == ["PLC_1"]


def test_servers_may_be_called_as_our_placeholders_are(site: Site) -> None:
    site.tables["units.dbf"] = [unit("Alarm1", "PLC1", "", "P1"), unit("HMI1", "B", "Standby", "P2")]
    plant = site.run().load().plant
    assert [server.name for server in plant.io_servers] == ["Alarm1", "HMI1"]
    assert [server.name for server in plant.tasks(Function.ALARM)] == ["Alarm1_2", "Alarm2"]
    assert [client.name for client in plant.clients] == ["HMI1_2"]


def test_columns_without_a_counterpart_are_listed_where_they_say_something(site: Site) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [
        {**first, "EXCLUSIVE": "TRUE", "READONLY": "FALSE", "EDITCODE": "5"},
        {**second, "EXCLUSIVE": "FALSE", "READONLY": "TRUE", "EDITCODE": "5"},
    ]
    result = site.run()
    assert reasons(result, NoteKind.CELL_LEFT_OUT) == [(1, "EXCLUSIVE"), (2, "READONLY")]
    assert reasons(result, NoteKind.NOT_IMPORTED) == [(None, "EDITCODE")]


def test_older_tables_have_fewer_columns(site: Site) -> None:
    columns = ("SERVER", "NAME", "NUMBER", "PROTOCOL", "PORT", "MODE")
    site.tables["units.dbf"] = [{c: row[c] for c in columns} for row in site.tables["units.dbf"]]
    site.tables["boards.dbf"] = []
    site.tables["variable.dbf"] = [{"NAME": "T", "UNIT": "PLC1", "ADDR": "40001"}]
    result = site.run()
    assert [unit[0] for unit in units_of(result)] == ["IOServer1", "IOServer2"]
    [(record, field, _, why)] = result.notes(NoteKind.CHANGED, "variable.dbf")
    assert (record, field) == (1, "TYPE")
    assert "INT" in why
