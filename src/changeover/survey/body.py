"""Backups and long answers are told apart from the body of a stream.

Theory of operation. Whether a long delay belongs to the body shows only in what comes before and after it.

* A **long answer** of a device, such as the one in which a PLC takes a new program, is far beyond all others
  and has usual ones on both sides. Delays beyond `far` are held back, a handful at most, until three usual
  ones have followed; then the longest of them is named, and none of them counts in the body. A sixth long
  delay within the same run says that it is something else, and they all count as if they had not been held.
* A **backup** lasts. Each second has a median; when that stays beyond four times the body's median, and
  beyond the body's 99 % quantile, for five seconds, it was a backup from the first of them on. Delays are
  therefore gathered by the second, and go to the body when their second is known not to be part of a backup.
  Seconds without delays decide nothing. What has lasted for twelve hours is no backup but how things are now.

Nothing is named before the body knows 100 delays.
"""

from __future__ import annotations

from copy import copy
from heapq import heappush, heappushpop
from typing import NamedTuple

from changeover.model.moment import HOUR, SECOND, Duration, Instant
from changeover.model.network import NAMED_MAX
from changeover.survey.histogram import Histogram, bin_of, quantiles_in

KNOWN = 100
_FAR_OF_BODY = 10.0
_FAR_OF_MEDIAN = 20.0
_LIFTED = 4.0
_CALM = 3
_FEW = 5
_BACKUP_SECONDS = 5
_BACKUP_LONGEST = 12 * HOUR // SECOND
_SILENCE_SECONDS = 30
"""A run of lifted seconds is over after so many without a delay."""


class Delay(NamedTuple):
    """One delay: when it ended, monotonic and UTC, and how long it was."""

    now: Instant
    utc: int
    length: Duration


class Long(NamedTuple):
    """A long answer: its length, and when it was asked for (UTC)."""

    length: Duration
    utc: int


class Backup(NamedTuple):
    """A backup: its length, its first and last second (UTC), median and longest delay, how many delays."""

    length: Duration
    begin_utc: int
    end_utc: int
    median: Duration
    longest: Duration
    messages: int


class Usual:
    """What the body holds, and the limits that follow from it.

    Attributes:
        body: The body's delays.
        far: A longer delay may be a long answer.
        usual: A longer delay is no usual one.
        lifted: A second with a greater median is lifted.
    """

    __slots__ = ("_next_look", "body", "far", "lifted", "usual")

    def __init__(self) -> None:
        self.body = Histogram()
        self.far = self.usual = self.lifted = float("inf")
        self._next_look = KNOWN

    def look(self) -> None:
        """Renew the limits when there is enough that is new."""
        count = self.body.count
        if count < self._next_look:
            return
        self._next_look = count + max(KNOWN, count // 50)
        median, p99, p999 = self.body.quantiles((0.5, 0.99, 0.999))
        self.far = max(_FAR_OF_BODY * p999, _FAR_OF_MEDIAN * median)
        self.usual = max(p999, _LIFTED * median)
        self.lifted = max(_LIFTED * median, p99)


class LongAnswers:
    """Holds delays back that may be long answers, names them or lets them go.

    Args:
        usual: The body.

    Attributes:
        count: How many were named.
        longest: A heap of the longest.
    """

    def __init__(self, usual: Usual) -> None:
        self.count = 0
        self.longest: list[Long] = []
        self._usual = usual
        self._held: list[Delay] = []
        self._elevated = 0
        self._calm = 0

    def sift(self, delay: Delay) -> tuple[Delay, ...]:
        """Take a delay; give back what is no long answer, in order."""
        is_usual = delay.length <= self._usual.usual
        if not self._held:
            if delay.length > self._usual.far and self._calm >= _CALM:
                self._held, self._elevated, self._calm = [delay], 1, 0
                return ()
            self._calm = self._calm + 1 if is_usual else 0
            return (delay,)
        self._held.append(delay)
        self._calm = self._calm + 1 if is_usual else 0
        self._elevated += not is_usual
        if self._elevated > _FEW:
            return self.release()
        return self._name() if self._calm >= _CALM else ()

    def release(self) -> tuple[Delay, ...]:
        """What is held back, which is no long answer after all or will never be known to be one."""
        held, self._held = tuple(self._held), []
        return held

    def _name(self) -> tuple[Delay, ...]:
        held = self.release()
        longest = max(held, key=lambda delay: delay.length)
        self.count += 1
        keep(self.longest, Long(longest.length, longest.utc - longest.length))
        return tuple(delay for delay in held if delay.length <= self._usual.usual)


class _Run:
    """Lifted seconds that are a backup, or may become one."""

    def __init__(self, begin_utc: int, first: int) -> None:
        self.bins: dict[int, int] = {}
        self.begin_utc = self.end_utc = begin_utc
        self.first = self.last = first
        self.seconds = 0
        self.least, self.longest = 0, 0

    @property
    def is_backup(self) -> bool:
        """Whether it has lasted for long enough, with enough seconds that say so."""
        return min(self.seconds, self.last - self.first + 1) >= _BACKUP_SECONDS

    def backup(self) -> Backup:
        """As a backup."""
        messages = sum(self.bins.values())
        median = round(quantiles_in(sorted(self.bins.items()), messages, (0.5,))[0])
        length = (self.last - self.first + 1) * SECOND
        return Backup(length, self.begin_utc, self.end_utc, min(median, self.longest), self.longest, messages)


class Seconds:
    """Gathers delays by the second, names backups, passes the rest on to the body.

    Args:
        usual: The body.

    Attributes:
        count: How many backups there were.
        longest: A heap of the longest.
    """

    def __init__(self, usual: Usual) -> None:
        self.count = 0
        self.longest: list[Backup] = []
        self._usual = usual
        self._second: Instant = -1
        self._bins: dict[int, int] = {}
        self._begin_utc = self._end_utc = 0
        self._least: Duration = 0
        self._greatest: Duration = 0
        self._run: _Run | None = None

    def add(self, delay: Delay) -> None:
        """Take a delay."""
        second = delay.now // SECOND
        if second != self._second:
            self.close_second()
            if self._run is not None and second - self._run.last > _SILENCE_SECONDS:
                self._end_run()
            self._second, self._begin_utc = second, delay.utc
            self._least = self._greatest = delay.length
        number = bin_of(delay.length)
        self._bins[number] = self._bins.get(number, 0) + 1
        self._end_utc = delay.utc
        if delay.length > self._greatest:
            self._greatest = delay.length
        elif delay.length < self._least:
            self._least = delay.length

    def close_second(self) -> None:
        """Judge the second under way."""
        if not self._bins:
            return
        bins, self._bins = self._bins, {}
        median = quantiles_in(sorted(bins.items()), sum(bins.values()), (0.5,))[0]
        if median > self._usual.lifted:
            self._lift(bins)
            return
        self._end_run()
        self._usual.body.take(bins.items(), self._least, self._greatest)
        self._usual.look()

    def finish(self) -> None:
        """Nothing follows: judge everything."""
        self.close_second()
        self._end_run()

    def frozen(self) -> Seconds:
        """These as they stand."""
        other = copy(self)
        other.longest = self.longest.copy()
        if self._run is not None:
            other._run = copy(self._run)
            other._run.bins = self._run.bins.copy()
        return other

    def under_way(self) -> Backup | None:
        """The backup that is not over yet."""
        return self._run.backup() if self._run is not None and self._run.is_backup else None

    def _lift(self, bins: dict[int, int]) -> None:
        run = self._run
        if run is None:
            run = self._run = _Run(self._begin_utc, self._second)
            run.least = self._least
        for number, count in bins.items():
            run.bins[number] = run.bins.get(number, 0) + count
        run.seconds += 1
        run.last, run.end_utc = self._second, self._end_utc
        run.least, run.longest = min(run.least, self._least), max(run.longest, self._greatest)
        if run.last - run.first > _BACKUP_LONGEST:
            self._to_body(run)

    def _end_run(self) -> None:
        run = self._run
        if run is None:
            return
        if not run.is_backup:
            self._to_body(run)
            return
        self._run = None
        self.count += 1
        keep(self.longest, run.backup())

    def _to_body(self, run: _Run) -> None:
        self._run = None
        self._usual.body.take(run.bins.items(), run.least, run.longest)
        self._usual.look()


def keep(heap: list[Long] | list[Backup], item: Long | Backup) -> None:
    """Put an item into a heap of the `NAMED_MAX` longest."""
    push = heappush if len(heap) < NAMED_MAX else heappushpop
    push(heap, item)  # type: ignore[misc]
