"""Setting parameters in the bytes of a citect.ini: every other byte stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from changeover.config.ini import parse_ini

_LINE = re.compile(rb"[^\r\n]*(?:\r\n|\n|\r)?")
_VALUE = re.compile(rb"^([^=]*=[ \t]*)(.*?)([ \t]*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a parameter is to be.

    Attributes:
        section: Section, in any case.
        name: Parameter, in any case.
        value: In the parameter's unit.
    """

    section: str
    name: str
    value: int


def edited(data: bytes, assignments: Iterable[Assignment]) -> bytes:
    """The file with some parameters set.

    A line that sets the parameter keeps its place, its spelling and its blanks. Where there is none, one is
    added to the first section of that name, behind the last line that is not blank, or to a new section at
    the end. Setting what is set already changes nothing.

    Args:
        data: The file.
        assignments: What to set, each parameter once.
    """
    for assignment in assignments:
        data = _set(data, assignment)
    return data


def _set(data: bytes, assignment: Assignment) -> bytes:
    ini = parse_ini(data, "")
    lines = _LINE.findall(data)[:-1] or []
    entry = ini.get(assignment.section, assignment.name)
    value = str(assignment.value).encode("ascii")
    if entry is not None:
        if entry.value == str(assignment.value):
            return data
        place = entry.line - 1
        text, end = _without_end(lines[place])
        lines[place] = _VALUE.sub(lambda found: found[1] + value + found[3], text) + end
        return b"".join(lines)
    new = assignment.name.encode("ascii") + b"=" + value
    end = next((found for line in lines if (found := _without_end(line)[1])), b"\n")
    header = _header(lines, assignment.section)
    if header is None:
        before = b"".join(lines)
        if before and not before.endswith((b"\n", b"\r")):
            before += end
        gap = end if before else b""
        return before + gap + f"[{assignment.section}]".encode("ascii") + end + new + end
    place = _end_of_section(lines, header)
    if not _without_end(lines[place - 1])[1]:
        lines[place - 1] += end
        return b"".join([*lines[:place], new, *lines[place:]])
    return b"".join([*lines[:place], new + end, *lines[place:]])


def _without_end(line: bytes) -> tuple[bytes, bytes]:
    text = line.rstrip(b"\r\n")
    return text, line[len(text) :]


def _name_of(line: bytes) -> str | None:
    """The section that a line begins, in lower case; None for any other line."""
    text = line.removeprefix(b"\xef\xbb\xbf").strip()
    if not text.startswith(b"[") or b"]" not in text:
        return None
    return text[1 : text.index(b"]")].strip().decode("latin-1").lower()


def _header(lines: list[bytes], section: str) -> int | None:
    return next((place for place, line in enumerate(lines) if _name_of(line) == section.lower()), None)


def _end_of_section(lines: list[bytes], header: int) -> int:
    """Behind the section's last line that is not blank."""
    end = header + 1
    for place in range(header + 1, len(lines)):
        if _name_of(lines[place]) is not None:
            break
        if lines[place].strip():
            end = place + 1
    return end
