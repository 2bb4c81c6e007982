"""How an alarm or trend server gets its values: it is an I/O client of its own, in the same process."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from changeover.core import machine as core
from changeover.core.trace import TraceKind
from changeover.model.moment import Duration
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.runtime.client import ClientHost
from changeover.runtime.trace_file import Trace


class _NotesAlone:
    """A trace without values: they are traced where they are shown."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def note(self, kind: TraceKind, subject: str, detail: str = "") -> None:
        """A machine's note."""
        self._trace.note(kind, subject, detail)

    def line(self, kind: str, **fields: Any) -> None:
        """A host's line."""
        self._trace.line(kind, **fields)


class ValuesReader(ClientHost):
    """Reads the tags that a server needs, and hands their changes over.

    Args:
        plant: The plant.
        name: Of the server.
        computer: That it runs on.
        tags: Names of the variable tags that it reads.
        told: Names of those whose changes it wants to hear of, one by one.
        always: Names of those of which it wants to hear with each answer, changed or not.
        scan: How often they are read.
        trace: Where trace lines go.
        rng: The scan's phase comes from here.
        feed: Takes `Values` and `DeviceUnknown`.
    """

    def __init__(
        self,
        plant: Plant,
        name: str,
        computer: str,
        tags: Collection[str],
        told: Collection[str],
        always: Collection[str],
        scan: Duration,
        trace: Trace,
        rng: Random,
        feed: Callable[[core.Stimulus], None],
    ) -> None:
        read = replace(plant, tags=tuple(tag for tag in plant.tags if tag.name in tags))
        super().__init__(read, Client(f"{name}:io", computer, scan), _NotesAlone(trace), rng)
        self._told = {
            device: np.array([tag.name in told for tag in image.tags], dtype=np.bool_)
            for device, image in self.image.devices.items()
        }
        self._always = {
            device: np.array([i for i, tag in enumerate(image.tags) if tag.name in always], dtype=np.int32)
            for device, image in self.image.devices.items()
        }
        self._feed_server = feed

    def on_answered(self, device: str, positions: NDArray[np.int32], source_utc: int) -> None:
        """An I/O device delivered: these tags of it changed."""
        image = self.image.devices[device]
        wanted = positions[self._told[device][positions]]
        if len(self._always[device]):
            wanted = np.union1d(wanted, self._always[device])
        values, good = image.columns(wanted)
        changed = tuple(
            (image.names[position], value if is_good else None)
            for position, value, is_good in zip(wanted.tolist(), values.tolist(), good.tolist(), strict=True)
        )
        self._feed_server(core.Values(device, source_utc, changed))

    def _show_com(self, effect: core.ShowCom) -> None:
        super()._show_com(effect)
        self._feed_server(core.DeviceUnknown(effect.device, self.image.devices[effect.device].names))
