"""From citect.ini to durations: checking every known parameter, resolving nested driver sections."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from changeover.config.diagnostics import Diagnostic, Findings, quoted
from changeover.config.driver_table import DRIVERS, Driver
from changeover.config.ini import IniEntry, IniFile
from changeover.config.parameters import (
    ALARM_SAVE_PERIOD,
    ALARM_SCAN_TIME,
    ALARM_START_TIMEOUT,
    CLIENT_RETRY_TIME,
    HEART_TIME,
    PARAMETERS,
    REPORT_WATCH_TIME,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    TREND_GAP_FILL_TIME,
    TREND_SAMPLES_MAX,
    WATCH_TIME,
    WATCHDOG,
    Parameter,
    Use,
)
from changeover.model.device import DriverTiming
from changeover.model.moment import Duration
from changeover.model.plant import Timing
from changeover.model.policy import Family

_Rows = Mapping[tuple[str, str], Parameter]
_SLIP_RATIO = 0.9


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
        The first section's value that is set. A value that cannot be read is skipped: `check_ini` says why.
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


def check_ini(ini: IniFile, protocols: Collection[str], findings: Findings) -> None:
    """Check every known parameter of a file; unknown ones pass untouched.

    Args:
        ini: The file.
        protocols: Protocols that the plant uses; in other drivers' sections a bad value is only a warning.
        findings: Takes the diagnostics.
    """
    rows = _rows()
    used = {protocol.lower() for protocol in protocols}
    for entry in ini.entries:
        row = _row_of(rows, entry.section, entry.name)
        if entry.disabled:
            continue
        if row is None:
            findings.warnings.extend(_likely_slips(ini, entry, rows))
            continue
        foreign = _base(entry.section) in _DRIVER_SECTIONS - used
        findings_of_row = findings.warnings if foreign else findings.problems
        if entry.shadowed:
            findings.warnings.extend(_ignored_duplicate(ini, entry))
        elif entry.value:
            findings.warnings.extend(_unread_nesting(ini, entry))
            try:
                row.read(entry.value)
            except ValueError as error:
                findings_of_row.append(_at(ini, entry, str(error), row.allowed))
    findings.problems.extend(_lines_without_equals(ini, rows))


_DRIVER_SECTIONS = frozenset(driver.protocol.lower() for driver in DRIVERS)
_CLUSTER_SECTIONS = frozenset({"alarm", "report"})
_NESTING_SECTIONS = _DRIVER_SECTIONS | _CLUSTER_SECTIONS


def _rows() -> _Rows:
    rows = (*PARAMETERS, *(row for driver in DRIVERS for row in driver.parameters))
    return {(row.section.lower(), row.name.lower()): row for row in rows}


def _base(section: str) -> str:
    """`MODNET` of `MODNET.port.device`: the section whose rows apply."""
    lowered = section.lower()
    head = lowered.partition(".")[0]
    return head if head in _NESTING_SECTIONS else lowered


def _row_of(rows: _Rows, section: str, name: str) -> Parameter | None:
    return rows.get((_base(section), name.lower()))


def _at(ini: IniFile, entry: IniEntry, problem: str, allowed: str) -> Diagnostic:
    return Diagnostic(ini.file, entry.line, f"[{entry.section}]{entry.name}", problem, allowed)


def _ignored_duplicate(ini: IniFile, entry: IniEntry) -> Iterator[Diagnostic]:
    winner = ini.get(entry.section, entry.name)
    if winner is not None and winner.value != entry.value:
        yield _at(
            ini,
            entry,
            f"{quoted(entry.value)} is ignored, line {winner.line} sets {quoted(winner.value)} first",
            "of duplicates the first wins",
        )


def _unread_nesting(ini: IniFile, entry: IniEntry) -> Iterator[Diagnostic]:
    """In the product [Alarm.Cluster.Server] beats [Alarm.Cluster], and that [Alarm]; here is no cluster."""
    base = _base(entry.section)
    if base in _CLUSTER_SECTIONS and entry.section.lower() != base:
        allowed = f"there are no clusters here, write [{base.capitalize()}]"
        yield _at(ini, entry, "has no effect", allowed)


def _likely_slips(ini: IniFile, entry: IniEntry, rows: _Rows) -> Iterator[Diagnostic]:
    """A name that is nearly one that is read: legal in a real ini, but worth a word."""
    section = _base(entry.section)
    names = {row.name.lower(): row for (of, _), row in rows.items() if of == section and row.use is Use.READ}
    for name in difflib.get_close_matches(entry.name.lower(), names, n=1, cutoff=_SLIP_RATIO):
        yield _at(ini, entry, "is not known and has no effect", f"did you mean {names[name]}?")


def _lines_without_equals(ini: IniFile, rows: _Rows) -> Iterator[Diagnostic]:
    sections = {section for section, _ in rows}
    for odd in ini.odd_lines:
        if odd.text.startswith("["):
            section = odd.text[1:].strip()
            if _base(section) in sections:
                yield Diagnostic(
                    ini.file,
                    odd.line,
                    quoted(odd.text),
                    "the section's name is not closed",
                    "write [Section]",
                )
            continue
        row = _row_of(rows, odd.section, odd.text.split(maxsplit=1)[0].rstrip(":"))
        if row is not None:
            yield Diagnostic(
                ini.file, odd.line, str(row), f"{quoted(odd.text)} has no '='", f"write {row.name}=value"
            )
