"""Each rule has one page in docs/reference/checks, and what it shows is what check says."""

from __future__ import annotations

import inspect
import re

import pytest

from changeover.config import ini_checks
from changeover.config.devices import PROTOCOLS_DIFFER
from changeover.config.diagnostics import PROJECT_FILE, Severity
from changeover.guide.check import RULES, check
from changeover.guide.rules import effects, ini_file, redundancy, timeouts, usage
from folders import Folder

from .check_page import PAGES, TABLE, Page, page_names, read_page, said_of

ERROR, WARNING = Severity.ERROR.value, Severity.WARNING.value
WHILE_READ = {
    "semicolon-comment": {ERROR, WARNING},
    "not-a-number": {ERROR, WARNING},
    "outside-range": {ERROR, WARNING},
    "line-without-equals": {ERROR, WARNING},
    PROTOCOLS_DIFFER: {ERROR},
    PROJECT_FILE: {ERROR, WARNING},
}
"""Rules that are found while the files are read, and what they may be."""

SEVERITIES = {
    **{rule.name: {rule.severity.value} for rule in RULES},
    "wrong-unit": {ERROR, WARNING},
    **WHILE_READ,
}
ROW = re.compile(r"^\| \[([a-z-]+)\]\(\1\.md\) \| ([a-z, ]+) \| (.+) \|$", re.MULTILINE)
SEVERITY = re.compile(r"^\S+: (error|warning|note): ", re.MULTILINE)


def titles() -> dict[str, str]:
    """What each rule looks for, in a line, where the code says it."""
    read = {
        name.replace("_", "-"): inspect.getdoc(function)
        for name, function in vars(ini_checks).items()
        if inspect.isfunction(function) and name.replace("_", "-") in WHILE_READ
    }
    found = {name: (text or "").partition("\n")[0].rstrip(".") for name, text in read.items()}
    return {**found, **{rule.name: rule.title for rule in RULES}}


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall((PAGES / TABLE).read_text("utf-8"))


def test_there_is_one_page_for_each_rule_and_each_rule_has_one() -> None:
    assert len(RULES) == len({rule.name for rule in RULES})
    assert set(page_names()) == set(SEVERITIES)


def test_the_table_lists_every_rule_once_with_severity_and_title() -> None:
    assert sorted(name for name, _, _ in rows()) == sorted(SEVERITIES)
    assert {name: set(severity.split(", ")) for name, severity, _ in rows()} == SEVERITIES
    listed = {name: title for name, _, title in rows()}
    assert {name: listed[name] for name in titles()} == titles()
    assert set(SEVERITIES) - set(titles()) == {PROTOCOLS_DIFFER, PROJECT_FILE}


def test_the_table_has_the_order_of_the_modules() -> None:
    modules = (ini_file, effects, timeouts, redundancy, usage)
    expected = [rule.name for module in modules for rule in module.RULES]
    assert [name for name, _, _ in rows()] == [*expected, *WHILE_READ]


def test_a_new_project_has_neither_errors_nor_warnings(folder: Folder) -> None:
    assert {one.rule for one in check(folder.load())} == {"limits-unmeasured", "single-lan"}
    assert folder.warnings() == []


@pytest.mark.parametrize("rule", page_names())
def test_a_page_opens_with_its_rule_its_severity_and_what_the_rule_looks_for(rule: str) -> None:
    page, listed = read_page(rule), {name: (severity, title) for name, severity, title in rows()}
    severity, title = listed[rule]
    assert page.heading == f"# {rule}"
    assert page.summary == f"**{severity.replace(', ', ' or ').capitalize()}.** {title}."


@pytest.mark.parametrize("rule", page_names())
def test_check_says_of_the_example_what_the_page_says_and_nothing_when_it_is_mended(
    folder: Folder, rule: str
) -> None:
    page = read_page(rule)
    original = {path: path.read_bytes() for path in folder.path.iterdir() if path.is_file()}
    for case in page.cases:
        for path, data in original.items():
            path.write_bytes(data)
        for block in case.broken:
            block.apply(folder)
        assert case.said
        assert said_of(folder, rule) == case.said
        for block in case.mended:
            block.apply(folder)
        assert said_of(folder, rule) == ""
        folder.load()
    assert shown(page) <= SEVERITIES[rule]
    assert rule != "wrong-unit" or shown(page) == SEVERITIES[rule]


def shown(page: Page) -> set[str]:
    return {severity for case in page.cases for severity in SEVERITY.findall(case.said)}
