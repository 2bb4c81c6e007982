"""How a parameter of servers and clients is read from a plant and set in it, by the name that stages use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from changeover.forecast.detection import CLIENT_RETRY, HEARTBEAT, REQUEST_TIMEOUT, SEND_TIMEOUT, WATCH
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.plant import Plant, Timing


@dataclass(frozen=True, slots=True)
class Lever:
    """One parameter.

    Attributes:
        step: One of the unit in which the ini file writes it.
        read: Its value.
        changed: A timing with another value.
    """

    step: Duration
    read: Callable[[Timing], Duration]
    changed: Callable[[Timing, Duration], Timing]

    def value(self, plant: Plant) -> int:
        """What it is now, in the ini file's unit."""
        return self.read(plant.timing) // self.step

    def turned(self, plant: Plant, value: int) -> Plant:
        """The plant with another value, in the ini file's unit."""
        return replace(plant, timing=self.changed(plant.timing, value * self.step))


LEVERS: Mapping[str, Lever] = {
    SEND_TIMEOUT: Lever(MILLISECOND, lambda t: t.send_timeout, lambda t, span: replace(t, send_timeout=span)),
    REQUEST_TIMEOUT: Lever(
        MILLISECOND, lambda t: t.request_timeout, lambda t, span: replace(t, request_timeout=span)
    ),
    WATCH: Lever(SECOND, lambda t: t.watch, lambda t, span: replace(t, watch=span)),
    HEARTBEAT: Lever(MILLISECOND, lambda t: t.heartbeat, lambda t, span: replace(t, heartbeat=span)),
    CLIENT_RETRY: Lever(MILLISECOND, lambda t: t.client_retry, lambda t, span: replace(t, client_retry=span)),
}
"""By the parameter's name."""
