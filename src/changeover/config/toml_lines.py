"""Lines of keys in a TOML text, which the standard library's parser does not tell.

The text has been accepted by `tomllib` before, so this scanner checks nothing: it only walks over keys and
values, and notes where each begins.
"""

from __future__ import annotations

import re
from bisect import bisect_right

TomlPath = tuple[str | int, ...]
"""A place in a document: keys, and indices into arrays, such as `("io_device", 0, "unit", 1, "mode")`."""

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]*")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:\\.|[^"\\])*"' r"|'[^']*'", re.DOTALL
)
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\]))')
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


class TomlLines:
    """The line of every table, array element and key of a valid TOML text.

    Args:
        text: The document, without byte order mark.

    Raises:
        RecursionError: Values are nested too deeply (tomllib raises it for the same texts).
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self._lines: dict[TomlPath, int] = {}
        self._array_tables: dict[TomlPath, int] = {}
        self._scan()

    def line(self, path: TomlPath) -> int:
        """The line of a place, from 1; of the nearest place around it where there is no such."""
        while path:
            found = self._lines.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return 1

    def _scan(self) -> None:
        table: TomlPath = ()
        self._skip_blank()
        while self._position < len(self._text):
            if self._text[self._position] == "[":
                table = self._header()
            else:
                self._key_and_value(table)
            self._skip_blank()

    def _header(self) -> TomlPath:
        line = self._line_here()
        is_array = self._text.startswith("[[", self._position)
        self._position += 2 if is_array else 1
        *outer, last = self._key()
        path: TomlPath = ()
        for part in outer:
            path = (*path, part)
            self._note(path, line)
            path = self._newest(path)
        path = (*path, last)
        if is_array:
            index = self._array_tables.get(path, -1) + 1
            self._array_tables[path] = index
            self._note(path, line)
            path = (*path, index)
        self._note(path, line)
        self._position = self._text.index("]", self._position) + (2 if is_array else 1)
        return path

    def _newest(self, path: TomlPath) -> TomlPath:
        index = self._array_tables.get(path)
        return path if index is None else (*path, index)

    def _key_and_value(self, table: TomlPath) -> None:
        line = self._line_here()
        path = table
        for part in self._key():
            path = (*path, part)
            self._note(path, line)
        self._position = self._text.index("=", self._position) + 1
        self._value(path)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip_blank()
            match = _BARE_KEY.match(self._text, self._position)
            if match:
                parts.append(match.group())
            else:
                match = _STRING.match(self._text, self._position)
                assert match, "tomllib accepted the text"
                parts.append(_unquoted(match.group()))
            self._position = match.end()
            self._skip_blank()
            if not self._text.startswith(".", self._position):
                return parts
            self._position += 1

    def _value(self, path: TomlPath) -> None:
        self._skip_blank()
        opening = self._text[self._position]
        if opening in "\"'":
            match = _STRING.match(self._text, self._position)
            assert match, "tomllib accepted the text"
            self._position = match.end()
        elif opening == "[":
            self._elements(path)
        elif opening == "{":
            self._pairs(path)
        else:
            match = _BARE_VALUE.match(self._text, self._position)
            assert match, "the expression matches the empty text"
            self._position = match.end()

    def _elements(self, path: TomlPath) -> None:
        self._position += 1
        index = 0
        while not self._at_closing("]"):
            self._note((*path, index), self._line_here())
            self._value((*path, index))
            index += 1

    def _pairs(self, path: TomlPath) -> None:
        self._position += 1
        while not self._at_closing("}"):
            self._key_and_value(path)

    def _at_closing(self, bracket: str) -> bool:
        """Skip blanks and a comma; where the bracket follows, skip that too."""
        self._skip_blank()
        if self._text[self._position] == ",":
            self._position += 1
            self._skip_blank()
        if self._text[self._position] != bracket:
            return False
        self._position += 1
        return True

    def _skip_blank(self) -> None:
        match = _BLANK.match(self._text, self._position)
        assert match, "the expression matches the empty text"
        self._position = match.end()

    def _line_here(self) -> int:
        return bisect_right(self._line_starts, self._position)

    def _note(self, path: TomlPath, line: int) -> None:
        self._lines.setdefault(path, line)


def _unquoted(key: str) -> str:
    if key[0] == "'":
        return key[1:-1]
    return _ESCAPE.sub(_character, key[1:-1])


def _character(match: re.Match[str]) -> str:
    four, eight, letter = match.groups()
    return _ESCAPED[letter] if letter else chr(int(four or eight, 16))
