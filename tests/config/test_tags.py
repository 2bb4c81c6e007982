from __future__ import annotations

import pytest

from changeover.model.tag import Scaling

from .conftest import Folder

HEADER = "name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units,deadband,comment\n"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("", None),
        (",,,,,,,,,,", None),
        ('A,INT,PLC1,40001,0,100,0,10,"m3, net",0.5,"two\nlines"', None),
        ("A,INT,PLC1,40001", None),
        ("1A,INT,PLC1,40001,,,,,,,", "2: name: '1A' is no tag name"),
        (",INT,PLC1,40001,,,,,,,", "2: name: '' is no tag name"),
        ("A,FLOAT,PLC1,40001,,,,,,,", "2: type: 'FLOAT' is not known, allowed are DIGITAL, INT"),
        ("A,INT,,40001,,,,,,,", "2: unit: '' is no I/O device, allowed are PLC1"),
        ("A,INT,PLC1,,,,,,,,", "2: addr: is empty"),
        ("A,INT,PLC1,40001,0,100,0,,,,", "2: raw_zero: without eng_full"),
        ("A,INT,PLC1,40001,0,x,0,1,,,", "2: raw_full: 'x' is not a number"),
        ("A,INT,PLC1,40001,0,inf,0,1,,,", "2: raw_full: 'inf' is not a number"),
        ("A,INT,PLC1,40001,5,5,0,1,,,", "2: raw_full: is equal to raw_zero"),
        ("A,INT,PLC1,40001,0,1,3,3,,,", "2: eng_full: is equal to eng_zero"),
        ("A,INT,PLC1,40001,,,,,,101,", "2: deadband: 101 is out of range"),
        ("A,INT,PLC1,40001,,,,,,,a,b", "2: tags.csv: has 12 fields"),
        ('A,INT,PLC1,40001,,,,,,,"open', "2: tags.csv: is no CSV from here on"),
        ('A,INT,PLC1,40001,,,,,,,"x\ny"\na,INT,PLC1,40002,,,,,,,', "4: name: 'a' is also the tag in line 2"),
    ],
)
def test_rows(bare: Folder, row: str, expected: str | None) -> None:
    bare.write("tags.csv", HEADER + row + "\n")
    if expected is None:
        bare.load()
        return
    problems = bare.problems()
    assert len(problems) == 1 and problems[0].startswith(f"tags.csv:{expected}"), problems


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: tags.csv: has no header"),
        ("name,type,unit\n", "1: header: column addr is missing"),
        ("name,type,unit,addr,raw_zer\n", "1: header: 'raw_zer' is no column"),
        ("name,type,unit,addr,name\n", "1: header: 'name' is there more than once"),
        ("name;type;unit;addr\n", "1: header: the columns are not separated by commas"),
    ],
)
def test_headers(bare: Folder, text: str, expected: str) -> None:
    bare.write("tags.csv", text)
    problems = bare.problems()
    assert len(problems) == 1 and problems[0].startswith(f"tags.csv:{expected}"), problems


def test_columns_in_any_order_and_case_and_cp1252(bare: Folder) -> None:
    text = "UNIT,Addr,name,type,cluster,eng_units,raw_zero,raw_full,eng_zero,eng_full\n"
    bare.write("tags.csv", (text + "PLC1,40001,Tür,INT,C1,°C,0,1e3,-50,50\n").encode("cp1252"))
    (tag,) = bare.load().plant.tags
    assert (tag.name, tag.units) == ("Tür", "°C")
    assert tag.scaling == Scaling(0, 1000, -50, 50)


def test_a_digital_tag_is_not_scaled(bare: Folder) -> None:
    bare.write("tags.csv", HEADER + "A,DIGITAL,PLC1,00001,0,1,0,10,,,\n")
    project = bare.load()
    assert project.plant.tags[0].scaling is None
    assert [str(w).split(": ", 1)[1] for w in project.warnings] == [
        "raw_zero: DIGITAL tags are not scaled, leave the four empty"
    ]


def test_a_device_without_tags_is_worth_a_warning(bare: Folder) -> None:
    bare.write("tags.csv", HEADER)
    assert "io_device.name: no tag is in PLC1" in bare.warnings()[0]
