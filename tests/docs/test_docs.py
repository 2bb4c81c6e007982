"""What the prose promises exists: files behind links, headings behind anchors, verbs, options, modules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from changeover.cli.alarms import ListOrAct
from changeover.cli.main import VERBS, main

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted(
    path
    for folder, pattern in (("", "*.md"), ("docs", "**/*.md"), ("changelog.d", "*.md"))
    for path in (ROOT / folder).glob(pattern)
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)[^`\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
COMMAND = re.compile(r"(?:^|[\s/])changeover ([a-z]+)\b([^\n#|]*)")  # two spaces: a table's heading
FINDING = re.compile(r"^(?: {4}(?:why|fix): |\S+: (?:error|warning|note): ).*", re.MULTILINE)  # prose, too
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
SOURCE = re.compile(r"`((?:src/changeover/|tests/|scripts/|docs/|cli/|config/|core/|drill/|drivers/|forecast/"
                    r"|model/|runtime/|scenario/|simulation/)[\w./-]*)`")  # fmt: skip


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_code(text: str) -> str:
    return CODE.sub("", FENCE.sub("", text))


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Verb and arguments of every `changeover` command in code."""
    blocks = [FINDING.sub("", match[3]) for match in FENCE.finditer(text) if match[2] != "diff"]
    pieces = blocks + CODE.findall(FENCE.sub("", text))
    for piece in pieces:
        for match in COMMAND.finditer(piece.strip("`")):
            yield match[1], match[2]


def test_there_is_something_to_test() -> None:
    assert len(PAGES) > 20
    assert {"README.md", "docs/tutorial.md", "docs/architecture.md"} <= {name(path) for path in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in LINK.findall(without_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_has_its_verb_and_options(page: Path) -> None:
    wrong = []
    for verb, arguments in commands(page.read_text("utf-8")):
        command = main.get_command(click.Context(main), verb)
        if command is None:
            wrong.append(verb)
            continue
        if isinstance(command, ListOrAct):
            command = command.get_command(next(iter(arguments.split()), "")) or command
        known = {option for parameter in command.params for option in parameter.opts}
        wrong += [f"{verb} {option}" for option in OPTION.findall(arguments) if option not in known]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_path_in_code_exists(page: Path) -> None:
    named = SOURCE.findall(FENCE.sub("", page.read_text("utf-8")))
    assert [path for path in named if not (ROOT / path).exists() and not _in_package(path)] == []


def _in_package(path: str) -> bool:
    return (ROOT / "src" / "changeover" / path).exists()


def test_the_readme_names_every_verb() -> None:
    named = re.findall(r"^\| `([a-z]+)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(VERBS)


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in LINK.findall(without_code(page.read_text("utf-8"))):
            file = (page.parent / link.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.exists() and file not in reached:
                waiting.append(file)
    pages = {path for path in PAGES if path.is_relative_to(ROOT / "docs")}
    assert {name(path) for path in pages - reached} == set()


def test_the_pictures_are_small_enough_to_load_with_a_page() -> None:
    pictures = [path for path in (ROOT / "docs" / "images").iterdir() if path.is_file()]
    assert pictures
    assert {name(path) for path in pictures if path.stat().st_size > 200_000} == set()
