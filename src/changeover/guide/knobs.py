"""What can be turned in a citect.ini: each parameter that governs a changeover, at the line that sets it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import log

from changeover.config.driver_table import find_driver
from changeover.config.ini import IniFile
from changeover.config.parameters import (
    CLIENT_RETRY_TIME,
    HEART_TIME,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    STACK_PARAMETERS,
    WATCH_TIME,
    Parameter,
    ParameterUnit,
)
from changeover.config.timing import DriverSettings, Setting, driver_settings, setting
from changeover.forecast.levers import LEVERS
from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.plant import Plant
from changeover.model.stack import NetworkProtocol

_STACKS = frozenset(protocol.value for protocol in NetworkProtocol)
_CHANGEOVER = (SEND_TIMEOUT, REQUEST_TIMEOUT, WATCH_TIME, HEART_TIME)


@dataclass(frozen=True, slots=True)
class Knob:
    """One parameter of one section.

    Attributes:
        section: As the file spells it, or the parameter's own where no line sets it.
        parameter: Its row.
        value: What it is now, in the row's unit.
        line: The line that sets it, None for the default.
        units: Names of the units that it governs; empty for what governs the whole plant.
    """

    section: str
    parameter: Parameter
    value: int
    line: int | None
    units: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"[{self.section}]{self.parameter.name}"

    @property
    def is_of_stack(self) -> bool:
        """Whether it is the network stack's, and stands in no citect.ini."""
        return self.section in _STACKS

    @property
    def least(self) -> int:
        """The least value that its range allows and that makes sense: no time-out of nothing."""
        return max(self.parameter.minimum, 0 if self.parameter.unit is ParameterUnit.COUNT else 1)

    @property
    def is_coarse(self) -> bool:
        """Whether it has few values: whole seconds, or a count."""
        return self.parameter.unit is not ParameterUnit.MILLISECONDS

    def worth(self, value: int) -> float:
        """What a value adds to Σ ln; of retries the number of attempts counts."""
        return log(value + 1 if self.parameter.unit is ParameterUnit.COUNT else value)

    def in_words(self, value: int) -> str:
        """A value with its unit, such as `2000 ms`."""
        unit = self.parameter.unit
        return str(value) if unit is ParameterUnit.COUNT else f"{value} {unit.value}"


Values = Mapping[Knob, int]
"""Some knobs, and what they are set to."""


def knobs_of(plant: Plant, ini: IniFile) -> tuple[Knob, ...]:
    """Every parameter of a project that may govern a changeover: those of [LAN] first, then drivers' by unit.

    Args:
        plant: The plant that was built with the file.
        ini: Its citect.ini.
    """
    # Where the stack decides, SendTimeout governs nothing (D2).
    ignored = () if plant.timing.silence is not None else (SEND_TIMEOUT,)
    parameters = [parameter for parameter in _CHANGEOVER if parameter not in ignored]
    found = _knobs(plant, ini, parameters, lambda read: (read.timeout, read.retry))
    return (*found, *stack_knobs(plant))


def return_knobs_of(plant: Plant, ini: IniFile) -> tuple[Knob, ...]:
    """Every parameter that governs nothing but returns, and when a dead standby is known (I6, I8)."""
    return _knobs(plant, ini, (CLIENT_RETRY_TIME,), lambda read: (read.watch,))


def _knobs(
    plant: Plant,
    ini: IniFile,
    parameters: Iterable[Parameter],
    of_driver: Callable[[DriverSettings], Iterable[Setting]],
) -> tuple[Knob, ...]:
    family = plant.policy.family
    found = [_knob(setting(ini, parameter, family)) for parameter in parameters]
    units: dict[tuple[str, str], set[str]] = {}
    settings: dict[tuple[str, str], Setting] = {}
    for device in plant.io_devices:
        driver = find_driver(device.protocol)
        assert driver is not None, "a checked plant has known protocols"
        for unit in device.units:
            read = driver_settings(ini, driver, unit.port_name, device.name, family)
            for one in of_driver(read):
                place = (_section(one).lower(), one.parameter.name)
                settings.setdefault(place, one)
                units.setdefault(place, set()).add(unit.name)
    found.extend(_knob(one, frozenset(units[place])) for place, one in settings.items())
    return tuple(found)


def stack_knobs(plant: Plant) -> tuple[Knob, ...]:
    """The retries of the network stack, where it decides (D2): they are no parameters of citect.ini."""
    values = _RETRIES.get(plant.network_protocol)
    if values is None:
        return ()
    return tuple(Knob(row.section, row, read(plant), None) for row, read, _ in values)


def turned(plant: Plant, values: Values) -> Plant:
    """The plant with other values of some knobs."""
    timing = plant.timing
    drivers: list[tuple[Knob, int]] = []
    for knob, value in values.items():
        lever = LEVERS.get(str(knob.parameter))
        if knob.is_of_stack:
            plant = _with_retries(plant, knob, value)
        elif lever is None:
            drivers.append((knob, value))
        else:
            timing = lever.changed(timing, value * lever.step)
    if not drivers:
        return replace(plant, timing=timing)
    devices = []
    for device in plant.io_devices:
        units = tuple(replace(unit, timing=_driven(unit.timing, unit.name, drivers)) for unit in device.units)
        devices.append(device if units == device.units else replace(device, units=units))
    return replace(plant, timing=timing, io_devices=tuple(devices))


def _row(table: str, key: str) -> Parameter:
    """A row of the stacks' table as one of the others."""
    row = next(row for row in STACK_PARAMETERS if (row.table, row.key) == (table, key))
    default = int(row.default)
    return Parameter(
        table, key, row.unit, int(row.minimum), int(row.maximum), (default,) * 3, row.affects, row.source
    )


_RETRIES: Mapping[
    NetworkProtocol, tuple[tuple[Parameter, Callable[[Plant], int], Callable[[Plant, int], Plant]], ...]
] = {
    NetworkProtocol.WINDOWS: (
        (
            _row("windows", "tcp_max_data_retransmissions"),
            lambda plant: plant.windows.data_retransmissions,
            lambda plant, n: replace(plant, windows=replace(plant.windows, data_retransmissions=n)),
        ),
        (
            _row("windows", "tcp_max_connect_retransmissions"),
            lambda plant: plant.windows.connect_retransmissions,
            lambda plant, n: replace(plant, windows=replace(plant.windows, connect_retransmissions=n)),
        ),
    ),
    NetworkProtocol.LINUX: (
        (
            _row("linux", "tcp_retries2"),
            lambda plant: plant.linux.retries2,
            lambda plant, n: replace(plant, linux=replace(plant.linux, retries2=n)),
        ),
        (
            _row("linux", "tcp_syn_retries"),
            lambda plant: plant.linux.syn_retries,
            lambda plant, n: replace(plant, linux=replace(plant.linux, syn_retries=n)),
        ),
    ),
}
"""Of each stack: the row, how it is read from a plant, and how it is set in one."""


def _with_retries(plant: Plant, knob: Knob, value: int) -> Plant:
    return next(
        change(plant, value) for rows in _RETRIES.values() for row, _, change in rows if row == knob.parameter
    )


def _driven(timing: DriverTiming, unit: str, drivers: list[tuple[Knob, int]]) -> DriverTiming:
    for knob, value in drivers:
        if unit not in knob.units:
            continue
        match knob.parameter.unit:
            case ParameterUnit.COUNT:
                timing = replace(timing, retry=value)
            case ParameterUnit.SECONDS:
                timing = replace(timing, watch=value * SECOND)
            case _:
                timing = replace(timing, timeout=value * MILLISECOND)
    return timing


def _section(one: Setting) -> str:
    return one.parameter.section if one.entry is None else one.entry.section


def _knob(one: Setting, units: frozenset[str] = frozenset()) -> Knob:
    line = None if one.entry is None else one.entry.line
    return Knob(_section(one), one.parameter, one.value, line, units)
