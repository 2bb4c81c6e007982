"""A whole run of drills: lab or loopback, the rows that can be drilled, the sheet and what lies beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from changeover.config.project import Project, load_project
from changeover.config.tags import AddressChecker
from changeover.drill.governing import governing_parameters
from changeover.drill.lab import Lab, LabError, rewrite_loopback
from changeover.drill.nemesis import NemesisError
from changeover.drill.result import Campaign, Drill
from changeover.drill.rig import Rig, RigError
from changeover.drill.runner import Driller
from changeover.drill.sheet import sheet_html
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_plant
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.runtime.process import check_runnable

SHEET, RECORDS, TRACES, WORK = "sheet.html", "drills.json", "traces", "processes"
ON_LOOPBACK = (
    "No namespaces: every process ran on this machine's loopback, and devices were silenced by stopping "
    "their process."
)


class CampaignError(Exception):
    """Drills cannot be run here; the text says why and what to do."""


class DrillRun:
    """One run of drills on one project.

    Args:
        project: The project as its owner has it.
        out: Folder for sheet, records and traces; it is made.
        in_lab: Build a lab of namespaces; else run on loopback.
        check_address: The driver's address check, for reading the copy that runs in the lab.
        seed: Instants of faults and repairs come from it.

    Attributes:
        campaign: What was found so far.
    """

    def __init__(
        self, project: Project, out: Path, in_lab: bool, check_address: AddressChecker, seed: int
    ) -> None:
        check_runnable(project.plant)
        self._project = project
        self._out = out
        self._in_lab = in_lab
        self._check_address = check_address
        self._rng = Random(seed)
        plant = project.plant
        if not in_lab:
            _check_loopback(plant)
        self.campaign = Campaign(
            plant=plant.name,
            version=plant.version,
            family=plant.policy.family.value,
            lab="namespaces" if in_lab else "loopback",
            started_utc=datetime.now(UTC).isoformat(timespec="seconds"),
            parameters=governing_parameters(project),
            notes=() if in_lab else (ON_LOOPBACK,),
            left_out=(),
        )

    def run(
        self, rows: Sequence[Forecast], repeat: int, say: Callable[[str], None]
    ) -> Iterator[tuple[Forecast, Drill]]:
        """Drill rows of the forecast; each drill is yielded, and kept in `campaign`, when it is over.

        What was found before an error stays in `campaign`, with a note of the error.

        Raises:
            CampaignError: The project cannot be drilled here.
            LabError: The lab could not be built, or refused.
            NemesisError: A fault could not be made.
            RigError: The product did not start, or ended by itself.
            OSError: The output folder cannot be written.
        """
        work = self._out / WORK
        work.mkdir(parents=True)
        say("the product starts")
        with self._rig(work) as (plant, rig, lab):
            driller = Driller(plant, rig, lab, self._out / TRACES, self._rng, say)
            for row in rows:
                why = driller.obstacle(row)
                if why:
                    left_out = (f"{row.fault.value} {row.target}", why)
                    self.campaign = replace(self.campaign, left_out=(*self.campaign.left_out, left_out))
                    continue
                try:
                    for drill in driller.drills(row, repeat):
                        self.campaign = replace(self.campaign, drills=(*self.campaign.drills, drill))
                        yield row, drill
                except (LabError, NemesisError, RigError, OSError) as error:
                    note = f"The drills ended early, at {row.fault.value} {row.target}: {error}"
                    self.campaign = replace(self.campaign, notes=(*self.campaign.notes, note))
                    raise

    def write(self) -> tuple[Path, Path]:
        """Write the sheet and the records of what was found so far; their paths."""
        sheet, records = self._out / SHEET, self._out / RECORDS
        sheet.write_text(sheet_html(self.campaign), encoding="utf-8")
        records.write_text(json.dumps(self.campaign.as_json(), indent=1) + "\n", encoding="utf-8")
        return sheet, records

    @contextmanager
    def _rig(self, work: Path) -> Iterator[tuple[Plant, Rig, Lab | None]]:
        if self._in_lab:
            copy = rewrite_loopback(self._project.folder, work / "project")
            plant = load_project(
                copy, version=self._project.plant.version, check_address=self._check_address
            ).plant
            with Lab.build(plant) as lab:
                self.campaign = replace(self.campaign, notes=(*self.campaign.notes, *lab.notes))
                with _running(Rig(plant, copy, lab, work)) as rig:
                    yield plant, rig, lab
        else:
            plant = self._project.plant
            with _running(Rig(plant, self._project.folder, None, work)) as rig:
                yield plant, rig, None


@contextmanager
def _running(rig: Rig) -> Iterator[Rig]:
    try:
        rig.start()
        yield rig
    finally:
        rig.close()


def _check_loopback(plant: Plant) -> None:
    hosts = [address for computer in plant.computers for _, address in computer.addresses]
    hosts += [unit.address.host for device in plant.io_devices for unit in device.units]
    away = [host for host in hosts if not host.startswith("127.")]
    if away:
        raise CampaignError(
            f"{away[0]} is not a loopback address: without namespaces only a project on loopback can be "
            "drilled (subnets within 127.0.0.0/8)"
        )


def drillable(plant: Plant, function: str | None, fault: str | None) -> tuple[Forecast, ...]:
    """The forecast's rows that the runtime can be drilled on: I/O data, of one fault or of all."""
    return tuple(
        row
        for row in forecast_plant(plant)
        if row.function is Function.IO_DATA
        and function in (None, row.function.value)
        and fault in (None, row.fault.value)
    )
