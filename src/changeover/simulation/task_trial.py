"""Seeded trials of one fault for alarms, trends and reports: all functions are measured at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

from changeover.core.task_client import TaskClient
from changeover.core.trace import TraceKind, TraceLine
from changeover.model.moment import MILLISECOND, Duration, Instant
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.scenario.fault import Injection
from changeover.scenario.measure import Measured
from changeover.scenario.measure_task import (
    first_way,
    measure_task,
    task_can_change_over,
    task_client,
    task_loses,
)
from changeover.simulation.plant_world import PlantWorld
from changeover.simulation.trial import SteadyStateError

SETTLING: Duration = 500 * MILLISECOND
"""Until the servers of a starting pair know each other and serve, page scans and round trips aside."""


def task_functions(plant: Plant) -> tuple[Function, ...]:
    """Functions of which the plant has servers, I/O data aside."""
    return tuple(f for f in Function if f is not Function.IO_DATA and plant.tasks(f))


class TaskTrial:
    """One fault on one plant, measured at one client per function.

    Args:
        plant: The plant.
        injection: The fault and its target.
        clients: By function, the client at which it is measured.
        rng: Every phase comes from here.
    """

    def __init__(
        self, plant: Plant, injection: Injection, clients: dict[Function, Client], rng: Random
    ) -> None:
        self._injection = injection
        self._clients = clients
        self._rng = rng
        # What tasks do with I/O data has no part in how clients find their servers.
        self._plant = replace(plant, alarms=(), trends=(), reports=())
        self.notes: list[TraceLine] = []
        self._awaits: Callable[[], bool] = lambda: False
        self._world = PlantWorld(self._plant, rng, self._on_note, with_tasks=True)

    def run(self) -> dict[Function, Measured]:
        """Start, settle, strike, wait, repair, wait; then measure.

        Raises:
            SteadyStateError: A client was not served by the primary before the fault.
        """
        clock = self._world.world
        timing = self._plant.timing
        scan = max(client.page_scan for client in self._plant.clients)
        self._world.start()
        clock.run(SETTLING + 20 * self._plant.round_trip + 2 * scan)
        self._check_steady()
        # Phases of watch timers and scans are drawn anew; the instant within them is, too.
        clock.run(clock.now + round(self._rng.random() * (timing.watch + scan)))
        fault_at = clock.now
        self._world.inject(self._injection)
        self._run_until(lambda: self._all_over(fault_at), self._longest())
        # A repair in the middle of a search would let the search end at the primary.
        clock.run(clock.now + timing.send_timeout + round(self._rng.random() * timing.watch))
        repair_at = clock.now
        self._world.repair(self._injection)
        self._run_until(lambda: self._all_back(fault_at, repair_at), 2 * timing.watch + timing.send_timeout)
        return {
            function: measure_task(
                self._plant, function, self._injection, client, self.notes, fault_at, repair_at
            )
            for function, client in self._clients.items()
        }

    def _check_steady(self) -> None:
        for function, client in self._clients.items():
            machine = self._world.task_clients[client.name, function].machine
            assert isinstance(machine, TaskClient)
            wanted = first_way(self._plant, function, client)
            if machine.search.current != wanted:
                raise SteadyStateError(
                    f"{client.name} asks {machine.search.current or 'nobody'} for {function.value}, "
                    f"not {wanted}: look at time-outs shorter than a healthy answer takes"
                )

    def _longest(self) -> Duration:
        """Longer than any search of the plant can take."""
        timing = self._plant.timing
        ways = max(len(self._plant.task_ways(c.computer, f)) for f, c in self._clients.items())
        scan = max(client.page_scan for client in self._plant.clients)
        return (ways + 1) * (timing.send_timeout + timing.watch) + 4 * scan

    def _all_over(self, fault_at: Instant) -> bool:
        found = {
            function: measure_task(self._plant, function, self._injection, client, self.notes, fault_at, None)
            for function, client in self._clients.items()
        }
        return all(
            found[function].changeover is not None
            if task_can_change_over(self._plant, function, self._injection, client)
            else found[function].detection is not None
            or not task_loses(self._plant, function, self._injection, client)
            for function, client in self._clients.items()
        )

    def _all_back(self, fault_at: Instant, repair_at: Instant) -> bool:
        return all(
            measure_task(
                self._plant, function, self._injection, client, self.notes, fault_at, repair_at
            ).return_
            is not None
            for function, client in self._clients.items()
        )

    def _run_until(self, done: Callable[[], bool], limit: Duration) -> None:
        clock = self._world.world
        if not done():
            self._awaits = done
            clock.run(clock.now + limit)
            self._awaits = lambda: False

    def _on_note(self, line: TraceLine) -> None:
        if line.kind is TraceKind.VALUES or line.kind is TraceKind.COM:
            return
        self.notes.append(line)
        if line.detail and self._awaits():
            self._world.world.stop()


def task_trials(
    plant: Plant, injection: Injection, count: int, seed: int
) -> Iterator[dict[Function, Measured]]:
    """Run seeded trials of one fault for alarms, trends and reports.

    Args:
        plant: The plant.
        injection: The fault and its target.
        count: How many trials.
        seed: The same seed gives the same trials.

    Yields:
        By function, one measurement per trial; functions that no client is left for are left out.

    Raises:
        SteadyStateError: A client is not served by the primary even when all is well.
        ValueError: No client is left to measure at.
    """
    clients = {
        function: client
        for function in task_functions(plant)
        if (client := task_client(plant, function, injection)) is not None
    }
    if not clients:
        raise ValueError(f"no client is left that asks for anything when {injection.target} is struck")
    rng = Random(f"{seed}/{injection.fault.value}/{injection.target}")
    for _ in range(count):
        yield TaskTrial(plant, injection, clients, rng).run()
