"""HTML that cannot be broken by what stands in it: text is escaped because it is text, not because of care.

A plain string is text and gets escaped; only `Html`, which the functions here give back, is taken as it is.
"""

from __future__ import annotations

import unicodedata
from html import escape
from urllib.parse import quote

_VOID = frozenset({"meta", "br"})
_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REPLACEMENT = "\ufffd"


class Html(str):
    """Markup that is complete and escaped."""

    __slots__ = ()


def text(value: str) -> Html:
    """Text as markup: escaped, and free of characters that could not be stored or would turn lines round."""
    return Html(escape("".join(_shown(character) for character in value)))


def element(name: str, /, *children: str, **attributes: str | int | float | None) -> Html:
    """One element; an underscore in an attribute's name is a hyphen, one at its end is dropped.

    Args:
        name: Of the element.
        children: Text, or `Html` as it is.
        attributes: Their values as text; None leaves an attribute out.
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Html(f"<{name}{given}>")
    return Html(f"<{name}{given}>{together(*children)}</{name}>")


def together(*children: str) -> Html:
    """Several pieces, one after the other."""
    return Html("".join(child if isinstance(child, Html) else text(child) for child in children))


def folder_link(path: str, words: str) -> Html:
    """A link to a folder beside the page; a path from anywhere else is shown, not linked.

    Quoting leaves no colon, so that no path can name a scheme.
    """
    clean = text(path)
    if not path or path[0] in "/\\" or _REPLACEMENT in clean:
        return clean
    return element("a", words, href=quote(path.rstrip("/") + "/", safe="/"), title=path)


def _shown(character: str) -> str:
    if character in _BIDI or (unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"):
        return _REPLACEMENT
    return character
