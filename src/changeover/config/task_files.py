"""The csv files that alarm, trend and report servers work from. Each may be missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from changeover.config.alarms import read_alarms
from changeover.config.categories import Categories, read_categories
from changeover.config.diagnostics import Findings
from changeover.config.reports import read_reports
from changeover.config.text_file import UnreadableFileError, find_file, read_bytes
from changeover.config.trends import read_trends
from changeover.config.variables import Variables
from changeover.model.alarm import Alarm
from changeover.model.report import Report
from changeover.model.trend import Trend

CATEGORIES_FILE, ALARMS_FILE, TRENDS_FILE, REPORTS_FILE = TASK_FILES = (
    "categories.csv", "alarms.csv", "trends.csv", "reports.csv",
)  # fmt: skip

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """What the files say, as far as it could be read.

    Attributes:
        paths: Those that are there, in the order of `TASK_FILES`.
        alarms, trends, reports: In file order.
    """

    paths: tuple[Path, ...]
    alarms: tuple[Alarm, ...]
    trends: tuple[Trend, ...]
    reports: tuple[Report, ...]


def read_task_files(folder: Path, variables: Variables, findings: Findings) -> TaskFiles:
    """Read what there is of the four files; problems go to the findings.

    Args:
        folder: The project's folder.
        variables: What alarms and trends refer to.
        findings: Takes the diagnostics.
    """
    found = {name: path for name in TASK_FILES if _is_there(path := find_file(folder, name))}

    def read(name: str, reader: Callable[[bytes, str], _T], nothing: _T) -> _T:
        if name not in found:
            return nothing
        try:
            return reader(read_bytes(found[name]), str(found[name]))
        except UnreadableFileError as error:
            findings.problems.append(error.diagnostic)
            return nothing

    unread = Categories()
    unread.is_complete = CATEGORIES_FILE not in found
    categories = read(CATEGORIES_FILE, lambda data, file: read_categories(data, file, findings), unread)
    return TaskFiles(
        paths=tuple(found.values()),
        alarms=read(
            ALARMS_FILE, lambda data, file: read_alarms(data, file, variables, categories, findings), ()
        ),
        trends=read(TRENDS_FILE, lambda data, file: read_trends(data, file, variables, findings), ()),
        reports=read(REPORTS_FILE, lambda data, file: read_reports(data, file, folder, findings), ()),
    )


def _is_there(path: Path) -> bool:
    """Whether there is anything of that name; a link that leads nowhere is there, and will be told of."""
    try:
        return path.exists() or path.is_symlink()
    except (OSError, ValueError):
        return False
