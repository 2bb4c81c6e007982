"""One thread that an archive belongs to: what has to be kept goes before what somebody wants to know."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from queue import PriorityQueue

KEEP, _END, LOOK = 0, 1, 2
"""Of two things that wait, the one with the lower number is done first; of two alike the older one."""


class ArchiveThread:
    """Does one thing after the other, in a thread of its own.

    Args:
        name: Of the thread.
    """

    def __init__(self, name: str) -> None:
        self._waiting: PriorityQueue[tuple[int, int, Callable[[], None] | None]] = PriorityQueue()
        self._numbers = count()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], None], urgency: int) -> None:
        """Do something in its turn; it raises nothing."""
        self._waiting.put((urgency, next(self._numbers), work))

    def end(self, last: Callable[[], None]) -> None:
        """Keep what waits to be kept, then do something last; returns when the thread has ended."""
        self._waiting.put((_END, next(self._numbers), last))
        self._waiting.put((_END, next(self._numbers), None))
        self._thread.join()

    def _run(self) -> None:
        while True:
            _, _, work = self._waiting.get()
            if work is None:
                return
            work()
