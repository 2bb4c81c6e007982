"""variable.dbf, the alarm tables, trend.dbf, reports.dbf and param.dbf to our csv files."""

from __future__ import annotations

import pytest

from changeover.config.citect.notes import NoteKind
from changeover.model.alarm import AlarmType, Condition
from changeover.model.moment import SECOND
from changeover.model.tag import Scaling
from citect_projects import Row

from .conftest import Result, Site


def variable(name: str = "T", **more: object) -> Row:
    return {"NAME": name, "TYPE": "INT", "UNIT": "PLC1", "ADDR": "40010", **more}


def tags(site: Site, *rows: Row) -> Result:
    site.tables["variable.dbf"] = list(rows)
    return site.run()


def told(result: Result, kind: NoteKind, file: str) -> list[tuple[int | None, str]]:
    return [(record, field) for record, field, _, _ in result.notes(kind, file)]


@pytest.mark.parametrize(
    ("address", "kind", "ours"),
    [
        ("40001", "INT", "40001"),
        ("400001", "INT", "400001"),
        ("00001", "DIGITAL", "00001"),
        ("40001.1", "DIGITAL", "40001.15"),
        ("40001.16", "DIGITAL", "40001.0"),
        ("1454", "DIGITAL", "10454"),
        ("4000.1", "DIGITAL", None),
        ("454", "DIGITAL", None),
        ("40001.0", "DIGITAL", None),
        ("40001.17", "DIGITAL", None),
        ("D100", "INT", None),
        ("40001", "DIGITAL", None),
        ("40001", "STRING", None),
        ("", "INT", None),
    ],
)
def test_modbus_addresses(site: Site, address: str, kind: str, ours: str | None) -> None:
    result = tags(site, variable(ADDR=address, TYPE=kind), variable("Other"))
    found = [tag.address for tag in result.load().plant.tags if tag.name == "T"]
    assert found == ([] if ours is None else [ours])
    assert told(result, NoteKind.LEFT_OUT, "variable.dbf") == ([(1, "ADDR")] if ours is None else [])
    changed = ours is not None and ours != address
    assert told(result, NoteKind.CHANGED, "variable.dbf") == ([(1, "ADDR")] if changed else [])


def test_the_unit_id_of_a_device_goes_with_its_tags(site: Site) -> None:
    site.tables["units.dbf"] = [{**row, "ADDR": "7"} for row in site.tables["units.dbf"]]
    result = tags(site, variable(), variable("B", TYPE="DIGITAL", ADDR="40002.4"))
    assert [tag.address for tag in result.load().plant.tags] == ["40010:unit=7", "40002.12:unit=7"]


@pytest.mark.parametrize(
    ("one", "two", "records"), [("7", "8", [2]), ("300", "300", [1]), ("x", "1", [2, 1])]
)
def test_unit_ids_that_cannot_be_are_told(site: Site, one: str, two: str, records: list[int]) -> None:
    first, second = site.tables["units.dbf"]
    site.tables["units.dbf"] = [{**first, "ADDR": one}, {**second, "ADDR": two}]
    result = tags(site, variable())
    assert told(result, NoteKind.CELL_LEFT_OUT, "units.dbf") == [(record, "ADDR") for record in records]


def test_scaling_units_deadband_and_comment(site: Site) -> None:
    scale = {"RAW_ZERO": "-32000", "RAW_FULL": "32000", "ENG_ZERO": "0", "ENG_FULL": "6.5"}
    result = tags(
        site, variable(**scale, ENG_UNITS="m", DEADBAND="0.5", COMMENT="Level, of the basin", FORMAT="##.#EU")
    )
    [tag] = result.load().plant.tags
    assert tag.scaling == Scaling(-32000, 32000, 0, 6.5)
    assert (tag.units, tag.deadband, tag.comment) == ("m", 0.5, "Level, of the basin")
    assert result.rows("tags.csv")[0]["format"] == "##.#EU"
    assert told(result, NoteKind.CELL_LEFT_OUT, "variable.dbf") == []


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        ({"RAW_ZERO": "0"}, "RAW_ZERO"),
        ({"RAW_ZERO": "0", "RAW_FULL": "0", "ENG_ZERO": "0", "ENG_FULL": "1"}, "RAW_FULL"),
        ({"RAW_ZERO": "0", "RAW_FULL": "x", "ENG_ZERO": "0", "ENG_FULL": "1"}, "RAW_FULL"),
        ({"DEADBAND": "200"}, "DEADBAND"),
        ({"TYPE": "DIGITAL", "ADDR": "00001", "RAW_FULL": "1"}, "RAW_FULL"),
        ({"HISTORIAN": "1"}, "HISTORIAN"),
    ],
)
def test_cells_that_have_no_counterpart_do_not_take_the_tag(site: Site, cells: Row, column: str) -> None:
    result = tags(site, variable(**cells))
    [tag] = result.load().plant.tags
    assert tag.scaling is None
    assert told(result, NoteKind.CELL_LEFT_OUT, "variable.dbf") == [(1, column)]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (variable("1T"), "NAME"),
        (variable(""), "NAME"),
        (variable("x" * 80), "NAME"),
        (variable(TYPE="LONGBCD"), "TYPE"),
        (variable(TYPE="BYTE"), "TYPE"),
        (variable(UNIT="Nobody"), "UNIT"),
        (variable("OTHER"), "NAME"),
    ],
)
def test_tags_that_cannot_be_are_listed(site: Site, row: Row, column: str) -> None:
    result = tags(site, variable("Other"), row)
    assert [tag.name for tag in result.load().plant.tags] == ["Other"]
    assert told(result, NoteKind.LEFT_OUT, "variable.dbf") == [(2, column)]


def test_tags_may_name_any_unit_of_a_device(site: Site) -> None:
    result = tags(site, variable(UNIT="plc1_stby"))
    assert [tag.device for tag in result.load().plant.tags] == ["PLC1"]


# Alarms.


def test_digital_alarms(site: Site) -> None:
    site.tables["digalm.dbf"] = [
        {
            "TAG": "A1",
            "NAME": "Pump",
            "DESC": "is off",
            "VAR_A": "NOT Run",
            "VAR_B": "trip",
            "DELAY": "00:00:05",
            "CATEGORY": "2",
            "AREA": "3",
            "COMMENT": "c",
            "HELP": "Page1",
        },
        {"TAG": "A2", "VAR_A": "Run AND Trip"},
        {"TAG": "A3", "VAR_A": "Gone"},
        {"TAG": "a1", "VAR_A": "Run"},
        {"TAG": "A5", "VAR_A": "Run", "DELAY": "soon", "AREA": "North", "CATEGORY": "Pumps"},
        {"TAG": "A6", "VAR_A": "Run", "VAR_B": "Gone"},
    ]
    result = site.run()
    alarms = result.load().plant.alarms
    assert [alarm.tag for alarm in alarms] == ["A1", "A5"]
    assert (alarms[0].variables, alarms[0].inverted) == (("Run", "Trip"), (True, False))
    assert (alarms[0].delay, alarms[0].category.number, alarms[0].area) == (5 * SECOND, 2, 3)
    assert told(result, NoteKind.LEFT_OUT, "digalm.dbf") == [
        (2, "VAR_A"),
        (4, "TAG"),
        (3, "VAR_A"),
        (6, "VAR_B"),
    ]
    cells = told(result, NoteKind.CELL_LEFT_OUT, "digalm.dbf")
    assert sorted(cells, key=str) == [(5, "AREA"), (5, "CATEGORY"), (5, "DELAY")]
    assert result.rows("alarms.csv")[0]["help"] == "Page1"


@pytest.mark.parametrize("column", ["EXPR", "EXP"])
def test_advanced_alarms_of_a_bare_tag(site: Site, column: str) -> None:
    site.tables["advalm.dbf"] = [
        {"TAG": "B1", column: "Run", "DELAY": "10"},
        {"TAG": "B2", column: "not Trip"},
        {"TAG": "B3", column: "Level > 5"},
    ]
    result = site.run()
    alarms = result.load().plant.alarms
    assert [(alarm.tag, alarm.variables, alarm.inverted) for alarm in alarms] == [
        ("B1", ("Run",), (False,)), ("B2", ("Trip",), (True,)),
    ]  # fmt: skip
    [(record, field, value, _)] = result.notes(NoteKind.LEFT_OUT, "advalm.dbf")
    assert (record, field, value) == (3, column, "Level > 5")


def test_analogue_alarms(site: Site) -> None:
    site.files["citect.ini"] = b"[Alarm]\nPeriod=30\n"
    site.tables["anaalm.dbf"] = [
        {
            "TAG": "C1",
            "VAR": "Level",
            "HIGH": "80",
            "HDELAY": "00:00:02",
            "LOW": "10",
            "RATE": "60",
            "DEADBAND": "1",
            "LLDELAY": "00:00:00",
        },
        {"TAG": "C2", "VAR": "Level", "HIGH": "10", "LOW": "80", "HIGHHIGH": "90"},
        {"TAG": "C3", "VAR": "Level", "DEVIATION": "5", "SETPOINT": "Level2"},
        {"TAG": "C4", "VAR": "Level"},
        {"TAG": "C5", "VAR": "Level * 2", "HIGH": "1"},
        {"TAG": "C6", "VAR": "Level", "LOW": "1", "HDELAY": "5"},
    ]
    result = site.run()
    alarms = {alarm.tag: alarm for alarm in result.load().plant.alarms}
    assert set(alarms) == {"C1", "C2", "C6"}
    assert {limit.condition: limit.value for limit in alarms["C1"].limits} == {
        Condition.HIGH: 80, Condition.LOW: 10, Condition.RATE: 2,
    }  # fmt: skip
    assert [record for record, _ in told(result, NoteKind.LEFT_OUT, "anaalm.dbf")] == [4, 5, 3]
    assert told(result, NoteKind.CHANGED, "anaalm.dbf") == [(1, "RATE")]
    assert (6, "HDELAY") in told(result, NoteKind.CELL_LEFT_OUT, "anaalm.dbf")
    assert (2, "HIGH") in told(result, NoteKind.CELL_LEFT_OUT, "anaalm.dbf")


def test_alarms_with_times_of_the_device(site: Site) -> None:
    site.tables["hresalm.dbf"] = [{"TAG": "D1", "VAR": "Trip", "TIMER": "Level"}]
    site.tables["tsdig.dbf"] = [{"TAG": "D2", "VAR_A": "Run"}]
    site.tables["tsana.dbf"] = [{"TAG": "D3", "VAR": "Level", "LOW": "1"}]
    result = site.run()
    types = {alarm.tag: alarm.type for alarm in result.load().plant.alarms}
    assert types == {"D1": AlarmType.TIME_STAMPED, "D2": AlarmType.DIGITAL, "D3": AlarmType.ANALOGUE}
    assert told(result, NoteKind.CELL_LEFT_OUT, "hresalm.dbf") == [(1, "TIMER")]
    assert told(result, NoteKind.CHANGED, "tsdig.dbf") == [(1, "TAG")]
    assert told(result, NoteKind.CHANGED, "tsana.dbf") == [(1, "TAG")]


def test_multi_digital_alarms_are_listed_one_by_one(site: Site) -> None:
    site.tables["argdig.dbf"] = [{"TAG": "E1", "VAR_A": "Run"}, {"TAG": "E2", "VAR_A": "Trip"}]
    result = site.run()
    assert told(result, NoteKind.LEFT_OUT, "argdig.dbf") == [(1, "TAG"), (2, "TAG")]
    assert "alarms.csv" not in result.imported.files


def test_categories(site: Site) -> None:
    site.tables["category.dbf"] = [
        {"CATEGORY": "1", "PRIORITY": "3", "LOGDEV": "AlmLog"},
        {"CATEGORY": "2", "PRIORITY": "900", "LOGDEV": ""},
        {"CATEGORY": "Pumps"},
    ]
    site.tables["digalm.dbf"] = [{"TAG": f"A{n}", "VAR_A": "Run", "CATEGORY": n} for n in (1, 2)]
    result = site.run()
    one, two = (alarm.category for alarm in result.load().plant.alarms)
    assert (one.priority, one.logs) == (3, True)
    assert (two.priority, two.logs) == (0, False)
    assert told(result, NoteKind.LEFT_OUT, "category.dbf") == [(3, "CATEGORY")]
    assert told(result, NoteKind.CELL_LEFT_OUT, "category.dbf") == [(2, "PRIORITY")]


# Trends, reports, parameters, other tables.


def test_trends(site: Site) -> None:
    site.tables["trend.dbf"] = [
        {
            "NAME": "Tr1",
            "EXPR": "level",
            "TYPE": "TRN_PERIODIC",
            "SAMPLEPER": "00:00:10",
            "AREA": "4",
            "FILES": "2",
        },
        {"NAME": "Tr2", "EXPR": "Run", "TYPE": "TRN_EVENT", "TRIGGER": "Trip", "SAMPLEPER": "1"},
        {"NAME": "Tr3", "EXPR": "Level * 2", "TYPE": "TRN_PERIODIC", "SAMPLEPER": "1"},
        {"NAME": "Tr4", "EXPR": "Level", "TYPE": "TRN_PERIODIC", "SAMPLEPER": "1"},
        {"NAME": "Tr5", "EXPR": "Trip", "TYPE": "TRN_PERIODIC", "SAMPLEPER": "1", "TRIGGER": "Level > 1"},
        {"NAME": "Tr6", "EXPR": "Gone", "TYPE": "TRN_EVENT"},
        {"NAME": "Tr7", "EXPR": "Gone2", "TYPE": "TRN_EVENT", "TRIGGER": "Level > 1"},
        {"NAME": "Tr8", "EXPR": "Gone3", "TYPE": "TRN_PERIODIC_EVENT"},
    ]
    result = site.run()
    trends = result.load().plant.trends
    assert [(trend.tag, trend.period, trend.trigger, trend.area) for trend in trends] == [
        ("Level", 10 * SECOND, "", 4), ("Run", 0, "Trip", 0), ("Trip", SECOND, "", 0),
    ]  # fmt: skip
    assert sorted(record or 0 for record, _ in told(result, NoteKind.LEFT_OUT, "trend.dbf")) == [
        3,
        4,
        6,
        7,
        8,
    ]
    cells = told(result, NoteKind.CELL_LEFT_OUT, "trend.dbf")
    assert sorted(cells, key=str) == [(1, "FILES"), (2, "SAMPLEPER"), (5, "TRIGGER")]


def test_a_trend_without_a_period_is_listed(site: Site) -> None:
    site.tables["trend.dbf"] = [{"NAME": "Tr1", "EXPR": "Level", "TYPE": "TRN_PERIODIC"}]
    assert told(site.run(), NoteKind.LEFT_OUT, "trend.dbf") == [(1, "SAMPLEPER")]


def test_reports_are_listed_with_their_schedule(site: Site) -> None:
    site.tables["reports.dbf"] = [
        {"NAME": "Shift", "TIME": "6:00:00", "PERIOD": "8:00:00", "FORMAT": "shift.rpt"}
    ]
    result = site.run()
    [(record, _, value, why)] = result.notes(NoteKind.LEFT_OUT, "reports.dbf")
    assert (record, value) == (1, "NAME Shift, TIME 6:00:00, PERIOD 8:00:00, FORMAT shift.rpt")
    assert "no template of ours" in why
    assert "reports.csv" not in result.imported.files


def test_parameters_of_the_project_are_listed_with_what_to_do(site: Site) -> None:
    site.files["Citect.INI"] = b"[LAN]\nSendTimeout=2000\n"
    site.tables["param.dbf"] = [
        {"SECTION": "LAN", "NAME": "sendtimeout", "VALUE": "9000"},
        {"SECTION": "LAN", "NAME": "TimeOut", "VALUE": "4000"},
        {"SECTION": "MODNET.P1", "NAME": "Retry", "VALUE": "1"},
        {"SECTION": "Page", "NAME": "ScanTime", "VALUE": "250"},
    ]
    result = site.run()
    notes = result.notes(NoteKind.LEFT_OUT, "param.dbf")
    assert [(record, why) for record, _, _, why in notes] == [
        (1, "citect.ini sets it, too, and beats the project's database"),
        (4, "nothing here reads this parameter"),
    ]
    notes = result.notes(NoteKind.PARAMETER, "param.dbf")
    assert [(record, value) for record, _, value, _ in notes] == [
        (2, "[LAN]TimeOut=4000"),
        (3, "[MODNET.P1]Retry=1"),
    ]
    assert result.imported.files["citect.ini"] == site.files["Citect.INI"]


def test_tables_that_are_not_read_are_named(site: Site) -> None:
    site.files["pgdynobj.DBF"] = b"whatever"
    result = site.run()
    [(record, _, _, why)] = result.notes(NoteKind.NOT_IMPORTED, "pgdynobj.dbf")
    assert record is None
    assert "no counterpart" in why


def test_every_record_is_imported_or_noted(site: Site) -> None:
    """Nothing is dropped silently: of a table with all kinds of trouble, each record is somewhere."""
    rows = [
        variable(
            f"T{n}", ADDR=["40001", "D1", "40001.3", "", "9"][n % 5], TYPE=["INT", "DIGITAL", "BYTE"][n % 3]
        )
        for n in range(30)
    ]
    result = tags(site, *rows)
    there = {row["name"] for row in result.rows("tags.csv")}
    noted = {record for record, _ in told(result, NoteKind.LEFT_OUT, "variable.dbf")}
    assert there
    assert {n for n, row in enumerate(rows, 1) if row["NAME"] not in there} == noted
