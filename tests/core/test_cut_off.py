"""Playbooks of a server that is cut off itself: it loses its partner and its clients together, and yields.

S = 2 s. The partner falls silent at 1 s and is lost at 3125 ms. The clients, by sessions 3 and 5, are on
other computers and ask every 250 ms while they are there.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from changeover.core.machine import Closed, ConnectFailed, Start
from changeover.core.messages import Message, Probe
from changeover.core.report_server import ReportServer
from changeover.core.task_messages import PairStatus, Poll
from core.playbook import Playbook
from core.task_scene import (
    ACTIVE,
    INACTIVE,
    SESSIONS,
    STARTING,
    TELLING,
    a_report_server,
    accepted,
    connected,
    partner_opens,
    says,
)

NEWS = tuple(f"{n}: News" for n in SESSIONS)
LOST = ("close 2", "note partner-lost Report2")
ACTIVATED = "note server-active Report1"
BOTH = pytest.mark.parametrize("status", [ACTIVE, INACTIVE], ids=["active", "inactive"])


def a_server(status: PairStatus, *clients: str, **arguments: object) -> tuple[ReportServer, Playbook]:
    """A server of a redundant pair, and clients that have greeted."""
    server, play = connected(*NEWS, "note redundant", **arguments)
    if status is ACTIVE:
        play(1, play.says(2, says(STARTING)), ACTIVATED)
        play(2, play.says(2, says(INACTIVE)))
    else:
        play(1, play.says(2, says(ACTIVE)))
    for session, name in zip((3, 5), clients, strict=False):
        accepted(play, 10, session, name, f"{session}: Welcome Report1 ")
    return server, play


def ask(play: Playbook, from_ms: int, to_ms: int, *sessions: int, period_ms: int = 250) -> None:
    """Clients ask with each page scan; the partner falls silent at 1 s."""
    for at in range(from_ms, to_ms, period_ms):
        if at >= 1000:
            play.wait(1000)
            play.attends.discard(2)
        for session in sessions:
            play(at, play.says(session, Poll(at, 0)))


def cut_off(status: PairStatus) -> tuple[ReportServer, Playbook]:
    """A server that was cut off from its partner and from HMI1 at 1 s, and knows it since 3125 ms."""
    server, play = a_server(status, "HMI1")
    ask(play, 100, 1000, 3)
    play.wait(1000)
    play.attends.discard(2)
    play.wait(3125, *LOST, *(("note server-inactive Report1",) if status is ACTIVE else ()))
    return server, play


def welcome_again(*sessions: int) -> tuple[str, ...]:
    """A start that is over welcomes whoever has greeted; one that was welcomed before takes no notice."""
    return tuple(f"{session}: Welcome Report1 " for session in sessions)


# --- who is cut off ---


@BOTH
def test_a_server_that_loses_partner_and_clients_together_is_inactive(status: PairStatus) -> None:
    server, play = cut_off(status)
    assert server.status is INACTIVE
    for n in range(1, 4):
        play.wait(3125 + 5000 * n, f"open {2 + 2 * n} Report2/A")
        play.wait(5125 + 5000 * n, f"close {2 + 2 * n}")
    assert server.status is INACTIVE


@BOTH
def test_a_server_one_of_whose_clients_goes_on_asking_goes_on(status: PairStatus) -> None:
    server, play = a_server(status, "HMI1", "HMI2")
    ask(play, 100, 1000, 3, 5)
    ask(play, 1000, 3125, 5)
    play.wait(3125, *LOST, *(() if status is ACTIVE else (ACTIVATED,)))
    assert server.is_active


@BOTH
def test_a_server_that_nobody_asked_cannot_know_and_goes_on(status: PairStatus) -> None:
    server, play = a_server(status)
    play.wait(1000)
    play.attends.discard(2)
    play.wait(3125, *LOST, *(() if status is ACTIVE else (ACTIVATED,)))
    assert server.is_active


def test_who_asks_from_the_servers_own_computer_says_nothing_of_the_network() -> None:
    server, play = a_server(INACTIVE, "HMI1", "SCADA1-panel:alarm", neighbours=("SCADA1-panel",))
    ask(play, 100, 1000, 3, 5)
    ask(play, 1000, 3125, 5)
    play.wait(3125, *LOST)
    assert server.status is INACTIVE
    server, play = a_server(INACTIVE, "SCADA1-panel", neighbours=("SCADA1-panel",))
    ask(play, 100, 3125, 3)
    play.wait(3125, *LOST, ACTIVATED)
    assert server.is_active


def test_who_only_measures_says_nothing_of_the_network_wherever_it_is() -> None:
    """What is measured goes on as if nobody measured: with HMI1 gone the server is cut off all the same."""
    server, play = a_server(INACTIVE, "HMI1", "HMI2:measure")
    ask(play, 100, 1000, 3, 5)
    ask(play, 1000, 3125, 5)
    play.wait(3125, *LOST)
    assert server.status is INACTIVE


def test_a_partner_that_closed_was_heard_so_nobody_is_cut_off() -> None:
    """A client whose page rests asks nothing for a while; the partner's process ends meanwhile."""
    server, play = a_server(INACTIVE, "HMI1")
    ask(play, 100, 500, 3)
    play(3000, Closed(2), "note partner-lost Report2", ACTIVATED)
    assert server.is_active


def test_a_client_that_fell_silent_long_before_the_partner_did_says_nothing_of_now() -> None:
    """Its computer was switched off in the evening; the partner is lost in the night."""
    server, play = a_server(INACTIVE, "HMI1")
    ask(play, 100, 500, 3)
    play.wait(3_600_000)
    play.attends.discard(2)
    play.wait(3_602_125, *LOST, ACTIVATED)
    assert server.is_active


def heard_every_1800_ms(
    status: PairStatus, to_ms: int, make: Callable[[int], Message]
) -> tuple[ReportServer, Playbook]:
    """HMI1 is heard from 100 ms on; the partner falls silent at 6.3 s and is lost at 8375 ms."""
    server, play = a_server(status, "HMI1")
    for at in range(100, to_ms, 1800):
        if at >= 6300:
            play.wait(6300)
            play.attends.discard(2)
        play(at, play.says(3, make(at)))
    play.wait(6300)
    play.attends.discard(2)
    return server, play


def test_a_client_whose_page_scan_is_longer_than_half_of_send_timeout_is_not_silent() -> None:
    """It is served by the partner, and probes this one: nothing goes back but an acknowledgement."""
    server, play = heard_every_1800_ms(INACTIVE, 8375, lambda _: Probe())
    play.wait(8375, *LOST, ACTIVATED)
    assert server.is_active


def test_a_client_that_asks_the_active_server_with_such_a_page_scan_is_not_silent() -> None:
    server, play = heard_every_1800_ms(ACTIVE, 8375, lambda at: Poll(at, 0))
    play.wait(8375, *LOST)
    assert server.is_active


def test_a_client_with_a_long_page_scan_is_silent_after_two_of_them() -> None:
    """It was heard at 5.5 s for the last time; until 9.1 s it may just have had nothing to say."""
    server, play = heard_every_1800_ms(INACTIVE, 6300, lambda _: Probe())
    play.wait(8375, *LOST, ACTIVATED)
    play.wait(9125, "note server-inactive Report1")
    assert server.status is INACTIVE


def test_one_client_with_a_long_page_scan_is_enough_to_be_on_the_network() -> None:
    """HMI2 asks often and is lost together with the partner."""
    server, play = a_server(INACTIVE, "HMI1", "HMI2")
    for at in range(100, 6300, 300):
        if at % 1800 == 100:
            play(at, play.says(3, Probe()))
        play(at, play.says(5, Probe()))
    play.wait(6300)
    play.attends.discard(2)
    play(7300, play.says(3, Probe()))
    play.wait(8375, *LOST, ACTIVATED)
    assert server.is_active


def test_a_server_whose_partner_is_gone_and_whose_clients_fall_silent_yields_for_two_minutes() -> None:
    """It may be cut off by now, and its partner back; or all the others were switched off."""
    server, play = a_server(ACTIVE, "HMI1", client_retry=3_600_000)
    ask(play, 100, 500, 3)
    play(500, Closed(2), "note partner-lost Report2")
    ask(play, 600, 1000, 3)
    play.wait(2875, "note server-inactive Report1")
    play.wait(122_875, ACTIVATED)
    assert server.is_active


# --- back again ---


@BOTH
def test_a_server_that_hears_a_client_again_asks_for_its_partner_before_it_is_active(
    status: PairStatus,
) -> None:
    server, play = cut_off(status)
    play(4000, play.says(3, Poll(9, 0)), "open 4 Report2/A")
    assert server.status is STARTING
    play(4001, ConnectFailed(4), "note partner-lost Report2", "3: Welcome Report1 ", ACTIVATED)
    assert server.is_active


def test_a_client_that_finds_a_server_that_was_cut_off_keeps_its_session() -> None:
    server, play = cut_off(INACTIVE)
    accepted(play, 4000, 7, "HMI1", "7: Welcome Report1 ", "open 4 Report2/A")
    play(4001, play.says(7, Poll(1, 0)))
    play(4002, ConnectFailed(4), "note partner-lost Report2", *welcome_again(3, 7), ACTIVATED)
    assert server.is_active


def test_a_server_that_was_cut_off_hears_of_its_partner_again() -> None:
    server, play = cut_off(ACTIVE)
    play.wait(8125, "open 4 Report2/A")
    partner_opens(play, 8126, session=4)
    play(8127, play.says(4, says(ACTIVE)))
    assert server.status is INACTIVE


def test_of_two_that_were_cut_off_the_first_is_active_again() -> None:
    server, play = cut_off(ACTIVE)
    play.wait(8125, "open 4 Report2/A")
    partner_opens(play, 8126, session=4)
    play(8127, play.says(4, says(INACTIVE)), ACTIVATED)
    assert server.is_active


def test_a_server_that_is_refused_by_its_partners_computer_is_not_cut_off_any_more() -> None:
    """The network is back, and the partner's process is gone: nobody else will ever be active."""
    server, play = cut_off(ACTIVE)
    play.wait(8125, "open 4 Report2/A")
    play(8126, ConnectFailed(4), ACTIVATED)
    assert server.is_active


def test_a_partners_computer_that_refused_and_fell_silent_since_tells_nothing_of_now() -> None:
    """Its process was gone, then the computer was restarted; this server is cut off meanwhile."""
    server, play = a_server(ACTIVE, "HMI1")
    ask(play, 100, 500, 3)
    play(500, Closed(2), "note partner-lost Report2")
    ask(play, 600, 5500, 3)
    play.wait(5500, "open 4 Report2/A")
    play(5501, ConnectFailed(4))
    ask(play, 5600, 10_000, 3)
    play.wait(10_500, "open 6 Report2/A")
    play.wait(12_500, "close 6")
    play.wait(12_625, "note server-inactive Report1")
    assert server.status is INACTIVE


# --- at the start ---


def lonely() -> tuple[ReportServer, Playbook]:
    """A server that starts, should have clients, and finds nobody: its partner is silent."""
    server, play = a_report_server(*TELLING, *NEWS, has_visitors=True, client_retry=3_600_000)
    play(0, Start(), "open 2 Report2/A")
    play.wait(2000, *LOST)
    assert server.status is INACTIVE
    return server, play


def test_a_server_that_starts_and_finds_nobody_where_clients_should_be_waits_two_minutes() -> None:
    server, play = lonely()
    play.wait(120_000, ACTIVATED)
    assert server.is_active


def test_a_server_that_starts_alone_and_is_found_by_a_client_asks_for_its_partner_once_more() -> None:
    server, play = lonely()
    accepted(play, 5000, 3, "HMI1", "3: Welcome Report1 ", "open 4 Report2/A")
    play(5001, ConnectFailed(4), "note partner-lost Report2", *welcome_again(3), ACTIVATED)
    play(5002, Closed(3))
    play.wait(200_000)
    assert server.is_active


def test_a_server_for_which_no_client_should_be_there_goes_on_at_once() -> None:
    _, play = a_report_server(*TELLING, has_visitors=False)
    play(0, Start(), "open 2 Report2/A")
    play.wait(2000, *LOST, ACTIVATED)


def test_a_server_that_starts_and_whose_partners_computer_refuses_is_not_alone_in_the_network() -> None:
    """The refusal was heard: the network is there, and the partner's process is not."""
    server, play = a_report_server(*TELLING, has_visitors=True)
    play(0, Start(), "open 2 Report2/A")
    play(1, ConnectFailed(2), "note partner-lost Report2", ACTIVATED)
    assert server.is_active
