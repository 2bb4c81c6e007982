"""Playbooks of what alarm, trend and report servers have in common, told of a report server without reports.

What it keeps are runs of the archives R1 (its own) and R2 (its partner's); it stands first where a scene does
not say otherwise. See `task_scene` for sessions and times.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from changeover.core.alarm_records import AlarmAction, AlarmEvent
from changeover.core.machine import (
    Accepted,
    Closed,
    Connected,
    ConnectFailed,
    Looked,
    SendFrame,
    Start,
)
from changeover.core.messages import Hello, Probe, Welcome
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.task_messages import Batch, Command, FetchRecords, PairState, Poll, Query
from changeover.model.moment import SECOND
from core.playbook import Playbook
from core.task_scene import (
    ACTIVE,
    INACTIVE,
    STARTING,
    TELLING,
    a_report_server,
    accepted,
    connected,
    partner_opens,
    says,
)

ALONE = ("note partner-lost Report2", "note server-active Report1")


def a_record(number: int, origin: str = "R2", utc: int = 0) -> RunRecord:
    return RunRecord(origin, number, utc, "shift", 100 * number * SECOND, RunEvent.FINISHED, ("shift.html",))


def kept(origin: str, *records: RunRecord) -> KeptRuns:
    """What an archive holds: records of one origin, without a gap."""
    numbers = {record.origin: record.number for record in records}
    return KeptRuns(origin, tuple(numbers.items()), records, max((r.utc for r in records), default=0))


def active(*hide: str, **arguments: object) -> tuple[ReportServer, Playbook]:
    """The active server of a pair that is redundant since 2 ms; the partner's own link is session 1."""
    server, play = connected(*hide, **arguments)
    play(1, play.says(2, says(STARTING)), "note server-active Report1")
    accepted(play, 2, 1, "Report2", "1: Welcome Report1 ")
    play(2, play.says(2, says(INACTIVE)), "note redundant Report1")
    return server, play


def inactive(*hide: str, **arguments: object) -> tuple[ReportServer, Playbook]:
    """The inactive server of such a pair."""
    server, play = connected(*hide, **arguments)
    play(1, play.says(2, says(ACTIVE)), "note redundant Report1")
    accepted(play, 2, 1, "Report2", "1: Welcome Report1 ")
    return server, play


# --- the start ---


def test_a_server_without_a_partner_is_active_from_the_beginning() -> None:
    server, play = a_report_server(partner=False)
    play(0, Start(), "note server-active Report1")
    assert server.is_active and not server.is_redundant
    play.wait(60_000)


def test_t6_a_server_whose_partner_refuses_goes_on_with_its_own_archive() -> None:
    server, play = a_report_server()
    play(0, Start(), "open 2 Report2/A")
    play(1, ConnectFailed(2), *ALONE)
    assert server.is_active


def test_t6_a_server_whose_partner_is_silent_waits_for_send_timeout() -> None:
    server, play = a_report_server()
    play(0, Start(), "open 2 Report2/A")
    play.wait(2000, "close 2", *ALONE)
    assert server.is_active


def test_with_two_lans_both_must_be_silent() -> None:
    _, play = a_report_server(lans="AB")
    play(0, Start(), "open 2 Report2/A", "open 4 Report2/B")
    play(1, ConnectFailed(2))
    play.wait(2000, "close 4", *ALONE)


def test_a_server_that_starts_tells_its_partner_so_at_once() -> None:
    _, play = a_report_server(kept=kept("R1", a_record(1, "R1", utc=7)))
    play(0, Start(), "open 2 Report2/A")
    partner_opens(play, 1, "2: PairState starting 7 [R1#1]")


def test_t6_of_two_empty_servers_that_start_the_first_is_active_and_the_second_waits() -> None:
    first, play = connected()
    play(2, play.says(2, says(STARTING)), "note server-active Report1")
    assert first.is_active
    second, play = connected(first=False)
    play(2, play.says(2, says(STARTING)))
    assert second.status is STARTING
    play(3, play.says(2, says(ACTIVE)), "note redundant Report1")
    assert second.status is INACTIVE


@pytest.mark.parametrize("first", [True, False])
def test_t6_of_two_that_start_the_one_with_the_newer_archive_is_active(first: bool) -> None:
    newer, play = connected(first=first, kept=kept("R1", a_record(1, "R1", utc=50)))
    play(2, play.says(2, says(STARTING, saved=40)), "note server-active Report1")
    assert newer.is_active
    older, play = connected(first=first, kept=kept("R1", a_record(1, "R1", utc=50)))
    play(2, play.says(2, says(STARTING, saved=60)))
    assert older.status is STARTING


def test_t6_a_starting_server_fetches_what_it_lacks_and_is_then_inactive() -> None:
    server, play = connected()
    play(2, play.says(2, says(ACTIVE, ("R2", 2), ("R3", 1))), "2: FetchRecords R2 after 0")
    batch = Batch(False, runs=(a_record(1),))
    told = ("keep R2#1 shift@100 FINISHED shift.html", "2: FetchRecords R2 after 1")
    play(3, play.says(2, batch), *told)
    assert server.status is STARTING
    batch = Batch(True, runs=(a_record(2),))
    told = ("keep R2#2 shift@200 FINISHED shift.html", "2: FetchRecords R3 after 0")
    play(4, play.says(2, batch), *told)
    assert server.status is STARTING
    batch = Batch(True, runs=(a_record(1, "R3"),))
    play(5, play.says(2, batch), "keep R3#1 shift@100 FINISHED shift.html", "note redundant Report1")
    assert server.status is INACTIVE


def test_t6_a_fetch_goes_on_by_the_other_lan_when_its_link_is_lost_half_way() -> None:
    server, play = a_report_server(*TELLING, lans="AB")
    play(0, Start(), "open 2 Report2/A", "open 4 Report2/B")
    partner_opens(play, 1)
    play.attends.add(4)
    play(1, Connected(4), "4: Hello Report1")
    play(1, play.says(4, Welcome("Report2", ())))
    play(2, play.says(2, says(ACTIVE, ("R2", 2))), "2: FetchRecords R2 after 0")
    batch = Batch(False, runs=(a_record(1),))
    told = ("keep R2#1 shift@100 FINISHED shift.html", "2: FetchRecords R2 after 1")
    play(3, play.says(2, batch), *told)
    play(4, Closed(2), "4: FetchRecords R2 after 1")
    assert server.status is STARTING
    batch = Batch(True, runs=(a_record(2),))
    told = ("keep R2#2 shift@200 FINISHED shift.html", "note redundant Report1")
    play(5, play.says(4, batch), *told)
    assert server.status is INACTIVE


def test_t6_a_start_waits_while_another_lan_may_still_lead_to_the_partner() -> None:
    server, play = a_report_server(*TELLING, lans="AB")
    play(0, Start(), "open 2 Report2/A", "open 4 Report2/B")
    partner_opens(play, 1)
    play(2, play.says(2, says(ACTIVE, ("R2", 2))), "2: FetchRecords R2 after 0")
    play(3, Closed(2))
    assert server.status is STARTING


def test_t6_without_the_partner_a_server_goes_on_with_what_it_has_and_fetches_the_rest_later() -> None:
    server, play = connected("note redundant")
    play(2, play.says(2, says(ACTIVE, ("R2", 2))), "2: FetchRecords R2 after 0")
    batch = Batch(False, runs=(a_record(1),))
    told = ("keep R2#1 shift@100 FINISHED shift.html", "2: FetchRecords R2 after 1")
    play(3, play.says(2, batch), *told)
    play(4, Closed(2), *ALONE)
    play.wait(5004, "open 4 Report2/A")
    partner_opens(play, 5005, session=4)
    play(5006, play.says(4, says(INACTIVE, ("R2", 2))), "4: FetchRecords R2 after 1")
    batch = Batch(True, runs=(a_record(2),))
    play(5007, play.says(4, batch), "keep R2#2 shift@200 FINISHED shift.html")
    assert server.is_active and server.is_redundant


def test_what_the_partner_has_and_does_not_give_is_asked_for_again_with_the_next_tick() -> None:
    """Its archive may be a little behind what it says; asked again at once it would do nothing else."""
    server, play = connected()
    play(2, play.says(2, says(ACTIVE, ("R2", 2))), "2: FetchRecords R2 after 0")
    for _ in range(2):
        play(3, play.says(2, Batch(True)))
        play(4, play.says(2, says(ACTIVE, ("R2", 2))))
    assert server.status is STARTING
    play.wait(125, "2: FetchRecords R2 after 0")
    play(126, play.says(2, Batch(True)))
    play.wait(375, "2: FetchRecords R2 after 0")
    batch = Batch(False, runs=(a_record(1),))
    told = ("keep R2#1 shift@100 FINISHED shift.html", "2: FetchRecords R2 after 1")
    play(376, play.says(2, batch), *told)


def test_t6_a_start_is_over_after_start_timeout_and_the_fetch_goes_on() -> None:
    server, play = connected()
    play(2, play.says(2, says(ACTIVE, ("R2", 2))), "2: FetchRecords R2 after 0")
    accepted(play, 3, 3, "HMI1")
    play.wait(30_000, "3: Welcome Report1 ")
    assert server.status is INACTIVE
    batch = Batch(True, runs=(a_record(1), a_record(2)))
    two = "keep R2#1 shift@100 FINISHED shift.html; R2#2 shift@200 FINISHED shift.html"
    play(30_001, play.says(2, batch), two, "note redundant Report1")


def test_a_server_that_is_ready_is_not_started_again_by_start_timeout() -> None:
    server, play = inactive()
    play.wait(60_000)
    assert server.status is INACTIVE


# --- clients ---


def test_clients_of_a_starting_server_wait_with_their_greeting_and_the_partner_does_not() -> None:
    _, play = connected()
    accepted(play, 2, 1, "Report2", "1: Welcome Report1 ")
    accepted(play, 3, 3, "HMI1")
    accepted(play, 4, 5, "HMI2")
    play(5, Accepted(7))
    play(
        6, play.says(2, says(ACTIVE)), "3: Welcome Report1 ", "5: Welcome Report1 ", "note redundant Report1"
    )
    play(7, play.says(7, Hello("HMI3")), "7: Welcome Report1 ")


def test_a_client_that_waited_in_vain_is_not_welcomed() -> None:
    _, play = connected()
    accepted(play, 2, 3, "HMI1")
    play(3, Closed(3))
    play(4, play.says(2, says(ACTIVE)), "note redundant Report1")


def test_a_peer_that_connects_and_does_not_greet_is_dropped_after_send_timeout() -> None:
    _, play = active()
    play(100, Accepted(9))
    play.wait(2100, "close 9")


def test_a_client_that_acknowledges_nothing_is_dropped_send_timeout_after_it_was_told() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play(1000, play.says(3, Poll(1, 0)), "3: News 1 rev 0 active")
    play.attends.discard(3)
    play(1500, play.says(3, Poll(2, 0), ack=2), "3: News 2 rev 0 active")
    play.wait(3500, "close 3")


def test_both_servers_serve_clients_and_say_whether_they_are_active() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play(11, play.says(3, Poll(1, 0)), "3: News 1 rev 0 active")
    _, play = inactive()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play(11, play.says(3, Poll(1, 0)), "3: News 1 rev 0")


def test_a_question_is_looked_up_and_its_answer_goes_to_who_asked() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    accepted(play, 10, 5, "HMI2", "5: Welcome Report1 ")
    play(11, play.says(3, Query(8, b"raw")), "look up 1 Query 8 raw")
    play(12, play.says(5, Query(8, b"max")), "look up 2 Query 8 max")
    play(13, Looked(2, b"9"), "5: Found 8 9")
    play(14, Looked(1, None, "no such tag"), "3: Found 8: no such tag")


def test_an_answer_for_a_client_that_is_gone_goes_nowhere() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play(11, play.says(3, Query(8, b"raw")), "look up 1 Query 8 raw")
    play(12, Closed(3))
    play(13, Looked(1, b"9"))


def test_a_session_may_have_only_so_many_questions_pending() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    for n in range(1, 33):
        play(11, play.says(3, Query(n, b"raw")), f"look up {n} Query {n} raw")
    play(12, play.says(3, Query(33, b"raw")), "3: Found 33: too many questions at once")
    play(13, Looked(5, b"9"), "3: Found 5 9")
    play(14, play.says(3, Query(34, b"raw")), "look up 33 Query 34 raw")


def test_a_command_to_a_server_without_alarms_ends_the_session_for_good() -> None:
    _, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play(11, play.says(3, Query(1, b"raw")), "look up 1 Query 1 raw")
    action = AlarmAction("a1", AlarmEvent.ACKNOWLEDGED, 0, "bob", "HMI1", tags=("PUMP1",))
    play(12, play.says(3, Command(2, action)), "close 3")
    play(13, Looked(1, b"9"))


# --- the partner asks ---


def test_what_the_partner_lacks_is_looked_up_and_sent() -> None:
    _, play = active()
    fetch = FetchRecords("R1", 3, 500)
    play(10, play.says(1, fetch), "look up 1 FetchRecords R1 after 3")
    play(11, Looked(1, Batch(True, runs=(a_record(4, "R1"),))), "1: Batch R1#4 done")


def test_a_fetch_that_fails_ends_the_partners_session_so_that_it_asks_anew() -> None:
    _, play = active()
    play(10, play.says(1, FetchRecords("R1", 3, 500)), "look up 1 FetchRecords R1 after 3")
    play(11, Looked(1, None, "disk full"), "close 1")
    play(12, play.says(1, Probe()))


def test_the_partner_is_answered_with_how_we_are_and_heard() -> None:
    server, play = active()
    play.hide = tuple(line for line in play.hide if line != "1: PairState")
    play(10, play.says(1, says(INACTIVE)), "1: PairState active 0 []")
    assert server.is_active


def test_who_is_not_the_partner_is_not_answered_and_not_believed() -> None:
    server, play = inactive()
    accepted(play, 3, 3, "HMI1", "3: Welcome Report1 ")
    play(4, Accepted(5))
    play.hide = tuple(line for line in play.hide if line not in ("3: PairState", "5: PairState"))
    for session in (3, 5):
        play(10, play.says(session, says(INACTIVE, ("R2", 9))))
    assert server.status is INACTIVE


def test_what_the_partner_said_before_and_what_comes_late_is_not_believed() -> None:
    """It was inactive, became active and said so by our link; the older word comes by its own after that."""
    server, play = connected()
    now_active = PairState(ACTIVE, 0, (), False, life=7, serial=5)
    play(2, play.says(2, now_active), "note redundant Report1")
    accepted(play, 3, 1, "Report2", "1: Welcome Report1 ")
    play(4, play.says(1, PairState(INACTIVE, 0, (), False, life=7, serial=4)))
    assert server.status is INACTIVE
    started_anew = PairState(INACTIVE, 0, (), False, life=8, serial=1)
    play(5, play.says(1, started_anew), "note server-active Report1")


def told_to_partner(server: ReportServer, play: Playbook, times: int) -> list[PairState]:
    """How the server says that it is, when the partner says so a few times."""
    effects = (e for _ in range(times) for e in server.handle(play.says(1, says(INACTIVE)), play.now))
    frames = (effect.frame.message for effect in effects if isinstance(effect, SendFrame))
    return [message for message in frames if isinstance(message, PairState)]


def test_each_word_to_the_partner_has_the_next_serial_and_the_life_of_its_process() -> None:
    lives = []
    for seed in (1, 2):
        server, play = connected(rng=Random(seed))
        accepted(play, 2, 1, "Report2", "1: Welcome Report1 ")
        words = told_to_partner(server, play, 3)
        assert len(words) >= 3 and len({word.life for word in words}) == 1
        first = words[0].serial
        assert [word.serial for word in words] == list(range(first, first + len(words)))
        lives.append(words[0].life)
    assert lives[0] != lives[1]


def test_a_partner_that_connects_is_connected_to_at_once() -> None:
    _, play = a_report_server(*TELLING)
    play(0, Start(), "open 2 Report2/A")
    play(1, ConnectFailed(2), *ALONE)
    play(100, Accepted(1))
    play(101, play.says(1, Hello("Report2")), "1: Welcome Report1 ", "open 4 Report2/A")
    play(102, Accepted(3))
    play(103, play.says(3, Hello("HMI1")), "3: Welcome Report1 ")


# --- who is active ---


def test_t6_the_inactive_server_becomes_active_when_its_partner_is_closed() -> None:
    server, play = inactive()
    play(1000, Closed(2), *ALONE)
    assert server.is_active and not server.is_redundant


def test_t6_the_inactive_server_becomes_active_send_timeout_after_its_partner_fell_silent() -> None:
    _, play = inactive()
    play.wait(1000)
    play.attends.discard(2)
    play.wait(3125, "close 2", *ALONE)


def test_t6_while_one_lan_is_left_the_inactive_server_stays_inactive() -> None:
    server, play = a_report_server(*TELLING, lans="AB")
    play(0, Start(), "open 2 Report2/A", "open 4 Report2/B")
    partner_opens(play, 1)
    play.attends.add(4)
    play(1, Connected(4), "4: Hello Report1")
    play(1, play.says(4, Welcome("Report2", ())))
    play(2, play.says(2, says(ACTIVE)), "note redundant Report1")
    play(1000, Closed(2))
    assert server.status is INACTIVE and server.is_redundant
    play(1001, Closed(4), *ALONE)


def test_t6_the_active_server_stays_active_when_its_partner_goes_and_comes() -> None:
    server, play = active("note redundant")
    play(1000, Closed(2), "note partner-lost Report2")
    play.wait(6000, "open 4 Report2/A")
    partner_opens(play, 6001, session=4)
    for status in (STARTING, INACTIVE):
        play(6002, play.says(4, says(status)))
        assert server.is_active


@pytest.mark.parametrize(("first", "then"), [(True, ()), (False, ("note server-inactive Report1",))])
def test_t6_when_two_active_servers_meet_the_first_stays_and_the_second_yields(
    first: bool, then: Sequence[str]
) -> None:
    server, play = inactive("note redundant", first=first)
    play(1000, Closed(2), *ALONE)
    play.wait(6000, "open 4 Report2/A")
    partner_opens(play, 6001, session=4)
    play(6002, play.says(4, says(ACTIVE)), *then)
    assert server.is_active is first


def test_t6_of_two_inactive_servers_the_first_becomes_active() -> None:
    _, play = inactive()
    play(1000, play.says(2, says(INACTIVE)), "note server-active Report1")
    server, play = inactive(first=False)
    play(1000, play.says(2, says(INACTIVE)))
    assert server.status is INACTIVE


def test_the_partner_is_told_of_every_change_at_once() -> None:
    _, play = a_report_server()
    play(0, Start(), "open 2 Report2/A")
    partner_opens(play, 1, "2: PairState starting 0 []")
    ready, now_active = "2: PairState inactive 0 []", "2: PairState active 0 []"
    play(2, play.says(2, says(STARTING)), ready, "note server-active Report1", now_active)


# --- redundant ---


def test_redundant_is_said_once_however_often_a_record_is_on_its_way() -> None:
    server, play = inactive()
    play(10, play.says(2, says(ACTIVE, ("R2", 1))), "2: FetchRecords R2 after 0")
    batch = Batch(True, runs=(a_record(1),))
    play(11, play.says(2, batch), "keep R2#1 shift@100 FINISHED shift.html")
    assert server.is_redundant


def test_redundant_is_not_said_while_the_partner_starts_or_lacks_something() -> None:
    server, play = connected()
    play(1, play.says(2, says(STARTING)), "note server-active Report1")
    play(2, play.says(2, says(INACTIVE, lacks=True)))
    assert not server.is_redundant
    play(3, play.says(2, says(INACTIVE)), "note redundant Report1")


def test_redundant_is_said_again_after_the_partner_was_lost_and_not_before_it_has_spoken() -> None:
    server, play = active()
    play(1000, Closed(2), "note partner-lost Report2")
    play.wait(6000, "open 4 Report2/A")
    partner_opens(play, 6001, session=4)
    assert not server.is_redundant
    play(6002, play.says(4, says(STARTING)))
    play(6003, play.says(4, says(INACTIVE, lacks=True)))
    assert not server.is_redundant
    play(6004, play.says(4, says(INACTIVE)), "note redundant Report1")


def test_redundant_is_not_said_while_the_partner_has_not_heard_what_we_kept_meanwhile() -> None:
    server, play = connected(kept=kept("R1", a_record(1, "R1", utc=7)))
    play(1, play.says(2, says(ACTIVE)))
    assert not server.is_redundant
    play(2, play.says(2, says(ACTIVE, ("R1", 1))), "note redundant Report1")


# --- sleep ---


def test_a_server_that_slept_drops_all_sessions_and_starts_anew() -> None:
    server, play = active()
    accepted(play, 10, 3, "HMI1", "3: Welcome Report1 ")
    play.wait(1000)
    play.sleep(3100)
    woken = ("note woke-late Report1", "reset listener", "close 1", "close 3", "close 2", "open 4 Report2/A")
    play.late(*woken)
    assert server.status is STARTING and not server.is_redundant
    partner_opens(play, 3101, session=4)
    play(3102, play.says(4, says(ACTIVE)), "note redundant Report1")
    assert server.status is INACTIVE


def test_whoever_connected_during_the_sleep_is_dropped_and_what_came_is_not_believed() -> None:
    server, play = inactive()
    play.wait(1000)
    play.sleep(3100)
    woken = ("note woke-late Report1", "reset listener", "close 1", "close 2", "open 4 Report2/A")
    play(3100, Accepted(9), *woken, "close 9")
    play(3101, play.says(2, says(INACTIVE)))
    play(3101, play.says(1, says(INACTIVE)))
    play(3101, play.says(9, Hello("HMI1")))
    assert server.status is STARTING


def test_a_server_that_slept_shortly_goes_on() -> None:
    server, play = active()
    play.wait(1000)
    play.sleep(2800)
    play.late()
    play(2801, play.says(2, says(INACTIVE)))
    assert server.is_active


def test_a_server_that_slept_while_its_partner_died_is_active_again_on_its_own() -> None:
    server, play = active()
    play.wait(1000)
    play.sleep(3100)
    woken = ("note woke-late Report1", "reset listener", "close 1", "close 2", "open 4 Report2/A")
    play.late(*woken)
    play(3101, ConnectFailed(4), *ALONE)
    assert server.is_active


def test_a_fetch_from_before_a_sleep_is_asked_anew() -> None:
    _, play = inactive()
    play(10, play.says(2, says(ACTIVE, ("R2", 1))), "2: FetchRecords R2 after 0")
    play.sleep(2800)
    woken = ("note woke-late Report1", "reset listener", "close 1", "close 2", "open 4 Report2/A")
    play.late(*woken)
    play(2801, play.says(2, Batch(True, runs=(a_record(1),))))
    partner_opens(play, 2802, session=4)
    play(2803, play.says(4, says(ACTIVE, ("R2", 1))), "4: FetchRecords R2 after 0")
