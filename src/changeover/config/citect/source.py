"""Where a Citect project comes from: a folder, or a backup of one, which is a zip archive (KB 3062)."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from changeover.config.citect.refusal import RefusedError

FILE_BYTES_MAX = 64 * 1024 * 1024
TOTAL_BYTES_MAX = 256 * 1024 * 1024
READ_SUFFIXES = (".dbf", ".ini")
"""Only these are read; a project holds pages, libraries and programs as well."""

_SMALLER = "a project's tables are smaller: is this one?"


@dataclass(slots=True)
class Budget:
    """Bytes that may still be read, of all files together."""

    left: int = TOTAL_BYTES_MAX

    def take(self, file: str, size: int) -> None:
        """Count a file before it is read; refused where it, or all together, are too large."""
        if size > FILE_BYTES_MAX:
            raise RefusedError(file, f"is {size} bytes long, at most {FILE_BYTES_MAX} are read", _SMALLER)
        if size > self.left:
            raise RefusedError(file, f"all tables take over {TOTAL_BYTES_MAX} bytes", _SMALLER)
        self.left -= size


class ProjectFiles(Protocol):
    """The files of one project, by name in lower case: the product's own tools vary the case."""

    @property
    def name(self) -> str:
        """The project's name, that of its folder."""
        ...

    @property
    def names(self) -> Iterable[str]:
        """Names of the files that may be read, in lower case, sorted."""
        ...

    def label(self, name: str) -> str:
        """A file as the user can find it."""
        ...

    def read(self, name: str) -> bytes:
        """The content of one of `names`."""
        ...


class Source(Protocol):
    """One project, and others that it may include."""

    @property
    def main(self) -> ProjectFiles:
        """The project that is imported."""
        ...

    def find(self, name: str) -> ProjectFiles | None:
        """A project by its name, in any case; None where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class DiskProject:
    """A project in a folder.

    Attributes:
        folder: The folder.
        shown: The folder as the user may see it.
        budget: What may still be read.
    """

    folder: Path
    shown: str
    budget: Budget
    _paths: Mapping[str, Path] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        paths: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            name = path.name.lower()
            if not name.endswith(READ_SUFFIXES):
                continue
            if name in paths:
                raise RefusedError(
                    f"{self.shown}/{path.name}", f"{paths[name].name} is there, too",
                    "names are the same in any case: remove one",
                )  # fmt: skip
            paths[name] = path
        object.__setattr__(self, "_paths", paths)

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.folder.resolve().name

    @property
    def names(self) -> Iterable[str]:
        """Files that may be read."""
        return self._paths

    def label(self, name: str) -> str:
        """Path of a file."""
        return f"{self.shown}/{self._paths[name].name}" if name in self._paths else f"{self.shown}/{name}"

    def read(self, name: str) -> bytes:
        """The content of a file; one that a link in the folder leads out of it to is refused."""
        path, label = self._paths[name], self.label(name)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise RefusedError(label, "is a link out of the project's folder", "copy the file itself")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(label, "is no regular file", "a table or an ini has this name")
        self.budget.take(label, status.st_size)
        return path.read_bytes()


class DiskSource:
    """A project's folder; the projects that it includes lie beside it.

    Args:
        folder: The project's folder.

    Raises:
        OSError: It cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._budget = Budget()
        self.main: ProjectFiles = DiskProject(folder, str(folder), self._budget)

    def find(self, name: str) -> ProjectFiles | None:
        """A folder beside the project's."""
        beside = self._folder.resolve().parent
        for path in sorted(beside.iterdir()):
            # A link may lead to anything: an included project is a folder of its own.
            if path.name.lower() == name.lower() and path.is_dir() and not path.is_symlink():
                return DiskProject(path, str(path), self._budget)
        return None
