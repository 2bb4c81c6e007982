"""Playbooks of a client in family C (I1, I2, I5, I6, T4). See `client_scene` for the numbers."""

from __future__ import annotations

from changeover.core.machine import Closed, Connected, ConnectFailed, Start
from changeover.core.messages import Answer, Welcome
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

C = Family.C
BY_U1 = f"present PLC1 by {U1} {WAY1}"
BY_U2 = f"present PLC1 by {U2} {WAY2}"
TO_U1 = (f"note unit-activated {U1} {WAY1}", BY_U1)
TO_U2 = (f"alarm Stand-by I/O Device activated: {U2}", f"note unit-activated {U2} {WAY2}", BY_U2)
TIMEOUT1 = ("close 1", f"note session-timeout {WAY1}", f"alarm Session Timeout: {WAY1}")
CLOSED1 = (f"note session-closed {WAY1}", f"alarm Session Closed: {WAY1}")
U1_OFFLINE = f"alarm I/O device off-line: {U1}"


# --- the steady state ---


def test_a_page_scan_asks_the_primary_and_probes_every_other_session() -> None:
    _, play = steady(C)
    healthy_scan(play, 500, 2)
    healthy_scan(play, 1500, 3)


def test_none_is_asked_while_one_is_pending() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(1, None))
    play(501, play.says(2, None))
    play.wait(1500, "1: Probe", "2: Probe")
    play(1501, play.says(1, None))
    play(1501, play.says(2, None))
    answered(play, 1700, 1, Answer(2, U1), BY_U1)
    play.wait(2500, f"1: Read 3 {U1}", "2: Probe")


def test_an_answer_to_nothing_that_was_asked_is_not_shown() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(1, Answer(1, U1)))
    play(502, play.says(2, Answer(99, U2)))
    play(503, play.says(1, Answer(3, "nobody")))


# --- starting ---


def test_a_client_that_starts_does_not_touch_the_standby_while_the_primary_may_come() -> None:
    _, play = a_client(C)
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play.wait(500, "2: Probe")
    play(501, play.says(2, None))
    play(600, Connected(1), "1: Hello HMI1")
    starting = welcome(1, STARTING)
    play(601, play.says(1, starting), f"note session-opened {WAY1}")
    play(650, play.says(1, news(U1, ONLINE)), f"1: Read 1 {U1} PLC1")
    answered(play, 651, 1, Answer(1, U1), *TO_U1)


def test_a_client_that_starts_takes_the_standby_as_soon_as_the_primary_is_out_of_question() -> None:
    _, play = a_client(C)
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play(20, ConnectFailed(1), f"2: Read 1 {U2} PLC1")
    answered(play, 21, 2, Answer(1, U2), f"note unit-activated {U2} {WAY2}", BY_U2)


def test_a_client_that_starts_waits_for_a_silent_primary_no_longer_than_one_attempt() -> None:
    _, play = a_client(C)
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play.wait(500, "2: Probe")
    play(501, play.says(2, None))
    play.wait(1500, "2: Probe")
    play(1501, play.says(2, None))
    play.wait(2200, "close 1", f"2: Read 1 {U2} PLC1")


def test_a_client_that_starts_takes_the_standby_when_the_primary_unit_comes_out_offline() -> None:
    _, play = a_client(C)
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play(20, Connected(1), "1: Hello HMI1")
    play(21, play.says(1, welcome(1, STARTING)), f"note session-opened {WAY1}")
    play(400, play.says(1, news(U1, OFFLINE)), f"2: Read 1 {U2} PLC1")


# --- I1: server faults ---


def test_i1_silent_server_all_is_asked_again_at_once_when_send_timeout_is_over() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play.wait(1500, "2: Probe")
    play(1501, play.says(2, None))
    play.wait(2500, "2: Probe")
    play(2501, play.says(2, None))
    play.wait(2700, *TIMEOUT1, f"2: Read 3 {U2} PLC1")
    answered(play, 2701, 2, Answer(3, U2), *TO_U2)
    play.wait(3500, f"2: Read 4 {U2}")


def test_i1_a_client_never_waits_for_the_next_page_scan_even_with_nothing_pending() -> None:
    _, play = steady(C)
    healthy_scan(play, 500, 2)
    play(700, Closed(1), *CLOSED1, f"2: Read 3 {U2} PLC1")
    answered(play, 701, 2, Answer(3, U2), *TO_U2)


def test_i1_closed_server_with_a_request_pending() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play(600, Closed(1), *CLOSED1, f"2: Read 3 {U2} PLC1")
    answered(play, 601, 2, Answer(3, U2), *TO_U2)


def test_d4_d1_a_standby_server_that_is_lost_changes_nothing_for_the_tags() -> None:
    _, play = steady(C)
    play(100, Closed(2), f"note session-closed {WAY2}", f"alarm Session Closed: {WAY2}")
    healthy_scan(play, 500, 2, probes=())


# --- I1: device faults ---


def test_i1_offline_unit_the_announcement_moves_the_tags_at_once() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play(502, play.says(1, None))
    play(1400, play.says(1, news(U1, OFFLINE)), U1_OFFLINE, f"2: Read 3 {U2} PLC1")
    play(1401, play.says(1, Answer(2, U1, "unit offline")))
    answered(play, 1402, 2, Answer(3, U2), *TO_U2)


def test_i1_a_failure_that_comes_before_the_announcement_would_not_lose_the_request() -> None:
    _, play = steady(C)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play(
        502,
        play.says(1, Answer(2, U1, "too many pending requests on this session")),
        "note com PLC1",
        "#COM PLC1",
    )
    play.wait(1500, f"1: Read 3 {U1} PLC1", "2: Probe")
    answered(play, 1501, 1, Answer(3, U1), BY_U1)


def test_i8_a_dead_standby_is_never_chosen() -> None:
    _, play = steady(C, "alarm", "note")
    play(100, play.says(2, news(U2, OFFLINE)))
    play(200, play.says(1, news(U1, OFFLINE)), "#COM PLC1")
    play.wait(500, "1: Probe", "2: Probe")
    play(501, play.says(1, None))
    play(501, play.says(2, None))
    play(600, play.says(2, news(U2, ONLINE)), f"2: Read 2 {U2} PLC1")


# --- I2 ---


def test_i2_com_after_request_timeout_counted_from_the_original_request() -> None:
    _, play = steady(C, request_timeout=1500)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play(502, play.says(1, None))
    play.wait(1500, "1: Probe", "2: Probe")
    play(1501, play.says(1, None))
    play(1501, play.says(2, None))
    play(1900, play.says(1, news(U1, OFFLINE)), U1_OFFLINE, f"2: Read 3 {U2} PLC1")
    play.wait(2000, "note com PLC1", "#COM PLC1")
    answered(play, 2100, 2, Answer(3, U2), *TO_U2)


def test_i2_no_com_when_detection_is_quicker_than_the_request_timeout() -> None:
    _, play = steady(C, request_timeout=3000)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play.wait(1500, "2: Probe")
    play(1501, play.says(2, None))
    play.wait(2500, "2: Probe")
    play(2501, play.says(2, None))
    play.wait(2700, *TIMEOUT1, f"2: Read 3 {U2} PLC1")
    answered(play, 2701, 2, Answer(3, U2), *TO_U2)
    play.wait(3500, f"2: Read 4 {U2}")
    answered(play, 3501, 2, Answer(4, U2), BY_U2)


def test_i2_in_c_a_late_answer_ends_com_without_a_changeover() -> None:
    _, play = steady(C, request_timeout=700)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play(502, play.says(1, None))
    play.wait(1200, "note com PLC1", "#COM PLC1")
    answered(play, 1300, 1, Answer(2, U1, waited=milliseconds(799)), BY_U1)
    play.wait(1500, f"1: Read 3 {U1}", "2: Probe")


def test_an_answer_that_waited_in_the_network_is_not_shown_but_asked_again() -> None:
    """The LAN was silent for a while, and then delivered what was as old as that."""
    _, play = steady(C, request_timeout=700)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    play(501, play.says(2, None))
    play.wait(1200, "note com PLC1", "#COM PLC1")
    play(1300, play.says(1, Answer(2, U1, waited=milliseconds(1))), f"1: Read 3 {U1} PLC1")
    answered(play, 1302, 1, Answer(3, U1, waited=milliseconds(1)), BY_U1)


def test_i5_heartbeats_decide_nothing_in_c() -> None:
    _, play = steady(C)
    play(100, play.says(2, heartbeat(2)))
    healthy_scan(play, 500, 2)


# --- all lost, and back ---


def test_all_units_lost_shows_com_and_the_first_that_is_back_serves() -> None:
    _, play = steady(C, "alarm", "note", client_retry=1000)
    play(100, Closed(2))
    play(200, Closed(1), "#COM PLC1")
    play.wait(1100, f"open 3 {WAY2}")
    play.wait(1200, f"open 4 {WAY1}")
    play(1300, Connected(3), "3: Hello HMI1")
    play(1301, play.says(3, welcome(2)), f"3: Read 2 {U2} PLC1")
    answered(play, 1302, 3, Answer(2, U2), BY_U2)
    play(1310, Connected(4), "4: Hello HMI1")
    play(1311, play.says(4, welcome(1)), f"4: Read 3 {U1} PLC1")
    answered(play, 1312, 4, Answer(3, U1), BY_U1)


def test_a_device_of_a_single_unit_recovers_after_server_loss() -> None:
    _, play = a_client(C, "alarm", "note", servers=1, client_retry=1000)
    play(0, Start(), f"open 1 {WAY1}")
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    answered(play, 1, 1, Answer(1, U1), BY_U1)
    play(100, Closed(1), "#COM PLC1")
    play.wait(1100, f"open 2 {WAY1}")
    open_way(play, 1101, 2, 1, f"2: Read 2 {U1} PLC1")
    answered(play, 1102, 2, Answer(2, U1), BY_U1)


def test_a_device_of_a_single_unit_recovers_after_device_loss() -> None:
    _, play = a_client(C, "alarm", "note", servers=1)
    play(0, Start(), f"open 1 {WAY1}")
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    answered(play, 1, 1, Answer(1, U1), BY_U1)
    play(100, play.says(1, news(U1, OFFLINE)), "#COM PLC1")
    play.wait(500, "1: Probe")
    play(501, play.says(1, None))
    play(900, play.says(1, news(U1, ONLINE)), f"1: Read 2 {U1} PLC1")
    answered(play, 901, 1, Answer(2, U1), BY_U1)


def test_a_unit_offline_while_the_link_to_its_standby_is_under_suspicion_is_taken_when_that_is_over() -> None:
    """The standby's server was away for a moment when the device died: it answers again, so it must serve."""
    _, play = steady(C, "alarm", "note", request_timeout=8000)
    play.wait(500, f"1: Read 2 {U1}", "2: Probe")
    answered(play, 501, 1, Answer(2, U1), BY_U1)
    play.wait(1500, f"1: Read 3 {U1}")
    play(1501, play.says(1, None))
    play(1700, play.says(1, news(U1, OFFLINE)), "#COM PLC1")  # 1.2 s without a sign of IOServer2
    play(1800, play.says(2, None))
    lines = reads_until(play, 4000)
    assert f"2: Read 4 {U2} PLC1" in lines, "IOServer2 is alive and its unit online, but nobody asks it"


def test_news_that_comes_while_its_link_is_under_suspicion_leads_back_when_that_is_over() -> None:
    """The LAN was silent for less than SendTimeout while the primary's device came back."""
    _, play = steady(C, "alarm", "note")
    play(100, play.says(1, news(U1, OFFLINE)), f"2: Read 2 {U2} PLC1")
    answered(play, 101, 2, Answer(2, U2), BY_U2)
    play.wait(500, f"2: Read 3 {U2}", "1: Probe")
    play.wait(1500)
    play(1700, play.says(1, news(U1, ONLINE), ack=2))  # sent before the probe of 500 ms had arrived
    play(1701, play.says(1, None))
    play(1701, play.says(2, Answer(3, U2)), BY_U2)
    lines = reads_until(play, 4000)
    assert any(line.startswith("1: Read") for line in lines), (
        "U1 is online and its link alive, but nobody returns"
    )


def reads_until(play: object, to_ms: int) -> list[str]:
    """Whatever goes out until an instant, every frame acknowledged at once."""
    lines: list[str] = []
    client = play.machine
    while (deadline := client.next_deadline()) is not None and deadline <= to_ms * 1_000_000:
        lines += play._timers_at(deadline)
        for session in (1, 2):
            lines += play._told(client.handle(play.says(session, None), play.now))
    return lines


# --- I6: return ---


def on_standby_after_device_loss() -> object:
    _, play = steady(C)
    play(100, play.says(1, news(U1, OFFLINE)), U1_OFFLINE, f"2: Read 2 {U2} PLC1")
    answered(play, 101, 2, Answer(2, U2), *TO_U2)
    return play


def test_i6_the_return_makes_before_it_breaks() -> None:
    play = on_standby_after_device_loss()
    play(400, play.says(1, news(U1, ONLINE)), f"1: Read 3 {U1} PLC1")
    play.wait(500, f"2: Read 4 {U2}")
    answered(play, 501, 2, Answer(4, U2), BY_U2)
    play(502, play.says(1, Answer(3, U1)), *TO_U1)
    play.wait(1500, f"1: Read 5 {U1}", "2: Probe")


def test_i6_never_before_the_unit_has_delivered_valid_data() -> None:
    play = on_standby_after_device_loss()
    play(400, play.says(1, news(U1, ONLINE)), f"1: Read 3 {U1} PLC1")
    play(410, play.says(1, news(U1, OFFLINE)), U1_OFFLINE)
    play(411, play.says(1, Answer(3, U1, "unit offline")))
    play.wait(500, f"2: Read 4 {U2}", "1: Probe")
    answered(play, 501, 2, Answer(4, U2), BY_U2)
    play(502, play.says(1, None))
    play(900, play.says(1, news(U1, ONLINE)), f"1: Read 5 {U1} PLC1")
    play(901, play.says(1, Answer(5, U1)), *TO_U1)


def test_i6_a_server_that_is_back_is_returned_to_when_its_unit_has_come_online() -> None:
    _, play = steady(C, "alarm", "note", client_retry=1000)
    play(100, Closed(1), f"2: Read 2 {U2} PLC1")
    answered(play, 101, 2, Answer(2, U2), BY_U2)
    play.wait(500, f"2: Read 3 {U2}")
    answered(play, 501, 2, Answer(3, U2), BY_U2)
    play.wait(1100, f"open 3 {WAY1}")
    play(1101, Connected(3), "3: Hello HMI1")
    play(1102, play.says(3, welcome(1, STARTING)))
    play(1150, play.says(3, news(U1, ONLINE)), f"3: Read 4 {U1} PLC1")
    answered(play, 1151, 3, Answer(4, U1), BY_U1)


def test_i6_the_standby_fails_while_the_return_is_under_way() -> None:
    play = on_standby_after_device_loss()
    play(400, play.says(1, news(U1, ONLINE)), f"1: Read 3 {U1} PLC1")
    lost = (f"note session-closed {WAY2}", f"alarm Session Closed: {WAY2}")
    play(410, Closed(2), *lost, f"1: Read 4 {U1} PLC1")
    play(411, play.says(1, Answer(4, U1)), *TO_U1)


def test_i6_the_link_of_the_returning_request_is_lost_and_the_next_news_returns() -> None:
    _, play = steady(C, "alarm", "note", client_retry=1000)
    play(100, play.says(1, news(U1, OFFLINE)), f"2: Read 2 {U2} PLC1")
    answered(play, 101, 2, Answer(2, U2), BY_U2)
    play(400, play.says(1, news(U1, ONLINE)), f"1: Read 3 {U1} PLC1")
    play(410, Closed(1))
    play.wait(500, f"2: Read 4 {U2}")
    answered(play, 501, 2, Answer(4, U2), BY_U2)
    play.wait(1410, f"open 3 {WAY1}")
    open_way(play, 1411, 3, 1, f"3: Read 5 {U1} PLC1")
    answered(play, 1412, 3, Answer(5, U1), BY_U1)


# --- T4: two LANs. Sessions 1, 2 are IOServer1 on LAN_A, LAN_B; 3, 4 IOServer2 ---

U1_B = f"present PLC1 by {U1} IOServer1/LAN_B"


def two_lans(**timing: float) -> object:
    _, play = a_client(C, "alarm", "note", lans=2, **timing)
    ways = [f"IOServer{server}/LAN_{lan}" for server in (1, 2) for lan in "AB"]
    play(0, Start(), *(f"open {n} {way}" for n, way in enumerate(ways, start=1)))
    open_way(play, 0, 1, 1, f"1: Read 1 {U1} PLC1")
    for session, server in ((2, 1), (3, 2), (4, 2)):
        open_way(play, 0, session, server)
    answered(play, 1, 1, Answer(1, U1), BY_U1)
    return play


def scan_two_lans(play: object, at_ms: int, request: int, alive: tuple[int, ...]) -> None:
    probes = (f"{n}: Probe" for n in (2, 3, 4))
    play.wait(at_ms, f"1: Read {request} {U1}", *probes)
    for session in alive:
        play(at_ms + 1, play.says(session, None))


def test_t4_a_lost_lan_moves_to_the_same_server_on_the_other_lan() -> None:
    play = two_lans()
    scan_two_lans(play, 500, 2, alive=(2, 4))
    for at in (1500, 2500):
        play.wait(at, "2: Probe", "4: Probe")
        play(at + 1, play.says(2, None))
        play(at + 1, play.says(4, None))
    play.wait(2700, "close 3", "close 1", f"2: Read 3 {U1} PLC1")
    play(2701, play.says(2, Answer(3, U1)), U1_B)


def test_t4_a_silent_server_loses_all_its_sessions_together_and_costs_one_changeover() -> None:
    play = two_lans()
    scan_two_lans(play, 500, 2, alive=(3, 4))
    for at in (1500, 2500):
        play.wait(at, "3: Probe", "4: Probe")
        play(at + 1, play.says(3, None))
        play(at + 1, play.says(4, None))
    play.wait(2700, "close 2", "close 1", f"3: Read 3 {U2} PLC1")
    play(2701, play.says(3, Answer(3, U2)), BY_U2)


def test_t4_a_closed_session_moves_to_the_other_lan_at_once() -> None:
    play = two_lans()
    play(100, Closed(1), f"2: Read 2 {U1} PLC1")
    play(101, play.says(2, Answer(2, U1)), U1_B)


def test_t4_an_offline_unit_is_heard_on_both_lans_and_moves_the_tags_once() -> None:
    play = two_lans()
    play(100, play.says(1, news(U1, OFFLINE)), f"3: Read 2 {U2} PLC1")
    play(100, play.says(2, news(U1, OFFLINE)))
    play(101, play.says(3, Answer(2, U2)), BY_U2)


def test_a_welcome_that_comes_twice_or_a_strange_unit_is_nothing() -> None:
    _, play = steady(C)
    play(100, play.says(1, Welcome("IOServer1", ((U1, OFFLINE),))))
    play(101, play.says(1, news("stranger", OFFLINE)))
    healthy_scan(play, 500, 2)


def test_a_unit_that_its_own_server_does_not_know_does_not_hold_back_the_standby() -> None:
    """The server's plant is an older one than the client's: it will never have news of U1."""
    _, play = a_client(C, "alarm", "note")
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY2}")
    open_way(play, 10, 2, 2)
    play(20, Connected(1), "1: Hello HMI1")
    play(21, play.says(1, Welcome("IOServer1", ())), f"2: Read 1 {U2} PLC1")
