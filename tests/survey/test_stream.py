"""What a stream makes of delays: body, backups, long answers, episodes, in memory that does not grow."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

from changeover.model.moment import HOUR, MILLISECOND, SECOND, milliseconds
from changeover.model.network import Kind
from changeover.survey.body import Delay
from changeover.survey.episodes import KEPT_MAX, Episodes, Peak, Totals
from changeover.survey.histogram import Histogram
from changeover.survey.record import fitted, frozen, record_of, stream_of, utc_of, utc_text
from changeover.survey.stream import Stream
from delays import PERIOD, UTC, Feeder, lognormal


def size(thing: Any, seen: set[int] | None = None) -> int:
    """Bytes of an object and of all that hangs on it."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    total = sys.getsizeof(thing)
    if isinstance(thing, dict):
        total += sum(size(k, seen) + size(v, seen) for k, v in thing.items())
    elif isinstance(thing, list | tuple | set):
        total += sum(size(item, seen) for item in thing)
    for name in (*getattr(type(thing), "__slots__", ()), *getattr(thing, "__dict__", ())):
        if hasattr(thing, name):
            total += size(getattr(thing, name), seen)
    return total


def test_quantiles_are_exact_to_a_bin() -> None:
    delays = lognormal(20_000, seed=1, sigma=1.0)
    histogram = Histogram()
    for delay in delays:
        histogram.add(delay)
    wanted = (0.5, 0.9, 0.99, 0.999)
    for found, exact in zip(histogram.quantiles(wanted), np.quantile(delays, wanted), strict=True):
        assert found == pytest.approx(exact, rel=0.025)
    record = histogram.record()
    assert record is not None
    assert (record.min, record.max) == (min(delays) / 1e6, max(delays) / 1e6)


@pytest.mark.parametrize("delay", [0, 1, 1000, 10**15])
def test_no_delay_is_too_short_or_too_long(delay: int) -> None:
    histogram = Histogram()
    histogram.add(delay)
    assert histogram.quantiles((0.5,)) == [delay]


@pytest.mark.parametrize(("sigma", "seed"), [(0.25, 1), (0.5, 2), (0.8, 3), (1.0, 4)])
def test_ordinary_answers_are_never_named(sigma: float, seed: int) -> None:
    """A million of them in all."""
    stream = Feeder().feed(lognormal(250_000, seed, sigma)).finish()
    assert (stream.seconds_of_delays.count, stream.long_answers.count) == (0, 0)
    assert stream.usual.body.count == stream.raw.count == 250_000


def test_a_backup_and_a_program_change_are_named_and_leave_the_body_alone() -> None:
    feeder = Feeder().feed(lognormal(4000, 5))
    asked = feeder.utc + feeder.period - milliseconds(6200)
    feeder.feed_ms(6200).feed(lognormal(4000, 6))
    begin = feeder.utc
    feeder.feed(lognormal(240, 7, 0.3, median_ms=40.0))
    end = feeder.utc
    stream = feeder.feed(lognormal(4000, 8)).finish()
    (long,) = stream.long_answers.longest
    assert (long.length, long.utc) == (milliseconds(6200), asked)
    (backup,) = stream.seconds_of_delays.longest
    assert abs(backup.begin_utc - begin) <= SECOND
    assert abs(backup.end_utc - end) <= SECOND
    assert backup.median == pytest.approx(milliseconds(40), rel=0.1)
    assert stream.seconds_of_delays.count == stream.long_answers.count == 1
    assert stream.raw.greatest == milliseconds(6200)
    # The second in which a backup begins and ends is the body's.
    assert stream.usual.body.quantiles((0.99,))[0] < 2 * np.quantile(lognormal(12_000, 9), 0.99)


def test_four_bad_seconds_are_no_backup() -> None:
    feeder = Feeder().feed(lognormal(1000, 5)).feed(lognormal(16, 7, 0.3, median_ms=40.0))
    stream = feeder.feed(lognormal(1000, 8)).finish()
    assert stream.seconds_of_delays.count == 0
    assert stream.usual.body.count == 2016


def test_what_lasts_for_half_a_day_is_how_things_are() -> None:
    feeder = Feeder(Kind.SESSION, period=SECOND).feed(lognormal(1000, 5))
    stream = feeder.feed(lognormal(13 * 3600, 7, 0.3, median_ms=40.0)).finish()
    assert stream.seconds_of_delays.count == 0
    assert stream.usual.body.quantiles((0.5,))[0] == pytest.approx(milliseconds(40), rel=0.1)


@pytest.mark.parametrize("burst", [6, 10])
def test_a_burst_of_long_answers_is_not_one_of_them(burst: int) -> None:
    feeder = Feeder().feed(lognormal(2000, 5)).feed_ms(*[900.0] * burst)
    stream = feeder.feed(lognormal(100, 6)).finish()
    assert stream.long_answers.count == 0
    assert stream.raw.count == stream.usual.body.count == 2100 + burst


def test_a_session_has_no_long_answers() -> None:
    stream = Feeder(Kind.SESSION).feed(lognormal(2000, 5)).feed_ms(6200).feed(lognormal(100, 6)).finish()
    assert stream.long_answers.count == 0
    assert stream.usual.body.count == 2101


def test_a_long_answer_is_no_episode() -> None:
    """It is named; a rate of many such would be a fit of two things at once."""
    feeder = Feeder().feed(lognormal(2000, 5)).feed_ms(6200)
    stream = feeder.feed(lognormal(2000, 6)).finish()
    assert max(peak.longest for peak in stream.episodes.peaks()) < milliseconds(100)


def test_what_overlaps_a_pause_of_ours_counts_in_raw_alone() -> None:
    feeder = Feeder().feed(lognormal(500, 5))
    feeder.stream.pause(milliseconds(800))
    feeder.now += feeder.period
    feeder.stream.add(feeder.now, feeder.utc, milliseconds(800), paused=True)
    stream = feeder.finish()
    assert (stream.raw.count, stream.paused, stream.usual.body.count) == (501, 1, 500)
    assert stream.exposure(feeder.now) == pytest.approx(501 * 0.25 - 0.8)


def test_episodes_are_runs() -> None:
    """Three runs beyond the threshold, of 1, 2 and 3 delays; a second of quiet divides them."""
    feeder = Feeder(Kind.SESSION).feed_ms(*[1.0 + n % 100 / 1000 for n in range(2000)])
    feeder.feed_ms(50, *[1.0] * 8, 60, 70, *[1.0] * 8, 80, 1.0, 85, 90, *[1.0] * 8)
    found = [peak for peak in feeder.finish().episodes.peaks() if peak.longest >= milliseconds(50)]
    assert [(peak.longest // MILLISECOND, peak.messages, peak.length // MILLISECOND) for peak in found] == [
        (50, 1, 0),
        (70, 2, 250),
        (90, 3, 750),
    ]


def test_what_is_kept_is_complete_beyond_the_threshold() -> None:
    delays = lognormal(200_000, 11, sigma=0.8)
    episodes = Feeder(Kind.SESSION).feed(delays).finish().episodes
    assert len(episodes.kept) <= KEPT_MAX
    threshold = episodes.fit_threshold()
    kept = [peak for peak in episodes.peaks() if peak.longest > threshold]
    beyond = [delay for delay in delays if delay > threshold]
    assert len(kept) > 100
    assert max(peak.longest for peak in kept) == max(beyond)
    # Some come within a second of each other, and are one episode.
    assert 0.9 * len(beyond) < len(kept) <= len(beyond)


def test_a_storm_at_the_beginning_does_not_spoil_the_threshold() -> None:
    feeder = Feeder(Kind.SESSION).feed(lognormal(150, 1, 0.3, median_ms=500.0))
    episodes = feeder.feed(lognormal(100_000, 2)).finish().episodes
    assert episodes.fit_threshold() < milliseconds(10)
    assert sum(peak.longest > episodes.fit_threshold() for peak in episodes.peaks()) > 300


def test_a_lost_session_leaves_a_censored_delay() -> None:
    feeder = Feeder(Kind.SESSION).feed(lognormal(500, 5))
    feeder.stream.ended(feeder.now, milliseconds(1900))
    feeder.now += 60 * SECOND
    feeder.stream.opened(feeder.now)
    stream = feeder.feed(lognormal(500, 6)).finish()
    record = record_of(stream, feeder.now)
    assert (record.closed, record.censored_count, record.censored) == (1, 1, (1900.0,))
    assert record.tail.censored_ms == (1900.0 - record.tail.threshold_ms,)
    assert record.seconds == pytest.approx(1000 * 0.25)
    assert record.gaps[0].seconds == pytest.approx(0.25), "no answer is missed where there is no connection"


def test_silences_and_hours() -> None:
    feeder = Feeder().feed(lognormal(500, 5))
    feeder.now += 7 * SECOND
    feeder.feed(lognormal(10, 6))
    feeder.now += HOUR
    record = record_of(feeder.feed(lognormal(10, 7)).finish(), feeder.now)
    assert [gap.seconds for gap in record.gaps[:2]] == pytest.approx([3600.25, 7.25])
    assert [(hour.hour_utc, hour.messages) for hour in record.by_hour] == [(14, 510), (15, 10)]
    assert record.by_hour[0].p50_ms == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize("times", [2, pytest.param(46, marks=pytest.mark.long)])
def test_five_million_delays_take_no_more_memory_than_few(times: int) -> None:
    """Few are a day and a bit, all are two weeks."""
    delays = lognormal(100_000, 12, sigma=0.8)
    feeder = Feeder(Kind.SESSION, period=PERIOD).feed(delays)
    for _ in range(3):
        feeder.feed(delays)
    early = size(feeder.stream)
    assert early < 300_000
    for _ in range(times):
        feeder.feed(delays)
    assert size(feeder.stream) < 1.1 * early


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_goes_on_where_its_record_ended(seed: int) -> None:
    whole = Feeder()
    first, second = lognormal(5000, seed, 0.6), lognormal(5000, seed + 100, 0.6)
    whole.feed(first)
    halves = stream_of(fitted(record_of(Feeder().feed(first).finish(), whole.now)))
    halves.opened(whole.now)
    for delay in second:
        whole.now += whole.period
        for stream in (whole.stream, halves):
            stream.add(whole.now, whole.utc, delay)
    one, two = record_of(whole.finish(), whole.now), record_of(_finished(halves, whole.now), whole.now)
    assert two.quantiles_ms == one.quantiles_ms
    assert two.histogram == one.histogram
    assert two.tail.threshold_ms == one.tail.threshold_ms
    assert two.tail.episodes == pytest.approx(one.tail.episodes, abs=1)
    assert two.bursts.count == pytest.approx(one.bursts.count, rel=0.1)
    assert two.seconds == pytest.approx(one.seconds, abs=5 * 0.25)


def test_what_is_frozen_stands_still_and_is_the_same() -> None:
    feeder = Feeder().feed(lognormal(5000, 5)).feed(lognormal(60, 7, 0.3, median_ms=40.0))
    copied = frozen(feeder.stream, feeder.now)
    before = record_of(copied, feeder.now)
    assert before == record_of(feeder.stream, feeder.now)
    assert before.backups_count == 1, "it is under way"
    feeder.feed(lognormal(500, 6, median_ms=40.0))
    assert record_of(copied, feeder.now) == before != record_of(feeder.finish(), feeder.now)


def _finished(stream: Stream, now: int) -> Stream:
    stream.finish(now)
    return stream


def test_times_survive_their_text() -> None:
    assert utc_text(UTC) == "2026-03-02T14:05:07.000Z"
    assert utc_of(utc_text(UTC + 123 * MILLISECOND)) == UTC + 123 * MILLISECOND


def test_what_is_held_back_is_let_go_in_order() -> None:
    feeder = Feeder().feed(lognormal(2000, 5))
    sift = feeder.stream.long_answers.sift
    delays = [Delay(feeder.now, feeder.utc, milliseconds(ms)) for ms in (900, 901, 902, 1, 903, 904, 905)]
    found = [sift(delay) for delay in delays]
    assert found[:-1] == [()] * 6
    assert found[-1] == tuple(delays)


def test_an_episode_under_way_at_each_end_leaves_no_more_than_is_kept() -> None:
    episodes = Episodes(PERIOD, Histogram())
    episodes.restore(1, [Peak(2 + n, UTC, 0, 1) for n in range(KEPT_MAX + 1)], Totals())
    assert len(episodes.kept) == KEPT_MAX
    assert min(peak.longest for peak in episodes.kept) == 3
