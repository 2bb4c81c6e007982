"""THE parameter table: every parameter that this product knows, with unit, range, default and source.

Reading, checking and the reference documentation all follow from these rows; a new parameter is a new row.
Driver sections have their own table (`driver_table`), made of the same rows. Where no source states a range,
the bounds are technical ones of ours, and the row's `source` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from changeover.config.diagnostics import quoted
from changeover.model.moment import MILLISECOND, SECOND, Duration
from changeover.model.policy import POLICIES, Family

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,15}")
_LARGEST = 2_147_483_647


class ParameterUnit(Enum):
    """What a value counts."""

    MILLISECONDS = "ms"
    SECONDS = "s"
    COUNT = "count"
    FLAG = "flag"

    @property
    def duration(self) -> Duration:
        """One of this unit as a duration; for the two units of time only."""
        return {ParameterUnit.MILLISECONDS: MILLISECOND, ParameterUnit.SECONDS: SECOND}[self]


class Use(Enum):
    """What today's product does with a value."""

    READ = "read"
    CHECKED = "checked only"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row of the table.

    Attributes:
        section: Section in its usual spelling, without brackets.
        name: Parameter in its usual spelling.
        unit: What the value counts.
        minimum: Least allowed value.
        maximum: Greatest allowed value.
        defaults: Default of the families A, B and C.
        affects: What it affects.
        source: Who says so; which part is ours.
        use: Whether the product reads it or only checks it.
    """

    section: str
    name: str
    unit: ParameterUnit
    minimum: int
    maximum: int
    defaults: tuple[int, int, int]
    affects: str
    source: str
    use: Use = Use.CHECKED

    def __str__(self) -> str:
        return f"[{self.section}]{self.name}"

    def default(self, family: Family) -> int:
        """The default of a version family, in the parameter's unit."""
        return self.defaults[tuple(Family).index(family)]

    @property
    def allowed(self) -> str:
        """The range in words, such as `allowed are 1 to 600, in seconds`."""
        match self.unit:
            case ParameterUnit.FLAG:
                return "allowed are 0 and 1"
            case ParameterUnit.MILLISECONDS:
                unit = ", in milliseconds"
            case ParameterUnit.SECONDS:
                unit = ", in seconds"
            case ParameterUnit.COUNT:
                unit = ""
        return f"allowed are {self.minimum} to {self.maximum}{unit}"

    def is_whole(self, text: str) -> bool:
        """Whether a value as written is a whole number."""
        return _WHOLE_NUMBER.fullmatch(text) is not None

    def meant(self, text: str) -> int | None:
        """The value that was most likely meant by one in the wrong unit of time; None for none.

        Seconds where milliseconds count: 1 to 60 for what is half a second or more by default. Milliseconds
        where seconds count: 100 or more for what is a minute or less by default (ours).
        """
        if not self.is_whole(text):
            return None
        value, usual = int(text), max(self.defaults)
        if self.unit is ParameterUnit.MILLISECONDS and usual >= 500 and 1 <= value <= 60:
            meant = value * 1000
        elif self.unit is ParameterUnit.SECONDS and usual <= 60 and value >= 100:
            meant = -(-value // 1000)
        else:
            return None
        return meant if self.minimum <= meant <= self.maximum else None

    def is_allowed(self, text: str) -> bool:
        """Whether a value as written is a whole number in range."""
        return self.is_whole(text) and self.minimum <= int(text) <= self.maximum

    def read(self, text: str) -> int:
        """A value as written in the ini file.

        Raises:
            ValueError: It is no whole number or out of range; the message says which.
        """
        if not self.is_whole(text):
            raise ValueError(f"{quoted(text)} is not a whole number")
        value = int(text)
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is out of range")
        return value


def _same(default: int) -> tuple[int, int, int]:
    return default, default, default


_MS, _S, _COUNT, _FLAG = ParameterUnit
_WATCH_DEFAULTS = (
    POLICIES[Family.A].watch_period_default // SECOND,
    POLICIES[Family.B].watch_period_default // SECOND,
    POLICIES[Family.C].watch_period_default // SECOND,
)

SEND_TIMEOUT = Parameter(
    "LAN", "SendTimeout", _MS, 50, 600_000, _same(15_000),
    "Time until a silent server or LAN counts as lost (D1). No effect on I/O device faults.",
    "seed; range: ours", Use.READ,
)  # fmt: skip
REQUEST_TIMEOUT = Parameter(
    "LAN", "TimeOut", _MS, 50, 600_000, _same(8_000),
    "Time until a waiting I/O request shows #COM; below 5.0 it then waits for the heartbeat (I2, I3).",
    "seed; range: ours", Use.READ,
)  # fmt: skip
WATCH_TIME = Parameter(
    "LAN", "WatchTime", _S, 1, 600, _WATCH_DEFAULTS,
    "Period in which clients look for alarm, trend and report servers and lost LANs (T2). Never I/O data.",
    "seed; range: ours", Use.READ,
)  # fmt: skip
CLIENT_RETRY_TIME = Parameter(
    "LAN", "ClientRetryTime", _MS, 50, 600_000, _same(5_000),
    "How often a client tries to connect to a lost server: the return (I6).",
    "AV 1117890; range: ours", Use.READ,
)  # fmt: skip
HEART_TIME = Parameter(
    "IOSERVER", "HeartTime", _MS, 50, 600_000, _same(30_000),
    "Period of the I/O servers' heartbeats; below 5.0 a client changes over only at one (I3). "
    "No effect on changeover from 5.0 on.",
    "seed; the current product has 60000 (2000 to 60000), AV 1117739; range: ours", Use.READ,
)  # fmt: skip
WATCHDOG = Parameter(
    "IOSERVER", "WatchDog", _FLAG, 0, 1, _same(1),
    "Whether standby units are checked every driver WatchTime (I8).",
    "H", Use.READ,
)  # fmt: skip
ALARM_SCAN_TIME = Parameter(
    "Alarm", "ScanTime", _MS, 10, 60_000, _same(500),
    "Time between two scans of an alarm server: how late an alarm can be.",
    "H; least value: ours, H has 0", Use.READ,
)  # fmt: skip
ALARM_SAVE_PERIOD = Parameter(
    "Alarm", "SavePeriod", _S, 0, 86_400, _same(600),
    "How often an alarm server saves the states of all alarms; 0 for never.",
    "H", Use.READ,
)  # fmt: skip
ALARM_START_TIMEOUT = Parameter(
    "Alarm", "StartTimeout", _S, 10, 3_600, _same(120),
    "How long a starting alarm server waits for its partner's states; then it goes on with its own last ones "
    "(T6).",
    "H, KB 1183", Use.READ,
)  # fmt: skip
TREND_GAP_FILL_TIME = Parameter(
    "Trend", "GapFillTime", _MS, 0, 60_000, _same(10_000),
    "How often a running trend server asks its partner for samples it lacks; 0: only at its return (T6).",
    "H, KB 4051; the use as a period: ours, H fills gaps up to this length with calculated values", Use.READ,
)  # fmt: skip
TREND_SAMPLES_MAX = Parameter(
    "Trend", "MaxRdnSamples", _COUNT, 1, 1_000_000, _same(500),
    "Samples in one message while a trend server fills a gap from its partner.",
    "H; range: ours", Use.READ,
)  # fmt: skip
REPORT_WATCH_TIME = Parameter(
    "Report", "WatchTime", _MS, 100, 60_000, _same(1_000),
    "How often a report server looks for runs that are due.",
    "H", Use.READ,
)  # fmt: skip

PARAMETERS: tuple[Parameter, ...] = (
    SEND_TIMEOUT,
    REQUEST_TIMEOUT,
    WATCH_TIME,
    CLIENT_RETRY_TIME,
    Parameter(
        "LAN", "ListenerRetryTime", _MS, 0, _LARGEST, _same(5_000),
        "How often a server tries to listen again.", "AV 1117899; range: ours",
    ),
    Parameter(
        "LAN", "KeepAliveTime", _MS, 0, _LARGEST, _same(3_000),
        "Idle time before the first keep-alive (7.x).", "H; range: ours",
    ),
    Parameter(
        "LAN", "KeepAliveInterval", _MS, 0, _LARGEST, _same(2_000),
        "Time between keep-alives; five unanswered ones abort (7.x).", "H; range: ours",
    ),
    Parameter(
        "LAN", "HeartbeatPeriod", _MS, 0, _LARGEST, _same(5_000),
        "Period of heartbeats between processes (current product).", "AV 1117894, inferred; range: ours",
    ),
    Parameter(
        "LAN", "HeartbeatTimeout", _MS, 0, _LARGEST, _same(15_000),
        "Silence that ends a connection (current product).", "AV 1117895, inferred; range: ours",
    ),
    HEART_TIME,
    WATCHDOG,
    Parameter(
        "IOSERVER", "CancelTimeout", _S, 0, _LARGEST, _same(300),
        "Time until a driver command is cancelled.", "H; range: ours",
    ),
    Parameter(
        "IOSERVER", "PeerServerConnectTimeOut", _MS, 0, _LARGEST, _same(30_000),
        "Delay of an exclusive unit at the start.", "current product; range: ours",
    ),
    ALARM_SCAN_TIME,
    ALARM_SAVE_PERIOD,
    ALARM_START_TIMEOUT,
    TREND_GAP_FILL_TIME,
    TREND_SAMPLES_MAX,
    REPORT_WATCH_TIME,
)  # fmt: skip
"""Every parameter outside the driver sections."""


@dataclass(frozen=True, slots=True)
class StackParameter:
    """A row for the optional tables `windows`, `linux` and `network` of plant.toml.

    Attributes:
        table: The table.
        key: The key.
        unit: `ms` or `count`.
        minimum: Least allowed value.
        maximum: Greatest allowed value.
        default: Value where the key is missing.
        affects: What it affects.
        source: Who says so.
        registry: The name of the value in the registry of Windows that sets it; empty for none.
        of_interface: Whether that value is in the key of each network interface, not in that of TCP/IP.
    """

    table: str
    key: str
    unit: ParameterUnit
    minimum: float
    maximum: float
    default: float
    affects: str
    source: str
    registry: str = ""
    of_interface: bool = False

    def __str__(self) -> str:
        return f"[{self.table}] {self.key}"

    def in_words(self, value: float) -> str:
        """A value with its unit, such as `3000 ms`."""
        return f"{value:.12g} ms" if self.unit is ParameterUnit.MILLISECONDS else f"{value:.12g}"

    @property
    def allowed(self) -> str:
        """The range in words."""
        unit = ", in milliseconds" if self.unit is ParameterUnit.MILLISECONDS else ""
        return f"allowed are {self.minimum:g} to {self.maximum:g}{unit}"


_SILENT = "When a silent peer is lost, where the stack decides (D2)."
_CONNECT = "How long an unanswered connect takes, where the stack decides (D2)."

STACK_PARAMETERS: tuple[StackParameter, ...] = (
    StackParameter(
        "windows", "tcp_max_data_retransmissions", _COUNT, 0, 255, 5, _SILENT, "KB 1949; range: ours",
        registry="TcpMaxDataRetransmissions",
    ),
    StackParameter(
        "windows", "tcp_max_connect_retransmissions", _COUNT, 0, 255, 2, _CONNECT, "vendor; range: ours",
        registry="TcpMaxConnectRetransmissions",
    ),
    StackParameter("windows", "rto_ms", _MS, 1, 120_000, 200, _SILENT, "ours; range: ours"),
    StackParameter(
        "windows", "tcp_initial_rtt_ms", _MS, 300, 65_535, 3_000, _CONNECT, "Microsoft 170359",
        registry="TcpInitialRtt", of_interface=True,
    ),
    StackParameter("linux", "tcp_retries2", _COUNT, 0, 255, 15, _SILENT, "kernel"),
    StackParameter("linux", "tcp_syn_retries", _COUNT, 1, 127, 6, _CONNECT, "kernel"),
    StackParameter("linux", "tcp_syn_linear_timeouts", _COUNT, 0, 127, 4, _CONNECT, "kernel, from 6.5 on"),
    StackParameter("linux", "rto_ms", _MS, 1, 120_000, 200, _SILENT, "kernel; range: ours"),
    StackParameter("linux", "tick_ms", _MS, 1, 10, 4, _SILENT + " 1000 / CONFIG_HZ.", "kernel"),
    StackParameter(
        "network", "round_trip_ms", _MS, 0.01, 10_000, 1,
        "Connect and first answer on a healthy path, c.", "ours",
    ),
    StackParameter(
        "network", "answer_ms", _MS, 0, 10_000, 10,
        "How long an I/O server takes to answer at most: a stack's time-outs grow by it (D2).", "ours",
    ),
)  # fmt: skip
"""The numbers that plant.toml may give about network stacks."""
