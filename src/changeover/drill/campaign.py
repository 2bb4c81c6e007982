"""A whole run of drills: lab or loopback, the rows that can be drilled, the sheet and what lies beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from changeover.config.project import Project, load_project
from changeover.config.tags import AddressChecker
from changeover.drill.auditor import Auditor
from changeover.drill.governing import governing_parameters
from changeover.drill.lab import Lab, LabError, rewrite_loopback
from changeover.drill.load import Load, plan_load
from changeover.drill.nemesis import NemesisError
from changeover.drill.result import Audit, Campaign, Drill
from changeover.drill.rig import Rig, RigError
from changeover.drill.runner import Driller
from changeover.drill.sheet import sheet_html
from changeover.drill.stage import Stage
from changeover.drill.strikes import Strike, functions_of
from changeover.drill.strikes import strikes as strikes_of
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_plant
from changeover.model.plant import Plant
from changeover.model.server import Function
from changeover.runtime.process import check_runnable
from changeover.storage.errors import ArchiveUnusableError

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
        self, strikes: Sequence[Strike], repeat: int, say: Callable[[str], None]
    ) -> Iterator[tuple[Strike, tuple[Drill, ...]]]:
        """Strike; the drills of each strike are yielded, and kept in `campaign`, when it is over.

        What was found before an error stays in `campaign`, with a note of the error.

        Raises:
            CampaignError: The project cannot be drilled here.
            LabError: The lab could not be built, or refused.
            NemesisError: A fault could not be made.
            RigError: The product did not start, or ended by itself.
            ArchiveUnusableError: An archive that was to be audited cannot be read.
            OSError: The output folder cannot be written.
        """
        work = self._out / WORK
        work.mkdir(parents=True)
        functions = functions_of(strikes)
        say("the product starts")
        with self._rig(work, strikes) as (plant, rig, lab, load):
            auditor = Auditor(plant, rig, load, functions)
            stage = Stage(plant, rig, functions, say)
            driller = Driller(plant, rig, lab, stage, auditor, self._out / TRACES, self._rng, say)
            for strike in strikes:
                left = self._leave_out(strike, driller.obstacles(strike))
                if left is None:
                    continue
                with self._noted(f"at {strike.name}"):
                    for drills in driller.drills(left, repeat):
                        self._keep(drills, driller.audits)
                        yield left, drills
            if self.campaign.drills:
                with self._noted("after the last strike"):
                    if why := driller.conclude():
                        raise RigError(f"it did not come back: {why}")
                    self._keep((), driller.audits)
                    say("until the trend servers have filled their gaps")
                    auditor.await_trends()
                    rig.close()
                    self._keep((), [*driller.audits, *auditor.judge_trends()])

    def _keep(self, drills: tuple[Drill, ...], audits: Sequence[Audit]) -> None:
        self.campaign = replace(self.campaign, drills=(*self.campaign.drills, *drills), audits=tuple(audits))

    def _leave_out(self, strike: Strike, obstacles: tuple[str, ...]) -> Strike | None:
        """A strike without the rows that cannot be drilled here, which are listed; None when none is left."""
        left = tuple(row for row, why in zip(strike.rows, obstacles, strict=True) if not why)
        if not left and len(set(obstacles)) == 1:
            found: tuple[tuple[str, str], ...] = ((strike.name, obstacles[0]),)
        else:
            found = tuple(
                (f"{row.fault.value} {row.target} ({row.function.value})", why)
                for row, why in zip(strike.rows, obstacles, strict=True)
                if why
            )
        self.campaign = replace(self.campaign, left_out=(*self.campaign.left_out, *found))
        return replace(strike, rows=left) if left else None

    @contextmanager
    def _noted(self, where: str) -> Iterator[None]:
        """Note an error that ends the drills."""
        try:
            yield
        except (LabError, NemesisError, RigError, ArchiveUnusableError, OSError) as error:
            note = f"The drills ended early, {where}: {error}"
            self.campaign = replace(self.campaign, notes=(*self.campaign.notes, note))
            raise

    def write(self) -> tuple[Path, Path]:
        """Write the sheet and the records of what was found so far; their paths."""
        sheet, records = self._out / SHEET, self._out / RECORDS
        sheet.write_text(sheet_html(self.campaign), encoding="utf-8")
        records.write_text(json.dumps(self.campaign.as_json(), indent=1) + "\n", encoding="utf-8")
        return sheet, records

    @contextmanager
    def _rig(self, work: Path, strikes: Sequence[Strike]) -> Iterator[tuple[Plant, Rig, Lab | None, Load]]:
        plant, folder = self._project.plant, self._project.folder
        with ExitStack() as stack:
            lab = None
            if self._in_lab:
                templates = [report.template for report in plant.reports]
                folder = rewrite_loopback(folder, work / "project", templates)
                plant = load_project(folder, version=plant.version, check_address=self._check_address).plant
                lab = stack.enter_context(Lab.build(plant))
                self.campaign = replace(self.campaign, notes=(*self.campaign.notes, *lab.notes))
            load = plan_load(plant, strikes)
            has_alarms = Function.ALARM in functions_of(strikes)
            rig = Rig(plant, folder, lab, work, load if has_alarms else None)
            yield plant, stack.enter_context(_running(rig)), lab, load


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


def drillable(
    plant: Plant, function: str | None, fault: str | None, target: str | None = None
) -> tuple[Strike, ...]:
    """The strikes that serve the forecast's rows, of one function, fault or target or of all.

    Args:
        plant: The plant.
        function: Its name as in `Function`, None for all.
        fault: Its name as in `Fault`, None for all.
        target: A row's target, or the computer of a server fault, in any case; None for all.
    """
    rows = (
        row
        for row in forecast_plant(plant)
        if function in (None, row.function.value)
        and fault in (None, row.fault.value)
        and (target is None or target.lower() in _names(plant, row))
    )
    return strikes_of(plant, rows)


def _names(plant: Plant, row: Forecast) -> set[str]:
    """By which names a row's target may be called."""
    names = {row.target.lower()}
    return names | {plant.computer_of(row.target).lower()} if row.fault.is_server else names
