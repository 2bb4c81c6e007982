"""A table of named timers: the only place where a machine keeps a deadline.

A heap finds the earliest one; an entry that was set anew or cleared stays in the heap until it surfaces, and
is then recognised by its serial number. Timers due at one instant fire in the order in which they were set.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import TypeAlias

from changeover.model.moment import Duration, Instant

TimerName: TypeAlias = tuple[str, Hashable]
"""What the timer is for, and whose it is: `("silence", way)`."""


def next_tick(last: Instant, period: Duration, now: Instant) -> Instant:
    """The next tick after `now` of a free-running timer: ticks that were missed are left out, not made up."""
    return last + period * (1 + (now - last) // period)


class Deadlines:
    """Named deadlines. A name has at most one."""

    __slots__ = ("_heap", "_live", "_serial")

    def __init__(self) -> None:
        self._live: dict[TimerName, tuple[Instant, int]] = {}
        self._heap: list[tuple[Instant, int, TimerName]] = []
        self._serial = 0

    def set(self, name: TimerName, at: Instant) -> None:
        """Arm a timer, replacing an earlier deadline of that name."""
        self._serial += 1
        self._live[name] = (at, self._serial)
        heapq.heappush(self._heap, (at, self._serial, name))
        if len(self._heap) > 64 + 4 * len(self._live):
            self._heap = [(at, serial, name) for name, (at, serial) in self._live.items()]
            heapq.heapify(self._heap)

    def clear(self, name: TimerName) -> None:
        """Disarm a timer; nothing happens when it is not armed."""
        self._live.pop(name, None)

    def get(self, name: TimerName) -> Instant | None:
        """The deadline of a timer, None when it is not armed."""
        entry = self._live.get(name)
        return entry[0] if entry else None

    def next(self) -> Instant | None:
        """The earliest deadline, None when no timer is armed."""
        heap = self._heap
        while heap:
            at, serial, name = heap[0]
            if self._live.get(name) == (at, serial):
                return at
            heapq.heappop(heap)
        return None

    def pop_due(self, now: Instant) -> tuple[TimerName, Instant] | None:
        """Disarm the earliest timer that is due at `now`; its name and deadline, None when none is due."""
        at = self.next()
        if at is None or at > now:
            return None
        _, _, name = heapq.heappop(self._heap)
        del self._live[name]
        return name, at

    def __len__(self) -> int:
        return len(self._live)
