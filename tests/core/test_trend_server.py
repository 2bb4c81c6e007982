"""Playbooks of trend servers: what is sampled, what counts as recorded, and how a gap is filled. Times in ns.

Trends T1 and T2 of PLC1 have a period of 1 s, E1 of PLC1 is an event trend, U1 of PLC2 has a period of 1 s.
Answers further apart than 4 s leave a gap; batches are made durable every second; a message of a back-fill
holds 4 samples, so one slice of PLC1 spans 2 s and one of PLC2 4 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

import pytest

from changeover.core.machine import (
    BatchKept,
    Closed,
    DeviceUnknown,
    Looked,
    Start,
    Values,
    WallClock,
)
from changeover.core.task_messages import Batch, FetchCovered, FetchSamples, PairStatus, Poll
from changeover.core.trend_records import Covered, Samples
from changeover.core.trend_server import KeptTrends, TrendServer
from changeover.model.moment import SECOND
from changeover.model.trend import Trend, TrendType
from core.playbook import Dice, Playbook
from core.task_scene import (
    ACKNOWLEDGEMENTS,
    ACTIVE,
    INACTIVE,
    TELLING,
    accepted,
    partner_opens,
    says,
    ways_to,
)
from plants import timing_for

PERIODIC, EVENT = TrendType.PERIODIC, TrendType.EVENT
TRENDS = (
    Trend("T1", PERIODIC, SECOND),
    Trend("T2", PERIODIC, SECOND),
    Trend("E1", EVENT, 0),
    Trend("U1", PERIODIC, SECOND),
)
DEVICE_OF = {"T1": "PLC1", "T2": "PLC1", "E1": "PLC1", "RUN": "PLC1", "U1": "PLC2"}


def a_server(
    *hide: str,
    trends: Sequence[Trend] = TRENDS,
    kept: Sequence[Covered] = (),
    partner: bool = True,
    **timing: float,
) -> tuple[TrendServer, Playbook]:
    """A trend server that has not started; gaps are looked for every 10 s where nothing else is said."""
    fields = {"send_timeout": 2000, "client_retry": 5000, "trend_gap_fill": 10_000, **timing}
    settings = timing_for("C", **fields)
    object.__setattr__(settings, "trend_samples_max", 4)
    server = TrendServer(
        "Trend1",
        "Trend2" if partner else None,
        ways_to("Trend2") if partner else (),
        True,
        frozenset(),
        settings,
        Dice(0.5),
        tuple(trends),
        DEVICE_OF,
        4 * SECOND,
        KeptTrends(tuple(kept)),
    )
    return server, Playbook(server, *ACKNOWLEDGEMENTS, *hide)


def recording(*hide: str, **arguments: object) -> tuple[TrendServer, Playbook]:
    """A server without a partner; batches fall due at 1, 2, 3 … s."""
    server, play = a_server(*hide, partner=False, **arguments)
    play(0, Start(), "note server-active Trend1")
    return server, play


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def delivered(
    play: Playbook, at_ms: float, utc: float, *expected: str, device: str = "PLC1", **changed: float | None
) -> None:
    """An I/O device delivers values, at a second of UTC."""
    play(at_ms, Values(device, at(utc), tuple(changed.items())), *expected)


def take(tags: str, seconds: float) -> str:
    return f"take {tags} at {at(seconds)}"


def span(device: str, start: float, end: float) -> Covered:
    return Covered(device, at(start), at(end))


def told(device: str, start: float, end: float, last: bool = False) -> str:
    """A span as playbooks tell it; `last`: its end is the nanosecond after an answer."""
    return f"{device}[{at(start)},{at(end) + last})"


def samples(*keys: tuple[float, str]) -> Samples:
    """Samples of (second, tag)."""
    tags = tuple(dict.fromkeys(tag for _, tag in keys))
    return Samples(
        tags,
        pack(f"<{len(keys)}i", *(tags.index(tag) for _, tag in keys)),
        pack(f"<{len(keys)}q", *(at(second) for second, _ in keys)),
        pack(f"<{len(keys)}d", *(1.0 for _ in keys)),
        bytes(len(keys)),
    )


# --- samples ---


def test_a_sample_is_taken_from_the_first_answer_at_or_after_each_multiple_of_the_period() -> None:
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4), T1=1.0)
    delivered(play, 2, 10.9)
    delivered(play, 3, 11.0, take("T1,T2", 11))
    delivered(play, 4, 11.5)
    delivered(play, 5, 12.2, take("T1,T2", 12))
    delivered(play, 6, 12.3)


def test_an_answer_after_several_multiples_gives_a_sample_of_each() -> None:
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4), T1=1.0)
    delivered(play, 2, 13.1, *(take("T1,T2", second) for second in (11, 12, 13)))


def test_both_servers_take_samples_of_the_same_instants_whenever_they_started() -> None:
    for began in (0.1, 0.7):
        _, play = recording()
        delivered(play, 1, began, take("E1", began))
        delivered(play, 2, 1.9, take("T1,T2", 1))


def test_a_first_answer_at_a_multiple_of_the_period_gives_its_sample() -> None:
    _, play = recording()
    delivered(play, 1, 10.0, take("T1,T2", 10), take("E1", 10))
    delivered(play, 2, 10.9)
    delivered(play, 3, 11.0, take("T1,T2", 11))


def test_an_answer_of_the_same_instant_is_no_news() -> None:
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4))
    delivered(play, 2, 11.1, take("T1,T2", 11))
    delivered(play, 3, 11.1, E1=1.0)
    delivered(play, 4, 12.1, take("T1,T2", 12))


def test_an_answer_from_before_the_last_one_begins_another_span() -> None:
    """A clock was put back, or another I/O server with another clock answers: recording goes on."""
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4))
    delivered(play, 2, 11.1, take("T1,T2", 11))
    delivered(play, 3, 10.8, take("E1", 10.8), E1=2.0)
    delivered(play, 4, 11.2, take("T1,T2", 11))


def test_an_event_trend_takes_a_sample_with_the_first_answer_and_whenever_its_value_changes() -> None:
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4), E1=0.0)
    delivered(play, 2, 10.5, take("E1", 10.5), E1=1.0)
    delivered(play, 3, 10.6)
    delivered(play, 4, 10.7, T1=5.0)
    delivered(play, 5, 11.1, take("T1,T2", 11), take("E1", 11.1), E1=None)


def test_an_event_trend_with_a_trigger_takes_a_sample_with_the_first_answer_and_when_that_changes() -> None:
    _, play = recording(trends=[Trend("E1", EVENT, 0, trigger="RUN"), Trend("T1", EVENT, 0, trigger="RUN")])
    delivered(play, 1, 10.4, take("E1,T1", 10.4), RUN=0.0, E1=0.0)
    delivered(play, 2, 10.5, E1=1.0, T1=3.0)
    delivered(play, 3, 10.6, take("E1,T1", 10.6), RUN=1.0)


def test_a_periodic_trend_with_a_trigger_takes_samples_while_that_is_not_zero() -> None:
    _, play = recording(trends=[Trend("T1", PERIODIC, SECOND, trigger="RUN"), Trend("T2", PERIODIC, SECOND)])
    delivered(play, 1, 10.4, RUN=0.0)
    delivered(play, 2, 11.0, take("T2", 11))
    delivered(play, 3, 11.5, RUN=1.0)
    delivered(play, 4, 12.0, take("T1", 12), take("T2", 12))
    delivered(play, 5, 12.5, RUN=None)
    delivered(play, 6, 13.0, take("T2", 13))


def test_what_changed_over_a_gap_is_sampled_when_it_is_over() -> None:
    """Else the trend would show the value from before for as long as the new one lasts."""
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4), E1=0.0)
    delivered(play, 2, 20.1, take("E1", 20.1), E1=1.0)


def test_after_a_gap_an_event_trend_takes_a_sample_though_nothing_changed() -> None:
    """Else a value that is what it was would look as if it had been so all the time."""
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4), E1=0.0)
    delivered(play, 2, 20.1, take("E1", 20.1))
    play(3, DeviceUnknown("PLC1", ("E1",)))
    delivered(play, 4, 20.2, take("E1", 20.2))
    delivered(play, 5, 20.3)


def test_multiples_of_the_period_within_a_gap_give_no_sample() -> None:
    _, play = recording()
    delivered(play, 1, 10.4, take("E1", 10.4))
    delivered(play, 2, 15.2, take("E1", 15.2))
    delivered(play, 3, 16.1, take("T1,T2", 16))


def test_values_of_a_device_without_trends_are_nothing() -> None:
    server, play = recording()
    delivered(play, 1, 10.4, device="PLC9", X=1.0)
    delivered(play, 2, 11.4, device="PLC9", X=2.0)
    play.wait(3000)
    assert server.covered == {}


# --- spans and batches ---


def test_a_span_goes_on_from_answer_to_answer_and_counts_when_its_batch_is_durable() -> None:
    server, play = recording("take")
    delivered(play, 100, 10.4)
    delivered(play, 900, 11.2)
    play.wait(1000, f"keep batch 1 {told('PLC1', 10.4, 11.2, last=True)}")
    assert server.covered == {}
    play(1010, BatchKept(1))
    assert list(server.covered["PLC1"]) == [(at(10.4), at(11.2) + 1)]
    delivered(play, 1700, 12.0)
    play.wait(2000, f"keep batch 2 PLC1[{at(11.2) + 1},{at(12) + 1})")
    play(2010, BatchKept(2))
    assert list(server.covered["PLC1"]) == [(at(10.4), at(12) + 1)]


def test_a_single_answer_is_recorded_as_the_instant_that_it_tells_of() -> None:
    server, play = recording("take")
    delivered(play, 100, 10.4)
    play.wait(1000, f"keep batch 1 {told('PLC1', 10.4, 10.4, last=True)}")
    play(1010, BatchKept(1))
    assert list(server.covered["PLC1"]) == [(at(10.4), at(10.4) + 1)]


def test_nothing_is_kept_while_nothing_is_recorded() -> None:
    _, play = recording("take")
    play.wait(5000)
    delivered(play, 5100, 10.4)
    play.wait(6000, f"keep batch 1 {told('PLC1', 10.4, 10.4, last=True)}")
    play(6010, BatchKept(1))
    play.wait(60_000)


def test_a_span_ends_where_the_next_answer_is_too_late() -> None:
    _, play = recording("take")
    delivered(play, 100, 10.4)
    delivered(play, 200, 11.0)
    delivered(play, 300, 15.1)
    delivered(play, 400, 16.0)
    first, second = told("PLC1", 10.4, 11, last=True), told("PLC1", 15.1, 16, last=True)
    play.wait(1000, f"keep batch 1 {first} {second}")


def test_answers_just_within_the_longest_gap_leave_none() -> None:
    _, play = recording("take")
    delivered(play, 100, 10.0)
    delivered(play, 200, 14.0)
    play.wait(1000, f"keep batch 1 {told('PLC1', 10, 14, last=True)}")


def test_a_span_ends_where_nothing_is_known_of_the_device_any_more() -> None:
    _, play = recording("take")
    delivered(play, 100, 10.0)
    delivered(play, 200, 11.0)
    play(300, DeviceUnknown("PLC1", ("T1",)))
    delivered(play, 400, 12.0)
    delivered(play, 500, 13.0)
    first, second = told("PLC1", 10, 11, last=True), told("PLC1", 12, 13, last=True)
    play.wait(1000, f"keep batch 1 {first} {second}")


def test_batches_that_become_durable_late_and_out_of_order_count_all_the_same() -> None:
    server, play = recording("take")
    delivered(play, 100, 10.0)
    delivered(play, 900, 11.0)
    play.wait(1000, f"keep batch 1 {told('PLC1', 10, 11, last=True)}")
    delivered(play, 1900, 12.0)
    play.wait(2000, f"keep batch 2 PLC1[{at(11) + 1},{at(12) + 1})")
    play(2100, BatchKept(2))
    assert list(server.covered["PLC1"]) == [(at(11) + 1, at(12) + 1)]
    play(2200, BatchKept(1))
    assert list(server.covered["PLC1"]) == [(at(10), at(12) + 1)]


# --- the partner ---


def paired(*hide: str, kept: Sequence[Covered] = (), **timing: float) -> tuple[TrendServer, Playbook]:
    """An inactive server of a pair at second 1000 of UTC, which has just asked what its partner recorded."""
    server, play = a_server(*TELLING, "note redundant", *hide, kept=kept, **timing)
    play(0, Start(), "open 2 Trend2/A")
    play(0, WallClock(at(1000)))
    partner_opens(play, 1, "2: FetchCovered since 0", own="Trend1", partner="Trend2")
    play(2, play.says(2, says(ACTIVE)))
    assert server.status is PairStatus.INACTIVE
    return server, play


def partner_covers(play: Playbook, at_ms: float, *spans: Covered, then: Sequence[str] = ()) -> None:
    """The partner says what it has recorded."""
    play(at_ms, play.says(2, Batch(True, covered=spans)), *then)


def slice_of(device: str, start: float, end: float, after: str = "") -> str:
    return f"2: FetchSamples {told(device, start, end)}{after}"


def test_t6_a_trend_server_serves_before_its_gaps_are_filled() -> None:
    server, play = a_server(*TELLING)
    play(0, Start(), "open 2 Trend2/A")
    partner_opens(play, 1, "2: FetchCovered since 0", own="Trend1", partner="Trend2")
    accepted(play, 2, 3, "HMI1")
    play(3, play.says(2, says(ACTIVE)), "3: Welcome Trend1 ")
    assert server.status is INACTIVE and not server.is_redundant
    play(4, play.says(3, Poll(1, 0)), "3: News 1 rev 0")


def test_t6_a_gap_is_fetched_slice_by_slice_each_after_the_one_before_is_durable() -> None:
    server, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 105), then=[slice_of("PLC1", 100, 102)])
    two = samples((100, "T1"), (100, "T2"), (101, "T1"), (101, "T2"))
    play(4, play.says(2, Batch(True, samples=two)), f"merge 1 4 samples {told('PLC1', 100, 102)}")
    play.wait(500)
    play(501, BatchKept(1), slice_of("PLC1", 102, 104))
    assert list(server.covered["PLC1"]) == [(at(100), at(102))]
    play(502, play.says(2, Batch(True, samples=two)), f"merge 2 4 samples {told('PLC1', 102, 104)}")
    play(503, BatchKept(2), slice_of("PLC1", 104, 105))
    play(504, play.says(2, Batch(True, samples=samples())), f"merge 3 0 samples {told('PLC1', 104, 105)}")
    play(505, BatchKept(3))
    assert list(server.covered["PLC1"]) == [(at(100), at(105))]


def test_a_slice_that_the_partner_cannot_read_is_left_for_the_next_look() -> None:
    server, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 104), then=[slice_of("PLC1", 100, 102)])
    play(4, play.says(2, Batch(True, failure="a file is damaged")), slice_of("PLC1", 102, 104))
    play(5, play.says(2, Batch(True, samples=samples())), f"merge 1 0 samples {told('PLC1', 102, 104)}")
    play(6, BatchKept(1))
    assert list(server.covered["PLC1"]) == [(at(102), at(104))]


def test_t6_a_slice_that_does_not_fit_into_one_message_goes_on_after_its_last_sample() -> None:
    server, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 102), then=[slice_of("PLC1", 100, 102)])
    part = Batch(False, samples=samples((100, "T1")), after=(at(100), "T1"))
    play(4, play.says(2, part), "merge 1 1 samples")
    after = f" after {at(100)} T1"
    play(5, BatchKept(1), slice_of("PLC1", 100, 102, after))
    assert "PLC1" not in server.covered
    rest = Batch(True, samples=samples((101, "T1")))
    play(6, play.says(2, rest), f"merge 2 1 samples {told('PLC1', 100, 102)}")
    play(7, BatchKept(2))
    assert list(server.covered["PLC1"]) == [(at(100), at(102))]


def test_only_what_the_own_archive_lacks_is_fetched() -> None:
    own = [span("PLC1", 100, 110), span("PLC1", 112, 120)]
    _, play = paired(kept=own)
    gap = span("PLC1", 105, 115)
    partner_covers(play, 3, gap, then=[slice_of("PLC1", 110, 112)])
    play(4, play.says(2, Batch(True, samples=samples())), f"merge 1 0 samples {told('PLC1', 110, 112)}")
    play(5, BatchKept(1))


def test_what_is_younger_than_three_seconds_is_no_gap_until_the_second_look() -> None:
    _, play = paired()
    theirs = span("PLC1", 996, 1000)
    partner_covers(play, 3, theirs, then=[slice_of("PLC1", 996, 997)])
    play(4, play.says(2, Batch(True, samples=samples())), f"merge 1 0 samples {told('PLC1', 996, 997)}")
    play(5, BatchKept(1))
    play(1000, WallClock(at(1004)))
    play.wait(4003, "2: FetchCovered since 0")
    partner_covers(play, 4004, theirs, then=[slice_of("PLC1", 997, 999)])


def test_what_is_older_than_the_last_that_was_recorded_here_is_a_gap_at_once() -> None:
    _, play = paired(kept=[span("PLC1", 999.5, 999.9)])
    partner_covers(play, 3, span("PLC1", 998, 1000), then=[slice_of("PLC1", 998, 999.5)])


def test_spans_of_a_device_that_is_not_recorded_here_are_left_out() -> None:
    _, play = paired()
    partner_covers(play, 3, span("PLC9", 100, 105))


def test_the_partner_is_asked_twice_with_a_new_link_and_then_every_gap_fill_time() -> None:
    _, play = paired()
    partner_covers(play, 3)
    play.wait(4003, "2: FetchCovered since 0")
    partner_covers(play, 4004)
    play.wait(14_003, "2: FetchCovered since 0")
    partner_covers(play, 14_004, span("PLC2", 100, 102), then=[slice_of("PLC2", 100, 102)])


def test_with_a_gap_fill_time_of_zero_it_is_asked_at_the_return_alone() -> None:
    _, play = paired(trend_gap_fill=0)
    partner_covers(play, 3)
    play.wait(4003, "2: FetchCovered since 0")
    partner_covers(play, 4004)
    play.wait(60_000)
    play(60_001, Closed(2), "note partner-lost Trend2", "note server-active Trend1")
    play.wait(65_001, "open 4 Trend2/A")
    partner_opens(play, 65_002, "4: FetchCovered since 0", session=4, own="Trend1", partner="Trend2")


def test_t6_a_back_fill_that_lost_its_partner_begins_its_slice_again_at_the_return() -> None:
    _, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 102), then=[slice_of("PLC1", 100, 102)])
    part = Batch(False, samples=samples((100, "T1")), after=(at(100), "T1"))
    play(4, play.says(2, part), "merge 1 1 samples")
    play(5, BatchKept(1), slice_of("PLC1", 100, 102, f" after {at(100)} T1"))
    play(6, Closed(2), "note partner-lost Trend2", "note server-active Trend1")
    play.wait(5006, "open 4 Trend2/A")
    partner_opens(play, 5007, "4: FetchCovered since 0", session=4, own="Trend1", partner="Trend2")
    again = f"4: FetchSamples {told('PLC1', 100, 102)}"
    play(5008, play.says(4, Batch(True, covered=(span("PLC1", 100, 102),))), again)


def test_a_merge_that_became_durable_after_the_partner_was_lost_counts() -> None:
    server, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 102), then=[slice_of("PLC1", 100, 102)])
    two = Batch(True, samples=samples((100, "T1"), (101, "T1")))
    play(4, play.says(2, two), f"merge 1 2 samples {told('PLC1', 100, 102)}")
    play(5, Closed(2), "note partner-lost Trend2", "note server-active Trend1")
    play(6, BatchKept(1))
    assert list(server.covered["PLC1"]) == [(at(100), at(102))]


def test_recording_goes_on_during_a_back_fill_and_shares_its_tokens() -> None:
    _, play = paired()
    partner_covers(play, 3, span("PLC1", 100, 102), then=[slice_of("PLC1", 100, 102)])
    delivered(play, 10, 1000.1, take("E1", 1000.1))
    delivered(play, 20, 1000.9)
    play.wait(1000, f"keep batch 1 {told('PLC1', 1000.1, 1000.9, last=True)}")
    two = Batch(True, samples=samples((100, "T1"), (101, "T1")))
    play(1001, play.says(2, two), f"merge 2 2 samples {told('PLC1', 100, 102)}")
    play(1002, BatchKept(1))
    play(1003, BatchKept(2))


def test_t6_after_both_were_down_in_turn_each_fetches_what_the_other_has() -> None:
    server, play = paired(kept=[span("PLC1", 100, 110)])
    theirs = span("PLC1", 108, 112)
    partner_covers(play, 3, theirs, then=[slice_of("PLC1", 110, 112)])
    play(4, play.says(2, Batch(True, samples=samples())), f"merge 1 0 samples {told('PLC1', 110, 112)}")
    play(5, BatchKept(1))
    accepted(play, 6, 1, "Trend2", "1: Welcome Trend1 ")
    all_of_it = f"1: Batch {told('PLC1', 100, 112)} done"
    play(7, play.says(1, FetchCovered(0)), all_of_it)
    fetch = FetchSamples("PLC1", at(100), at(102), None, 4)
    play(8, play.says(1, fetch), f"look up 1 FetchSamples {told('PLC1', 100, 102)}")
    play(9, Looked(1, Batch(True, samples=samples((100, "T1")))), "1: Batch 1 samples done")
    assert list(server.covered["PLC1"]) == [(at(100), at(112))]


def test_the_partner_is_told_of_spans_that_reach_beyond_an_instant() -> None:
    _, play = paired(kept=[span("PLC1", 100, 110), span("PLC1", 120, 130)])
    accepted(play, 6, 1, "Trend2", "1: Welcome Trend1 ")
    play(7, play.says(1, FetchCovered(at(110))), f"1: Batch {told('PLC1', 120, 130)} done")
    play(8, play.says(1, FetchCovered(at(125))), f"1: Batch {told('PLC1', 120, 130)} done")


def test_redundant_is_said_after_the_second_look_and_not_again_with_every_later_one() -> None:
    server, play = paired()
    play.hide = tuple(line for line in play.hide if line != "note redundant")
    theirs = span("PLC1", 100, 102)
    partner_covers(play, 3, theirs, then=[slice_of("PLC1", 100, 102)])
    play(4, play.says(2, Batch(True, samples=samples())), f"merge 1 0 samples {told('PLC1', 100, 102)}")
    play(5, BatchKept(1))
    play.wait(4003, "2: FetchCovered since 0")
    assert not server.is_redundant
    partner_covers(play, 4004, theirs, then=["note redundant Trend1"])
    play.wait(14_003, "2: FetchCovered since 0")
    partner_covers(play, 14_004, theirs)
    assert server.is_redundant


# --- sleep ---


def test_what_was_recorded_before_a_sleep_is_kept_and_the_sleep_is_a_gap() -> None:
    _, play = recording("take")
    delivered(play, 100, 10.0)
    delivered(play, 900, 11.0)
    play.sleep(8000)
    woken = ("note woke-late Trend1", "reset listener", "note server-active Trend1")
    delivered(play, 8000, 18.0, *woken)
    delivered(play, 8500, 19.0)
    first, second = told("PLC1", 10, 11, last=True), told("PLC1", 18, 19, last=True)
    play.wait(9000, f"keep batch 1 {first} {second}")


@pytest.mark.parametrize("gap_fill", [0, 10_000])
def test_t6_after_a_sleep_the_partner_is_asked_what_it_recorded_meanwhile(gap_fill: int) -> None:
    """With each new link: with a GapFillTime of zero nobody would ever ask."""
    _, play = paired(trend_gap_fill=gap_fill)
    partner_covers(play, 3)
    play.wait(4003, "2: FetchCovered since 0")
    partner_covers(play, 4004)
    play.wait(5000)
    play.sleep(8000)
    play.late("note woke-late Trend1", "reset listener", "close 2", "open 4 Trend2/A")
    partner_opens(play, 8001, "4: FetchCovered since 0", session=4, own="Trend1", partner="Trend2")
