"""Which code page a project's texts are in, where nobody says so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

CODECS = {"latin-1": "cp1252", "cp1251": "cp1251", "cp932": "cp932"}
"""What `--encoding` may say, and the codec: latin-1 is read as what Windows makes of it."""

_LANGUAGES = {
    0x03: "latin-1", 0x57: "latin-1", 0x58: "latin-1", 0x59: "latin-1",
    0xC9: "cp1251", 0x13: "cp932", 0x7B: "cp932",
}  # fmt: skip
"""Language drivers of a DBF header. 0x57 is whatever Windows was set to, and so no evidence."""
_NO_EVIDENCE = 0x57

_HIGH = re.compile(rb"[\x80-\xff]")
_KANA_AND_COMMON_KANJI = re.compile(rb"(?:[\x81-\x97][\x40-\x7e\x80-\xfc]){2,}|[\xa6-\xdf]{2,}")
_AMONG_LETTERS = re.compile(rb"[A-Za-z][\xa0-\xff](?![\x80-\xff])|(?<![\x80-\xff])[\xa0-\xff][A-Za-z0-9]")
_CYRILLIC_WORD = re.compile(rb"[\xa8\xb8\xc0-\xff]{3,}")


@dataclass(frozen=True, slots=True)
class Encoding:
    """A code page and why it was taken.

    Attributes:
        name: A key of `CODECS`.
        why: In words, for the notes.
        is_guess: Whether nobody said so.
    """

    name: str
    why: str
    is_guess: bool

    @property
    def codec(self) -> str:
        """Python's name of it."""
        return CODECS[self.name]


def guess_encoding(texts: Iterable[bytes], languages: Iterable[int]) -> Encoding:
    """The code page that a project's texts are most likely in.

    Args:
        texts: Cells, as they stand in the tables.
        languages: The tables' language drivers, 0 for none.

    Returns:
        What the language drivers say where they agree; else by the bytes: Japanese is mostly pairs whose
        first byte is 0x81 to 0x97, Russian words are whole runs of bytes from 0xC0 on, and in western
        European texts such bytes stand alone among plain letters. Where nothing speaks for any, latin-1.
    """
    said = {_LANGUAGES[code] for code in languages if code in _LANGUAGES and code != _NO_EVIDENCE}
    if len(said) == 1:
        return Encoding(said.pop(), "the tables' language driver says so", False)
    odd = [text for text in texts if _HIGH.search(text)]
    if not odd:
        return Encoding("latin-1", "all texts are plain ASCII", False)
    votes = Counter(_vote(text) for text in odd)
    name = max(CODECS, key=lambda name: votes[name])
    return Encoding(name, f"guessed: {votes[name]} of {len(odd)} texts look like it", True)


def _vote(text: bytes) -> str | None:
    """The code page that a text looks like; None where it could be any."""
    high = len(_HIGH.findall(text))
    japanese = sum(len(run) for run in _KANA_AND_COMMON_KANJI.findall(text))
    if 2 * japanese > high and _is_valid(text, "cp932") and not _mostly_cyrillic(text, high):
        return "cp932"
    if _mostly_cyrillic(text, high) and _is_valid(text, "cp1251"):
        return "cp1251"
    return "latin-1" if _AMONG_LETTERS.search(text) else None


def _mostly_cyrillic(text: bytes, high: int) -> bool:
    return 2 * sum(len(run) for run in _CYRILLIC_WORD.findall(text)) > high


def _is_valid(text: bytes, codec: str) -> bool:
    try:
        text.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
