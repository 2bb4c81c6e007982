"""What parameters cost a plant's network and servers while all is well, and while a search goes on."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.model.moment import SECOND
from changeover.model.plant import Plant


@dataclass(frozen=True, slots=True)
class Load:
    """Messages of the whole plant.

    Attributes:
        sessions: Sessions between clients and I/O servers, on every LAN.
        heartbeats_per_s: Heartbeats of all I/O servers on all of them, per second.
        tries_per_s: Tries to connect of one client whose server is away, per second.
    """

    sessions: int
    heartbeats_per_s: float
    tries_per_s: float


def load_of(plant: Plant) -> Load:
    """The load that a plant's parameters make."""
    sessions = sum(len(plant.ways(client)) for client in plant.clients)
    return Load(
        sessions,
        sessions * SECOND / plant.timing.heartbeat,
        SECOND / plant.timing.watch,
    )
