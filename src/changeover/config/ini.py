"""The dialect of Citect.ini.

Names of sections and parameters are case-insensitive; a line that starts with `#` is a comment, with `!` a
disabled parameter; `;` begins no comment; of duplicates the first wins, also across repeated sections; empty
values are legal; a value is everything after the first `=`. A real site's file has hundreds of parameters
and odd lines that are none of our business: they are kept, and never an error here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from changeover.config.text_file import decode

_NEWLINE = re.compile(r"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class IniEntry:
    """One line of the file, in its own spelling.

    Attributes:
        section: Section as written, empty before the first header.
        name: Parameter as written, without the `!` of a disabled one.
        value: Everything after the first `=`, stripped.
        line: Line number from 1.
        shadowed: An earlier entry of the same section and name wins.
        disabled: The line starts with `!`.
    """

    section: str
    name: str
    value: str
    line: int
    shadowed: bool = False
    disabled: bool = False

    @property
    def is_effective(self) -> bool:
        """Whether this entry is the one that counts."""
        return not (self.shadowed or self.disabled)


@dataclass(frozen=True, slots=True)
class OddLine:
    """A line that is neither header, comment nor parameter: ignored, but kept for checks."""

    section: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class IniFile:
    """A Citect.ini as read.

    Attributes:
        file: The file as the user named it.
        entries: Every entry in file order, shadowed and disabled ones too.
        odd_lines: Lines that say nothing in this dialect.
    """

    file: str
    entries: tuple[IniEntry, ...] = ()
    odd_lines: tuple[OddLine, ...] = ()
    _effective: dict[tuple[str, str], IniEntry] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        effective = {_key(e.section, e.name): e for e in self.entries if e.is_effective}
        object.__setattr__(self, "_effective", effective)

    def get(self, section: str, name: str) -> IniEntry | None:
        """The entry that counts, names in any case; None where there is none."""
        return self._effective.get(_key(section, name))


def parse_ini(data: bytes, file: str) -> IniFile:
    """Read the bytes of a Citect.ini; any bytes will do.

    Args:
        data: Content in utf-8 (with or without byte order mark), else cp1252; any line ends.
        file: Name for diagnostics.
    """
    entries: list[IniEntry] = []
    odd_lines: list[OddLine] = []
    seen: set[tuple[str, str]] = set()
    section = ""
    for number, raw in enumerate(_NEWLINE.split(decode(data)), start=1):
        text = raw.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("[") and "]" in text:
            section = text[1 : text.index("]")].strip()
            continue
        disabled = text.startswith("!")
        name, equals, value = text.removeprefix("!").partition("=")
        if not equals:
            if not disabled:
                odd_lines.append(OddLine(section, text, number))
            continue
        name = name.strip()
        key = _key(section, name)
        shadowed = not disabled and key in seen
        entries.append(IniEntry(section, name, value.strip(), number, shadowed, disabled))
        if not disabled:
            seen.add(key)
    return IniFile(file, tuple(entries), tuple(odd_lines))


def _key(section: str, name: str) -> tuple[str, str]:
    return section.lower(), name.lower()
