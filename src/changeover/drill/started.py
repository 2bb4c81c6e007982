"""The product, started in a lab with other parameters than its project has, and brought to rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from changeover.config.project import Project, load_project
from changeover.config.tags import AddressChecker
from changeover.drill.lab import Lab, rewrite_loopback
from changeover.drill.rig import Rig, RigError
from changeover.drill.stage import Stage
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.scenario.disturbance import Spells

Ini = Mapping[str, Mapping[str, int]]
"""By section, parameters."""


@dataclass(frozen=True, slots=True)
class Started:
    """A product that runs and rests.

    Attributes:
        plant: As it runs, with the lab's addresses.
        rig: Its processes.
        lab: Where they live.
    """

    plant: Plant
    rig: Rig
    lab: Lab


@dataclass(frozen=True, slots=True)
class World:
    """What the product is started in.

    Attributes:
        switched: Whether frames pass the switch that can lose and delay them.
        seed: Of what it draws.
        slow: By the name of a unit, when its simulated PLC answers nothing.
    """

    switched: bool = False
    seed: int = 0
    slow: Mapping[str, Spells] = field(default_factory=dict)


@contextmanager
def started(
    project: Project,
    ini: Ini,
    work: Path,
    check_address: AddressChecker,
    world: World,
    say: Callable[[str], None],
) -> Iterator[Started]:
    """Start a copy of a project, and wait until its primaries serve everybody.

    Args:
        project: As its owner has it.
        ini: Parameters that the copy has other than the project.
        work: Folder for the copy, archives and traces; it exists.
        check_address: The driver's address check.
        world: What it is started in.
        say: Takes a word on what is going on, for people who wait.

    Raises:
        ConfigurationError: A parameter is out of its range.
        LabError: The lab could not be built.
        RigError: The product did not start, ended by itself, or does not come to rest.
    """
    templates = [report.template for report in project.plant.reports]
    folder = rewrite_loopback(project.folder, work / "project", templates)
    set_parameters(folder / "citect.ini", ini)
    plant = load_project(folder, version=project.plant.version, check_address=check_address).plant
    with Lab.build(plant, switched=world.switched, seed=world.seed) as lab:
        units = {unit.name: str(unit.address) for device in plant.io_devices for unit in device.units}
        rig = Rig(plant, folder, lab, work, slow={units[n]: spells for n, spells in world.slow.items()})
        try:
            rig.start()
            why = Stage(plant, rig, tuple(Function), say).await_steady(plant.clients)
            if why:
                raise RigError(f"{in_words(ini)}, before anything was done to it: {why}")
            yield Started(plant, rig, lab)
        finally:
            rig.close()


def set_parameters(path: Path, ini: Ini) -> None:
    """Put other values into an ini file: of duplicates the first wins."""
    lines = [f"[{section}]\n" + _lines(values) for section, values in ini.items()]
    path.write_bytes("".join(lines).encode() + path.read_bytes())


def in_words(ini: Ini) -> str:
    """Parameters in words: `[LAN]SendTimeout=500`."""
    return ", ".join(f"[{s}]{name}={value}" for s, values in ini.items() for name, value in values.items())


def _lines(values: Mapping[str, int]) -> str:
    return "".join(f"{name}={value}\n" for name, value in values.items())
