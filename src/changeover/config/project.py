"""A project: a folder with plant.toml, citect.ini and csv files, read and checked as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from changeover.config.diagnostics import ConfigurationError, Diagnostic, Findings, sorted_diagnostics
from changeover.config.ini import IniFile, parse_ini
from changeover.config.ini_checks import check_ini
from changeover.config.plant import PlantFile, build_plant, read_plant
from changeover.config.stacks import Stacks
from changeover.config.tags import AddressChecker, read_tags
from changeover.config.task_files import TASK_FILES, read_task_files
from changeover.config.text_file import PROJECT, UnreadableFileError, find_file, read_bytes
from changeover.config.toml_table import Table, read_toml
from changeover.config.variables import Variables
from changeover.model.plant import Plant

FILES = ("plant.toml", "citect.ini", "tags.csv", *TASK_FILES)
"""The files of a project. The first three must be there."""


@dataclass(frozen=True, slots=True)
class Project:
    """A project without problems.

    Attributes:
        folder: As the user gave it.
        plant: What every other layer works from.
        ini: The whole citect.ini, unrelated parameters too.
        root: The plant.toml, for the lines of its tables.
        stacks: The numbers of network stacks, and where each is set.
        warnings: Rows that are legal, but should be looked at; in file order, then by line. What the project
            as a whole should be asked is in `changeover.guide.check`.
        files: Those of `FILES` that are there, as found, and the registry export behind plant.toml. Templates
            of reports are not among them.
    """

    folder: Path
    plant: Plant
    ini: IniFile
    root: Table
    stacks: Stacks
    warnings: tuple[Diagnostic, ...]
    files: tuple[Path, ...]


def load_project(
    folder: Path, *, version: str | None = None, check_address: AddressChecker | None = None
) -> Project:
    """Read and check a project.

    Args:
        folder: The project's folder.
        version: Replaces the version in plant.toml, as `--version` does; checked likewise.
        check_address: Called with protocol, address and type of each tag whose protocol this product speaks;
            returns what is wrong with the address, or None.

    Raises:
        ConfigurationError: With every diagnostic of all files.
    """
    _check_folder(folder)
    findings = Findings()
    names = [str(find_file(folder, name)) for name in FILES]
    plant_path, ini_path, tags_path = paths = tuple(find_file(folder, name) for name in FILES[:3])
    ini = _read_ini(ini_path, findings)
    root = read_toml(plant_path, findings)
    read = read_plant(root, ini, version) if root else None
    registry = [read.stacks.registry] if read and read.stacks.registry else []
    names[1:1] = [str(path) for path in registry]
    check_ini(ini, {device.protocol for device in read.devices.values()} if read else set(), findings)
    variables = _read_tags(tags_path, read, check_address, findings)
    tasks = read_task_files(folder, variables, findings)
    if findings.problems or read is None:
        raise ConfigurationError(
            sorted_diagnostics(findings.problems, names), sorted_diagnostics(findings.warnings, names)
        )
    plant = build_plant(read, ini, variables.tags, tasks)
    warnings = sorted_diagnostics(findings.warnings, names)
    files = (plant_path, *registry, *paths[1:], *tasks.paths)
    return Project(folder, plant, ini, read.root, read.stacks, warnings, files)


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        problem = "is no folder" if folder.exists() else "does not exist"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise ConfigurationError([Diagnostic(str(folder), None, "project", problem, PROJECT)])


def _read_ini(path: Path, findings: Findings) -> IniFile:
    try:
        return parse_ini(read_bytes(path), str(path))
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return IniFile(str(path))


def _read_tags(
    path: Path, read: PlantFile | None, check_address: AddressChecker | None, findings: Findings
) -> Variables:
    unread = Variables((), is_complete=False)
    try:
        data = read_bytes(path)
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return unread
    if read is None or not read.devices:
        # Without devices every tag's unit would be unknown: hundreds of lines about one broken plant.toml.
        return unread
    return read_tags(data, str(path), read.devices, check_address, findings)
