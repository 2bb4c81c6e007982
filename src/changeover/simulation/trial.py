"""Seeded trials of one fault: a fresh plant each time, every phase drawn anew, measured from its trace.

A trial may watch several functions at once: each by a `Watch` at the client that is the worst off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from changeover.core.machine import Present, ShowCom
from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import (
    Measured,
    Shown,
    can_change_over,
    measure,
    measured_devices,
    struck_by,
    struck_unit,
)
from changeover.scenario.outage import as_seen, measuring_client, phases, shortest_outage
from changeover.simulation.plant_world import PlantWorld

_DETECTIONS = (
    TraceKind.UNIT_OFFLINE,
    TraceKind.SESSION_TIMEOUT,
    TraceKind.SESSION_CLOSED,
    TraceKind.REQUEST_TIMEOUT,
)

SETTLING: Duration = 200 * MILLISECOND
"""Until every session and every device connection of a starting plant stands, page scans aside."""


class SteadyStateError(Exception):
    """A plant was not served by its primaries before the fault: nothing could be measured."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the parts of a trial take.

    Attributes:
        settling: From the start until all is well.
        phase: The fault falls anywhere into such a span after that.
        detection: Until the fault has had all its effects, at most.
        tied: Periods whose phase the trial has tied to that instant: waited out at random before the repair.
        back: From the repair until whoever goes back is back, at most.
    """

    settling: Duration
    phase: Duration
    detection: Duration
    tied: tuple[Duration, ...]
    back: Duration


class Watch(Protocol):
    """One function of a plant, watched at one client during a trial."""

    @property
    def pace(self) -> Pace:
        """What this function needs of the trial."""

    def check_steady(self) -> None:
        """Whether the primary serves the client; SteadyStateError when it does not."""

    def hear(self, line: TraceLine) -> bool:
        """Take a line of the trace; whether a wait may be over by it."""

    def is_over(self, fault_at: Instant) -> bool:
        """Whether the fault has had all its effects on the client."""

    def is_back(self, fault_at: Instant, repair_at: Instant) -> bool:
        """Whether the primary serves the client again."""

    def measured(self, fault_at: Instant, repair_at: Instant) -> Measured:
        """What was seen."""


class Trial:
    """One fault on one plant.

    Args:
        plant: The plant.
        injection: The fault and its target.
        watch: Makes the watches, one per function, in a world; they call `changed` for whatever may end a
            wait and is in no trace line.
        rng: Every phase comes from here.
        with_tasks: Alarm, trend and report servers run too.
    """

    def __init__(
        self,
        plant: Plant,
        injection: Injection,
        watch: Callable[[PlantWorld, Callable[[], None]], Mapping[Function, Watch]],
        rng: Random,
        with_tasks: bool = False,
    ) -> None:
        self._plant = plant
        self._injection = injection
        self._rng = rng
        self._awaited: tuple[Callable[[], bool], ...] = ()
        self._world = PlantWorld(plant, rng, self._on_note, with_tasks)
        self._watches = watch(self._world, self._on_change)

    def run(self) -> dict[Function, Measured]:
        """Start, settle, strike, wait, repair, wait; then measure.

        Raises:
            SteadyStateError: The plant was not served by its primaries before the fault.
        """
        world, clock = self._world, self._world.world
        watches = tuple(self._watches.values())
        paces = [watch.pace for watch in watches]
        world.start()
        clock.run(max(pace.settling for pace in paces))
        for watch in watches:
            watch.check_steady()
        clock.run(clock.now + round(self._rng.random() * max(pace.phase for pace in paces)))
        fault_at = clock.now
        world.inject(self._injection)
        self._wait([(partial(w.is_over, fault_at), p.detection) for w, p in zip(watches, paces, strict=True)])
        earliest = max(clock.now, fault_at + shortest_outage(self._plant, self._injection))
        tied = dict.fromkeys(period for pace in paces for period in pace.tied)
        clock.run(earliest + sum(round(self._rng.random() * period) for period in tied))
        repair_at = clock.now
        world.repair(self._injection)
        self._wait(
            [(partial(w.is_back, fault_at, repair_at), p.back) for w, p in zip(watches, paces, strict=True)]
        )
        return {function: watch.measured(fault_at, repair_at) for function, watch in self._watches.items()}

    def _wait(self, conditions: Sequence[tuple[Callable[[], bool], Duration]]) -> None:
        """Run until each condition holds, or its own time is over."""
        clock = self._world.world
        waits = [(holds, clock.now + limit) for holds, limit in conditions]
        while waits := [(holds, until) for holds, until in waits if clock.now < until and not holds()]:
            self._awaited = tuple(holds for holds, _ in waits)
            clock.run(min(until for _, until in waits))
        self._awaited = ()

    def _on_note(self, line: TraceLine) -> None:
        heard = [watch.hear(line) for watch in self._watches.values()]
        if any(heard):
            self._on_change()

    def _on_change(self) -> None:
        if self._awaited and all(holds() for holds in self._awaited):
            self._world.world.stop()


class IoWatch:
    """I/O data, watched at one client's display.

    Args:
        plant: The plant.
        injection: The fault and its target.
        client: The client.
        world: Where the trial takes place.
        changed: To be called when the display changed.
    """

    def __init__(
        self,
        plant: Plant,
        injection: Injection,
        client: Client,
        world: PlantWorld,
        changed: Callable[[], None],
    ) -> None:
        self._plant = plant
        self._injection = as_seen(plant, injection, client)
        self._client = client
        self._world = world
        self._changed = changed
        self._notes: list[TraceLine] = []
        self._shown: list[Shown] = []
        self._struck = struck_by(plant, self._injection)
        self._devices = frozenset(measured_devices(plant, self._injection, client))
        self._changes_over = can_change_over(plant, self._injection, client)
        self._served: dict[str, Shown] = {}
        world.clients[client.name].on_present = self._on_present

    @property
    def pace(self) -> Pace:
        """What I/O data needs of the trial."""
        scan = self._client.page_scan
        longest = longest_outage(self._plant)
        return Pace(
            settling=SETTLING + 20 * self._plant.round_trip + 2 * scan,
            phase=scan,
            detection=longest,
            tied=self._tied_phases(),
            back=longest,
        )

    def _tied_phases(self) -> tuple[Duration, ...]:
        """Periods whose phase the trial has tied to the end of the changeover.

        Watch timers and heartbeats have phases of their own anew in each trial, evenly spread at any instant.
        But a client's retry tick counts from its loss, and in A and B a device's changeover ends at a
        heartbeat of the very server whose next one the return waits for.
        """
        timing = self._plant.timing
        if self._injection.fault.is_device and self._plant.policy.needs_heartbeat_to_switch:
            return timing.client_retry, timing.heartbeat
        return (timing.client_retry,)

    def check_steady(self) -> None:
        """Whether the primary units serve the client; SteadyStateError when they do not."""
        primaries = {device.primary.name for device in self._plant.io_devices}
        if {s.unit for s in self._served.values()} != primaries:
            serving = ", ".join(f"{s.tag} by {s.unit}" for s in self._served.values() if s.good)
            raise SteadyStateError(
                f"the healthy plant is not served by its primary units (served: {serving or 'nothing'}): "
                "look at time-outs shorter than a healthy answer takes"
            )

    def hear(self, line: TraceLine) -> bool:
        """Take a line of the trace; whether it tells of a detection."""
        if line.kind not in _DETECTIONS:
            return False
        self._notes.append(line)
        return True

    def is_over(self, fault_at: Instant) -> bool:
        """Whether every device is read by a way that is not struck, or the fault is found at least."""
        if self._injection.fault is Fault.PARTNER_CUT:
            # Nobody loses anything, so nobody finds anything; the shortest outage is long enough to see it.
            return True
        if not self._changes_over:
            # Nothing to wait for but that the fault is found.
            return self._measure((), fault_at, None).detection is not None
        return all(
            (seen := self._served.get(device)) is not None
            and seen.at > fault_at
            and seen.good
            and not self._struck.by(seen)
            for device in self._devices
        )

    def is_back(self, fault_at: Instant, repair_at: Instant) -> bool:
        """Whether every device is read by its primary unit."""
        primaries = {device.name: device.primary.name for device in self._plant.io_devices}
        return all(
            (seen := self._served.get(device)) is not None
            and seen.at > repair_at
            and seen.good
            and seen.unit == primaries[device]
            for device in self._devices
        )

    def measured(self, fault_at: Instant, repair_at: Instant) -> Measured:
        """What was seen."""
        shown = [line for line in self._shown if line.tag in self._devices]
        return self._measure(shown, fault_at, repair_at)

    def _measure(self, shown: Sequence[Shown], fault_at: Instant, repair_at: Instant | None) -> Measured:
        return measure(self._plant, self._injection, self._client, shown, self._notes, fault_at, repair_at)

    def _on_present(self, effect: Present | ShowCom, now: Instant) -> None:
        if isinstance(effect, Present):
            line = Shown(now, effect.device, True, effect.unit, effect.way.server, effect.way.lan)
        else:
            line = Shown(now, effect.device, False)
        self._served[effect.device] = line
        self._shown.append(line)
        self._changed()


def longest_outage(plant: Plant) -> Duration:
    """Longer than any detection and changeover of I/O data can take."""
    timing = plant.timing
    units = [unit.timing for device in plant.io_devices for unit in device.units]
    device = max((unit.timeout * unit.attempts_until_offline for unit in units), default=0)
    waits = timing.patience + timing.request_timeout + 2 * timing.heartbeat
    return device + waits + sum(phases(plant)) + 2 * max(c.page_scan for c in plant.clients)


def io_client(plant: Plant, injection: Injection) -> Client:
    """The client at which a fault's effect on I/O data is measured.

    Raises:
        ValueError: There is nothing to strike, or no client is left to measure at.
    """
    check_strikes(plant, injection)
    client = measuring_client(plant, injection)
    if client is None:
        raise ValueError(f"every client is on the computer that {injection.target} runs on")
    return client


def check_strikes(plant: Plant, injection: Injection) -> None:
    """Whether there is something to strike; ValueError when there is not."""
    if injection.fault.is_device and struck_unit(plant, injection) is None:
        raise ValueError(f"{injection.target} has no standby unit")


def random_of(injection: Injection, seed: int) -> Random:
    """The source of every phase of a series of trials."""
    return Random(f"{seed}/{injection.fault.value}/{injection.target}")


def trials(plant: Plant, injection: Injection, count: int, seed: int) -> Iterator[Measured]:
    """Run seeded trials of one fault for I/O data.

    Args:
        plant: The plant.
        injection: The fault and its target.
        count: How many trials.
        seed: The same seed gives the same trials.

    Yields:
        One measurement per trial.

    Raises:
        SteadyStateError: The plant is not served by its primary units even when healthy.
        ValueError: There is nothing to strike, or no client is left to measure at.
    """
    client = io_client(plant, injection)
    rng = random_of(injection, seed)

    def watch(world: PlantWorld, changed: Callable[[], None]) -> dict[Function, IoWatch]:
        return {Function.IO_DATA: IoWatch(plant, injection, client, world, changed)}

    for _ in range(count):
        yield Trial(plant, injection, watch, rng).run()[Function.IO_DATA]
