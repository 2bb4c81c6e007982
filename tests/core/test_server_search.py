"""Playbooks of one client's search for one function. S = 2 s, W = 2 s; alarm servers Alarm1 and Alarm2.

Watch timers tick at 200, 400, 600, 800 ms (and every 2 s from there) for the ways in the order of the
configuration: Alarm1/A, Alarm1/B, Alarm2/A, Alarm2/B; with one LAN at 200 ms for Alarm1/A, 400 for Alarm2/A.
"""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.core.deadlines import Deadlines
from changeover.core.link import LinkState
from changeover.core.machine import Closed, Connected, ConnectFailed, OpenConnection
from changeover.core.messages import Probe, Welcome
from changeover.core.server_search import SearchState, ServerSearch
from changeover.core.task_messages import News, Poll
from changeover.model.moment import MILLISECOND, SECOND, Instant, milliseconds
from changeover.model.plant import Way
from core.playbook import Alone, Dice, Playbook

S = W = 2 * SECOND
PHASES = (0.1, 0.2, 0.3, 0.4)


def ways_of(lans: str, servers: int = 2) -> tuple[Way, ...]:
    return tuple(Way(f"Alarm{n}", lan) for n in range(1, servers + 1) for lan in lans)


def a_search(
    lans: str = "A", priority: tuple[int, int] = (1, 1), watch_ms: float = 2000, servers: int = 2
) -> tuple[ServerSearch, Playbook]:
    """A search that has not started; acknowledgements are left out of its playbooks."""
    numbers = count(1)
    search = ServerSearch(
        ways_of(lans, servers),
        {"Alarm1": priority[0], "Alarm2": priority[1]},
        "HMI1",
        S,
        milliseconds(watch_ms),
        Deadlines(),
        lambda: next(numbers),
        Dice(*PHASES),
    )
    play = Playbook(Alone(search, search.handle_timer), *(f"{n}: ack" for n in range(1, 30)))
    return search, play


def welcomed(play: Playbook, at_ms: float, session: int, way: str) -> None:
    """A try's connection stands, and the server welcomes; the owner asks."""
    play(at_ms, Connected(session), f"{session}: Hello HMI1")
    play(at_ms, play.says(session, Welcome(way.split("/")[0], ())), f"opened {way}")


def asked(search: ServerSearch, play: Playbook, at_ms: float, session: int, way: str) -> None:
    """The owner asks by a way that was opened."""
    link = search.links[Way(*way.split("/"))]
    play.call(at_ms, lambda now: (link.send(Poll(1, 0), now),), f"{session}: Poll 1 since 0")


def answered(search: ServerSearch, play: Playbook, at_ms: float, session: int, way: str, *then: str) -> None:
    """The server answers, the owner says so."""
    play(at_ms, play.says(session, News(1, 1, True)), f"received {way} News 1 rev 1 active")
    play.call(at_ms, lambda now: search.answered(Way(*way.split("/")), now), *then)


def found(search: ServerSearch, play: Playbook, at_ms: float, session: int, way: str, *then: str) -> None:
    """A try succeeds, all within a millisecond: connection, greeting, first answer."""
    welcomed(play, at_ms, session, way)
    asked(search, play, at_ms, session, way)
    answered(search, play, at_ms, session, way, *then)
    assert search.state is SearchState.SERVED and str(search.current) == way


def served(
    lans: str = "A", priority: tuple[int, int] = (1, 1), watch_ms: float = 2000
) -> tuple[ServerSearch, Playbook]:
    """A search that Alarm1 serves by LAN A since 1 ms, session 1."""
    search, play = a_search(lans, priority, watch_ms)
    play.call(0, search.start, "open 1 Alarm1/A")
    found(search, play, 1, 1, "Alarm1/A")
    return search, play


def served_by_the_second(priority: tuple[int, int] = (1, 1), lans: str = "A", watch_ms: float = 2000):
    """A search that Alarm2 serves, since every way to Alarm1 was refused at the start."""
    search, play = a_search(lans, priority, watch_ms)
    play.call(0, search.start, "open 1 Alarm1/A")
    for n, way in enumerate(ways_of(lans)[1 : len(lans) + 1], start=2):
        play(0, ConnectFailed(n - 1), f"open {n} {way}")
    session = len(lans) + 1
    found(search, play, 1, session, "Alarm2/A")
    return search, play, session


def say_probe(search: ServerSearch, play: Playbook, at_ms: float, session: int) -> None:
    """The owner sends something that a silent server leaves unacknowledged."""
    link = search.link
    assert link is not None
    play.call(at_ms, lambda now: (link.send(Probe(), now),), f"{session}: Probe")


# --- the start ---


def test_the_first_way_is_tried_at_once_and_serves_with_the_first_answer_not_with_the_connection() -> None:
    search, play = a_search()
    assert search.state is SearchState.WAITING
    play.call(0, search.start, "open 1 Alarm1/A")
    assert search.state is SearchState.TRYING
    welcomed(play, 1, 1, "Alarm1/A")
    asked(search, play, 1, 1, "Alarm1/A")
    assert search.state is SearchState.TRYING and search.current is None and search.link is None
    answered(search, play, 300, 1, "Alarm1/A")
    assert search.state is SearchState.SERVED
    assert search.link is search.links[Way("Alarm1", "A")]
    play(301, play.says(1, None))
    play.wait(60_000)


def test_the_first_round_waits_for_no_tick_neither_after_a_refusal_nor_after_silence() -> None:
    search, play = a_search("AB")
    play.call(0, search.start, "open 1 Alarm1/A")
    play(1, ConnectFailed(1), "open 2 Alarm1/B")
    play.wait(2001, "close 2", "open 3 Alarm2/A")
    play(2002, ConnectFailed(3), "open 4 Alarm2/B")
    found(search, play, 2003, 4, "Alarm2/B")
    play(2004, play.says(4, None))
    play.wait(60_000)


def test_after_a_first_round_in_vain_each_way_waits_for_its_tick_in_the_same_order() -> None:
    search, play = a_search("AB")
    play.call(0, search.start, "open 1 Alarm1/A")
    for n, way in enumerate(("Alarm1/B", "Alarm2/A", "Alarm2/B"), start=2):
        play(0, ConnectFailed(n - 1), f"open {n} {way}")
    play(0, ConnectFailed(4))
    for n, at, way in (
        (5, 200, "Alarm1/A"),
        (6, 400, "Alarm1/B"),
        (7, 600, "Alarm2/A"),
        (8, 800, "Alarm2/B"),
    ):
        play.wait(at, f"open {n} {way}")
        play(at + 1, ConnectFailed(n))
    play.wait(2200, "open 9 Alarm1/A")


def test_a_search_with_a_single_way_tries_it_over_and_over() -> None:
    search, play = a_search("A", servers=1)
    play.call(0, search.start, "open 1 Alarm1/A")
    play(1, ConnectFailed(1))
    play.wait(200, "open 2 Alarm1/A")
    play.wait(2200, "close 2")
    play.wait(4200, "open 3 Alarm1/A")
    found(search, play, 4300, 3, "Alarm1/A")


# --- a loss ---


def test_t1_detect_watch_try_watch_connect() -> None:
    search, play = served()
    say_probe(search, play, 1000, 1)
    play.wait(3000, "close 1", "lost Alarm1/A silent")
    assert search.state is SearchState.WAITING and search.current is None
    play.wait(4200, "open 2 Alarm1/A")
    play.wait(6200, "close 2")
    play.wait(6400, "open 3 Alarm2/A")
    found(search, play, 6401, 3, "Alarm2/A")


def test_d3_t1_a_closed_server_is_lost_at_once_and_a_refused_try_ends_at_once() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    play(2201, ConnectFailed(2))
    assert search.state is SearchState.WAITING and str(search.tried) == "Alarm2/A"
    play.wait(2400, "open 3 Alarm2/A")
    found(search, play, 2401, 3, "Alarm2/A")


def test_t1_a_server_that_is_back_by_the_tick_serves_again() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    found(search, play, 2201, 2, "Alarm1/A")


def test_t4_the_failed_way_then_the_same_servers_other_lans_then_the_other_server_on_each() -> None:
    search, play = a_search("AB")
    play.call(0, search.start, "open 1 Alarm1/A")
    play(0, ConnectFailed(1), "open 2 Alarm1/B")
    found(search, play, 1, 2, "Alarm1/B")
    play(1000, Closed(2), "lost Alarm1/B closed")
    order = ((3, 2400, "Alarm1/B"), (4, 4200, "Alarm1/A"), (5, 4600, "Alarm2/A"), (6, 4800, "Alarm2/B"))
    for n, at, way in order:
        play.wait(at, f"open {n} {way}")
        play(at + 1, ConnectFailed(n))
    play.wait(6400, "open 7 Alarm1/B")


def test_t4_a_client_of_the_second_server_looks_for_the_first_last() -> None:
    _search, play, session = served_by_the_second(lans="AB")
    assert session == 3
    play(1000, Closed(3), "lost Alarm2/A closed")
    order = ((4, 2600, "Alarm2/A"), (5, 2800, "Alarm2/B"), (6, 4200, "Alarm1/A"), (7, 4400, "Alarm1/B"))
    for n, at, way in order:
        play.wait(at, f"open {n} {way}")
        play(at + 1, ConnectFailed(n))


def test_t4_a_lost_lan_is_left_for_the_same_servers_other_lan() -> None:
    search, play = served("AB")
    say_probe(search, play, 1000, 1)
    play.wait(3000, "close 1", "lost Alarm1/A silent")
    play.wait(4200, "open 2 Alarm1/A")
    play.wait(6200, "close 2")
    play.wait(6400, "open 3 Alarm1/B")
    found(search, play, 6401, 3, "Alarm1/B")


def test_t2_the_wait_is_to_the_next_tick_after_the_loss_never_to_that_very_instant() -> None:
    _, play = served()
    play(2200, Closed(1), "lost Alarm1/A closed")
    play.wait(4200, "open 2 Alarm1/A")


def test_t2_watch_timers_run_freely_however_many_searches_there_were() -> None:
    search, play = served()
    for n, at in enumerate((1000, 7777, 13_001), start=1):
        play(at, Closed(n), "lost Alarm1/A closed")
        tick = 200 + 2000 * ((at - 200) // 2000 + 1)
        play.wait(tick, f"open {n + 1} Alarm1/A")
        found(search, play, tick + 1, n + 1, "Alarm1/A")
        play(tick + 2, play.says(n + 1, None))


# --- how a try ends ---


def test_t3_an_unreachable_host_counts_as_silence() -> None:
    _, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    play(2300, ConnectFailed(2, refused=False))
    play.wait(4200, "close 2")
    play.wait(4400, "open 3 Alarm2/A")


def test_t3_a_server_that_accepts_and_does_not_welcome_holds_a_try_for_send_timeout() -> None:
    _, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    play(2300, Connected(2), "2: Hello HMI1")
    play(2301, play.says(2, None))
    play.wait(4200, "close 2")
    play.wait(4400, "open 3 Alarm2/A")


def test_a_server_that_closes_while_it_is_greeted_has_refused() -> None:
    _, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    play(2201, Connected(2), "2: Hello HMI1")
    play(2300, Closed(2))
    play.wait(2400, "open 3 Alarm2/A")


def test_a_server_that_welcomes_and_is_closed_before_it_answers_has_refused() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    welcomed(play, 2201, 2, "Alarm1/A")
    asked(search, play, 2201, 2, "Alarm1/A")
    play(2300, Closed(2))
    play.wait(2400, "open 3 Alarm2/A")


def test_t3_a_server_that_falls_silent_after_its_welcome_ends_the_try_send_timeout_after_its_start() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    welcomed(play, 4000, 2, "Alarm1/A")
    asked(search, play, 4000, 2, "Alarm1/A")
    play.wait(4200, "close 2")
    play.wait(4400, "open 3 Alarm2/A")


def test_t3_a_server_that_acknowledges_the_question_and_never_answers_ends_the_try_too() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    welcomed(play, 2201, 2, "Alarm1/A")
    asked(search, play, 2201, 2, "Alarm1/A")
    play(2202, play.says(2, None))
    play.wait(4200, "close 2")
    play.wait(4400, "open 3 Alarm2/A")


def test_an_answer_by_a_way_that_is_lost_already_is_no_answer() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.call(1000, lambda now: search.answered(Way("Alarm1", "A"), now))
    assert search.state is SearchState.WAITING and search.current is None


def test_a_session_that_is_gone_says_nothing_any_more() -> None:
    search, play = served()
    play(1000, Closed(1), "lost Alarm1/A closed")
    play.wait(2200, "open 2 Alarm1/A")
    for stimulus in (Closed(1), ConnectFailed(1), Connected(1), play.says(1, News(1, 1, True)), Closed(77)):
        play(2201, stimulus)
    assert search.state is SearchState.TRYING


# --- T5: priorities ---


def test_t5_with_equal_priorities_a_client_stays_where_it_is() -> None:
    _, play, _ = served_by_the_second()
    play(2, play.says(2, None))
    play.wait(60_000)


def test_t5_a_client_of_the_better_server_looks_for_no_other() -> None:
    _, play = served(priority=(1, 2))
    play(2, play.says(1, None))
    play.wait(60_000)


def test_t5_the_better_server_is_tried_with_each_tick_and_moved_to_with_its_first_answer() -> None:
    search, play, _ = served_by_the_second(priority=(1, 2))
    play(2, play.says(2, None))
    play.wait(200, "open 3 Alarm1/A")
    play(201, ConnectFailed(3))
    play.wait(2200, "open 4 Alarm1/A")
    welcomed(play, 2201, 4, "Alarm1/A")
    asked(search, play, 2201, 4, "Alarm1/A")
    assert str(search.current) == "Alarm2/A" and search.state is SearchState.SERVED
    answered(search, play, 2300, 4, "Alarm1/A", "close 2")
    assert str(search.current) == "Alarm1/A"
    play(2301, play.says(4, None))
    play.wait(60_000)


def test_t5_a_try_of_the_better_server_gives_way_to_the_next_tick() -> None:
    search, play, _ = served_by_the_second(priority=(1, 2), watch_ms=1000)
    play(2, play.says(2, None))
    play.wait(100, "open 3 Alarm1/A")
    play.wait(1100, "close 3", "open 4 Alarm1/A")
    play(1101, Connected(4), "4: Hello HMI1")
    play.wait(2100, "close 4", "open 5 Alarm1/A")
    found(search, play, 2101, 5, "Alarm1/A", "close 2")


def test_t5_a_silent_try_of_the_better_server_ends_before_its_tick_where_send_timeout_is_shorter() -> None:
    _, play, _ = served_by_the_second(priority=(1, 2), watch_ms=5000)
    play(2, play.says(2, None))
    play.wait(500, "open 3 Alarm1/A")
    play.wait(2500, "close 3")
    play.wait(5500, "open 4 Alarm1/A")


def test_t5_every_way_of_the_better_server_is_tried_at_its_own_ticks() -> None:
    search, play, _ = served_by_the_second(priority=(1, 2), lans="AB")
    play(2, play.says(3, None))
    play.wait(200, "open 4 Alarm1/A")
    play.wait(400, "open 5 Alarm1/B")
    play(401, ConnectFailed(4))
    play.wait(2200, "open 6 Alarm1/A")
    play.wait(2400, "close 5", "open 7 Alarm1/B")
    found(search, play, 2401, 7, "Alarm1/B", "close 6", "close 3")
    assert str(search.current) == "Alarm1/B"


def test_t5_a_try_of_the_better_server_is_over_when_the_serving_one_is_lost() -> None:
    search, play, _ = served_by_the_second(priority=(1, 2))
    play(2, play.says(2, None))
    play.wait(200, "open 3 Alarm1/A")
    play(300, Closed(2), "lost Alarm2/A closed", "close 3")
    play.wait(400, "open 4 Alarm2/A")
    play(401, ConnectFailed(4))
    play.wait(2200, "open 5 Alarm1/A")
    found(search, play, 2201, 5, "Alarm1/A")


def test_t5_a_better_server_that_acknowledges_and_never_answers_is_tried_again_at_its_next_tick() -> None:
    search, play, _ = served_by_the_second(priority=(1, 2))
    play(2, play.says(2, None))
    play.wait(200, "open 3 Alarm1/A")
    welcomed(play, 201, 3, "Alarm1/A")
    asked(search, play, 201, 3, "Alarm1/A")
    play(202, play.says(3, None))
    play.wait(2200, "close 3", "open 4 Alarm1/A")


# --- any course of events ---


class Course:
    """A search driven by drawn answers of the world, with a record of its tries.

    Attributes:
        tries: (when, way) of every connection that was asked for, in order.
        ends: When each try ended, by its number.
    """

    def __init__(self, lans: str) -> None:
        self.search, _ = a_search(lans)
        self.now: Instant = 0
        self.tries: list[tuple[Instant, Way]] = []
        self.ends: list[Instant] = []
        self._take(self.search.start(0))

    def answer(self, kind: str) -> None:
        """How the way that is tried answers; a server that froze after it was greeted can close at most."""
        assert self.search.state is SearchState.TRYING
        greeted = self.search.links[self.search.tried].state is LinkState.GREETING
        session = len(self.tries)
        if kind == "refused":
            self.ends.append(self.now)
            self._take(self.search.handle(Closed(session) if greeted else ConnectFailed(session), self.now))
        elif kind == "frozen":
            self._take(self.search.handle(Connected(session), self.now))
        else:
            self._take(self.search.handle(ConnectFailed(session, refused=False), self.now))

    def advance(self, to: Instant) -> None:
        """Let time pass; a try that ends in silence is noted."""
        deadlines = self.search._deadlines
        while (due := deadlines.pop_due(to)) is not None:
            (purpose, way), at = due
            self.now = max(self.now, at)
            if purpose != "watch":
                self.ends.append(self.now)
            self._take(self.search.handle_timer(purpose, way, at, self.now))
        self.now = to

    def _take(self, steps: tuple[object, ...]) -> None:
        self.tries += [(self.now, step.way) for step in steps if isinstance(step, OpenConnection)]


@given(
    st.sampled_from(["A", "AB"]),
    st.lists(
        st.tuples(st.integers(0, 2500), st.sampled_from(["refused", "unreachable", "frozen"])), max_size=12
    ),
)
def test_in_vain_the_ways_come_round_one_at_a_time_each_at_its_tick(
    lans: str, answers: list[tuple[int, str]]
) -> None:
    course = Course(lans)
    ways = ways_of(lans)
    for delay_ms, answer in answers:
        course.advance(course.now + delay_ms * MILLISECOND)
        if course.search.state is SearchState.TRYING:
            course.answer(answer)
    course.advance(course.now + 30 * SECOND)
    ticks = {way: round(phase * W) for way, phase in zip(ways, PHASES, strict=False)}
    assert len(course.tries) > len(ways)
    ended = 0
    for place, ((at, way), end) in enumerate(zip(course.tries, course.ends, strict=False)):
        assert way == ways[place % len(ways)]
        assert at <= end <= at + S, "a refused try ends at once, any other SendTimeout after its start"
        if place < len(ways):
            assert at == ended, "the first round waits for no tick"
        else:
            assert (at - ticks[way]) % W == 0 and ended < at <= ended + W, "the wait is to the next tick"
        ended = end


@pytest.mark.parametrize("lans", ["A", "AB"])
def test_a_search_holds_no_link_but_the_one_that_serves(lans: str) -> None:
    search, _ = served(lans)
    busy = [way for way, link in search.links.items() if link.state is not LinkState.WAITING]
    assert busy == [search.current]
