"""Seeded trials of one fault: a fresh plant each time, every phase drawn anew, measured from its trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from random import Random

from changeover.core.machine import Present, ShowCom
from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.scenario.fault import Injection
from changeover.scenario.measure import (
    Measured,
    Shown,
    can_change_over,
    measure,
    measured_devices,
    struck_by,
    struck_unit,
)
from changeover.scenario.outage import measuring_client, phases, shortest_outage
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
    """A plant was not served by its primary units before the fault: nothing could be measured."""


def longest_outage(plant: Plant) -> Duration:
    """Longer than any detection and changeover of the plant can take."""
    timing = plant.timing
    units = [unit.timing for device in plant.io_devices for unit in device.units]
    device = max((unit.timeout * unit.attempts_until_offline for unit in units), default=0)
    waits = timing.send_timeout + timing.request_timeout + 2 * timing.heartbeat
    return device + waits + sum(phases(plant)) + 2 * max(c.page_scan for c in plant.clients)


class Trial:
    """One fault on one plant."""

    def __init__(self, plant: Plant, injection: Injection, client: Client, rng: Random) -> None:
        self._plant = plant
        self._injection = injection
        self._client = client
        self._rng = rng
        self.notes: list[TraceLine] = []
        self._shown: list[Shown] = []
        self._struck = struck_by(plant, injection)
        self._devices = frozenset(measured_devices(plant, injection, client))
        self._changes_over = can_change_over(plant, injection, client)
        self._served: dict[str, Shown] = {}
        self._awaits: Callable[[], bool] = lambda: False
        self._fault_at: Instant = 0
        self._repair_at: Instant = 0
        self._world = PlantWorld(plant, rng, self._on_note)
        self._world.clients[client.name].on_present = self._on_present

    def run(self) -> Measured:
        """Start, settle, strike, wait, repair, wait; then measure.

        Raises:
            SteadyStateError: The plant was not served by its primaries before the fault.
        """
        world, clock = self._world, self._world.world
        world.start()
        scan = self._client.page_scan
        clock.run(SETTLING + 20 * self._plant.round_trip + 2 * scan)
        primaries = {device.primary.name for device in self._plant.io_devices}
        if {s.unit for s in self._served.values()} != primaries:
            serving = ", ".join(f"{s.tag} by {s.unit}" for s in self._served.values() if s.good)
            raise SteadyStateError(
                f"the healthy plant is not served by its primary units (served: {serving or 'nothing'}): "
                "look at time-outs shorter than a healthy answer takes"
            )
        clock.run(clock.now + round(self._rng.random() * scan))
        self._fault_at = clock.now
        world.inject(self._injection)
        self._run_until(self._changed_over, longest_outage(self._plant))
        earliest = max(clock.now, self._fault_at + shortest_outage(self._plant, self._injection))
        clock.run(earliest + sum(round(self._rng.random() * period) for period in self._tied_phases()))
        repair_at = self._repair_at = clock.now
        world.repair(self._injection)
        self._run_until(self._returned, longest_outage(self._plant))
        shown = [line for line in self._shown if line.tag in self._devices]
        return self._measure(shown, repair_at)

    def _measure(self, shown: Sequence[Shown], repair_at: Instant | None) -> Measured:
        fault_at = self._fault_at
        return measure(self._plant, self._injection, self._client, shown, self.notes, fault_at, repair_at)

    def _tied_phases(self) -> tuple[Duration, ...]:
        """Periods whose phase the trial so far has tied to the present instant: waited out at random.

        Watch timers and heartbeats have phases of their own anew in each trial, evenly spread at any instant.
        But a client's retry tick counts from its loss, and in A and B a device's changeover ends at a
        heartbeat of the very server whose next one the return waits for.
        """
        timing = self._plant.timing
        if self._injection.fault.is_device and self._plant.policy.needs_heartbeat_to_switch:
            return timing.client_retry, timing.heartbeat
        return (timing.client_retry,)

    def _run_until(self, done: Callable[[], bool], limit: Duration) -> None:
        clock = self._world.world
        if not done():
            self._awaits = done
            clock.run(clock.now + limit)
            self._awaits = lambda: False

    def _changed_over(self) -> bool:
        if not self._changes_over:
            # Nothing to wait for but that the fault is found.
            found = self._measure((), None)
            return found.detection is not None
        return all(
            (seen := self._served.get(device)) is not None
            and seen.at > self._fault_at
            and seen.good
            and not self._struck.by(seen)
            for device in self._devices
        )

    def _returned(self) -> bool:
        primaries = {device.name: device.primary.name for device in self._plant.io_devices}
        return all(
            (seen := self._served.get(device)) is not None
            and seen.at > self._repair_at
            and seen.good
            and seen.unit == primaries[device]
            for device in self._devices
        )

    def _on_note(self, line: TraceLine) -> None:
        self.notes.append(line)
        if line.kind in _DETECTIONS and self._awaits():
            self._world.world.stop()

    def _on_present(self, effect: Present | ShowCom, now: Instant) -> None:
        if isinstance(effect, Present):
            line = Shown(now, effect.device, True, effect.unit, effect.way.server, effect.way.lan)
        else:
            line = Shown(now, effect.device, False)
        self._served[effect.device] = line
        self._shown.append(line)
        if self._awaits():
            self._world.world.stop()


def trials(plant: Plant, injection: Injection, count: int, seed: int) -> Iterator[Measured]:
    """Run seeded trials of one fault.

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
    if injection.fault.is_device and struck_unit(plant, injection) is None:
        raise ValueError(f"{injection.target} has no standby unit")
    client = measuring_client(plant, injection)
    if client is None:
        raise ValueError(f"every client is on the computer that {injection.target} runs on")
    rng = Random(f"{seed}/{injection.fault.value}/{injection.target}")
    for _ in range(count):
        yield Trial(plant, injection, client, rng).run()
