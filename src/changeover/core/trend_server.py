"""A trend server: both of a pair record on their own disks, and each fills its gaps from the other (T6).

Theory of operation. What a server has recorded of an I/O device is a set of spans. A span goes on while the
device delivers values, one answer soon after the other; it ends when nothing comes any more. Samples of a
periodic trend are taken from the first answer at or after each whole multiple of its period, so both servers
take samples of the same instants; samples of an event trend whenever the value, or the trigger, changes.

Samples are collected and kept in batches; a span counts as recorded when the batch that holds its end is
durable. With each new link, once more a few seconds later (what was just then being recorded is durable by
then), and every [Trend]GapFillTime while it stands, a server asks its partner for the partner's spans. What
these have beyond its own is fetched slice by slice, each slice only after the one before is durable, and
merged: a sample that is there already stays as it is. So it does not matter which of the two was away, how
often, or in which order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import ClassVar

import msgspec

from changeover.core.deadlines import next_tick
from changeover.core.intervals import Intervals
from changeover.core.machine import (
    BatchKept,
    DeviceUnknown,
    Effect,
    KeepBatch,
    MergeSamples,
    TakeSamples,
    Values,
    WallClock,
)
from changeover.core.task_messages import (
    Batch,
    Fetch,
    FetchCovered,
    FetchSamples,
    News,
    Numbers,
    PairState,
    Poll,
    Query,
)
from changeover.core.task_server import TaskPeer, TaskServer
from changeover.core.trend_records import Covered
from changeover.model.moment import SECOND, Duration, Instant
from changeover.model.plant import Timing, Way
from changeover.model.trend import Trend, TrendType

BATCH_PERIOD: Duration = SECOND
"""How often what was collected is made durable."""
SETTLED: Duration = 3 * SECOND
"""What is younger than this, and than the last that was recorded here, is no gap yet: it may be under way."""
LOOKS = 2
"""So often a server looks for gaps before it believes that there are none: at once, and after SETTLED."""
START_TIMEOUT: Duration = 10 * SECOND
"""How long a server that starts waits to learn whether its partner is there."""


class KeptTrends(msgspec.Struct, frozen=True):
    """What a server's own archive held when it started: the spans, by I/O device."""

    covered: tuple[Covered, ...] = ()


class _Group(msgspec.Struct, frozen=True):
    """Periodic trends of one device with one period and one trigger."""

    period: Duration
    trigger: str
    tags: tuple[str, ...]


class TrendServer(TaskServer):
    """The machine of one trend server.

    Args:
        name, partner, ways, is_first, neighbours, timing, rng: As for every task server.
        trends: All trends.
        device_of: By variable tag, its I/O device.
        longest_gap: Two answers of a device further apart than this leave a gap between them.
        kept: What the own archive holds.
        has_visitors: As for every task server.
    """

    def __init__(
        self,
        name: str,
        partner: str | None,
        ways: tuple[Way, ...],
        is_first: bool,
        neighbours: frozenset[str],
        timing: Timing,
        rng: Random,
        trends: tuple[Trend, ...],
        device_of: Mapping[str, str],
        longest_gap: Duration,
        kept: KeptTrends,
        has_visitors: bool = False,
    ) -> None:
        super().__init__(name, partner, ways, is_first, neighbours, timing, START_TIMEOUT, rng, has_visitors)
        self._longest_gap = longest_gap
        self._groups = _groups(trends, device_of)
        self._events: dict[str, dict[str, tuple[str, ...]]] = _events(trends, device_of)
        self._rate = {device: _samples_per_second(trends, device, device_of) for device in self._groups}
        self._values: dict[str, float | None] = {}
        self._confirmed: dict[str, int] = {}
        self._open: dict[str, list[int]] = {}
        self.covered: dict[str, Intervals] = {}
        for span in kept.covered:
            self._cover(span)
        self._ended: list[Covered] = []
        self._batches: dict[int, tuple[Covered, ...]] = {}
        self._tokens_out = 0
        self._revision = 0
        self._looks = 0
        self._looks_now = True
        self._gaps: list[Covered] = []
        self._after: tuple[int, str] | None = None
        self._merging: int | None = None
        self._utc = 0

    # --- values ---

    def _on_values(self, values: Values, now: Instant) -> Iterable[Effect]:
        device, utc = values.device, values.utc
        self._utc = max(self._utc, utc)
        self._values.update(values.changed)
        last = self._confirmed.get(device)
        if device not in self._groups or utc == last:
            return
        self._confirmed[device] = utc
        if last is None or not 0 < utc - last <= self._longest_gap:
            # Nothing came for a while, or a clock was set: what is recorded from here on is another span.
            self._close_span(device)
            # The instant itself is covered, so that what changed meanwhile is not missed; archives may know
            # it by the microsecond alone.
            self._open[device] = [utc - utc % 1000, utc + 1]
            last, events = utc - 1, self._event_tags(device)
        else:
            self._open[device][1] = utc + 1
            events = self._changed_tags(device, values)
        for group in self._groups[device]:
            if group.trigger and not self._values.get(group.trigger):
                continue
            first = last // group.period + 1
            for multiple in range(first, utc // group.period + 1):
                yield TakeSamples(device, group.tags, multiple * group.period)
        if events:
            yield TakeSamples(device, events, utc)

    def _event_tags(self, device: str) -> tuple[str, ...]:
        """The event trends of a device."""
        return tuple(dict.fromkeys(tag for tags in self._events[device].values() for tag in tags))

    def _changed_tags(self, device: str, values: Values) -> tuple[str, ...]:
        """The event trends of a device for which something changed."""
        causes = self._events[device]
        return tuple(dict.fromkeys(tag for name, _ in values.changed for tag in causes.get(name, ())))

    def _on_device_unknown(self, stimulus: DeviceUnknown, now: Instant) -> Iterable[Effect]:
        self._confirmed.pop(stimulus.device, None)
        self._close_span(stimulus.device)
        return ()

    def _on_wall_clock(self, clock: WallClock, now: Instant) -> Iterable[Effect]:
        self._utc = clock.utc
        return ()

    def _close_span(self, device: str) -> None:
        start, end = self._open.pop(device, (0, 0))
        if end > start:
            self._ended.append(Covered(device, start, end))

    # --- batches ---

    def _on_own_timer(self, purpose: str, owner: object, at: Instant, now: Instant) -> Iterable[Effect]:
        if purpose == "gaps":
            if self._timing.trend_gap_fill:
                self._deadlines.set(("gaps", ""), next_tick(at, self._timing.trend_gap_fill, now))
            self._looks_now = True
            return
        assert purpose == "batch"
        self._deadlines.set(("batch", ""), next_tick(at, BATCH_PERIOD, now))
        covered = tuple(self._ended)
        self._ended.clear()
        for device, (start, end) in self._open.items():
            if end > start:
                covered += (Covered(device, start, end),)
                self._open[device] = [end, end]
        if covered:
            token = self._next_token()
            self._batches[token] = covered
            yield KeepBatch(token, covered)

    def _on_kept(self, kept: BatchKept, now: Instant) -> Iterable[Effect]:
        for span in self._batches.pop(kept.token):
            self._cover(span)
        self._revision += 1
        if kept.token == self._merging:
            self._merging = None
        return ()

    def _cover(self, span: Covered) -> None:
        spans = self.covered.get(span.device, Intervals(()))
        self.covered[span.device] = spans.add(span.start_utc, span.end_utc)

    # --- the partner ---

    def _numbers(self) -> Numbers:
        return ()

    def _saved_utc(self) -> int:
        return 0

    def _is_filling(self) -> bool:
        return self._merging is not None

    def _needs_all_to_start(self) -> bool:
        return False

    def _lacks(self) -> bool:
        return super()._lacks() or (self._pair.is_there and self._looks < LOOKS)

    def _lacking(self, partner: PairState) -> Fetch | None:
        if self._looks_now:
            return FetchCovered(0)
        if not self._gaps:
            return None
        gap = self._gaps[0]
        limit = self._timing.trend_samples_max
        slice_ = max(SECOND, round(limit / max(self._rate[gap.device], 1e-9) * SECOND))
        end = min(gap.end_utc, gap.start_utc + slice_)
        return FetchSamples(gap.device, gap.start_utc, end, self._after, limit)

    def _on_batch(self, fetch: Fetch, batch: Batch, now: Instant) -> Iterable[Effect]:
        if isinstance(fetch, FetchCovered):
            self._look(batch.covered, now)
            return
        assert isinstance(fetch, FetchSamples)
        self._after = None if batch.done else batch.after
        covered: tuple[Covered, ...] = ()
        if batch.done:
            covered = (Covered(fetch.device, fetch.start_utc, fetch.end_utc),)
            end = self._gaps[0].end_utc
            self._gaps[:1] = [Covered(fetch.device, fetch.end_utc, end)] if fetch.end_utc < end else []
        if batch.failure or batch.samples is None:
            # The partner cannot read what it has of this span: on to the next, until the next look.
            return
        self._merging = self._next_token()
        self._batches[self._merging] = covered
        yield MergeSamples(self._merging, batch.samples, covered)

    def _look(self, theirs: Iterable[Covered], now: Instant) -> None:
        """Note what the partner has recorded and this server has not."""
        spans: dict[str, Intervals] = {}
        for span in theirs:
            held = spans.get(span.device, Intervals(()))
            spans[span.device] = held.add(span.start_utc, span.end_utc)
        self._gaps, self._after, self._looks_now = [], None, False
        for device in self._groups:
            own = self.covered.get(device, Intervals(()))
            settled = max(self._utc - SETTLED, max((end for _, end in own), default=0))
            gaps = (spans.get(device, Intervals(())) - own).clip(0, settled)
            self._gaps.extend(Covered(device, start, end) for start, end in gaps)
        self._looks += 1
        if self._looks < LOOKS:
            self._deadlines.set(("gaps", ""), now + SETTLED + BATCH_PERIOD)

    def _on_fetch_lost(self) -> None:
        self._look_anew()

    def _look_anew(self) -> None:
        """The link is another one from now on: the partner may have changed."""
        self._gaps, self._after, self._looks_now, self._looks = [], None, True, 0

    def _on_question(self, peer: TaskPeer, message: Fetch | Query, now: Instant) -> Iterable[Effect]:
        if not isinstance(message, FetchCovered):
            yield from super()._on_question(peer, message, now)
            return
        spans = tuple(
            Covered(device, start, end)
            for device, held in self.covered.items()
            for start, end in held
            if end > message.since_utc
        )
        yield self._peers.tell(peer, Batch(done=True, covered=spans), now)

    def _on_partner_lost(self, now: Instant) -> Iterable[Effect]:
        self._look_anew()
        return ()

    # --- transitions and clients ---

    def _on_begin(self, now: Instant) -> Iterable[Effect]:
        self._look_anew()
        self._deadlines.set(("batch", ""), now + BATCH_PERIOD)
        if self._timing.trend_gap_fill:
            self._deadlines.set(("gaps", ""), now + self._timing.trend_gap_fill)
        return ()

    def _on_poll(self, peer: TaskPeer, poll: Poll, now: Instant) -> Iterable[Effect]:
        yield self._peers.tell(peer, News(poll.request, self._revision, self.is_active), now)

    def _next_token(self) -> int:
        self._tokens_out += 1
        return self._tokens_out

    TABLE: ClassVar[dict[type, Callable[..., Iterable[Effect]]]] = TaskServer.TABLE | {
        Values: _on_values,
        DeviceUnknown: _on_device_unknown,
        WallClock: _on_wall_clock,
        BatchKept: _on_kept,
    }


def _groups(trends: Iterable[Trend], device_of: Mapping[str, str]) -> dict[str, tuple[_Group, ...]]:
    """By device, its periodic trends with the same period and trigger together; every recorded device."""
    found: dict[str, dict[tuple[Duration, str], list[str]]] = {}
    for trend in trends:
        of_device = found.setdefault(device_of[trend.tag], {})
        if trend.type is TrendType.PERIODIC:
            of_device.setdefault((trend.period, trend.trigger), []).append(trend.tag)
    return {
        device: tuple(_Group(period, trigger, tuple(tags)) for (period, trigger), tags in groups.items())
        for device, groups in found.items()
    }


def _events(trends: Iterable[Trend], device_of: Mapping[str, str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By device and by the tag whose change counts, the event trends that take a sample then."""
    found: dict[str, dict[str, tuple[str, ...]]] = {device_of[trend.tag]: {} for trend in trends}
    for trend in trends:
        if trend.type is TrendType.EVENT:
            cause = trend.trigger or trend.tag
            of_device = found[device_of[trend.tag]]
            of_device[cause] = (*of_device.get(cause, ()), trend.tag)
    return found


def _samples_per_second(trends: Iterable[Trend], device: str, device_of: Mapping[str, str]) -> float:
    """What the periodic trends of a device come to, for slices that fill a batch."""
    periods = (t.period for t in trends if t.period and device_of[t.tag] == device)
    return sum(SECOND / period for period in periods)
