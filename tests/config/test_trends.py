from __future__ import annotations

import pytest

from changeover.config.durations import DAY
from changeover.model.moment import MILLISECOND, SECOND
from changeover.model.trend import Trend, TrendType

from .conftest import Folder

HEADER = "tag,type,sampleper,trigger,area,retention\n"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("", None),
        ("Inflow,periodic,1,,,", None),
        ("Inflow,event,,,,", None),
        ("Inflwo,event,,,,", "tag: 'Inflwo' is no variable tag, did you mean Inflow?"),
        (",event,,,,", "tag: is empty, a variable tag of tags.csv is wanted"),
        ("Name,event,,,,", "tag: Name is a STRING tag, a tag whose value is a number is wanted"),
        (
            "Inflow,often,1,,,",
            "type: 'often' is not known, allowed are periodic, event, trn_periodic, trn_event",
        ),
        ("Inflow,,1,,,", "type: is empty, allowed are periodic, event"),
        ("Inflow,periodic,,,,", "sampleper: is empty, a periodic trend has one, such as 00:00:01 or 250ms"),
        ("Inflow,periodic,0,,,", "sampleper: '0' is out of range, allowed are 10ms to 24h"),
        ("Inflow,periodic,1 s.,,,", "sampleper: '1 s.' is no time, write HH:MM:SS, seconds"),
        ("Inflow,periodic,1,Pump,,", "trigger: 'Pump' is no variable tag"),
        ("Inflow,periodic,1,Name,,", "trigger: Name is a STRING tag"),
        ("Inflow,periodic,1,,256,", "area: 256 is out of range, allowed are 0 to 255"),
        ("Inflow,periodic,1,,,0", "retention: '0' is out of range, allowed are 1m to 36500d"),
        ("Inflow,periodic,1,,,90 days", "retention: '90 days' is no time"),
    ],
)
def test_rows(folder: Folder, row: str, expected: str | None) -> None:
    folder.append("tags.csv", "Name,STRING,PLC1,40014,,,,,,,\n")
    folder.write("trends.csv", f"{HEADER}{row}\n")
    if expected is None:
        assert len(folder.load().plant.trends) == (1 if row else 0)
        return
    problems = folder.problems()
    assert len(problems) == 1 and problems[0].startswith(f"trends.csv:2: {expected}"), problems


def test_trends(folder: Folder) -> None:
    folder.write(
        "trends.csv",
        f"{HEADER}inflow,TRN_PERIODIC,00:00:01,PUMP1_RUN,3,12w\nOutflow,Periodic,250ms,,,\n"
        "Pump1_Run,TRN_EVENT,,Pump1_Starts,,90d\n",
    )
    assert folder.load().plant.trends == (
        Trend("Inflow", TrendType.PERIODIC, SECOND, "Pump1_Run", 3, 84 * DAY),
        Trend("Outflow", TrendType.PERIODIC, 250 * MILLISECOND),
        Trend("Pump1_Run", TrendType.EVENT, 0, "Pump1_Starts", 0, 90 * DAY),
    )


def test_a_tag_is_recorded_once(folder: Folder) -> None:
    folder.write("trends.csv", f"{HEADER}Inflow,event,,,,\nOutflow,event,,,,\nINFLOW,periodic,1,,,\n")
    assert folder.problems() == [
        "trends.csv:4: tag: Inflow is recorded by line 2 already, a tag has one trend"
    ]


def test_the_period_of_an_event_trend_is_of_no_use(folder: Folder) -> None:
    folder.write("trends.csv", f"{HEADER}Inflow,event,1,,,\n")
    assert folder.warnings() == [
        "trends.csv:2: sampleper: is of no use, an event trend has none, leave it empty"
    ]
    assert folder.load().plant.trends[0].period == 0


def test_columns_of_the_products_table_may_stay(folder: Folder) -> None:
    folder.write(
        "trends.csv", "name,tag,type,sampleper,stormethod,cluster\nX,Inflow,TRN_PERIODIC,00:00:05,F,C1\n"
    )
    assert folder.load().plant.trends == (Trend("Inflow", TrendType.PERIODIC, 5 * SECOND),)
