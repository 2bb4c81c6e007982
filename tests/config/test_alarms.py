from __future__ import annotations

import pytest

from changeover.config.alarms import COLUMNS, OWN_COLUMNS
from changeover.model.alarm import Alarm, AlarmType, Category, Condition, Limit
from changeover.model.moment import MILLISECOND, SECOND

from .conftest import Folder

TAGS = """name,type,unit,addr,raw_zero,raw_full,eng_zero,eng_full,eng_units
Run1,DIGITAL,PLC1,00001,,,,,
Run2,DIGITAL,PLC1,00002,,,,,
Level,LONG,PLC1,40012,-1000,1000,0,6.5,m
Goal,INT,PLC1,40022,,,,,
Text,STRING,PLC1,40030,,,,,
Clock,DOUBLE,PLC1,40050,,,,,
Clock2,ULONG,PLC1,40060,0,4294967,0,4294967000,ms
Broken,FLOAT,PLC1,40070,,,,,
"""
SOUND_TAGS = TAGS.replace("Broken,FLOAT", "Broken,INT")


@pytest.fixture
def plant(bare: Folder) -> Folder:
    bare.write("tags.csv", SOUND_TAGS)
    return bare


def write(folder: Folder, cells: str) -> None:
    """One alarm, from `column=text` pairs with `|` between; what is not given has a sound value."""
    alarm = {"tag": "A1", "type": "digital"} | dict(pair.split("=", 1) for pair in cells.split("|") if pair)
    header, row = ",".join(alarm), ",".join(f'"{text}"' for text in alarm.values())
    folder.write("alarms.csv", f"{header}\n{row}\n")


def alarm(folder: Folder, cells: str) -> Alarm:
    write(folder, cells)
    (found,) = folder.load().plant.alarms
    return found


# Cells of one alarm, and its only problem after the file's name and the line.
PROBLEMS = [
    ("var_a=Rum1", "var_a: 'Rum1' is no variable tag, did you mean Run1?"),
    ("var_a=", "var_a: is empty, a variable tag of tags.csv is wanted"),
    ("var_a=NOT Quite_Else", "var_a: 'Quite_Else' is no variable tag, one of tags.csv is wanted"),
    ("var_a=Run1|var_b=not run1", "var_b: Run1 is var_a already, another variable is wanted, or none"),
    ("var_b=Run1", "var_a: is empty"),
    ("var_a=Text", "var_a: Text is a STRING tag, a tag whose value is a number is wanted"),
    ("var_a=Run1|tag=1x", "tag: '1x' is no alarm name, a letter or '_'"),
    ("var_a=Run1|tag=", "tag: '' is no alarm name"),
    ("var_a=Run1|delay=-1", "delay: '-1' is out of range, allowed are 0 to 24h"),
    ("var_a=Run1|delay=24:00:01", "delay: '24:00:01' is out of range, allowed are 0 to 24h"),
    ("var_a=Run1|delay=5 min", "delay: '5 min' is no time, write HH:MM:SS, seconds, or a number with ms"),
    ("var_a=Run1|high=5", "high: a digital alarm has no such column, its own are var_a, var_b, delay"),
    ("var_a=Run1|timer=Clock", "timer: a digital alarm has no such column"),
    ("type=digitel|var_a=Run1", "type: 'digitel' is not known, allowed are digital, analogue, time-stamped"),
    ("type=|var_a=Run1", "type: is empty, allowed are digital"),
    ("var_a=Run1|priority=256", "priority: 256 is out of range, allowed are 0 to 255"),
    ("var_a=Run1|priority=high", "priority: 'high' is not a whole number, allowed are 0 to 255"),
    ("var_a=Run1|area=-1", "area: -1 is out of range, allowed are 0 to 255"),
    ("var_a=Run1|category=16376", "category: 16376 is out of range, allowed are 0 to 16375"),
    ("var_a=Run1|category=Urgent", "category: 'Urgent' is no category, allowed are 0 to 16375"),
    ("type=analogue|var=Level", "type: an analogue alarm without a limit, at least one of highhigh, lowlow"),
    ("type=analogue|var=Text|high=5", "var: Text is a STRING tag"),
    ("type=analogue|var=Run1|high=5", "var: Run1 is a DIGITAL tag, write type digital, and the tag in var_a"),
    ("type=analogue|var=Level|low=3|high=3", "high: 3 is not above low, 3, lowlow < low < high < highhigh"),
    ("type=analogue|var=Level|lowlow=3|highhigh=1", "highhigh: 1 is not above lowlow, 3"),
    ("type=analogue|var=Level|high=x", "high: 'x' is not a number"),
    ("type=analogue|var=Level|high=1_0", "high: '1_0' is not a number"),
    ("type=analogue|var=Level|high=nan", "high: 'nan' is not a number"),
    ("type=analogue|var=Level|high=5|hdelay=1:00", "hdelay: '1:00' is no time"),
    ("type=analogue|var=Level|high=5|deadband=-1", "deadband: -1 is negative, 0 or more"),
    ("type=analogue|var=Level|rate=0", "rate: 0 is not above 0"),
    ("type=analogue|var=Level|deviation=-2|setpoint=Goal", "deviation: -2 is not above 0"),
    ("type=analogue|var=Level|deviation=2|setpoint=LEVEL", "setpoint: 'LEVEL' is var: it never deviates"),
    (
        "type=analogue|var=Level|deviation=2|setpoint=Gaol",
        "setpoint: 'Gaol' is no variable tag, did you mean",
    ),
    ("type=analogue|var=Level|deviation=2|setpoint=4m", "setpoint: '4m' is not a number"),
    ("type=analogue|var=Level|high=5|delay=2", "delay: an analogue alarm has no such column"),
    ("type=time-stamped|var=Run1|timer=Level2", "timer: 'Level2' is no variable tag, did you mean Level?"),
    (
        "type=time-stamped|var=Run1|timer=Goal",
        "timer: Goal cannot hold the milliseconds since 1970, it is INT",
    ),
    ("type=time-stamped|var_a=Run1|var=Run1", "var_a: a time-stamped alarm has no such column"),
    ("type=time-stamped|var=", "var: is empty"),
]


@pytest.mark.parametrize(("cells", "expected"), PROBLEMS, ids=[cells for cells, _ in PROBLEMS])
def test_one_mistake_is_one_diagnostic(plant: Folder, cells: str, expected: str) -> None:
    write(plant, cells)
    problems = plant.problems()
    assert len(problems) == 1 and problems[0].startswith(f"alarms.csv:2: {expected}"), problems


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("high=5|ldelay=2", "ldelay: delays nothing: there is no low, give low, or leave it empty"),
        ("high=5|setpoint=3", "setpoint: is of no use without deviation"),
        ("deviation=5", "setpoint: is empty: deviation is measured from 0, a number or a variable tag"),
        (
            "high=95",
            "high: 95 is outside of the scale of Level, limits are in engineering units, here 0 to 6.5 m",
        ),
    ],
)
def test_what_is_legal_but_of_no_use_is_a_warning(plant: Folder, cells: str, expected: str) -> None:
    write(plant, f"type=analogue|var=Level|{cells}")
    (warning,) = plant.warnings()
    assert warning.startswith(f"alarms.csv:2: {expected}")


def test_a_digital_alarm(plant: Folder) -> None:
    found = alarm(
        plant,
        "tag=Dry|name=Pump 1|desc=Runs dry|var_a=run1|var_b=NOT  Goal|delay=00:00:02.5|category=7|priority=3"
        "|area=4|comment=see manual|help=page7|cluster=C1",
    )
    assert found == Alarm(
        tag="Dry", name="Pump 1", type=AlarmType.DIGITAL, category=Category(7), variables=("Run1", "Goal"),
        inverted=(False, True), delay=2500 * MILLISECOND, priority=3, area=4, comment="see manual",
        description="Runs dry",
    )  # fmt: skip


def test_an_analogue_alarm_has_its_limits_in_the_order_of_their_conditions(plant: Folder) -> None:
    found = alarm(
        plant,
        "type=Analog|var=level|rate=0.5|deviation=2|devdelay=1|setpoint=goal|low=1|ldelay=00:00:02|lowlow=0.5"
        "|lldelay=250ms|high=5|highhigh=6|hhdelay=0|hdelay=|deadband=0.1",
    )
    assert (found.type, found.variables, found.set_point) == (AlarmType.ANALOGUE, ("Level",), "Goal")
    assert found.limits == (
        Limit(Condition.HIGH_HIGH, 6),
        Limit(Condition.LOW_LOW, 0.5, 250 * MILLISECOND),
        Limit(Condition.HIGH, 5),
        Limit(Condition.LOW, 1, 2 * SECOND),
        Limit(Condition.DEVIATION, 2, SECOND),
        Limit(Condition.RATE, 0.5),
    )
    order = list(Condition)
    positions = [order.index(limit.condition) for limit in found.limits]
    assert positions == sorted(positions)
    assert found.deadband == 0.1


@pytest.mark.parametrize(("text", "point"), [("3.5", 3.5), ("-2", -2.0), ("", 0.0), ("Run1", "Run1")])
def test_a_set_point_is_a_number_or_a_tag_and_0_where_it_is_missing(
    plant: Folder, text: str, point: float | str
) -> None:
    assert alarm(plant, f"type=analogue|var=Level|deviation=2|setpoint={text}").set_point == point


def test_a_time_stamped_alarm(plant: Folder) -> None:
    found = alarm(plant, "type=time-stamped|var=Goal|timer=clock")
    assert (found.type, found.variables, found.timer) == (AlarmType.TIME_STAMPED, ("Goal",), "Clock")
    assert alarm(plant, "type=time-stamped|var=Run1|timer=Clock2").timer == "Clock2"
    assert alarm(plant, "type=time-stamped|var=Run1").timer == ""


@pytest.mark.parametrize("kind", list(AlarmType), ids=lambda kind: kind.value)
def test_every_column_is_read_or_refused(plant: Folder, kind: AlarmType) -> None:
    limit = "|deviation=1" if kind is AlarmType.ANALOGUE else ""
    for column in set(COLUMNS.known) - {"name", "desc", "comment"}:
        write(plant, f"type={kind.value}{limit}|{column}=?")
        assert any(problem.startswith(f"alarms.csv:2: {column}: ") for problem in plant.problems()), column
    for column in OWN_COLUMNS[kind]:
        write(plant, f"type={kind.value}|{column}=?")
        assert not any("has no such column" in problem for problem in plant.problems())


def test_names_are_unique_in_any_case(plant: Folder) -> None:
    plant.write("alarms.csv", "tag,type,var_a\nA1,digital,Run1\nB1,digital,Run1\na1,digital,Run2\n")
    assert plant.problems() == [
        "alarms.csv:4: tag: 'a1' is also the alarm in line 2, names are unique, in any case"
    ]


def test_every_fault_of_a_row_and_of_every_row_is_listed(plant: Folder) -> None:
    plant.write(
        "alarms.csv",
        "tag,type,category,priority,area,var_a,delay,var,high,low,deadband\n"
        "1,digital,x,-1,300,Ru1,-5,Level,,,\n"
        "A2,analogue,,,,,,Levle,1,2,-1\n",
    )
    assert [problem.split(": ")[:2] for problem in plant.problems()] == [
        *(["alarms.csv:2", c] for c in ("tag", "category", "priority", "area", "var", "var_a", "delay")),
        *(["alarms.csv:3", c] for c in ("var", "high", "deadband")),
    ]


def test_a_faulty_tag_is_told_once_and_not_by_its_alarms_as_well(plant: Folder) -> None:
    plant.write("tags.csv", TAGS)
    write(plant, "var_a=broken")
    assert [problem.split(": ")[0] for problem in plant.problems()] == ["tags.csv:9"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("tags.csv", "name,type\n"), ("tags.csv", 'name,type,unit,addr\n"'), ("plant.toml", "x = [")],
)
def test_without_tags_nothing_is_said_of_their_names(plant: Folder, name: str, text: str) -> None:
    write(plant, "var_a=Run1|delay=-1")
    plant.write(name, text)
    problems = [problem for problem in plant.problems() if "alarms.csv" in problem]
    assert problems == ["alarms.csv:2: delay: '-1' is out of range, allowed are 0 to 24h"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: alarms.csv: has no header, allowed are tag, type, name"),
        ("tag,type,hihg\n", "1: header: 'hihg' is no column"),
        ("type,var_a\n", "1: header: column tag is missing"),
        ("tag;type;var_a\n", "1: header: the columns are not separated by commas"),
        ('tag,type\n"A1', "2: alarms.csv: is no CSV from here on"),
        ("tag,type\nA1,digital,Run1\n", "2: alarms.csv: has 3 fields, the header has 2"),
    ],
)
def test_the_file_as_a_whole(plant: Folder, text: str, expected: str) -> None:
    plant.write("alarms.csv", text)
    problems = plant.problems()
    assert len(problems) == 1 and problems[0].startswith(f"alarms.csv:{expected}"), problems


def test_many_unknown_tags_do_not_take_long_to_tell(plant: Folder) -> None:
    rows = "".join(f"A{n},digital,Rum{n}\n" for n in range(2000))
    plant.write("alarms.csv", "tag,type,var_a\n" + rows)
    problems = plant.problems()
    assert len(problems) == 2000
    assert 0 < sum("did you mean" in problem for problem in problems) < 20
