"""Playbooks of one link: connect, greet, keep, lose, come back. S = 2 s, ClientRetryTime as named."""

from __future__ import annotations

from itertools import count

from changeover.core.deadlines import Deadlines
from changeover.core.link import Link, LinkState
from changeover.core.machine import Closed, Connected, ConnectFailed
from changeover.core.messages import Probe, UnitState, UnitStatus, Welcome
from changeover.model.moment import SECOND, milliseconds
from changeover.model.plant import Way
from core.playbook import Alone, Playbook

WELCOME = Welcome("IOServer1", ())
NEWS = UnitState("U1", UnitStatus.OFFLINE)


def a_link(retry_ms: int) -> tuple[Link, Playbook]:
    numbers = count(1)
    link = Link(
        Way("IOServer1", "LAN_A"),
        "HMI1",
        2 * SECOND,
        milliseconds(retry_ms),
        Deadlines(),
        lambda: next(numbers),
    )
    return link, Playbook(Alone(link))


def an_open_link(retry_ms: int = 1000) -> tuple[Link, Playbook]:
    link, play = a_link(retry_ms)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play(1, Connected(1), "1: Hello HMI1")
    play(2, play.says(1, WELCOME), "1: ack", "link opened")
    return link, play


def test_connects_at_once_greets_and_is_open_with_the_welcome() -> None:
    link, play = an_open_link()
    assert link.is_open
    play(500, play.says(1, NEWS), "1: ack", "delivered UnitState U1=offline")
    play(600, play.says(1, None))
    play.wait(60_000)


def test_i6_a_refused_first_attempt_is_retried_a_retry_time_later_on_a_free_running_tick() -> None:
    link, play = a_link(1000)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play(1, ConnectFailed(1), "attempt failed")
    play.wait(1001, "open 2 IOServer1/LAN_A")
    play(1800, ConnectFailed(2), "attempt failed")
    play.wait(2001, "open 3 IOServer1/LAN_A")
    play(2002, ConnectFailed(3), "attempt failed")
    play.wait(3001, "open 4 IOServer1/LAN_A")
    play(3002, Connected(4), "4: Hello HMI1")
    play(3003, play.says(4, WELCOME), "4: ack", "link opened")
    play.wait(60_000)


def test_i6_an_attempt_into_silence_is_dropped_after_send_timeout_when_that_is_shorter() -> None:
    link, play = a_link(5000)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play.wait(2000, "close 1", "attempt failed")
    play.wait(7000, "open 2 IOServer1/LAN_A")
    play.wait(9000, "close 2", "attempt failed")
    play.wait(12_000, "open 3 IOServer1/LAN_A")


def test_i6_an_attempt_into_silence_is_made_anew_each_tick_when_the_retry_time_is_shorter() -> None:
    link, play = a_link(500)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play.wait(500, "close 1", "attempt failed")
    for n in range(2, 8):
        again = ("close " + str(n - 1), "attempt failed") if n > 2 else ()
        play.wait(500 * n, *again, f"open {n} IOServer1/LAN_A")
    play(3501, Connected(7), "7: Hello HMI1")
    play(3502, play.says(7, WELCOME), "7: ack", "link opened")
    play.wait(60_000)


def test_d3_a_frozen_server_accepts_and_never_welcomes_the_attempt_ends_all_the_same() -> None:
    link, play = a_link(5000)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play(1, Connected(1), "1: Hello HMI1")
    play.wait(2000, "close 1", "attempt failed")
    assert link.state is LinkState.WAITING
    play.wait(7000, "open 2 IOServer1/LAN_A")


def test_closed_while_greeting_is_a_failed_attempt() -> None:
    link, play = a_link(1000)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play(1, Connected(1), "1: Hello HMI1")
    play(2, Closed(1), "attempt failed")
    play.wait(1002, "open 2 IOServer1/LAN_A")


def test_d1_lost_send_timeout_after_the_first_unanswered_send() -> None:
    link, play = an_open_link()
    play.call(100, lambda now: (link.send(Probe(), now),), "1: Probe")
    play(101, play.says(1, None))
    play.call(350, lambda now: (link.send(Probe(), now),), "1: Probe")
    play.call(600, lambda now: (link.send(Probe(), now),), "1: Probe")
    assert link.unacknowledged_for(milliseconds(600)) == milliseconds(250)
    play.wait(2350, "close 1", "link lost silent")
    assert not link.is_open
    play.wait(3350, "open 2 IOServer1/LAN_A")


def test_d1_an_acknowledgement_at_the_last_moment_saves_the_link_and_the_next_send_counts() -> None:
    link, play = an_open_link()
    play.call(100, lambda now: (link.send(Probe(), now),), "1: Probe")
    play.call(1000, lambda now: (link.send(Probe(), now),), "1: Probe")
    play(2099, play.says(1, None, ack=2))
    play.wait(3000, "close 1", "link lost silent")


def test_d3_a_closed_link_is_lost_at_once_and_retried_a_retry_time_later() -> None:
    _, play = an_open_link()
    play(500, Closed(1), "link lost closed")
    play.wait(1500, "open 2 IOServer1/LAN_A")
    play(1501, Connected(2), "2: Hello HMI1")
    play(1502, play.says(2, WELCOME), "2: ack", "link opened")


def test_a_link_that_was_lost_starts_its_retry_timer_anew() -> None:
    _, play = an_open_link()
    play(500, Closed(1), "link lost closed")
    play.wait(1500, "open 2 IOServer1/LAN_A")
    play(1501, Connected(2), "2: Hello HMI1")
    play(1502, play.says(2, WELCOME), "2: ack", "link opened")
    play(1700, Closed(2), "link lost closed")
    play.wait(2700, "open 3 IOServer1/LAN_A")


def test_a_delivery_before_the_welcome_is_acknowledged_and_told_to_nobody() -> None:
    link, play = a_link(1000)
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    play(1, Connected(1), "1: Hello HMI1")
    play(2, play.says(1, NEWS), "1: ack")
    play(3, play.says(1, WELCOME), "1: ack", "link opened")


# ---------------------------------------- where the network stack decides, D2


def a_stack_link(retry_ms: int | None, acknowledges: bool = False) -> tuple[Link, Playbook]:
    numbers = count(1)
    retry = None if retry_ms is None else milliseconds(retry_ms)
    way = Way("IOServer1", "LAN_A")
    link = Link(way, "HMI1", None, retry, Deadlines(), lambda: next(numbers), acknowledges)
    play = Playbook(Alone(link))
    play.call(0, link.start, "open 1 IOServer1/LAN_A")
    return link, play


def test_d2_under_a_stack_nothing_is_acknowledged_and_only_the_kernel_ends_a_link() -> None:
    link, play = a_stack_link(1000)
    play(1, Connected(1), "1: Hello HMI1")
    play(2, play.says(1, WELCOME, ack=0), "link opened")
    play.call(100, lambda now: (link.send(Probe(), now),), "1: Probe")
    play.wait(900_000)
    assert link.may_probe, "what the kernel waits for is not known here"
    play(900_001, Closed(1, timed_out=True), "link lost silent")


def test_d2_below_5_0_acknowledgements_go_on_but_end_nothing() -> None:
    link, play = a_stack_link(1000, acknowledges=True)
    play(1, Connected(1), "1: Hello HMI1")
    play(2, play.says(1, WELCOME), "1: ack", "link opened")
    play.call(100, lambda now: (link.send(Probe(), now),), "1: Probe")
    play.wait(900_000)
    assert link.unacknowledged_for(play.now) == milliseconds(900_000 - 100)
    play(900_001, Closed(1), "link lost closed")


def test_d2_a_search_waits_for_the_kernel_to_end_an_attempt_for_whatever_reason() -> None:
    link, play = a_stack_link(None)
    play.wait(130_000)
    play(131_000, ConnectFailed(1, refused=False), "attempt failed")
    play.call(140_000, link.connect, "open 2 IOServer1/LAN_A")
    play(140_001, ConnectFailed(2), "attempt failed")


def test_d2_where_attempts_are_repeated_each_tick_takes_over_from_the_last() -> None:
    _, play = a_stack_link(500)
    play.wait(500, "close 1", "attempt failed")
    play.wait(1000, "open 2 IOServer1/LAN_A")
    play.wait(1500, "close 2", "attempt failed", "open 3 IOServer1/LAN_A")
