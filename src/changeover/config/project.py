"""A project: a folder with plant.toml, citect.ini and tags.csv, read and checked as one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from changeover.config.diagnostics import ConfigurationError, Diagnostic, Findings, sorted_diagnostics
from changeover.config.ini import IniFile, parse_ini
from changeover.config.plant import PlantFile, build_plant, read_plant
from changeover.config.tags import AddressChecker, read_tags
from changeover.config.text_file import UnreadableFileError, find_file, read_bytes
from changeover.config.timing import check_ini
from changeover.config.toml_table import read_toml
from changeover.model.plant import Plant
from changeover.model.tag import Tag

PLANT_FILE, INI_FILE, TAGS_FILE = FILES = ("plant.toml", "citect.ini", "tags.csv")


@dataclass(frozen=True, slots=True)
class Project:
    """A project without problems.

    Attributes:
        folder: As the user gave it.
        plant: What every other layer works from.
        ini: The whole citect.ini, unrelated parameters too.
        warnings: What is legal, but should be looked at; in file order, then by line.
        files: plant.toml, citect.ini and tags.csv as found.
    """

    folder: Path
    plant: Plant
    ini: IniFile
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
        ConfigurationError: With every diagnostic of all three files.
    """
    _check_folder(folder)
    findings = Findings()
    paths = tuple(find_file(folder, name) for name in FILES)
    names = [str(path) for path in paths]
    plant_path, ini_path, tags_path = paths
    ini = _read_ini(ini_path, findings)
    root = read_toml(plant_path, findings)
    read = read_plant(root, ini, version) if root else None
    check_ini(ini, {device.protocol for device in read.devices.values()} if read else set(), findings)
    tags = _read_tags(tags_path, read, check_address, findings)
    if findings.problems or read is None:
        raise ConfigurationError(
            sorted_diagnostics(findings.problems, names), sorted_diagnostics(findings.warnings, names)
        )
    _check_untagged(read, tags, findings)
    warnings = sorted_diagnostics(findings.warnings, names)
    return Project(folder, build_plant(read, ini, tags), ini, warnings, paths)


def _check_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
        problem = "is no folder" if folder.exists() else "does not exist"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    allowed = "a project is a folder with plant.toml, citect.ini and tags.csv"
    raise ConfigurationError([Diagnostic(str(folder), None, "project", problem, allowed)])


def _read_ini(path: Path, findings: Findings) -> IniFile:
    try:
        return parse_ini(read_bytes(path), str(path))
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return IniFile(str(path))


def _read_tags(
    path: Path, read: PlantFile | None, check_address: AddressChecker | None, findings: Findings
) -> tuple[Tag, ...]:
    try:
        data = read_bytes(path)
    except UnreadableFileError as error:
        findings.problems.append(error.diagnostic)
        return ()
    if read is None or not read.devices:
        # Without devices every tag's unit would be unknown: hundreds of lines about one broken plant.toml.
        return ()
    return read_tags(data, str(path), read.devices, check_address, findings)


def _check_untagged(read: PlantFile, tags: tuple[Tag, ...], findings: Findings) -> None:
    tagged = {tag.device for tag in tags}
    for table in read.root.tables("io_device"):
        if read.devices[str(table.values["name"]).strip().lower()].name not in tagged:
            findings.warnings.append(
                table.diagnostic(
                    "name", "no tag is in this device", "tags.csv should have one, or nobody sees it"
                )
            )
