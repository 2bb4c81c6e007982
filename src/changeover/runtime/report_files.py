"""Names of a run's files, and writing them: a reader finds a whole file, or none.

A file is written under a temporary name in its own folder, brought to the disk, and then renamed; the folder
is brought to the disk as well. Where any of it fails, nothing is left behind.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import time
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from changeover.model.moment import SECOND
from changeover.model.report import ReportFormat

_NAME_BYTES_MAX = 150
"""Of a report's part of a file name: with the rest it stays below 255, what file systems allow."""
_HASH_LENGTH = 16
_PLAIN = frozenset(" -_.")
"""Kept within a name; at its beginning they would hide the file, or look like an option."""
_TEMPORARY = ".report-"
_STALE_SECONDS = 3600.0


def file_name(report: str, scheduled_utc: int, form: ReportFormat) -> str:
    """The name of a run's file, such as `Shift-20261120T140000Z.html`; different runs have different names.

    Letters of any script, digits, blanks and `-_.` stay as they are; the rest is written as %XX, also one of
    the signs at the beginning. Of a very long name the beginning stays, and a digest of the whole.

    Args:
        report: The report's name.
        scheduled_utc: For when the run was scheduled, UTC nanoseconds since 1970.
        form: The file's format.
    """
    whole, rest = divmod(scheduled_utc, SECOND)
    shown = datetime.fromtimestamp(whole, UTC).strftime("%Y%m%dT%H%M%S") + (f".{rest:09}" if rest else "")
    return f"{_safe(report)}-{shown}Z.{form.value}"


def write_whole(folder: Path, name: str, content: bytes) -> None:
    """Write a file so that it is whole or not there, also after a power cut.

    Args:
        folder: Where to; it is made where it is missing.
        name: The file's name; an older file of that name is replaced.
        content: All of it.

    Raises:
        OSError: It cannot be written; no temporary file is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}.tmp"
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            _write_through(descriptor, content)
        finally:
            os.close(descriptor)
        temporary.rename(folder / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(folder)


def sweep(folder: Path) -> None:
    """Remove temporary files that a killed server left behind; those of the last hour may still be in use."""
    before = time.time() - _STALE_SECONDS
    # Where that is not possible, writing will tell.
    with suppress(OSError):
        for path in folder.glob(f"{_TEMPORARY}*.tmp"):
            # The other server may be sweeping the same folder.
            with suppress(OSError):
                found = path.lstat()
                if stat.S_ISREG(found.st_mode) and found.st_mtime < before:
                    path.unlink()


def _write_through(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no such thing; there a rename is as durable as it gets.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _safe(report: str) -> str:
    # A name that some file system would compose otherwise is written in full, so that none can meet another.
    composed = unicodedata.normalize("NFC", report) == report
    shown = "".join(
        character if _is_plain(character, position, composed) else _in_full(character)
        for position, character in enumerate(report)
    ).encode()
    if len(shown) <= _NAME_BYTES_MAX:
        return shown.decode()
    # Two % in a row are in no other name, so a shortened one cannot meet one that is not.
    digest = "%%" + hashlib.sha256(report.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return shown[: _NAME_BYTES_MAX - len(digest)].decode(errors="ignore") + digest


def _is_plain(character: str, position: int, composed: bool) -> bool:
    if character in _PLAIN:
        return position > 0
    return character.isalnum() and (composed or character.isascii())


def _in_full(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))
