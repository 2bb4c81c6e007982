"""Values of known parameters in a citect.ini that cannot be read. Unknown parameters pass untouched.

Each function is one rule and has a page in docs/reference/checks.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from changeover.config.diagnostics import Diagnostic, Findings, Severity, quoted
from changeover.config.ini import IniEntry, IniFile, OddLine
from changeover.config.known_parameters import (
    DRIVER_SECTIONS,
    SECTIONS,
    base_section,
    row_of,
)
from changeover.config.parameters import Parameter

_NAME_END = re.compile(r"[\s:]")
_UNITS = {"ms": "milliseconds", "s": "seconds"}


def check_ini(ini: IniFile, protocols: Collection[str], findings: Findings) -> None:
    """Check every known parameter of a file.

    Args:
        ini: The file.
        protocols: Protocols that the plant uses; in other drivers' sections a bad value is only a warning.
        findings: Takes the diagnostics.
    """
    foreign = DRIVER_SECTIONS - {protocol.lower() for protocol in protocols}
    for entry in ini.entries:
        row = row_of(entry.section, entry.name)
        if row is None or entry.shadowed or entry.disabled or not entry.value:
            continue
        is_foreign = base_section(entry.section) in foreign
        severity = Severity.WARNING if is_foreign else Severity.ERROR
        for rule in (semicolon_comment, wrong_unit, not_a_number, outside_range):
            told = rule(entry, row)
            if told is not None:
                problem, allowed = told
                where = f"[{entry.section}]{entry.name}"
                name = rule.__name__.replace("_", "-")
                found = Diagnostic(ini.file, entry.line, where, problem, allowed, name, severity)
                (findings.warnings if is_foreign else findings.problems).append(found)
                break
    for odd in ini.odd_lines:
        for found in line_without_equals(ini, odd, foreign):
            (findings.problems if found.severity is Severity.ERROR else findings.warnings).append(found)


def semicolon_comment(entry: IniEntry, row: Parameter) -> tuple[str, str] | None:
    """What follows a `;` belongs to the value: it begins no comment in this dialect."""
    head, sign, _ = entry.value.partition(";")
    if not sign or not row.is_allowed(head.strip()):
        return None
    problem = f"{quoted(entry.value)} is not a whole number (';' begins no comment here)"
    return (
        problem,
        f"write {row.name}={head.strip()}, and the comment on a line of its own that begins with #",
    )


def wrong_unit(entry: IniEntry, row: Parameter) -> tuple[str, str] | None:
    """A value out of range that would be in it in the other unit of time."""
    meant = None if row.is_allowed(entry.value) else row.meant(entry.value)
    if meant is None:
        return None
    unit, other = _UNITS[row.unit.value], _UNITS["s" if row.unit.value == "ms" else "ms"]
    problem = f"{entry.value} is out of range: it looks like {other}, and counts in {unit}"
    return problem, f"{row.allowed}, did you mean {meant}?"


def not_a_number(entry: IniEntry, row: Parameter) -> tuple[str, str] | None:
    """A value that is no whole number."""
    if row.is_whole(entry.value):
        return None
    hint = " (';' begins no comment here)" if ";" in entry.value else ""
    return f"{quoted(entry.value)} is not a whole number{hint}", row.allowed


def outside_range(entry: IniEntry, row: Parameter) -> tuple[str, str] | None:
    """A whole number that is out of the parameter's range."""
    return None if row.is_allowed(entry.value) else (f"{int(entry.value)} is out of range", row.allowed)


def line_without_equals(ini: IniFile, odd: OddLine, foreign: Collection[str]) -> Iterator[Diagnostic]:
    """A known parameter without `=`, or a known section that is not closed.

    The latter is an error whosever section it is: its lines count for the section before it.
    """
    name = "line-without-equals"
    if odd.text.startswith("["):
        if base_section(odd.text[1:].strip()) in SECTIONS:
            problem = "the section's name is not closed"
            yield Diagnostic(ini.file, odd.line, quoted(odd.text), problem, "write [Section]", name)
        return
    base, word = base_section(odd.section), _NAME_END.split(odd.text, maxsplit=1)[0]
    row = row_of(base, word)
    if row is not None:
        where, problem = f"[{odd.section}]{row.name}", f"{quoted(odd.text)} has no '='"
        severity = Severity.WARNING if base in foreign else Severity.ERROR
        yield Diagnostic(ini.file, odd.line, where, problem, f"write {row.name}=value", name, severity)
