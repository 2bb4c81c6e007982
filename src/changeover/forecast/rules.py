"""The forecast of a whole plant: which function, fault and target makes a row, and whose rules it follows."""

from __future__ import annotations

from changeover.forecast import io_rules, lan_rules, reach, task_rules
from changeover.forecast.result import Forecast
from changeover.model.plant import Plant
from changeover.model.server import Function
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
        For server faults I/O servers that own a primary unit, or the function's server that clients ask while
        all is well; for device faults the I/O devices; for lan-silent every LAN, those of clients first; for
        partner-cut every two computers that hold a pair; all in file order. Empty where the plant has no
        server of that function.
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
    return (reach.home_of(plant, function).name,)


def forecast_one(plant: Plant, function: Function, fault: Fault, target: str) -> Forecast:
    """Forecast one row.

    Args:
        plant: A checked plant.
        function: What the client is after.
        fault: What strikes.
        target: One of `targets`; KeyError for an unknown name.
    """
    if function is Function.IO_DATA:
        return _io_row(plant, fault, target)
    if fault.is_device:
        return task_rules.device_fault(function, fault, plant.io_device(target).name)
    if fault is Fault.LAN_SILENT:
        return task_rules.lan_fault(plant, function, target)
    if fault is Fault.PARTNER_CUT:
        return task_rules.partner_cut(plant, function, target)
    home = reach.home_of(plant, function)
    if home.name != target:
        raise KeyError(target)
    return task_rules.server_fault(plant, fault, home)


def _io_row(plant: Plant, fault: Fault, target: str) -> Forecast:
    if fault is Fault.STANDBY_DEVICE_SILENT:
        return io_rules.standby_device_fault(plant, plant.io_device(target))
    if fault.is_device:
        return io_rules.device_fault(plant, fault, plant.io_device(target))
    if fault is Fault.LAN_SILENT:
        return lan_rules.lan_fault(plant, target)
    if fault is Fault.PARTNER_CUT:
        return lan_rules.partner_cut(plant, target)
    return io_rules.server_fault(plant, fault, target)


def _has_servers(plant: Plant, function: Function) -> bool:
    return bool(plant.io_devices if function is Function.IO_DATA else plant.tasks(function))
