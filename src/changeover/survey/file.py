"""network.json: written whole or not at all, and by one at a time."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


def claim(path: Path) -> socket.socket | None:
    """Claim a file for this process, until the claim is closed or the process ends; None where it is taken.

    A name in the kernel leaves nothing on the disk, and nothing to clean up after a loss of power.
    """
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = sha256(os.fsencode(path.resolve())).hexdigest()
    try:
        ours.bind(f"\0changeover-measure-{name}")
    except OSError:
        ours.close()
        return None
    return ours


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file: whoever reads it sees the old one or the new one, after a loss of power too.

    Raises:
        OSError: It could not be written; the old one is as it was.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        with suppress(OSError):
            beside.unlink()
        raise
    with suppress(OSError):
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
