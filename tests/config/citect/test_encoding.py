"""The guess of a code page, with texts as real projects have them."""

from __future__ import annotations

import pytest

from changeover.config.citect.encoding import CODECS, guess_encoding
from changeover.config.citect.notes import NoteKind

from .conftest import Site

TEXTS = {
    "cp932": [
        "第1ポンプ 運転", "水位 高警報", "受水槽水位", "流量計 異常", "ﾎﾟﾝﾌﾟ 故障", "弁 開",
        "非常停止", "温度（℃）",
        "電圧", "圧力 低",
    ],
    "cp1251": [
        "Насос 1 работает", "Уровень в резервуаре", "авария", "Давление, кПа", "ВКЛ", "м3/ч", "Расход воды",
        "Задвижка №3 закрыта", "°C наружный воздух",
    ],
    "latin-1": [
        "Förderhöhe", "Durchfluss m³/h", "Température °C", "Vanne fermée", "Überlauf Becken", "nivel máximo",
        "Bomba nº 2", "Grundwassermeßstelle", "±5 %",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_the_texts_of_a_project_tell_its_code_page(name: str) -> None:
    texts = [text.encode(CODECS[name]) for text in TEXTS[name]]
    guess = guess_encoding([b"PLC1", *texts], [0, 0])
    assert (guess.name, guess.is_guess) == (name, True)
    assert f"of {sum(not text.isascii() for text in texts)} texts" in guess.why


def test_plain_texts_need_no_guess() -> None:
    assert not guess_encoding([b"Pump 1"], []).is_guess


@pytest.mark.parametrize(
    ("language", "name"), [(0xC9, "cp1251"), (0x7B, "cp932"), (0x13, "cp932"), (0x03, "latin-1")]
)
def test_the_language_driver_is_believed(language: int, name: str) -> None:
    assert guess_encoding([b"\xcd\xe0\xf1\xee\xf1"], [language, 0]).name == name


def test_language_drivers_that_differ_say_nothing() -> None:
    assert guess_encoding(["Насос".encode("cp1251")], [0x7B, 0x03]).name == "cp1251"
    assert guess_encoding(["Насос".encode("cp1251")], [0x57]).name == "cp1251"


@pytest.mark.parametrize("name", sorted(TEXTS))
@pytest.mark.parametrize("said", [True, False])
def test_comments_come_out_as_they_were_written(site: Site, name: str, said: bool) -> None:
    site.encoding = CODECS[name]
    site.tables["variable.dbf"] = [
        {"NAME": f"T{i}", "TYPE": "INT", "UNIT": "PLC1", "ADDR": f"{40001 + i}", "COMMENT": text}
        for i, text in enumerate(TEXTS[name])
    ]
    result = site.run(encoding=name if said else None)
    assert [tag.comment for tag in result.load().plant.tags] == TEXTS[name]
    assert result.notes(NoteKind.INFORMATION)[0][3].startswith(f"texts are read as {name}: ")


def test_bytes_that_the_code_page_does_not_have_are_told(site: Site) -> None:
    site.encoding = "latin-1"
    site.tables["variable.dbf"][1] = {**site.tables["variable.dbf"][1], "COMMENT": "a\x81b"}
    result = site.run(encoding="latin-1")
    assert result.rows("tags.csv")[1]["comment"] == "a\N{REPLACEMENT CHARACTER}b"
    [(record, field, _, why)] = result.notes(NoteKind.CHANGED, "variable.dbf")
    assert (record, field) == (2, "COMMENT")
    assert "no latin-1" in why
