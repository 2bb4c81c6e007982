"""Diagnostics: what is wrong in a project's files, one line each.

Bad input is never an exception with a traceback. Readers collect diagnostics and go on, so that an engineer
sees every fault of all files at once, each with its place and with what is allowed there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

_SHOWN_LENGTH_MAX = 60
PROJECT_FILE = "project-file"
"""The rule of everything that the description of a project's files does not allow."""


class Severity(Enum):
    """What a diagnostic means for a project's use."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that was found in a project's files.

    Attributes:
        file: The file as the user named it, such as `plant/citect.ini`.
        line: Line in the file, from 1; None where there is no line to name.
        parameter: What the fault is about, such as `[LAN]SendTimeout` or `io_device.unit.mode`.
        problem: What is wrong.
        allowed: What is allowed, or what to do.
        rule: Id of the rule that it breaks: its page in docs/reference/checks.
        severity: An error forbids the project's use.
        why: What it leads to, with its source; empty where the problem says it.
    """

    file: str
    line: int | None
    parameter: str
    problem: str
    allowed: str
    rule: str = PROJECT_FILE
    severity: Severity = Severity.ERROR
    why: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return one_line(f"{place}: {self.parameter}: {self.problem}, {self.allowed}")


class ConfigurationError(Exception):
    """A project cannot be used.

    Attributes:
        diagnostics: Every reason, in file order, then by line.
        warnings: What else should be looked at, likewise.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], warnings: Iterable[Diagnostic] = ()) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = tuple(diagnostics)
        self.warnings: tuple[Diagnostic, ...] = tuple(warnings)
        super().__init__("\n".join(str(diagnostic) for diagnostic in self.diagnostics))


@dataclass(slots=True)
class Findings:
    """Collects what readers find: `problems` forbid the project's use, `warnings` do not."""

    problems: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)


def sorted_diagnostics(diagnostics: Iterable[Diagnostic], files: Sequence[str]) -> tuple[Diagnostic, ...]:
    """Diagnostics without repetitions, in the order of `files` (others first), then by line."""
    order = {file: index for index, file in enumerate(files)}
    unique = dict.fromkeys(diagnostics)
    return tuple(sorted(unique, key=lambda d: (order.get(d.file, -1), d.line or 0)))


def one_line(text: str) -> str:
    """Text with everything that could break a line or steer a terminal written as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quoted(value: object) -> str:
    """A user's value in quotes, shortened so that a diagnostic stays readable."""
    text = str(value)
    if len(text) > _SHOWN_LENGTH_MAX:
        text = text[:_SHOWN_LENGTH_MAX] + "…"
    return f"'{text}'"
