"""States of alarms: the table of states and events, what operators may do, and that a pair agrees."""

from __future__ import annotations

from itertools import count, product
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.core.alarm_facts import DEPTH
from changeover.core.alarm_records import AlarmAction, AlarmEvent, AlarmState, JournalRecord
from changeover.core.alarm_states import AlarmStates, Change
from changeover.core.alarm_watch import Seen
from changeover.model.alarm import Alarm, AlarmType, Category, Condition

HIGH, HIGH_HIGH, NORMAL = Condition.HIGH, Condition.HIGH_HIGH, Condition.NORMAL
ACTIVE, RETURNED = AlarmEvent.ACTIVE, AlarmEvent.RETURNED
ACKNOWLEDGED, COMMENT = AlarmEvent.ACKNOWLEDGED, AlarmEvent.COMMENT
DISABLED, ENABLED = AlarmEvent.DISABLED, AlarmEvent.ENABLED
SHELVED, UNSHELVED = AlarmEvent.SHELVED, AlarmEvent.UNSHELVED
LONG = 10**6
ids = count(1)


def alarm(tag: str, category: int = 1, area: int = 0) -> Alarm:
    return Alarm(tag, "", AlarmType.ANALOGUE, Category(category), (f"V_{tag}",), area=area)


def one() -> AlarmStates:
    return AlarmStates((alarm("A"),))


def seen(condition: Condition, utc: int, tag: str = "A", value: float = 1.0) -> Seen:
    return Seen(tag, condition, value, utc)


def action(event: AlarmEvent, utc: int, *tags: str, **options: Any) -> AlarmAction:
    if event is SHELVED:
        options.setdefault("until_utc", LONG)
    if event is COMMENT:
        options.setdefault("comment", "seen to")
    options.setdefault("action", f"action{next(ids)}")
    return AlarmAction(event=event, utc=utc, who="Ann", where="HMI1", tags=tags, **options)


def do(states: AlarmStates, event: AlarmEvent, utc: int, *tags: str, **options: Any) -> tuple[Change, ...]:
    changes = states.apply_action(action(event, utc, *tags, **options))
    assert not isinstance(changes, str), changes
    return changes


def refused(states: AlarmStates, event: AlarmEvent, utc: int, *tags: str, **options: Any) -> str:
    before = list(states)
    why = states.apply_action(action(event, utc, *tags, **options))
    assert isinstance(why, str)
    assert list(states) == before
    return why


def numbered(changes: list[Change], origin: str) -> list[JournalRecord]:
    return [
        msgspec.structs.replace(change.record, origin=origin, number=number)
        for number, change in enumerate(changes, start=1)
    ]


# --- the table ---

WORDS = (
    "normal",
    "active unacknowledged",
    "active acknowledged",
    "returned unacknowledged",
    "disabled",
    "shelved",
)
EVENTS = (
    "sees HIGH",
    "sees HIGH HIGH",
    "sees normal",
    "acknowledge",
    "disable",
    "enable",
    "shelve",
    "unshelve",
    "comment",
    "time is over",
)
# By state and event, in the order of EVENTS: the state afterwards; `.` nothing happens, `=` it is logged and
# the state's words stay, `x` it is refused.
TABLE = {
    "normal": "AU AU .  x  D  x  S  x  =  .",
    "active unacknowledged": ".  =  RU AA D  x  S  x  =  .",
    "active acknowledged": ".  AU N  .  D  x  S  x  =  .",
    "returned unacknowledged": "AU AU .  N  D  x  S  x  =  .",
    "disabled": ".  .  .  x  x  N  x  x  =  .",
    "shelved": ".  =  =  =  D  x  =  AU =  AU",
}
SHORT = {"N": WORDS[0], "AU": WORDS[1], "AA": WORDS[2], "RU": WORDS[3], "D": WORDS[4], "S": WORDS[5]}


def in_state(words: str) -> AlarmStates:
    """An alarm in a state, at time 100; HIGH where it is active, shelved until 500."""
    states = one()
    if words not in ("normal", "disabled"):
        states.apply_seen(seen(HIGH, 10))
    if words == "active acknowledged":
        do(states, ACKNOWLEDGED, 20, "A")
    if words == "returned unacknowledged":
        states.apply_seen(seen(NORMAL, 20))
    if words == "disabled":
        do(states, DISABLED, 20, "A")
    if words == "shelved":
        do(states, SHELVED, 20, "A", until_utc=500)
    assert states.get("A").words == words
    return states


def happens(states: AlarmStates, event: str) -> tuple[Change, ...] | str:
    sights = {"sees HIGH": HIGH, "sees HIGH HIGH": HIGH_HIGH, "sees normal": NORMAL}
    actions = {
        "acknowledge": ACKNOWLEDGED,
        "disable": DISABLED,
        "enable": ENABLED,
        "shelve": SHELVED,
        "unshelve": UNSHELVED,
        "comment": COMMENT,
    }
    if event in sights:
        change = states.apply_seen(seen(sights[event], 100))
        return () if change is None else (change,)
    if event in actions:
        return states.apply_action(action(actions[event], 100, "A"))
    return states.expire(1000)


@pytest.mark.parametrize(("words", "event"), list(product(WORDS, EVENTS)))
def test_what_an_event_does_in_a_state(words: str, event: str) -> None:
    states = in_state(words)
    expected = dict(zip(EVENTS, TABLE[words].split(), strict=True))[event]
    before = states.get("A")
    outcome = happens(states, event)
    if expected == "x":
        assert isinstance(outcome, str)
        assert states.get("A") == before
    elif expected == ".":
        assert outcome == ()
        assert states.get("A") == before
    else:
        (change,) = outcome
        assert isinstance(change, Change)
        assert change.state == states.get("A")
        assert change.state.words == (words if expected == "=" else SHORT[expected])
        assert change.record.tag == "A"
        assert change.state.changed_utc == change.record.utc


@pytest.mark.parametrize(("words", "event"), list(product(WORDS, EVENTS)))
def test_the_partner_gets_to_the_same_state_by_the_records(words: str, event: str) -> None:
    """Also where it has that state from a whole one, as a starting server has."""
    ours, theirs = in_state(words), one()
    assert theirs.adopt(ours.get("A")) == (ours.get("A") if words != "normal" else None)
    outcome = happens(ours, event)
    changes = [] if isinstance(outcome, str) else list(outcome)
    for record in numbered(changes, "One"):
        changed = theirs.get("A") != ours.get("A")
        assert (theirs.apply_record(record) is not None) is changed
        assert theirs.apply_record(record) is None
    assert theirs.get("A") == ours.get("A")


# --- transitions ---


def test_an_occurrence_from_its_beginning_to_its_end() -> None:
    states = one()
    change = states.apply_seen(seen(HIGH, 10, value=81.5))
    assert change is not None
    assert change.record == JournalRecord("", 0, 10, "A", ACTIVE, HIGH, 81.5)
    assert change.event is ACTIVE
    (change,) = do(states, ACKNOWLEDGED, 20, "A", action="x")
    assert change.record == JournalRecord("", 0, 20, "A", ACKNOWLEDGED, HIGH, 0.0, "x", "Ann", "HMI1")
    back = states.apply_seen(seen(NORMAL, 30, value=79.0))
    assert back is not None
    assert back.record == JournalRecord("", 0, 30, "A", RETURNED, HIGH, 79.0)
    assert states.get("A") == AlarmState("A", NORMAL, True, 10, 30, 20, "Ann", 81.5, changed_utc=30)


def test_another_condition_is_a_new_occurrence() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, ACKNOWLEDGED, 20, "A", comment="known")
    assert states.get("A").comment == "known"
    change = states.apply_seen(seen(HIGH_HIGH, 30, value=95.0))
    assert change is not None
    assert (change.event, change.record.condition) == (ACTIVE, HIGH_HIGH)
    assert change.state == AlarmState("A", HIGH_HIGH, False, 30, value=95.0, changed_utc=30)


def test_what_the_partner_told_already_is_no_news() -> None:
    states = one()
    assert states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH, 81.0)) is not None
    assert states.apply_seen(seen(HIGH, 12)) is None
    assert states.get("A").active_utc == 10
    assert states.apply_record(JournalRecord("Two", 2, 30, "A", RETURNED, HIGH, 79.0)) is not None
    assert states.apply_seen(seen(NORMAL, 33)) is None


def test_what_the_partner_tells_once_more_is_no_new_occurrence() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, ACKNOWLEDGED, 11, "A")
    state = states.get("A")
    assert states.apply_record(JournalRecord("Two", 1, 13, "A", ACTIVE, HIGH, 81.0)) is None
    assert states.get("A") == state


def test_what_happens_after_the_partner_told_last_is_news() -> None:
    states = one()
    states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH))
    change = states.apply_seen(seen(NORMAL, 11))
    assert change is not None
    assert (change.event, change.record.utc) == (RETURNED, 11)


def test_a_late_sight_of_what_the_partner_saw_the_end_of_is_no_news() -> None:
    states = one()
    states.apply_record(JournalRecord("Two", 1, 10, "A", ACTIVE, HIGH))
    states.apply_record(JournalRecord("Two", 2, 20, "A", RETURNED, HIGH))
    assert states.apply_seen(seen(HIGH, 19)) is None
    assert not states.get("A").is_active
    change = states.apply_seen(seen(HIGH, 19), insist=True)
    assert change is not None
    assert (change.state.active_utc, change.record.utc) == (21, 21)


def test_a_servers_own_sights_keep_their_order_when_its_clock_is_set_back() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 1000))
    change = states.apply_seen(seen(NORMAL, 400))
    assert change is not None
    assert change.record.utc == change.state.returned_utc == 1001
    partner = one()
    for record in (JournalRecord("One", 1, 1000, "A", ACTIVE, HIGH, 1.0), change.record):
        partner.apply_record(record)
    assert partner.get("A") == states.get("A")


def test_an_older_transition_of_the_partner_is_no_news() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 50))
    states.apply_seen(seen(NORMAL, 60))
    do(states, ACKNOWLEDGED, 70, "A")
    state = states.get("A")
    assert states.apply_record(JournalRecord("Two", 1, 20, "A", ACTIVE, HIGH_HIGH)) is None
    assert states.apply_record(JournalRecord("Two", 2, 30, "A", RETURNED, HIGH_HIGH)) is None
    assert states.get("A") == state


# --- acknowledging ---


def test_an_acknowledgement_of_the_partner_concerns_the_occurrence_of_its_time() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    states.apply_seen(seen(NORMAL, 20))
    states.apply_seen(seen(HIGH, 30))
    assert (
        states.apply_record(JournalRecord("Two", 1, 25, "A", ACKNOWLEDGED, HIGH, action="x", who="Bob"))
        is None
    )
    assert states.get("A").words == "active unacknowledged"
    state = states.apply_record(JournalRecord("Two", 2, 30, "A", ACKNOWLEDGED, HIGH, action="y", who="Bob"))
    assert state is not None
    assert (state.words, state.acknowledged_by) == ("active acknowledged", "Bob")


def test_an_acknowledgement_that_was_given_before_the_occurrence_is_refused_in_words() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 30))
    assert "A became active after this was given" in refused(states, ACKNOWLEDGED, 29, "A")
    assert "A became active after this was given" in refused(states, ACKNOWLEDGED, 29, everything=True)


def test_the_second_operator_sees_no_error_and_the_first_one_counts() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, ACKNOWLEDGED, 20, "A")
    state = states.get("A")
    assert do(states, ACKNOWLEDGED, 21, "A") == ()
    assert do(states, ACKNOWLEDGED, 22, everything=True) == ()
    states.apply_record(JournalRecord("Two", 1, 25, "A", ACKNOWLEDGED, HIGH, action="z", who="Bob"))
    assert states.get("A") == state
    states.apply_record(JournalRecord("Two", 2, 15, "A", ACKNOWLEDGED, HIGH, action="y", who="Bob"))
    assert states.get("A").acknowledged_by == "Bob"


def test_a_page_is_acknowledged_as_far_as_there_is_something() -> None:
    states = AlarmStates((alarm("A"), alarm("B"), alarm("C")))
    states.apply_seen(seen(HIGH, 10, "B"))
    assert [change.state.tag for change in do(states, ACKNOWLEDGED, 20, "C", "b", "A", "B")] == ["B"]
    assert refused(states, ACKNOWLEDGED, 20, "A", "C") == "A has nothing to acknowledge"
    assert do(states, ACKNOWLEDGED, 20, "A", "B") == ()


def plant() -> AlarmStates:
    states = AlarmStates((alarm("A", 1, 5), alarm("B", 1, 6), alarm("C", 2, 5), alarm("D", 2, 6)))
    for tag in "DCBA":
        states.apply_seen(seen(HIGH, 10, tag))
    return states


@pytest.mark.parametrize(
    ("choice", "tags"),
    [
        ({"category": 1}, "AB"),
        ({"area": 6}, "BD"),
        ({"category": 2, "area": 5}, "C"),
        ({"everything": True}, "ABCD"),
    ],
)
def test_alarms_are_chosen_by_category_and_area(choice: dict[str, Any], tags: str) -> None:
    states = plant()
    assert "".join(change.state.tag for change in do(states, ACKNOWLEDGED, 20, **choice)) == tags
    assert "".join(state.tag for state in states if state.acknowledged) == tags
    assert "".join(change.state.tag for change in do(states, DISABLED, 30, **choice)) == tags
    assert refused(states, DISABLED, 40, **choice) == "nothing to disable there"


def test_a_choice_touches_only_what_the_operator_sees() -> None:
    states = plant()
    do(states, SHELVED, 20, "A")
    do(states, DISABLED, 20, "B")
    do(states, ACKNOWLEDGED, 20, "C")
    assert [state.tag for state in states if state.is_listed] == ["C", "D"]
    assert [change.state.tag for change in do(states, ACKNOWLEDGED, 30, everything=True)] == ["D"]
    assert not states.get("A").acknowledged
    states.apply_seen(seen(NORMAL, 40, "C"))
    assert [change.state.tag for change in do(states, COMMENT, 50, everything=True)] == ["D"]


def test_a_choice_of_nothing_is_refused() -> None:
    states = plant()
    assert refused(states, ACKNOWLEDGED, 20) == "no alarm is chosen: give tags, a category, an area, or all"
    assert refused(states, ACKNOWLEDGED, 20, category=9) == "no alarm of category 9 in this project"
    assert refused(states, DISABLED, 20, category=1, area=7) == (
        "no alarm of category 1 in area 7 in this project"
    )


# --- other actions ---


def test_a_disabled_alarm_has_no_transitions_and_comes_again_when_it_is_enabled() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    (change,) = do(states, DISABLED, 20, "A")
    assert (change.state.returned_utc, change.state.acknowledged, change.record.condition) == (20, True, HIGH)
    assert states.apply_seen(seen(HIGH_HIGH, 30)) is None
    assert states.apply_record(JournalRecord("Two", 1, 31, "A", ACTIVE, HIGH_HIGH)) is None
    (change,) = do(states, ENABLED, 40, "A")
    assert change.state == AlarmState("A", active_utc=10, returned_utc=20, value=1.0, changed_utc=40)
    again = states.apply_seen(seen(HIGH_HIGH, 30))
    assert again is not None
    assert (again.state.words, again.state.active_utc) == ("active unacknowledged", 41)


def test_several_tags_are_disabled_all_or_none() -> None:
    states = plant()
    do(states, DISABLED, 20, "B")
    assert refused(states, DISABLED, 30, "A", "B") == "B is disabled"
    assert [change.state.tag for change in do(states, DISABLED, 30, "C", "A")] == ["C", "A"]


def test_a_shelved_alarm_goes_on_but_is_not_listed_until_the_time_is_over() -> None:
    states = one()
    do(states, SHELVED, 10, "A", until_utc=100)
    change = states.apply_seen(seen(HIGH, 20))
    assert change is not None
    assert change.event is ACTIVE
    assert (change.state.words, change.state.is_listed, states.next_expiry()) == ("shelved", False, 100)
    assert states.expire(99) == ()
    (change,) = states.expire(150)
    assert change.record == JournalRecord("", 0, 100, "A", UNSHELVED)
    assert (change.state.words, states.next_expiry()) == ("active unacknowledged", None)
    assert [state for state in states if state.is_listed] == [change.state]
    assert states.expire(150) == ()


def test_a_disabled_alarm_that_is_shelved_too_can_be_unshelved() -> None:
    states = one()
    do(states, SHELVED, 10, "A")
    do(states, DISABLED, 20, "A")
    (change,) = do(states, UNSHELVED, 30, "A")
    assert (change.state.words, change.state.shelved_until_utc) == ("disabled", 0)


def test_the_end_of_a_shelving_does_not_end_a_longer_one_that_came_late() -> None:
    states = one()
    do(states, SHELVED, 10, "A", until_utc=100)
    states.expire(100)
    state = states.apply_record(JournalRecord("Two", 1, 50, "A", SHELVED, action="x", until_utc=300))
    assert state is not None
    assert (state.words, states.next_expiry()) == ("shelved", 300)


def test_shelvings_end_in_the_order_of_alarms_and_each_at_its_time() -> None:
    states = plant()
    for tag, until in (("D", 50), ("A", 60), ("C", 70)):
        do(states, SHELVED, 20, tag, until_utc=until)
    assert states.next_expiry() == 50
    assert [(change.state.tag, change.record.utc) for change in states.expire(65)] == [("A", 60), ("D", 50)]
    assert states.next_expiry() == 70


def test_a_comment_stays_with_its_occurrence() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    (change,) = do(states, COMMENT, 20, "A", comment="valve stuck")
    assert (change.state.comment, change.record.comment) == ("valve stuck", "valve stuck")
    states.apply_seen(seen(NORMAL, 30))
    assert states.get("A").comment == "valve stuck"
    states.apply_seen(seen(HIGH, 40))
    assert states.get("A").comment == ""
    (change,) = do(states, COMMENT, 35, "A", comment="late")
    assert (change.state.comment, change.record.comment) == ("", "late")


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (action(COMMENT, 20, "A", comment=" \t"), "the comment is empty"),
        (action(SHELVED, 20, "A", until_utc=0), "shelving needs a time at which it ends"),
        (action(SHELVED, 20, "A", until_utc=20), "the time at which shelving ends is over already"),
        (action(ACTIVE, 20, "A"), "ACTIVE is nothing that an operator does"),
        (action(DISABLED, 20, "A", action=""), "the action has no identity"),
        (action(ENABLED, 20, "A"), "A is not disabled"),
        (action(UNSHELVED, 20, "A"), "A is not shelved"),
        (action(ACKNOWLEDGED, 20, "B"), "no alarm B in this project"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_say_why(wanted: AlarmAction, why: str) -> None:
    assert one().apply_action(wanted) == why


def test_an_unknown_tag_is_told_with_its_like() -> None:
    names = ["Pump1_Fault", "Pump2_Fault", "Valve1_Open", *(f"X{n}" for n in range(1000))]
    states = AlarmStates(tuple(alarm(name) for name in names))
    assert refused(states, DISABLED, 1, "Valve1_Open", "PUMP1_Falt") == (
        "no alarm PUMP1_Falt in this project, did you mean Pump1_Fault or Pump2_Fault?"
    )
    assert len(refused(states, DISABLED, 1, "y" * 10**6)) < 200


def test_an_action_that_a_later_one_has_overtaken_is_refused() -> None:
    states = one()
    do(states, DISABLED, 20, "A")
    do(states, ENABLED, 40, "A")
    assert "A was changed after this was given" in refused(states, DISABLED, 30, "A")
    do(states, SHELVED, 40, "A")
    assert "A was changed after this was given" in refused(states, UNSHELVED, 40, "A")


def test_one_action_is_done_once() -> None:
    states = plant()
    for event in (DISABLED, ENABLED, SHELVED, UNSHELVED, COMMENT):
        wanted = action(event, 20 + event, "A", "B")
        assert len(states.apply_action(wanted)) == 2
        assert states.apply_action(wanted) == ()
    states.apply_record(JournalRecord("Two", 1, 50, "C", DISABLED, action="x", who="Bob"))
    (change,) = do(states, DISABLED, 50, "C", "D", action="x")
    assert change.state.tag == "D"


# --- keeping ---


def test_tags_are_compared_without_case_and_told_as_the_project_spells_them() -> None:
    states = AlarmStates((alarm("Pump1"),))
    states.load([AlarmState("PUMP1", HIGH, False, 10, changed_utc=10)])
    assert states.get("pump1").tag == "Pump1"
    assert states.apply_seen(seen(HIGH, 20, "Pump1")) is None


def test_a_tag_that_is_gone_keeps_its_state_and_is_not_listed() -> None:
    states = one()
    gone = AlarmState("Gone", HIGH, False, 10, shelved_until_utc=50, changed_utc=10)
    states.load([gone])
    assert states.get("gone") == gone
    assert [state.tag for state in states] == ["A"]
    assert len(states) == 1
    assert (states.next_expiry(), states.expire(100)) == (None, ())
    assert states.apply_record(JournalRecord("Two", 1, 20, "Gone", RETURNED, HIGH)) is not None
    assert states.apply_record(JournalRecord("Two", 2, 20, "Older", ACTIVE, HIGH)) is not None
    assert [state.tag for state in states] == ["A"]
    assert refused(states, ACKNOWLEDGED, 30, "Gone") == "no alarm Gone in this project"
    assert states.get("never") == AlarmState("never")


def test_a_starting_server_takes_the_partners_state_unless_its_own_is_later() -> None:
    states = one()
    states.load([AlarmState("A", HIGH, False, 10, changed_utc=50)])
    assert states.adopt(AlarmState("A", changed_utc=49)) is None
    assert states.get("A").is_active
    theirs = AlarmState("A", HIGH, True, 10, 0, 51, "Bob", shelved_until_utc=90, changed_utc=51)
    assert states.adopt(theirs) == theirs
    assert states.adopt(theirs) is None
    assert (states.get("A"), states.next_expiry()) == (theirs, 90)
    assert states.apply_record(JournalRecord("Two", 9, 40, "A", SHELVED, action="x", until_utc=99)) is None
    assert states.apply_record(JournalRecord("Two", 10, 9, "A", ACTIVE, HIGH_HIGH)) is None


def test_a_whole_state_takes_the_place_of_all_that_was_known() -> None:
    states = one()
    states.apply_seen(seen(HIGH, 10))
    do(states, COMMENT, 20, "A", comment="ours")
    states.adopt(AlarmState("A", NORMAL, False, 12, 30, comment="theirs", changed_utc=40))
    state = states.apply_record(JournalRecord("Two", 1, 50, "A", ACKNOWLEDGED, HIGH, action="x", who="Bob"))
    assert state == AlarmState("A", NORMAL, True, 12, 30, 50, "Bob", comment="theirs", changed_utc=50)
    change = states.apply_seen(seen(HIGH, 60))
    assert change is not None
    assert change.state.comment == ""


# --- a pair agrees ---

utcs = st.integers(1, 40)
transitions = st.one_of(
    st.tuples(st.just(ACTIVE), st.sampled_from([HIGH, HIGH_HIGH])),
    st.tuples(st.just(RETURNED), st.just(HIGH)),
)
events = st.sampled_from([ACKNOWLEDGED, DISABLED, ENABLED, SHELVED, UNSHELVED, COMMENT])


@st.composite
def journals(draw: st.DrawFn) -> tuple[list[JournalRecord], list[JournalRecord]]:
    """Two logs of one alarm, with anything in them: each in the order of its times, as a server writes it."""
    logs = []
    for origin in ("One", "Two"):
        log = []
        for number, utc in enumerate(sorted(draw(st.lists(utcs, max_size=DEPTH + 6))), start=1):
            if draw(st.booleans()):
                event, condition = draw(transitions)
                log.append(JournalRecord(origin, number, utc, "A", event, condition, float(number)))
                continue
            event = draw(events)
            by = "" if event is UNSHELVED and draw(st.booleans()) else f"{origin}{number}"
            until = utc + draw(st.integers(1, 20)) if event is SHELVED else 0
            comment = f"said {by}" if event is COMMENT or draw(st.booleans()) else ""
            log.append(
                JournalRecord(
                    origin, number, utc, "A", event, HIGH, 0.0, by, f"of {origin}", "", comment, until
                )
            )
        logs.append(log)
    return logs[0], logs[1]


def interleaved(
    data: st.DataObject, first: list[JournalRecord], second: list[JournalRecord]
) -> list[JournalRecord]:
    turns = data.draw(st.permutations([0] * len(first) + [1] * len(second)))
    sources = (iter(first), iter(second))
    return [next(sources[turn]) for turn in turns]


@settings(max_examples=400)
@given(journals(), st.data())
def test_two_logs_give_one_state_however_they_interleave(
    logs: tuple[list[JournalRecord], list[JournalRecord]], data: st.DataObject
) -> None:
    """No field may differ."""
    one_after_the_other, mixed = one(), one()
    for record in (*logs[0], *logs[1]):
        one_after_the_other.apply_record(record)
    for record in interleaved(data, *logs):
        before = mixed.get("A")
        state = mixed.apply_record(record)
        assert mixed.get("A") == (before if state is None else state)
        assert state != before
        assert mixed.apply_record(record) is None
    assert mixed.get("A") == one_after_the_other.get("A")


@settings(max_examples=400)
@given(st.data())
def test_two_servers_that_cannot_see_each_other_agree_when_they_can_again(data: st.DataObject) -> None:
    """Both see, take actions and log; the records arrive late, in order. No field differs at the end."""
    servers = (one(), one())
    logs: tuple[list[JournalRecord], list[JournalRecord]] = ([], [])
    fetched = [0, 0]
    utc = 0
    for _ in range(data.draw(st.integers(1, 20))):
        me = data.draw(st.integers(0, 1))
        states, log, other = servers[me], logs[me], logs[1 - me]
        utc += data.draw(st.integers(0, 3))
        changes: list[Change] = []
        match data.draw(st.sampled_from(["see", "act", "expire", "fetch"])):
            case "see":
                condition = data.draw(st.sampled_from([NORMAL, HIGH, HIGH_HIGH]))
                change = states.apply_seen(seen(condition, max(0, utc - data.draw(st.integers(0, 5)))))
                changes = [change] if change else []
            case "act":
                wanted = action(data.draw(events), utc, "A", until_utc=utc + data.draw(st.integers(0, 9)))
                done = states.apply_action(wanted)
                changes = [] if isinstance(done, str) else list(done)
            case "expire":
                changes = list(states.expire(utc))
            case "fetch":
                until = data.draw(st.integers(fetched[me], len(other)))
                for record in other[fetched[me] : until]:
                    states.apply_record(record)
                fetched[me] = until
        log.extend(numbered(changes, str(me)))
    for me in (0, 1):
        for record in logs[1 - me][fetched[me] :]:
            servers[me].apply_record(record)
    assert servers[0].get("A") == servers[1].get("A")


@settings(max_examples=200)
@given(st.data())
def test_a_watching_server_has_the_states_of_the_one_that_logs(data: st.DataObject) -> None:
    """Only the active one logs; both see everything, each a little earlier or later. In the end they differ
    at most in the fields that tell when and with which value a transition was seen."""
    active, watching = one(), one()
    log: list[JournalRecord] = []
    fetched, utc = 0, 1000
    conditions = data.draw(st.lists(st.sampled_from([NORMAL, HIGH, HIGH_HIGH]), min_size=1, max_size=6))
    for condition in conditions:
        utc += 100
        sights = [seen(condition, utc + data.draw(st.integers(-20, 20)), value=utc + n) for n in (0, 1)]
        change = active.apply_seen(sights[0])
        changes = [change] if change else []
        if data.draw(st.booleans()):
            done = active.apply_action(
                action(data.draw(st.sampled_from([ACKNOWLEDGED, COMMENT])), utc + 50, "A")
            )
            changes += [] if isinstance(done, str) else done
        log.extend(numbered(changes, "One"))
        until = data.draw(st.integers(fetched, len(log)))
        first = data.draw(st.booleans())
        if first:
            watching.apply_seen(sights[1])
        for record in log[fetched:until]:
            watching.apply_record(record)
        if not first:
            watching.apply_seen(sights[1])
        fetched = until
    for record in log[fetched:]:
        watching.apply_record(record)
    ours, theirs = active.get("A"), watching.get("A")
    for name in (
        "tag",
        "condition",
        "acknowledged",
        "acknowledged_utc",
        "acknowledged_by",
        "comment",
        "words",
    ):
        assert getattr(ours, name) == getattr(theirs, name)
    assert abs(ours.active_utc - theirs.active_utc) <= 40
    assert abs(ours.returned_utc - theirs.returned_utc) <= 40
