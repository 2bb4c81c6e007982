"""Numbers of network stacks: the tables windows, linux and network of plant.toml, and a registry export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from changeover.config.diagnostics import Diagnostic, Severity
from changeover.config.parameters import STACK_PARAMETERS, ParameterUnit, StackParameter
from changeover.config.registry import REGISTRY_ROWS, RegistryEntry, read_registry
from changeover.config.text_file import inner_path_problem
from changeover.config.toml_table import Table
from changeover.model.moment import Duration, milliseconds

REGISTRY = "registry"
_WINDOWS = "windows"
_INSIDE = "a .reg file inside the project's folder is wanted, such as tcp.reg"


@dataclass(frozen=True, slots=True)
class StackSetting:
    """The value of a row and where it is set.

    Attributes:
        row: The row.
        value: In the row's unit.
        file: The file that sets it, plant.toml or a registry export, as the user named it; None for the
            default.
        line: The line in it.
    """

    row: StackParameter
    value: float
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        """Such as `[windows] tcp_max_data_retransmissions = 3, plant/tcp.reg:5, default 5`."""
        if self.file is None:
            where = "the default"
        else:
            where = f"{self.file}:{self.line}, default {self.row.default:g}"
        return f"{self.row} = {self.row.in_words(self.value)}, {where}"


@dataclass(frozen=True, slots=True)
class Stacks:
    """Every row's setting.

    Attributes:
        settings: By table and key, in the order of the rows.
        registry: The registry export, where plant.toml names one that can be read.
    """

    settings: Mapping[tuple[str, str], StackSetting]
    registry: Path | None = None

    def count(self, table: str, key: str) -> int:
        """A value that counts something."""
        return int(self.settings[table, key].value)

    def duration(self, table: str, key: str) -> Duration:
        """A value in milliseconds."""
        return milliseconds(self.settings[table, key].value)


def read_stacks(root: Table) -> Stacks:
    """Read the tables, and the registry export that `[windows]` names; problems go to the table's findings.

    A value that both set must be the same in both: of two that differ nobody can know which one a site has.

    Args:
        root: The document's root table. The path of an export is relative to its folder.
    """
    settings: dict[tuple[str, str], StackSetting] = {}
    path: Path | None = None
    for name in dict.fromkeys(row.table for row in STACK_PARAMETERS):
        table = root.table(name)
        rows = [row for row in STACK_PARAMETERS if row.table == name]
        named = (REGISTRY,) if name == _WINDOWS else ()
        table.expect_only(*named, *(row.key for row in rows))
        for row in rows:
            settings[name, row.key] = _read(table, row)
        if name == _WINDOWS:
            path = _registry(table)
            if path is not None:
                _add_registry(table, read_registry(path, root.findings), str(path), settings)
    return Stacks(settings, path)


def _read(table: Table, row: StackParameter) -> StackSetting:
    if row.unit is ParameterUnit.COUNT:
        value: float = table.whole(row.key, int(row.minimum), int(row.maximum), int(row.default))
    else:
        value = table.number(row.key, row.minimum, row.maximum, row.default)
    if row.key not in table.values:
        return StackSetting(row, value)
    return StackSetting(row, value, table.file, table.line_of(row.key))


def _registry(table: Table) -> Path | None:
    """The path of the export; None where none is named, or none that is a file of the project."""
    text = table.text(REGISTRY, "")
    if not text:
        return None
    folder = Path(table.file).parent
    problem = inner_path_problem(text, folder)
    if problem is None:
        return folder / text
    table.problem(REGISTRY, problem, _INSIDE)
    return None


def _add_registry(
    table: Table,
    entries: tuple[RegistryEntry, ...],
    file: str,
    settings: dict[tuple[str, str], StackSetting],
) -> None:
    for row in REGISTRY_ROWS:
        said = [entry for entry in entries if entry.row == row]
        if not said:
            continue
        # Nobody knows by which interface a connection goes: the longest wait is what a plan can rely on.
        largest = max(said, key=lambda entry: entry.value)
        table.findings.warnings.extend(
            Diagnostic(file, largest.line, str(largest), problem, allowed, severity=Severity.WARNING)
            for problem, allowed in _doubts(min(said, key=lambda entry: entry.value), largest, file)
        )
        written = settings[row.table, row.key]
        if written.file is None:
            settings[row.table, row.key] = StackSetting(row, largest.value, file, largest.line)
        elif written.value == table.values[row.key] != largest.value:
            ours, theirs = row.in_words(written.value), row.in_words(largest.value)
            problem = f"is {ours}, but {theirs} in {file}:{largest.line}"
            table.problem(row.key, problem, "take one of the two out")


def _doubts(least: RegistryEntry, largest: RegistryEntry, file: str) -> Iterator[tuple[str, str]]:
    """Problem and advice of values that are legal, but may not be what a site has."""
    row = largest.row
    value = row.in_words(largest.value)
    if least.value != largest.value:
        yield (
            f"is {value}, and in another interface {row.in_words(least.value)} ({file}:{least.line})",
            "the largest counts; take out what leads to no server",
        )
    if row.of_interface and largest.value < row.default:
        yield (
            f"is {value}, less than the default of Windows, {row.in_words(row.default)}",
            f"only more is supported ({row.source}): measure how long a connect takes",
        )
