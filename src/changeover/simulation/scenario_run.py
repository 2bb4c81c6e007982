"""Runs a scenario in the virtual world."""

from __future__ import annotations

from itertools import cycle
from random import Random

from changeover.core.trace import TraceLine
from changeover.model.device import IoDevice, Unit, UnitMode
from changeover.model.lan import Computer, Endpoint, Lan
from changeover.model.plant import Plant
from changeover.model.policy import POLICIES, Family
from changeover.model.server import Client, Function, IoServer, TaskMode, TaskServer
from changeover.model.stack import NetworkProtocol
from changeover.scenario.timeline import Scenario, Sketch
from changeover.simulation.plant_world import PlantWorld

_VERSIONS = {Family.A: "3.30", Family.B: "3.40", Family.C: "5.0"}
_SERVER_PORT, _DEVICE_PORT = 2082, 5020
_TASK_PORTS = {Function.ALARM: 2080, Function.REPORT: 2084, Function.TREND: 2085}


class _Phases(Random):
    """Hands out the phases of a scenario in turn, and over again."""

    def __init__(self, phases: tuple[float, ...]) -> None:
        super().__init__(0)
        self._phases = cycle(phases)

    def random(self) -> float:
        """The next phase."""
        return next(self._phases)


def plant_of(sketch: Sketch) -> Plant:
    """The plant that a sketch stands for."""
    lans = [f"LAN_{chr(ord('A') + n)}" for n in range(sketch.lans)]
    numbers = range(1, sketch.servers + 1)
    computers = max(sketch.servers, sketch.alarm, sketch.trend, sketch.report)
    servers = [_computer(f"SCADA{n}", [*lans, "FIELD"], 10 + n) for n in range(1, computers + 1)]
    stations = [_computer(f"HMI{n}", lans, 100 + n) for n in range(1, sketch.clients + 1)]
    return Plant(
        name="scenario",
        version=_VERSIONS[sketch.family],
        policy=POLICIES[sketch.family],
        network_protocol=NetworkProtocol.ACKNOWLEDGED,
        timing=sketch.timing,
        round_trip=sketch.round_trip,
        lans=(*(Lan(name, _subnet(name)) for name in lans), Lan("FIELD", _subnet("FIELD"))),
        computers=(*servers, *stations),
        io_servers=tuple(IoServer(f"IOServer{n}", f"SCADA{n}", _SERVER_PORT) for n in numbers),
        io_devices=tuple(_device(n, sketch) for n in range(1, sketch.devices + 1)),
        task_servers=_task_servers(sketch),
        clients=tuple(Client(station.name, station.name, sketch.page_scan) for station in stations),
        tags=(),
    )


def run_scenario(scenario: Scenario) -> tuple[TraceLine, ...]:
    """Run a scenario and give back its whole trace, in the order of the instants."""
    trace: list[TraceLine] = []
    rng = _Phases(scenario.phases) if scenario.phases else Random(scenario.seed)
    plant = plant_of(scenario.sketch)
    world = PlantWorld(plant, rng, trace.append, with_tasks=bool(plant.task_servers))
    world.start()
    for step in scenario.timeline.steps:
        world.world.run(step.at)
        if step.repairs:
            world.repair(step.injection)
        else:
            world.inject(step.injection)
    world.world.run(scenario.timeline.until)
    return tuple(trace)


def _network(lan: str) -> str:
    return "127.100" if lan == "FIELD" else f"127.{10 + ord(lan[-1]) - ord('A')}"


def _subnet(lan: str) -> str:
    return f"{_network(lan)}.0.0/16"


def _computer(name: str, lans: list[str], host: int) -> Computer:
    return Computer(name, tuple((lan, f"{_network(lan)}.0.{host}") for lan in lans))


def _task_servers(sketch: Sketch) -> tuple[TaskServer, ...]:
    counts = {Function.ALARM: sketch.alarm, Function.TREND: sketch.trend, Function.REPORT: sketch.report}
    return tuple(
        TaskServer(
            function=function,
            name=f"{function.value.title()}{n}",
            computer=f"SCADA{n}",
            mode=TaskMode.PRIMARY if n == 1 else TaskMode.STANDBY,
            priority=1 if n == 1 else sketch.standby_priority,
            port=_TASK_PORTS[function],
        )
        for function, count in counts.items()
        for n in range(1, count + 1)
    )


def _device(number: int, sketch: Sketch) -> IoDevice:
    name = f"PLC{number}"
    units = tuple(
        Unit(
            device=name,
            io_server=f"IOServer{n}",
            mode=UnitMode.PRIMARY if n == 1 else UnitMode.STANDBY,
            address=Endpoint(f"{_network('FIELD')}.{n}.{number}", _DEVICE_PORT),
            priority=n,
            timing=sketch.driver,
        )
        for n in range(1, sketch.servers + 1)
    )
    return IoDevice(name, number, "MODNET", units)
