"""A project made for loopback, copied so that it runs in the lab: 127.a.b.c becomes 10.a.b.c."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from changeover.config.project import FILES
from changeover.config.stacks import REGISTRY
from changeover.config.text_file import find_file
from changeover.drill.lab_plan import LabError

PLANT_FILE = "plant.toml"

# What may follow a value's place in TOML: a comment, or a string in one of its four forms. Comments are
# matched so that the quotes in them open no string.
_TOKEN = re.compile(
    r'#[^\n]*|"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'',
    re.DOTALL,
)
_LOOPBACK = re.compile(r"127((?:\.\d{1,3}){3}(?:[:/]\d+)?)")
_KEY_BEFORE = re.compile(r"([A-Za-z0-9_-]+)[ \t]*=[ \t]*$")
_NEVER_AN_ADDRESS = frozenset(
    {"name", "version", "network_protocol", "computer", "io_server", "protocol", "mode", "port_name"}
)


def rewrite_loopback(project: Path, out: Path, templates: Iterable[str] = ()) -> Path:
    """Copy a project's files with real addresses in place of loopback ones.

    Only subnets, computers' addresses and units' addresses that are loopback change, and each keeps its
    length in the file but for two characters; comments and everything else stay as they are.

    Args:
        project: The project's folder.
        out: Folder for the copy, made when it is missing; files of a project in it are replaced.
        templates: Of reports, paths in the project: the folders in which they lie are copied too.

    Returns:
        `out`.

    Raises:
        LabError: `out` is the project itself, plant.toml cannot be read or is no TOML, or holds addresses in
            a form that this function does not know; or a file cannot be copied.
    """
    if out.resolve() == project.resolve():
        raise LabError(f"{out} is the project itself, its copy needs a folder of its own")
    source = find_file(project, PLANT_FILE)
    try:
        text = source.read_bytes().decode("utf-8")
        rewritten = rewrite_loopback_text(text)
        out.mkdir(parents=True, exist_ok=True)
        (out / PLANT_FILE).write_bytes(rewritten.encode("utf-8"))
        for name in (*(name for name in FILES if name != PLANT_FILE), *_registry(text)):
            found = find_file(project, name)
            if found.exists():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(found, out / name)
        for folder in dict.fromkeys(PurePosixPath(template).parent for template in templates):
            _copy_folder(project / folder, out / folder)
    except (OSError, ValueError) as error:
        raise LabError(f"copy {project} to {out}: {error}") from error
    return out


def _registry(text: str) -> Iterator[str]:
    """The registry export that a plant.toml names, if any: what is copied must be a project, too."""
    windows = tomllib.loads(text).get("windows")
    name = windows.get(REGISTRY) if isinstance(windows, dict) else None
    if isinstance(name, str):
        yield name.strip()


def _copy_folder(source: Path, out: Path) -> None:
    """Copy the files of a folder, which may include each other; a project's own files are there already."""
    out.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_file() and not (out / path.name).exists():
            shutil.copyfile(path, out / path.name)


def rewrite_loopback_text(text: str) -> str:
    """plant.toml with 10.a.b.c for each loopback address 127.a.b.c.

    Raises:
        ValueError: The text is no TOML.
        LabError: An address is written in a form that this function does not know.
    """
    expected = _rewritten(tomllib.loads(text), under="")
    result = _TOKEN.sub(lambda token: _rewrite_token(token, text), text)
    if tomllib.loads(result) != expected:
        raise LabError(f'{PLANT_FILE}: write each address as key = "127.a.b.c", so that it can be replaced')
    return result


def _rewrite_token(token: re.Match[str], text: str) -> str:
    quoted = token.group()
    address = _LOOPBACK.fullmatch(quoted[1:-1])
    key = _KEY_BEFORE.search(text, text.rfind("\n", 0, token.start()) + 1, token.start())
    if quoted.startswith("#") or address is None or (key and key.group(1) in _NEVER_AN_ADDRESS):
        return quoted
    return f"{quoted[0]}10{address.group(1)}{quoted[-1]}"


def _rewritten(value: object, under: str) -> object:
    """The same data with loopback addresses replaced where the project's format has addresses."""
    if isinstance(value, dict):
        return {
            key: _rewritten(item, "addresses" if under == "addresses" else key) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_rewritten(item, under) for item in value]
    if isinstance(value, str) and under in ("subnet", "addresses", "address"):
        address = _LOOPBACK.fullmatch(value)
        return f"10{address.group(1)}" if address else value
    return value
