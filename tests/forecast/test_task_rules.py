"""Alarm, trend and report servers (T1 to T5) and the stacks' own time-outs (D2), by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one, targets
from changeover.forecast.stages import Constant
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
@pytest.mark.parametrize(("fault", "c"), [("server-silent", 0.002), ("server-frozen", 0.0025)])
def test_s_and_w_of_two_seconds_make_four_to_eight(family: str, fault: str, c: float) -> None:
    """T3's second check: 4 to 8 s, mean 6 s; beside it U(0, R), and c less what was under way."""
    plant = two_server_plant(family, timing=timing_for(family, **S2_W2))
    assert span(alarm(plant, fault)) == pytest.approx((4 + c, 6.125 + c, 8.25 + c))


def test_a_closed_server_costs_two_waits() -> None:
    """Half a round trip until it is known, one for the refusal, three for the answer."""
    plant = two_server_plant("C", timing=timing_for("C", **S2_W2))
    assert span(alarm(plant, "server-closed")) == pytest.approx((0.0045, 2.0045, 4.0045))


def test_the_functions_go_alike() -> None:
    plant = two_server_plant("C")
    for function, target in ((Function.TREND, "Trend1"), (Function.REPORT, "Report1")):
        found = forecast_one(plant, function, Fault.SERVER_SILENT, target)
        assert found.changeover == alarm(plant, "server-silent").changeover


def test_com_is_an_io_matter() -> None:
    found = alarm(two_server_plant("C"), "server-silent")
    assert found.com is None
    assert "#COM" in (found.reason or "")


def ranked(plant: Plant, first: int = 1, second: int = 2) -> Plant:
    """The same plant with priorities of the servers whose names end in 1, and of the others."""
    servers = (replace(s, priority=first if s.name.endswith("1") else second) for s in plant.task_servers)
    return replace(plant, task_servers=tuple(servers))


def test_clients_stay_on_the_standby_unless_the_primary_has_a_better_priority() -> None:
    """2.5 round trips: a try half of one before the repair arrives after it."""
    plant = two_server_plant("C", timing=timing_for("C", **S2_W2))
    assert alarm(plant, "server-silent").return_ is None
    assert "T5" in (alarm(plant, "server-silent").reason or "")
    back = alarm(ranked(plant), "server-silent").return_
    assert back is not None
    assert (back.minimum, back.mean, back.maximum) == pytest.approx((0.0025, 1.0025, 2.0025))


@pytest.mark.parametrize("lans", [2, 3])
def test_a_return_takes_the_first_tick_of_any_way(lans: int) -> None:
    """The soonest of n waits U(0, W) is W/(n+1) on the average."""
    plant = ranked(two_server_plant("B", lans=lans, timing=timing_for("B", **S2_W2)))
    for fault in ("server-silent", "server-closed", "server-frozen"):
        back = alarm(plant, fault).return_
        assert back is not None
        assert (back.minimum, back.maximum) == pytest.approx((0.0025, 2.0025))
        assert back.mean == pytest.approx(2 / (lans + 1) + 0.0025)


def test_a_return_names_what_it_waits_for_beside() -> None:
    plant = ranked(two_server_plant("C"))
    for fault in ("server-silent", "server-closed", "server-frozen"):
        assert "taken over what its partner has (T6)" in (alarm(plant, fault).reason or "")


def test_a_return_over_a_repaired_lan_takes_the_one_way_there_is() -> None:
    """The primary is on LAN_A alone: its one way was lost, so its one way brings the client back."""
    plant = ranked(on_one_lan(two_server_plant("C", lans=2, timing=timing_for("C", **S2_W2)), "SCADA1", 0))
    back = alarm(plant, "lan-silent", "LAN_A").return_
    assert back is not None
    assert back.mean == pytest.approx(1.0025)


def test_a_standby_of_better_priority_is_where_clients_are() -> None:
    plant = ranked(two_server_plant("C", timing=timing_for("C", **S2_W2)), first=2, second=1)
    assert targets(plant, Function.ALARM, Fault.SERVER_SILENT) == ("Alarm2",)
    found = alarm(plant, "server-silent", "Alarm2")
    assert span(found) == pytest.approx((4.002, 6.127, 8.252))
    assert "Alarm1" in found.stages[-1].name
    assert found.return_ is not None
    with pytest.raises(KeyError):
        alarm(plant, "server-silent", "Alarm1")


@pytest.mark.parametrize("lans", [2, 3])
def test_dual_lan_multiplies_the_search(lans: int) -> None:
    """(n+1)·(S + U(0,W)) + U(0,R) + c; closed (n+1)·U(0,W) + n refusals + c + half a round trip."""
    plant = two_server_plant("B", lans=lans, timing=timing_for("B", **S2_W2))
    n = lans + 1
    silent = span(alarm(plant, "server-silent"))
    assert silent == pytest.approx((n * 2 + 0.002, n * 3 + 0.127, n * 4 + 0.252))
    trips = (0.5 + lans + 3) * 0.001
    assert span(alarm(plant, "server-closed")) == pytest.approx((trips, n + trips, n * 2 + trips))


def on_one_lan(plant: Plant, computer: str, kept: int) -> Plant:
    """The same plant with a computer of two client LANs on one of them, and on FIELD."""
    return replace(
        plant,
        computers=tuple(
            replace(c, addresses=(c.addresses[kept], c.addresses[2])) if c.name == computer else c
            for c in plant.computers
        ),
    )


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
    found = alarm(on_one_lan(plant, "SCADA1", 0), "lan-silent", "LAN_A")
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


def test_without_a_primary_the_only_server_is_the_target() -> None:
    plant = two_server_plant("C", lans=2, timing=timing_for("C", **S2_W2))
    alone = replace(plant, task_servers=tuple(s for s in plant.task_servers if s.name.endswith("2")))
    assert targets(alone, Function.ALARM, Fault.SERVER_CLOSED) == ("Alarm2",)
    assert alarm(alone, "server-silent", "Alarm2").outcome is Outcome.LOST
    found = alarm(alone, "lan-silent", "LAN_A")
    assert [stage.name for stage in found.stages if stage.rule == "T2"] == [
        "watch of Alarm2/LAN_A",
        "watch of Alarm2/LAN_B",
    ]


# ---------------------------------------- partner-cut


def cut(plant: Plant, function: Function = Function.ALARM) -> Forecast:
    return forecast_one(plant, function, Fault.PARTNER_CUT, "SCADA1+SCADA2")


def test_a_cut_between_the_pair_moves_no_client_that_sees_both() -> None:
    plant = two_server_plant("C", lans=2)
    for function in Function:
        assert targets(plant, function, Fault.PARTNER_CUT) == ("SCADA1+SCADA2",)
        found = cut(plant, function)
        assert found.outcome is Outcome.UNAFFECTED
        assert (found.changeover, found.com, found.detection, found.return_) == (None,) * 4
        assert found.reason
    assert "active one" in (cut(plant).reason or "")


def test_a_cut_says_whose_pair_it_divides() -> None:
    plant = two_server_plant("C", servers=3)
    elsewhere = tuple(replace(s, computer="SCADA3") if s.name == "Trend2" else s for s in plant.task_servers)
    plant = replace(plant, task_servers=elsewhere)
    assert "SCADA1+SCADA3" in targets(plant, Function.TREND, Fault.PARTNER_CUT)
    assert "hold no pair of its servers" in (cut(plant, Function.TREND).reason or "")
    assert "active one" in (cut(plant).reason or "")


@pytest.mark.parametrize("family", "ABC")
def test_a_client_on_the_standbys_computer_loses_the_primary_with_the_cut(family: str) -> None:
    """To it the cut is the primary's silence; in I/O data too."""
    plant = two_server_plant(family, clients=[Client("Panel", "SCADA2")], timing=timing_for(family, **S2_W2))
    silent = alarm(plant, "server-silent")
    assert (cut(plant).outcome, cut(plant).changeover) == (Outcome.CHANGEOVER, silent.changeover)
    io = forecast_one(plant, Function.IO_DATA, Fault.SERVER_SILENT, "IOServer1")
    found = cut(plant, Function.IO_DATA)
    assert (found.changeover, found.com, found.detection) == (io.changeover, io.com, io.detection)
    at_home = two_server_plant(family, clients=[Client("Panel", "SCADA1")])
    assert cut(at_home).outcome is cut(at_home, Function.IO_DATA).outcome is Outcome.UNAFFECTED
    alone = replace(plant, task_servers=tuple(s for s in plant.task_servers if s.name.endswith("1")))
    assert cut(alone).outcome is Outcome.LOST
    assert "its own side of the cut" in (cut(alone).reason or "")


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


@pytest.mark.parametrize(
    ("retransmissions", "rto_ms", "seconds"),
    [(5, 3000, 189.0), (5, 1000, 63.0), (5, 200, 12.6), (0, 200, 0.2)],
)
def test_windows_gives_up_exactly_after_its_retransmissions(
    retransmissions: int, rto_ms: int, seconds: float
) -> None:
    stack = WindowsStack(data_retransmissions=retransmissions, rto=rto_ms * MILLISECOND)
    plant = stacked("C", NetworkProtocol.WINDOWS, windows=stack)
    found = io(plant, "server-silent").stages[1]
    assert found.distribution == Constant(pytest.approx(seconds))
    assert found.parameter == "TcpMaxDataRetransmissions"


@pytest.mark.parametrize(
    ("retries", "initial_rtt_ms", "seconds"),
    [(2, 3000, 21.0), (1, 3000, 9.0), (0, 3000, 3.0), (2, 5000, 35.0)],
)
def test_windows_tries_a_silent_server_exactly_so_long(
    retries: int, initial_rtt_ms: int, seconds: float
) -> None:
    stack = WindowsStack(connect_retransmissions=retries, initial_rtt=initial_rtt_ms * MILLISECOND)
    plant = stacked("C", NetworkProtocol.WINDOWS, windows=stack)
    tried = alarm(plant, "server-silent").stages[3]
    assert tried.parameter == "TcpMaxConnectRetransmissions"
    assert tried.distribution == Constant(pytest.approx(seconds))


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
