"""Whether this process stood still: a pulse in the owner's timers tells.

A server that slept distrusts itself before it blames others: what came meanwhile waits unread. The timer
lives in the owner's table as (`pulse`, "").
"""

from __future__ import annotations

from changeover.core.deadlines import Deadlines
from changeover.model.moment import MILLISECOND, Duration, Instant

PULSES_PER_TIMEOUT = 4


class SleepWatch:
    """Sees gaps between the calls of one machine.

    Args:
        shortest_timeout: The shortest time-out of the owner; a sleep of half of it is seen.
        deadlines: The owner's timers.
    """

    def __init__(self, shortest_timeout: Duration, deadlines: Deadlines) -> None:
        self._pulse = max(shortest_timeout // PULSES_PER_TIMEOUT, MILLISECOND)
        self._deadlines = deadlines
        self._last_seen: Instant | None = None

    def start(self, now: Instant) -> None:
        """Begin to watch."""
        self._last_seen = now
        self.beat(now)

    def beat(self, now: Instant) -> None:
        """The pulse's timer came up."""
        self._deadlines.set(("pulse", ""), now + self._pulse)

    def slept(self, now: Instant) -> Duration:
        """For how long the process stood still before this call; 0 when it did not."""
        since = now - self._last_seen if self._last_seen is not None else 0
        self._last_seen = now
        return since if since >= 2 * self._pulse else 0
