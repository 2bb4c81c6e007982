"""Values in .reg files: one line read as regedit would take it, and files of DWORDs written."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass

from changeover.config.diagnostics import quoted
from changeover.config.parameters import StackParameter

HEADER = "Windows Registry Editor Version 5.00"
DWORD_MAX = 0xFFFF_FFFF

_DELETED = re.compile(r"-[ \t]*(?:;.*)?")
_DWORD = re.compile(r"dword:[ \t]*([0-9a-fA-F]{1,8})[ \t]*(?:;.*)?")
_HEX = re.compile(r"hex(?:\(0*([0-9a-fA-F]{0,8})\))?:")
# Bytes go on in the next line behind a backslash; a comment may follow it.
_BYTES = re.compile(r"(?:[0-9a-fA-F, \t]++|\\[ \t]*+(?:;[^\n]*+)?\n)*+(?=;|\n|\Z)")
_BYTE = re.compile(r"[0-9a-fA-F]{1,2}")
_CONTINUATION = re.compile(r"\\[^\n]*\n")
_TYPES = {
    None: "REG_BINARY", "": "REG_NONE", "1": "REG_SZ", "2": "REG_EXPAND_SZ", "3": "REG_BINARY",
    "4": "REG_DWORD", "5": "REG_DWORD_BIG_ENDIAN", "6": "REG_LINK", "7": "REG_MULTI_SZ", "b": "REG_QWORD",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says of a value that should be a DWORD.

    Attributes:
        number: The number; None for a deletion, and where there is a fault.
        fault: Why Windows would not take it, empty where it would.
    """

    number: int | None
    fault: str = ""


def read_value(text: str, start: int, end: int) -> Said:
    """Read what follows the `=` of a value.

    Args:
        text: The file, its lines end in a line feed.
        start: Where the value begins.
        end: Where its key's values end.
    """
    line_end = text.find("\n", start, end)
    data = text[start : end if line_end < 0 else line_end]
    if _DELETED.fullmatch(data):
        return Said(None)
    dword = _DWORD.fullmatch(data)
    if dword:
        return Said(int(dword[1], 16))
    kind = _HEX.match(data)
    if kind is None and not data.startswith('"'):
        return Said(None, f"{quoted(data)} is no value: regedit skips the line")
    name = "REG_SZ" if kind is None else _TYPES.get(kind[1] and kind[1].lower(), f"type {kind[1]}")
    if kind is None or name != "REG_DWORD":
        return Said(None, f"{quoted(data)} is a {name}, which Windows ignores here")
    number = _read_bytes(text, start + kind.end(), end)
    return Said(number, "" if number is not None else f"{quoted(data)} is no REG_DWORD of four bytes")


def _read_bytes(text: str, start: int, end: int) -> int | None:
    """The number of a `hex(4):`, which may go on in the next lines."""
    found = _BYTES.match(text, start, end)
    parts = [part.strip(" \t") for part in _CONTINUATION.sub("", found[0]).split(",")] if found else []
    if len(parts) != 4 or not all(_BYTE.fullmatch(part) for part in parts):
        return None
    return int.from_bytes(bytes(int(part, 16) for part in parts), "little")


def example(row: StackParameter, number: int) -> str:
    """A value as a file has it, such as `"TcpMaxDataRetransmissions"=dword:00000005`."""
    return f'"{row.registry}"=dword:{number:08x}'


@dataclass(frozen=True, slots=True)
class RegistryChange:
    """A value that is to be written.

    Attributes:
        row: Its row of the table, one that a value of the registry sets.
        key: The key that holds it, in full.
        old: The number until now; None where none is set, so that the default of Windows counts.
        new: The number from then on, in the row's range.
    """

    row: StackParameter
    key: str
    old: int | None
    new: int


def registry_text(changes: Iterable[RegistryChange]) -> bytes:
    r"""A .reg file that sets some values and no other: Version 5.00, UTF-16LE with a byte order mark, CRLF.

    Args:
        changes: What to set, in the order of the file; the values of a key that is named again are put where
            it is named first. Each has a comment with its old and its new number, because a dword is
            hexadecimal.
    """
    keys: dict[str, list[RegistryChange]] = {}
    for change in changes:
        assert change.key.isprintable() and 0 <= change.new <= DWORD_MAX, change
        keys.setdefault(change.key, []).append(change)
    lines = [HEADER, ""]
    for key, values in keys.items():
        lines.append(f"[{key}]")
        for change in values:
            lines += [_comment(change), example(change.row, change.new)]
        lines.append("")
    return codecs.BOM_UTF16_LE + "\r\n".join([*lines, ""]).encode("utf-16-le")


def _comment(change: RegistryChange) -> str:
    row = change.row
    old = f"not set ({row.in_words(row.default)})" if change.old is None else row.in_words(change.old)
    return f"; {row.registry}: was {old}, becomes {row.in_words(change.new)}"
