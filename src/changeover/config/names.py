"""Names and references: unique and compared without case, always handed on in the spelling of their owner."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Protocol, TypeVar

from changeover.config.diagnostics import quoted
from changeover.config.toml_lines import TomlPath
from changeover.config.toml_table import Table

_NAME = re.compile(r"\w[\w .-]*")
_NAME_LENGTH_MAX = 63


def is_name(text: str) -> bool:
    """Whether servers, computers and the like may be called that; it could be part of a file's name."""
    return len(text) <= _NAME_LENGTH_MAX and _NAME.fullmatch(text) is not None


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


class Names:
    """Names that are taken within one scope."""

    def __init__(self) -> None:
        self._owners: dict[str, tuple[TomlPath, str]] = {}

    def claim(self, table: Table, kind: str) -> str:
        """The `name` of a table, reported where it is malformed or taken; empty where there is none."""
        name = table.text("name")
        if not name:
            return ""
        if not is_name(name):
            table.problem(
                "name",
                f"{quoted(name)} is no name",
                f"a letter, digit or '_', then also '-', '.' and blanks, {_NAME_LENGTH_MAX} at most",
            )
        mine = (table.path, f"{kind} in line {table.lines.line(table.path)}")
        path, owner = self._owners.setdefault(name.lower(), mine)
        if path != table.path:
            table.problem(
                "name", f"{quoted(name)} is also the {owner}", "a name may be used once, in any case"
            )
        return name


def refer(table: Table, key: str, owners: Mapping[str, _N]) -> _N | None:
    """The owner that a key names; unknown names are reported, and None.

    Args:
        table: Where the reference stands.
        key: Its key.
        owners: What may be named, by name in lower case.
    """
    text = table.text(key)
    if not text:
        return None
    owner = owners.get(text.lower())
    if owner is None:
        table.problem(key, f"{quoted(text)} is not known", allowed_names(owners))
    return owner


def allowed_names(owners: Mapping[str, _N]) -> str:
    """The names that a reference may have, in words."""
    if not owners:
        return "there is none in this project yet"
    return f"allowed are {', '.join(owner.name for owner in owners.values())}"
