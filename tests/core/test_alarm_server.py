"""Playbooks of alarm servers: who logs, what is shared, what a starting server takes over.

PUMP1 and PUMP2 are digital alarms of PLC1 (tags P1, P2); QUIET (tag Q) is of a category that does not log.
S = 2 s, [Alarm]ScanTime 500 ms: an inactive server waits 5 s for its partner's record, an active one doubts
for 1 s. The server Alarm1 has the archive A1, its partner Alarm2 the archive A2. UTC is told in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from changeover.core.alarm_records import AlarmAction, AlarmEvent, AlarmState, JournalRecord
from changeover.core.alarm_server import AlarmServer, KeptAlarms
from changeover.core.machine import Closed, Connected, DeviceUnknown, Start, Values, WallClock
from changeover.core.messages import Welcome
from changeover.core.task_messages import Batch, Command, FetchStates, PairStatus, Poll
from changeover.model.alarm import Alarm, AlarmType, Category, Condition
from changeover.model.moment import MILLISECOND, SECOND
from core.playbook import Dice, Playbook
from core.task_scene import (
    ACKNOWLEDGEMENTS,
    ACTIVE,
    INACTIVE,
    STARTING,
    TELLING,
    accepted,
    partner_opens,
    says,
    ways_to,
)
from plants import timing_for

LOGGED, SILENT = Category(1), Category(2, logs=False)
ALARMS = (
    Alarm("PUMP1", "", AlarmType.DIGITAL, LOGGED, ("P1",)),
    Alarm("PUMP2", "", AlarmType.DIGITAL, LOGGED, ("P2",)),
    Alarm("QUIET", "", AlarmType.DIGITAL, SILENT, ("Q",)),
)
DEVICE_OF = {"P1": "PLC1", "P2": "PLC1", "Q": "PLC1"}
LOST = ("note partner-lost Alarm2", "note server-active Alarm1")
ON, OFF = 1.0, 0.0
UNACKNOWLEDGED, GONE = "active unacknowledged", "returned unacknowledged"


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def a_server(
    *hide: str, first: bool = True, partner: bool = True, kept: KeptAlarms | None = None
) -> tuple[AlarmServer, Playbook]:
    """An alarm server that has not started."""
    server = AlarmServer(
        "Alarm1",
        "Alarm2" if partner else None,
        ways_to("Alarm2") if partner else (),
        first,
        frozenset(),
        timing_for("C", send_timeout=2000, client_retry=60_000, alarm_start=120_000, alarm_scan=500),
        Dice(0.5),
        ALARMS,
        DEVICE_OF,
        kept or KeptAlarms("A1"),
    )
    return server, Playbook(server, *ACKNOWLEDGEMENTS, *hide)


def record(
    origin: str,
    number: int,
    tag: str,
    event: AlarmEvent,
    utc: float,
    action: str = "",
    condition: Condition = Condition.ON,
) -> JournalRecord:
    who = "bob" if action else ""
    return JournalRecord(origin, number, at(utc), tag, event, condition, 1.0, action, who)


def active_state(tag: str, utc: float) -> AlarmState:
    """An alarm that is active and unacknowledged since then."""
    return AlarmState(tag, Condition.ON, False, at(utc), value=1.0, changed_utc=at(utc))


def delivered(play: Playbook, at_ms: float, utc: float, *expected: str, **changed: float | None) -> None:
    """PLC1 delivers values at a second of UTC."""
    play(at_ms, Values("PLC1", at(utc), tuple(changed.items())), *expected)


def scans(play: Playbook, from_ms: int, to_ms: int, utc: float) -> None:
    """PLC1 delivers every 500 ms that nothing changed; nothing follows."""
    for n, at_ms in enumerate(range(from_ms, to_ms, 500)):
        delivered(play, at_ms, utc + n / 2)


def alone() -> tuple[AlarmServer, Playbook]:
    """The active server of a plant that has no other; every alarm is known as normal."""
    server, play = a_server(partner=False)
    play(0, Start(), "note server-active Alarm1")
    delivered(play, 1, 1, P1=OFF, P2=OFF, Q=OFF)
    return server, play


def paired(status: PairStatus, *hide: str, first: bool = True) -> tuple[AlarmServer, Playbook]:
    """A server of a redundant pair at second 1 of UTC; every alarm is known as normal."""
    server, play = a_server(*TELLING, "note redundant", *hide, first=first)
    play(0, Start(), "open 2 Alarm2/A")
    fetch = ("2: FetchStates after -",)
    partner_opens(play, 0, *fetch, own="Alarm1", partner="Alarm2")
    play(0, play.says(2, Batch(True)))
    if status is ACTIVE:
        play(0, play.says(2, says(STARTING, saved=-1)), "note server-active Alarm1")
        play(0, play.says(2, says(INACTIVE)))
    else:
        play(0, play.says(2, says(ACTIVE)))
    accepted(play, 0, 1, "Alarm2", "1: Welcome Alarm1 ")
    assert server.status is status
    delivered(play, 1, 1, P1=OFF, P2=OFF, Q=OFF)
    return server, play


def partner_wrote(
    play: Playbook, at_ms: float, *records: JournalRecord, then: Sequence[str] = (), session: int = 2
) -> None:
    """The partner, which is active, has written these records, and they are fetched."""
    numbers = {one.origin: one.number for one in records}
    for origin, number in numbers.items():
        after = next(one.number for one in records if one.origin == origin) - 1
        told = says(ACTIVE, (origin, number))
        play(at_ms, play.says(session, told), f"{session}: FetchRecords {origin} after {after}")
    play(at_ms, play.says(session, Batch(True, journal=records)), *then)


def words(server: AlarmServer, tag: str) -> str:
    return server.states.get(tag).words


def an_action(
    identity: str = "a1", event: AlarmEvent = AlarmEvent.ACKNOWLEDGED, utc: float = 20, tag: str = "PUMP1"
) -> AlarmAction:
    return AlarmAction(identity, event, at(utc), "bob", "HMI1", tags=(tag,))


def with_client(play: Playbook, at_ms: float = 5) -> None:
    """HMI1 is connected by session 3."""
    accepted(play, at_ms, 3, "HMI1", "3: Welcome Alarm1 ")


# --- who logs ---


def test_t6_the_active_server_logs_what_it_sees_at_once() -> None:
    server, play = alone()
    delivered(play, 10, 10, f"keep PUMP1={UNACKNOWLEDGED}; A1#1 PUMP1 ACTIVE@10", P1=ON)
    both = f"keep PUMP1={GONE}; PUMP2={UNACKNOWLEDGED}; A1#2 PUMP1 RETURNED@11; A1#3 PUMP2 ACTIVE@11"
    delivered(play, 20, 11, both, P1=OFF, P2=ON)
    assert words(server, "PUMP2") == UNACKNOWLEDGED


def test_t6_the_inactive_server_sees_the_same_and_logs_nothing() -> None:
    server, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    assert words(server, "PUMP1") == UNACKNOWLEDGED
    logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    kept = f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10"
    partner_wrote(play, 20, logged, then=[kept])
    scans(play, 500, 20_000, 11)


def test_an_alarm_of_a_category_that_does_not_log_is_kept_and_not_logged() -> None:
    server, play = alone()
    delivered(play, 10, 10, f"keep QUIET={UNACKNOWLEDGED}", Q=ON)
    assert words(server, "QUIET") == UNACKNOWLEDGED


def test_the_inactive_server_keeps_what_no_record_will_ever_tell_it() -> None:
    """Alarms of a category that does not log: their states would be gone with the process."""
    _, play = paired(INACTIVE)
    delivered(play, 10, 10, f"keep QUIET={UNACKNOWLEDGED}", Q=ON, P1=ON)


BACKUP = KeptAlarms("Alarm1~1", (), (("Alarm1~1", 7),), fresh="Alarm1~2")


def test_a_backup_whose_partner_is_away_numbers_its_records_under_a_new_name() -> None:
    """It may have given out more numbers than it knows of."""
    server, play = a_server("open", "note", kept=BACKUP)
    play(0, Start())
    play(1, Closed(2))
    while not server.is_active:
        instant = server.next_deadline()
        assert instant is not None
        play.wait(instant / MILLISECOND)
    now_ms = play.now / MILLISECOND
    delivered(play, now_ms + 1, 10, P1=OFF)
    delivered(play, now_ms + 2, 11, f"keep PUMP1={UNACKNOWLEDGED}; Alarm1~2#1 PUMP1 ACTIVE@11", P1=ON)
    delivered(play, now_ms + 3, 12, f"keep PUMP1={GONE}; Alarm1~2#2 PUMP1 RETURNED@12", P1=OFF)


def test_a_partner_that_knows_of_no_more_lets_the_numbers_go_on() -> None:
    server, play = a_server(*TELLING, "note", "open", kept=BACKUP)
    play(0, Start())
    partner_opens(play, 0, "2: FetchStates after -", own="Alarm1", partner="Alarm2")
    play(0, play.says(2, Batch(True)))
    play(0, play.says(2, says(STARTING, ("Alarm1~1", 7), saved=-1)))
    play(0, play.says(2, says(INACTIVE, ("Alarm1~1", 7))))
    assert server.is_active
    delivered(play, 1, 10, P1=OFF)
    delivered(play, 2, 11, f"keep PUMP1={UNACKNOWLEDGED}; Alarm1~1#8 PUMP1 ACTIVE@11", P1=ON)


def test_t6_what_was_seen_and_not_logged_by_the_partner_is_logged_when_that_is_lost() -> None:
    server, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    delivered(play, 20, 10.5, P1=OFF, P2=ON)
    first = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    partner_wrote(play, 30, first, then=[f"keep PUMP1={GONE}; A2#1 PUMP1 ACTIVE@10"])
    states = f"keep PUMP1={GONE}; PUMP2={UNACKNOWLEDGED}"
    logged = f"{states}; A1#1 PUMP1 RETURNED@10.5; A1#2 PUMP2 ACTIVE@10.5"
    play(40, Closed(2), *LOST, logged)
    assert server.is_active
    scans(play, 500, 20_000, 11)


def test_t6_what_the_partner_has_logged_is_not_logged_again_when_that_is_lost() -> None:
    _, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10.2)
    partner_wrote(play, 20, logged, then=[f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10.2"])
    play(30, Closed(2), *LOST)
    scans(play, 500, 20_000, 11)


def test_t6_what_the_partner_has_logged_before_this_server_saw_it_is_no_news() -> None:
    server, play = paired(INACTIVE)
    logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    partner_wrote(play, 10, logged, then=[f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10"])
    delivered(play, 20, 10.4, P1=ON)
    play(30, Closed(2), *LOST)
    scans(play, 500, 20_000, 11)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


def test_t6_what_a_blind_partner_does_not_log_is_logged_by_the_other_after_a_while() -> None:
    _, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    play.wait(5010, f"keep PUMP1={UNACKNOWLEDGED}; A1#1 PUMP1 ACTIVE@10")


def test_each_of_two_transitions_waits_for_its_own_time() -> None:
    _, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    delivered(play, 1010, 11, P1=OFF)
    play.wait(5010, f"keep PUMP1={GONE}; A1#1 PUMP1 ACTIVE@10")
    play.wait(6010, f"keep PUMP1={GONE}; A1#2 PUMP1 RETURNED@11")


def test_t6_when_the_partner_ended_an_alarm_that_this_server_still_sees_its_own_scan_decides() -> None:
    """The partner saw the end just before it was lost, this server sees that it is still there."""
    server, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    on = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    off = record("A2", 2, "PUMP1", AlarmEvent.RETURNED, 11)
    play.hide = (*play.hide, "keep")
    partner_wrote(play, 20, on, off)
    assert words(server, "PUMP1") == GONE
    play(30, Closed(2), *LOST)
    scans(play, 500, 3000, 11.5)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


def test_t6_a_doubt_needs_values_that_are_younger_than_the_last_transition() -> None:
    server, play = paired(INACTIVE)
    on = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    partner_wrote(play, 20, on, then=[f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10"])
    play(30, Closed(2), *LOST)
    play.wait(5000)
    assert words(server, "PUMP1") == UNACKNOWLEDGED
    play.hide = (*play.hide, "keep")
    scans(play, 5001, 8000, 15)
    assert words(server, "PUMP1") == GONE


def test_nothing_is_concluded_while_the_device_delivers_nothing() -> None:
    server, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    partner_wrote(play, 20, logged, then=[f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10"])
    play(30, DeviceUnknown("PLC1", ("P1", "P2", "Q")))
    play(40, Closed(2), *LOST)
    play.wait(30_000)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


# --- actions ---


def unacknowledged(status: PairStatus) -> tuple[AlarmServer, Playbook]:
    """PUMP1 is active and logged, HMI1 is connected, and it is second 20 of UTC."""
    server, play = paired(status)
    if status is ACTIVE:
        delivered(play, 2, 10, f"keep PUMP1={UNACKNOWLEDGED}; A1#1 PUMP1 ACTIVE@10", P1=ON)
        play(2, play.says(2, says(INACTIVE, ("A1", 1))))
    else:
        delivered(play, 2, 10, P1=ON)
        logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
        partner_wrote(play, 2, logged, then=[f"keep PUMP1={UNACKNOWLEDGED}; A2#1 PUMP1 ACTIVE@10"])
    with_client(play)
    play(6, WallClock(at(20)))
    return server, play


# The wall clock said 20 s at 6 ms; the action comes at 10 ms.
ACKNOWLEDGED = "keep PUMP1=active acknowledged; A1#{} PUMP1 ACKNOWLEDGED@20.004 by bob"


@pytest.mark.parametrize(("status", "number"), [(ACTIVE, 2), (INACTIVE, 1)], ids=["active", "inactive"])
def test_t6_an_action_is_done_when_the_partner_has_it_too(status: PairStatus, number: int) -> None:
    server, play = unacknowledged(status)
    play(10, play.says(3, Command(7, an_action())), ACKNOWLEDGED.format(number))
    other = INACTIVE if status is ACTIVE else ACTIVE
    logs = () if status is ACTIVE else (("A2", 1),)
    play(11, play.says(2, says(other, ("A1", number - 1), *logs)))
    play(12, play.says(2, says(other, ("A1", number), *logs)), "3: CommandResult 7")
    assert words(server, "PUMP1") == "active acknowledged"


def test_t6_an_action_is_done_when_the_partner_is_gone() -> None:
    _, play = unacknowledged(ACTIVE)
    play(10, play.says(3, Command(7, an_action())), ACKNOWLEDGED.format(2))
    play(11, Closed(2), "note partner-lost Alarm2", "3: CommandResult 7")
    play(12, play.says(3, Command(8, an_action("a2"))), "3: CommandResult 8")


def test_an_action_that_makes_no_sense_is_refused_at_once() -> None:
    _, play = unacknowledged(ACTIVE)
    refused = "3: CommandResult 7: PUMP2 has nothing to acknowledge"
    play(10, play.says(3, Command(7, an_action(tag="PUMP2"))), refused)


def test_an_action_that_waited_is_stamped_with_when_it_was_given() -> None:
    """An occurrence that began while the client searched is not acknowledged by it."""
    _, play = unacknowledged(ACTIVE)
    kept = ACKNOWLEDGED.format(2).replace("20.004", "15.004")
    play(10, play.says(3, Command(7, an_action(), age=at(5))), kept)


def test_an_action_that_is_known_is_answered_and_not_done_again() -> None:
    _, play = unacknowledged(ACTIVE)
    play(10, play.says(3, Command(7, an_action())), ACKNOWLEDGED.format(2))
    play(11, play.says(2, says(INACTIVE, ("A1", 2))), "3: CommandResult 7")
    play(12, play.says(3, Command(8, an_action())), "3: CommandResult 8")


def test_an_action_that_the_partner_was_given_is_known_here() -> None:
    server, play = unacknowledged(INACTIVE)
    theirs = record("A2", 2, "PUMP1", AlarmEvent.ACKNOWLEDGED, 20, action="a1")
    kept = "keep PUMP1=active acknowledged; A2#2 PUMP1 ACKNOWLEDGED@20 by bob"
    partner_wrote(play, 10, theirs, then=[kept])
    play(11, Closed(2), *LOST)
    play(12, play.says(3, Command(8, an_action())), "3: CommandResult 8")
    assert words(server, "PUMP1") == "active acknowledged"


def test_an_action_that_is_asked_again_is_not_done_before_the_partner_has_it() -> None:
    """The client came back by another LAN while the partner's fetch was on its way."""
    _, play = unacknowledged(ACTIVE)
    play(10, play.says(3, Command(7, an_action())), ACKNOWLEDGED.format(2))
    play(11, Closed(3))
    accepted(play, 12, 5, "HMI1", "5: Welcome Alarm1 ")
    play(13, play.says(5, Command(8, an_action())))
    play(14, play.says(2, says(INACTIVE, ("A1", 2))), "5: CommandResult 8")


def test_actions_are_known_after_a_restart() -> None:
    kept = KeptAlarms("A1", (active_state("PUMP1", 10),), (("A1", 2),), ("a1",), at(20))
    _, play = a_server(partner=False, kept=kept)
    play(0, Start(), "note server-active Alarm1")
    with_client(play)
    play(10, play.says(3, Command(7, an_action())), "3: CommandResult 7")
    play(
        11,
        play.says(3, Command(8, an_action("a2"))),
        ACKNOWLEDGED.format(3).replace(".004", ""),
        "3: CommandResult 8",
    )


def test_an_alarm_that_is_enabled_while_it_is_wrong_is_a_new_occurrence() -> None:
    server, play = alone()
    with_client(play)
    play.hide = (*play.hide, "keep", "3: CommandResult")
    delivered(play, 10, 10, P1=ON)
    play(20, play.says(3, Command(1, an_action("a1", AlarmEvent.DISABLED))))
    assert words(server, "PUMP1") == "disabled"
    scans(play, 21, 3000, 20.5)
    play(3001, play.says(3, Command(2, an_action("a2", AlarmEvent.ENABLED, utc=30))))
    assert words(server, "PUMP1") == "normal"
    scans(play, 3100, 6000, 30.5)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


@pytest.mark.parametrize("status", [ACTIVE, INACTIVE], ids=["active", "inactive"])
def test_a_shelving_ends_on_both_and_the_active_one_logs_it(status: PairStatus) -> None:
    server, play = unacknowledged(status)
    play.hide = (*play.hide, "3: CommandResult")
    action = AlarmAction("a1", AlarmEvent.SHELVED, at(20), "bob", "HMI1", ("PUMP1",), until_utc=at(30))
    number = 2 if status is ACTIVE else 1
    play(10, play.says(3, Command(7, action)), f"keep PUMP1=shelved; A1#{number} PUMP1 SHELVED@20.004 by bob")
    play(11, WallClock(at(29.9)))
    assert words(server, "PUMP1") == "shelved"
    ended = f"keep PUMP1={UNACKNOWLEDGED}; A1#3 PUMP1 UNSHELVED@30"
    play(12, WallClock(at(30.2)), *([ended] if status is ACTIVE else []))
    assert words(server, "PUMP1") == UNACKNOWLEDGED


# --- clients ---


def test_a_client_is_told_what_changed_since_its_revision_and_everything_at_first() -> None:
    _, play = alone()
    with_client(play)
    play.hide = (*play.hide, "keep")
    play(10, play.says(3, Poll(1, 0)), "3: News 1 rev 1 active full")
    delivered(play, 11, 10, P1=ON)
    delivered(play, 12, 11, P2=ON)
    two = f"PUMP1={UNACKNOWLEDGED} PUMP2={UNACKNOWLEDGED}"
    play(13, play.says(3, Poll(2, 0)), f"3: News 2 rev 3 active full {two}")
    play(14, play.says(3, Poll(3, 2)), f"3: News 3 rev 3 active PUMP2={UNACKNOWLEDGED}")
    play(15, play.says(3, Poll(4, 3)), "3: News 4 rev 3 active")
    delivered(play, 16, 12, P1=OFF)
    play(17, play.says(3, Poll(5, 2)), f"3: News 5 rev 4 active PUMP1={GONE} PUMP2={UNACKNOWLEDGED}")


def test_a_revision_that_never_was_is_answered_with_everything() -> None:
    _, play = alone()
    with_client(play)
    play(10, play.says(3, Poll(1, 99)), "3: News 1 rev 1 active full")


def test_what_the_inactive_server_sees_it_shows() -> None:
    _, play = paired(INACTIVE)
    with_client(play)
    delivered(play, 10, 10, P1=ON)
    play(11, play.says(3, Poll(1, 1)), f"3: News 1 rev 2 PUMP1={UNACKNOWLEDGED}")


# --- the start ---


def test_t6_a_starting_server_takes_over_the_states_and_then_the_journal_before_it_serves() -> None:
    server, play = a_server(*TELLING, "note redundant", "keep")
    play(0, Start(), "open 2 Alarm2/A")
    play.attends.add(2)
    play(1, Connected(2), "2: Hello Alarm1")
    found = ("note partner-found Alarm2", "2: FetchStates after -")
    play(1, play.says(2, Welcome("Alarm2", ())), *found)
    play(2, play.says(2, says(ACTIVE, ("A2", 2))))
    with_client_waiting(play)
    first = Batch(False, states=(active_state("PUMP1", 10),))
    play(4, play.says(2, first), "2: FetchStates after PUMP1")
    rest = Batch(True, states=(active_state("PUMP2", 11),))
    play(5, play.says(2, rest), "2: FetchRecords A2 after 0")
    journal = (
        record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10),
        record("A2", 2, "PUMP2", AlarmEvent.ACTIVE, 11),
    )
    assert server.status is STARTING
    play(6, play.says(2, Batch(True, journal=journal)), "3: Welcome Alarm1 ")
    assert server.status is INACTIVE
    assert [words(server, tag) for tag in ("PUMP1", "PUMP2")] == [UNACKNOWLEDGED] * 2


def with_client_waiting(play: Playbook) -> None:
    accepted(play, 3, 3, "HMI1")


def test_t6_values_during_the_start_are_looked_at_when_it_is_over() -> None:
    server, play = a_server(*TELLING, "note redundant", "keep")
    play(0, Start(), "open 2 Alarm2/A")
    partner_opens(play, 1, "2: FetchStates after -", own="Alarm1", partner="Alarm2")
    delivered(play, 2, 10, P1=ON, P2=OFF, Q=OFF)
    assert words(server, "PUMP1") == "normal"
    play(3, Closed(2), *LOST)
    scans(play, 100, 3000, 10.5)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


def test_t6_without_a_partner_the_own_last_state_counts() -> None:
    kept = KeptAlarms("A1", (active_state("PUMP1", 10),), (("A1", 1),), (), at(10))
    server, play = a_server(partner=False, kept=kept)
    play(0, Start(), "note server-active Alarm1")
    assert words(server, "PUMP1") == UNACKNOWLEDGED
    delivered(play, 10, 20, P1=ON, P2=OFF, Q=OFF)
    scans(play, 500, 5000, 20.5)
    assert words(server, "PUMP1") == UNACKNOWLEDGED


def test_t6_what_ended_while_no_server_was_there_is_logged_after_the_start() -> None:
    kept = KeptAlarms("A1", (active_state("PUMP1", 10),), (("A1", 1),), (), at(10))
    server, play = a_server("keep", partner=False, kept=kept)
    play(0, Start(), "note server-active Alarm1")
    delivered(play, 10, 20, P1=OFF, P2=OFF, Q=OFF)
    scans(play, 500, 5000, 20.5)
    assert words(server, "PUMP1") == GONE


def test_t6_of_two_that_start_the_older_waits_although_it_has_taken_states_over() -> None:
    kept = KeptAlarms("A1", (), (), (), at(100))
    server, play = a_server(*TELLING, "keep", kept=kept)
    play(0, Start(), "open 2 Alarm2/A")
    play(0, WallClock(at(1000)))
    partner_opens(play, 1, "2: FetchStates after -", own="Alarm1", partner="Alarm2")
    play(2, play.says(2, says(STARTING, ("A2", 5), saved=at(500))))
    states = Batch(True, states=(active_state("PUMP1", 400),))
    play(3, play.says(2, states), "2: FetchRecords A2 after 0")
    assert server.status is STARTING


def test_a_partner_gets_the_states_that_ever_changed_in_bounded_batches() -> None:
    kept = KeptAlarms("A1", (active_state("PUMP2", 10), active_state("PUMP1", 11)), (("A1", 2),))
    _, play = a_server(partner=False, kept=kept)
    play(0, Start(), "note server-active Alarm1")
    accepted(play, 1, 1, "Alarm2", "1: Welcome Alarm1 ")
    play(2, play.says(1, FetchStates("", 1)), f"1: Batch PUMP1={UNACKNOWLEDGED}")
    play(3, play.says(1, FetchStates("PUMP1", 1)), f"1: Batch PUMP2={UNACKNOWLEDGED} done")
    play(4, play.says(1, FetchStates("PUMP2", 1)), "1: Batch done")


# --- sleep ---


def test_what_was_seen_before_a_sleep_and_logged_by_the_partner_is_not_logged_again() -> None:
    server, play = paired(INACTIVE)
    delivered(play, 10, 10, P1=ON)
    play(11, play.says(2, says(ACTIVE, ("A2", 1))), "2: FetchRecords A2 after 0")
    play.sleep(2500)
    woken = ("note woke-late Alarm1", "reset listener", "close 1", "close 2", "open 4 Alarm2/A")
    play.late(*woken)
    partner_opens(play, 2501, "4: FetchStates after -", session=4, own="Alarm1", partner="Alarm2")
    play(2502, play.says(4, says(ACTIVE, ("A2", 1))))
    play.hide = (*play.hide, "keep")
    states = Batch(True, states=(active_state("PUMP1", 10),))
    play(2503, play.says(4, states), "4: FetchRecords A2 after 0")
    logged = record("A2", 1, "PUMP1", AlarmEvent.ACTIVE, 10)
    play(2504, play.says(4, Batch(True, journal=(logged,))))
    assert server.status is INACTIVE
    scans(play, 2600, 20_000, 12)
    assert dict(server._numbers()) == {"A2": 1}
