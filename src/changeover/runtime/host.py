"""Runs a machine on asyncio: hands it stimuli and time, carries out its effects, keeps its deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from changeover.core.machine import Effects, Machine, Note, Start, Stimulus
from changeover.model.moment import SECOND, Instant
from changeover.runtime.trace_file import Trace


class Host:
    """Base of every host; a subclass registers what carries out each kind of effect.

    Args:
        machine: The machine, not started yet.
        trace: Where its notes go.
    """

    def __init__(self, machine: Machine, trace: Trace) -> None:
        self.trace = trace
        self._machine = machine
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._armed: Instant | None = None
        self._performers: dict[type, Callable[[Any], None]] = {Note: self._note}

    def start(self) -> None:
        """Start the machine."""
        self.feed(Start())

    def stop(self) -> None:
        """Run the machine no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def feed(self, stimulus: Stimulus) -> None:
        """Hand over a stimulus and carry out what comes of it."""
        self._carry_out(self._machine.handle(stimulus, time.monotonic_ns()))

    def _carry_out(self, effects: Effects) -> None:
        performers = self._performers
        for effect in effects:
            performers[type(effect)](effect)
        deadline = self._machine.next_deadline()
        if deadline != self._armed:
            self._arm(deadline)

    def _arm(self, deadline: Instant | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._armed = deadline
        if deadline is not None:
            self._timer = self._loop.call_at(deadline / SECOND, self._on_timer, deadline)

    def _on_timer(self, deadline: Instant) -> None:
        # The loop may wake a clock tick early; by contract the machine never is.
        self._timer = None
        self._armed = None
        self._carry_out(self._machine.handle_timeout(max(deadline, time.monotonic_ns())))

    def _note(self, effect: Note) -> None:
        self.trace.note(effect.kind, effect.subject, effect.detail)
