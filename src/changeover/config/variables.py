"""Variable tags as what other files refer to, compared without case."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from changeover.config.csv_table import Row
from changeover.config.diagnostics import quoted
from changeover.model.tag import Tag, TagType

# Looking for similar names among many thousands takes a while: a file full of unknown ones must not.
_SUGGESTIONS_MAX = 5


class Variables:
    """The variable tags of a project.

    Args:
        tags: Those without a problem.
        faulty: Names of those with one, which is told already.
        is_complete: Whether there are no others. Where tags.csv could not be read as a whole, a name that is
            not known says nothing.
    """

    def __init__(self, tags: Iterable[Tag], faulty: Iterable[str] = (), is_complete: bool = True) -> None:
        self.tags = tuple(tags)
        self._by_name = {tag.name.lower(): tag for tag in self.tags}
        self._faulty = {name.lower() for name in faulty}
        self._is_complete = is_complete
        self._suggestions = 0

    def refer(self, row: Row, column: str, name: str | None = None) -> Tag | None:
        """The tag that a cell names.

        Args:
            row: The row.
            column: The column, for diagnostics.
            name: The name, the cell's text without.

        Returns:
            The tag; None where there is no sound one of that name, and unless that is told already, it is
            reported.
        """
        name = row.text(column) if name is None else name
        tag = self._by_name.get(name.lower())
        if tag is None and not name:
            row.problem(column, "is empty", "a variable tag of tags.csv is wanted")
        elif tag is None and self._is_complete and name.lower() not in self._faulty:
            row.problem(column, f"{quoted(name)} is no variable tag", self._advice(name))
        return tag

    def refer_number(self, row: Row, column: str, name: str | None = None) -> Tag | None:
        """As `refer`, for a tag whose value is a number: STRING tags are reported, and None."""
        tag = self.refer(row, column, name)
        if tag is not None and tag.type is TagType.STRING:
            row.problem(column, f"{tag.name} is a STRING tag", "a tag whose value is a number is wanted")
            return None
        return tag

    def _advice(self, name: str) -> str:
        if not self._by_name:
            return "tags.csv has none yet"
        if self._suggestions < _SUGGESTIONS_MAX:
            self._suggestions += 1
            for match in difflib.get_close_matches(name.lower(), self._by_name, n=1):
                return f"did you mean {self._by_name[match].name}?"
        return "one of tags.csv is wanted"
