"""Everything that is known of one session, round trip or device, in memory that does not grow with time."""

from __future__ import annotations

from heapq import heappush, heappushpop, nlargest
from typing import NamedTuple

from changeover.model.moment import HOUR, MILLISECOND, SECOND, Duration, Instant
from changeover.model.network import BINS_IN_ONE, GAPS_MAX, HOURS, NAMED_MAX, Kind
from changeover.survey.body import Delay, LongAnswers, Seconds, Usual
from changeover.survey.episodes import Episodes
from changeover.survey.histogram import Histogram, bin_of


class StreamKey(NamedTuple):
    """Which stream: its kind, the way or unit, the function."""

    kind: Kind
    name: str
    function: str


class Silence(NamedTuple):
    """Between two answers: its length, and when it began and ended (UTC)."""

    length: Duration
    begin_utc: int
    end_utc: int


class HourOfDay:
    """Delays within one hour of the day, over all days."""

    __slots__ = ("bins", "count", "greatest")

    def __init__(self) -> None:
        self.bins: dict[int, int] = {}
        self.count = 0
        self.greatest: Duration = 0

    def add(self, delay: Duration) -> None:
        """Count a delay."""
        number = bin_of(delay) // BINS_IN_ONE
        self.bins[number] = self.bins.get(number, 0) + 1
        self.count += 1
        if delay > self.greatest:
            self.greatest = delay


class Stream:
    """The delays of one session, round trip or device.

    What is long, what comes in runs, and what stands apart is sorted as it comes (`survey.episodes`,
    `survey.body`). A delay that a pause of the measuring process spoilt counts in `raw` alone.

    Args:
        key: Which one.
        period: Between two requests, as asked for.

    Attributes:
        raw: Every delay.
        paused: How many a pause of the measuring process spoilt.
        seconds: Exposure up to the last call.
        closed: How often a connection ended.
        censored: A heap of the longest delays that had not ended then.
    """

    def __init__(self, key: StreamKey, period: Duration) -> None:
        self.key = key
        self.period = period
        self.raw = Histogram()
        self.usual = Usual()
        self.seconds_of_delays = Seconds(self.usual)
        self.long_answers = LongAnswers(self.usual)
        self.episodes = Episodes(period, self.raw)
        self.hours = [HourOfDay() for _ in range(HOURS)]
        self.paused = 0
        self.gaps: list[Silence] = []
        self.requests = 0
        self.sent_bytes = 0
        self.answer_bytes = 0
        self.closed = 0
        self.censored: list[Duration] = []
        self.censored_count = 0
        self._exposure: Duration = 0
        self._open = 0
        self._open_since: Instant = 0
        self._last: Delay | None = None
        self._names_long_answers = key.kind is Kind.DEVICE

    # --- what happens ---

    def opened(self, now: Instant) -> None:
        """A connection stands: from now on delays can be seen. There may be several at a time."""
        self._open += 1
        if self._open == 1:
            self._open_since = now
            self._last = None

    def ended(self, now: Instant, outstanding: Duration | None, *, counts: bool = True) -> None:
        """A connection is gone.

        Args:
            now: Now.
            outstanding: For how long the oldest delay had lasted; None where nothing was under way.
            counts: Whether somebody else ended it, or it was lost; not where we did.
        """
        assert self._open, "only what stood can be gone"
        self._open -= 1
        if not self._open:
            self._exposure += max(0, now - self._open_since)
        if not counts:
            return
        self.closed += 1
        if outstanding is not None:
            self.censored_count += 1
            (heappush if len(self.censored) < NAMED_MAX else heappushpop)(self.censored, outstanding)

    def sent(self, size: int) -> None:
        """A request, or a frame, of so many bytes left."""
        self.requests += 1
        self.sent_bytes += size

    def received(self, size: int) -> None:
        """So many bytes came."""
        self.answer_bytes += size

    def pause(self, length: Duration) -> None:
        """The measuring process stood still: nothing could be seen meanwhile."""
        if self._open:
            self._exposure -= length

    def add(self, now: Instant, utc: int, delay: Duration, paused: bool = False) -> None:
        """A delay ended now.

        Args:
            now: Now.
            utc: Nanoseconds since 1970.
            delay: How long it was.
            paused: Whether a pause of the measuring process spoilt it.
        """
        self.raw.add(delay)
        taken = Delay(now, utc, delay)
        last, self._last = self._last, taken
        if paused:
            self.paused += 1
            return
        if last is not None:
            self._note_silence(now - last.now, last.utc, utc)
        self.hours[utc // HOUR % HOURS].add(delay)
        for found in self.long_answers.sift(taken) if self._names_long_answers else (taken,):
            self.episodes.add(*found)
            self.seconds_of_delays.add(found)

    def finish(self, now: Instant) -> None:
        """Measuring ends: what is open ends by our own doing, what was held back is judged as it is."""
        self.close_all(now)
        for found in self.long_answers.release():
            self.episodes.add(*found)
            self.seconds_of_delays.add(found)
        self.seconds_of_delays.finish()

    def close_all(self, now: Instant) -> None:
        """Every connection ends by our own doing."""
        while self._open:
            self.ended(now, None, counts=False)

    # --- what is known ---

    def exposure(self, now: Instant) -> float:
        """Seconds with a connection, pauses left out, up to now."""
        open_for = max(0, now - self._open_since) if self._open else 0
        return max(0, self._exposure + open_for) / SECOND

    def restore_exposure(self, seconds: float) -> None:
        """Go on where an earlier run ended."""
        self._exposure = round(seconds * SECOND)

    def longest_censored(self) -> tuple[Duration, ...]:
        """The longest delays that had not ended, largest first."""
        return tuple(nlargest(NAMED_MAX, self.censored))

    def _note_silence(self, length: Duration, begin_utc: int, end_utc: int) -> None:
        if len(self.gaps) < GAPS_MAX:
            heappush(self.gaps, Silence(length, begin_utc, end_utc))
        elif length > self.gaps[0].length:
            heappushpop(self.gaps, Silence(length, begin_utc, end_utc))


def in_ms(span: Duration) -> float:
    """A duration as the file has it: milliseconds, to the nanosecond."""
    return span / MILLISECOND
