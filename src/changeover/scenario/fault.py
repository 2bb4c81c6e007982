"""The faults of the changeover model's table, as values.

One enum serves the forecast, the simulated network and the drill; what a fault does is each one's own affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """A kind of fault (changeover-model.md, section 1)."""

    SERVER_SILENT = "server-silent"
    SERVER_CLOSED = "server-closed"
    SERVER_FROZEN = "server-frozen"
    LAN_SILENT = "lan-silent"
    PARTNER_CUT = "partner-cut"
    DEVICE_SILENT = "device-silent"
    DEVICE_CLOSED = "device-closed"
    STANDBY_DEVICE_SILENT = "standby-device-silent"

    @property
    def is_server(self) -> bool:
        """Whether the target is a server."""
        return self in (Fault.SERVER_SILENT, Fault.SERVER_CLOSED, Fault.SERVER_FROZEN)

    @property
    def is_device(self) -> bool:
        """Whether the target is an I/O device."""
        return self in (Fault.DEVICE_SILENT, Fault.DEVICE_CLOSED, Fault.STANDBY_DEVICE_SILENT)


@dataclass(frozen=True, slots=True)
class Injection:
    """A fault and what it strikes.

    Attributes:
        fault: The kind of fault.
        target: Of a server fault a server, or a computer: every server on it; of lan-silent a LAN; of
            partner-cut two computers, written as `pair_name` does; else an I/O device.
    """

    fault: Fault
    target: str


def pair_name(computers: tuple[str, str]) -> str:
    """Two computers as the target of partner-cut."""
    return "+".join(computers)
