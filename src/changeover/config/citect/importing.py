"""A Citect project to the files of a project of ours, all in memory; nothing is written here."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from changeover.config.citect.convert_alarms import (
    ALARMS_FILE,
    CATEGORIES_FILE,
    NO_COUNTERPART,
    RATE_PERIOD_S_DEFAULT,
    TABLES,
    AlarmSurroundings,
    convert_alarms,
    convert_categories,
)
from changeover.config.citect.convert_tags import TAGS_FILE, convert_tags
from changeover.config.citect.convert_trends import TRENDS_FILE, convert_trends
from changeover.config.citect.notes import Note, NoteKind, Notes
from changeover.config.citect.plant_text import PLANT_FILE, Assumptions, plant_text
from changeover.config.citect.ports import Ports
from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import Source
from changeover.config.citect.tables import Projects, read_projects
from changeover.config.citect.units import Devices, convert_units
from changeover.config.diagnostics import Diagnostic, Findings
from changeover.config.driver_table import DRIVERS
from changeover.config.ini import IniFile, parse_ini
from changeover.config.ini_checks import check_ini
from changeover.config.parameters import PARAMETERS, Use
from changeover.config.plant import PlantFile, read_plant
from changeover.config.tags import AddressChecker
from changeover.config.toml_lines import TomlLines
from changeover.config.toml_table import Table
from changeover.config.variables import Variables

INI_FILE = "citect.ini"

_NO_INI = b"# The imported project holds no citect.ini: every parameter has its default.\n"
_REPORT_COLUMNS = ("NAME", "TIME", "PERIOD", "TRIGGER", "FORMAT", "DEVICE")


@dataclass(frozen=True, slots=True)
class Imported:
    """A project that was read.

    Attributes:
        name: The project's name.
        files: Content by name, in the order in which they are to be written.
        notes: What has no counterpart, and what was assumed.
        counts: How many there are of each kind of thing, by what it is called.
    """

    name: str
    files: Mapping[str, bytes]
    notes: tuple[Note, ...]
    counts: Mapping[str, int]


def import_project(
    source: Source,
    *,
    encoding: str | None = None,
    ini: tuple[str, bytes] | None = None,
    assumed: Assumptions | None = None,
    check_address: AddressChecker | None = None,
    progress: Callable[[str], None] = lambda stage: None,
) -> Imported:
    """Read a Citect project.

    Args:
        source: Where it is.
        encoding: Of its texts, a key of `CODECS`; None to guess.
        ini: Name and content of the citect.ini, where it is not among the project's files.
        assumed: What the project does not hold.
        check_address: As of `load_project`.
        progress: Called with what is done next.

    Raises:
        RefusedError: A file is damaged, or what it says cannot become a project.
    """
    notes = Notes()
    progress("reading tables")
    projects = read_projects(source, encoding, notes)
    ini_name, ini_data = ini or _find_ini(projects, notes)
    nul = ini_data.find(b"\0")
    if nul >= 0:
        line = ini_data.count(b"\n", 0, nul) + 1
        raise RefusedError(
            f"{ini_name}:{line}", "holds NUL bytes", "a text file in utf-8 or cp1252 is wanted"
        )
    ini_file = parse_ini(ini_data, ini_name)
    progress("reading I/O devices")
    devices = _devices(projects, notes)
    text = plant_text(projects.main.name, devices, assumed or Assumptions(), notes)
    plant = _read_back(text, ini_file)
    progress("reading tags")
    tags, variables = convert_tags(
        projects.records("variable.dbf", notes), devices, plant.devices, check_address, notes
    )
    files = {PLANT_FILE: text.encode(), INI_FILE: ini_data, TAGS_FILE: tags}
    counts = {
        "I/O server": len(devices.io_servers),
        "I/O device": len(devices.all),
        "tag": len(variables.tags),
    }
    progress("reading alarms and trends")
    _add_task_files(projects, variables, ini_file, files, counts, notes)
    _list_parameters(projects, ini_file, notes)
    return Imported(projects.main.name, files, tuple(notes.all), counts)


def _find_ini(projects: Projects, notes: Notes) -> tuple[str, bytes]:
    for project in reversed(projects.all):
        if INI_FILE in project.files.names:
            return project.files.label(INI_FILE), project.files.read(INI_FILE)
    label = projects.main.files.label(INI_FILE)
    why = "the project holds no citect.ini: every parameter has its default; --ini names one"
    notes.add(NoteKind.PLACEHOLDER, label, why)
    return label, _NO_INI


def _devices(projects: Projects, notes: Notes) -> Devices:
    ports = Ports(projects.records("boards.dbf", notes), projects.records("ports.dbf", notes), notes)
    devices = convert_units(projects.records("units.dbf", notes), ports, notes)
    if not devices.all:
        reasons = [str(note) for note in notes.all if note.kind is NoteKind.LEFT_OUT]
        raise RefusedError(
            projects.main.files.label("units.dbf"),
            f"no I/O device can be represented{f' ({reasons[0]})' if reasons else ''}",
            "without one there is nothing to change over",
        )
    return devices


def _read_back(text: str, ini: IniFile) -> PlantFile:
    """The plant.toml as its own reader sees it, and every fault of it and of the ini."""
    findings = Findings()
    root = Table(PLANT_FILE, tomllib.loads(text), (), TomlLines(text), findings)
    plant = read_plant(root, ini, None)
    check_ini(ini, {device.protocol for device in plant.devices.values()}, findings)
    if findings.problems:
        raise _refused(findings.problems)
    return plant


def _refused(problems: Iterable[Diagnostic]) -> RefusedError:
    first, *others = problems
    place = first.file if first.line is None else f"{first.file}:{first.line}"
    more = f" (and {len(others)} more)" if others else ""
    return RefusedError(place, f"{first.parameter}: {first.problem}", f"{first.allowed}{more}")


def _add_task_files(
    projects: Projects,
    variables: Variables,
    ini: IniFile,
    files: dict[str, bytes],
    counts: dict[str, int],
    notes: Notes,
) -> None:
    categories, known, names = convert_categories(projects.records("category.dbf", notes), notes)
    around = AlarmSurroundings(variables, known, names or frozenset(), _rate_period_s(ini))
    tables = ((table, projects.records(table.file, notes)) for table in TABLES)
    alarms, read_alarms = convert_alarms(tables, around, notes)
    trends, read_trends = convert_trends(projects.records("trend.dbf", notes), variables, notes)
    for table, what in NO_COUNTERPART.items():
        for record in projects.records(table, notes):
            record.note(notes, NoteKind.LEFT_OUT, "TAG", f"{what}: it has no counterpart here")
    _list_reports(projects, notes)
    if names is not None:
        files[CATEGORIES_FILE] = categories
    if read_alarms:
        files[ALARMS_FILE] = alarms
    if read_trends:
        files[TRENDS_FILE] = trends
    counts |= {"alarm": len(read_alarms), "trend": len(read_trends)}


def _rate_period_s(ini: IniFile) -> float:
    """[Alarm]Period in seconds, 60 without one."""
    entry = ini.get("Alarm", "Period")
    text = entry.value if entry is not None else ""
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0
    return seconds or RATE_PERIOD_S_DEFAULT


def _list_reports(projects: Projects, notes: Notes) -> None:
    """A report's file is a program in the product's own language: no template of ours says the same."""
    for record in projects.records("reports.dbf", notes):
        said = ", ".join(f"{c} {record.cells[c]}" for c in _REPORT_COLUMNS if record.cells.get(c))
        notes.add(
            NoteKind.LEFT_OUT, record.file,
            "its format file is no template of ours: write a template, and the schedule into reports.csv",
            record=record.number, column="NAME", value=said,
        )  # fmt: skip


def _list_parameters(projects: Projects, ini: IniFile, notes: Notes) -> None:
    """The project's own parameters: the ini, which beats them, is copied as it is, so they are not in it."""
    rows = (*PARAMETERS, *(row for driver in DRIVERS for row in driver.parameters))
    read = {(row.section.lower(), row.name.lower()) for row in rows if row.use is Use.READ}
    for record in projects.records("param.dbf", notes):
        section = record.get("SECTION", "SECTIONNAM", "SECT")
        name = record.get("NAME", "PARAM")
        kind = NoteKind.LEFT_OUT
        if ini.get(section, name) is not None:
            why = "citect.ini sets it, too, and beats the project's database"
        elif (section.partition(".")[0].lower(), name.lower()) in read:
            kind = NoteKind.PARAMETER
            why = "the forecast reads this parameter: add it to citect.ini, which is a copy of the site's"
        else:
            why = "nothing here reads this parameter"
        value = f"[{section}]{name}={record.get('VALUE', 'VAL')}"
        notes.add(kind, record.file, why, record=record.number, column="NAME", value=value)
