"""The forecast of a whole plant: which function, fault and target makes a row, and whose rules it follows."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.forecast import io_rules, lan_rules, task_rules
from changeover.forecast.result import Forecast, Outcome
from changeover.model.plant import Plant
from changeover.model.server import Function, TaskMode, TaskServer
from changeover.scenario.fault import Fault, pair_name


def forecast_plant(plant: Plant) -> tuple[Forecast, ...]:
    """Forecast every changeover of a plant.

    Args:
        plant: A checked plant.

    Returns:
        One row per function, fault and target: functions as in `Function`, those without any server left
        out; faults as in `Fault`; targets as in `targets`.
    """
    return tuple(
        forecast_one(plant, function, fault, target)
        for function in Function
        for fault in Fault
        for target in targets(plant, function, fault)
    )


def targets(plant: Plant, function: Function, fault: Fault) -> tuple[str, ...]:
    """What a fault may strike as far as a function is concerned: the primary of each redundant group.

    Returns:
        For server faults I/O servers that own a primary unit, or the function's primary server; for device
        faults the I/O devices; for lan-silent every LAN, those of clients first; for partner-cut every two
        computers that hold a pair; all in file order. Empty where the plant has no server of that function.
    """
    if not _has_servers(plant, function):
        return ()
    if fault.is_device:
        return tuple(device.name for device in plant.io_devices)
    if fault is Fault.PARTNER_CUT:
        return tuple(pair_name(pair) for pair in plant.pairs())
    if fault is Fault.LAN_SILENT:
        first = plant.client_lans()
        return (*first, *(lan.name for lan in plant.lans if lan.name not in first))
    if function is Function.IO_DATA:
        owners = {device.primary.io_server for device in plant.io_devices}
        return tuple(server.name for server in plant.io_servers if server.name in owners)
    return tuple(server.name for server in _primaries(plant, function))


def forecast_one(plant: Plant, function: Function, fault: Fault, target: str) -> Forecast:
    """Forecast one row.

    Args:
        plant: A checked plant.
        function: What the client is after.
        fault: What strikes.
        target: One of `targets`; KeyError for an unknown name.
    """
    if fault is Fault.PARTNER_CUT:
        return _partner_cut(function, target)
    if function is Function.IO_DATA:
        return _io_row(plant, fault, target)
    if fault.is_device:
        return task_rules.device_fault(function, fault, plant.io_device(target).name)
    if fault is Fault.LAN_SILENT:
        return task_rules.lan_fault(plant, function, target)
    for primary in _primaries(plant, function):
        if primary.name == target:
            return task_rules.server_fault(plant, fault, primary)
    raise KeyError(target)


def _io_row(plant: Plant, fault: Fault, target: str) -> Forecast:
    if fault is Fault.STANDBY_DEVICE_SILENT:
        return io_rules.standby_device_fault(plant, plant.io_device(target))
    if fault.is_device:
        return io_rules.device_fault(plant, fault, plant.io_device(target))
    if fault is Fault.LAN_SILENT:
        return lan_rules.lan_fault(plant, target)
    return io_rules.server_fault(plant, fault, target)


def _partner_cut(function: Function, target: str) -> Forecast:
    """Clients see both servers, so none moves; the pair goes on as two until it meets again (T6)."""
    if function is Function.IO_DATA:
        why = "I/O servers tell each other nothing"
    else:
        why = "clients see both; each server goes on as the active one until they meet again (T6)"
    return Forecast(function, Fault.PARTNER_CUT, target, Outcome.UNAFFECTED, reason=why)


def _has_servers(plant: Plant, function: Function) -> bool:
    return bool(plant.io_devices if function is Function.IO_DATA else plant.tasks(function))


def _primaries(plant: Plant, function: Function) -> Iterator[TaskServer]:
    return (server for server in plant.tasks(function) if server.mode is TaskMode.PRIMARY)
