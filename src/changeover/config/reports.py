"""reports.csv: when reports run, from which template, into which formats."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from cronsim import CronSim, CronSimError

from changeover.config.csv_table import Claims, Columns, CsvTable, Row
from changeover.config.diagnostics import Diagnostic, Findings, quoted
from changeover.config.names import is_name
from changeover.config.text_file import inner_path_problem
from changeover.model.moment import DAY, SECOND, Duration
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule

PERIOD_MIN: Duration = SECOND
PERIOD_MAX: Duration = 366 * DAY

COLUMNS = Columns(
    "reports.csv", ("name", "schedule", "period", "template", "formats", "missed"), ("name", "template")
)

_FORMATS = {kind.value: kind for kind in ReportFormat}
_MISSED = {kind.value: kind for kind in MissedRuns}
_CRON = "five fields are wanted: minute, hour, day, month, weekday, such as 0 6,14,22 * * *"
_CRON_LENGTH_MAX = 200
# From any moment on a schedule either comes or it does not, leap years counted.
_ANY_MOMENT = datetime(2024, 1, 1, tzinfo=UTC)
_INSIDE = "a file inside the project's folder is wanted, such as reports/shift.html.j2"


def read_reports(data: bytes, file: str, folder: Path, findings: Findings) -> tuple[Report, ...]:
    """Read a reports.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        folder: The project's folder, where templates are.
        findings: Takes the diagnostics.

    Returns:
        The reports in file order, those with a problem left out.
    """
    claims = Claims("report")
    reports = (_read_report(row, folder, claims) for row in CsvTable(data, file, COLUMNS, findings))
    return tuple(report for report in reports if report is not None)


def _read_report(row: Row, folder: Path, claims: Claims) -> Report | None:
    name = row.text("name")
    if not is_name(name):
        # It becomes part of the names of files.
        row.problem(
            "name",
            f"{quoted(name)} is no report name",
            "a letter, digit or '_', then also '-', '.' and blanks",
        )
    claims.claim(row, "name", name)
    schedule = _read_schedule(row)
    template = _read_template(row, folder)
    formats = _read_formats(row)
    missed = row.choice("missed", _MISSED) if row.text("missed") else MissedRuns.ONCE
    if not row.is_sound or schedule is None or template is None or missed is None:
        return None
    return Report(name, schedule, template, formats, missed)


def _read_schedule(row: Row) -> Schedule | None:
    cron = " ".join(row.text("schedule").split())
    period = row.duration("period", PERIOD_MIN, PERIOD_MAX)
    if cron and row.text("period"):
        row.problem("period", "there is a schedule, too", "one of the two is wanted")
    elif cron:
        problem = _cron_problem(cron)
        if problem:
            row.problem("schedule", f"{quoted(cron)} {problem}", _CRON)
        return Schedule(cron=cron)
    elif not row.text("period"):
        row.problem("schedule", "is empty", f"{_CRON}, or a period, such as 01:00:00 or 15m")
    return None if period is None else Schedule(period=period)


def _cron_problem(cron: str) -> str | None:
    fields = len(cron.split())
    if fields != 5:
        return f"has {fields} field{'' if fields == 1 else 's'}"
    if len(cron) > _CRON_LENGTH_MAX:
        return "is too long"
    try:
        next(CronSim(cron, _ANY_MOMENT))
    except StopIteration:
        return "never comes"
    except CronSimError as error:
        return f"has a {str(error).lower()}"
    return None


def _read_template(row: Row, folder: Path) -> str | None:
    text = row.text("template")
    problem = inner_path_problem(text, folder) if text else "is empty"
    if problem is None:
        _check_syntax(row, folder / text)
        return str(PurePosixPath(text))
    row.problem("template", problem, _INSIDE)
    return None


def _check_syntax(row: Row, path: Path) -> None:
    """What no run could make a page of is told now, not when the first run falls due."""
    # Projects without reports do without it.
    from jinja2 import Environment, TemplateSyntaxError  # noqa: PLC0415

    line: int | None = None
    try:
        Environment(autoescape=True).parse(path.read_text("utf-8"))
        return
    except TemplateSyntaxError as error:
        line, problem = error.lineno, error.message or "has a wrong syntax"
    except UnicodeDecodeError as error:
        line, problem = error.object.count(b"\n", 0, error.start) + 1, "is not utf-8"
    except (OSError, RecursionError) as error:
        problem = f"cannot be read ({error.strerror if isinstance(error, OSError) else 'nested too deeply'})"
    row.findings.problems.append(
        Diagnostic(str(path), line, "template", problem, "Jinja2 in utf-8 is wanted")
    )


def _read_formats(row: Row) -> tuple[ReportFormat, ...]:
    words = [word for word in re.split(r"[;,\s]+", row.text("formats").lower()) if word]
    for word in words:
        if word not in _FORMATS:
            row.problem(
                "formats",
                f"{quoted(word)} is not known",
                f"allowed are {', '.join(_FORMATS)}, with ';' between",
            )
    chosen = dict.fromkeys(_FORMATS[word] for word in words if word in _FORMATS)
    return tuple(chosen) or (ReportFormat.HTML,)
