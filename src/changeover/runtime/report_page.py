"""Renders one template into one page, in a sandbox, and tells errors with file and line.

This runs in a process of its own (`report_worker`): what the sandbox cannot bound, time and memory, is
bounded there from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from traceback import walk_tb
from typing import Any, Protocol, TypeVar
from zoneinfo import ZoneInfo

from jinja2 import BaseLoader, Environment, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from changeover.runtime.report_data import AlarmRow, JournalRow, TagRow, TrendRow, utc_time
from changeover.runtime.report_filters import Local, duration, number
from changeover.runtime.report_style import PAGE_STYLE
from changeover.runtime.report_times import instant, span
from changeover.runtime.report_wire import Ask, AskAlarms, AskJournal, AskTag, AskTrend, Job

_R = TypeVar("_R")

_TEMPLATE_BYTES_MAX = 2**20
_NOT_OURS = ("lipsum",)
"""What Jinja gives to every template, and no report needs."""


class PageError(Exception):
    """A page that cannot be made; the text says why, with the template's file and line where there is one."""


class TooLongError(Exception):
    """The template was at work for longer than it may be."""


class Fetch(Protocol):
    """Gets data from the server."""

    def __call__(self, ask: Ask, answer: type[_R]) -> _R:
        """The answer to a request, as that type; `ReportDataError` where it was refused."""


def render_page(job: Job, fetch: Fetch) -> bytes:
    """The page of one run, UTF-8.

    Args:
        job: The run.
        fetch: Gets data.

    Raises:
        PageError: The template is wrong, its data cannot be had, or it uses more than it may.
    """
    loader = ProjectLoader(Path(job.project))
    environment = _environment(job, loader)
    pieces: list[bytes] = []
    length = 0
    try:
        for piece in environment.get_template(job.report.template).generate(_variables(job, fetch)):
            pieces.append(piece.encode(errors="replace"))
            length += len(pieces[-1])
            if length > job.limits.page_bytes:
                raise _TooLargeError
        return b"".join(pieces)
    except Exception as error:  # a site's template may raise anything: told, with its place
        raise PageError(f"{_place(error, loader.loaded)}{_words(error, job)}") from error


class ProjectLoader(BaseLoader):
    """Loads templates from one folder, and from nowhere that a link in it leads to.

    Args:
        folder: The project's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.loaded: set[str] = set()

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        """The text of a template, by its path within the folder with `/` between the parts.

        Raises:
            TemplateNotFound: It is not there, not a file, or not within the folder.
            PageError: It is too large, or not UTF-8.
        """
        try:
            path = (self._folder / template).resolve()
            if not path.is_relative_to(self._folder) or not path.is_file():
                raise TemplateNotFound(template)
            if path.stat().st_size > _TEMPLATE_BYTES_MAX:
                raise PageError(f"the template {template} is larger than {_mebibytes(_TEMPLATE_BYTES_MAX)}")
            text = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise PageError(f"the template {template} is not UTF-8: {error.reason}") from None
        except (OSError, ValueError) as error:
            raise TemplateNotFound(template) from error
        self.loaded.add(template)
        return text, template, lambda: True


class _TooLargeError(Exception):
    """The page is longer than it may be."""


def _environment(job: Job, loader: ProjectLoader) -> Environment:
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        # Every template makes a page, whatever it is called.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name in _NOT_OURS:
        del environment.globals[name]
    local = Local(ZoneInfo(job.plant.time_zone))
    environment.filters.update(number=number, local=local, duration=duration)
    environment.globals["page_style"] = Markup(PAGE_STYLE)
    return environment


def _variables(job: Job, fetch: Fetch) -> dict[str, Any]:
    zone = ZoneInfo(job.plant.time_zone)
    scheduled = utc_time(job.scheduled_utc).astimezone(zone)

    def from_to(start: object, end: object) -> tuple[int, int]:
        begin, until = instant(start, scheduled), instant(scheduled if end is None else end, scheduled)
        if until <= begin:
            raise ValueError(f"the end ({end}) is not after the start ({start})")
        return begin, until

    def tag(name: str) -> TagRow:
        return fetch(AskTag(name), TagRow)

    def trend(name: str, start: object, end: object = None, bucket: object = None) -> list[TrendRow]:
        begin, until = from_to(start, end)
        length = None if bucket is None else span(bucket)
        if length and (until - begin) // length > job.limits.rows:
            raise ValueError(f"so many buckets of {bucket} are more than {job.limits.rows:,} rows")
        return fetch(AskTrend(name, begin, until, length), list[TrendRow])

    def alarms(
        active: bool | None = True,
        acknowledged: bool | None = None,
        category: int | None = None,
        area: int | None = None,
    ) -> list[AlarmRow]:
        return fetch(AskAlarms(active, acknowledged, category, area), list[AlarmRow])

    def journal(start: object, end: object = None) -> list[JournalRow]:
        return fetch(AskJournal(*from_to(start, end)), list[JournalRow])

    return {
        "report": job.report,
        "plant": job.plant,
        "scheduled": scheduled,
        "now": utc_time(job.now_utc).astimezone(zone),
        "tag": tag,
        "trend": trend,
        "alarms": alarms,
        "journal": journal,
    }


def _place(error: Exception, templates: Collection[str]) -> str:
    """File and line of a template, as the beginning of a text; empty where the error is in none."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.name or error.filename}, line {error.lineno}: "
    places = ((frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__))
    last = [f"{name}, line {line}: " for name, line in places if name in templates][-1:]
    return "".join(last)


def _words(error: Exception, job: Job) -> str:
    limits = job.limits
    match error:
        case TooLongError():
            return f"the template is still at work after {limits.work_seconds:g} s"
        case _TooLargeError():
            return f"the page is larger than {_mebibytes(limits.page_bytes)}"
        case MemoryError():
            return f"the template needs more than {_mebibytes(limits.memory_bytes)} of memory"
        case RecursionError():
            return "the template calls itself without end"
        case TemplateNotFound():
            return f"there is no template {error.name} in the project's folder"
        case TemplateSyntaxError():
            return error.message or "a syntax error"
        case _:
            return str(error) or type(error).__name__


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:g} MiB"
