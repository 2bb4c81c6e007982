"""alarms.csv: the alarms of a plant, in the columns of the product's alarm tables.

The product has a table for each type of alarm; here they share one file, told apart by the column `type`.
That, `priority` and the unit of `timer` are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from changeover.config.categories import PRIORITY_MAX, Categories
from changeover.config.csv_table import Claims, Columns, CsvTable, Row
from changeover.config.diagnostics import Findings, quoted
from changeover.config.variables import Variables
from changeover.model.alarm import Alarm, AlarmType, Category, Condition, Limit
from changeover.model.moment import DAY, Duration
from changeover.model.tag import Tag, TagType

DELAY_MAX: Duration = DAY
AREA_MAX = 255

_LIMITS: dict[Condition, tuple[str, str | None]] = {
    Condition.HIGH_HIGH: ("highhigh", "hhdelay"),
    Condition.LOW_LOW: ("lowlow", "lldelay"),
    Condition.HIGH: ("high", "hdelay"),
    Condition.LOW: ("low", "ldelay"),
    Condition.DEVIATION: ("deviation", "devdelay"),
    Condition.RATE: ("rate", None),
}
"""Columns of value and delay, in the order of `Condition`."""

_RISING = (Condition.LOW_LOW, Condition.LOW, Condition.HIGH, Condition.HIGH_HIGH)

OWN_COLUMNS = {
    AlarmType.DIGITAL: ("var_a", "var_b", "delay"),
    AlarmType.ANALOGUE: (
        "var", "setpoint", "highhigh", "hhdelay", "high", "hdelay", "low", "ldelay", "lowlow", "lldelay",
        "deviation", "devdelay", "rate", "deadband",
    ),
    AlarmType.TIME_STAMPED: ("var", "timer"),
}  # fmt: skip
"""Columns that only alarms of one type have, but for `var`, which two share."""

COLUMNS = Columns(
    "alarms.csv",
    (
        "tag", "type", "name", "desc", "category", "priority", "area", "comment",
        *dict.fromkeys(column for columns in OWN_COLUMNS.values() for column in columns),
    ),
    ("tag", "type"),
    (
        "help", "priv", "sequence", "format", *(f"custom{n}" for n in range(1, 9)), "cluster", "taggenlink",
        "paging", "paginggrp", "editcode", "linked", "historian", "equip", "item",
    ),
)  # fmt: skip

_TYPES = {kind.value: kind for kind in AlarmType} | {"analog": AlarmType.ANALOGUE}
_NOT = re.compile(r"not\s+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    variables: Variables
    categories: Categories
    claims: Claims


def read_alarms(
    data: bytes, file: str, variables: Variables, categories: Categories, findings: Findings
) -> tuple[Alarm, ...]:
    """Read an alarms.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        variables: What alarms watch.
        categories: What they belong to.
        findings: Takes the diagnostics.

    Returns:
        The alarms in file order, those with a problem left out.
    """
    around = _Surroundings(variables, categories, Claims("alarm"))
    alarms = (_read_alarm(row, around) for row in CsvTable(data, file, COLUMNS, findings))
    return tuple(alarm for alarm in alarms if alarm is not None)


def _read_alarm(row: Row, around: _Surroundings) -> Alarm | None:
    tag = row.name("tag", "alarm")
    around.claims.claim(row, "tag", tag)
    kind = row.choice("type", _TYPES)
    category = around.categories.refer(row)
    priority = row.whole("priority", 0, PRIORITY_MAX)
    area = row.whole("area", 0, AREA_MAX)
    alarm = Alarm(
        tag, row.text("name"), AlarmType.DIGITAL, category or Category(0), (), priority=priority,
        area=area or 0, comment=row.text("comment"), description=row.text("desc"),
    )  # fmt: skip
    if kind is not None:
        _refuse_foreign(row, kind)
        alarm = _READERS[kind](row, around.variables, alarm)
    return alarm if row.is_sound and category is not None else None


def _refuse_foreign(row: Row, kind: AlarmType) -> None:
    """Report what is filled in, but belongs to alarms of another type."""
    own = OWN_COLUMNS[kind]
    foreign = (column for columns in OWN_COLUMNS.values() for column in columns if column not in own)
    for column in dict.fromkeys(foreign):
        if row.text(column):
            article = "an" if kind is AlarmType.ANALOGUE else "a"
            row.problem(
                column, f"{article} {kind.value} alarm has no such column", f"its own are {', '.join(own)}"
            )


def _digital(row: Row, variables: Variables, alarm: Alarm) -> Alarm:
    names: list[str] = []
    inverted: list[bool] = []
    for column in ("var_a", "var_b"):
        text = row.text(column)
        if column == "var_b" and not text:
            continue
        negation = _NOT.match(text)
        tag = variables.refer_number(row, column, text[negation.end() :] if negation else text)
        if tag is not None and tag.name in names:
            row.problem(column, f"{tag.name} is var_a already", "another variable is wanted, or none")
        names.append(tag.name if tag else "")
        inverted.append(negation is not None)
    delay = row.duration("delay", 0, DELAY_MAX) or 0
    return replace(
        alarm, type=AlarmType.DIGITAL, variables=tuple(names), inverted=tuple(inverted), delay=delay
    )


def _analogue(row: Row, variables: Variables, alarm: Alarm) -> Alarm:
    tag = variables.refer_number(row, "var")
    if tag is not None and tag.type is TagType.DIGITAL:
        row.problem("var", f"{tag.name} is a DIGITAL tag", "write type digital, and the tag in var_a")
    limits = tuple(_limits(row))
    columns = [value for value, _ in _LIMITS.values()]
    if not any(row.text(column) for column in columns):
        row.problem(
            "type", "an analogue alarm without a limit", f"at least one of {', '.join(columns)} is wanted"
        )
    _check_order(row, limits)
    if tag is not None:
        _check_scale(row, limits, tag)
    deadband = row.number("deadband") or 0.0
    if deadband < 0:
        row.problem("deadband", f"{deadband:g} is negative", "0 or more, in engineering units")
    return replace(
        alarm,
        type=AlarmType.ANALOGUE,
        variables=(tag.name if tag else "",),
        limits=limits,
        set_point=_set_point(row, variables, tag),
        deadband=deadband,
    )


def _limits(row: Row) -> Iterator[Limit]:
    for condition, (column, delay_column) in _LIMITS.items():
        value = row.number(column)
        delay = row.duration(delay_column, 0, DELAY_MAX) if delay_column else None
        if delay_column and row.text(delay_column) and not row.text(column):
            row.warn(
                delay_column, f"delays nothing: there is no {column}", f"give {column}, or leave it empty"
            )
        if value is None:
            continue
        if condition in (Condition.DEVIATION, Condition.RATE) and value <= 0:
            row.problem(column, f"{value:g} is not above 0", "a distance, in engineering units, is wanted")
        yield Limit(condition, value, delay or 0)


def _check_order(row: Row, limits: tuple[Limit, ...]) -> None:
    values = {limit.condition: limit.value for limit in limits}
    given = [condition for condition in _RISING if condition in values]
    for below, above in pairwise(given):
        if values[below] >= values[above]:
            row.problem(
                _LIMITS[above][0],
                f"{values[above]:g} is not above {_LIMITS[below][0]}, {values[below]:g}",
                "lowlow < low < high < highhigh is wanted",
            )


def _check_scale(row: Row, limits: tuple[Limit, ...], tag: Tag) -> None:
    """A limit outside of the tag's scale is never reached, or always."""
    if tag.scaling is None:
        return
    least, most = sorted((tag.scaling.eng_zero, tag.scaling.eng_full))
    for limit in limits:
        if limit.condition in _RISING and not least <= limit.value <= most:
            column = _LIMITS[limit.condition][0]
            scale = f"{least:g} to {most:g} {tag.units}".strip()
            row.warn(
                column,
                f"{limit.value:g} is outside of the scale of {tag.name}",
                f"limits are in engineering units, here {scale}",
            )


def _set_point(row: Row, variables: Variables, tag: Tag | None) -> str | float | None:
    """What DEVIATION is measured from: 0 where nothing is said, as in the product."""
    text = row.text("setpoint")
    if not row.text("deviation"):
        if text:
            row.warn("setpoint", "is of no use without deviation", "give deviation, or leave it empty")
        return None
    if not text:
        row.warn("setpoint", "is empty: deviation is measured from 0", "a number or a variable tag")
        return 0.0
    if text[0] in "+-.0123456789":
        return row.number("setpoint")
    found = variables.refer_number(row, "setpoint")
    if found is not None and found == tag:
        row.problem(
            "setpoint", f"{quoted(text)} is var: it never deviates", "another tag or a number is wanted"
        )
    return found.name if found else None


def _time_stamped(row: Row, variables: Variables, alarm: Alarm) -> Alarm:
    tag = variables.refer_number(row, "var")
    timer = variables.refer_number(row, "timer") if row.text("timer") else None
    if timer is not None and not _holds_utc(timer):
        row.problem(
            "timer",
            f"{timer.name} cannot hold the milliseconds since 1970, it is {timer.type.value}",
            "a DOUBLE tag is wanted, or a LONG or ULONG that is scaled to milliseconds",
        )
    return replace(
        alarm,
        type=AlarmType.TIME_STAMPED,
        variables=(tag.name if tag else "",),
        timer=timer.name if timer else "",
    )


def _holds_utc(tag: Tag) -> bool:
    """Whether a tag's value can be UTC milliseconds since 1970, 41 bits: a REAL has 24 of them."""
    return tag.type is TagType.DOUBLE or (
        tag.type in (TagType.LONG, TagType.ULONG) and tag.scaling is not None
    )


_READERS = {
    AlarmType.DIGITAL: _digital,
    AlarmType.ANALOGUE: _analogue,
    AlarmType.TIME_STAMPED: _time_stamped,
}
