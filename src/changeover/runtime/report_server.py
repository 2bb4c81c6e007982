"""The report server's process: its machine, its log of runs, the rendering of reports.

A run is rendered into a folder of its own below `staging`; publishing moves its files into `reports`. What a
killed process left in staging is removed at the next start, but for runs that are prepared.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TypeAlias

from changeover.core import machine as core
from changeover.core.report_records import RunEvent
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.task_messages import Batch, FetchRecords, Query
from changeover.model.plant import Plant
from changeover.model.server import TaskServer as TaskServerConfiguration
from changeover.protocol.queries import QueryError, RunRow, RunRows, RunsQuery, decode_question, encode
from changeover.runtime.plant_data import PlantData
from changeover.runtime.report_calendar import Calendar
from changeover.runtime.report_data import PlantRow
from changeover.runtime.report_dialogue import ReportError
from changeover.runtime.report_render import Renderer
from changeover.runtime.task_host import (
    NO_ANSWER,
    ArchiveError,
    TaskServerHost,
    data_folder,
    partner_of,
    rows_wanted,
)
from changeover.runtime.trace_file import Trace
from changeover.storage.run_ledger import RunLedger
from changeover.storage.sqlite_file import StoreError

LEDGER, STAGING, REPORTS = "runs.sqlite", "staging", "reports"
RECORDS_LOOKED_AT = 2000
"""Of each server, records that a starting one looks at."""

_Identity: TypeAlias = tuple[str, int]
"""Of a run: report, scheduled time."""


class ReportServerHost(TaskServerHost):
    """Runs one report server.

    Args:
        plant: The plant.
        project: Folder of its project, where the templates are.
        server: Which of its servers.
        trace: Where trace lines go.
        rng: Phases come from here.
        data: Folder of the archives of this computer.
        on_failure: Told why this process has to end.

    Raises:
        OSError, StoreError: The archive cannot be opened.
    """

    def __init__(
        self,
        plant: Plant,
        project: Path,
        server: TaskServerConfiguration,
        trace: Trace,
        rng: Random,
        data: Path,
        on_failure: Callable[[str], None],
    ) -> None:
        folder = data_folder(data, server)
        self._folder = folder
        self._ledger = RunLedger(folder / LEDGER)
        self._sweep()
        machine = ReportServer(
            server.name,
            *partner_of(plant, server),
            plant.timing,
            rng,
            plant.reports,
            Calendar(plant.time_zone),
            self._kept(server.name),
            plant.has_visitors(server),
        )
        super().__init__(plant, server, machine, trace, plant.timing.report_watch, on_failure)
        self._reports = {report.name: report for report in plant.reports}
        self._renderer = Renderer(project, PlantRow(plant.name, plant.version, plant.time_zone))
        self._rendering: dict[_Identity, asyncio.Task[None]] = {}
        self._data = PlantData(plant, server, rng) if plant.reports else None
        self._performers |= {
            core.KeepRuns: self._keep,
            core.RunReport: self._run_report,
            core.PublishRun: self._publish,
            core.DropRun: self._drop,
        }

    def start(self) -> None:
        """Start the server, and what reads the data of its reports."""
        super().start()
        if self._data is not None:
            self._data.start()

    def stop(self) -> None:
        """Close every connection and the log; what is being rendered is given up."""
        for task in self._rendering.values():
            task.cancel()
        if self._data is not None:
            self._data.stop()
        super().stop()
        self._ledger.close()

    def look_up(self, effect: core.LookUp) -> None:
        """Records for the partner, or what became of runs."""
        what = effect.what
        try:
            if isinstance(what, FetchRecords):
                records = self._ledger.records(what.origin, what.after, what.limit)
                self.found(effect.token, Batch(done=True, runs=records))
            elif isinstance(what, Query):
                self.found(effect.token, encode(self._answer(what.body)))
            else:
                self.not_found(effect.token, "a report server has nothing of the kind")
        except NO_ANSWER as error:
            self.not_found(effect.token, str(error))

    def _answer(self, body: bytes) -> RunRows:
        question = decode_question(body)
        if not isinstance(question, RunsQuery):
            raise QueryError("a report server has nothing of the kind")
        runs = self._ledger.runs(question.report, question.since_utc, rows_wanted(question.limit))
        return RunRows(
            tuple(
                RunRow(
                    run.report, run.scheduled_utc, run.event, run.origin, run.utc, run.detail, run.finished
                )
                for run in runs
            )
        )

    # --- the log ---

    def _kept(self, name: str) -> KeptRuns:
        numbers = self._ledger.numbers()
        records = [
            record
            for origin, last in numbers.items()
            for record in self._ledger.records(origin, max(0, last - RECORDS_LOOKED_AT), RECORDS_LOOKED_AT)
        ]
        records += self._ledger.open_runs()
        records.sort(key=lambda record: (record.utc, record.origin, record.number))
        saved = max((record.utc for record in records), default=0)
        origin = self._ledger.origin(f"{name}~{time.time_ns():x}")
        return KeptRuns(origin, tuple(numbers.items()), tuple(dict.fromkeys(records)), saved)

    def _keep(self, effect: core.KeepRuns) -> None:
        try:
            self._ledger.append(effect.records)
        except StoreError as error:
            raise ArchiveError(str(error)) from error
        for record in effect.records:
            self.trace.line(
                "run",
                origin=record.origin,
                number=record.number,
                report=record.report,
                scheduled_utc=record.scheduled_utc,
                event=record.event.name,
                why=list(record.detail) if record.event is RunEvent.FAILED else [],
            )

    # --- rendering ---

    def _run_report(self, effect: core.RunReport) -> None:
        task = self._loop.create_task(self._render(effect.report, effect.scheduled_utc))
        self._rendering[effect.report, effect.scheduled_utc] = task

    async def _render(self, name: str, scheduled_utc: int) -> None:
        report = self._reports[name]
        assert self._data is not None
        files: tuple[str, ...] = ()
        try:
            folder = self._staging(name, scheduled_utc)
            done = await self._renderer.render(report, scheduled_utc, self._data, folder)
            files, problems = done.files, done.problems
        except ReportError as error:
            problems = (str(error),)
        del self._rendering[name, scheduled_utc]
        if problems:
            self.trace.line("report-problems", report=name, problems=list(problems))
        self.feed(core.RunRendered(name, scheduled_utc, files, problems))

    def _publish(self, effect: core.PublishRun) -> None:
        out = self._folder / REPORTS
        staging = self._staging(effect.report, effect.scheduled_utc)
        try:
            out.mkdir(exist_ok=True)
            for file in sorted(staging.iterdir()) if staging.is_dir() else ():
                file.replace(out / file.name)
            folder = os.open(out, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise ArchiveError(f"{out}: {error.strerror or error}") from error
        shutil.rmtree(staging, ignore_errors=True)

    def _drop(self, effect: core.DropRun) -> None:
        shutil.rmtree(self._staging(effect.report, effect.scheduled_utc), ignore_errors=True)

    def _staging(self, report: str, scheduled_utc: int) -> Path:
        digest = hashlib.sha256(report.encode()).hexdigest()[:16]
        return self._folder / STAGING / f"{digest}-{scheduled_utc}"

    def _sweep(self) -> None:
        """Remove what was being rendered when this server ended; what is prepared stays."""
        prepared = {
            self._staging(run.report, run.scheduled_utc)
            for run in self._ledger.open_runs()
            if run.event is RunEvent.PREPARED
        }
        staging = self._folder / STAGING
        for folder in tuple(staging.iterdir()) if staging.is_dir() else ():
            if folder not in prepared:
                shutil.rmtree(folder, ignore_errors=True)
