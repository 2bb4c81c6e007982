from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from changeover.config.ini import parse_ini


def value(text: str | bytes, section: str, name: str) -> str | None:
    data = text if isinstance(text, bytes) else text.encode()
    entry = parse_ini(data, "citect.ini").get(section, name)
    return None if entry is None else entry.value


def test_names_are_case_insensitive_and_keep_their_spelling() -> None:
    ini = parse_ini(b"[Lan]\r\nSENDTIMEOUT = 2000\r\n", "x/Citect.ini")
    entry = ini.get("LAN", "SendTimeout")
    assert entry is not None
    assert (entry.section, entry.name, entry.value, entry.line) == ("Lan", "SENDTIMEOUT", "2000", 2)


def test_first_duplicate_wins_also_across_repeated_sections() -> None:
    text = "[LAN]\nA=1\na=2\n[X]\nA=9\n[lan]\nA=3\nB=4\n"
    assert value(text, "LAN", "A") == "1"
    assert value(text, "LAN", "B") == "4"
    flags = [(e.value, e.shadowed) for e in parse_ini(text.encode(), "f").entries]
    assert flags == [("1", False), ("2", True), ("9", False), ("3", True), ("4", False)]


def test_comment_disabled_and_semicolon() -> None:
    text = "[LAN]\n#A=1\n!A=2\n ! A=3\n;A=4\nA=5 ; no comment\n"
    assert value(text, "LAN", "A") == "5 ; no comment"
    assert value(text, "LAN", ";A") == "4"
    disabled = [(e.name, e.value) for e in parse_ini(text.encode(), "f").entries if e.disabled]
    assert disabled == [("A", "2"), ("A", "3")]


def test_disabled_entry_shadows_nothing() -> None:
    assert value("[LAN]\n!A=1\nA=2\n", "LAN", "A") == "2"


def test_value_keeps_everything_after_the_first_equals_sign() -> None:
    assert value("[P]\nOpt= -I1.2.3.4 -P502=x \nEmpty=\n", "P", "opt") == "-I1.2.3.4 -P502=x"
    assert value("[P]\nEmpty=\n", "P", "Empty") == ""


def test_encodings_and_line_ends() -> None:
    assert value("\ufeff[Ä]\r\nü=é\r\n", "ä", "Ü") == "é"
    assert value("[Ä]\rü=é\r".encode("cp1252"), "ä", "Ü") == "é"
    # 0x81 is undefined in cp1252, as in a file with Japanese comments.
    assert value(b"[LAN]\nComment=\x81\x8f\nSendTimeout=2000\n", "LAN", "SendTimeout") == "2000"


def test_line_separators_of_unicode_do_not_shift_lines() -> None:
    ini = parse_ini("[A]\nx=a\u2028b\x0cc\ny=1\n".encode(), "f")
    entry = ini.get("A", "y")
    assert entry is not None and entry.line == 3


def test_odd_lines_are_kept_and_harmless() -> None:
    ini = parse_ini(b"text before\nx=0\n[LAN]\nno equals sign\n[broken\nA=1\n![X]\n", "f")
    assert [(odd.section, odd.text, odd.line) for odd in ini.odd_lines] == [
        ("", "text before", 1),
        ("LAN", "no equals sign", 4),
        ("LAN", "[broken", 5),
    ]
    assert ini.get("", "x") is not None
    assert ini.get("LAN", "A") is not None


@given(st.binary(max_size=400))
def test_any_bytes_can_be_read(data: bytes) -> None:
    ini = parse_ini(data, "f")
    assert all(1 <= entry.line <= 401 for entry in ini.entries)


_word = st.text("abcXYZ019_. äé", min_size=1, max_size=8).map(str.strip).filter(bool)
_noise = st.sampled_from(
    ["", "# [LAN]", "; SendTimeout", "!SendTimeout=7", "noise", "  ", "[Other]x", "=", "!"]
)


@given(
    content=st.dictionaries(
        st.tuples(_word, _word).map(lambda pair: (pair[0].lower(), pair[1].lower())), _word, max_size=8
    ),
    noise=st.lists(_noise, min_size=9, max_size=9),
    newline=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "cp1252"]),
    data=st.data(),
)
def test_known_content_amid_noise(
    content: dict[tuple[str, str], str], noise: list[str], newline: str, encoding: str, data: st.DataObject
) -> None:
    lines = [noise[-1]]
    places: dict[tuple[str, str], int] = {}
    for (section, name), text in content.items():
        lines.append(f"[{section.upper() if data.draw(st.booleans()) else section}]")
        lines.append(noise[len(places)].replace("[Other]x", "# x"))
        lines.append(f"  {name} = {text}")
        places[section, name] = len(lines)
        lines.append(f"{name}=shadowed")
    ini = parse_ini(newline.join(lines).encode(encoding), "f")
    for (section, name), text in content.items():
        entry = ini.get(section, name.upper())
        assert entry is not None
        assert (entry.value, entry.line) == (text, places[section, name])


def test_a_byte_order_mark_before_cp1252_does_not_hide_the_first_section() -> None:
    ini = parse_ini(b"\xef\xbb\xbf[LAN]\r\nSendTimeout=3000\r\nName=M\xfcller\r\n", "citect.ini")
    entry = ini.get("LAN", "SendTimeout")
    assert entry is not None
    assert entry.value == "3000"


def test_a_disabled_parameter_is_not_shadowed_by_the_one_before() -> None:
    ini = parse_ini(b"[LAN]\nSendTimeout=2000\n!SendTimeout=9000\n", "citect.ini")
    first, second = ini.entries
    assert first.is_effective
    assert (second.disabled, second.shadowed) == (True, False)
