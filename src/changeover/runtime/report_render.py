"""Renders one run of a report into its files.

The template runs in a process of its own (`report_worker`, spoken to by `report_dialogue`); what comes out is
written here, format by format: one that cannot be written does not keep the others back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from changeover.model.report import Report, ReportFormat
from changeover.runtime.report_data import PlantRow, ReportData
from changeover.runtime.report_dialogue import Dialogue, ReportError
from changeover.runtime.report_files import file_name, sweep, write_whole
from changeover.runtime.report_pdf import PdfError, make_pdf
from changeover.runtime.report_wire import Done, Job, Limits

__all__ = ["Rendered", "Renderer", "ReportError"]

AT_ONCE_MAX = 2
"""So many runs are rendered at the same time; others wait for their turn."""
_ORDER = (ReportFormat.HTML, ReportFormat.CSV, ReportFormat.PDF)
"""The one that may fail for reasons outside the plant comes last."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What became of a run.

    Attributes:
        files: Names of the files in the folder, at least one.
        problems: For each format that could not be written, its name and why.
    """

    files: tuple[str, ...]
    problems: tuple[str, ...]


class Renderer:
    """Renders the reports of one plant.

    Args:
        project: The project's folder, where the templates are.
        plant: What a template may know of the plant, its time zone among it.
        limits: What one run may use.
        clock: UTC nanoseconds since 1970; only for the template's `now`.
    """

    def __init__(
        self,
        project: Path,
        plant: PlantRow,
        limits: Limits | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._project = project.resolve()
        self._plant = plant
        self._limits = limits or Limits()
        self._clock = clock
        self._turns = asyncio.Semaphore(AT_ONCE_MAX)
        # Of one report one run at a time: a template without end does not take every turn.
        self._of_report: dict[str, asyncio.Lock] = {}
        self._swept: Path | None = None

    async def render(
        self, report: Report, scheduled_utc: int, data: ReportData, folder_out: Path
    ) -> Rendered:
        """Render one run and write its files. When it is cancelled, all that it started is ended.

        Args:
            report: The report.
            scheduled_utc: For when the run was scheduled, UTC nanoseconds since 1970.
            data: Fetches what the template asks for.
            folder_out: Where to; it is made where it is missing. Files of the same run are replaced.

        Raises:
            ReportError: Nothing could be written.
        """
        job = Job(
            str(self._project),
            report,
            self._plant,
            scheduled_utc,
            self._clock(),
            ReportFormat.CSV in report.formats,
            self._limits,
        )
        async with self._of_report.setdefault(report.name, asyncio.Lock()), self._turns:
            done = await Dialogue(job, data).run()
            await self._sweep_once(folder_out)
            return await _write(done, report, scheduled_utc, folder_out)

    async def _sweep_once(self, folder: Path) -> None:
        if folder != self._swept:
            await asyncio.to_thread(sweep, folder)
            self._swept = folder


async def _write(done: Done, report: Report, scheduled_utc: int, folder: Path) -> Rendered:
    files: list[str] = []
    problems: list[str] = []
    for form in _ORDER:
        if form not in report.formats:
            continue
        name = file_name(report.name, scheduled_utc, form)
        try:
            await asyncio.to_thread(write_whole, folder, name, await _content(done, form))
            files.append(name)
        except (ReportError, PdfError) as error:
            problems.append(f"{form.value}: {error}")
        except OSError as error:
            problems.append(f"{form.value}: {error.strerror or error}")
    if not files:
        raise ReportError("; ".join(problems))
    return Rendered(tuple(files), tuple(problems))


async def _content(done: Done, form: ReportFormat) -> bytes:
    if form is ReportFormat.HTML:
        return done.page
    if form is ReportFormat.PDF:
        return await make_pdf(done.page)
    if done.csv is None:
        raise ReportError(done.problem)
    return done.csv
