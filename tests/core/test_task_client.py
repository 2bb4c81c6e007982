"""Playbooks of a client of alarm servers: what it asks, of whom, and what becomes of it after a loss.

R = 1 s (page scans at 500, 1500, … ms), S = 2 s, W = 2 s. Watch timers tick at 200 ms (and every 2 s from
there) for Alarm1/LAN_A and at 400 ms for Alarm2/LAN_A.
"""

from __future__ import annotations

from changeover.core.alarm_records import AlarmAction, AlarmEvent
from changeover.core.machine import (
    ActOnAlarms,
    AskServer,
    Closed,
    Connected,
    ConnectFailed,
    GiveUp,
    Start,
)
from changeover.core.messages import Message, Welcome
from changeover.core.task_client import TaskClient
from changeover.core.task_messages import CommandResult, Found, News
from changeover.model.moment import SECOND
from changeover.model.plant import Way
from changeover.model.server import Function
from core.playbook import Dice, Playbook
from plants import timing_for

WAY1, WAY2 = "Alarm1/LAN_A", "Alarm2/LAN_A"


def a_client(
    *hide: str,
    priority: tuple[int, int] = (1, 1),
    function: Function = Function.ALARM,
    acquainted: bool = False,
) -> tuple[TaskClient, Playbook]:
    """A client that has not started; its sessions to other servers have their own tests."""
    client = TaskClient(
        "HMI1",
        function,
        (Way("Alarm1", "LAN_A"), Way("Alarm2", "LAN_A")),
        {"Alarm1": priority[0], "Alarm2": priority[1]},
        SECOND,
        timing_for("C", send_timeout=2000, watch=2000, client_retry=5000),
        Dice(0.5, 0.1, 0.2),
    )
    if not acquainted:
        client._others.links.clear()
    return client, Playbook(client, *(f"{n}: ack" for n in range(1, 30)), *hide)


def opened(play: Playbook, at_ms: float, session: int, poll: int) -> None:
    """A connection stands, is greeted and welcomed, and the poll is sent; all within one millisecond."""
    play(at_ms, Connected(session), f"{session}: Hello HMI1")
    play(at_ms, play.says(session, Welcome("a server", ())), f"{session}: Poll {poll} since 0")


def found(
    play: Playbook, at_ms: float, session: int, poll: int, way: str, *then: str, left: tuple[str, ...] = ()
) -> None:
    """A server is found, all within one millisecond; `left` is what becomes of the one before."""
    opened(play, at_ms, session, poll)
    news = News(poll, 7, True, True)
    noted = (f"note server-found {way} alarm", *then, f"show News {poll} rev 7 active full")
    play(at_ms, play.says(session, news), *left, *noted)
    play(at_ms, play.says(session, None))


def served(*hide: str, priority: tuple[int, int] = (1, 1)) -> tuple[TaskClient, Playbook]:
    """A client that Alarm1 serves since 1 ms, session 1; poll 1 is answered."""
    client, play = a_client(*hide, priority=priority)
    play(0, Start(), f"open 1 {WAY1}")
    found(play, 1, 1, 1, WAY1)
    return client, play


def changed_over(play: Playbook, *then: str, poll: int = 2) -> None:
    """Alarm1 was closed before its tick and refuses; Alarm2 serves from 2401 ms on, session 3."""
    play.wait(2200, f"open 2 {WAY1}")
    play(2201, ConnectFailed(2))
    play.wait(2400, f"open 3 {WAY2}")
    found(play, 2401, 3, poll, WAY2, *then)


LOST = (f"note session-closed {WAY1} alarm", f"alarm Session Closed: {WAY1}")


def answered(play: Playbook, at_ms: float, session: int, message: Message, *expected: str) -> None:
    """A server says something and hears the acknowledgement."""
    play(at_ms, play.says(session, message), *expected)
    play(at_ms, play.says(session, None))


def acknowledge(command: int, identity: str = "a1") -> ActOnAlarms:
    """An operator acknowledges PUMP1."""
    return ActOnAlarms(
        command, AlarmAction(identity, AlarmEvent.ACKNOWLEDGED, 0, "bob", "HMI1", tags=("PUMP1",))
    )


# --- polls ---


def test_the_first_poll_goes_out_with_the_welcome_and_its_answer_finds_the_server() -> None:
    _, play = a_client()
    play(0, Start(), f"open 1 {WAY1}")
    opened(play, 1, 1, 1)
    news = play.says(1, News(1, 7, True, True))
    play(400, news, f"note server-found {WAY1} alarm", "show News 1 rev 7 active full")


def test_the_trace_names_the_function() -> None:
    _, play = a_client(function=Function.TREND)
    play(0, Start(), f"open 1 {WAY1}")
    opened(play, 1, 1, 1)
    play(2, play.says(1, News(1, 7, False)), f"note server-found {WAY1} trend", "show News 1 rev 7")
    play(3, Closed(1), f"note session-closed {WAY1} trend", f"alarm Session Closed: {WAY1}")


def test_a_poll_goes_out_with_each_page_scan_from_the_revision_that_the_last_one_told() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    answered(play, 501, 1, News(2, 9, True), "show News 2 rev 9 active")
    play.wait(1500, "1: Poll 3 since 9")
    answered(play, 1501, 1, News(3, 9, True), "show News 3 rev 9 active")
    play.wait(2500, "1: Poll 4 since 9")


def test_no_poll_goes_out_while_one_is_pending_and_nothing_while_that_is_unacknowledged() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    play.wait(2499)
    play.wait(2500, "close 1", f"note session-timeout {WAY1} alarm", f"alarm Session Timeout: {WAY1}")


def test_d4_a_probe_goes_out_instead_of_a_poll_while_an_acknowledged_one_is_pending() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    play(501, play.says(1, None))
    play.wait(1500, "1: Probe")
    play(1501, play.says(1, None))
    play.wait(2500, "1: Probe")
    play.wait(4500, "close 1", f"note session-timeout {WAY1} alarm", f"alarm Session Timeout: {WAY1}")


def test_a_late_answer_ends_the_probes() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    play(501, play.says(1, None))
    play.wait(1500, "1: Probe")
    answered(play, 1600, 1, News(2, 8, True), "show News 2 rev 8 active")
    play.wait(2500, "1: Poll 3 since 8")


def test_an_answer_to_nothing_that_was_asked_is_ignored() -> None:
    _, play = served()
    play(100, play.says(1, News(1, 99, True)))
    play(100, play.says(1, News(77, 99, True)))
    play(100, play.says(1, Found(77, "", b"x")))
    play(100, play.says(1, CommandResult(77, "")))
    play(100, play.says(1, Welcome("Alarm1", ())))
    play.wait(500, "1: Poll 2 since 7")


def test_nothing_is_polled_while_no_server_is_found() -> None:
    _, play = a_client()
    play(0, Start(), f"open 1 {WAY1}")
    play(1, ConnectFailed(1), f"open 2 {WAY2}")
    play.wait(2001, "close 2")
    play.wait(2200, f"open 3 {WAY1}")


# --- a loss ---


def test_t1_a_silent_server_is_given_up_send_timeout_after_the_poll_and_the_other_one_is_found() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    play.wait(2500, "close 1", f"note session-timeout {WAY1} alarm", f"alarm Session Timeout: {WAY1}")
    play.wait(4200, f"open 2 {WAY1}")
    play.wait(6200, "close 2")
    play.wait(6400, f"open 3 {WAY2}")
    found(play, 6401, 3, 3, WAY2)
    play.wait(6500, "3: Poll 4 since 7")


def test_what_another_server_called_a_revision_is_not_told_to_this_one() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    answered(play, 501, 1, News(2, 100, True), "show News 2 rev 100 active")
    play(600, Closed(1), *LOST)
    changed_over(play, poll=3)
    play.wait(2500, "3: Poll 4 since 7")


def test_a_server_that_comes_back_is_asked_for_everything() -> None:
    _, play = served()
    play(400, Closed(1), *LOST)
    play.wait(2200, f"open 2 {WAY1}")
    found(play, 2201, 2, 2, WAY1)


def test_a_poll_that_the_lost_server_never_answered_does_not_hold_back_the_next_one() -> None:
    _, play = served()
    play.wait(500, "1: Poll 2 since 7")
    play(501, play.says(1, None))
    play(600, Closed(1), *LOST)
    changed_over(play, poll=3)
    play.wait(2500, "3: Poll 4 since 7")


# --- questions ---


def test_a_question_is_asked_at_once_and_ends_with_its_answer() -> None:
    _, play = served()
    play(10, AskServer(1, b"raw"), "1: Query 2 raw")
    play(11, AskServer(2, b"max"), "1: Query 3 max")
    answered(play, 12, 1, Found(3, "", b"9"), "question 2 9")
    answered(play, 13, 1, Found(2, "no such tag", b""), "question 1: no such tag")
    play.wait(500, "1: Poll 4 since 7")


def test_a_question_waits_until_a_server_is_found() -> None:
    _, play = a_client()
    play(0, Start(), f"open 1 {WAY1}")
    play(0, AskServer(1, b"raw"))
    found(play, 1, 1, 1, WAY1, "1: Query 2 raw")
    answered(play, 3, 1, Found(2, "", b"5"), "question 1 5")


def test_questions_under_way_to_a_lost_server_are_asked_again_of_the_next_in_their_order() -> None:
    _, play = served()
    play(10, AskServer(1, b"raw"), "1: Query 2 raw")
    play(11, AskServer(2, b"max"), "1: Query 3 max")
    play(12, play.says(1, None))
    play.wait(500, "1: Poll 4 since 7")
    play(600, Closed(1), *LOST)
    play(700, AskServer(3, b"min"))
    changed_over(play, "3: Query 6 raw", "3: Query 7 max", "3: Query 8 min", poll=5)
    answered(play, 2402, 3, Found(7, "", b"9"), "question 2 9")
    answered(play, 2403, 3, Found(6, "", b"1"), "question 1 1")


def test_an_answered_question_is_not_asked_again() -> None:
    _, play = served()
    play(10, AskServer(1, b"raw"), "1: Query 2 raw")
    answered(play, 11, 1, Found(2, "", b"5"), "question 1 5")
    answered(play, 12, 1, Found(2, "", b"6"))
    play.wait(500, "1: Poll 3 since 7")
    play(600, Closed(1), *LOST)
    changed_over(play, poll=4)


def test_a_question_that_nobody_waits_for_ends_without_an_answer_and_is_forgotten() -> None:
    _, play = served()
    play(10, AskServer(1, b"raw"), "1: Query 2 raw")
    play(11, GiveUp(1), "question 1: no alarm server answered")
    answered(play, 12, 1, Found(2, "", b"5"))
    play(13, GiveUp(1))
    play.wait(500, "1: Poll 3 since 7")
    play(600, Closed(1), *LOST)
    changed_over(play, poll=4)


# --- actions ---


def test_an_action_ends_as_done_or_refused_as_the_server_says() -> None:
    _, play = served()
    play(10, acknowledge(1), "1: Command 2 a1")
    play(11, acknowledge(2, "a2"), "1: Command 3 a2")
    answered(play, 12, 1, CommandResult(2, ""), "command 1 done")
    answered(play, 13, 1, CommandResult(3, "no such alarm"), "command 2 refused: no such alarm")


def test_an_action_of_which_a_lost_server_said_nothing_goes_to_the_next_and_is_done_there() -> None:
    _, play = served()
    play(10, acknowledge(1), "1: Command 2 a1")
    play(11, play.says(1, None))
    play.wait(500, "1: Poll 3 since 7")
    play(600, Closed(1), *LOST)
    changed_over(play, "3: Command 5 a1", poll=4)
    answered(play, 2402, 3, CommandResult(5, ""), "command 1 done")


def test_an_action_that_the_second_server_refuses_after_the_first_was_lost_is_unknown() -> None:
    _, play = served()
    play(10, acknowledge(1), "1: Command 2 a1")
    play(400, Closed(1), *LOST)
    changed_over(play, "3: Command 4 a1", poll=3)
    answered(
        play,
        2402,
        3,
        CommandResult(4, "nothing to acknowledge"),
        "command 1 unknown: it was sent to a server that is lost; then: nothing to acknowledge",
    )


def test_an_action_that_was_given_while_no_server_was_there_and_is_then_refused_is_refused() -> None:
    _, play = served()
    play(400, Closed(1), *LOST)
    play(700, acknowledge(1))
    changed_over(play, "3: Command 3 a1")
    answered(play, 2402, 3, CommandResult(3, "disabled"), "command 1 refused: disabled")


def test_given_up_an_action_that_was_never_sent_is_refused() -> None:
    _, play = served()
    play(400, Closed(1), *LOST)
    play(700, acknowledge(1))
    play(900, GiveUp(1), "command 1 refused: no alarm server was reached")
    changed_over(play)


def test_given_up_an_action_that_was_sent_is_unknown_wherever_the_client_is_then() -> None:
    _, play = served()
    play(10, acknowledge(1), "1: Command 2 a1")
    play(20, acknowledge(2, "a2"), "1: Command 3 a2")
    play(30, GiveUp(1), "command 1 unknown: it was sent, and no answer came")
    answered(play, 31, 1, CommandResult(2, ""))
    play(400, Closed(1), *LOST)
    play(700, GiveUp(2), "command 2 unknown: it was sent, and no answer came")
    changed_over(play, poll=4)


def test_the_answer_of_a_server_that_is_lost_comes_too_late() -> None:
    _, play = served()
    play(10, acknowledge(1), "1: Command 2 a1")
    play(400, Closed(1), *LOST)
    play(401, play.says(1, CommandResult(2, "")))
    changed_over(play, "3: Command 4 a1", poll=3)


# --- T5: priorities ---


def test_t5_with_the_move_to_a_better_server_what_is_under_way_goes_there_too() -> None:
    _, play = a_client(priority=(1, 2))
    play(0, Start(), f"open 1 {WAY1}")
    play(1, ConnectFailed(1), f"open 2 {WAY2}")
    found(play, 2, 2, 1, WAY2)
    play(100, AskServer(1, b"raw"), "2: Query 2 raw")
    play(101, acknowledge(2), "2: Command 3 a1")
    play(102, play.says(2, None))
    play.wait(200, f"open 3 {WAY1}")
    found(play, 201, 3, 4, WAY1, "3: Query 5 raw", "3: Command 6 a1", left=("close 2",))
    answered(play, 202, 3, Found(5, "", b"1"), "question 1 1")
    answered(play, 203, 3, CommandResult(6, ""), "command 2 done")
    play.wait(500, "3: Poll 7 since 7")


def test_t5_while_the_better_server_is_tried_the_other_one_goes_on_serving() -> None:
    _, play = a_client(priority=(1, 2))
    play(0, Start(), f"open 1 {WAY1}")
    play(1, ConnectFailed(1), f"open 2 {WAY2}")
    found(play, 2, 2, 1, WAY2)
    play.wait(200, f"open 3 {WAY1}")
    opened(play, 201, 3, 2)
    play(202, play.says(3, None))
    play(210, AskServer(1, b"raw"), "2: Query 3 raw")
    answered(play, 211, 2, Found(3, "", b"1"), "question 1 1")
    play.wait(500, "2: Poll 4 since 7")
    answered(play, 501, 2, News(4, 8, True), "show News 4 rev 8 active")
    news = News(2, 1, False, True)
    shown = "show News 2 rev 1 full"
    play(600, play.says(3, news), "close 2", f"note server-found {WAY1} alarm", shown)


# --- sessions to the servers that do not serve ---


def acquainted() -> Playbook:
    """A client that Alarm1 serves by session 1 and that is open to Alarm2 by session 3."""
    _, play = a_client(acquainted=True)
    play.attends.update(range(1, 10))
    play(0, Start(), f"open 1 {WAY1}", f"open 2 {WAY1}", f"open 3 {WAY2}")
    play(1, Connected(1), "1: Hello HMI1")
    play(1, play.says(1, Welcome("Alarm1", ())), "1: Poll 1 since 0")
    found_it = (f"note server-found {WAY1} alarm", "close 2", "show News 1 rev 7")
    play(1, play.says(1, News(1, 7, False)), *found_it)
    play(2, Connected(3), "3: Hello HMI1")
    play(3, play.says(3, Welcome("Alarm2", ())))
    return play


def test_a_client_keeps_a_session_to_the_other_server_and_probes_it_with_each_page_scan() -> None:
    play = acquainted()
    play.wait(500, "3: Probe", "1: Poll 2 since 7")
    play(501, play.says(1, News(2, 7, False)), "show News 2 rev 7")
    play.wait(1500, "3: Probe", "1: Poll 3 since 7")


def test_an_unacknowledged_probe_is_not_followed_by_another() -> None:
    play = acquainted()
    play.attends.discard(3)
    play.wait(500, "3: Probe", "1: Poll 2 since 7")
    play.wait(1500, "1: Probe")
    play.wait(2500, "1: Probe", "close 3", f"open 4 {WAY2}")


def test_from_the_loss_of_a_session_that_does_not_serve_nothing_follows() -> None:
    play = acquainted()
    play(400, Closed(3), f"open 4 {WAY2}")
    play(401, ConnectFailed(4))
    play.wait(500, "1: Poll 2 since 7")
    play(501, play.says(1, News(2, 7, False)), "show News 2 rev 7")
    for n, at in enumerate((1500, 2500, 3500, 4500), start=3):
        play.wait(at, f"1: Poll {n} since 7")
        play(at + 1, play.says(1, News(n, 7, False)), f"show News {n} rev 7")
    play.wait(5400, f"open 5 {WAY2}")
    play(5401, ConnectFailed(5))


def test_with_the_changeover_the_sessions_change_over_too() -> None:
    play = acquainted()
    play.hide = (*play.hide, "3: Probe")
    play(400, Closed(1), *LOST, f"open 4 {WAY1}")
    play(401, ConnectFailed(4))
    play.wait(2200, f"open 5 {WAY1}")
    play(2201, ConnectFailed(5))
    play.wait(2400, f"open 6 {WAY2}")
    play(2401, Connected(6), "6: Hello HMI1")
    play(2401, play.says(6, Welcome("Alarm2", ())), "6: Poll 2 since 0")
    then = (f"note server-found {WAY2} alarm", f"open 7 {WAY1}", "close 3", "show News 2 rev 1 active")
    play(2401, play.says(6, News(2, 1, True)), *then)
    play(2402, ConnectFailed(7))
    play.wait(2500, "6: Poll 3 since 1")


def test_a_client_that_searches_is_heard_by_all_servers() -> None:
    """So that each, when it loses its partner, knows that it is not cut off."""
    play = acquainted()
    play(400, Closed(1), *LOST, f"open 4 {WAY1}")
    play.wait(500, "3: Probe")
    play(600, Connected(4), "4: Hello HMI1")
    play(601, play.says(4, Welcome("Alarm1", ())))
    play.wait(1500, "4: Probe", "3: Probe")


# --- contract ---


def test_a_client_that_is_served_asks_for_ever_and_does_nothing_else() -> None:
    _, play = served()
    play.attends.add(1)
    for n in range(2, 100):
        play.wait(500 + 1000 * (n - 2), f"1: Poll {n} since 7")
        play(501 + 1000 * (n - 2), play.says(1, News(n, 7, True)), f"show News {n} rev 7 active")
