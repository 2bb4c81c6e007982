"""Each rule of check: what it finds, its boundaries, where it stays silent. Redundancy has its own file."""

from __future__ import annotations

import pytest

from changeover.guide import partners
from changeover.guide.cells import Oracle
from changeover.guide.check import RULES, check
from folders import Folder

from . import test_rules_redundancy
from .rule_site import (
    device,
    found,
    ini,
    network_protocol,
    places,
    port_name,
    table,
    version,
    without_servers,
)

STANDBY, PRIMARY = "127.20.0.102:5020", "127.20.0.101:5020"


def test_every_rule_has_its_test() -> None:
    tests = {*globals(), *vars(test_rules_redundancy)}
    assert [rule.name for rule in RULES if f"test_{rule.find.__name__}" not in tests] == []


# Lines of citect.ini.


def test_shadowed_duplicate(folder: Folder) -> None:
    ini(folder, "[LAN]", "SendTimeout=2000", "[x]", "A=1", "A=2", "[lan]", "SENDTIMEOUT=500",
        "SendTimeout=2000", "!SendTimeout=700", "[MODNET.P]", "Retry=1", "Retry=2")  # fmt: skip
    assert found(folder, "shadowed-duplicate") == [
        "citect.ini:7 [lan]SENDTIMEOUT: '500' is ignored, line 2 sets '2000' first",
        "citect.ini:12 [MODNET.P]Retry: '2' is ignored, line 11 sets '1' first",
    ]


def test_an_empty_first_line_wins_and_a_disabled_one_does_not(folder: Folder) -> None:
    ini(folder, "[LAN]", "!SendTimeout=500", "SendTimeout=", "SendTimeout=2000")
    assert found(folder, "shadowed-duplicate") == [
        "citect.ini:4 [LAN]SendTimeout: '2000' is ignored, line 3 sets '' first"
    ]


def test_unknown_parameter(folder: Folder) -> None:
    ini(folder, "[LAN]", "SendTimout=1", "sendtimeouts=1", "!SendTimout=1", ";SendTimeout=1",
        "KeepAliveTime=9000", "Dark=1", "[Other]", "SendTimout=1", "[MODNET.P1]", "Timeouts=1")  # fmt: skip
    assert places(folder, "unknown-parameter") == [
        "citect.ini:2 [LAN]SendTimout", "citect.ini:3 [LAN]sendtimeouts", "citect.ini:11 [MODNET.P1]Timeouts",
    ]  # fmt: skip


def test_a_name_is_suggested_in_its_own_section(folder: Folder) -> None:
    ini(folder, "[MODNET.P1]", "Timeouts=1")
    assert any(warning.endswith("did you mean [MODNET.P1]Timeout?") for warning in folder.warnings())


def test_wrong_section(folder: Folder) -> None:
    ini(folder, "[LAN]", "HeartTime=5000", "!WatchDog=1", "Timeout=2000", "Retry=1", "[IOSEVER]",
        "HeartTime=5000", "SendTimeout=2000", "[MODNET.P1]", "ClientRetryTime=1000", "[Elsewhere]",
        "HeartTime=5000", "[IOSERVER]", "hearttime=5000", "[LAN]", "HEARTTIME=1")  # fmt: skip
    assert places(folder, "wrong-section") == [
        "citect.ini:2 [LAN]HeartTime", "citect.ini:7 [IOSEVER]HeartTime",
        "citect.ini:10 [MODNET.P1]ClientRetryTime",
    ]  # fmt: skip


def test_semicolon_line(folder: Folder) -> None:
    ini(folder, "[LAN]", ";SendTimeout=500", "; ;TimeOut = 500", "!;WatchTime=1", ";Nothing=1",
        "; a comment", "#SendTimeout=1", "SendTimeout=2000", "[modnet.P]", ";retry=1")  # fmt: skip
    assert places(folder, "semicolon-line") == [
        "citect.ini:2 [LAN];SendTimeout", "citect.ini:3 [LAN]; ;TimeOut", "citect.ini:10 [modnet.P];retry",
    ]  # fmt: skip


def test_value_too_long(folder: Folder) -> None:
    ini(
        folder,
        "[Client]",
        f"A={'x' * 254}",
        f"B={'x' * 255}",
        f"!C={'x' * 255}",
        f"A={'x' * 255}",
        f"D={'x' * 254}  ",
    )
    assert found(folder, "value-too-long") == ["citect.ini:3 [Client]B: has 255 characters"]


def test_cluster_section(folder: Folder) -> None:
    ini(folder, "[Alarm.C1]", "ScanTime=100", "StartTimeout=", "Sound=x", "!SavePeriod=1",
        "ScanTime=200", "[REPORT.C1.S1]", "WatchTime=200", "[Alarm]", "ScanTime=100",
        "[Trend.C1]", "GapFillTime=0")  # fmt: skip
    assert places(folder, "cluster-section") == [
        "citect.ini:2 [Alarm.C1]ScanTime",
        "citect.ini:8 [REPORT.C1.S1]WatchTime",
    ]


def test_port_of_no_unit(folder: Folder) -> None:
    ini(folder, "[MODNET.P1]", "Timeout=300", "[modnet.p1.plc1]", "Retry=1", "[MODNET.P1.PLC9]",
        "Retry=1", "[MODNET.P2]", "WatchTime=4", "MaxPending=", "!Timeout=1", "Sound=1",
        "[OPC.P2]", "Timeout=300")  # fmt: skip
    port_name(folder, PRIMARY, "p1")
    assert places(folder, "port-of-no-unit") == [
        "citect.ini:6 [MODNET.P1.PLC9]Retry",
        "citect.ini:8 [MODNET.P2]WatchTime",
    ]


def test_another_devices_port_is_no_port_of_this_device(folder: Folder) -> None:
    device(folder, "PLC2", ("IOServer1", "127.20.0.103:5020"), ("IOServer2", "127.20.0.104:5020"))
    port_name(folder, "127.20.0.103:5020", "P2")
    ini(folder, "[MODNET.P2.PLC2]", "Timeout=300", "[MODNET.P2.PLC1]", "Timeout=300")
    assert places(folder, "port-of-no-unit") == ["citect.ini:4 [MODNET.P2.PLC1]Timeout"]


def test_driver_unused(folder: Folder) -> None:
    ini(folder, "[modnet]", "Timeout=900", "[MODBUS.P]", "Retry=0", "[MODBUS]", "Timeout=500",
        "[OPC]", "!Timeout=1", "[DNPR]", "Anything=1", "[Other]", "Timeout=1")  # fmt: skip
    assert found(folder, "driver-unused") == [
        "citect.ini:4 [MODBUS.P]Retry: no I/O device speaks MODBUS: its section has no effect",
        "citect.ini:10 [DNPR]Anything: no I/O device speaks DNPR: its section has no effect",
    ]
    device(folder, "PLC2", ("IOServer1", "127.20.0.103:5020"), protocol="modbus")
    assert places(folder, "driver-unused") == ["citect.ini:10 [DNPR]Anything"]


# Parameters that change nothing.


@pytest.mark.parametrize(("of", "expected"), [("4.99", []), ("5.0", ["citect.ini:2 [IOSERVER]HeartTime"])])
def test_heart_time_unused(folder: Folder, of: str, expected: list[str]) -> None:
    version(folder, of)
    ini(folder, "[IOSERVER]", "HeartTime=5000")
    assert places(folder, "heart-time-unused") == expected
    for line in ("HeartTime=", "!HeartTime=5000"):
        ini(folder, "[IOSERVER]", line)
        assert places(folder, "heart-time-unused") == []


@pytest.mark.parametrize(("of", "expected"), [("4.99", []), ("5.0", ["citect.ini:2 [LAN]TimeOut"])])
def test_time_out_shows_com_only(folder: Folder, of: str, expected: list[str]) -> None:
    version(folder, of)
    ini(folder, "[LAN]", "TimeOut=5000")
    assert places(folder, "time-out-shows-com-only") == expected
    ini(folder, "[LAN]", "TimeOut=")
    assert places(folder, "time-out-shows-com-only") == []


def test_watch_time_unused(folder: Folder) -> None:
    ini(folder, "[LAN]", "WatchTime=1")
    without_servers(folder, "alarm", "trend")
    assert places(folder, "watch-time-unused") == []
    without_servers(folder, "report")
    assert places(folder, "watch-time-unused") == ["citect.ini:2 [LAN]WatchTime"]
    ini(folder, "[LAN]", "WatchTime=", "[MODNET]", "WatchTime=1")
    assert places(folder, "watch-time-unused") == []


@pytest.mark.parametrize(
    ("protocol", "named"), [("windows", "KB 1949"), ("linux", "tcp_retries2"), ("acknowledged", "")]
)
def test_send_timeout_ignored(folder: Folder, protocol: str, named: str) -> None:
    ini(folder, "[LAN]", "SendTimeout=2000")
    network_protocol(folder, protocol)
    told = [one for one in check(folder.load()) if one.rule == "send-timeout-ignored"]
    assert [(one.line, named in one.allowed) for one in told] == ([(2, True)] if named else [])
    ini(folder, "[LAN]", "SendTimeout=")
    assert found(folder, "send-timeout-ignored") == []


def test_stack_table_unused(folder: Folder) -> None:
    table(folder, "[windows]", rto_ms=300)
    table(folder, "[linux]", rto_ms=300)
    assert [place.partition(" ")[2] for place in places(folder, "stack-table-unused")] == ["windows", "linux"]
    network_protocol(folder, "linux")
    line = folder.line("plant.toml", "[windows]")
    assert found(folder, "stack-table-unused") == [
        f'plant.toml:{line} windows: has no effect: network_protocol is "linux"'
    ]


def test_task_parameter_unused(folder: Folder) -> None:
    ini(folder, "[Alarm]", "ScanTime=100", "[Trend]", "GapFillTime=5000", "MaxRdnSamples=",
        "[Report]", "WatchTime=500", "[LAN]", "WatchTime=1")  # fmt: skip
    assert places(folder, "task-parameter-unused") == []
    without_servers(folder, "trend", "report")
    assert found(folder, "task-parameter-unused") == [
        "citect.ini:4 [Trend]GapFillTime: has no effect: this plant has no trend server",
        "citect.ini:7 [Report]WatchTime: has no effect: this plant has no report server",
    ]


def test_only_together(folder: Folder) -> None:
    version(folder, "4.10")
    ini(folder, "[MODNET]", "Timeout=500")
    assert found(folder, "only-together") == [
        "citect.ini:2 [MODNET]Timeout: 500 ms shortens no changeover while [LAN]TimeOut is 8000 ms"
    ]
    # max(T, P): from the default of Timeout on, TimeOut decides alone.
    for waiting, expected in ((1010, 1), (999, 0), (500, 0), (100, 0)):
        ini(folder, "[MODNET]", "Timeout=500", "[LAN]", f"TimeOut={waiting}")
        assert len(found(folder, "only-together")) == expected, waiting
    version(folder, "5.0")
    ini(folder, "[MODNET]", "Timeout=500")
    assert found(folder, "only-together") == []


def test_what_is_not_lower_than_the_default_is_no_half_of_anything(folder: Folder) -> None:
    version(folder, "4.10")
    ini(folder, "[MODNET]", "Timeout=1000")
    assert found(folder, "only-together") == []
    without_servers(folder, "alarm", "trend", "report")
    ini(folder, "[LAN]", "SendTimeout=9000")  # longer than TimeOut, which alone decides then
    assert found(folder, "only-together") == []


def test_of_hundreds_of_ports_only_those_are_asked_that_can_have_a_say(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    version(folder, "4.10")
    lines = []
    for place in range(2, 22):
        units = ("IOServer1", f"127.20.1.{place}:502"), ("IOServer2", f"127.20.2.{place}:502")
        device(folder, f"PLC{place}", *units)
        port_name(folder, units[0][1], f"P{place}")
        lines += [f"[MODNET.P{place}]", "Timeout=500"]
    ini(folder, *lines)
    oracles: list[Oracle] = []

    class Counted(Oracle):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)
            oracles.append(self)

    monkeypatch.setattr(partners, "Oracle", Counted)
    assert len(found(folder, "only-together")) == 20
    assert oracles[0].asked < 3000  # each of 24 knobs with each other, in each of 70 cells, would be 80,000


# Time-outs.


def test_wrong_unit(folder: Folder) -> None:
    ini(folder, "[MODNET]", "Timeout=0", "MaxPending=5", "WatchTime=100", "[MODNET.A]",
        "Timeout=1", "WatchTime=99", "[MODNET.B]", "Timeout=32", "[MODNET.C]", "Timeout=33",
        "[LAN]", "ClientRetryTime=60", "SendTimeout=61", "!WatchTime=100", "WatchTime=2",
        "WatchTime=100", "[Alarm]", "StartTimeout=200", "SavePeriod=900")  # fmt: skip
    assert found(folder, "wrong-unit") == [
        "citect.ini:4 [MODNET]WatchTime: 100 counts in seconds",
        "citect.ini:6 [MODNET.A]Timeout: 1 counts in milliseconds",
        "citect.ini:9 [MODNET.B]Timeout: 32 counts in milliseconds",
        "citect.ini:13 [LAN]ClientRetryTime: 60 counts in milliseconds",
    ]


def test_what_is_out_of_range_in_a_driver_of_no_device_is_told_once(folder: Folder) -> None:
    ini(folder, "[OPC]", "WatchTime=2000", "Timeout=5")
    assert found(folder, "wrong-unit") == [
        "citect.ini:2 [OPC]WatchTime: 2000 is out of range:"
        " it looks like milliseconds, and counts in seconds",
        "citect.ini:3 [OPC]Timeout: 5 counts in milliseconds",
    ]


def test_below_round_trip(folder: Folder) -> None:
    table(folder, "[network]", round_trip_ms=600)
    ini(folder, "[LAN]", "SendTimeout=599", "TimeOut=600", "[MODNET]", "Timeout=599", "Retry=1")
    assert found(folder, "below-round-trip") == [
        "citect.ini:2 [LAN]SendTimeout: 599 ms is shorter than the network's round trip, 600 ms",
        "citect.ini:5 [MODNET]Timeout: 599 ms is shorter than the network's round trip, 600 ms",
    ]
    network_protocol(folder, "linux")
    assert places(folder, "below-round-trip") == ["citect.ini:5 [MODNET]Timeout"]


def test_a_default_can_be_below_the_round_trip_and_has_no_line(folder: Folder) -> None:
    table(folder, "[network]", round_trip_ms=9000)
    ini(folder, "[LAN]")
    assert places(folder, "below-round-trip") == ["citect.ini:- [MODNET]Timeout", "citect.ini:- [LAN]TimeOut"]


@pytest.mark.parametrize(
    ("of", "why"), [("4.20", "lost with every request"), ("5.0", "would show #COM first")]
)
def test_a_short_time_out_below_5_0_fails_and_then_shows_com(folder: Folder, of: str, why: str) -> None:
    table(folder, "[network]", round_trip_ms=600)
    version(folder, of)
    ini(folder, "[LAN]", "TimeOut=500")
    (one,) = [one for one in check(folder.load()) if one.rule == "below-round-trip"]
    assert why in one.why


def test_below_measured(folder: Folder) -> None:
    version(folder, "4.20")
    table(folder, "[limits.device_answer_ms]", MODNET=400)
    table(folder, "[limits.acknowledgement_ms]", LAN_A=99.5)
    ini(folder, "[LAN]", "SendTimeout=99", "TimeOut=400", "[MODNET]", "Timeout=400", "Retry=1")
    assert found(folder, "below-measured") == [
        "citect.ini:2 [LAN]SendTimeout: 99 ms, but LAN_A acknowledges in up to 99.5 ms",
        "citect.ini:3 [LAN]TimeOut: 400 ms, but IOServer2.PLC1@2 answers in up to 400 ms",
        "citect.ini:5 [MODNET]Timeout: 400 ms, but IOServer2.PLC1@2 answers in up to 400 ms",
    ]
    network_protocol(folder, "windows")
    assert "citect.ini:2 [LAN]SendTimeout" not in places(folder, "below-measured")
    ini(folder, "[LAN]", "SendTimeout=100", "TimeOut=401", "[MODNET]", "Timeout=401")
    network_protocol(folder, "acknowledged")
    assert found(folder, "below-measured") == []


def test_what_was_measured_of_one_unit_counts_for_its_own_port(folder: Folder) -> None:
    port_name(folder, STANDBY, "P2")
    table(folder, "[limits.device_answer_ms]", **{'"IOServer2.PLC1"': 1400})
    ini(folder, "[MODNET]", "Timeout=1000", "[MODNET.P2]", "Timeout=1401")
    assert found(folder, "below-measured") == []
    ini(folder, "[MODNET]", "Timeout=1401", "[MODNET.P2.PLC1]", "Timeout=1000")
    assert places(folder, "below-measured") == ["citect.ini:4 [MODNET.P2.PLC1]Timeout"]


def test_time_out_below_answer(folder: Folder) -> None:
    version(folder, "4.20")
    for waiting, expected in ((2999, ["citect.ini:2 [LAN]TimeOut"]), (3000, [])):
        ini(folder, "[LAN]", f"TimeOut={waiting}", "[MODNET]", "Timeout=1000", "Retry=2")
        assert places(folder, "time-out-below-answer") == expected
    ini(folder, "[LAN]", "TimeOut=2000", "[MODNET]", "Timeout=1000", "Retry=2")
    version(folder, "5.0")
    assert found(folder, "time-out-below-answer") == []
    version(folder, "4.20")
    table(folder, "[limits.device_answer_ms]", MODNET=2000)  # below_measured tells of it
    assert found(folder, "time-out-below-answer") == []


def test_devices_with_the_same_time_outs_are_told_of_once(folder: Folder) -> None:
    device(folder, "PLC2", ("IOServer1", "127.20.0.103:5020"), ("IOServer2", "127.20.0.104:5020"))
    ini(folder, "[LAN]", "TimeOut=2000", "[MODNET]", "Timeout=1000", "Retry=2", "WatchTime=2")
    assert len(found(folder, "attempts-outlast-watch")) == 1
    assert len(found(folder, "com-before-device-lost")) == 1
    version(folder, "4.20")
    assert len(found(folder, "time-out-below-answer")) == 1
    port_name(folder, "127.20.0.104:5020", "P2")
    folder.append("citect.ini", "[MODNET.P2]\nRetry=3\n")
    assert [one.rpartition(" ")[0].rpartition(" ")[2] for one in found(folder, "time-out-below-answer")] == [
        "3000",
        "4000",
    ]


def test_from_5_0_on_time_out_is_held_against_the_slowest_answer(folder: Folder) -> None:
    device(folder, "PLC2", ("IOServer1", "127.20.0.103:5020"), ("IOServer2", "127.20.0.104:5020"))
    table(folder, "[limits.device_answer_ms]", MODNET=300, PLC2=700)
    for waiting, expected in ((700, 1), (701, 0)):
        ini(folder, "[LAN]", f"TimeOut={waiting}")
        assert len(found(folder, "time-out-below-answer")) == expected
    ini(folder, "[LAN]", "TimeOut=300")
    assert found(folder, "time-out-below-answer") == [
        "citect.ini:2 [LAN]TimeOut: 300 ms, but IOServer1.PLC2@1 answers in up to 700 ms"
    ]


def test_com_before_send_timeout(folder: Folder) -> None:
    for lines, expected in (
        (("SendTimeout=8001",), ["citect.ini:2 [LAN]SendTimeout"]),
        (("SendTimeout=8000",), []),
        (("TimeOut=2000", "SendTimeout=2000"), []),
        (("TimeOut=1999", "SendTimeout=2000"), ["citect.ini:3 [LAN]SendTimeout"]),
        (("TimeOut=14999",), ["citect.ini:2 [LAN]TimeOut"]),
        ((), []),
    ):
        ini(folder, "[LAN]", *lines)
        assert places(folder, "com-before-send-timeout") == expected, lines
    ini(folder, "[LAN]", "SendTimeout=9000")
    network_protocol(folder, "linux")
    assert places(folder, "com-before-send-timeout") == []
    network_protocol(folder, "acknowledged")
    version(folder, "4.20")
    assert places(folder, "com-before-send-timeout") == []


def test_com_before_device_lost(folder: Folder) -> None:
    for lines, expected in (
        (("[MODNET]", "WatchTime=5", "Retry=1", "Timeout=4000"), []),
        (("[MODNET]", "WatchTime=5", "Retry=1", "Timeout=4001"), ["citect.ini:4 [MODNET]Timeout"]),
        (("[MODNET]", "WatchTime=5", "Retry=8"), ["citect.ini:3 [MODNET]Retry"]),
        (("[MODNET]", "WatchTime=5", "[LAN]", "TimeOut=999"), ["citect.ini:4 [LAN]TimeOut"]),
        (("[MODNET]", "WatchTime=5", "[LAN]", "TimeOut=1000"), []),
    ):
        ini(folder, *lines)
        assert places(folder, "com-before-device-lost") == expected, lines
    version(folder, "4.20")
    ini(folder, "[MODNET]", "Timeout=9000")
    assert places(folder, "com-before-device-lost") == []


def test_drivers_of_the_vendors_list_are_lost_by_the_squared_rule(folder: Folder) -> None:
    folder.replace("plant.toml", 'protocol = "MODNET"', 'protocol = "MODBUS"')
    ini(folder, "[MODBUS]", "Retry=2")
    assert found(folder, "com-before-device-lost") == [
        "citect.ini:2 [MODBUS]Retry: a silent PLC1 is lost after 9000 ms, TimeOut is 8000 ms"
    ]
    ini(folder, "[MODBUS]", "Retry=1")
    assert found(folder, "com-before-device-lost") == []


def test_a_default_that_nobody_chose_is_not_blamed_on_a_watch_time(folder: Folder) -> None:
    folder.replace("plant.toml", 'protocol = "MODNET"', 'protocol = "OPCUA"')  # 10 s by default
    folder.remove("alarms.csv", "trends.csv", "reports.csv")
    ini(folder, "[OPCUA]", "WatchTime=20")
    assert found(folder, "com-before-device-lost") == []


def test_attempts_outlast_watch(folder: Folder) -> None:
    for lines, expected in (
        (("Timeout=1000", "Retry=1", "WatchTime=2"), []),
        (("Timeout=1001", "Retry=1", "WatchTime=2"), ["citect.ini:2 [MODNET]Timeout"]),
        (("Retry=2", "WatchTime=2"), ["citect.ini:2 [MODNET]Retry"]),
        (("WatchTime=0",), ["citect.ini:2 [MODNET]WatchTime"]),
        (("Timeout=3000", "Retry=8"), []),
        ((), []),
    ):
        ini(folder, "[MODNET]", *lines)
        assert places(folder, "attempts-outlast-watch") == expected, lines
    port_name(folder, STANDBY, "P2")
    ini(folder, "[MODNET]", "Timeout=1000", "WatchTime=2", "[MODNET.P2]", "Timeout=3000")
    assert places(folder, "attempts-outlast-watch") == ["citect.ini:5 [MODNET.P2]Timeout"]


def test_heart_time_loads(folder: Folder) -> None:
    version(folder, "4.20")
    for heart, expected in (("1999", 1), ("2000", 0), ("", 0)):
        ini(folder, "[IOSERVER]", f"HeartTime={heart}")
        assert len(found(folder, "heart-time-loads")) == expected, heart
    ini(folder, "[IOSERVER]", "HeartTime=500")
    assert found(folder, "heart-time-loads") == [
        "citect.ini:2 [IOSERVER]HeartTime: 500 ms: 4.0 heartbeats/s on 2 sessions"
    ]
    table(folder, "[[client]]", name="HMI2", computer="HMI")
    assert "8.0 heartbeats/s on 4 sessions" in found(folder, "heart-time-loads")[0]
    version(folder, "5.0")  # heart_time_unused tells of it
    assert found(folder, "heart-time-loads") == []


def test_limits_unmeasured(folder: Folder) -> None:
    assert found(folder, "limits-unmeasured")[0].startswith("plant.toml:- limits: is missing: ")
    table(folder, "[limits]")
    line = folder.line("plant.toml", "[limits]")
    assert found(folder, "limits-unmeasured")[0].startswith(f"plant.toml:{line} limits: is empty: ")
    table(folder, "[limits.acknowledgement_ms]", LAN_A=40)
    assert found(folder, "limits-unmeasured") == []


# What nobody sees or serves.


def test_device_without_tags(folder: Folder) -> None:
    device(folder, "PLC2", ("IOServer1", "127.20.0.103:5020"))
    line = folder.line("plant.toml", 'name = "PLC2"')
    assert found(folder, "device-without-tags") == [f"plant.toml:{line} io_device.name: no tag is in PLC2"]
    folder.append("tags.csv", "Level2,INT,plc2,40001,,,,,,,\n")
    assert found(folder, "device-without-tags") == []


def test_server_without_units(folder: Folder) -> None:
    assert found(folder, "server-without-units") == []
    table(folder, "[[io_server]]", name="IOServer3", computer="SCADA2", port=12083)
    line = folder.line("plant.toml", "[[io_server]]", 3)
    assert found(folder, "server-without-units") == [f"plant.toml:{line} io_server: IOServer3 owns no unit"]
    device(folder, "PLC3", ("ioserver3", "127.20.0.109:5020"))
    assert found(folder, "server-without-units") == []


def test_nobody_serves(folder: Folder) -> None:
    without_servers(folder, "trend")
    (folder.path / "trends.csv").rename(folder.path / "Trends.CSV")
    assert found(folder, "nobody-serves") == ["Trends.CSV:- trends.csv: nobody records these tags"]
    folder.write("Trends.CSV", folder.read("Trends.CSV").splitlines()[0])
    assert found(folder, "nobody-serves") == []
    folder.remove("Trends.CSV")
    assert found(folder, "nobody-serves") == []


def test_retries_on_the_edge(folder: Folder) -> None:
    table(folder, "[linux]", tcp_retries2=3)
    assert places(folder, "retries-on-the-edge") == [], "another protocol decides"
    network_protocol(folder, "linux")
    (told,) = found(folder, "retries-on-the-edge")
    assert told.endswith("linux: tcp_retries2 = 3 ends after 3.4 s or after 7.0 s")
    folder.append("plant.toml", "\n[network]\nanswer_ms = 1\n")
    assert found(folder, "retries-on-the-edge") == [], "with quick answers the fifth expiry is sure"
    folder.write("plant.toml", folder.read("plant.toml").replace("tcp_retries2 = 3", "tcp_retries2 = 5"))
    assert found(folder, "retries-on-the-edge") == []
