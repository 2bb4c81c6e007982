"""Trials for alarms, trends and reports: one fault, measured for all functions at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
    home_server,
    measure_task,
    task_can_change_over,
    task_client,
    task_loses,
    way_is_by_chance,
)
from changeover.simulation.plant_world import PlantWorld
from changeover.simulation.trial import (
    IoWatch,
    Pace,
    SteadyStateError,
    Trial,
    Watch,
    check_strikes,
    io_client,
    random_of,
)

SETTLING: Duration = 500 * MILLISECOND
"""Until the servers of a starting pair know each other and serve, page scans and round trips aside."""

_TOLD = (TraceKind.SESSION_TIMEOUT, TraceKind.SESSION_CLOSED, TraceKind.SERVER_FOUND)


class TaskWatch:
    """Alarms, trends or reports, watched at one client.

    Args:
        plant: The plant.
        function: ALARM, TREND or REPORT.
        injection: The fault and its target.
        client: The client.
        world: Where the trial takes place.
    """

    def __init__(
        self, plant: Plant, function: Function, injection: Injection, client: Client, world: PlantWorld
    ) -> None:
        self._plant = plant
        self._function = function
        self._injection = injection
        self._client = client
        self._world = world
        self._notes: list[TraceLine] = []
        self._loses = task_loses(plant, function, injection, client)
        self._changes_over = task_can_change_over(plant, function, injection, client)
        self._is_by_chance = way_is_by_chance(plant, function)

    @property
    def pace(self) -> Pace:
        """What the search for a server needs of the trial."""
        plant, timing = self._plant, self._plant.timing
        scan = max(client.page_scan for client in plant.clients)
        start = SETTLING + 20 * plant.round_trip
        # To a server that is not the first of its function, but of a better priority, a watch tick brings it.
        is_first = home_server(plant, self._function) == plant.tasks(self._function)[0]
        ways = len(plant.task_ways(self._client.computer, self._function))
        return Pace(
            settling=start + 2 * scan + (0 if is_first else timing.watch),
            phase=scan,
            detection=(ways + 1) * (timing.patience + timing.watch) + 4 * scan,
            tied=(timing.watch,),
            back=timing.watch + start,
        )

    def check_steady(self) -> None:
        """Whether the client asks its server by the way that it should; SteadyStateError when not."""
        machine = self._world.task_clients[self._client.name, self._function].machine
        assert isinstance(machine, TaskClient)
        wanted, current = first_way(self._plant, self._function, self._client), machine.search.current
        if current == wanted:
            return
        if wanted and current and wanted.server == current.server and self._is_by_chance:
            return
        raise SteadyStateError(
            f"{self._client.name} asks {current or 'nobody'} for {self._function.value}, not {wanted}: "
            "look at time-outs shorter than a healthy answer takes"
        )

    def hear(self, line: TraceLine) -> bool:
        """Take a line of the trace; whether it tells how this client fares."""
        is_ours = line.source == self._client.name and line.detail == self._function.value
        if not is_ours or line.kind not in _TOLD:
            return False
        self._notes.append(line)
        return True

    def is_over(self, fault_at: Instant) -> bool:
        """Whether the client has found another server, or has lost the only one, or loses nothing."""
        if not self._loses:
            return True
        found = self._measure(fault_at, None)
        return (found.changeover if self._changes_over else found.detection) is not None

    def is_back(self, fault_at: Instant, repair_at: Instant) -> bool:
        """Whether the client has gone back; who stays where he is shows it by not going."""
        return self._measure(fault_at, repair_at).return_ is not None

    def measured(self, fault_at: Instant, repair_at: Instant) -> Measured:
        """What was seen."""
        return self._measure(fault_at, repair_at)

    def _measure(self, fault_at: Instant, repair_at: Instant | None) -> Measured:
        return measure_task(
            self._plant, self._function, self._injection, self._client, self._notes, fault_at, repair_at
        )


def task_functions(plant: Plant) -> tuple[Function, ...]:
    """Functions of which the plant has servers, I/O data aside."""
    return tuple(f for f in Function if f is not Function.IO_DATA and plant.tasks(f))


def joint_trial(
    plant: Plant, injection: Injection, clients: dict[Function, Client], rng: Random
) -> dict[Function, Measured]:
    """One trial of one fault, measured for several functions at once.

    Args:
        plant: The plant.
        injection: The fault and its target.
        clients: By function, I/O data among them or not, the client at which it is measured.
        rng: Every phase comes from here.

    Raises:
        SteadyStateError: A client was not served by its primary before the fault.
    """
    # What tasks do with I/O data has no part in how clients find their servers.
    plant = replace(plant, alarms=(), trends=(), reports=())

    def watch(world: PlantWorld, changed: Callable[[], None]) -> dict[Function, Watch]:
        return {
            function: IoWatch(plant, injection, client, world, changed)
            if function is Function.IO_DATA
            else TaskWatch(plant, function, injection, client, world)
            for function, client in clients.items()
        }

    return Trial(plant, injection, watch, rng, with_tasks=True).run()


def task_trials(
    plant: Plant,
    injection: Injection,
    count: int,
    seed: int,
    functions: Iterable[Function] | None = None,
) -> Iterator[dict[Function, Measured]]:
    """Run seeded trials of one fault, each measured for several functions at once.

    Args:
        plant: The plant.
        injection: The fault and its target.
        count: How many trials.
        seed: The same seed gives the same trials.
        functions: Which; every one but I/O data that the plant has servers of by default.

    Yields:
        By function, one measurement per trial; functions that no client is left for are left out.

    Raises:
        SteadyStateError: A client is not served by the primary even when all is well.
        ValueError: There is nothing to strike, or no client is left to measure at.
    """
    check_strikes(plant, injection)
    clients: dict[Function, Client] = {}
    for function in functions if functions is not None else task_functions(plant):
        if function is Function.IO_DATA:
            clients[function] = io_client(plant, injection)
        elif (client := task_client(plant, function, injection)) is not None:
            clients[function] = client
    if not clients:
        raise ValueError(f"no client is left that asks for anything when {injection.target} is struck")
    rng = random_of(injection, seed)
    for _ in range(count):
        yield joint_trial(plant, injection, clients, rng)
