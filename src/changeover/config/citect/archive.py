"""A backup as a source: a zip archive, of which nothing is believed before it is checked.

Nothing is ever unpacked to disk. The whole directory of the archive is checked first, for names that lead out
of it, links and sizes; then only tables and ini files are read, each no longer than the directory said.
"""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import FILE_BYTES_MAX, READ_SUFFIXES, Budget, ProjectFiles

ENTRIES_MAX = 20_000
RATIO_MAX = 300
RATIO_FREE_BYTES = 16 * 1024 * 1024
"""Tables are mostly blanks and shrink a lot: only beyond this size a ratio is suspicious."""
PROJECT_TABLES = frozenset({"units.dbf", "variable.dbf"})

_DRIVE = re.compile(r"[A-Za-z]:")
_BACKUP = "a whole backup of a project, as the product makes it, is wanted"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
"""What the standard library raises at damaged, encrypted and unusual archives."""


@dataclass(frozen=True, slots=True)
class ArchiveProject:
    """The files in one folder of a backup.

    Attributes:
        name: The folder's name, at the top the backup's own.
        backup: The archive as the user named it.
        archive: The open archive.
        entries: By name in lower case.
        budget: What may still be read.
    """

    name: str
    backup: str
    archive: zipfile.ZipFile
    entries: Mapping[str, zipfile.ZipInfo]
    budget: Budget

    @property
    def names(self) -> Iterable[str]:
        """Files that may be read."""
        return self.entries

    def label(self, name: str) -> str:
        """The backup, and the path in it."""
        return f"{self.backup}: {self.entries[name].filename if name in self.entries else name}"

    def read(self, name: str) -> bytes:
        """The content of a file, no longer than the archive's directory says."""
        entry, label = self.entries[name], self.label(name)
        self.budget.take(label, entry.file_size)
        try:
            with self.archive.open(entry) as stream:
                data = stream.read(entry.file_size + 1)
        except _DAMAGE as error:
            raise RefusedError(label, f"cannot be unpacked ({error})", _BACKUP) from None
        if len(data) != entry.file_size:
            raise RefusedError(label, f"does not have the {entry.file_size} bytes that it says", _BACKUP)
        return data


class ArchiveSource:
    """A backup. The project is at its top, or in its only folder that holds one; included ones are in others.

    Args:
        path: The archive.

    Raises:
        RefusedError: It is no zip archive, damaged, or harmful.
        OSError: It cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._backup = str(path)
        with path.open("rb"):
            # What cannot be opened at all is told apart from what is no archive.
            pass
        try:
            archive = zipfile.ZipFile(path)
        except _DAMAGE as error:
            raise RefusedError(self._backup, f"is no zip archive ({error})", _BACKUP) from None
        entries = archive.infolist()
        self._check_size(entries, path.stat().st_size)
        folders: dict[str, dict[str, zipfile.ZipInfo]] = {}
        for entry in entries:
            self._sort_in(entry, folders)
        budget = Budget()
        self._projects = {
            folder: ArchiveProject(
                folder.rpartition("/")[2] or path.stem,
                self._backup,
                archive,
                dict(sorted(files.items())),
                budget,
            )
            for folder, files in folders.items()
        }
        self.main: ProjectFiles = self._main()

    def find(self, name: str) -> ProjectFiles | None:
        """A folder of the archive, of two of that name the one nearer to its top."""
        for folder in sorted(self._projects, key=lambda folder: (folder.count("/"), folder)):
            if folder and folder.rpartition("/")[2].lower() == name.lower():
                return self._projects[folder]
        return None

    def _check_size(self, entries: list[zipfile.ZipInfo], archive_bytes: int) -> None:
        if len(entries) > ENTRIES_MAX:
            raise RefusedError(self._backup, f"holds {len(entries)} files, at most {ENTRIES_MAX}", _BACKUP)
        total = sum(entry.file_size for entry in entries)
        if total > RATIO_FREE_BYTES and total > RATIO_MAX * archive_bytes:
            raise RefusedError(
                self._backup,
                f"its {archive_bytes} bytes would become {total}, over {RATIO_MAX} times as many",
                "unpack it with a tool that you trust, and import the folder",
            )

    def _sort_in(self, entry: zipfile.ZipInfo, folders: dict[str, dict[str, zipfile.ZipInfo]]) -> None:
        # Archives of that age hold backslashes as well.
        path = entry.filename.replace("\\", "/")
        label = f"{self._backup}: {path}"
        parts = path.split("/")
        if path.startswith("/") or _DRIVE.match(path) or ".." in parts:
            raise RefusedError(label, "leads out of the archive", _BACKUP)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise RefusedError(label, "is a link", _BACKUP)
        name = parts[-1].lower()
        if not name.endswith(READ_SUFFIXES):
            return
        if entry.file_size > FILE_BYTES_MAX:
            raise RefusedError(label, f"is {entry.file_size} bytes long, at most {FILE_BYTES_MAX}", _BACKUP)
        files = folders.setdefault("/".join(part for part in parts[:-1] if part not in ("", ".")), {})
        if name in files:
            raise RefusedError(
                label, f"{files[name].filename} is there, too", "one file of each name is wanted"
            )
        files[name] = entry

    def _main(self) -> ProjectFiles:
        holding = sorted(folder for folder, p in self._projects.items() if PROJECT_TABLES & p.entries.keys())
        if holding and (holding[0] == "" or len(holding) == 1):
            return self._projects[holding[0]]
        if not holding:
            wanted = " or ".join(sorted(PROJECT_TABLES))
            raise RefusedError(self._backup, f"holds no {wanted}", _BACKUP)
        names = ", ".join(holding[:10])
        fix = "unpack it, and import the folder of one"
        raise RefusedError(self._backup, f"holds several projects: {names}", fix)
