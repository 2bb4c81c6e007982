"""Typed access to the tables of a TOML document, every trouble as a diagnostic with its line.

A value that is missing or wrong is reported and replaced by a harmless placeholder, so that reading goes on
and finds the rest; a document with a problem is never used.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TypeVar

from changeover.config.diagnostics import PROJECT_FILE, Diagnostic, Findings, quoted
from changeover.config.text_file import UnreadableFileError, read_bytes
from changeover.config.toml_lines import TomlLines, TomlPath

_E = TypeVar("_E", bound=Enum)
_AT_LINE = re.compile(r"\(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a document.

    Attributes:
        file: The file as the user named it.
        values: The table's keys and values.
        path: Where it is.
        lines: Lines of the whole document.
        findings: Takes the diagnostics.
    """

    file: str
    values: Mapping[str, object]
    path: TomlPath
    lines: TomlLines
    findings: Findings

    def name_of(self, key: str | None) -> str:
        """A key as diagnostics name it, such as `io_device.unit.mode`, or the table as a whole."""
        path = self.path if key is None else (*self.path, key)
        return ".".join(part for part in path if isinstance(part, str)) or "plant.toml"

    def line_of(self, key: str | None) -> int | None:
        """The line of a key, else of the table; None where the document has neither."""
        return self.lines.line(self.path if key is None else (*self.path, key))

    def problem(self, key: str | None, problem: str, allowed: str, rule: str = PROJECT_FILE) -> None:
        """Report a problem."""
        self.findings.problems.append(
            Diagnostic(self.file, self.line_of(key), self.name_of(key), problem, allowed, rule)
        )

    def expect_only(self, *keys: str) -> None:
        """Report every other key."""
        for key in self.values:
            if key not in keys:
                self.problem(key, "unknown key", f"allowed here are {', '.join(keys)}")

    def text(self, key: str, default: str | None = None, example: str = "") -> str:
        """A text that is not blank; missing is a problem unless there is a default. Placeholder: empty."""
        hint = f', such as "{example}"' if example else ""
        value = self.values.get(key)
        if key not in self.values:
            if default is None:
                self.problem(key, "is missing", f"a text{hint} is wanted")
            return default or ""
        if not isinstance(value, str):
            self.problem(key, f"{quoted(value)} is not a text", f"a text in quotes{hint} is wanted")
            return ""
        if not value.strip() or not value.isprintable():
            self.problem(
                key, f"{quoted(value)} is blank or holds control characters", f"a text{hint} is wanted"
            )
            return ""
        return value.strip()

    def whole(self, key: str, minimum: int, maximum: int, default: int | None = None) -> int:
        """A whole number; missing is a problem unless there is a default. Placeholder: the minimum."""
        allowed = f"allowed are {minimum} to {maximum}"
        value = self.values.get(key)
        if key not in self.values:
            if default is None:
                self.problem(key, "is missing", allowed)
            return minimum if default is None else default
        if not isinstance(value, int) or isinstance(value, bool):
            self.problem(key, f"{quoted(value)} is not a whole number", allowed)
            return minimum
        if not minimum <= value <= maximum:
            self.problem(key, f"{value if abs(value) < 10**15 else 'a huge number'} is out of range", allowed)
            return minimum
        return value

    def number(self, key: str, minimum: float, maximum: float, default: float) -> float:
        """A number, whole or not; the default where it is missing or wrong."""
        allowed = f"allowed are {minimum:g} to {maximum:g}"
        value = self.values.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            self.problem(key, f"{quoted(value)} is not a number", allowed)
            return default
        if not minimum <= value <= maximum:
            self.problem(key, "is out of range", allowed)
            return default
        return value

    def choice(self, key: str, kind: type[_E], default: _E | None = None) -> _E:
        """A member of an enum by its value; missing is a problem unless there is a default."""
        members = list(kind)
        if key not in self.values and default is not None:
            return default
        value = self.values.get(key)
        for member in members:
            if member.value == value:
                return member
        problem = f"{quoted(value)} is not known" if key in self.values else "is missing"
        names = ", ".join(f'"{member.value}"' for member in members)
        self.problem(key, problem, f"allowed are {names}")
        return members[0]

    def table(self, key: str) -> Table:
        """A table inside this one; empty where it is missing or something else."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            self.problem(key, f"{quoted(value)} is not a table", f"a table [{key}] is wanted")
            value = {}
        return Table(self.file, value, (*self.path, key), self.lines, self.findings)

    def tables(self, key: str) -> list[Table]:
        """The tables of an array of tables; empty where it is missing or something else."""
        name = ".".join([*(part for part in self.path if isinstance(part, str)), key])
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.problem(key, "is not an array of tables", f"write each as [[{name}]]")
            return []
        return [
            Table(self.file, item, (*self.path, key, index), self.lines, self.findings)
            for index, item in enumerate(value)
        ]


def read_toml(path: Path, findings: Findings) -> Table | None:
    """The root table of a TOML file; None, and one diagnostic, where it cannot be parsed."""
    name = str(path)
    try:
        text = read_bytes(path).decode("utf-8-sig").replace("\r\n", "\n")
        values = tomllib.loads(text)
        lines = TomlLines(text)
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        findings.problems.append(Diagnostic(name, line, path.name, "is not utf-8", "TOML is always utf-8"))
        return None
    except RecursionError:
        problem = "values are nested too deeply"
        findings.problems.append(Diagnostic(name, None, path.name, problem, "a flat TOML file is wanted"))
        return None
    except ValueError as error:
        findings.problems.append(_syntax_error(name, path.name, str(error), text))
        return None
    return Table(name, values, (), lines, findings)


def _syntax_error(file: str, name: str, message: str, text: str) -> Diagnostic:
    """A parser's message: tomllib ends it with the place, or with `(at end of document)`."""
    match = _AT_LINE.search(message)
    line = int(match.group(1)) if match else text.count("\n") + 1 if "end of document" in message else None
    problem = message.rpartition(" (at ")[0] or message
    return Diagnostic(file, line, name, problem, "valid TOML is wanted")
