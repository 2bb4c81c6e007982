"""False trips by arithmetic: what is known of limits, and a count by lot for everything between."""

from math import exp
from random import Random

import pytest

from changeover.forecast.false_trips import Rate, SessionCourse, device_rate, pause_rate, session_rate
from changeover.forecast.stacks import linux_attempts
from changeover.model.moment import MILLISECOND, SECOND, Duration, milliseconds
from changeover.model.stack import LINUX_DEFAULTS
from changeover.scenario.disturbance import Spells
from changeover.scenario.impairment import Bursts, Impairment

WHOLE = Impairment()
HALF_A_SECOND = SECOND // 2


def course(send_timeout_ms: float, scan_ms: float = 250) -> SessionCourse:
    return SessionCourse(
        milliseconds(send_timeout_ms), milliseconds(scan_ms), 1, MILLISECOND // 5, HALF_A_SECOND
    )


def bursts(bad_ms: float, good_ms: float) -> Impairment:
    return Impairment(bursts=Bursts(milliseconds(good_ms), milliseconds(bad_ms)))


def test_a_whole_network_trips_nothing():
    assert session_rate(course(50), WHOLE, WHOLE).per_s == 0


def test_independent_loss_trips_by_a_power_of_the_loss():
    """Attempts before 1 s: at 0, 0.21, 0.42 and 0.84 s. All have to fail, or two have to add up."""
    low, high = (session_rate(course(1000), Impairment(loss=p), WHOLE).per_s for p in (0.01, 0.1))
    assert 1e3 < high / low < 1.1e4


def test_bursts_of_the_same_mean_loss_trip_by_orders_of_magnitude_more():
    """1 % on average, either way: a planner that takes one for the other lies."""
    alone = session_rate(course(2000), Impairment(loss=0.01), WHOLE).per_s
    together = session_rate(course(2000), bursts(300, 29_700), WHOLE).per_s
    assert together > 1000 * alone


def test_a_burst_trips_when_it_lasts_from_the_first_request_to_the_last_attempt():
    scan, length, gap = 0.25, 0.3, 30.0
    last = linux_attempts(LINUX_DEFAULTS, MILLISECOND // 5, 1.0, False)[-1]
    share = (1 - exp(-scan / length)) / (scan / length)
    expected = exp(-last / length) * share / (gap + length)
    found = session_rate(course(1000), bursts(1000 * length, 1000 * gap), WHOLE)
    # Less the part in which the burst ends, and another one begins before the last attempt.
    assert found.per_s == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("way", ["there", "back"])
def test_either_direction_trips_alike(way: str):
    bad = bursts(300, 5000)
    there, back = (bad, WHOLE) if way == "there" else (WHOLE, bad)
    assert session_rate(course(1000), there, back).per_s == pytest.approx(0.0099, rel=0.1)


def by_lot(course: SessionCourse, loss: float, seed: int, scans: int) -> float:
    """Trips per scan, of a request and its answer that are sent again and again."""
    rng = Random(seed)
    timeout = course.send_timeout / SECOND
    attempts = linux_attempts(LINUX_DEFAULTS, course.round_trip, timeout, False)

    def delivered() -> float:
        return next((at for at in attempts if rng.random() >= loss), 1e9)

    trips = 0
    for _ in range(scans):
        asked, answered, heard = delivered(), delivered(), delivered()
        trips += max(asked + answered, answered + heard) > timeout - 0.0003
    return trips / scans


@pytest.mark.parametrize("send_timeout_ms", [300, 500, 1000])
def test_independent_loss_agrees_with_a_count_by_lot(send_timeout_ms: int):
    loss = Impairment(loss=0.2)
    rate = session_rate(course(send_timeout_ms), loss, loss)
    counted = by_lot(course(send_timeout_ms), 0.2, 1, 40_000)
    assert rate.per_s * 0.25 == pytest.approx(counted, rel=0.12)


def test_a_quick_page_scan_fills_holes_that_a_slow_one_leaves():
    loss = Impairment(loss=0.2)
    quick, slow = (session_rate(course(500, scan_ms=scan), loss, loss) for scan in (100, 250))
    assert quick.per_s * 0.1 < 0.95 * slow.per_s * 0.25


def test_a_pause_of_the_server_trips_when_it_is_longer_than_the_time_out():
    rate = pause_rate(course(1000), Spells(gap=20 * SECOND, length=SECOND), exposed=8)
    assert rate.per_s == pytest.approx(exp(-1) / 21)
    assert rate.size == 8, "it drops all of its sessions when it wakes"


def test_a_silent_device_trips_when_it_is_silent_from_the_first_request_to_the_last_time_out():
    spells = Spells(gap=20 * SECOND, length=SECOND)
    rate = device_rate(SECOND, (milliseconds(500),), spells, watch=2 * SECOND)
    assert rate.per_s == pytest.approx(exp(-1) * (1 - exp(-0.5)) / 0.5 / 21, rel=1e-3)


def test_who_asks_more_often_finds_it_sooner():
    spells = Spells(gap=20 * SECOND, length=SECOND)

    def of(*scans: Duration) -> float:
        return device_rate(SECOND, scans, spells, SECOND).per_s

    assert of(HALF_A_SECOND) < of(HALF_A_SECOND, HALF_A_SECOND) < of(MILLISECOND)


def test_a_rate_counts_what_is_away_and_scatters_with_what_trips_together():
    alone, together = Rate(0.1, 1.0, 0.0), Rate(0.1, 8.0, 0.0)
    assert alone.seen_in(2, 100) == pytest.approx(20)
    assert Rate(0.1, 1.0, 10.0).seen_in(2, 100) == pytest.approx(10)
    assert alone.counts(2, 100, 0.95) == (12, 29)
    low, high = together.counts(2, 100, 0.95)
    assert low == 0
    assert high >= 40
    assert Rate(100.0, 1.0, 0.0).counts(1, 100, 0.95) == (9804, 10196)


def test_of_sessions_that_bear_a_burst_together_most_trip_together():
    one = session_rate(course(1000), bursts(300, 5000), WHOLE, exposed=1)
    many = session_rate(course(1000), bursts(300, 5000), WHOLE, exposed=8)
    assert one.size == 1
    assert 4 < many.size <= 8
    assert session_rate(course(1000), Impairment(loss=0.1), WHOLE, exposed=8).size == 1


def test_a_delay_makes_repetitions_later_and_loss_worse():
    near, far = (Impairment(loss=0.05, delay=delay * MILLISECOND) for delay in (0, 100))
    low, high = (session_rate(course(1000), way, way).per_s for way in (near, far))
    assert high > 3 * low


@pytest.mark.parametrize(
    ("delay_ms", "jitter_ms", "share"), [(440, 100, 0.32), (450, 70, 0.17), (460, 100, 0.68)]
)
def test_jitter_trips_by_the_share_of_round_trips_beyond_the_time_out(delay_ms, jitter_ms, share):
    way = Impairment(delay=delay_ms * MILLISECOND, jitter=jitter_ms * MILLISECOND)
    rate = session_rate(course(1000), way, way)
    # Requests and answers are late by themselves: a session is given up by either.
    assert share * 0.8 < rate.per_s * 1.0 < 1.8 * share
