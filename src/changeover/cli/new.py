"""`changeover new FOLDER`: a commented example project that runs as it is."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path

import click

_FILES = (
    "plant.toml", "citect.ini", "tags.csv", "categories.csv", "alarms.csv", "trends.csv", "reports.csv",
    "reports/shift.html.j2",
)  # fmt: skip
"""Paths in the project; the template of each is a file of the same name, without its folder."""


class _Refused(click.ClickException):
    """The folder cannot be used; the message says what to do."""

    exit_code = 2


@click.command("new")
@click.argument("folder", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Write a commented example project into FOLDER, which must be new or empty."""
    try:
        refuse_occupied(folder)
        write_project(folder)
    except OSError as error:
        raise _Refused(
            f"{folder} cannot be written: {error.strerror or error}. Choose another folder."
        ) from None
    for name in _FILES:
        click.echo(f"wrote {folder / name}")
    project = shlex.quote(str(folder))
    click.echo(f"next: changeover forecast {project}   or: changeover up {project}")


def write_project(folder: Path) -> None:
    """Write the example's files into a new or empty folder: all of them, or nothing.

    Raises:
        OSError: They could not be written; nothing is left behind.
    """
    write_files(folder, {name: _template(name) for name in _FILES})


def write_files(
    folder: Path, files: Mapping[str, bytes], check: Callable[[Path], None] = lambda stage: None
) -> None:
    """Write files into a new or empty folder: all of them, or nothing.

    Args:
        folder: The folder.
        files: Content by path in the folder, with '/' between names.
        check: Called with the folder that the files are in before they are put in place; may raise.

    Raises:
        OSError: They could not be written; nothing is left behind.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    stage = None
    placed: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".changeover-new-", dir=folder))
        for name, data in files.items():
            (stage / name).parent.mkdir(exist_ok=True)
            (stage / name).write_bytes(data)
        check(stage)
        for name in dict.fromkeys(Path(name).parts[0] for name in files):
            (stage / name).rename(folder / name)
            placed.append(folder / name)
        stage.rmdir()
    except BaseException:
        for path in placed:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


def _template(name: str) -> bytes:
    return resources.files("changeover.cli").joinpath("template", Path(name).name).read_bytes()


def refuse_occupied(folder: Path) -> None:
    """End in words where no project must be written into a folder: it is no new or empty one.

    Raises:
        OSError: The folder cannot be read.
    """
    if folder.is_dir():
        if any(folder.iterdir()):
            raise _Refused(f"{folder} is not empty. Choose a new folder, or empty this one.")
    elif folder.exists() or folder.is_symlink():
        raise _Refused(f"{folder} is no folder. Choose another name.")
