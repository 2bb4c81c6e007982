"""A heap of things to come, and the clock that follows it."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from changeover.model.moment import Duration, Instant


class World:
    """Virtual time: callbacks in the order of their instants, ties in the order of their making."""

    __slots__ = ("_heap", "_serial", "now", "stopped")

    def __init__(self) -> None:
        self.now: Instant = 0
        self.stopped = False
        self._heap: list[tuple[Instant, int, Callable[..., None], tuple[Any, ...]]] = []
        self._serial = 0

    def at(self, instant: Instant, call: Callable[..., None], *arguments: Any) -> None:
        """Call at an instant, not before now."""
        self._serial += 1
        heapq.heappush(self._heap, (max(instant, self.now), self._serial, call, arguments))

    def after(self, span: Duration, call: Callable[..., None], *arguments: Any) -> None:
        """Call after a span."""
        self.at(self.now + span, call, *arguments)

    def stop(self) -> None:
        """Let `run` return after the callback that is under way."""
        self.stopped = True

    def run(self, until: Instant) -> None:
        """Run until an instant (time stands there afterwards), or until someone stops the world."""
        self.stopped = False
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.now, _, call, arguments = heapq.heappop(heap)
            call(*arguments)
            if self.stopped:
                return
        self.now = until
