"""Files as text: encodings, sizes, and everything that is no text file."""

from __future__ import annotations

import codecs
import stat
from pathlib import Path, PurePosixPath

from changeover.config.diagnostics import Diagnostic, quoted

FILE_SIZE_MAX = 64 * 1024 * 1024
PROJECT = "a project is a folder with plant.toml, citect.ini and tags.csv"


class UnreadableFileError(Exception):
    """A file that cannot be read as text; `diagnostic` says why."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


def decode(data: bytes) -> str:
    """Bytes as text: utf-8 (a byte order mark is dropped), else cp1252.

    Never fails: the five bytes that cp1252 does not define, as files in other code pages have them, become
    replacement characters.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.removeprefix(codecs.BOM_UTF8).decode("cp1252", errors="replace")


def find_file(folder: Path, name: str) -> Path:
    """The file of that name in a folder, in any spelling of case: `CITECT.INI` is `citect.ini`.

    Returns:
        The exact name where it exists or nothing matches, else the first match by name.
    """
    exact = folder / name
    try:
        if exact.exists():
            return exact
        matches = sorted(path for path in folder.iterdir() if path.name.lower() == name.lower())
    except OSError:
        return exact
    return matches[0] if matches else exact


def inner_path_problem(text: str, folder: Path) -> str | None:
    """Why a text is no path of a file inside a folder; None where it is one.

    Args:
        text: The path as a project's file has it, relative, with `/` between folders.
        folder: The project's folder.
    """
    path = PurePosixPath(text)
    if "\\" in text:
        return f"{quoted(text)} has a backslash, '/' stands between folders"
    if path.is_absolute() or ".." in path.parts:
        return f"{quoted(text)} leads out of the project's folder"
    try:
        # A symbolic link can lead anywhere.
        if not (folder / text).resolve().is_relative_to(folder.resolve()):
            return f"{quoted(text)} leads out of the project's folder"
        if not (folder / text).exists():
            return f"{quoted(text)} does not exist"
        return None if (folder / text).is_file() else f"{quoted(text)} is no file"
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return f"{quoted(text)} cannot be read ({reason})"


def read_bytes(path: Path) -> bytes:
    """The content of a regular file of 8-bit text.

    Raises:
        UnreadableFileError: As `read_any_bytes`, or it holds NUL bytes.
    """
    data = read_any_bytes(path)
    nul = data.find(b"\0")
    if nul >= 0:
        raise _unreadable(
            path, "holds NUL bytes", "a text file in utf-8 or cp1252 is wanted", data.count(b"\n", 0, nul) + 1
        )
    return data


def read_any_bytes(path: Path) -> bytes:
    """The content of a regular file.

    Raises:
        UnreadableFileError: There is no such file, it is no regular file, too large, or may not be read.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _unreadable(path, "is no regular file", "a text file must have this name")
        if status.st_size > FILE_SIZE_MAX:
            raise _unreadable(path, f"is {status.st_size} bytes long", f"at most {FILE_SIZE_MAX} are read")
        return path.read_bytes()
    except FileNotFoundError:
        raise _unreadable(path, "does not exist", PROJECT) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreadable(path, f"cannot be read ({reason})", "it must be readable") from None


def _unreadable(path: Path, problem: str, allowed: str, line: int | None = None) -> UnreadableFileError:
    return UnreadableFileError(Diagnostic(str(path), line, path.name, problem, allowed))
