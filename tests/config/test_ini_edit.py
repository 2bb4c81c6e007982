"""Setting parameters in a citect.ini: what is set is read back, and every other byte stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.config.ini import parse_ini
from changeover.config.ini_edit import Assignment, edited

CASES = {
    "where it stands": ("[LAN]\nSendTimeout=2000\n", "SendTimeout", "[LAN]\nSendTimeout=575\n"),
    "with its spelling and blanks": (
        "[lan]\r\nsendtimeout = 2000 \r\nX=1\r\n",
        "SendTimeout",
        "[lan]\r\nsendtimeout = 575 \r\nX=1\r\n",
    ),
    "where it was empty": ("[LAN]\nSendTimeout=\nX=1", "SendTimeout", "[LAN]\nSendTimeout=575\nX=1"),
    "the first of duplicates": (
        "[LAN]\nA=1\nSendTimeout=1\nSendTimeout=2\n",
        "SendTimeout",
        "[LAN]\nA=1\nSendTimeout=575\nSendTimeout=2\n",
    ),
    "behind the section's last line": (
        "[LAN]\n!SendTimeout=1\n# end\n\n[X]\n",
        "SendTimeout",
        "[LAN]\n!SendTimeout=1\n# end\nSendTimeout=575\n\n[X]\n",
    ),
    "at the end of a file without one": ("[LAN]\nA=1", "WatchTime", "[LAN]\nA=1\nWatchTime=575"),
    "in a section of its own": (
        "[A]\r\nB=1\r\n",
        "WatchTime",
        "[A]\r\nB=1\r\n\r\n[LAN]\r\nWatchTime=575\r\n",
    ),
    "in an empty file": ("", "WatchTime", "[LAN]\nWatchTime=575\n"),
    "in an empty section": ("[LAN]", "WatchTime", "[LAN]\nWatchTime=575"),
}


@pytest.mark.parametrize(("before", "name", "after"), CASES.values(), ids=CASES)
def test_a_parameter_is_set_where_it_stands_or_where_it_belongs(before: str, name: str, after: str) -> None:
    assert edited(before.encode(), [Assignment("LAN", name, 575)]).decode() == after


LINES = (
    b"[LAN]", b"[ lan ]", b"[IOSERVER]", b"[X", b"# [LAN]", b"!SendTimeout=1", b"SendTimeout=5",
    b"sendtimeout = 7 ", b"HeartTime=", b"Na\xefve=\xe9", b"", b"   ", b"=3", b"A=B=C", b"SendTimeout",
)  # fmt: skip
lines = st.sampled_from(LINES)
ends = st.sampled_from([b"\n", b"\r\n", b"\r", b""])


@given(
    st.lists(st.tuples(lines, ends), max_size=12),
    st.sampled_from(["SendTimeout", "HeartTime"]),
    st.booleans(),
)
def test_what_is_set_is_read_and_nothing_else_changes(
    parts: list[tuple[bytes, bytes]], name: str, has_mark: bool
) -> None:
    before = (b"\xef\xbb\xbf" if has_mark else b"") + b"".join(line + end for line, end in parts)
    after = edited(before, [Assignment("LAN", name, 4711)])
    found = parse_ini(after, "").get("LAN", name)
    assert found is not None
    assert found.value == "4711"
    assert edited(after, [Assignment("LAN", name, 4711)]) == after
    old = [(e.section.lower(), e.name.lower(), e.value) for e in parse_ini(before, "").entries]
    new = [(e.section.lower(), e.name.lower(), e.value) for e in parse_ini(after, "").entries]
    place = new.index(("lan", name.lower(), "4711"))
    assert [*new[:place], *new[place + 1 :]] in (old, [*old[:place], *old[place + 1 :]])
