"""The driver table: which protocols there are, and the timing of each.

Only defaults that a public source states are given as the vendor's; where none does, the row takes MODNET's
values and its `source` says that they are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

from changeover.config.parameters import Parameter, ParameterUnit, Use
from changeover.model.device import OfflineRule

_MS = ParameterUnit.MILLISECONDS
_S = ParameterUnit.SECONDS
_COUNT = ParameterUnit.COUNT
_LARGEST = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Driver:
    """One protocol.

    Attributes:
        protocol: Name, which is also the name of its section.
        timeout_ms: Default time-out of one attempt.
        retry: Default number of further attempts.
        watch_s: Default period in which an offline unit is tried again.
        max_pending: Default number of requests in flight.
        offline_rule: Time-outs that take a unit offline (D5).
        is_spoken: Whether this product speaks the protocol; the others can be forecast only.
        source: Where the defaults come from.
        timeout_name: Name of the parameter that holds the time-out.
        others: Parameters of the section that are checked only.
    """

    protocol: str
    timeout_ms: int
    retry: int
    watch_s: int
    max_pending: int
    offline_rule: OfflineRule
    is_spoken: bool
    source: str
    timeout_name: str = "Timeout"
    others: tuple[Parameter, ...] = ()

    @property
    def timeout_parameter(self) -> Parameter:
        """The row of τ."""
        return self._row(
            self.timeout_name, _MS, 0, 32_000, self.timeout_ms, "Time-out of one attempt, τ (D5)."
        )

    @property
    def retry_parameter(self) -> Parameter:
        """The row of r."""
        return self._row("Retry", _COUNT, 0, 8, self.retry, "Attempts after the first, r (D5).")

    @property
    def watch_parameter(self) -> Parameter:
        """The row of the driver's WatchTime."""
        return self._row(
            "WatchTime", _S, 0, 128, self.watch_s,
            "How often an offline unit is tried again (I6) and a standby is checked (I8).",
        )  # fmt: skip

    @property
    def max_pending_parameter(self) -> Parameter:
        """The row of the number of requests in flight."""
        return self._row(
            "MaxPending", _COUNT, 1, 255, self.max_pending, "Requests in flight to one unit.", "; range: ours"
        )

    @property
    def timing(self) -> tuple[Parameter, ...]:
        """The rows that are read for each unit, nested sections resolved."""
        return self.timeout_parameter, self.retry_parameter, self.watch_parameter, self.max_pending_parameter

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every row of this driver's section."""
        return *self.timing, *self.others

    def _row(
        self,
        name: str,
        unit: ParameterUnit,
        minimum: int,
        maximum: int,
        default: int,
        affects: str,
        note: str = "",
    ) -> Parameter:
        range_note = note if self.protocol == "MODNET" else "; range: ours"
        source = f"{self.source}{range_note}"
        defaults = (default, default, default)
        return Parameter(self.protocol, name, unit, minimum, maximum, defaults, affects, source, Use.READ)


def _other(section: str, name: str, default: int, affects: str, source: str) -> Parameter:
    return Parameter(
        section, name, _MS, 0, _LARGEST, (default, default, default), affects, f"{source}; range: ours"
    )


_HELP = "vendor driver help"
_LISTED = "offline rule: KB 1998; defaults: ours, MODNET's"


def _listed(protocol: str, *, is_spoken: bool = False) -> Driver:
    return Driver(protocol, 1_000, 0, 30, 2, OfflineRule.SQUARED, is_spoken, _LISTED)


DRIVERS: tuple[Driver, ...] = (
    Driver(
        "MODNET", 1_000, 0, 30, 2, OfflineRule.PER_REQUEST, True, _HELP,
        others=(
            _other("MODNET", "ConnTimeout", 15_000, "Time-out of a connect.", _HELP),
            _other("MODNET", "Delay", 0, "Pause between requests.", _HELP),
        ),
    ),
    _listed("MODBUS", is_spoken=True),
    _listed("ABTCP"),
    _listed("MELSEC"),
    _listed("OMRON"),
    _listed("SIEMENS"),
    _listed("CCM"),
    _listed("TOSHIBA"),
    Driver(
        "OPC", 3_000, 0, 15, 2, OfflineRule.PER_REQUEST, False, f"{_HELP}; MaxPending: ours, MODNET's",
    ),
    Driver(
        "OPCUA", 10_000, 0, 30, 2, OfflineRule.PER_REQUEST, False,
        "AV 843712 (CallTimeout taken as τ: ours); Retry, WatchTime, MaxPending: ours, MODNET's",
        timeout_name="CallTimeout",
        others=(
            _other("OPCUA", "WatchdogTimeout", 5_000, "Supervision of the server.", "AV 843712"),
            _other("OPCUA", "SessionTimeout", 3_600_000, "Life of an idle session.", "AV 843712"),
        ),
    ),
    Driver(
        "DNPR", 5_000, 1, 30, 2, OfflineRule.PER_REQUEST, False,
        f"{_HELP}; WatchTime, MaxPending: ours, MODNET's",
        others=(_other("DNPR", "ConnectionTimeout", 8_000, "Time-out of a connect.", _HELP),),
    ),
)  # fmt: skip
"""Every protocol that an I/O device may have."""


def find_driver(protocol: str) -> Driver | None:
    """The driver of a protocol, in any case; None where there is none."""
    wanted = protocol.upper()
    for driver in DRIVERS:
        if driver.protocol == wanted:
            return driver
    return None
