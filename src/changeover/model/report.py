"""Reports as configuration: when they run, from which template, into which formats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import Duration


class ReportFormat(Enum):
    """What a run writes, by the column `formats` of reports.csv."""

    HTML = "html"
    CSV = "csv"
    PDF = "pdf"


class MissedRuns(Enum):
    """What becomes of runs whose time passed while no server could run them."""

    ONCE = "once"  # the latest of them, late
    ALL = "all"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a report runs: by a cron expression, or every period; exactly one of the two.

    Attributes:
        cron: Five fields, in the plant's time zone; empty for none.
        period: Runs at whole multiples of it since 1970 UTC; 0 for none.
    """

    cron: str = ""
    period: Duration = 0


@dataclass(frozen=True, slots=True)
class Report:
    """One report. A run of it has the identity (name, scheduled time).

    Attributes:
        name: Unique name, also of the files that it writes.
        schedule: When it runs.
        template: Path of its Jinja template within the project's folder.
        formats: What a run writes, at least one.
        missed: What becomes of runs that nobody could run in time.
    """

    name: str
    schedule: Schedule
    template: str
    formats: tuple[ReportFormat, ...]
    missed: MissedRuns = MissedRuns.ONCE
