"""`changeover import FOLDER|BACKUP.ctz OUT`: a Citect project becomes a project of ours."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import click

from changeover.cli.common import fail, json_option
from changeover.cli.new import refuse_occupied, write_files
from changeover.config.citect.archive import ArchiveSource
from changeover.config.citect.encoding import CODECS
from changeover.config.citect.importing import Imported, import_project
from changeover.config.citect.notes import NoteKind, notes_csv
from changeover.config.citect.plant_text import Assumptions
from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import DiskSource, Source
from changeover.config.diagnostics import ConfigurationError
from changeover.config.project import Project, load_project
from changeover.config.servers import PAGE_SCAN_MS_DEFAULT, PAGE_SCAN_MS_MAX, PAGE_SCAN_MS_MIN
from changeover.config.text_file import UnreadableFileError, read_bytes
from changeover.drivers.modbus.address import check_address
from changeover.model.policy import parse_version

NOTES_FILE = "import-notes.csv"
_SHOWN_OF_EACH_KIND = 5
_LANS_MAX = 8
_CLIENTS_MAX = 99


@click.command("import")
@click.argument("source", metavar="FOLDER|BACKUP.ctz", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--encoding", type=click.Choice(list(CODECS)), help="Code page of the texts; guessed without it."
)
@click.option("--ini", type=click.Path(path_type=Path, dir_okay=False), help="The site's Citect.ini.")
@click.option(
    "--version", help="The product's version, such as 3.40; the tables do not hold it. Without it 5.0."
)
@click.option("--lans", type=click.IntRange(1, _LANS_MAX), default=1, help="LANs that clients are on.")
@click.option("--clients", type=click.IntRange(1, _CLIENTS_MAX), default=1, help="Display clients.")
@click.option(
    "--page-scan-ms",
    type=click.IntRange(PAGE_SCAN_MS_MIN, PAGE_SCAN_MS_MAX),
    default=PAGE_SCAN_MS_DEFAULT,
    help="Period of their requests.",
)
@json_option
def command(
    source: Path,
    out: Path,
    encoding: str | None,
    ini: Path | None,
    version: str | None,
    lans: int,
    clients: int,
    page_scan_ms: int,
    as_json: bool,
) -> None:
    """Make a project of a Citect project's tables and ini; what has no counterpart is listed, row by row.

    FOLDER is the project's folder, with the projects that it includes beside it; BACKUP.ctz a backup of one.
    OUT must be new or empty.
    """
    assumed = Assumptions(_checked_version(version), lans, clients, page_scan_ms)
    try:
        with _progress() as progress:
            imported = _read(source, encoding, ini, assumed, progress)
            project = _write(imported, out, progress)
    except RefusedError as error:
        fail(str(error))
    if as_json:
        click.echo(json.dumps(_document(imported, project, out), indent=2, ensure_ascii=False))
    else:
        _print(imported, project, out)


def _checked_version(version: str | None) -> str | None:
    if version is not None:
        try:
            parse_version(version)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--version") from None
    return None if version is None else version.strip()


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """What is being done, on a terminal's stderr."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda stage: None
        return
    with console.status("") as status:
        yield status.update


def _read(
    source: Path,
    encoding: str | None,
    ini: Path | None,
    assumed: Assumptions,
    progress: Callable[[str], None],
) -> Imported:
    try:
        given = None if ini is None else (str(ini), read_bytes(ini))
        return import_project(
            _open(source), encoding=encoding, ini=given, assumed=assumed, check_address=check_address,
            progress=progress,
        )  # fmt: skip
    except UnreadableFileError as error:
        fail(str(error.diagnostic))
    except OSError as error:
        fail(
            f"{error.filename or source}: cannot be read ({error.strerror or error}), name a folder or a .ctz"
        )


def _open(source: Path) -> Source:
    return DiskSource(source) if source.is_dir() else ArchiveSource(source)


def _write(imported: Imported, out: Path, progress: Callable[[str], None]) -> Project:
    """Write the files, all or none, after they were loaded as every other verb loads them."""
    progress("writing and checking")
    files = {**imported.files, NOTES_FILE: notes_csv(imported.notes)}
    loaded: list[Project] = []
    try:
        refuse_occupied(out)
        write_files(out, files, lambda stage: loaded.append(_load(stage, out)))
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror or error}. Choose another folder.")
    return loaded[0]


def _load(stage: Path, out: Path) -> Project:
    """The project while it is still hidden; refused, in words, where it does not load."""
    try:
        return load_project(stage, check_address=check_address)
    except ConfigurationError as error:
        first = str(error.diagnostics[0]).replace(str(stage), str(out))
        more = len(error.diagnostics) - 1
        raise RefusedError(
            str(out),
            f"what was made of it cannot be used: {first}",
            f"nothing was written; {more} more like it",
        ) from None


def _document(imported: Imported, project: Project, out: Path) -> dict[str, object]:
    return {
        "name": imported.name,
        "out": str(out),
        "files": [*imported.files, NOTES_FILE],
        "counts": dict(imported.counts),
        "warnings": len(project.warnings),
        "notes": [{**asdict(note), "kind": note.kind.value} for note in imported.notes],
    }


def _print(imported: Imported, project: Project, out: Path) -> None:
    words = (f"{count} {name}{'' if count == 1 else 's'}" for name, count in imported.counts.items())
    click.echo(f"{imported.name}: {', '.join(words)}")
    for kind in NoteKind:
        notes = [note for note in imported.notes if note.kind is kind]
        if not notes:
            continue
        click.echo(f"\n{kind.value}: {len(notes)}, {kind.meaning}")
        for note in notes[:_SHOWN_OF_EACH_KIND]:
            click.echo(f"  {note}")
        if len(notes) > _SHOWN_OF_EACH_KIND:
            click.echo(f"  … {len(notes) - _SHOWN_OF_EACH_KIND} more")
    click.echo(f"\nwrote {', '.join(imported.files)} to {out}; every note is in {out / NOTES_FILE}")
    project_name = shlex.quote(str(out))
    warnings = f" ({len(project.warnings)} warnings)" if project.warnings else ""
    click.echo(f"next: changeover check {project_name}{warnings}   or: changeover forecast {project_name}")
