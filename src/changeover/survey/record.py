"""Streams as a network.json has them, and back: what is written is all that a later run needs to go on."""

from __future__ import annotations

from copy import copy
from datetime import UTC, datetime
from functools import lru_cache
from heapq import heapify, nlargest

import msgspec

from changeover.forecast.tail import fit_tail
from changeover.model.moment import MILLISECOND, SECOND, Instant, milliseconds
from changeover.model.network import (
    BINS_IN_ONE,
    FIRST_MS,
    NAMED_MAX,
    RATIO,
    BackupRecord,
    Bins,
    Bursts,
    Episode,
    Gap,
    Hour,
    LongAnswer,
    Rate,
    StreamRecord,
    TailRecord,
)
from changeover.model.network import Histogram as HistogramRecord
from changeover.survey.body import Backup, Long
from changeover.survey.episodes import Episodes, Peak, Totals
from changeover.survey.histogram import Histogram, quantiles_in
from changeover.survey.stream import HourOfDay, Silence, Stream, StreamKey, in_ms

MULTIPLES = (2, 5, 10)
"""Of the threshold: where rates are given."""


@lru_cache(maxsize=65536)
def utc_text(utc: int) -> str:
    """Nanoseconds since 1970 as ISO 8601 with milliseconds."""
    moment = datetime.fromtimestamp(utc // SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{utc % SECOND // MILLISECOND:03}Z"


def utc_of(text: str) -> int:
    """The inverse of `utc_text`.

    Raises:
        ValueError: It is no such time.
    """
    moment = datetime.fromisoformat(text)
    return round(moment.timestamp() * 1000) * MILLISECOND


def frozen(stream: Stream, now: Instant) -> Stream:
    """A stream as it stands, for another thread: what follows changes the original alone.

    A copy takes microseconds, a record milliseconds, in which no delay could be taken.
    """
    other = copy(stream)
    other.raw, other.usual = copy(stream.raw), copy(stream.usual)
    other.usual.body = copy(stream.usual.body)
    for histogram in (other.raw, other.usual.body):
        histogram.bins = histogram.bins.copy()
    other.seconds_of_delays = stream.seconds_of_delays.frozen()
    other.long_answers = copy(stream.long_answers)
    other.long_answers.longest = stream.long_answers.longest.copy()
    other.episodes = stream.episodes.frozen(other.raw)
    other.hours = [copy(hour) for hour in stream.hours]
    for hour in other.hours:
        hour.bins = hour.bins.copy()
    other.gaps, other.censored = stream.gaps.copy(), stream.censored.copy()
    other.close_all(now)
    return other


def record_of(stream: Stream, now: Instant) -> StreamRecord:
    """A stream as it stands, its tail not fitted yet (`fitted`)."""
    requests = max(1, stream.requests)
    body, answers, seconds = stream.usual.body, stream.long_answers, stream.seconds_of_delays
    under_way = seconds.under_way()
    backups = nlargest(NAMED_MAX, [*seconds.longest, *([under_way] if under_way else [])])
    return StreamRecord(
        kind=stream.key.kind,
        name=stream.key.name,
        function=stream.key.function,
        period_ms=in_ms(stream.period),
        messages=stream.raw.count,
        paused=stream.paused,
        seconds=stream.exposure(now),
        requests=stream.requests,
        sent_bytes_mean=stream.sent_bytes / requests,
        answer_bytes_mean=stream.answer_bytes / requests,
        quantiles_ms=stream.raw.record(),
        body_ms=body.record(),
        histogram=HistogramRecord(FIRST_MS, RATIO, stream.raw.sparse(), body.sparse()),
        tail=_tail(stream),
        bursts=_bursts(stream.episodes.settled()),
        gaps=tuple(
            Gap(utc_text(gap.begin_utc), utc_text(gap.end_utc), gap.length / SECOND)
            for gap in sorted(stream.gaps, reverse=True)
        ),
        closed=stream.closed,
        censored_count=stream.censored_count,
        censored=tuple(map(in_ms, stream.longest_censored())),
        by_hour=tuple(_hour(number, hour) for number, hour in enumerate(stream.hours) if hour.count),
        backups_count=seconds.count + (under_way is not None),
        backups=tuple(_backup(backup) for backup in sorted(backups, key=lambda b: b.begin_utc)),
        long_answers_count=answers.count,
        long_answers=tuple(
            LongAnswer(utc_text(long.utc), in_ms(long.length))
            for long in sorted(answers.longest, key=lambda long: long.utc)
        ),
    )


def fitted(record: StreamRecord) -> StreamRecord:
    """The same with its tail fitted: milliseconds of work that must not be done while delays are taken."""
    tail = record.tail
    fit = fit_tail(tail.threshold_ms, tail.excesses_ms, record.seconds, tail.censored_ms)
    rates: tuple[Rate, ...] = ()
    if record.seconds > 0 and tail.threshold_ms > 0:
        found = [(k * tail.threshold_ms, fit.rate_above(k * tail.threshold_ms)) for k in MULTIPLES]
        rates = tuple(Rate(at, *(3600.0 * value for value in rate)) for at, rate in found)
    fit_record = msgspec.structs.replace(tail, shape=fit.shape, scale_ms=fit.scale, rates=rates)
    return msgspec.structs.replace(record, tail=fit_record)


def stream_of(record: StreamRecord) -> Stream:
    """A stream that goes on where a record ended."""
    key = StreamKey(record.kind, record.name, record.function)
    stream = Stream(key, milliseconds(record.period_ms))
    _refill(stream.raw, record.histogram.raw, record.quantiles_ms)
    _refill(stream.usual.body, record.histogram.body, record.body_ms)
    stream.usual.look()
    stream.paused, stream.closed = record.paused, record.closed
    stream.requests = record.requests
    stream.sent_bytes = round(record.sent_bytes_mean * record.requests)
    stream.answer_bytes = round(record.answer_bytes_mean * record.requests)
    stream.restore_exposure(record.seconds)
    stream.censored = [milliseconds(ms) for ms in record.censored]
    heapify(stream.censored)
    stream.censored_count = record.censored_count
    stream.gaps = [
        Silence(round(gap.seconds * SECOND), utc_of(gap.from_utc), utc_of(gap.to_utc)) for gap in record.gaps
    ]
    heapify(stream.gaps)
    for hour in record.by_hour:
        known = stream.hours[hour.hour_utc]
        known.bins, known.count = dict(hour.bins), hour.messages
        known.greatest = milliseconds(hour.max_ms)
    _restore_named(stream, record)
    _restore_episodes(stream.episodes, record.bursts, record.messages)
    return stream


def _refill(histogram: Histogram, bins: Bins, ends: object) -> None:
    least, greatest = getattr(ends, "min", None), getattr(ends, "max", None)
    if least is not None and greatest is not None:
        histogram.take(bins, milliseconds(least), milliseconds(greatest))


def _restore_named(stream: Stream, record: StreamRecord) -> None:
    backups = []
    for backup in record.backups:
        begin, end = utc_of(backup.from_utc), utc_of(backup.to_utc)
        median, longest = milliseconds(backup.median_ms), milliseconds(backup.max_ms)
        backups.append(Backup(max(0, end - begin), begin, end, median, longest, backup.messages))
    heapify(backups)
    stream.seconds_of_delays.longest, stream.seconds_of_delays.count = backups, record.backups_count
    long = [Long(milliseconds(answer.ms), utc_of(answer.at_utc)) for answer in record.long_answers]
    heapify(long)
    stream.long_answers.longest, stream.long_answers.count = long, record.long_answers_count


def _restore_episodes(episodes: Episodes, bursts: Bursts, messages: int) -> None:
    if not messages:
        return
    totals = Totals()
    totals.count = bursts.count
    totals.length = milliseconds(bursts.mean_ms * bursts.count)
    totals.messages = round(bursts.messages_mean * bursts.count)
    if bursts.mean_gap_s is not None:
        totals.gaps = bursts.count - 1
        totals.gap_seconds = bursts.mean_gap_s * totals.gaps
    kept = [
        Peak(milliseconds(e.max_ms), utc_of(e.at_utc), milliseconds(e.length_ms), e.messages)
        for e in bursts.episodes
    ]
    episodes.restore(milliseconds(bursts.threshold_ms), kept, totals)


def _tail(stream: Stream) -> TailRecord:
    episodes = stream.episodes.settled()
    threshold = episodes.fit_threshold()
    beyond = sorted((peak.longest for peak in episodes.peaks() if peak.longest > threshold), reverse=True)
    censored = tuple(in_ms(delay - threshold) for delay in stream.longest_censored() if delay > threshold)
    return TailRecord(
        threshold_ms=in_ms(threshold),
        episodes=len(beyond) + len(censored),
        excesses_ms=tuple(in_ms(longest - threshold) for longest in beyond),
        censored_ms=censored,
        shape=None,
        scale_ms=None,
        rates=(),
    )


def _bursts(episodes: Episodes) -> Bursts:
    totals, current = episodes.totals, episodes.current
    count = totals.count + (current is not None)
    length = totals.length + (current.length if current else 0)
    messages = totals.messages + (current.messages if current else 0)
    return Bursts(
        threshold_ms=in_ms(episodes.threshold or 0),
        count=count,
        mean_ms=in_ms(round(length / max(1, count))),
        mean_gap_s=totals.gap_seconds / totals.gaps if totals.gaps else None,
        messages_mean=messages / max(1, count),
        episodes=tuple(
            Episode(utc_text(peak.utc), in_ms(peak.length), in_ms(peak.longest), peak.messages)
            for peak in episodes.peaks()
        ),
    )


def _hour(number: int, hour: HourOfDay) -> Hour:
    bins = tuple(sorted(hour.bins.items()))
    # The counts are of five bins in one: quantiles of them, back in the fine bins' numbers.
    spread = ((BINS_IN_ONE * wide + BINS_IN_ONE // 2, count) for wide, count in bins)
    median, high = (min(value, hour.greatest) for value in quantiles_in(spread, hour.count, (0.5, 0.99)))
    return Hour(number, hour.count, median / MILLISECOND, high / MILLISECOND, in_ms(hour.greatest), bins)


def _backup(backup: Backup) -> BackupRecord:
    begin, end = utc_text(backup.begin_utc), utc_text(backup.end_utc)
    return BackupRecord(begin, end, in_ms(backup.median), in_ms(backup.longest), backup.messages)


def longest_of(pauses: list[Long]) -> tuple[LongAnswer, ...]:
    """Pauses by length, as the file has them."""
    longest = nlargest(NAMED_MAX, pauses)
    return tuple(LongAnswer(utc_text(pause.utc), in_ms(pause.length)) for pause in longest)
