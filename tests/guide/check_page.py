"""A page of docs/reference/checks as data: its examples, what check says of them, and how they are mended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from changeover.cli.main import main
from folders import Folder

PAGES = Path(__file__).parent.parent.parent / "docs/reference/checks"
TABLE = "README.md"
_SECTION = re.compile(r"^## ", re.MULTILINE)
_FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILES = {"ini": "citect.ini", "diff": "plant.toml"}


@dataclass(frozen=True)
class Block:
    """A change of one file: the whole of it (ini, csv), or lines of it (diff)."""

    kind: str
    file: str
    text: str

    def apply(self, folder: Folder) -> None:
        if self.kind == "diff":
            folder.write(self.file, _patched(folder.read(self.file), self.text))
        else:
            folder.write(self.file, self.text)


@dataclass(frozen=True)
class Case:
    """An example and its mending."""

    broken: tuple[Block, ...]
    said: str
    mended: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """One page."""

    heading: str
    summary: str
    cases: tuple[Case, ...]


def page_names() -> list[str]:
    """Ids of the rules that have a page."""
    return sorted(path.stem for path in PAGES.glob("*.md") if path.name != TABLE)


def read_page(rule: str) -> Page:
    """The page of a rule; its sections `Example…` and `Mended…` come in pairs."""
    head, *sections = _SECTION.split((PAGES / f"{rule}.md").read_text("utf-8"))
    heading, _, summary = (line.strip() for line in head.splitlines()[:3])
    kinds = [section.split(maxsplit=1)[0] for section in sections]
    assert kinds == ["Example", "Mended"] * (len(kinds) // 2) and kinds, kinds
    cases = []
    for example, mended in zip(sections[::2], sections[1::2], strict=True):
        *broken, said = _blocks(example)
        assert said.kind == "text", said
        cases.append(Case(tuple(broken), said.text, tuple(_blocks(mended))))
    return Page(heading, summary, tuple(cases))


def said_of(folder: Folder, rule: str) -> str:
    """What `changeover check` says for one rule, file names without their folder."""
    result = CliRunner().invoke(main, ["check", str(folder.path)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    found: list[list[str]] = []
    for line in result.stdout.splitlines():
        if line.startswith("    "):
            found[-1].append(line)
        elif line.endswith("]"):
            found.append([line.removeprefix(f"{folder.path}/")])
    return "".join(f"{line}\n" for lines in found if lines[0].endswith(f" [{rule}]") for line in lines)


def _blocks(section: str) -> Iterator[Block]:
    for kind, name, text in _FENCE.findall(section):
        yield Block(kind, name or _FILES.get(kind, ""), text)


def _patched(text: str, diff: str) -> str:
    """A file with the lines of a diff exchanged; those that it names must stand there exactly once."""
    lines = [line or " " for line in diff.splitlines()]
    assert {line[0] for line in lines} <= {" ", "-", "+"}, diff
    old, new = ("".join(f"{line[1:]}\n" for line in lines if line[0] in kept) for kept in (" -", " +"))
    assert old, "a diff names the lines beside it"
    assert f"\n{text}".count(f"\n{old}") == 1, f"not there once:\n{old}"
    return f"\n{text}".replace(f"\n{old}", f"\n{new}")[1:]
