"""The parameters that govern a project's forecasts, each with its value and where it was set."""

from __future__ import annotations

from changeover.config.driver_table import find_driver
from changeover.config.parameters import (
    ALARM_SCAN_TIME,
    CLIENT_RETRY_TIME,
    HEART_TIME,
    REPORT_WATCH_TIME,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    TREND_GAP_FILL_TIME,
    WATCH_TIME,
    WATCHDOG,
)
from changeover.config.project import Project
from changeover.config.timing import Setting, driver_settings, setting
from changeover.model.moment import MILLISECOND
from changeover.model.server import Function

_OF_TASKS = (
    (Function.ALARM, ALARM_SCAN_TIME),
    (Function.TREND, TREND_GAP_FILL_TIME),
    (Function.REPORT, REPORT_WATCH_TIME),
)


def governing_parameters(project: Project) -> tuple[tuple[str, str, str], ...]:
    """Parameter, value with its unit, and file and line (or default), for a sheet's reader."""
    plant, ini = project.plant, project.ini
    family = plant.policy.family
    parameters = [SEND_TIMEOUT, REQUEST_TIMEOUT, HEART_TIME, CLIENT_RETRY_TIME, WATCHDOG]
    if plant.task_servers:
        parameters.insert(2, WATCH_TIME)
    parameters += [parameter for function, parameter in _OF_TASKS if plant.tasks(function)]
    rows = [_row(setting(ini, parameter, family)) for parameter in parameters]
    seen: set[tuple[str, str, str]] = set()
    for device in plant.io_devices:
        driver = find_driver(device.protocol)
        assert driver is not None, "the project was checked"
        for unit in device.units:
            found = driver_settings(ini, driver, unit.port_name, device.name, family)
            for row in map(_row, (found.timeout, found.retry, found.watch)):
                if row not in seen:
                    seen.add(row)
                    rows.append(row)
    rows.extend(
        (f"page_scan_ms of {client.name}", f"{client.page_scan // MILLISECOND} ms", "plant.toml")
        for client in plant.clients
    )
    return tuple(rows)


def _row(found: Setting) -> tuple[str, str, str]:
    entry = found.entry
    name = f"[{entry.section}]{found.parameter.name}" if entry else str(found.parameter)
    unit = found.parameter.unit.value
    value = f"{found.value} {unit}" if unit in ("ms", "s") else str(found.value)
    return name, value, f"citect.ini:{entry.line}" if entry else "default"
