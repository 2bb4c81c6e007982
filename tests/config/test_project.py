from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from changeover.config.devices import effective_priorities
from changeover.config.diagnostics import ConfigurationError
from changeover.config.project import FILES, load_project
from changeover.config.task_files import TASK_FILES
from changeover.model.device import OfflineRule, UnitMode
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Timing
from changeover.model.policy import Family
from changeover.model.server import Function
from changeover.model.tag import TagType

from .conftest import Folder

ONE_MORE_UNIT = """
[[io_device.unit]]
io_server = "IOServer2"
mode = "{mode}"
address = "127.20.0.103:5020"
{extra}
# Alarm,"""


def has(problems: list[str], *starts: str) -> bool:
    return all(any(problem.startswith(start) for problem in problems) for start in starts)


# What is replaced in plant.toml, by what, and how the only diagnostic goes on after file and line.
CASES = [
    ('name = "water works"', "", "plant.name: is missing"),
    ('name = "water works"', 'name = ""', "plant.name: '' is blank"),
    ('version = "5.0"', "version = 5.0", "plant.version: '5.0' is not a text"),
    ('version = "5.0"', 'version = "7.30"', "plant.version: version 7.30 is unknown"),
    ('version = "5.0"', 'version = "five"', "plant.version: 'five' is no version"),
    (
        'network_protocol = "acknowledged"', 'network_protocol = "netbeui"',
        "plant.network_protocol: 'netbeui'",
    ),
    ('subnet = "127.20.0.0/16"', 'subnet = "127.20.0.0/16"\nvlan = 4', "lan.vlan: unknown key"),
    ('subnet = "127.20.0.0/16"', 'subnet = "127.20.0.1/16"', "lan.subnet: '127.20.0.1/16' is no subnet"),
    ('name = "Trend2"', 'name = "TREND1"', "trend_server.name: 'TREND1' is also the trend server in line"),
    ('"127.20.0.12"', '"127.30.0.12"', "computer.addresses.FIELD: 127.30.0.12 is no host of LAN FIELD"),
    ('"127.20.0.12"', '"127.20.0.11"', "computer.addresses.FIELD: 127.20.0.11 is also an address of SCADA1"),
    ('"127.20.0.12"', '"127.20.012"', "computer.addresses.FIELD: '127.20.012' is no IPv4 address"),
    ('"127.20.0.12"', "12", "computer.addresses.FIELD: '12' is not a text"),
    ('LAN_A = "127.10.0.21"', 'LAN_B = "127.10.0.21"', "computer.addresses.LAN_B: is no LAN"),
    (
        'name = "IOServer1"\ncomputer = "SCADA1"', 'name = "IOServer1"\ncomputer = "X"',
        "io_server.computer: 'X'",
    ),
    (
        'name = "Alarm2"\ncomputer = "SCADA2"', 'name = "Alarm2"\ncomputer = "SCADA1"',
        "alarm_server.port: 12080",
    ),
    (
        'name = "Alarm2"', 'name = "Alarm2"\nport = 12082',
        "alarm_server.port: 12082 is also the port of IOServer2",
    ),
    ('name = "Alarm2"', 'name = "Alarm2"\nport = 70000', "alarm_server.port: 70000 is out of range"),
    (
        'name = "Alarm2"', 'name = "IOSERVER1"',
        "alarm_server.name: 'IOSERVER1' is also the I/O server in line",
    ),
    ('name = "Alarm2"', 'name = "../x"', "alarm_server.name: '../x' is no name"),
    ('name = "Alarm2"', 'name = "Alarm2"\npriority = 0', "alarm_server.priority: 0 is out of range"),
    (
        'name = "Trend2"\ncomputer = "SCADA2"\nmode = "standby"',
        'name = "Trend2"\ncomputer = "SCADA2"\nmode = "primary"',
        "trend_server.mode: Trend1 is the primary already",
    ),
    ("number = 1\n", "number = true\n", "io_device.number: 'True' is not a whole number"),
    (
        'protocol = "MODNET"', 'protocol = "PROFINET"',
        "io_device.protocol: 'PROFINET' is not known, allowed are MODNET,",
    ),
    (
        'io_server = "IOServer2"', 'io_server = "IOServer3"',
        "io_device.unit.io_server: 'IOServer3' is not known",
    ),
    ('mode = "standby"\naddress', 'mode = "Standby"\naddress', "io_device.unit.mode: 'Standby' is not known"),
    (
        'mode = "standby"\naddress', 'mode = "primary"\naddress',
        "io_device.unit.mode: there is a primary unit already",
    ),
    ('mode = "standby"\naddress', "address", "io_device.unit.mode: is missing"),
    ("127.20.0.102:5020", "127.20.0.102", "io_device.unit.address: '127.20.0.102' has no port"),
    ("127.20.0.102:5020", "127.20.0.102:65536", "io_device.unit.address: '127.20.0.102:65536' has no port"),
    ("127.20.0.102:5020", "127.40.0.102:5020", "io_device.unit.address: 127.40.0.102 is on no LAN"),
    ("127.20.0.102:5020", "plc2:5020", "io_device.unit.address: 'plc2' is no IPv4 address"),
    (
        "127.20.0.102:5020", "127.20.0.11:5020",
        "io_device.unit.address: 127.20.0.11 is the address of computer SCADA1",
    ),
    ("127.20.0.102:5020", "127.20.255.255:5020", "io_device.unit.address: 127.20.255.255 is no host"),
    (', FIELD = "127.20.0.12"', "", "io_device.unit.address: 127.20.0.102 is on LAN FIELD, SCADA2"),
    ("page_scan_ms = 250", "page_scan_ms = 5", "client.page_scan_ms: 5 is out of range, allowed are 10 to"),
    ("page_scan_ms = 250", "page_scan_ms = 250\n[windows]\nrto = 3", "windows.rto: unknown key"),
    (
        "page_scan_ms = 250", "page_scan_ms = 250\n[network]\nround_trip_ms = nan",
        "network.round_trip_ms: is out",
    ),
    ("page_scan_ms = 250", "page_scan_ms = 250\n[linux]\ntcp_retries2 = -1", "linux.tcp_retries2: -1 is out"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=[case[2] for case in CASES])
def test_one_fault_is_one_diagnostic_with_its_line(folder: Folder, old: str, new: str, expected: str) -> None:
    folder.replace("plant.toml", old, new)
    problems = folder.problems()
    assert len(problems) == 1, problems
    place, parameter, _ = problems[0].split(": ", 2)
    assert problems[0].removeprefix(f"{place}: ").startswith(expected)
    assert ", " in problems[0]
    line = folder.read("plant.toml").splitlines()[int(place.removeprefix("plant.toml:")) - 1]
    assert parameter.split(".")[-1] in line or "missing" in problems[0] or line.startswith("[[")


def test_every_fault_of_all_files_is_listed_in_order(folder: Folder) -> None:
    folder.replace("plant.toml", "page_scan_ms = 250", "page_scan = 250")
    folder.replace("plant.toml", 'protocol = "MODNET"', 'protocol = "X"')
    folder.replace("citect.ini", "SendTimeout=2000", "SendTimeout=2 s")
    folder.append("citect.ini", "[LAN]\nWatchTime=2000\n")
    folder.append("tags.csv", "Pump1_Run,DIGIT,PLC9,,,,,,,,\n")
    folder.append("reports.csv", "Shift,,,,,\n")
    folder.append("categories.csv", "x,,,\n")
    folder.append("trends.csv", "Infow,event,,,,\n")
    folder.append("alarms.csv", "New,digital\n")
    problems = folder.problems()
    tag = f"tags.csv:{folder.line('tags.csv', 'PLC9')}: "
    assert [problem.split(": ")[1] for problem in problems] == [
        "io_device.protocol", "client.page_scan", "[LAN]SendTimeout", "[LAN]WatchTime",
        "name", "type", "unit", "addr", "category", "var_a", "tag", "name", "schedule", "template",
    ]  # fmt: skip
    assert problems[3].endswith(
        "2000 is out of range: it looks like milliseconds, and counts in seconds,"
        " allowed are 1 to 600, in seconds, did you mean 2?"
    )
    assert has(
        problems, f"{tag}name: 'Pump1_Run' is also the tag in line 2", f"{tag}unit: 'PLC9' is no I/O device"
    )


def test_file_names_are_shown_as_the_user_gave_them(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.replace("citect.ini", "SendTimeout=2000", "SendTimeout=0")
    monkeypatch.chdir(folder.path.parent)
    with pytest.raises(ConfigurationError) as caught:
        load_project(Path("plant"))
    line = folder.line("citect.ini", "SendTimeout=0")
    problem = "[LAN]SendTimeout: 0 is out of range, allowed are 50 to 600000, in milliseconds"
    assert str(caught.value) == f"plant/citect.ini:{line}: {problem}"


def test_missing_tables_and_wrong_kinds(folder: Folder) -> None:
    folder.write("plant.toml", "plant = 3\nlan = 4\n[computer]\nname = 'x'\n")
    problems = folder.problems()
    assert has(
        problems,
        "plant.toml:1: plant: '3' is not a table",
        "plant.toml:2: lan: is not an array of tables, write each as [[lan]]",
        "plant.toml:3: computer: is not an array of tables",
        "plant.toml:1: client: is missing",
    )


def test_an_empty_plant_says_what_it_wants(folder: Folder) -> None:
    folder.write("plant.toml", "")
    problems = folder.problems()
    assert [p.split(": ")[1] for p in problems if "tags.csv" not in p] == [
        "plant",
        "lan",
        "computer",
        "client",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nb = [\n", "plant.toml:3: "),
        ("a = 1\nb = = 2\nc = 3\n", "plant.toml:2: "),
        ("a = 1\na = 2\n", "plant.toml:2: "),
        (b"a = 1\nb = '\xff'\n", "plant.toml:2: plant.toml: is not utf-8"),
        (b"a = 1\nb = '\0'\n", "plant.toml:2: plant.toml: holds NUL bytes"),
        ("a = " + "[" * 20000, "plant.toml: plant.toml: values are nested too deeply"),
        ("a = " + "9" * 5000, "plant.toml: plant.toml: "),
    ],
)
def test_broken_toml_is_one_diagnostic(folder: Folder, text: str | bytes, place: str) -> None:
    folder.write("plant.toml", text)
    problems = folder.problems()
    assert len(problems) == 1 and problems[0].startswith(place), problems


def test_a_byte_order_mark_is_no_fault(folder: Folder) -> None:
    for name in FILES:
        folder.write(name, "\ufeff" + folder.read(name).replace("\n", "\r\n"))
    plant = folder.load().plant
    assert (len(plant.tags), len(plant.alarms), len(plant.trends), len(plant.reports)) == (12, 8, 6, 1)


def test_missing_files_folders_and_strange_ones(folder: Folder, tmp_path: Path) -> None:
    (folder.path / "plant.toml").unlink()
    (folder.path / "tags.csv").unlink()
    (folder.path / "tags.csv").mkdir()
    (folder.path / "citect.ini").unlink()
    os.mkfifo(folder.path / "citect.ini")
    problems = folder.problems()
    assert [p.split(",")[0] for p in problems] == [
        "plant.toml: plant.toml: does not exist",
        "citect.ini: citect.ini: is no regular file",
        "tags.csv: tags.csv: is no regular file",
    ]
    for path in (tmp_path / "nowhere", tmp_path / ("x" * 300), tmp_path / "nul\0"):
        with pytest.raises(ConfigurationError):
            load_project(path)


def test_other_spellings_of_file_names_are_found(folder: Folder) -> None:
    (folder.path / "citect.ini").rename(folder.path / "Citect.INI")
    project = folder.load()
    assert project.plant.timing.send_timeout == 2 * SECOND
    assert project.ini.file.endswith("Citect.INI")


@pytest.mark.parametrize(
    ("version", "family", "watch"), [("3.30", Family.A, 30), ("4.2", Family.B, 2), ("7.20", Family.C, 2)]
)
def test_defaults_follow_the_family(folder: Folder, version: str, family: Family, watch: int) -> None:
    folder.write("citect.ini", "[LAN]\nSendTimeout=\n")
    plant = folder.load(version=version).plant
    assert (plant.version, plant.policy.family, plant.timing.watch) == (version, family, watch * SECOND)
    assert plant.timing.send_timeout == 15 * SECOND
    assert plant.timing.heartbeat == 30 * SECOND
    assert plant.timing.request_timeout == 8 * SECOND
    assert plant.timing.client_retry == 5 * SECOND
    assert plant.timing.watchdog


def test_a_bad_version_option_is_a_diagnostic(folder: Folder) -> None:
    assert folder.problems(version="8.0") == [
        '--version: version: version 8.0 is unknown, allowed are 1.0 to 7.20, such as "5.0" or "3.40"'
    ]


def test_values_of_the_drill(folder: Folder) -> None:
    folder.write(
        "citect.ini",
        "[lan]\nsendtimeout=1500\nTimeOut=1000\nWATCHTIME=3\nClientRetryTime=1000\n"
        "[IOServer]\nHeartTime=3000\nWatchDog=0\n[ModNet]\nWatchTime=2\n",
    )
    timing = folder.load().plant.timing
    assert timing.send_timeout == 1500 * MILLISECOND
    assert timing.request_timeout == 1000 * MILLISECOND
    assert timing.heartbeat == 3 * SECOND
    assert timing.watch == 3 * SECOND
    assert not timing.watchdog


def test_a_real_sites_ini_passes_untouched(folder: Folder) -> None:
    noise = "".join(f"[Section{n}]\nPath={n}\nWatchTime=abc\n;x=1\njunk\n" for n in range(300))
    folder.write("citect.ini", "[Alarm.Cluster1.Server]\nSound=x\n[OPC]\nTimeout=never\n" + noise)
    project = folder.load()
    assert [(d.parameter, d.line) for d in project.warnings] == [("[OPC]Timeout", 4)]
    entry = project.ini.get("section299", "path")
    assert entry is not None and entry.value == "299"


def test_bad_values_of_known_parameters(folder: Folder) -> None:
    folder.write(
        "citect.ini",
        "[LAN]\nSendTimeout 2000\nTimeOut=-1\n[IOSERVER\nHeartTime=5\n[MODNET.P.PLC1]\nRetry=9\n"
        "[Alarm.C]\nStartTimeout=5\n[Report]\nWatchTime=2\n!WatchTime=x\n[Driver]\nTimeout=x\n",
    )
    assert [problem.split(", allowed")[0] for problem in folder.problems()] == [
        "citect.ini:2: [LAN]SendTimeout: 'SendTimeout 2000' has no '=', write SendTimeout=value",
        "citect.ini:3: [LAN]TimeOut: -1 is out of range",
        "citect.ini:4: '[IOSERVER': the section's name is not closed, write [Section]",
        "citect.ini:7: [MODNET.P.PLC1]Retry: 9 is out of range",
        "citect.ini:9: [Alarm.C]StartTimeout: 5 is out of range",
        "citect.ini:11: [Report]WatchTime: 2 is out of range: it looks like seconds, and counts in"
        " milliseconds",
    ]


def test_driver_sections_nest_value_by_value(folder: Folder) -> None:
    folder.write(
        "citect.ini",
        "[MODNET.prt1.plc1]\nTimeout=300\n[MODNET]\nTimeout=100\nRetry=1\nWatchTime=4\nMaxPending=8\n"
        "[modnet.PRT1]\nTimeout=200\nRetry=2\nWatchTime=\n[MODBUS]\nRetry=7\n",
    )
    folder.replace(
        "plant.toml", 'address = "127.20.0.101:5020"', 'address = "127.20.0.101:5020"\nport_name = "Prt1"'
    )
    first, second = folder.load().plant.io_device("PLC1").units
    assert first.port_name == "Prt1"
    assert (first.timing.timeout, first.timing.retry, first.timing.watch) == (
        300 * MILLISECOND,
        2,
        4 * SECOND,
    )
    assert (second.timing.timeout, second.timing.retry, second.timing.max_pending) == (
        100 * MILLISECOND,
        1,
        8,
    )
    assert second.timing.offline_rule is OfflineRule.PER_REQUEST


def test_modbus_has_the_squared_rule_and_its_own_section(folder: Folder) -> None:
    folder.replace("plant.toml", 'protocol = "MODNET"', 'protocol = "modbus"')
    folder.append("citect.ini", "[MODBUS]\nTimeout=500\nRetry=2\n")
    device = folder.load().plant.io_device("PLC1")
    assert device.protocol == "MODBUS"
    assert device.primary.timing.attempts_until_offline == 9
    assert device.primary.timing.timeout == 500 * MILLISECOND


P, S, W = UnitMode.PRIMARY, UnitMode.STANDBY, UnitMode.STANDBY_WRITE


@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ([(P, None), (S, None)], (1, 2)),
        ([(S, None), (W, None), (P, None)], (2, 3, 1)),
        ([(P, None), (S, 5), (S, 2)], (6, 5, 2)),
        ([(S, None), (P, 1), (S, None)], (2, 1, 3)),
        ([], ()),
    ],
)
def test_priorities(units: list[tuple[UnitMode, int | None]], expected: tuple[int, ...]) -> None:
    assert effective_priorities(units) == expected


def test_units_are_ordered_by_priority(folder: Folder) -> None:
    unit = ONE_MORE_UNIT.format(mode="standby_write", extra="priority = 3")
    folder.replace("plant.toml", "\n# Alarm,", unit)
    folder.replace("plant.toml", 'mode = "primary"  ', 'priority = 1\nmode = "primary"  ')
    units = folder.load().plant.io_device("plc1".upper()).units
    assert [(u.priority, u.mode, u.address.host[-3:]) for u in units] == [
        (1, P, "101"),
        (3, W, "103"),
        (4, S, "102"),
    ]


def test_equal_priorities_and_equal_ways_are_refused(folder: Folder) -> None:
    unit = ONE_MORE_UNIT.format(mode="standby", extra="priority = 1").replace("103", "102")
    folder.replace("plant.toml", "\n# Alarm,", unit)
    folder.replace("plant.toml", 'mode = "primary"  ', 'priority = 1\nmode = "primary"  ')
    problems = folder.problems()
    assert [p.split(": ", 1)[1].split(",")[0] for p in problems] == [
        "io_device.unit.address: IOServer2 reaches 127.20.0.102:5020 by another unit already",
        "io_device.unit.priority: 1 is also that of another unit",
    ]


def test_two_devices_with_one_number_and_no_units(folder: Folder) -> None:
    folder.append("plant.toml", '[[io_device]]\nname = "PLC2"\nnumber = 1\nprotocol = "MODNET"\n')
    problems = folder.problems()
    assert [p.split(": ", 1)[1].split(",")[0] for p in problems] == [
        "io_device.unit: there is none",
        "io_device.number: 1 is also the number of PLC1",
    ]


def test_a_device_without_a_primary(folder: Folder) -> None:
    folder.replace("plant.toml", 'mode = "primary"  ', 'mode = "standby"  ')
    assert [p.split(": ", 1)[1] for p in folder.problems()] == [
        'io_device.unit: no unit is primary, exactly one unit has mode = "primary"'
    ]


def test_one_address_for_two_units_is_legal(folder: Folder) -> None:
    folder.replace("plant.toml", "127.20.0.102:5020", "127.20.0.101:5020")
    first, second = folder.load().plant.io_device("PLC1").units
    assert first.address == second.address


def test_a_client_apart_from_every_server(folder: Folder) -> None:
    folder.replace("plant.toml", '[[computer]]\nname = "HMI"',
                   '[[lan]]\nname = "X"\nsubnet = "127.30.0.0/16"\n[[computer]]\nname = "HMI"')  # fmt: skip
    folder.replace("plant.toml", 'LAN_A = "127.10.0.21"', 'X = "127.30.0.21"')
    problems = folder.problems()
    assert len(problems) == 1
    assert "client.computer: HMI has no LAN in common with any I/O server" in problems[0]


def test_references_ignore_case_and_take_the_owners_spelling(folder: Folder) -> None:
    folder.replace("plant.toml", 'io_server = "IOServer1"', 'io_server = "ioserver1"')
    folder.replace("plant.toml", 'computer = "HMI"', 'computer = "hmi"')
    folder.replace("tags.csv", "Pump1_Run,DIGITAL,PLC1", "Pump1_Run,digital,plc1")
    plant = folder.load().plant
    assert plant.io_device("PLC1").primary.io_server == "IOServer1"
    assert plant.clients[0].computer == "HMI"
    assert (plant.tags[0].device, plant.tags[0].type) == ("PLC1", TagType.DIGITAL)


def test_ports_and_stacks(folder: Folder) -> None:
    folder.append(
        "plant.toml",
        "[windows]\ntcp_max_data_retransmissions = 3\nrto_ms = 300.5\n[linux]\ntcp_retries2 = 8\n"
        "[network]\nround_trip_ms = 0.5\n",
    )
    plant = folder.load().plant
    assert {server.port for server in plant.io_servers} == {12082}
    assert {(s.function, s.port) for s in plant.task_servers} == {
        (Function.ALARM, 12080), (Function.TREND, 12085), (Function.REPORT, 12084),
    }  # fmt: skip
    assert (plant.windows.data_retransmissions, plant.windows.connect_retransmissions) == (3, 2)
    assert plant.windows.rto == 300_500_000
    assert (plant.linux.retries2, plant.linux.syn_retries) == (8, 6)
    assert plant.round_trip == 500_000


def test_warnings(folder: Folder) -> None:
    folder.write(
        "citect.ini",
        "[LAN]\nSendTimout=1\nSendTimeout=9000\nSendTimeout=2000\n[MODNET]\nTimeout=3000\nRetry=2\nWatchTime=8\n"
        "[MODNET.Prt9]\nTimeout=7\n",
    )
    assert [w.split(", ")[0] for w in folder.warnings()] == [
        "citect.ini:2: [LAN]SendTimout: is not known and has no effect",
        "citect.ini:3: [LAN]SendTimeout: SendTimeout",
        "citect.ini:4: [LAN]SendTimeout: '2000' is ignored",
        "citect.ini:6: [MODNET]Timeout: a silent PLC1 is lost after 9000 ms",
        "citect.ini:6: [MODNET]Timeout: (Retry+1) × Timeout = 9000 ms is longer than the driver's WatchTime",
        "citect.ini:10: [MODNET.Prt9]Timeout: applies to no unit",
        "citect.ini:10: [MODNET.Prt9]Timeout: 7 counts in milliseconds",
    ]


def test_redundancy_on_one_computer_is_worth_a_warning(folder: Folder) -> None:
    folder.replace("plant.toml", 'name = "IOServer2"\ncomputer = "SCADA2"',
                   'name = "IOServer2"\nport = 13000\ncomputer = "SCADA1"')  # fmt: skip
    assert any(
        "io_device.unit.io_server: all units of PLC1 are on one computer, SCADA1" in w
        for w in folder.warnings()
    )


def test_an_injected_checker_judges_addresses_of_spoken_protocols(folder: Folder) -> None:
    def check(protocol: str, address: str, kind: TagType) -> str | None:
        return f"{protocol} {kind.value} refused, try 40001" if address == "30005" else None

    problems = folder.problems(check_address=check)
    assert problems == [
        f"tags.csv:{folder.line('tags.csv', 'Chlorine')}: addr: '30005': MODNET REAL refused, try 40001"
    ]
    folder.replace("plant.toml", 'protocol = "MODNET"', 'protocol = "SIEMENS"')
    assert len(folder.load(check_address=check).plant.tags) == 12


def test_the_files_of_alarms_trends_and_reports_may_be_missing(folder: Folder) -> None:
    assert [path.name for path in folder.load().files] == list(FILES)
    folder.remove("categories.csv", "trends.csv")
    folder.replace("alarms.csv", "Critical", "1", 3)
    folder.replace("alarms.csv", "Warning", "2", 3)
    folder.replace("alarms.csv", "Operation", "3", 2)
    project = folder.load()
    assert [path.name for path in project.files] == [*FILES[:3], "alarms.csv", "reports.csv"]
    assert (len(project.plant.alarms), project.plant.trends) == (8, ())
    folder.remove("alarms.csv", "reports.csv")
    project = folder.load()
    assert project.files == tuple(folder.path / name for name in FILES[:3])
    assert (project.plant.alarms, project.plant.reports, project.warnings) == ((), (), ())


def test_what_has_the_name_of_a_file_must_be_one(folder: Folder) -> None:
    folder.remove(*TASK_FILES)
    (folder.path / "alarms.csv").mkdir()
    (folder.path / "trends.csv").symlink_to("nowhere")
    folder.write("Reports.CSV", b"name,template\n\0")
    assert [problem.split(",")[0] for problem in folder.problems()] == [
        "alarms.csv: alarms.csv: is no regular file",
        "trends.csv: trends.csv: does not exist",
        "Reports.CSV:2: Reports.CSV: holds NUL bytes",
    ]


def test_alarms_trends_and_reports_without_a_server_are_worth_a_warning(folder: Folder) -> None:
    plant = folder.read("plant.toml")
    for key in ("alarm", "trend", "report"):
        plant = re.sub(rf"\[\[{key}_server\]\]\n(?:\w.*\n)+", "", plant)
    folder.write("plant.toml", plant)
    (folder.path / "alarms.csv").rename(folder.path / "ALARMS.csv")
    assert folder.warnings() == [
        "ALARMS.csv: alarms.csv: nobody watches these alarms, add [[alarm_server]], or take the rows out",
        "trends.csv: trends.csv: nobody records these tags, add [[trend_server]], or take the rows out",
        "reports.csv: reports.csv: nobody runs these reports, add [[report_server]], or take the rows out",
    ]
    for name in ("ALARMS.csv", "trends.csv", "reports.csv"):
        folder.write(name, folder.read(name).splitlines()[0])
    assert folder.warnings() == []


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Berlin", None),
        ("UTC", None),
        ("Europe/Berln", "'Europe/Berln' is no time zone, did you mean \"Europe/Berlin\"?"),
        ("europe/berlin", "'europe/berlin' is no time zone, did you mean \"Europe/Berlin\"?"),
        ("Europe", "'Europe' is no time zone, "),
        ("../../etc/passwd", "'../../etc/passwd' is no time zone, "),
        ("localtime", "'localtime' is no time zone, "),
        ("CEST!", "'CEST!' is no time zone, "),
        ("", "'' is blank"),
    ],
)
def test_the_time_zone(folder: Folder, zone: str, expected: str | None) -> None:
    folder.replace("plant.toml", 'time_zone = "UTC"', f'time_zone = "{zone}"')
    if expected is None:
        assert folder.load().plant.time_zone == zone
        return
    line = folder.line("plant.toml", "time_zone")
    (problem,) = folder.problems()
    assert problem.startswith(f"plant.toml:{line}: plant.time_zone: {expected}")


def test_without_a_time_zone_it_is_utc(folder: Folder) -> None:
    folder.replace("plant.toml", "time_zone", "# time_zone")
    assert folder.load().plant.time_zone == "UTC"


def test_parameters_of_alarm_trend_and_report_servers(folder: Folder) -> None:
    timing = folder.load().plant.timing
    assert timing == Timing(send_timeout=2 * SECOND, client_retry=SECOND)
    folder.write(
        "citect.ini",
        "[Alarm]\nScanTime=100\nStartTimeout=10\nSavePeriod=0\n[TREND]\nGapFillTime=0\nMaxRdnSamples=1\n"
        "[report]\nwatchtime=200\n",
    )
    timing = folder.load().plant.timing
    assert (timing.alarm_scan, timing.alarm_start, timing.alarm_save) == (100 * MILLISECOND, 10 * SECOND, 0)
    assert (timing.trend_gap_fill, timing.trend_samples_max) == (0, 1)
    assert timing.report_watch == 200 * MILLISECOND
    folder.write("citect.ini", "[Alarm]\nScanTime=9\n[Trend]\nMaxRdnSamples=0\nGapFillTime=60001\n")
    assert [problem.split(", ")[0] for problem in folder.problems()] == [
        "citect.ini:2: [Alarm]ScanTime: 9 is out of range: it looks like seconds",
        "citect.ini:4: [Trend]MaxRdnSamples: 0 is out of range",
        "citect.ini:5: [Trend]GapFillTime: 60001 is out of range",
    ]


def test_a_parameter_of_one_cluster_is_worth_a_warning(folder: Folder) -> None:
    folder.write(
        "citect.ini", "[Alarm.C1]\nScanTime=100\nSound=x\n[Report.C1.R1]\nWatchTime=200\n!WatchTime=1\n"
    )
    assert folder.warnings() == [
        "citect.ini:2: [Alarm.C1]ScanTime: has no effect, write [Alarm]",
        "citect.ini:5: [Report.C1.R1]WatchTime: has no effect, write [Report]",
    ]
    assert folder.load().plant.timing.alarm_scan == 500 * MILLISECOND
