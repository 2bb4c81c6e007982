"""Playbooks of one server's view of its partner: links, beliefs, moves. S = 2 s, ClientRetryTime 5 s.

The tick comes every 250 ms, first at 125 ms. Our side says that it is inactive and keeps nothing.
"""

from __future__ import annotations

import re
from itertools import count

import pytest

from changeover.core import pair as pair_module
from changeover.core.deadlines import Deadlines
from changeover.core.machine import Closed, Connected, ConnectFailed
from changeover.core.messages import Probe, Welcome
from changeover.core.pair import MOVES, UNHEARD, Belief, Move, Pair
from changeover.core.task_messages import Batch, FetchRecords, PairState, PairStatus
from changeover.model.moment import SECOND, Instant
from changeover.model.plant import Timing, Way
from core.playbook import Alone, Dice, Playbook

STARTING, INACTIVE, ACTIVE = PairStatus
OWN = PairState(INACTIVE, 0, (), False)
TOLD = "PairState inactive 0 []"


def a_pair(lans: str = "A", is_first: bool = True, *hide: str) -> tuple[Pair, Playbook]:
    """A pair that has not started; acknowledgements and the timer's own lines are hidden where asked."""
    numbers = count(1)
    pair = Pair(
        "Report1",
        tuple(Way("Report2", lan) for lan in lans),
        is_first,
        Timing(send_timeout=2 * SECOND, client_retry=5 * SECOND),
        Deadlines(),
        lambda: next(numbers),
        Dice(0.5),
    )

    def on_timer(purpose: str, owner: Way, at: Instant, now: Instant) -> tuple[object, ...]:
        if purpose == "tick":
            return pair.on_tick(at, OWN, now)
        return pair.handle_timer(purpose, owner, at, now)

    return pair, Playbook(Alone(pair, on_timer), *hide)


def quiet(lans: str = "A", is_first: bool = True) -> tuple[Pair, Playbook]:
    """A pair whose ticks are left out; its partner acknowledges all of them on every session."""
    told = (f"{n}: {line}" for n in range(1, 20) for line in ("PairState", "Probe", "ack"))
    pair, play = a_pair(lans, is_first, *told)
    play.attends.update(range(1, 20))
    return pair, play


def says(status: PairStatus, saved: int = 0, life: int = 0, serial: int = 0) -> PairState:
    return PairState(status, saved, (), False, life, serial)


def started(lans: str = "A", is_first: bool = True) -> tuple[Pair, Playbook]:
    """Every link is open since 1 ms, and the partner has said nothing yet."""
    pair, play = quiet(lans, is_first)
    opens = (f"open {n} Report2/{lan}" for n, lan in enumerate(lans, start=1))
    play.call(0, pair.start, *opens)
    for n in range(1, len(lans) + 1):
        opened(play, 1, n, *(("partner found",) if n == 1 else ()))
    return pair, play


def opened(play: Playbook, at_ms: float, session: int, *expected: str) -> None:
    """A connection stands, and the partner welcomes us."""
    play(at_ms, Connected(session), f"{session}: Hello Report1")
    play(at_ms, play.says(session, Welcome("Report2", ())), *expected)


# --- the table ---


def test_the_table_in_the_words_of_the_module_is_the_one_that_counts() -> None:
    """So that nobody reads a table that is not true."""
    lines = (pair_module.__doc__ or "").splitlines()
    head = next(n for n, line in enumerate(lines) if line.lstrip().startswith("own "))
    beliefs = re.split(r"\s{2,}", lines[head].partition("partner:")[2].strip())
    told: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in lines[head + 1 : head + 1 + len(PairStatus)]:
        own, _, moves = line.partition("|")
        for belief, cell in zip(beliefs, re.split(r"\s{2,}", moves.strip()), strict=True):
            told[own.strip(), belief] = tuple(word.strip() for word in cell.split(","))
    counts = {
        (status.name.lower(), belief.value): tuple(dict.fromkeys(move.value for move in moves))
        for (status, belief), moves in MOVES.items()
    }
    assert told == counts


@pytest.mark.parametrize(("status", "belief"), list(MOVES), ids=lambda one: getattr(one, "name", ""))
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_the_one_that_stands_first_makes_the_first_move(
    status: PairStatus, belief: Belief, is_first: bool
) -> None:
    pair, _ = a_pair(is_first=is_first)
    pair.belief = belief
    assert pair.move(status, 0) is MOVES[status, belief][0 if is_first else 1]


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_of_two_that_start_the_one_with_the_newer_archive_goes_on(is_first: bool) -> None:
    pair, play = started(is_first=is_first)
    play(2, play.says(1, says(STARTING, saved=50)), "partner told starting 50 []")
    assert pair.move(STARTING, 51) is Move.ALONE
    assert pair.move(STARTING, 49) is Move.WAIT
    assert pair.move(STARTING, 50) is (Move.ALONE if is_first else Move.WAIT)


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "second"])
def test_archives_say_nothing_of_who_is_active_and_who_yields(is_first: bool) -> None:
    pair, play = started(is_first=is_first)
    play(2, play.says(1, says(ACTIVE, saved=50)), "partner told active 50 []")
    for saved in (49, 50, 51):
        assert pair.move(ACTIVE, saved) is (Move.STAY if is_first else Move.YIELD)


# --- who is there ---


def test_a_server_without_a_partner_is_alone_from_the_beginning_and_does_nothing() -> None:
    pair, play = a_pair(lans="")
    assert pair.belief is Belief.GONE
    play.call(0, pair.start)
    assert not pair.is_there and not pair.may_fetch
    play.wait(60_000)
    play.call(60_000, pair.restart)
    assert pair.belief is Belief.GONE


def test_a_partner_is_unknown_until_a_first_attempt_on_every_lan_has_come_to_nothing() -> None:
    pair, play = quiet("AB")
    play.call(0, pair.start, "open 1 Report2/A", "open 2 Report2/B")
    play(1, ConnectFailed(1))
    assert pair.belief is Belief.UNKNOWN
    play.wait(2000, "close 2", "partner lost closed")
    assert pair.belief is Belief.GONE


def test_a_partner_that_is_there_is_unknown_until_it_says_how_it_is() -> None:
    pair, play = started()
    assert pair.is_there and pair.belief is Belief.UNKNOWN
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    assert pair.belief is Belief.ACTIVE


def test_one_lan_is_enough_to_know_the_partner() -> None:
    pair, play = quiet("AB")
    play.call(0, pair.start, "open 1 Report2/A", "open 2 Report2/B")
    opened(play, 1, 2, "partner found")
    play(2, play.says(2, says(INACTIVE)), "partner told inactive 0 []")
    assert pair.belief is Belief.INACTIVE
    play.wait(2000, "close 1")
    assert pair.belief is Belief.INACTIVE


def test_a_partner_is_lost_with_its_last_link_and_once() -> None:
    pair, play = started("AB")
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play(100, Closed(1))
    assert pair.belief is Belief.ACTIVE and pair.is_there
    play(200, Closed(2), "partner lost closed")
    assert pair.belief is Belief.GONE and not pair.is_there
    play.wait(5100, "open 3 Report2/A")
    play(5101, ConnectFailed(3))
    play.wait(5200, "open 4 Report2/B")
    play.wait(7200, "close 4")


def test_a_partner_that_comes_back_counts_from_what_it_says_then() -> None:
    pair, play = started()
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play(100, Closed(1), "partner lost closed")
    play.wait(5100, "open 2 Report2/A")
    opened(play, 5101, 2, "partner found")
    assert pair.belief is Belief.GONE
    play(5102, play.says(2, says(STARTING)), "partner told starting 0 []")
    assert pair.belief is Belief.STARTING


def test_what_the_partner_tells_by_its_own_link_counts_while_ours_stands_and_not_before() -> None:
    pair, play = quiet()
    play.call(0, pair.start, "open 1 Report2/A")
    pair.hear(says(ACTIVE))
    assert pair.belief is Belief.UNKNOWN
    opened(play, 1, 1, "partner found")
    pair.hear(says(ACTIVE))
    assert pair.belief is Belief.ACTIVE
    play(2, Closed(1), "partner lost closed")
    pair.hear(says(INACTIVE))
    assert pair.belief is Belief.GONE


def test_a_partner_that_was_found_and_lost_before_it_said_a_word_is_told_as_lost() -> None:
    pair, play = started()
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play(100, Closed(1), "partner lost closed")
    play.wait(5100, "open 2 Report2/A")
    opened(play, 5101, 2, "partner found")
    play(5102, Closed(2), "partner lost closed")
    assert pair.belief is Belief.GONE


def test_a_link_that_is_lost_while_another_is_connecting_for_the_first_time_leaves_no_belief() -> None:
    pair, play = quiet("AB")
    play.call(0, pair.start, "open 1 Report2/A", "open 2 Report2/B")
    opened(play, 1, 1, "partner found")
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play(3, Closed(1))
    assert not pair.is_there and pair.belief is Belief.UNKNOWN
    play(4, ConnectFailed(2), "partner lost closed")
    assert pair.belief is Belief.GONE


def test_a_word_that_was_overtaken_by_a_later_one_does_not_count() -> None:
    """By the partner's link and by ours, each may come late."""
    pair, play = started()
    play(2, play.says(1, says(ACTIVE, life=7, serial=3)), "partner told active 0 []")
    pair.hear(says(STARTING, life=7, serial=2))
    assert pair.belief is Belief.ACTIVE
    pair.hear(says(INACTIVE, life=7, serial=4))
    assert pair.belief is Belief.INACTIVE
    play(3, play.says(1, says(ACTIVE, life=7, serial=3)), "partner told active 0 []")
    assert pair.belief is Belief.INACTIVE and pair.partner.serial == 4


def test_a_partner_that_was_started_anew_counts_again_from_its_first_word() -> None:
    pair, play = started()
    play(2, play.says(1, says(ACTIVE, life=7, serial=900)), "partner told active 0 []")
    play(3, play.says(1, says(STARTING, life=8, serial=1)), "partner told starting 0 []")
    assert pair.belief is Belief.STARTING


def test_what_the_partner_said_is_forgotten_when_it_is_lost() -> None:
    """Neither its status nor its archive counts before it has spoken again."""
    pair, play = started()
    play(2, play.says(1, says(STARTING, saved=50, life=7, serial=3)), "partner told starting 50 []")
    assert pair.move(STARTING, 49) is Move.WAIT
    play(3, Closed(1), "partner lost closed")
    assert pair.partner == UNHEARD
    play.wait(5003, "open 2 Report2/A")
    opened(play, 5004, 2, "partner found")
    assert pair.partner == UNHEARD


# --- whether its computer was heard ---


def test_a_partner_that_refuses_was_heard_and_one_that_is_unreachable_was_not() -> None:
    for refused, how in ((True, "closed"), (False, "silent")):
        pair, play = quiet()
        play.call(0, pair.start, "open 1 Report2/A")
        play(1, ConnectFailed(1, refused=refused), f"partner lost {how}")
        assert pair.refused is refused


def test_a_partner_that_refuses_on_one_lan_was_heard_though_the_other_is_silent() -> None:
    _, play = started("AB")
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play(100, Closed(2))
    play.wait(5100, "open 3 Report2/B")
    play(5101, ConnectFailed(3))
    play.attends.clear()
    play.wait(7125, "close 1", "partner lost closed")


def test_a_refusal_is_forgotten_when_the_partner_is_there_again() -> None:
    pair, play = quiet()
    play.call(0, pair.start, "open 1 Report2/A")
    play(1, ConnectFailed(1), "partner lost closed")
    play.wait(5001, "open 2 Report2/A")
    opened(play, 5002, 2, "partner found")
    assert not pair.refused
    play.wait(6000)
    play.attends.clear()
    play.wait(8125, "close 2", "partner lost silent")


# --- links ---


def test_links_are_tried_again_every_client_retry_time() -> None:
    pair, play = quiet()
    play.call(0, pair.start, "open 1 Report2/A")
    play(1, ConnectFailed(1), "partner lost closed")
    play.wait(5001, "open 2 Report2/A")
    play(5002, ConnectFailed(2, refused=False))
    play.wait(10_001, "open 3 Report2/A")
    opened(play, 10_002, 3, "partner found")
    play.wait(60_000)


def test_a_partner_that_connects_makes_us_try_the_links_that_wait_and_no_others() -> None:
    pair, play = quiet("ABC")
    play.call(0, pair.start, "open 1 Report2/A", "open 2 Report2/B", "open 3 Report2/C")
    opened(play, 1, 1, "partner found")
    play(1, ConnectFailed(2))
    play.call(50, pair.nudge, "open 4 Report2/B")
    play.call(51, pair.nudge)


def test_with_each_tick_the_partner_is_told_on_one_link_and_the_other_links_are_probed() -> None:
    pair, play = a_pair("AB", True, "1: ack", "2: ack")
    play.call(0, pair.start, "open 1 Report2/A", "open 2 Report2/B")
    opened(play, 1, 1, "partner found")
    opened(play, 1, 2)
    play.attends.update((1, 2))
    play.wait(125, f"1: {TOLD}", "2: Probe")
    play.wait(375, f"1: {TOLD}", "2: Probe")
    play(400, Closed(1))
    play.wait(625, f"2: {TOLD}")


def test_d1_a_silent_partner_is_lost_on_all_lans_together_send_timeout_after_a_tick() -> None:
    pair, play = started("AB")
    play(2, play.says(1, says(INACTIVE)), "partner told inactive 0 []")
    play.wait(1000)
    play.attends.clear()
    play.wait(3125, "close 1", "close 2", "partner lost silent")
    assert pair.belief is Belief.GONE


def test_a_silent_lan_is_lost_and_the_partner_is_not() -> None:
    pair, play = started("AB")
    play(2, play.says(1, says(INACTIVE)), "partner told inactive 0 []")
    play.wait(1000)
    play.attends.discard(1)
    play.wait(3125, "close 1")
    assert pair.is_there and pair.belief is Belief.INACTIVE


def test_short_send_timeouts_have_short_ticks() -> None:
    timing = Timing(send_timeout=SECOND // 10, client_retry=SECOND)
    pair = Pair("R", (Way("X", "A"),), True, timing, Deadlines(), count(1).__next__, Dice(0.0))
    pair.start(0)
    pair.on_tick(0, OWN, 0)
    assert pair._deadlines.get(("tick", "")) == SECOND // 40


def test_a_server_that_slept_drops_every_link_believes_nothing_and_connects_anew() -> None:
    pair, play = started("AB")
    play(2, play.says(1, says(ACTIVE)), "partner told active 0 []")
    play.call(1000, pair.restart, "close 1", "open 3 Report2/A", "close 2", "open 4 Report2/B")
    assert pair.belief is Belief.UNKNOWN and not pair.is_there
    play(1001, play.says(1, says(ACTIVE)))
    play(1001, ConnectFailed(3))
    assert pair.belief is Belief.UNKNOWN
    play(1002, ConnectFailed(4), "partner lost closed")
    assert pair.belief is Belief.GONE


def test_sessions_are_known_as_ones_own() -> None:
    pair, _ = started("AB")
    assert pair.owns(1) and pair.owns(2) and not pair.owns(3)


# --- fetching ---


def test_one_thing_is_fetched_at_a_time_and_said_to_the_owner() -> None:
    pair, play = started()
    assert pair.may_fetch
    play.call(10, lambda now: (pair.fetch(FetchRecords("R2", 3, 500), now),), "1: FetchRecords R2 after 3")
    assert not pair.may_fetch
    play(20, play.says(1, says(ACTIVE)), "partner told active 0 []")
    assert not pair.may_fetch
    play(30, play.says(1, Batch(done=True)), "partner said Batch done")
    assert pair.may_fetch


def test_a_fetch_is_lost_with_its_link_and_with_no_other_one() -> None:
    pair, play = started("AB")
    play.call(10, lambda now: (pair.fetch(FetchRecords("R2", 3, 500), now),), "1: FetchRecords R2 after 3")
    play(20, Closed(2))
    assert not pair.may_fetch
    play.wait(5020, "open 3 Report2/B")
    opened(play, 5021, 3)
    play(5030, Closed(1), "fetch lost")
    assert pair.may_fetch
    fetch = FetchRecords("R2", 3, 500)
    play.call(5040, lambda now: (pair.fetch(fetch, now),), "3: FetchRecords R2 after 3")


def test_a_fetch_that_was_under_way_when_the_server_slept_never_comes() -> None:
    pair, play = started()
    play.call(10, lambda now: (pair.fetch(FetchRecords("R2", 3, 500), now),), "1: FetchRecords R2 after 3")
    play.call(1000, pair.restart, "close 1", "open 2 Report2/A")
    play(1001, play.says(1, Batch(done=True)))
    opened(play, 1002, 2, "partner found")
    assert pair.may_fetch


def test_a_partner_without_a_link_is_told_nothing() -> None:
    pair, play = quiet()
    play.call(0, pair.start, "open 1 Report2/A")
    play.call(1, lambda now: pair.tell(OWN, now))
    assert not pair.may_fetch
    play(2, Connected(1), "1: Hello Report1")
    play.call(3, lambda now: pair.tell(OWN, now))
    play(4, play.says(1, Probe()))
    assert not pair.is_there
