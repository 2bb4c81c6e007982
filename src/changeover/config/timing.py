"""From citect.ini to durations: each parameter with its default, nested driver sections resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from changeover.config.driver_table import Driver
from changeover.config.ini import IniEntry, IniFile
from changeover.config.parameters import (
    ALARM_SAVE_PERIOD,
    ALARM_SCAN_TIME,
    ALARM_START_TIMEOUT,
    CLIENT_RETRY_TIME,
    HEART_TIME,
    REPORT_WATCH_TIME,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    TREND_GAP_FILL_TIME,
    TREND_SAMPLES_MAX,
    WATCH_TIME,
    WATCHDOG,
    Parameter,
)
from changeover.model.device import DriverTiming
from changeover.model.moment import Duration
from changeover.model.plant import Timing
from changeover.model.policy import Family


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of a parameter and where it stands.

    Attributes:
        parameter: Its row.
        value: The value in the row's unit.
        entry: The line that sets it, None for the default.
    """

    parameter: Parameter
    value: int
    entry: IniEntry | None

    @property
    def duration(self) -> Duration:
        """The value as a duration."""
        return self.value * self.parameter.unit.duration


def setting(ini: IniFile, parameter: Parameter, family: Family, sections: Iterable[str] = ()) -> Setting:
    """The value of a parameter.

    Args:
        ini: The file.
        parameter: The row.
        family: Decides the default.
        sections: Where to look, most specific first; the row's own section is looked at last.

    Returns:
        The first section's value that is set. A value that cannot be read is skipped: `ini_checks` says why.
    """
    for section in (*sections, parameter.section):
        entry = ini.get(section, parameter.name)
        if entry is None or not entry.value:
            continue
        try:
            return Setting(parameter, parameter.read(entry.value), entry)
        except ValueError:
            continue
    return Setting(parameter, parameter.default(family), None)


def read_timing(ini: IniFile, family: Family) -> Timing:
    """The parameters that servers and clients go by, missing ones by the family's defaults."""

    def duration(parameter: Parameter) -> Duration:
        return setting(ini, parameter, family).duration

    return Timing(
        send_timeout=duration(SEND_TIMEOUT),
        request_timeout=duration(REQUEST_TIMEOUT),
        watch=duration(WATCH_TIME),
        heartbeat=duration(HEART_TIME),
        client_retry=duration(CLIENT_RETRY_TIME),
        watchdog=setting(ini, WATCHDOG, family).value == 1,
        alarm_scan=duration(ALARM_SCAN_TIME),
        alarm_start=duration(ALARM_START_TIMEOUT),
        alarm_save=duration(ALARM_SAVE_PERIOD),
        trend_gap_fill=duration(TREND_GAP_FILL_TIME),
        trend_samples_max=setting(ini, TREND_SAMPLES_MAX, family).value,
        report_watch=duration(REPORT_WATCH_TIME),
    )


@dataclass(frozen=True, slots=True)
class DriverSettings:
    """The settings of one unit's driver, nested sections resolved."""

    driver: Driver
    timeout: Setting
    retry: Setting
    watch: Setting
    max_pending: Setting

    @property
    def timing(self) -> DriverTiming:
        """As the model wants it."""
        return DriverTiming(
            timeout=self.timeout.duration,
            retry=self.retry.value,
            offline_rule=self.driver.offline_rule,
            watch=self.watch.duration,
            max_pending=self.max_pending.value,
        )

    @property
    def entry(self) -> IniEntry | None:
        """The line to blame when time-out, retry and watch do not fit together."""
        return self.timeout.entry or self.retry.entry or self.watch.entry


def driver_settings(
    ini: IniFile, driver: Driver, port_name: str, device: str, family: Family
) -> DriverSettings:
    """Settings of a unit's driver: `[MODNET.port.device]` beats `[MODNET.port]` beats `[MODNET]`.

    The vendor's `[MODNET.group]` names something that a plant.toml does not have, so no unit is in a group.

    Args:
        ini: The file.
        driver: The protocol's row.
        port_name: The unit's port, may be empty: then only `[MODNET]` applies.
        device: Name of the I/O device.
        family: Decides defaults.
    """
    nested: tuple[str, ...] = ()
    if port_name:
        port = f"{driver.protocol}.{port_name}"
        nested = (f"{port}.{device}", port)
    return DriverSettings(
        driver,
        setting(ini, driver.timeout_parameter, family, nested),
        setting(ini, driver.retry_parameter, family, nested),
        setting(ini, driver.watch_parameter, family, nested),
        setting(ini, driver.max_pending_parameter, family, nested),
    )
