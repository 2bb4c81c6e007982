from __future__ import annotations

import pytest

from changeover.model.alarm import Category

from .conftest import Folder

ALARMS = "tag,type,var_a,category\nA1,digital,Pump1_Run,{}\n"


def category(folder: Folder, written: str) -> Category:
    folder.write("alarms.csv", ALARMS.format(written))
    (alarm,) = folder.load().plant.alarms
    return alarm.category


def test_an_alarm_names_a_category_by_number_or_by_name(folder: Folder) -> None:
    folder.write("categories.csv", "category,name,priority,log\n7,Critical Ones,2,FALSE\n9,,5,\n")
    critical = Category(7, "Critical Ones", priority=2, logs=False)
    assert category(folder, "7") == category(folder, "007") == category(folder, "critical ones") == critical
    assert category(folder, "9") == Category(9, "", priority=5, logs=True)


def test_a_category_need_not_be_listed(folder: Folder) -> None:
    assert category(folder, "") == Category(0)
    assert category(folder, "16375") == Category(16375)
    (folder.path / "categories.csv").unlink()
    assert category(folder, "3") == Category(3)


def test_alarms_of_a_category_share_its_priority_unless_they_have_their_own(folder: Folder) -> None:
    folder.write("categories.csv", "category,priority\n7,2\n")
    folder.write(
        "alarms.csv",
        "tag,type,var_a,category,priority\nA,digital,Pump1_Run,7,\nB,digital,Pump1_Run,7,9\n"
        "C,digital,Pump1_Run,8,\n",
    )
    assert [alarm.urgency for alarm in folder.load().plant.alarms] == [2, 9, 0]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (",X,1,", "2: category: is empty, allowed are 0 to 16375"),
        ("16376,X,1,", "2: category: 16376 is out of range"),
        ("high,X,1,", "2: category: 'high' is not a whole number"),
        ("1,2,1,", "2: name: '2' is a number, a name has other characters"),
        ("1,X,300,", "2: priority: 300 is out of range, allowed are 0 to 255"),
        ("1,X,1,maybe", "2: log: 'maybe' is not known, allowed are true, false, yes, no, 1, 0"),
        ("1,X,1,\n01,Y,1,", "3: category: '1' is also the category in line 2"),
        ("1,X,1,\n2,x,1,", "3: name: 'x' is also the name of the category in line 2"),
    ],
)
def test_rows(folder: Folder, row: str, expected: str) -> None:
    folder.write("categories.csv", f"category,name,priority,log\n{row}\n")
    folder.write("alarms.csv", ALARMS.format("Nowhere"))
    problems = folder.problems()
    # The alarm's unknown name may be the one that is written wrongly here.
    assert len(problems) == 1 and problems[0].startswith(f"categories.csv:{expected}"), problems


def test_an_unknown_name_is_told_with_those_there_are(folder: Folder) -> None:
    folder.write("alarms.csv", ALARMS.format("Critcal"))
    assert folder.problems() == [
        "alarms.csv:2: category: 'Critcal' is no category, allowed are 0 to 16375, "
        "or Critical, Warning, Operation"
    ]
