"""Records of the tables of a project and of those that it includes, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from changeover.config.citect.dbf import DbfTable, read_dbf
from changeover.config.citect.encoding import CODECS, Encoding, guess_encoding
from changeover.config.citect.notes import NoteKind, Notes
from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import ProjectFiles, Source

PROJECTS_MAX = 200
CELLS_MAX = 10_000_000
"""Of all tables together: 200,000 tags of 44 columns have 8.8 million."""
UNITS_MAX = 5_000

IMPORTED = (
    "units.dbf", "boards.dbf", "ports.dbf", "variable.dbf", "digalm.dbf", "advalm.dbf", "anaalm.dbf",
    "argdig.dbf", "hresalm.dbf", "tsdig.dbf", "tsana.dbf", "category.dbf", "trend.dbf", "reports.dbf",
    "param.dbf",
)  # fmt: skip
"""Tables whose records are imported, or listed one by one."""
INCLUDE_TABLE = "include.dbf"


@dataclass(frozen=True, slots=True)
class Record:
    """One record.

    Attributes:
        file: The table, as the user can find it.
        number: From 1, deleted records counted.
        cells: Text by column in upper case, blanks around it and control characters dropped.
    """

    file: str
    number: int
    cells: Mapping[str, str]

    def get(self, *columns: str) -> str:
        """The text of the first of these columns that the table has; empty where it has none."""
        for column in columns:
            if column in self.cells:
                return self.cells[column]
        return ""

    def note(self, notes: Notes, kind: NoteKind, column: str, why: str) -> None:
        """Take a note about a column of this record."""
        notes.add(kind, self.file, why, record=self.number, column=column, value=self.cells.get(column, ""))


@dataclass(frozen=True, slots=True)
class Project:
    """The tables of one project, by name in lower case."""

    name: str
    files: ProjectFiles
    tables: Mapping[str, DbfTable]


@dataclass(frozen=True, slots=True)
class Projects:
    """A project and all that it includes; included ones come first, as theirs wins over the main project's.

    Attributes:
        all: In the order of reading, each once; the last is the one that is imported.
        encoding: Of their texts.
    """

    all: tuple[Project, ...]
    encoding: Encoding

    @property
    def main(self) -> Project:
        """The project that is imported."""
        return self.all[-1]

    def records(self, table: str, notes: Notes) -> Iterator[Record]:
        """The records of a table, of all projects, deleted ones left out."""
        for project in self.all:
            if table in project.tables:
                yield from _records(project, table, self.encoding.codec, notes)


def read_projects(source: Source, encoding: str | None, notes: Notes) -> Projects:
    """Read the tables of a project and of the projects that it includes.

    Args:
        source: Where they are.
        encoding: A key of `CODECS`; None to guess.
        notes: Takes what is not imported.

    Raises:
        RefusedError: A table is damaged, or there is no project.
    """
    found: dict[str, Project] = {}
    _read_with_includes(source.main, source, found, [], notes)
    projects = tuple(found.values())
    if not any("units.dbf" in project.tables for project in projects):
        label = source.main.label("units.dbf")
        raise RefusedError(label, "does not exist", "a project has its I/O devices there")
    _check_size(projects)
    if encoding is not None:
        chosen = Encoding(encoding, "--encoding says so", False)
    else:
        tables = [table for project in projects for table in project.tables.values()]
        texts = (cell for table in tables for _, cells in table.records() for cell in cells if cell)
        chosen = guess_encoding((cell for cell in texts if not cell.isascii()), [t.language for t in tables])
    notes.add(
        NoteKind.INFORMATION,
        source.main.name,
        f"texts are read as {chosen.name}: {chosen.why}; --encoding sets it",
    )
    return Projects(projects, chosen)


def _check_size(projects: tuple[Project, ...]) -> None:
    """Refuse what would take all memory: a table of short fields has many cells in few bytes."""
    cells = units = 0
    for project in projects:
        for name, table in project.tables.items():
            cells += table.record_count * len(table.fields)
            units += table.record_count if name == "units.dbf" else 0
            label = project.files.label(name)
            if cells > CELLS_MAX:
                raise RefusedError(label, f"all tables have over {CELLS_MAX} cells", "is this one project?")
            if units > UNITS_MAX:
                raise RefusedError(label, f"there are over {UNITS_MAX} units", "is this one project?")


def _read_with_includes(
    files: ProjectFiles, source: Source, found: dict[str, Project], path: list[str], notes: Notes
) -> None:
    """Read a project after those that it includes; `path` holds the projects that lead to it."""
    project = _read_project(files, notes)
    path = [*path, project.name.lower()]
    if len(path) > PROJECTS_MAX or len(found) >= PROJECTS_MAX:
        raise RefusedError(
            files.label(INCLUDE_TABLE), f"over {PROJECTS_MAX} projects", "is one included twice?"
        )
    for record in _records(project, INCLUDE_TABLE, "latin-1", notes):
        name = record.get("NAME")
        if name.lower() in path:
            cycle = " → ".join([*path[path.index(name.lower()) :], name.lower()])
            why = f"includes form a cycle ({cycle}): each project is read once"
            record.note(notes, NoteKind.INFORMATION, "NAME", why)
        elif name and name.lower() not in found:
            _check_include(record, name)
            included = source.find(name)
            if included is None:
                why = "this included project is not beside the project, nothing of it is imported"
                record.note(notes, NoteKind.NOT_IMPORTED, "NAME", why)
            else:
                _read_with_includes(included, source, found, path, notes)
    found[project.name.lower()] = project


def _check_include(record: Record, name: str) -> None:
    if name.strip(".") == "" or any(c in name for c in '/\\:*?"<>|') or not name.isprintable():
        raise RefusedError(
            record.file, f"'{name}' is no project name", "the name of a folder beside this one is wanted",
            record=record.number, field="NAME",
        )  # fmt: skip


def _read_project(files: ProjectFiles, notes: Notes) -> Project:
    tables: dict[str, DbfTable] = {}
    for name in files.names:
        if name in IMPORTED or name == INCLUDE_TABLE:
            tables[name] = read_dbf(files.read(name), files.label(name))
        elif name.endswith(".dbf"):
            why = "this table has no counterpart here, it is not read"
            notes.add(NoteKind.NOT_IMPORTED, files.label(name), why)
    return Project(files.name, files, tables)


def _records(project: Project, name: str, codec: str, notes: Notes) -> Iterator[Record]:
    table = project.tables.get(name)
    if table is None:
        return
    file = project.files.label(name)
    columns = [field.name for field in table.fields]
    for number, cells in table.records():
        texts = dict(zip(columns, (_text(cell, codec) for cell in cells), strict=True))
        record = Record(file, number, texts)
        for column, text in texts.items():
            if "\N{REPLACEMENT CHARACTER}" in text:
                why = f"holds bytes that are no {_named(codec)}: is --encoding right?"
                record.note(notes, NoteKind.CHANGED, column, why)
        yield record


def _text(cell: bytes, codec: str) -> str:
    if cell.isascii() and not (cell and min(cell) < 0x20):
        return cell.decode("ascii").strip()
    text = cell.decode(codec, errors="replace")
    return "".join(c if c.isprintable() or c == "\N{REPLACEMENT CHARACTER}" else " " for c in text).strip()


def _named(codec: str) -> str:
    return next((name for name, known in CODECS.items() if known == codec), codec)
