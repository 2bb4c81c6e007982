"""What goes on in a plant while it is drilled, so that audits have something to audit.

The simulated PLCs switch the variables of digital alarms by square waves; what happened to the alarms can be
computed from the clock. An operator acts on them (`operator`), reports fall due and trends are recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from changeover.drill.strikes import Strike
from changeover.drivers.modbus.address import ModbusAddress, parse_address
from changeover.forecast.result import Forecast, Outcome
from changeover.model.alarm import Alarm, AlarmType
from changeover.model.moment import SECOND, Duration, seconds
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.model.tag import TagType
from changeover.runtime.plant_data import PAGE_SCAN
from changeover.runtime.plc_waves import Square, Wave
from changeover.runtime.trend_server import SCAN_MAX
from changeover.scenario.fault import Fault
from changeover.scenario.outage import phases, shortest_outage

START_SECONDS = 3.0
"""Until a process that was killed serves again, on a machine that has other things to do."""
REPORT_PERIOD_MAX: Duration = 10 * SECOND
"""A report that runs so often falls due while a pair is cut: the cut lasts for it."""
WAVES = 7
_STEP: Duration = SECOND // 10
"""Half periods and phases are whole multiples of it, as are the steps of a simulated PLC."""
_STRETCH = 15
"""By how many percent each further wave is slower."""


@dataclass(frozen=True, slots=True)
class Load:
    """What switches the digital alarms.

    Attributes:
        blind: How long nobody may see the devices, at most: what lasts longer has to be seen.
        squares: By variable tag, the wave at its address.
    """

    blind: Duration
    squares: Mapping[str, Square] = field(default_factory=dict)

    def at(self, plant: Plant, address: str) -> tuple[Square, ...]:
        """The squares of the PLC at an address, each place once."""
        found: dict[ModbusAddress, Square] = {}
        for device in plant.io_devices:
            if any(str(unit.address) == address for unit in device.units):
                for tag in plant.tags_of(device.name):
                    square = self.squares.get(tag.name)
                    if square is not None:
                        found[square.address] = square
        return tuple(found.values())

    def audited(self, plant: Plant) -> tuple[Alarm, ...]:
        """Alarms whose transitions can be computed, and are logged."""
        return tuple(
            alarm
            for alarm in plant.alarms
            if alarm.type is AlarmType.DIGITAL
            and alarm.category.logs
            and all(name in self.squares for name in alarm.variables)
        )


def plan_load(plant: Plant, strikes: Iterable[Strike]) -> Load:
    """Waves for every variable of a digital alarm, slow enough that every drill leaves time to see them."""
    blind = _blind(plant, tuple(strikes))
    addresses: dict[tuple[str, ModbusAddress], Wave] = {}
    squares: dict[str, Square] = {}
    watched = {name for alarm in plant.alarms if alarm.type is AlarmType.DIGITAL for name in alarm.variables}
    for tag in plant.tags:
        if tag.name not in watched or tag.type is not TagType.DIGITAL:
            continue
        address = parse_address(tag.address, tag.type)
        wave = addresses.setdefault((tag.device, address), _wave(len(addresses), blind))
        squares[tag.name] = Square(address, wave)
    return Load(blind, squares)


def outage(plant: Plant, strike: Strike) -> Duration:
    """How long a strike's outage lasts at least, the effects on its rows aside.

    A cut pair has to stay cut until both servers are active and a frequent report has fallen due.
    """
    least = shortest_outage(plant, strike.injection)
    if strike.injection.fault is not Fault.PARTNER_CUT:
        return least
    periods = [r.schedule.period for r in plant.reports if 0 < r.schedule.period <= REPORT_PERIOD_MAX]
    return least + max(periods, default=0) + plant.timing.report_watch + plant.timing.alarm_scan


def random_span(plant: Plant) -> Duration:
    """The longest of the free-running periods that a fault or a repair may fall into."""
    return max(*phases(plant), plant.timing.watch)


def probing_pause(plant: Plant) -> Duration:
    """How long a unit that was read is not probed: two scans of whoever read it."""
    scans = [client.page_scan for client in plant.clients]
    return 2 * max(SCAN_MAX, PAGE_SCAN, plant.timing.alarm_scan, *scans)


def operators_client(plant: Plant) -> Client | None:
    """The client at which the operator sits: of those with a way to an alarm server the last in the file."""
    reaching = [c for c in plant.clients if plant.task_ways(c.computer, Function.ALARM)]
    return reaching[-1] if reaching and plant.alarms else None


def _blind(plant: Plant, strikes: tuple[Strike, ...]) -> Duration:
    longest = 0.0
    for strike in strikes:
        lasts = max((_effect(row) for row in strike.rows), default=0.0)
        least = outage(plant, strike) + random_span(plant)
        longest = max(longest, lasts + least / SECOND)
    back = max((row.return_.maximum for s in strikes for row in s.rows if row.return_), default=0.0)
    delays = max((alarm.delay for alarm in plant.alarms), default=0)
    return seconds(longest + back + START_SECONDS) + 2 * plant.timing.alarm_scan + delays


def _effect(row: Forecast) -> float:
    """Until a row's effects are over, at most, in seconds."""
    if row.outcome is Outcome.CHANGEOVER and row.changeover is not None:
        return row.changeover.maximum
    return row.detection.maximum if row.detection is not None else 0.0


def _wave(place: int, blind: Duration) -> Wave:
    """The waves differ, so that not everything happens at once."""
    half = blind * (100 + 5 + _STRETCH * (place % WAVES)) // 100
    half = -(-half // _STEP) * _STEP
    return Wave(half, half * place * 3 // (WAVES + 1) // _STEP * _STEP)
