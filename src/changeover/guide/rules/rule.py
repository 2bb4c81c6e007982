"""What a rule is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from changeover.config.diagnostics import Severity
from changeover.guide.site import Place, Site


class Found(NamedTuple):
    """One finding.

    Attributes:
        place: Where.
        problem: What is there.
        why: What it leads to, with its source.
        fix: What to do.
    """

    place: Place
    problem: str
    why: str
    fix: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        name: Its id, and the name of its page in docs/reference/checks.
        severity: Of all that it finds.
        find: Yields what it finds in a site.
    """

    name: str
    severity: Severity
    find: Callable[[Site], Iterator[Found]]

    @property
    def title(self) -> str:
        """What it looks for, in a line."""
        return (self.find.__doc__ or "").partition("\n")[0].rstrip(".")


def warning(find: Callable[[Site], Iterator[Found]]) -> Rule:
    """Make a rule of a function: what it finds should be mended."""
    return Rule(find.__name__.replace("_", "-"), Severity.WARNING, find)


def note(find: Callable[[Site], Iterator[Found]]) -> Rule:
    """Make a rule of a function: what it finds should be known, and may be meant."""
    return Rule(find.__name__.replace("_", "-"), Severity.NOTE, find)
