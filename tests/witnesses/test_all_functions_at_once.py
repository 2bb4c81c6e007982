"""Two of the three witnesses for all functions: each fault is injected once, and measured at every function.

I/O data, alarms, trends and reports of one trial are held against their own rows of the forecast.
`CHANGEOVER_TRIALS=400 pytest tests/witnesses` runs more trials in each cell.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random

import pytest

from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.rules import forecast_one, forecast_plant, targets
from changeover.model.device import DriverTiming
from changeover.model.moment import milliseconds
from changeover.model.plant import Plant, Timing
from changeover.model.policy import Family
from changeover.model.server import Client, Function
from changeover.scenario.fault import Fault, Injection
from changeover.scenario.measure import Measured, struck_servers
from changeover.scenario.measure_task import task_client
from changeover.simulation.task_trial import joint_trial, task_functions, task_trials
from changeover.simulation.trial import io_client
from plants import two_server_plant, version_of
from witnesses.agreement import contradictions

TRIALS = int(os.environ.get("CHANGEOVER_TRIALS", "60"))
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
    "S before W": {"send_timeout": 1000, "watch": 700, "page_scan": 250},
    "W before S": {"send_timeout": 800, "watch": 1200, "page_scan": 350},
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


def disagreements(plant: Plant, injection: Injection, count: int = TRIALS) -> dict[str, list[str]]:
    """By function, what contradicts its forecast; one run of trials measures them all."""
    rows = {row.function: row for row in rows_of(plant, injection)}
    assert rows
    measured = list(task_trials(plant, injection, count, seed=7, functions=tuple(rows)))
    found: dict[str, list[str]] = {}
    for function, row in rows.items():
        if function not in measured[0]:
            assert row.outcome is Outcome.LOST, "only where no client is left is nothing measured"
        elif wrong := contradictions(row, [one[function] for one in measured]):
            found[function.value] = wrong
    return found


def injections(plant: Plant, fault: Fault) -> tuple[Injection, ...]:
    """What a fault may strike; a server fault takes all the servers of the first computer at once."""
    if fault.is_server:
        return (Injection(fault, "SCADA1"),)
    return tuple(Injection(fault, target) for target in targets(plant, Function.ALARM, fault))


# ---------------------------------------- every cell


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.value)
@pytest.mark.parametrize("lans", [1, 2])
@pytest.mark.parametrize("family", Family, ids=lambda family: family.value)
@pytest.mark.parametrize("values", VALUES)
def test_every_cell_agrees(values: str, family: Family, lans: int, fault: Fault) -> None:
    plant = plant_of(family, lans=lans, **VALUES[values])
    for injection in injections(plant, fault):
        assert disagreements(plant, injection) == {}, injection


@pytest.mark.parametrize("fault", [Fault.SERVER_SILENT, Fault.SERVER_CLOSED, Fault.LAN_SILENT])
def test_three_lans_agree(fault: Fault) -> None:
    plant = plant_of(Family.C, lans=3)
    for injection in injections(plant, fault):
        assert disagreements(plant, injection) == {}, injection
