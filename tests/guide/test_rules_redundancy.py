"""The rules of redundancy: what each finds, its boundaries, and where it stays silent."""

from __future__ import annotations

import re

import pytest

from changeover.guide.check import check
from folders import Folder

from .rule_site import (
    device,
    found,
    ini,
    one_more_computer,
    one_more_unit,
    places,
    port_name,
    second_lan,
    table,
    version,
    without_servers,
)

PRIMARY, STANDBY, THIRD = "127.20.0.101:5020", "127.20.0.102:5020", "127.20.0.103:5020"
SECOND_UNIT = f'[[io_device.unit]]\nio_server = "IOServer2"\nmode = "standby"\naddress = "{STANDBY}"'
ALARM1 = 'name = "Alarm1"\ncomputer = "SCADA1"\nmode = "primary"'
ALARM2 = 'name = "Alarm2"\ncomputer = "SCADA2"\nmode = "standby"'


def test_no_standby(folder: Folder) -> None:
    assert found(folder, "no-standby") == []
    folder.replace("plant.toml", SECOND_UNIT, "")
    folder.replace("plant.toml", f"[[alarm_server]]\n{ALARM2}\n", "")
    without_servers(folder, "report")  # none at all is no server alone
    line = folder.line("plant.toml", "[[io_device]]"), folder.line("plant.toml", "[[alarm_server]]")
    assert found(folder, "no-standby") == [
        f"plant.toml:{line[0]} io_device: PLC1 has one unit, on IOServer1, and no standby",
        f"plant.toml:{line[1]} alarm_server: Alarm1 has no standby",
    ]


def test_a_standby_alone_has_no_primary(folder: Folder) -> None:
    folder.replace("plant.toml", f"[[alarm_server]]\n{ALARM1}", "# ")
    (one,) = [one for one in check(folder.load()) if one.rule == "no-standby"]
    assert one.problem == "Alarm2 has no primary"
    assert 'with mode = "primary"' in one.allowed


def test_no_primary(folder: Folder) -> None:
    assert found(folder, "no-primary") == []
    folder.replace("plant.toml", ALARM1, ALARM1.replace("primary", "standby"))
    line = folder.line("plant.toml", 'mode = "standby"', 2)  # the first is that of a unit
    assert found(folder, "no-primary") == [f"plant.toml:{line} alarm_server.mode: there is no primary"]
    without_servers(folder, "alarm")
    assert found(folder, "no-primary") == []


def test_same_computer(folder: Folder) -> None:
    assert found(folder, "same-computer") == []
    folder.replace("plant.toml", 'name = "IOServer2"\ncomputer = "SCADA2"',
                   'name = "IOServer2"\nport = 12083\ncomputer = "scada1"')  # fmt: skip
    folder.replace("plant.toml", ALARM2, ALARM2.replace("SCADA2", "SCADA1") + "\nport = 12090")
    assert [one.partition(" ")[2] for one in found(folder, "same-computer")] == [
        "io_device.unit.io_server: all units of PLC1 are on one computer, SCADA1",
        "alarm_server.computer: all alarm servers are on one computer, SCADA1",
    ]


def test_a_third_unit_elsewhere_is_enough_and_two_of_one_server_are_not(folder: Folder) -> None:
    folder.replace("plant.toml", SECOND_UNIT, SECOND_UNIT.replace("IOServer2", "IOServer1"))
    assert [one.partition(" ")[2] for one in places(folder, "same-computer")] == ["io_device.unit.io_server"]
    one_more_unit(folder, "IOServer2", THIRD)
    assert found(folder, "same-computer") == []
    device(folder, "PLC2", ("IOServer1", "127.20.0.104:5020"))  # alone: no_standby tells of it
    assert found(folder, "same-computer") == []


def test_same_device(folder: Folder) -> None:
    assert found(folder, "same-device") == []
    folder.replace("plant.toml", STANDBY, PRIMARY.replace(":5020", ":05020"))
    line = folder.line("plant.toml", "127.20.0.101", 2)
    assert found(folder, "same-device") == [
        f"plant.toml:{line} io_device.unit.address: all units of PLC1 lead to one device, {PRIMARY}"
    ]
    assert found(folder, "same-lan-port") == []
    one_more_unit(folder, "IOServer2", THIRD)
    assert found(folder, "same-device") == []


def test_same_lan_port(folder: Folder) -> None:
    assert found(folder, "same-lan-port") == []
    folder.replace("plant.toml", STANDBY, "127.20.0.101:5021")
    line = folder.line("plant.toml", "127.20.0.101:5021")
    assert found(folder, "same-lan-port") == [
        f"plant.toml:{line} io_device.unit.address: all units of PLC1 are behind one host, 127.20.0.101"
    ]
    assert found(folder, "same-device") == []
    one_more_unit(folder, "IOServer2", "127.20.0.101:5022")
    assert len(found(folder, "same-lan-port")) == 1
    one_more_unit(folder, "IOServer2", THIRD)
    assert found(folder, "same-lan-port") == []


def test_shared_between_devices(folder: Folder) -> None:
    device(folder, "PLC2", ("IOServer1", THIRD), ("IOServer2", "127.20.0.101:5021"))
    assert found(folder, "shared-between-devices") == []
    device(folder, "PLC3", ("IOServer2", PRIMARY), ("IOServer1", THIRD))
    assert [one.partition(": ")[2] for one in found(folder, "shared-between-devices")] == [
        f"{PRIMARY} is also an address of PLC1",
        f"{THIRD} is also an address of PLC2",
    ]


def test_one_device_may_have_one_address_twice(folder: Folder) -> None:
    folder.replace("plant.toml", STANDBY, PRIMARY)
    assert found(folder, "shared-between-devices") == []


def test_single_lan(folder: Folder) -> None:
    line = folder.line("plant.toml", "[[lan]]")
    one_lan = [f"plant.toml:{line} lan: LAN_A is the only LAN between clients and servers"]
    assert found(folder, "single-lan") == one_lan
    second_lan(folder, "HMI")  # a LAN without a server helps nobody
    assert found(folder, "single-lan") == one_lan
    folder.replace("plant.toml", 'name = "SCADA2"\naddresses = { ',
                   'name = "SCADA2"\naddresses = { LAN_B = "127.11.0.12", ')  # fmt: skip
    assert found(folder, "single-lan") == []


def test_each_client_is_asked_for_its_own_lans(folder: Folder) -> None:
    second_lan(folder, "HMI", "SCADA1", "SCADA2")
    assert found(folder, "single-lan") == []
    one_more_computer(folder, "Gate", LAN_A="127.10.0.22")
    table(folder, "[[client]]", name="Gatehouse", computer="Gate")
    assert [one.partition(": ")[2] for one in found(folder, "single-lan")] == [
        "LAN_A is the only LAN between Gatehouse and servers"
    ]


def test_a_client_on_a_servers_computer_makes_its_field_lan_no_second_one_for_others(folder: Folder) -> None:
    table(folder, "[[client]]", name="Local", computer="SCADA1")
    assert [one.partition(": ")[2] for one in found(folder, "single-lan")] == [
        "LAN_A is the only LAN between HMI1 and servers"
    ]


def test_without_their_lan_clients_still_have_the_servers_of_their_own_computer(folder: Folder) -> None:
    plant = folder.read("plant.toml").replace("127.20.0.10", "127.10.0.10")
    folder.write("plant.toml", re.sub(r", FIELD = \S+", "", plant))
    folder.replace("plant.toml", 'computer = "HMI"', 'computer = "SCADA1"')
    assert found(folder, "single-lan") == []
    folder.replace("plant.toml", ALARM1, ALARM1.replace("SCADA1", "HMI"))
    assert len(found(folder, "single-lan")) == 1


def test_client_reaches_one(folder: Folder) -> None:
    without_servers(folder, "trend", "report")
    assert found(folder, "client-reaches-one") == []
    table(folder, "[[client]]", name="Local", computer="SCADA2")
    folder.replace("plant.toml", 'LAN_A = "127.10.0.12", ', "")
    line = folder.line("plant.toml", 'computer = "HMI"')
    assert found(folder, "client-reaches-one") == [  # SCADA2 and SCADA1 still share the field LAN
        f"plant.toml:{line} client.computer: HMI has no LAN in common with IOServer2",
        f"plant.toml:{line} client.computer: HMI has no LAN in common with Alarm2",
    ]


@pytest.mark.parametrize(
    ("reached", "why"),
    [
        (2, "HMI1 reaches only IOServer1, IOServer3: it never changes over to what it does not reach"),
        (1, "HMI1 reaches only IOServer1: it never changes over to what it does not reach"),
    ],
)
def test_what_is_reached_of_three_is_named(folder: Folder, reached: int, why: str) -> None:
    without_servers(folder, "alarm", "trend", "report")
    one_more_unit(folder, "IOServer3", THIRD)
    folder.replace("plant.toml", 'LAN_A = "127.10.0.12", ', "")
    lans = {"LAN_A": "127.10.0.13", "FIELD": "127.20.0.13"}
    one_more_computer(folder, "SCADA3", **(lans if reached == 2 else {"FIELD": lans["FIELD"]}))
    table(folder, "[[io_server]]", name="IOServer3", computer="SCADA3")
    (one,) = [one for one in check(folder.load()) if one.rule == "client-reaches-one"]
    assert one.why == why
    assert one.allowed.endswith(
        "on a LAN of IOServer2" if reached == 2 else "on a LAN of IOServer2, IOServer3"
    )


def test_a_server_of_another_device_or_of_none_is_no_stand_in(folder: Folder) -> None:
    one_more_computer(folder, "SCADA3", FIELD="127.20.0.13")
    table(folder, "[[io_server]]", name="Spare", computer="SCADA3")
    assert found(folder, "client-reaches-one") == []
    device(folder, "PLC2", ("Spare", THIRD))
    (one,) = [one for one in check(folder.load()) if one.rule == "client-reaches-one"]
    assert one.why.startswith("HMI1 reaches none of them: ")


def test_priority_undoes_return(folder: Folder) -> None:
    assert found(folder, "priority-undoes-return") == []
    folder.replace("plant.toml", ALARM1, f"{ALARM1}\npriority = 2#")
    folder.replace("plant.toml", ALARM2, f"{ALARM2}\npriority = 2")
    assert found(folder, "priority-undoes-return") == []  # equal ones: clients stay where they are
    folder.replace("plant.toml", f"{ALARM2}\npriority = 2", f"{ALARM2}\npriority = 1")
    line = folder.line("plant.toml", "priority = 1")
    assert found(folder, "priority-undoes-return") == [
        f"plant.toml:{line} alarm_server.priority: 1 is better than that of the primary Alarm1, 2"
    ]
    folder.replace("plant.toml", f"{ALARM2}\npriority = 1", f"{ALARM2}\npriority = 3")
    assert found(folder, "priority-undoes-return") == []


def test_a_better_unit_than_the_primary(folder: Folder) -> None:
    folder.replace("plant.toml", f'address = "{STANDBY}"', f'priority = 1\naddress = "{STANDBY}"')
    line = folder.line("plant.toml", "priority = 1")
    expected = "the unit on IOServer2 comes first by its priority, though another has mode primary"
    assert found(folder, "priority-undoes-return") == [
        f"plant.toml:{line} io_device.unit.priority: {expected}"
    ]
    folder.replace("plant.toml", f'address = "{PRIMARY}"', f'priority = 2\naddress = "{PRIMARY}"')
    assert len(found(folder, "priority-undoes-return")) == 1
    folder.replace("plant.toml", "priority = 1\n", "priority = 3\n")
    assert found(folder, "priority-undoes-return") == []


def test_standby_unwatched(folder: Folder) -> None:
    for value, expected in (("0", ["citect.ini:2 [IOSERVER]WatchDog"]), ("1", []), ("", [])):
        ini(folder, "[IOSERVER]", f"WatchDog={value}")
        assert places(folder, "standby-unwatched") == expected, value
    ini(folder, "[IOSERVER]", "WatchDog=0")
    folder.replace("plant.toml", SECOND_UNIT, "")
    assert places(folder, "standby-unwatched") == []
    one_more_unit(folder, "IOServer1", THIRD)
    assert len(places(folder, "standby-unwatched")) == 1


def test_pair_timing_differs(folder: Folder) -> None:
    port_name(folder, STANDBY, "P2")
    for lines, expected in (
        (("[MODNET]", "Timeout=900", "[MODNET.P2]", "Timeout=900", "WatchTime=9"), []),
        (("[MODNET]", "WatchTime=9", "[MODNET.P2]", "Timeout=900"), ["citect.ini:4 [MODNET.P2]Timeout"]),
        (("[MODNET]", "Timeout=900", "[MODNET.P2]", "Retry=1"), ["citect.ini:4 [MODNET.P2]Retry"]),
        (
            ("[MODNET.P2.PLC1]", "Timeout=900", "[MODNET.P2]", "Timeout=1000"),
            ["citect.ini:2 [MODNET.P2.PLC1]Timeout"],
        ),
        (("[MODNET.P2]", "Timeout=1000", "Retry="), []),
    ):
        ini(folder, *lines)
        assert places(folder, "pair-timing-differs") == expected, lines


def test_the_line_that_makes_a_pair_differ_may_be_the_primarys(folder: Folder) -> None:
    port_name(folder, PRIMARY, "P1")
    ini(folder, "[MODNET]", "WatchTime=9", "[MODNET.P1]", "Retry=1")
    assert places(folder, "pair-timing-differs") == ["citect.ini:4 [MODNET.P1]Retry"]


def test_every_unit_is_held_against_the_one_that_serves_first(folder: Folder) -> None:
    port_name(folder, PRIMARY, "P1")
    one_more_unit(folder, "IOServer2", THIRD)
    version(folder, "3.30")
    ini(folder, "[MODNET]", "Timeout=900", "[MODNET.P1]", "Timeout=500")
    problem = "IOServer2 loses PLC1 by other time-outs than IOServer1"
    assert found(folder, "pair-timing-differs") == [f"citect.ini:2 [MODNET]Timeout: {problem}"]
