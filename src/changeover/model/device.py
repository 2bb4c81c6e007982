"""I/O devices and the units by which I/O servers reach them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND, SECOND, Duration

SHORTEST_WATCH: Duration = 100 * MILLISECOND
"""A driver WatchTime of 0 would try an offline unit without a pause: no unit is tried more often."""


class UnitMode(Enum):
    """Start-up mode of a unit: configuration, never a state."""

    PRIMARY = "primary"
    STANDBY = "standby"
    STANDBY_WRITE = "standby_write"


class OfflineRule(Enum):
    """How many consecutive time-outs take a unit offline (D5)."""

    PER_REQUEST = "retry + 1"
    SQUARED = "(retry + 1) squared"


@dataclass(frozen=True, slots=True)
class DriverTiming:
    """Timing of one unit's driver, after nested driver sections were resolved.

    Attributes:
        timeout: Time-out of one attempt, τ.
        retry: Further attempts after the first, r.
        offline_rule: Attempts that take the unit offline (D5).
        watch: How often an offline unit is tried again and a standby is probed.
        max_pending: Requests that the driver keeps in flight.
    """

    timeout: Duration = SECOND
    retry: int = 0
    offline_rule: OfflineRule = OfflineRule.PER_REQUEST
    watch: Duration = 30 * SECOND
    max_pending: int = 2

    @property
    def attempts_until_offline(self) -> int:
        """Consecutive time-outs that take the unit offline (D5)."""
        attempts = self.retry + 1
        return attempts if self.offline_rule is OfflineRule.PER_REQUEST else attempts * attempts

    @property
    def watch_period(self) -> Duration:
        """The period of the watch timer: `watch`, but never under `SHORTEST_WATCH`."""
        return max(self.watch, SHORTEST_WATCH)


@dataclass(frozen=True, slots=True)
class Unit:
    """One way from an I/O server to an I/O device.

    Attributes:
        device: Name of the I/O device.
        io_server: Name of the I/O server that owns this unit.
        mode: Start-up mode.
        address: Where the device answers; equal addresses are one device.
        priority: Effective priority, lowest is best; unique within the device.
        port_name: Port of nested driver sections, may be empty.
        timing: The driver's timing for this unit.
    """

    device: str
    io_server: str
    mode: UnitMode
    address: Endpoint
    priority: int
    port_name: str = ""
    timing: DriverTiming = DriverTiming()

    @property
    def name(self) -> str:
        """Unique name, `IOServer1.PLC1@2`: server, device and priority."""
        return f"{self.io_server}.{self.device}@{self.priority}"


@dataclass(frozen=True, slots=True)
class IoDevice:
    """An I/O device and its units, best priority first.

    Attributes:
        name: Unique name, which tags refer to.
        number: Unique number.
        protocol: A row of the driver table, such as `MODNET`.
        units: The redundant group, ordered by priority; the first is the primary.
    """

    name: str
    number: int
    protocol: str
    units: tuple[Unit, ...]

    @property
    def primary(self) -> Unit:
        """The unit that is used while everything is healthy."""
        return self.units[0]
