"""Servers and clients as configuration: which computer, which role, which port."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import MILLISECOND, Duration


class Function(Enum):
    """What a changeover moves."""

    IO_DATA = "io-data"
    ALARM = "alarm"
    TREND = "trend"
    REPORT = "report"


class TaskMode(Enum):
    """Configured role of an alarm, trend or report server."""

    PRIMARY = "primary"
    STANDBY = "standby"


@dataclass(frozen=True, slots=True)
class IoServer:
    """An I/O server.

    Attributes:
        name: Unique name.
        computer: The computer that it runs on.
        port: TCP port on every LAN of that computer.
    """

    name: str
    computer: str
    port: int


@dataclass(frozen=True, slots=True)
class TaskServer:
    """An alarm, trend or report server.

    Attributes:
        function: ALARM, TREND or REPORT.
        name: Unique name.
        computer: The computer that it runs on.
        mode: Configured role.
        priority: 1 to 32767, lowest is best; equal priorities keep clients where they are (T5).
        port: TCP port on every LAN of that computer.
    """

    function: Function
    name: str
    computer: str
    mode: TaskMode
    priority: int
    port: int


@dataclass(frozen=True, slots=True)
class Client:
    """A display client.

    Attributes:
        name: Unique name.
        computer: The computer that it runs on.
        page_scan: Period of its requests, R.
    """

    name: str
    computer: str
    page_scan: Duration = 250 * MILLISECOND
