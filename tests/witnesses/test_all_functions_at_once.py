"""Two of the three witnesses for all functions: each fault is injected once, and measured at every function.

I/O data, alarms, trends and reports of one trial are held against their own rows of the forecast.
`CHANGEOVER_TRIALS=400 pytest tests/witnesses` runs more trials a cell: so many in family C; half as many
in A and in B, which differ in a default alone; a quarter for a LAN that carries no requests, and odd plants.
"""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one, targets
from changeover.model.device import DriverTiming
from changeover.model.moment import milliseconds
from changeover.model.plant import Plant, Timing
from changeover.model.policy import Family
from changeover.model.server import Client, Function, TaskMode
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import Measured, struck_servers
from changeover.scenario.measure_task import task_client, way_is_by_chance
from changeover.scenario.outage import measuring_client
from changeover.simulation.task_trial import joint_trial, task_trials
from plants import two_server_plant, version_of
from witnesses.agreement import contradictions

TRIALS = int(os.environ.get("CHANGEOVER_TRIALS", "30"))
FAULTS = (
    Fault.SERVER_SILENT,
    Fault.SERVER_CLOSED,
    Fault.SERVER_FROZEN,
    Fault.LAN_SILENT,
    Fault.PARTNER_CUT,
)
PAIR = "SCADA1+SCADA2"
TASKS = (Function.ALARM, Function.TREND, Function.REPORT)


def plant_of(
    family: Family, send_timeout: int = 1000, watch: int = 700, page_scan: int = 250, **more: object
) -> Plant:
    """S, W and R in milliseconds; what else I/O data goes by is short too, so that one trial fits all."""
    timing = Timing(
        send_timeout=milliseconds(send_timeout),
        request_timeout=milliseconds(1500),
        watch=milliseconds(watch),
        heartbeat=milliseconds(1300),
        client_retry=milliseconds(900),
    )
    driver = DriverTiming(timeout=milliseconds(400), watch=milliseconds(1600))
    more = {"driver": driver, "page_scan": milliseconds(page_scan), **more}
    return two_server_plant(version_of(family), timing=timing, **more)


VALUES = {
    "S before W": {"send_timeout": 1000, "watch": 600, "page_scan": 400},
    "W before S": {"send_timeout": 800, "watch": 1200, "page_scan": 300},
}


def rows_of(plant: Plant, injection: Injection) -> list[Forecast]:
    """Of each function, the row of what an injection strikes."""
    struck = struck_servers(plant, injection) if injection.fault.is_server else (injection.target,)
    return [
        forecast_one(plant, function, injection.fault, target)
        for function in Function
        for target in targets(plant, function, injection.fault)
        if target in struck
    ]


def disagreements(plant: Plant, injection: Injection, count: int) -> dict[str, list[str]]:
    """By function, what contradicts its forecast.

    There are thousands of comparisons, and each rejects a true forecast once in a thousand times: what is
    rejected is looked at again, with these trials and nine times as many more.
    """
    return compared(plant, injection, count) and compared(plant, injection, 10 * count)


def compared(plant: Plant, injection: Injection, count: int) -> dict[str, list[str]]:
    """By function, what contradicts its forecast; one run of trials measures them all."""
    rows = {row.function: row for row in rows_of(plant, injection)}
    assert rows
    clients = {function: client_of(plant, function, injection) for function in rows}
    for function, row in rows.items():
        by_chance = function in TASKS and way_is_by_chance(plant, function)
        assert clients[function] or row.outcome is Outcome.LOST or by_chance, "where none is left all is lost"
    watched = tuple(function for function, client in clients.items() if client)
    if not watched:
        return {}
    seed = 7 + tuple(Family).index(plant.policy.family)
    measured = list(task_trials(plant, injection, count, seed, watched))
    by_function = {
        function.value: contradictions(rows[function], [one[function] for one in measured])
        for function in watched
    }
    return {function: wrong for function, wrong in by_function.items() if wrong}


def client_of(plant: Plant, function: Function, injection: Injection) -> Client | None:
    if function is Function.IO_DATA:
        return measuring_client(plant, injection)
    return task_client(plant, function, injection)


def injections(plant: Plant, fault: Fault) -> tuple[Injection, ...]:
    """What a fault may strike; a server fault takes all the servers of a computer at once."""
    found = dict.fromkeys(
        plant.computer_of(target) if fault.is_server else target
        for function in Function
        for target in targets(plant, function, fault)
    )
    return tuple(Injection(fault, target) for target in found)


# ---------------------------------------- every cell


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
@pytest.mark.parametrize("lans", [1, 2])
@pytest.mark.parametrize("family", Family, ids=lambda family: family.value)
@pytest.mark.parametrize("values", VALUES)
def test_every_cell_agrees(values: str, family: Family, lans: int, fault: Fault) -> None:
    plant = plant_of(family, lans=lans, **VALUES[values])
    count = TRIALS if family is Family.C else TRIALS // 2
    for injection in injections(plant, fault):
        if fault is Fault.LAN_SILENT and injection.target != "LAN_A":
            count = TRIALS // 4
        assert disagreements(plant, injection, count) == {}, injection


@pytest.mark.parametrize("fault", [Fault.SERVER_SILENT, Fault.SERVER_CLOSED, Fault.LAN_SILENT])
def test_three_lans_agree(fault: Fault) -> None:
    plant = plant_of(Family.C, lans=3)
    for injection in injections(plant, fault):
        assert disagreements(plant, injection, TRIALS // 2) == {}, injection


# ---------------------------------------- odd plants


def clients(*where: tuple[str, int]) -> list[Client]:
    return [Client(f"HMI{i + 1}", computer, milliseconds(scan)) for i, (computer, scan) in enumerate(where)]


def ranked(plant: Plant, first: int, second: int) -> Plant:
    """Priorities of the primaries and of the standbys."""
    servers = (
        replace(s, priority=first if s.mode is TaskMode.PRIMARY else second) for s in plant.task_servers
    )
    return replace(plant, task_servers=tuple(servers))


def only(plant: Plant, mode: TaskMode) -> Plant:
    """One server of each function."""
    return replace(plant, task_servers=tuple(s for s in plant.task_servers if s.mode is mode))


def on_lans(plant: Plant, computer: str, *lans: str) -> Plant:
    """A computer that is on these LANs alone."""
    return replace(
        plant,
        computers=tuple(
            replace(c, addresses=tuple(pair for pair in c.addresses if pair[0] in lans))
            if c.name == computer
            else c
            for c in plant.computers
        ),
    )


def spread(plant: Plant) -> Plant:
    """Each function has another pair of the three computers."""
    homes = {Function.ALARM: ("SCADA1", "SCADA2"), Function.TREND: ("SCADA2", "SCADA3")}
    homes[Function.REPORT] = ("SCADA3", "SCADA1")
    servers = (replace(s, computer=homes[s.function][s.mode is TaskMode.STANDBY]) for s in plant.task_servers)
    return replace(plant, task_servers=tuple(servers))


def with_a_third(plant: Plant) -> Plant:
    """A second standby of each function on SCADA3, with the worst priority of the three."""
    thirds = (
        replace(s, name=f"{s.name[:-1]}3", computer="SCADA3", priority=3)
        for s in plant.task_servers
        if s.mode is TaskMode.STANDBY
    )
    return replace(plant, task_servers=(*plant.task_servers, *thirds))


ODD = {
    "a better primary": lambda family: ranked(plant_of(family), 1, 2),
    "a better primary on two LANs": lambda family: ranked(plant_of(family, lans=2), 1, 2),
    "a better primary on three LANs": lambda family: ranked(plant_of(family, lans=3), 1, 2),
    "a better primary and a slow network": lambda family: ranked(
        plant_of(family, lans=2, round_trip=milliseconds(20)), 1, 2
    ),
    "a better standby": lambda family: ranked(plant_of(family), 2, 1),
    "a better standby on two LANs": lambda family: ranked(plant_of(family, lans=2), 2, 1),
    "a better primary on LAN_A alone": lambda family: on_lans(
        ranked(plant_of(family, lans=2), 1, 2), "SCADA1", "LAN_A", "FIELD"
    ),
    "a standby on LAN_B alone": lambda family: on_lans(plant_of(family, lans=2), "SCADA2", "LAN_B", "FIELD"),
    "a client on the primary's computer": lambda family: ranked(
        plant_of(family, clients=clients(("SCADA1", 250), ("HMI2", 350))), 1, 2
    ),
    "only a client on the primary's computer": lambda family: ranked(
        plant_of(family, lans=2, clients=clients(("SCADA1", 250))), 1, 2
    ),
    "a client on the standby's computer": lambda family: ranked(
        plant_of(family, clients=clients(("SCADA2", 250), ("HMI2", 350))), 1, 2
    ),
    "only a client on the standby's computer": lambda family: plant_of(
        family, lans=2, clients=clients(("SCADA2", 250))
    ),
    "two clients of different scans": lambda family: plant_of(
        family, clients=clients(("HMI1", 250), ("HMI2", 900))
    ),
    "a client on one LAN, another on two": lambda family: on_lans(
        plant_of(family, lans=2, clients=clients(("HMI1", 600), ("HMI2", 250))), "HMI1", "LAN_A"
    ),
    "no primary": lambda family: only(plant_of(family, lans=2), TaskMode.STANDBY),
    "no standby": lambda family: only(plant_of(family), TaskMode.PRIMARY),
    "functions on different computers": lambda family: spread(plant_of(family, servers=3)),
    "a second standby": lambda family: with_a_third(ranked(plant_of(family, servers=3), 1, 2)),
}


@pytest.mark.parametrize("shape", ODD)
def test_odd_plants_agree(shape: str) -> None:
    """Of the families only I/O data knows, so they take turns."""
    family = tuple(Family)[tuple(ODD).index(shape) % len(Family)]
    plant = ODD[shape](family)
    wrong = {}
    for fault in FAULTS:
        for injection in injections(plant, fault):
            if found := disagreements(plant, injection, TRIALS // 4):
                wrong[fault.value, injection.target] = found
    assert wrong == {}


# ---------------------------------------- one injection, all functions


def outages(measured: dict[Function, Measured]) -> dict[Function, tuple[object, object]]:
    """What does not depend on when the repair came."""
    return {function: (one.detection, one.changeover) for function, one in measured.items()}


@pytest.mark.parametrize("fault", [Fault.SERVER_SILENT, Fault.SERVER_CLOSED, Fault.SERVER_FROZEN])
def test_all_functions_at_once_are_measured_as_each_alone(fault: Fault) -> None:
    """Exactly so: the same phases, the whole computer struck, or one server on it alone.

    (I/O data alone is struck earlier, since its servers need less time to settle; each cell above holds it
    against its own forecast.)
    """
    plant = plant_of(Family.C, lans=2)
    computer = Injection(fault, "SCADA1")
    everyone = dict.fromkeys(TASKS, plant.clients[0])
    for seed in range(15):
        at_once = outages(joint_trial(plant, computer, everyone, Random(seed)))
        for function in TASKS:
            (target,) = targets(plant, function, fault)
            alone = {function: plant.clients[0]}
            for injection in (computer, Injection(fault, target)):
                (found,) = outages(joint_trial(plant, injection, alone, Random(seed))).values()
                assert found == at_once[function], (seed, function, injection)


def slower(plant: Plant, **more: int) -> Plant:
    """Timing that is so many milliseconds longer."""
    longer = {name: getattr(plant.timing, name) + milliseconds(by) for name, by in more.items()}
    return replace(plant, timing=replace(plant.timing, **longer))


WRONG = {
    "detection": lambda plant: slower(plant, send_timeout=50),
    "changeover": lambda plant: slower(plant, watch=700),
    "return": lambda plant: slower(plant, watch=700),
    "nobody goes back": lambda plant: ranked(plant, 1, 1),
    "lost, but": lambda plant: only(plant, TaskMode.PRIMARY),
}


def test_a_wrong_forecast_is_rejected() -> None:
    plant = ranked(plant_of(Family.C), 1, 2)
    injection = Injection(Fault.SERVER_SILENT, "SCADA1")
    measured = list(task_trials(plant, injection, 60, seed=7))
    for function in TASKS:
        seen = [one[function] for one in measured]
        (target,) = targets(plant, function, injection.fault)
        assert contradictions(forecast_one(plant, function, injection.fault, target), seen) == []
        for what, another in WRONG.items():
            row = forecast_one(another(plant), function, injection.fault, target)
            assert any(line.startswith(what) for line in contradictions(row, seen)), (function, what)
        row = forecast_one(plant, function, Fault.PARTNER_CUT, PAIR)
        assert contradictions(row, seen) == [
            "unaffected, but a client moved",
            "not to be noticed, but a client did",
            "nobody goes back, but a client did",
        ]
