"""Everything that can be said against a project, as diagnostics in the order of its files."""

from __future__ import annotations

from collections.abc import Iterable

from changeover.config.diagnostics import Diagnostic, Severity, sorted_diagnostics
from changeover.config.project import Project
from changeover.guide.rules import effects, ini_file, redundancy, timeouts, usage
from changeover.guide.rules.rule import Rule
from changeover.guide.site import Site

RULES: tuple[Rule, ...] = (
    *ini_file.RULES,
    *effects.RULES,
    *timeouts.RULES,
    *redundancy.RULES,
    *usage.RULES,
)
"""Every rule that is asked of a project that can be used. What forbids its use is found while it is read."""


def check(project: Project, rules: Iterable[Rule] = RULES) -> tuple[Diagnostic, ...]:
    """Ask every rule of a project.

    Args:
        project: The project.
        rules: Which.

    Returns:
        What they find and the warnings of its files, in file order, then by line.
    """
    site = Site(project)
    found = [
        Diagnostic(*one.place, one.problem, one.fix, rule.name, rule.severity, one.why)
        for rule in rules
        for one in rule.find(site)
    ]
    files = [str(path) for path in project.files]
    return sorted_diagnostics((*project.warnings, *found), files)


def warnings(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Those that should be mended."""
    return tuple(one for one in found if one.severity is Severity.WARNING)
