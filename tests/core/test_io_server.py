"""Playbooks of an I/O server with two units. S = 2 s, H = 5 s, τ = 1 s, watch ticks every 30 s."""

from __future__ import annotations

from dataclasses import replace

import pytest

from changeover.core import io_server
from changeover.core.io_server import IoServer
from changeover.core.machine import Accepted, Closed, DeviceAnswered, DeviceClosed, DeviceConnected, Start
from changeover.core.messages import Hello, Probe, ReadRequest, WriteRequest
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.policy import Family
from core.playbook import Blocks, Dice, Playbook
from plants import timing_for, two_server_plant

U, V = "IOServer1.PLC1@1", "IOServer1.PLC2@1"
R = 250 * MILLISECOND


def a_server(family: Family | str = Family.C, *hide: str, **timing: float) -> tuple[IoServer, Playbook]:
    """A started server whose two units are online; session 1 is the client HMI1."""
    fields = {"send_timeout": 2000, "heartbeat": 5000, **timing}
    plant = two_server_plant(family, timing=timing_for(family, **fields), devices=2)
    server = IoServer(
        "IOServer1", plant.units_of("IOServer1"), plant.policy, plant.timing, Blocks(), Dice(0.98)
    )
    play = Playbook(server, *hide)
    play(0, Start(), f"connect {U}", f"connect {V}")
    for n, unit in enumerate((U, V), start=1):
        play(1, DeviceConnected(unit), f"{unit} #{n} probe")
        play(1, DeviceAnswered(unit, n), f"note unit-online {unit}")
    greet(play, 2, 1, "HMI1")
    return server, play


def greet(play: Playbook, at_ms: float, session: int, name: str, states: str = "") -> None:
    play(at_ms, Accepted(session))
    welcome = f"{session}: Welcome IOServer1 {states or f'{U}=online {V}=online'}"
    play(at_ms, play.says(session, Hello(name)), f"{session}: ack", welcome)
    play(at_ms + 1, play.says(session, None))


# --- reads ---


def test_a_read_is_answered_when_the_device_has_answered_and_the_answer_acknowledges_it() -> None:
    _, play = a_server()
    play(10, play.says(1, ReadRequest(1, U, R, ("x", "y"))), f"{U} #3 x", f"{U} #4 y")
    play(11, DeviceAnswered(U, 3))
    play(12, DeviceAnswered(U, 4), f"1: Answer 1 {U} with all")
    play(13, play.says(1, None))
    play(260, play.says(1, ReadRequest(2, U, R)), f"{U} #5 x", f"{U} #6 y")
    play(261, DeviceAnswered(U, 5))
    play(262, DeviceAnswered(U, 6), f"1: Answer 2 {U} with changes")


def test_a_slow_device_does_not_hold_back_the_acknowledgement() -> None:
    _, play = a_server()
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play.wait(30, "1: ack")
    play(600, DeviceAnswered(U, 3), f"1: Answer 1 {U} with all")


def test_equal_reads_of_two_clients_are_one_read_and_two_answers() -> None:
    _, play = a_server()
    greet(play, 5, 2, "HMI2")
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play(11, play.says(2, ReadRequest(1, U, R, ("x",))))
    play(12, DeviceAnswered(U, 3), f"1: Answer 1 {U} with all", f"2: Answer 1 {U} with all")


def test_nothing_is_read_that_nobody_asks_for() -> None:
    _, play = a_server(Family.C)
    play.wait(29_000)


def test_a_client_that_is_gone_gets_no_answer_and_the_others_do() -> None:
    _, play = a_server()
    greet(play, 5, 2, "HMI2")
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play(11, play.says(2, ReadRequest(1, U, R, ("x",))))
    play(12, Closed(1))
    play(13, DeviceAnswered(U, 3), f"2: Answer 1 {U} with all")


def test_a_read_without_a_tag_list_or_of_a_strange_unit_fails_at_once() -> None:
    _, play = a_server()
    play(10, play.says(1, ReadRequest(1, U, R)), f"1: Answer 1 {U} failed: no tag list was given")
    play(20, play.says(1, ReadRequest(2, "X", R, ("x",))), "1: Answer 2 X failed: no such unit here")


def test_a_session_may_have_only_so_many_requests_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(io_server, "PENDING_MAX", 2)
    _, play = a_server(Family.C, "1: ack")
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play(11, play.says(1, ReadRequest(2, U, R)))
    full = "too many pending requests on this session"
    play(12, play.says(1, ReadRequest(3, U, R)), f"1: Answer 3 {U} failed: {full}")
    play(13, play.says(1, WriteRequest(9, U, "x", 1.0)), f"1: WriteResult 9 refused: {full}")
    play(14, DeviceAnswered(U, 3), f"1: Answer 1 {U} with all", f"1: Answer 2 {U} with changes")
    play(15, play.says(1, ReadRequest(4, U, R)), f"{U} #4 x")


# --- a unit goes offline: C ---


def test_i1_c_announces_an_offline_unit_and_fails_what_waits_at_once() -> None:
    _, play = a_server(Family.C, "1: ack", "2: ack")
    greet(play, 5, 2, "HMI2")
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play.wait(
        1010,
        f"disconnect {U}",
        f"note unit-offline {U}",
        f"1: UnitState {U}=offline",
        f"2: UnitState {U}=offline",
        f"1: Answer 1 {U} failed: unit offline",
    )
    play(1020, play.says(1, ReadRequest(2, U, R)), f"1: Answer 2 {U} failed: unit offline")


def test_i1_c_announces_a_unit_that_is_back_when_it_has_delivered() -> None:
    _, play = a_server(Family.C)
    play(10, DeviceClosed(U), f"disconnect {U}", f"note unit-offline {U}", f"1: UnitState {U}=offline")
    play(11, play.says(1, None))
    play.wait(29_400, f"connect {U}", f"{V} #3 probe")  # the watch: idle V is probed in the same tick
    play(29_401, DeviceAnswered(V, 3))
    play(29_401, DeviceConnected(U), f"{U} #4 probe")
    play(29_402, DeviceAnswered(U, 4), f"note unit-online {U}", f"1: UnitState {U}=online")


def test_c_has_no_heartbeat() -> None:
    _, play = a_server(Family.C, heartbeat=1000)
    play.wait(20_000)


# --- a unit goes offline: A, B ---


@pytest.mark.parametrize("family", [Family.A, Family.B])
def test_i3_below_5_a_silent_device_is_not_answered_for_and_only_the_heartbeat_tells(family: Family) -> None:
    _, play = a_server(family, "1: ack")
    play(10, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play.wait(1010, f"disconnect {U}", f"note unit-offline {U}")
    play(1020, play.says(1, ReadRequest(2, U, R)))
    play.wait(4900, f"1: Heartbeat {U}=offline {V}=online")
    play(4901, play.says(1, None))
    play.wait(9900, f"1: Heartbeat {U}=offline {V}=online")


@pytest.mark.parametrize("family", [Family.A, Family.B])
def test_i3_heartbeats_leave_every_heart_time_with_a_phase_of_their_own(family: Family) -> None:
    _, play = a_server(family, heartbeat=3000)
    for at in (2940, 5940, 8940):
        play.wait(at, f"1: Heartbeat {U}=online {V}=online")
        play(at + 1, play.says(1, None))


def test_below_5_a_client_still_hears_how_a_unit_that_was_starting_came_out() -> None:
    plant = two_server_plant(Family.A, timing=timing_for(Family.A, heartbeat=5000))
    server = IoServer(
        "IOServer1", plant.units_of("IOServer1"), plant.policy, plant.timing, Blocks(), Dice(0.9)
    )
    play = Playbook(server)
    play(0, Start(), f"connect {U}")
    greet(play, 1, 1, "HMI1", f"{U}=starting")
    play(2, DeviceConnected(U), f"{U} #1 probe")
    play(3, DeviceAnswered(U, 1), f"note unit-online {U}", f"1: UnitState {U}=online")
    play(4, play.says(1, None))
    play(5, DeviceClosed(U), f"disconnect {U}", f"note unit-offline {U}")


# --- writes ---


def test_a_write_is_done_when_the_device_says_so_and_refused_when_it_does_not() -> None:
    _, play = a_server()
    play(10, play.says(1, WriteRequest(7, U, "x", 5.0)), "1: ack", f"{U} #3 write1")
    play(11, DeviceAnswered(U, 3), "1: WriteResult 7 done")
    play(12, play.says(1, WriteRequest(8, U, "x", 5.0)), "1: ack", f"{U} #4 write2")
    play(13, DeviceAnswered(U, 4, "illegal value"), "1: WriteResult 8 refused: illegal value")


def test_a_write_that_cannot_be_made_is_refused_and_nothing_is_sent() -> None:
    _, play = a_server()
    play(10, play.says(1, WriteRequest(7, U, "bad", 5.0)), "1: ack", "1: WriteResult 7 refused: no such tag")
    play(
        11,
        play.says(1, WriteRequest(8, "X", "x", 5.0)),
        "1: ack",
        "1: WriteResult 8 refused: no such unit here",
    )


@pytest.mark.parametrize("family", list(Family))
def test_a_write_to_an_offline_unit_is_refused_in_every_family(family: Family) -> None:
    _, play = a_server(family, "1: ack", "1: UnitState")
    play(10, DeviceClosed(U), f"disconnect {U}", f"note unit-offline {U}")
    play(20, play.says(1, WriteRequest(7, U, "x", 5.0)), "1: WriteResult 7 refused: unit offline")


@pytest.mark.parametrize("family", list(Family))
def test_of_a_write_that_was_sent_to_a_device_that_died_nobody_knows_the_outcome(family: Family) -> None:
    _, play = a_server(family, "1: ack", "1: UnitState")
    play(10, play.says(1, WriteRequest(7, U, "x", 5.0)), f"{U} #3 write1")
    dead = (f"disconnect {U}", f"note unit-offline {U}")
    play.wait(1010, *dead, "1: WriteResult 7 unknown: unit offline")


def test_a_write_that_was_sent_and_then_waits_for_a_second_connection_is_unknown_too() -> None:
    plant = two_server_plant(timing=timing_for("C", send_timeout=2000))
    (unit,) = plant.units_of("IOServer1")
    unit = replace(unit, timing=replace(unit.timing, retry=1))
    play = Playbook(
        IoServer("IOServer1", (unit,), plant.policy, plant.timing, Blocks(), Dice(0.98)), "1: ack"
    )
    play(0, Start(), f"connect {U}")
    play(1, DeviceConnected(U), f"{U} #1 probe")
    play(1, DeviceAnswered(U, 1), f"note unit-online {U}")
    play(2, Accepted(1))
    play(2, play.says(1, Hello("HMI1")), f"1: Welcome IOServer1 {U}=online")
    play(10, play.says(1, WriteRequest(7, U, "x", 5.0)), f"{U} #2 write1")
    play(20, DeviceClosed(U), f"connect {U}")
    play(
        21,
        DeviceClosed(U),
        f"disconnect {U}",
        f"note unit-offline {U}",
        f"1: UnitState {U}=offline",
        "1: WriteResult 7 unknown: unit offline",
    )


def test_a_write_of_which_nothing_was_sent_is_refused() -> None:
    _, play = a_server(Family.C, "1: ack", "1: UnitState")
    play(10, play.says(1, ReadRequest(1, U, R, ("x", "y"))), f"{U} #3 x", f"{U} #4 y")
    play(11, play.says(1, WriteRequest(7, U, "x", 5.0)))
    play.wait(
        1010,
        f"disconnect {U}",
        f"note unit-offline {U}",
        f"1: Answer 1 {U} failed: unit offline",
        "1: WriteResult 7 refused: unit offline",
    )


# --- sessions ---


def test_d1_a_client_that_acknowledges_nothing_is_dropped_after_send_timeout() -> None:
    _, play = a_server(Family.A, heartbeat=5000)
    play.wait(4900, f"1: Heartbeat {U}=online {V}=online")
    play.wait(6900, "close 1")
    play.wait(9900)


def test_a_connection_that_does_not_greet_is_dropped_after_send_timeout() -> None:
    _, play = a_server()
    play(10, Accepted(2))
    play.wait(2010, "close 2")


def test_a_probe_is_acknowledged_and_nothing_else() -> None:
    _, play = a_server()
    play(10, play.says(1, Probe()), "1: ack")


def test_a_client_that_comes_back_lets_offline_units_be_tried_at_once() -> None:
    _, play = a_server(Family.C, "1: UnitState")
    play(10, DeviceClosed(U), f"disconnect {U}", f"note unit-offline {U}")
    play(500, Accepted(2))
    welcome = f"2: Welcome IOServer1 {U}=offline {V}=online"
    play(501, play.says(2, Hello("HMI2")), "2: ack", welcome, f"connect {U}")


def test_who_only_measures_makes_no_unit_be_tried() -> None:
    _, play = a_server(Family.C, "1: UnitState")
    play(10, DeviceClosed(U), f"disconnect {U}", f"note unit-offline {U}")
    play(500, Accepted(2))
    play(501, play.says(2, Hello("HMI2:measure")), "2: ack", f"2: Welcome IOServer1 {U}=offline {V}=online")


# --- sleep ---


def test_d3_a_server_that_slept_for_send_timeout_drops_every_session_and_executes_no_stale_write() -> None:
    _, play = a_server()
    greet(play, 5, 2, "HMI2")
    play.wait(100)
    play.sleep(2200)
    stale = play.says(1, WriteRequest(7, U, "x", 5.0))
    play(2200, stale, "note woke-late IOServer1", "reset listener", "close 1", "close 2")
    play(2200, play.says(2, ReadRequest(1, U, R, ("x",))))
    greet(play, 2300, 3, "HMI1")


def test_a_connection_that_waited_while_the_server_slept_is_closed() -> None:
    _, play = a_server()
    play.wait(100)
    play.sleep(2200)
    play(2200, Accepted(9), "note woke-late IOServer1", "reset listener", "close 1", "close 9")
    play(2201, play.says(9, Hello("HMI1")))


def test_a_server_that_slept_and_is_woken_by_its_own_timer_does_the_same() -> None:
    _, play = a_server()
    play.wait(100)
    play.sleep(2200)
    play.late("note woke-late IOServer1", "reset listener", "close 1")


def test_a_server_that_slept_shortly_keeps_its_sessions_and_blames_no_device() -> None:
    _, play = a_server(Family.C, "1: ack")
    play(100, play.says(1, ReadRequest(1, U, R, ("x",))), f"{U} #3 x")
    play.sleep(1500)
    play.late()
    play(1501, DeviceAnswered(U, 3), f"1: Answer 1 {U} with all")
    play(1600, play.says(1, ReadRequest(2, U, R)), f"{U} #4 x")
    play.wait(
        2600,
        f"disconnect {U}",
        f"note unit-offline {U}",
        f"1: UnitState {U}=offline",
        f"1: Answer 2 {U} failed: unit offline",
    )


def test_a_server_that_runs_is_never_taken_for_one_that_slept() -> None:
    _, play = a_server(Family.C)
    play.wait(29 * SECOND // MILLISECOND)
    play(29_001, play.says(1, Probe()), "1: ack")
