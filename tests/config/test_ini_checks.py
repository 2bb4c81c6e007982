"""The rules of citect.ini that are found while it is read: what each finds, and where it stays silent."""

from __future__ import annotations

from changeover.config.diagnostics import ConfigurationError, Diagnostic

from .conftest import Folder


def told(folder: Folder, *lines: str) -> list[tuple[str, str, int]]:
    """Rule, severity and line of all that is found in a citect.ini of these lines."""
    folder.write("citect.ini", "".join(f"{line}\n" for line in lines))
    try:
        found: tuple[Diagnostic, ...] = folder.load().warnings
    except ConfigurationError as error:
        found = (*error.diagnostics, *error.warnings)
    return [(one.rule, one.severity.value, one.line or 0) for one in found]


def test_semicolon_comment(folder: Folder) -> None:
    assert told(folder, "[LAN]", "SendTimeout=2000;fast", "TimeOut=5 ; short", "WatchTime=;2", "Path=a;b",
                "!ClientRetryTime=1;x", "ClientRetryTime=1000 # x", "[OPC]", "Timeout=100 ; x") == [
        ("semicolon-comment", "error", 2),
        ("not-a-number", "error", 3),
        ("not-a-number", "error", 4),
        ("not-a-number", "error", 7),
        ("semicolon-comment", "warning", 9),
    ]  # fmt: skip


def test_wrong_unit(folder: Folder) -> None:
    assert told(folder, "[LAN]", "SendTimeout=1", "WatchTime=601", "[Report]", "WatchTime=60", "[IOSERVER]",
                "HeartTime=49", "[DNPR]", "WatchTime=129") == [
        ("wrong-unit", "error", 2), ("wrong-unit", "error", 3), ("wrong-unit", "error", 5),
        ("wrong-unit", "error", 7), ("wrong-unit", "warning", 9),
    ]  # fmt: skip


def test_not_a_number(folder: Folder) -> None:
    assert told(folder, "[LAN]", "SendTimeout=2,5", "TimeOut=0x10", "WatchTime=", "SendTimeout=x",
                "!Watchtime=x",
                "Dark=x", "[MODNET.P.PLC1]", "Retry=1.0", "[OPC]", "Retry=x") == [
        ("not-a-number", "error", 2), ("not-a-number", "error", 3),
        ("not-a-number", "error", 9), ("not-a-number", "warning", 11),
    ]  # fmt: skip


def test_outside_range(folder: Folder) -> None:
    assert (
        told(folder, "[MODNET]", "Retry=8", "Timeout=32000", "WatchTime=0", "[LAN]", "SendTimeout=50") == []
    )
    assert told(folder, "[MODNET]", "Retry=9", "Timeout=32001", "WatchTime=-1", "[LAN]", "SendTimeout=600001",
                "[OPC]", "Retry=9") == [
        ("outside-range", "error", 2), ("outside-range", "error", 3), ("outside-range", "error", 4),
        ("outside-range", "error", 6), ("outside-range", "warning", 8),
    ]  # fmt: skip


def test_line_without_equals(folder: Folder) -> None:
    assert told(folder, "[LAN]", "SendTimeout 2000", "TimeOut:2000", "watchtime", "SendTimeoutx 1",
                ":", "!TimeOut 1",
                "# TimeOut 1", "[Other]", "SendTimeout 1", "[Other", "[MODNET.P]", "Retry: 1", "[OPC]",
                "Retry 1", "[OPC.P") == [
        ("line-without-equals", "error", 2), ("line-without-equals", "error", 3),
        ("line-without-equals", "error", 4), ("line-without-equals", "error", 13),
        ("line-without-equals", "error", 16), ("line-without-equals", "warning", 15),
    ]  # fmt: skip


def test_a_line_without_equals_is_named_by_its_own_section(folder: Folder) -> None:
    folder.write("citect.ini", "[MODNET.P]\nretry 1\n")
    assert folder.problems() == ["citect.ini:2: [MODNET.P]Retry: 'retry 1' has no '=', write Retry=value"]


def test_protocols_differ(folder: Folder) -> None:
    standby = 'mode = "standby"\naddress'
    folder.replace("plant.toml", standby, f'protocol = "modnet"\n{standby}')
    assert folder.load().warnings == ()
    for other in ("MODBUS", "Profinet"):
        folder.write("plant.toml", folder.read("plant.toml").replace('"modnet"', f'"{other}"'))
        assert [problem.partition(",")[0].partition(": ")[2] for problem in folder.problems()] == [
            f"io_device.unit.protocol: '{other}' is not the protocol of its I/O device"
        ]
        assert told(folder, "[LAN]") == [
            ("protocols-differ", "error", folder.line("plant.toml", f'"{other}"'))
        ]
        folder.replace("plant.toml", f'"{other}"', '"modnet"')
