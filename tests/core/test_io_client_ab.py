"""Playbooks of a client in families A and B (I3, I4, I6, T4). See `client_scene` for the numbers.

The families differ in a default only; every scene is played in both.
"""

from __future__ import annotations

import pytest

from changeover.core.machine import Closed, Connected, Start
from changeover.core.messages import Answer
from changeover.model.moment import milliseconds
from changeover.model.policy import Family
from core.client_scene import (
    OFFLINE,
    ONLINE,
    STARTING,
    U1,
    U2,
    WAY1,
    WAY2,
    a_client,
    answered,
    healthy_scan,
    heartbeat,
    news,
    open_way,
    steady,
    welcome,
)
from core.playbook import Playbook

BY_U1 = f"present PLC1 by {U1} {WAY1}"
BY_U2 = f"present PLC1 by {U2} {WAY2}"
TO_U1 = (f"note unit-activated {U1} {WAY1}", BY_U1)
TO_U2 = (f"alarm Stand-by I/O Device activated: {U2}", f"note unit-activated {U2} {WAY2}", BY_U2)
COM = ("note com PLC1", "#COM PLC1")
FAILED1 = (f"note request-timeout {WAY1} PLC1", *COM)
TIMEOUT1 = ("close 1", f"note session-timeout {WAY1}", f"alarm Session Timeout: {WAY1}")
CLOSED1 = (f"note session-closed {WAY1}", f"alarm Session Closed: {WAY1}")
U1_OFFLINE = f"alarm I/O device off-line: {U1}"


@pytest.fixture(params=[Family.A, Family.B], ids=["A", "B"])
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


def probed(play: Playbook, at_ms: float, *sessions: int) -> None:
    """A page scan in which all of these sessions are probed and answer; nothing is asked."""
    play.wait(at_ms, *(f"{n}: Probe" for n in sessions))
    for session in sessions:
        play(at_ms + 1, play.says(session, None))


def asked_in_vain(play: Playbook, at_ms: float, request: int, server_lives: bool) -> None:
    """A page scan in which U1 does not answer; its server acknowledges, or does not."""
    play.wait(at_ms, f"1: Read {request} {U1}", "2: Probe")
    if server_lives:
        play(at_ms + 20, play.says(1, None))
    play(at_ms + 20, play.says(2, None))


# --- I3: server and LAN faults ---


def test_i3_silent_server_t_below_s_fails_after_t_and_goes_at_the_standbys_heartbeat(family: Family) -> None:
    _, play = steady(family, request_timeout=1000)
    asked_in_vain(play, 500, 2, server_lives=False)
    play.wait(1500, "2: Probe", *FAILED1)
    play(1501, play.says(2, None))
    play(2000, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")
    answered(play, 2001, 2, Answer(3, U2), *TO_U2)
    play.wait(2500, f"2: Read 4 {U2}")
    answered(play, 2501, 2, Answer(4, U2), BY_U2)
    play.wait(2700, *TIMEOUT1)


def test_i3_silent_server_s_below_t_fails_after_s_and_shows_com_at_once(family: Family) -> None:
    _, play = steady(family, request_timeout=8000)
    asked_in_vain(play, 500, 2, server_lives=False)
    probed(play, 1500, 2)
    probed(play, 2500, 2)
    play.wait(2700, *TIMEOUT1, *COM)
    probed(play, 3500, 2)
    play(4000, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")
    answered(play, 4001, 2, Answer(3, U2), *TO_U2)


def test_i3_closed_server_fails_at_once_and_still_waits_for_the_heartbeat(family: Family) -> None:
    _, play = steady(family)
    healthy_scan(play, 500, 2)
    play(700, Closed(1), *CLOSED1, *COM)
    probed(play, 1500, 2)
    play(2000, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")
    answered(play, 2001, 2, Answer(3, U2), *TO_U2)


def test_i4_com_lasts_until_the_heartbeats_answer(family: Family) -> None:
    _, play = steady(family, request_timeout=1000)
    asked_in_vain(play, 500, 2, server_lives=False)
    play.wait(1500, "2: Probe", *FAILED1)
    play(1501, play.says(2, None))
    play(1600, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")
    play.wait(2500)  # no second request, no further #COM
    answered(play, 2600, 2, Answer(3, U2), *TO_U2)


def test_a_heartbeat_before_the_failure_moves_nothing(family: Family) -> None:
    _, play = steady(family, request_timeout=1000)
    asked_in_vain(play, 500, 2, server_lives=False)
    play(1400, play.says(2, heartbeat(2)))
    play.wait(1500, "2: Probe", *FAILED1)
    play(1501, play.says(2, None))
    probed(play, 2500, 2)
    play.wait(2700, *TIMEOUT1)
    probed(play, 3500, 2)
    play(4000, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")


# --- I3: device faults ---


def test_i3_p_below_t_the_device_fails_after_t_and_goes_at_its_own_servers_heartbeat(family: Family) -> None:
    _, play = steady(family, request_timeout=2500)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play(
        1700, play.says(1, heartbeat(1, OFFLINE)), U1_OFFLINE
    )  # P is over, T is not: the request still waits
    probed(play, 2500, 1, 2)
    play.wait(3000, *FAILED1)
    play(3100, play.says(2, heartbeat(2)))  # the standby's word does not count
    probed(play, 3500, 1, 2)
    play(4000, play.says(1, heartbeat(1, OFFLINE)), f"2: Read 3 {U2} PLC1")
    answered(play, 4001, 2, Answer(3, U2), *TO_U2)


def test_i3_t_below_p_a_heartbeat_that_says_online_asks_again_there_and_offline_moves(family: Family) -> None:
    _, play = steady(family, request_timeout=1200)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play.wait(1700, *FAILED1)
    play(1800, play.says(1, heartbeat(1)), f"1: Read 3 {U1} PLC1")
    play(1820, play.says(1, None))
    probed(play, 2500, 1, 2)
    probed(play, 3500, 1, 2)
    play(4000, play.says(1, heartbeat(1, OFFLINE)), U1_OFFLINE, f"2: Read 4 {U2} PLC1")
    answered(play, 4001, 2, Answer(4, U2), *TO_U2)


def test_i3_a_device_that_is_back_answers_the_request_of_the_heartbeat(family: Family) -> None:
    _, play = steady(family, request_timeout=1200)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play.wait(1700, *FAILED1)
    play(1800, play.says(1, heartbeat(1)), f"1: Read 3 {U1} PLC1")
    answered(play, 1801, 1, Answer(3, U1), BY_U1)
    play.wait(2500, f"1: Read 4 {U1}", "2: Probe")


def test_a_late_answer_ends_the_failure_without_a_heartbeat(family: Family) -> None:
    _, play = steady(family, request_timeout=1200)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play.wait(1700, *FAILED1)
    answered(play, 1800, 1, Answer(2, U1, waited=milliseconds(1299)), BY_U1)
    play.wait(2500, f"1: Read 3 {U1}", "2: Probe")
    play(2501, play.says(2, heartbeat(2)))


def test_an_answer_that_waited_in_the_network_is_not_shown_but_asked_again(family: Family) -> None:
    """It was answered at once, and is as old as the request."""
    _, play = steady(family, request_timeout=1200)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play.wait(1700, *FAILED1)
    play(1800, play.says(1, Answer(2, U1, waited=milliseconds(1))), f"1: Read 3 {U1} PLC1")
    answered(play, 1802, 1, Answer(3, U1, waited=milliseconds(1)), BY_U1)


def test_a_unit_announced_at_once_is_not_believed_below_5(family: Family) -> None:
    _, play = steady(family)
    play(100, play.says(1, news(U1, OFFLINE)))
    healthy_scan(play, 500, 2)


def test_i8_a_dead_standby_is_never_chosen_and_the_next_heartbeat_with_news_is(family: Family) -> None:
    _, play = steady(family, "alarm", "note")
    play(100, play.says(2, heartbeat(2, OFFLINE)))
    play(200, Closed(1), "#COM PLC1")
    play(400, play.says(2, heartbeat(2, OFFLINE)))
    probed(play, 500, 2)
    play(900, play.says(2, heartbeat(2)), f"2: Read 2 {U2} PLC1")
    answered(play, 901, 2, Answer(2, U2), BY_U2)


# --- I6: return ---


def on_standby(family: Family, **timing: float) -> Playbook:
    """The device of U1 was lost; U2 serves since 4 s."""
    _, play = steady(family, "alarm", "note", request_timeout=1200, **timing)
    asked_in_vain(play, 500, 2, server_lives=True)
    probed(play, 1500, 1, 2)
    play.wait(1700, "#COM PLC1")
    play(1800, play.says(1, heartbeat(1, OFFLINE)), f"2: Read 3 {U2} PLC1")
    answered(play, 1801, 2, Answer(3, U2), BY_U2)
    return play


def standby_scan(play: Playbook, at_ms: float, request: int) -> None:
    play.wait(at_ms, f"2: Read {request} {U2}", "1: Probe")
    play(at_ms + 1, play.says(1, None))
    answered(play, at_ms + 1, 2, Answer(request, U2), BY_U2)


def test_i6_the_return_waits_for_the_heartbeat_and_makes_before_it_breaks(family: Family) -> None:
    play = on_standby(family)
    play(2000, play.says(1, news(U1, ONLINE)))
    standby_scan(play, 2500, 4)
    play(3000, play.says(1, heartbeat(1)), f"1: Read 5 {U1} PLC1")
    play.wait(3500, f"2: Read 6 {U2}")
    answered(play, 3501, 2, Answer(6, U2), BY_U2)
    play(3502, play.says(1, Answer(5, U1)), BY_U1)


def test_i6_the_return_to_a_server_waits_for_its_heartbeat(family: Family) -> None:
    _, play = steady(family, "alarm", "note", client_retry=1000)
    play(100, Closed(1), "#COM PLC1")
    play(200, play.says(2, heartbeat(2)), f"2: Read 2 {U2} PLC1")
    answered(play, 201, 2, Answer(2, U2), BY_U2)
    play.wait(500, f"2: Read 3 {U2}")
    answered(play, 501, 2, Answer(3, U2), BY_U2)
    play.wait(1100, f"open 3 {WAY1}")
    open_way(play, 1101, 3, 1)  # the Welcome says online: not believed
    play(1200, play.says(2, heartbeat(2)))
    play.wait(1500, f"2: Read 4 {U2}", "3: Probe")
    play(1501, play.says(3, None))
    answered(play, 1501, 2, Answer(4, U2), BY_U2)
    play(1600, play.says(3, heartbeat(1, STARTING)))
    play(1700, play.says(3, heartbeat(1)), f"3: Read 5 {U1} PLC1")
    answered(play, 1701, 3, Answer(5, U1), BY_U1)


def test_i6_a_unit_that_goes_again_between_two_heartbeats_is_asked_again_at_the_next(family: Family) -> None:
    """Nobody answers for a silent device: a return that is never answered must not bar all others."""
    play = on_standby(family)
    standby_scan(play, 2500, 4)
    play(3000, play.says(1, heartbeat(1)), f"1: Read 5 {U1} PLC1")
    play(3020, play.says(1, None))
    # The device went silent and came back before the next heartbeat; request 5 died with it.
    for at, request in ((3500, 6), (4500, 7), (5500, 8), (6500, 9), (7500, 10)):
        standby_scan(play, at, request)
    play(8000, play.says(1, heartbeat(1)), f"1: Read 11 {U1} PLC1")
    play(8001, play.says(1, Answer(11, U1)), BY_U1)


# --- losses of everything ---


def test_all_units_lost_then_back(family: Family) -> None:
    _, play = steady(family, "alarm", "note", client_retry=1000)
    play(100, Closed(2))
    play(200, Closed(1), "#COM PLC1")
    play.wait(1100, f"open 3 {WAY2}")
    play.wait(1200, f"open 4 {WAY1}")
    open_way(play, 1300, 3, 2)
    open_way(play, 1310, 4, 1)
    probed(play, 1500, 4, 3)
    play(1600, play.says(3, heartbeat(2)), f"3: Read 2 {U2} PLC1")
    answered(play, 1601, 3, Answer(2, U2), BY_U2)
    play(1700, play.says(4, heartbeat(1)), f"4: Read 3 {U1} PLC1")
    answered(play, 1701, 4, Answer(3, U1), BY_U1)


def single_unit(family: Family) -> Playbook:
    _, play = a_client(family, "alarm", "note", servers=1, client_retry=1000, request_timeout=1200)
    play(0, Start(), f"open 1 {WAY1}")
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    answered(play, 1, 1, Answer(1, U1), BY_U1)
    return play


def test_a_device_of_a_single_unit_recovers_after_server_loss(family: Family) -> None:
    play = single_unit(family)
    play(100, Closed(1), "#COM PLC1")
    play.wait(1100, f"open 2 {WAY1}")
    open_way(play, 1101, 2, 1)
    probed(play, 1500, 2)
    play(2000, play.says(2, heartbeat(1)), f"2: Read 2 {U1} PLC1")
    answered(play, 2001, 2, Answer(2, U1), BY_U1)


def test_a_device_of_a_single_unit_recovers_after_device_loss(family: Family) -> None:
    play = single_unit(family)
    play.wait(500, f"1: Read 2 {U1}")
    play(520, play.says(1, None))
    probed(play, 1500, 1)
    play.wait(1700, "#COM PLC1")
    play(1800, play.says(1, heartbeat(1, OFFLINE)))
    probed(play, 2500, 1)
    play(3000, play.says(1, heartbeat(1)), f"1: Read 3 {U1} PLC1")
    answered(play, 3001, 1, Answer(3, U1), BY_U1)


# --- starting ---


def test_a_client_that_starts_hears_from_the_server_how_its_unit_came_out(family: Family) -> None:
    _, play = a_client(family, "alarm", "note")
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play(20, Connected(1), "1: Hello HMI1")
    play(21, play.says(1, welcome(1, STARTING)))
    play(400, play.says(1, news(U1, ONLINE)), f"1: Read 1 {U1} PLC1")
    answered(play, 401, 1, Answer(1, U1), BY_U1)


# --- I7 ---


def test_i7_a_false_time_out_costs_com_and_the_client_returns_by_itself(family: Family) -> None:
    """IOServer1 was only busy: the session times out, the standby serves, then the primary is back."""
    _, play = steady(family, client_retry=1000)
    asked_in_vain(play, 500, 2, server_lives=False)
    probed(play, 1500, 2)
    probed(play, 2500, 2)
    play.wait(2700, *TIMEOUT1, *COM)
    play(3000, play.says(2, heartbeat(2)), f"2: Read 3 {U2} PLC1")
    answered(play, 3001, 2, Answer(3, U2), *TO_U2)
    play.wait(3500, f"2: Read 4 {U2}")
    answered(play, 3501, 2, Answer(4, U2), BY_U2)
    play.wait(3700, f"open 3 {WAY1}")
    open_way(play, 3701, 3, 1)
    play(3900, play.says(3, heartbeat(1)), f"3: Read 5 {U1} PLC1")
    play(3901, play.says(3, Answer(5, U1)), *TO_U1)


# --- T4 ---


def test_t4_a_lost_lan_goes_at_a_heartbeat_of_either_server_on_the_live_lan(family: Family) -> None:
    _, play = a_client(family, "alarm", "note", lans=2, request_timeout=1200)
    ways = [f"IOServer{server}/LAN_{lan}" for server in (1, 2) for lan in "AB"]
    play(0, Start(), *(f"open {n} {way}" for n, way in enumerate(ways, start=1)))
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    for session, server, lan in ((2, 1, "B"), (3, 2, "A"), (4, 2, "B")):
        open_way(play, 0, session, server, lan=lan)
    answered(play, 1, 1, Answer(1, U1), BY_U1)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe", "3: Probe", "4: Probe")
    for session in (2, 4):
        play(501, play.says(session, None))
    probed(play, 1500, 2, 4)
    play.wait(1700, "#COM PLC1")
    play(1800, play.says(4, heartbeat(2)), f"2: Read 3 {U1} PLC1")
    play(1801, play.says(2, Answer(3, U1)), f"present PLC1 by {U1} IOServer1/LAN_B")
