"""Registry exports: what a .reg file says about the TCP stack of Windows (D2).

A file may be a whole hive, and all of it but a few lines is none of our business: so the keys and values that
`STACK_PARAMETERS` names are searched for, and nothing else is parsed. A line counts where regedit would take
it. One that regedit would skip, or that Windows would ignore, is a diagnostic if it bears a name that
matters, because whoever wrote it believes that it counts.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from changeover.config.diagnostics import Diagnostic, Findings, Severity
from changeover.config.parameters import STACK_PARAMETERS, StackParameter
from changeover.config.registry_values import HEADER, Said, example, read_value
from changeover.config.text_file import UnreadableFileError, decode, read_any_bytes

HEADERS = (HEADER, "REGEDIT4")
CURRENT = "CurrentControlSet"
SYSTEM = r"HKEY_LOCAL_MACHINE\SYSTEM"
PARAMETERS_KEY = rf"{SYSTEM}\{CURRENT}\Services\Tcpip\Parameters"
INTERFACES_KEY = rf"{PARAMETERS_KEY}\Interfaces"
REGISTRY_ROWS = tuple(row for row in STACK_PARAMETERS if row.registry)
"""The rows of the table that a value of the registry sets."""

_ROWS = {row.registry.lower(): row for row in REGISTRY_ROWS}
_EXPORT = "a file that regedit or reg export has written is wanted"
_FLAGS = re.MULTILINE | re.IGNORECASE | re.ASCII
# A key that holds values that matter, or one above it: with that all below it is deleted.
_KEY = re.compile(
    r"^[ \t]*\[(?P<minus>-?)(?P<root>HKEY_LOCAL_MACHINE|HKLM)"
    r"(?:\\SYSTEM(?:\\(?P<set>CurrentControlSet|ControlSet[0-9]{3})"
    r"(?:\\Services(?:\\Tcpip(?:(?P<parameters>\\Parameters)(?:(?P<interfaces>\\Interfaces)"
    r"(?:\\(?P<interface>[^\\\n]{1,255}?))?)?)?)?)?)?)?\\?\]",
    _FLAGS,
)
_NEXT_KEY = re.compile(r"^[ \t]*\[", re.MULTILINE)
_LINE = re.compile(rf'^[ \t]*("?)({"|".join(_ROWS)})("?)[ \t]*=[ \t]*', _FLAGS)

_Place = tuple[str, str]
"""An interface in lower case, empty for none, and the key of a row."""


@dataclass(frozen=True, slots=True)
class RegistryEntry:
    """The last word of a file on one value.

    Attributes:
        row: Its row of the table.
        key: The key that holds it, in full.
        number: The number; None where the file deletes it, so that the default of Windows counts.
        line: From 1.
    """

    row: StackParameter
    key: str
    number: int | None
    line: int

    def __str__(self) -> str:
        """As diagnostics name it, without what is the same for all."""
        below = self.key.partition("\\Services\\")[2]
        return f"{below}\\{self.row.registry}"

    @property
    def value(self) -> float:
        """What counts: the number, or the default of Windows."""
        return self.row.default if self.number is None else self.number


@dataclass(slots=True)
class _ControlSet:
    """What a file has said so far about one control set.

    Attributes:
        name: In the file's spelling.
        entries: Values that Windows would take; later lines replace earlier ones.
        faults: Values that it would not.
        misplaced: Values in a key in which nobody looks for them.
    """

    name: str
    entries: dict[_Place, RegistryEntry] = field(default_factory=dict)
    faults: dict[_Place, Diagnostic] = field(default_factory=dict)
    misplaced: list[Diagnostic] = field(default_factory=list)

    def take(self, place: _Place, entry: RegistryEntry, fault: Diagnostic | None = None) -> None:
        """Note a value, or its fault."""
        self.forget([place])
        if fault is None:
            self.entries[place] = entry
        else:
            self.faults[place] = fault

    def forget(self, places: Iterable[_Place]) -> None:
        """As if the file had said nothing of them."""
        for place in tuple(places):
            self.entries.pop(place, None)
            self.faults.pop(place, None)

    def number(self, place: _Place) -> float | None:
        """What counts there; None where that is the default of Windows."""
        entry = self.entries.get(place)
        return None if entry is None or entry.value == entry.row.default else entry.value


def read_registry(path: Path, findings: Findings) -> tuple[RegistryEntry, ...]:
    """Read a .reg file; problems go to `findings`, and so does a file that cannot be read.

    Returns:
        As `parse_registry`.
    """
    try:
        data = read_any_bytes(path)
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return ()
    return parse_registry(data, str(path), findings)


def parse_registry(data: bytes, file: str, findings: Findings) -> tuple[RegistryEntry, ...]:
    """Read the bytes of a .reg file; any bytes will do.

    Args:
        data: Version 5.00 in UTF-16LE or UTF-8, or REGEDIT4 in cp1252; any line ends.
        file: Name for diagnostics.
        findings: Takes the diagnostics.

    Returns:
        Values of `REGISTRY_ROWS` in the control set that counts, in the order of their last lines: of
        CurrentControlSet, else of the numbered one that is there. Where several are and differ, that is a
        problem.
    """
    text = _text(data)
    problem = _format_problem(data, text)
    if problem:
        findings.problems.append(Diagnostic(file, None, Path(file).name, problem, _EXPORT))
        return ()
    sets = _Reader(text, file, findings).read()
    if not sets:
        return ()
    chosen = sets.get(CURRENT.lower())
    others = () if chosen else tuple(sets.values())[1:]
    chosen = chosen or next(iter(sets.values()))
    findings.problems.extend(chosen.faults.values())
    findings.warnings.extend(chosen.misplaced)
    for other in others:
        findings.problems.extend(other.faults.values())
        findings.problems.extend(_differences(chosen, other, file))
    return tuple(chosen.entries.values())


def _text(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF16_LE):
        text = data[2:].decode("utf-16-le", errors="replace")
    else:
        text = decode(data)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _format_problem(data: bytes, text: str) -> str:
    if not data:
        return "is empty"
    return "" if text.partition("\n")[0].strip(" \t") in HEADERS else "is no registry export"


def _differences(one: _ControlSet, other: _ControlSet, file: str) -> Iterator[Diagnostic]:
    for place in dict.fromkeys((*one.entries, *other.entries)):
        if one.number(place) == other.number(place):
            continue
        entry = other.entries.get(place) or one.entries[place]
        name = str(entry)
        told = " and ".join(_told(each, place, file) for each in (one, other))
        yield Diagnostic(file, entry.line, name, told, f"export {CURRENT}, or take out all sets but one")


def _told(one: _ControlSet, place: _Place, file: str) -> str:
    entry = one.entries.get(place)
    if entry is None:
        return f"is not set in {one.name}"
    return f"is {entry.row.in_words(entry.value)} in {one.name} ({file}:{entry.line})"


class _Reader:
    """Walks over the keys of a file that matter.

    Args:
        text: The file, its lines end in a line feed.
        file: Name for diagnostics.
        findings: Takes what is wrong whatever the control set.
    """

    def __init__(self, text: str, file: str, findings: Findings) -> None:
        self._text = text
        self._file = file
        self._findings = findings
        self._sets: dict[str, _ControlSet] = {}
        self._counted = (0, 1)

    def read(self) -> Mapping[str, _ControlSet]:
        """Every control set whose TCP parameters the file names, by name in lower case."""
        is_abbreviated = False
        for found in _KEY.finditer(self._text):
            if found["root"].upper() != "HKEY_LOCAL_MACHINE":
                is_abbreviated = self._refuse_abbreviation(found) or is_abbreviated
            elif found["minus"]:
                self._delete(found)
            elif found["parameters"] is not None:
                self._read_key(found)
        if not self._sets and not is_abbreviated:
            self._add_problem(
                None, Path(self._file).name, f"holds no key {PARAMETERS_KEY}", "export that key"
            )
        return self._sets

    def _set(self, name: str) -> _ControlSet:
        return self._sets.setdefault(name.lower(), _ControlSet(name))

    def _refuse_abbreviation(self, found: re.Match[str]) -> bool:
        """Whether a key that matters is abbreviated, as only command lines may have it."""
        if found["parameters"] is None:
            return False
        line, key = self._line(found.start()), found[0].strip(" \t")
        self._add_problem(
            line, key, "is no key in a file: regedit skips it", "write HKEY_LOCAL_MACHINE in full"
        )
        return True

    def _delete(self, found: re.Match[str]) -> None:
        """A deletion takes all that is below the key; what stands there afterwards counts again."""
        line = self._line(found.start())
        names = [found["set"]] if found["set"] else [CURRENT, *(one.name for one in self._sets.values())]
        for name in names:
            one, interface = self._set(name), found["interface"]
            if interface is not None:
                one.forget((interface.lower(), row.key) for row in REGISTRY_ROWS)
                continue
            one.forget(place for place in (*one.entries, *one.faults) if place[0])
            if found["interfaces"] is None:
                key = _in_set(PARAMETERS_KEY, one.name)
                for row in (row for row in REGISTRY_ROWS if not row.of_interface):
                    one.take(("", row.key), RegistryEntry(row, key, None, line))

    def _read_key(self, found: re.Match[str]) -> None:
        one = self._set(found["set"])
        interface = found["interface"] or ""
        if found["interfaces"] is not None and not interface:
            return
        key = _in_set(rf"{INTERFACES_KEY}\{interface}" if interface else PARAMETERS_KEY, one.name)
        after = _NEXT_KEY.search(self._text, found.end())
        end = after.start() if after else len(self._text)
        for value in _LINE.finditer(self._text, found.end(), end):
            row = _ROWS[value[2].lower()]
            said = read_value(self._text, value.end(), end)
            if not (value[1] and value[3]):
                said = Said(None, "has no quotes around its name: regedit skips the line")
            entry = RegistryEntry(row, key, said.number, self._line(value.start()))
            if row.of_interface != bool(interface):
                one.misplaced.append(self._misplaced(entry))
            else:
                fault = self._fault(entry, said)
                one.take((interface.lower(), row.key), entry, fault)

    def _fault(self, entry: RegistryEntry, said: Said) -> Diagnostic | None:
        row = entry.row
        if said.fault:
            problem, allowed = said.fault, f"write {example(row, int(row.default))}; {row.allowed}"
        elif not row.minimum <= entry.value <= row.maximum:
            problem, allowed = f"{entry.number} (dword:{entry.number:08x}) is out of range", row.allowed
        else:
            return None
        return Diagnostic(self._file, entry.line, str(entry), problem, allowed)

    def _misplaced(self, entry: RegistryEntry) -> Diagnostic:
        where = f"{INTERFACES_KEY}\\{{…}}" if entry.row.of_interface else PARAMETERS_KEY
        name, allowed = str(entry), f"Windows reads it in {where}"
        return Diagnostic(
            self._file, entry.line, name, "has no effect in this key", allowed, severity=Severity.WARNING
        )

    def _add_problem(self, line: int | None, name: str, problem: str, allowed: str) -> None:
        self._findings.problems.append(Diagnostic(self._file, line, name, problem, allowed))

    def _line(self, position: int) -> int:
        """The line of a place. Places are asked for in their order, so each line is counted once."""
        before, line = self._counted
        line += self._text.count("\n", before, position)
        self._counted = (position, line)
        return line


def _in_set(key: str, name: str) -> str:
    """A key in the control set of that name."""
    return key.replace(CURRENT, name, 1)
