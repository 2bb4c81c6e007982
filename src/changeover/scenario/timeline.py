"""A scenario as values: a small plant, what happens to it and when."""

from __future__ import annotations

from dataclasses import dataclass, field

from changeover.model.device import DriverTiming
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Timing
from changeover.model.policy import Family
from changeover.scenario.fault import Injection


@dataclass(frozen=True, slots=True)
class Sketch:
    """A plant in a few words: servers IOServer1, … on SCADA1, …, devices PLC1, …, clients HMI1, ….

    Every device has one unit on each server, IOServer1's is the primary. Alarm1, Alarm2, Trend1, … are on the
    same computers, the first of each function is the primary. Servers and clients are on every client LAN
    (LAN_A, LAN_B); the devices are on FIELD.

    Attributes:
        family: The version family.
        lans, servers, devices, clients: How many; `servers` are I/O servers.
        alarm, trend, report: How many servers of that function.
        timing: Parameters of citect.ini.
        driver: Timing of every unit.
        page_scan: R of every client.
        round_trip: Of every LAN.
        standby_priority: Priority of every standby alarm, trend or report server; that of primaries is 1.
    """

    family: Family
    lans: int = 1
    servers: int = 2
    devices: int = 1
    clients: int = 1
    alarm: int = 0
    trend: int = 0
    report: int = 0
    timing: Timing = field(default_factory=Timing)
    driver: DriverTiming = field(default_factory=DriverTiming)
    page_scan: Duration = 250 * MILLISECOND
    round_trip: Duration = MILLISECOND
    standby_priority: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """A fault takes effect, or is taken away, at an instant; the plant starts at 0."""

    at: Instant
    injection: Injection
    repairs: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happens, in the order of the instants, and until when one looks.

    Attributes:
        steps: In order; steps of one instant in the order in which they were written.
        until: Not before the last step.
    """

    steps: tuple[Step, ...]
    until: Instant


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a scenario file says above its separator, and the trace that is expected below it.

    Attributes:
        sketch: The plant.
        timeline: What happens to it.
        phases: Phases of the free-running timers as shares of their periods, taken in turn and over again;
            empty when `seed` draws them.
        seed: Draws the phases.
        golden: The expected lines.
    """

    sketch: Sketch
    timeline: Timeline
    phases: tuple[float, ...] = ()
    seed: int = 0
    golden: tuple[str, ...] = ()
