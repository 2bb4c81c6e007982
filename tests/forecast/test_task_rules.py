"""Alarm, trend and report servers (T1 to T5) and the stacks' own time-outs (D2), by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one
from changeover.model.moment import MILLISECOND
from changeover.model.plant import LinuxStack, NetworkProtocol, Plant, WindowsStack
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault
from plants import seed_configurations, timing_for, two_server_plant

S2_W2 = {"send_timeout": 2000, "watch": 2000}


def alarm(plant: Plant, fault: str, target: str = "Alarm1") -> Forecast:
    return forecast_one(plant, Function.ALARM, Fault(fault), target)


def span(found: Forecast) -> tuple[float, float, float]:
    assert found.changeover is not None
    return found.changeover.minimum, found.changeover.mean, found.changeover.maximum


@pytest.mark.parametrize(("name", "mean"), [("A defaults", 60), ("B defaults", 32), ("C defaults", 32)])
def test_the_check_of_t3(name: str, mean: float) -> None:
    """15 + 15 + 15 + 15 = 60 s in A, 15 + 1 + 15 + 1 = 32 s in B and C; beside it R/2 and c."""
    assert span(alarm(seed_configurations()[name], "server-silent"))[1] == pytest.approx(mean + 0.125 + 0.002)


@pytest.mark.parametrize("family", "ABC")
@pytest.mark.parametrize("fault", ["server-silent", "server-frozen"])
def test_s_and_w_of_two_seconds_make_four_to_eight(family: str, fault: str) -> None:
    """T3's second check: 4 to 8 s, mean 6 s; beside it U(0, R) and c = 2 ms."""
    plant = two_server_plant(family, timing=timing_for(family, **S2_W2))
    assert span(alarm(plant, fault)) == pytest.approx((4.002, 6.127, 8.252))


def test_a_closed_server_costs_two_waits() -> None:
    plant = two_server_plant("C", timing=timing_for("C", **S2_W2))
    assert span(alarm(plant, "server-closed")) == pytest.approx((0.004, 2.004, 4.004))


def test_the_functions_go_alike() -> None:
    plant = two_server_plant("C")
    for function, target in ((Function.TREND, "Trend1"), (Function.REPORT, "Report1")):
        found = forecast_one(plant, function, Fault.SERVER_SILENT, target)
        assert found.changeover == alarm(plant, "server-silent").changeover


def test_com_is_an_io_matter() -> None:
    found = alarm(two_server_plant("C"), "server-silent")
    assert found.com is None
    assert "#COM" in (found.reason or "")


def test_clients_stay_on_the_standby_unless_the_primary_has_a_better_priority() -> None:
    plant = two_server_plant("C", timing=timing_for("C", **S2_W2))
    assert alarm(plant, "server-silent").return_ is None
    assert "T5" in (alarm(plant, "server-silent").reason or "")
    ranked = replace(
        plant,
        task_servers=tuple(replace(s, priority=1 if s.name.endswith("1") else 2) for s in plant.task_servers),
    )
    back = alarm(ranked, "server-silent").return_
    assert back is not None
    assert (back.minimum, back.maximum) == pytest.approx((0.002, 2.002))


@pytest.mark.parametrize("lans", [2, 3])
def test_dual_lan_multiplies_the_search(lans: int) -> None:
    """(n+1)·(S + U(0,W)) + U(0,R) + c; closed (n+1)·(U(0,W) + c)."""
    plant = two_server_plant("B", lans=lans, timing=timing_for("B", **S2_W2))
    n = lans + 1
    silent = span(alarm(plant, "server-silent"))
    assert silent == pytest.approx((n * 2 + 0.002, n * 3 + 0.127, n * 4 + 0.252))
    assert span(alarm(plant, "server-closed")) == pytest.approx((n * 0.002, n * 1.002, n * 2.002))


def test_a_lost_lan_costs_one_try() -> None:
    """2S + U(0,R) + 2·U(0,W) + c, and the client keeps the primary."""
    plant = two_server_plant("C", lans=2, timing=timing_for("C", **S2_W2))
    found = alarm(plant, "lan-silent", "LAN_A")
    assert span(found) == pytest.approx((4.002, 6.127, 8.252))
    assert found.return_ is None
    assert "Alarm1/LAN_B" in found.stages[-1].name
    assert alarm(plant, "lan-silent", "LAN_B").outcome is Outcome.UNAFFECTED
    assert alarm(plant, "lan-silent", "FIELD").outcome is Outcome.UNAFFECTED


def test_a_standby_on_the_lost_lan_first_is_tried_in_vain() -> None:
    """The primary is on LAN_A alone: its way, then the standby on LAN_A (dead too), then on LAN_B."""
    plant = two_server_plant("C", lans=2, timing=timing_for("C", **S2_W2))
    first = plant.computers[0]
    poor = replace(first, addresses=(first.addresses[0], first.addresses[2]))
    found = alarm(replace(plant, computers=(poor, *plant.computers[1:])), "lan-silent", "LAN_A")
    assert span(found) == pytest.approx((6.002, 9.127, 12.252))


def test_lost_without_a_way_or_a_standby() -> None:
    plant = two_server_plant("C")
    assert alarm(plant, "lan-silent", "LAN_A").outcome is Outcome.LOST
    alone = replace(plant, task_servers=tuple(s for s in plant.task_servers if s.name.endswith("1")))
    for fault in ("server-silent", "server-closed", "server-frozen"):
        found = alarm(alone, fault)
        assert found.outcome is Outcome.LOST
        assert found.detection is not None
        assert found.reason
    same = replace(plant, task_servers=tuple(replace(s, computer="SCADA1") for s in plant.task_servers))
    assert alarm(same, "server-silent").outcome is Outcome.LOST
    assert alarm(same, "server-closed").outcome is Outcome.CHANGEOVER
    local = two_server_plant("C", clients=[Client("Panel", "SCADA1")])
    assert alarm(local, "server-silent").outcome is Outcome.LOST


@pytest.mark.parametrize("fault", ["device-silent", "device-closed", "standby-device-silent"])
def test_device_faults_leave_them_alone(fault: str) -> None:
    found = alarm(two_server_plant("C"), fault, "PLC1")
    assert found.outcome is Outcome.UNAFFECTED
    assert (found.changeover, found.com, found.detection, found.return_) == (None,) * 4
    assert found.reason


# ---------------------------------------- stacks, D2


def stacked(family: str, protocol: NetworkProtocol, **more: object) -> Plant:
    return two_server_plant(family, network_protocol=protocol, round_trip=MILLISECOND, **more)


def io(plant: Plant, fault: str) -> Forecast:
    return forecast_one(plant, Function.IO_DATA, Fault(fault), "IOServer1")


@pytest.mark.parametrize(
    ("retries2", "bound", "measured"),
    [(3, 3.0, 6.8), (5, 12.6, 13.5), (6, 25.4, 26.8), (8, 102.2, 108.2), (15, 924.6, 924.6)],
)
def test_linux_gives_up_where_it_was_measured(retries2: int, bound: float, measured: float) -> None:
    plant = stacked("C", NetworkProtocol.LINUX, linux=LinuxStack(retries2=retries2))
    found = io(plant, "server-silent").stages[1]
    assert (found.parameter, found.rule) == ("tcp_retries2", "D2")
    assert found.distribution.minimum == pytest.approx(bound)
    assert bound <= measured <= found.distribution.maximum


def test_windows_gives_up_after_its_retransmissions() -> None:
    plant = stacked("C", NetworkProtocol.WINDOWS, windows=WindowsStack(rto=3000 * MILLISECOND))
    found = io(plant, "server-silent").stages[1]
    assert found.distribution.minimum == pytest.approx(189.0)
    assert found.parameter == "TcpMaxDataRetransmissions"


@pytest.mark.parametrize(("retries", "seconds"), [(2, 21.0), (1, 9.0)])
def test_windows_tries_a_silent_server_so_long(retries: int, seconds: float) -> None:
    plant = stacked("C", NetworkProtocol.WINDOWS, windows=WindowsStack(connect_retransmissions=retries))
    tried = alarm(plant, "server-silent").stages[3]
    assert tried.parameter == "TcpMaxConnectRetransmissions"
    assert tried.distribution.minimum == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("retries", "least", "measured"), [(1, 3, 3.06), (2, 7, 7.1), (3, 15, 19.4), (6, 127, 127)]
)
def test_linux_tries_a_silent_server_so_long(retries: int, least: float, measured: float) -> None:
    plant = stacked("C", NetworkProtocol.LINUX, linux=LinuxStack(syn_retries=retries))
    tried = alarm(plant, "server-silent").stages[3].distribution
    assert tried.minimum == pytest.approx(least)
    assert least <= measured <= tried.maximum


@pytest.mark.parametrize("protocol", [NetworkProtocol.WINDOWS, NetworkProtocol.LINUX])
def test_a_frozen_server_is_never_found_by_a_stack(protocol: NetworkProtocol) -> None:
    c = io(stacked("C", protocol), "server-frozen")
    assert c.outcome is Outcome.LOST
    assert c.detection is None
    assert "D2" in (c.reason or "")
    b = io(stacked("B", protocol), "server-frozen")
    assert b.outcome is Outcome.CHANGEOVER
    assert b.stages[1].parameter == "[LAN]TimeOut"
    assert alarm(stacked("B", protocol), "server-frozen").outcome is Outcome.LOST


def test_in_b_whichever_gives_up_first_counts() -> None:
    """T = 8 s lies inside the stack's 3.0 to 6.82 s never, inside 6.2 to 13.9 s (n = 4) it does."""
    quick = io(stacked("B", NetworkProtocol.LINUX, linux=LinuxStack(retries2=3)), "server-silent")
    assert quick.stages[1].parameter == "tcp_retries2"
    between = io(stacked("B", NetworkProtocol.LINUX, linux=LinuxStack(retries2=4)), "server-silent")
    assert between.stages[1].parameter == "tcp_retries2, [LAN]TimeOut"
    assert between.stages[1].distribution.minimum == pytest.approx(6.2)
    assert between.stages[1].distribution.maximum == pytest.approx(8)
    slow = io(stacked("B", NetworkProtocol.LINUX), "server-silent")
    assert slow.stages[1].parameter == "[LAN]TimeOut"


def test_closed_links_are_noticed_under_any_stack() -> None:
    for protocol in NetworkProtocol:
        assert io(stacked("C", protocol), "server-closed").outcome is Outcome.CHANGEOVER
