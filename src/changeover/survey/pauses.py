"""Pauses of the measuring process itself: what it saw late then, it must not blame on the network."""

from __future__ import annotations

from collections import deque
from heapq import heappush, heappushpop

from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.network import NAMED_MAX
from changeover.survey.body import Long

BEAT: Duration = 20 * MILLISECOND
LATE: Duration = 50 * MILLISECOND
_SPOILT = 10
"""A delay that had more than one part in so many of a pause is not blamed on anybody."""
_RECENT = 64
"""Pauses that a delay may still have overlapped; delays end within minutes."""


class PauseWatch:
    """A beat that comes late tells of a pause.

    Args:
        now: When it begins; the first beat is due `BEAT` later.

    Attributes:
        count, total, longest, worst: Of all pauses.
    """

    def __init__(self, now: Instant) -> None:
        self.count = 0
        self.total: Duration = 0
        self.worst: Duration = 0
        self.longest: list[Long] = []
        self._due: Instant = now + BEAT
        self._recent: deque[tuple[Instant, Instant]] = deque(maxlen=_RECENT)

    def beat(self, now: Instant, utc: int) -> Duration:
        """A beat; how long the pause was that it ends, 0 for none. The next beat is due `BEAT` after it."""
        late = now - self._due
        begin, self._due = self._due, now + BEAT
        if late <= LATE:
            return 0
        self._recent.append((begin, now))
        self.count += 1
        self.total += late
        self.worst = max(self.worst, late)
        pause = Long(late, utc - late)
        (heappush if len(self.longest) < NAMED_MAX else heappushpop)(self.longest, pause)
        return late

    def spoils(self, begin: Instant, end: Instant) -> bool:
        """Whether more than a tenth of a span of time was a pause, one that no beat has told of yet included.

        A long delay with a short pause in it is long all the same.
        """
        paused = max(0, end - max(begin, self._due)) if end - self._due > LATE else 0
        for began, ended in reversed(self._recent):
            if ended <= begin:
                break
            paused += max(0, min(end, ended) - max(begin, began))
        return paused * _SPOILT > end - begin
