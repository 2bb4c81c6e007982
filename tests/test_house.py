"""The house rules that no other gate checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(r"^([a-z0-9-]+)==\S+", re.MULTILINE)


def wanted(section: list[str]) -> set[str]:
    """Names of the packages in a list of requirements."""
    return {re.split(r"[<>=!~ \[;]", requirement)[0].lower() for requirement in section}


def test_no_module_is_over_700_lines() -> None:
    modules = [*ROOT.glob("src/**/*.py"), *ROOT.glob("tests/**/*.py")]
    assert modules
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in modules}
    assert {name: length for name, length in lengths.items() if length > 700} == {}


def test_the_source_uses_the_words_of_the_glossary() -> None:
    wrong = re.compile(r"fail-?over|switch-?over", re.IGNORECASE)
    assert [str(path) for path in ROOT.glob("src/**/*.py") if wrong.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_holds_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text("utf-8")
    entries = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"\S*://\S*|^--.*", text, re.MULTILINE) == []


def test_the_locks_cover_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    run = set(PINNED.findall((ROOT / "requirements/run.txt").read_text("utf-8")))
    dev = set(PINNED.findall((ROOT / "requirements/dev.txt").read_text("utf-8")))
    assert wanted(project["project"]["dependencies"]) | wanted(project["build-system"]["requires"]) <= run
    assert wanted(project["dependency-groups"]["dev"]) <= dev


def test_changelog_fragments_are_numbered_and_open_with_a_sentence() -> None:
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    name = re.compile(r"(\d{4})-[a-z0-9-]+\.md")
    numbers = [match[1] for path in fragments if (match := name.fullmatch(path.name))]
    assert len(numbers) == len(fragments)
    assert len(set(numbers)) == len(numbers)
    assert [path.name for path in fragments if not re.match(r"[A-Z`][^\n]*\.", path.read_text("utf-8"))] == []


def test_every_decision_record_is_in_the_list() -> None:
    folder = ROOT / "docs/decisions"
    records = {path.name for path in folder.glob("*.md")} - {"README.md"}
    listed = re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", (folder / "README.md").read_text("utf-8"))
    assert sorted(records) == listed
