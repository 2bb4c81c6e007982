"""One panel of the sheet: everything about one fault on one target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from changeover.drill import sheet_words as words
from changeover.drill.sheet_chart import Axis, axis_for, strip, timeline
from changeover.drill.sheet_group import Group, Series
from changeover.drill.sheet_markup import Html, element, folder_link, together
from changeover.forecast.detection import (
    HEARTBEAT,
    PAGE_SCAN,
    REQUEST_TIMEOUT,
    ROUND_TRIP,
    SEND_TIMEOUT,
    WATCH,
)

_COLOURS = {
    SEND_TIMEOUT: "k1",
    REQUEST_TIMEOUT: "k2",
    WATCH: "k3",
    HEARTBEAT: "k4",
    PAGE_SCAN: "k5",
    ROUND_TRIP: "k6",
}
_FURTHER_COLOURS = ("k7", "k8", "k9", "k10")
_SAME_AXIS = (
    ("detection_s",),
    ("changeover_s", "changeover_last_s"),
    ("com_s",),
    ("return_s",),
    ("redundant_s",),
)


def badge(passed: bool, how_many: str) -> Html:
    """PASS or FAIL, and of how many: a sign, a word and a colour."""
    sign = "M3 8.5l3.5 3.5L13 4.5" if passed else "M4 4l8 8M12 4l-8 8"
    icon = element("svg", element("path", d=sign), class_="sign", viewBox="0 0 16 16", aria_hidden="true")
    return element(
        "span",
        icon,
        f"{'PASS' if passed else 'FAIL'} {how_many}",
        class_=f"badge {'good' if passed else 'bad'}",
    )


def panel(group: Group, values: Mapping[str, str]) -> Html:
    """One fault on one target.

    Args:
        group: Its drills.
        values: Value of a parameter, with its unit, by name in lower case.
    """
    series = {measure.key: group.series(measure) for measure in group.measures}
    figures = (
        _strips(group, series),
        element("div", _numbers(list(series.values())), _stages(group, values), class_="pair"),
    )
    return element(
        "section",
        _heading(group),
        _story(group),
        *(figures if group.moves() else (_reason(group),)),
        _traces(group),
        class_="panel",
        id=group.anchor,
    )


def _heading(group: Group) -> Html:
    return element(
        "header",
        element(
            "div",
            element("p", group.first.function, class_="kicker"),
            element("h2", group.first.fault, element("span", " on ", class_="on"), group.first.target),
        ),
        badge(not group.failures, group.verdict),
    )


def _story(group: Group) -> Html:
    how = words.ways(group)
    verdict, *details = words.verdict(group)
    return element(
        "dl",
        _told(
            "Injected",
            element(
                "p",
                words.done(group),
                *((" ", element("span", f"Made by: {how}", class_="how")) if how else ()),
            ),
        ),
        _told("Expected", element("p", " ".join(words.expected(group.forecast)))),
        _told(
            "Found",
            element("p", verdict, class_="bad-text" if group.failures else "good-text"),
            element("ul", *(element("li", detail) for detail in details)) if details else Html(""),
        ),
        class_="story",
    )


def _told(term: str, *told: str) -> Html:
    return element("div", element("dt", term), element("dd", *told))


def _strips(group: Group, series: Mapping[str, Series]) -> Html:
    rows, absent = [], []
    for keys in _SAME_AXIS:
        shown = [series[key] for key in keys if key in series]
        if not shown:
            continue
        shown = [one for one in shown if one.samples or one.unseen or (one.interval and one is shown[0])]
        axis = axis_for(shown)
        if axis is None:
            if keys[0] != "redundant_s":
                absent.append(series[keys[0]].measure.name.removesuffix(", first tag"))
            continue
        rows += [_row(one, axis, is_last=one is shown[-1]) for one in shown]
    notes = [element("p", f"Neither forecast nor measured: {', '.join(absent)}.", class_="note")]
    return element("div", *rows, *(notes if absent else ()), _reason(group), class_="strips")


def _reason(group: Group) -> Html:
    reason = group.forecast["reason"]
    return element("p", f"From the forecast: {reason}.", class_="note") if reason else Html("")


def _row(series: Series, axis: Axis, *, is_last: bool) -> Html:
    return element(
        "div",
        element(
            "div",
            element("b", series.measure.name),
            element("span", series.measure.meaning, class_="meaning"),
            _tally(series),
            class_="label",
        ),
        element("div", strip(series, axis, with_labels=is_last), class_="plot"),
        class_="row",
    )


def _tally(series: Series) -> Html:
    if series.measure.key == "redundant_s":
        not_again = f", {len(series.unseen)} times not" if series.unseen else ""
        return element(
            "span",
            f"{len(series.samples)} measured{not_again}",
            class_="tally bad-text" if series.unseen else "tally",
        )
    if series.interval is None:
        return element("span", f"{len(series.samples)} measured, nothing forecast", class_="tally")
    inside = len(series.samples) - len(series.outside)
    told = f"{inside} of {len(series.samples) + len(series.unseen)} inside"
    if series.unseen:
        told += f", {len(series.unseen)} not seen"
    is_bad = series.outside or series.unseen
    return element("span", told, class_="tally bad-text" if is_bad else "tally")


def _numbers(series: Sequence[Series]) -> Html:
    shown = [one for one in series if one.samples or one.interval or one.unseen]
    top = element(
        "tr",
        element("th", "seconds", rowspan=2, scope="col", class_="first"),
        element("th", "measured", colspan=4, scope="colgroup"),
        element("th", "forecast", colspan=3, scope="colgroup", class_="part"),
    )
    names = ("n", "min", "median", "max", "min", "mean", "max")
    heads = (
        element("th", name, scope="col", class_="part" if i == 4 else None) for i, name in enumerate(names)
    )
    body = [_numbers_row(one) for one in shown]
    return element(
        "div",
        element("h3", "Numbers"),
        element(
            "table", element("thead", top, element("tr", *heads)), element("tbody", *body), class_="numbers"
        ),
        class_="wide",
    )


def _numbers_row(series: Series) -> Html:
    summary, interval = series.summary(), series.interval
    measured = [words.exact(seconds) for seconds in summary] if summary else ["–"] * 3
    forecast = [words.exact(interval[key]) for key in ("min", "mean", "max")] if interval else ["–"] * 3
    cells = [element("td", str(len(series.samples))), *(element("td", figure) for figure in measured)]
    cells += [element("td", figure, class_=None if i else "part") for i, figure in enumerate(forecast)]
    return element("tr", element("th", series.measure.name, scope="row"), *cells)


def _stages(group: Group, values: Mapping[str, str]) -> Html:
    stages: list[dict[str, Any]] = group.forecast["stages"]
    if not stages:
        return Html("")
    colours = _colours(stages)
    head = ("", "stage", "governed by", "min", "mean", "max", "rule")
    return element(
        "div",
        element("h3", "What the changeover is made of"),
        timeline(stages, colours),
        element(
            "table",
            element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
            element("tbody", *(_stage_row(i, stage, colours, values) for i, stage in enumerate(stages, 1))),
            class_="stages",
        ),
        class_="wide",
    )


def _stage_row(
    number: int, stage: dict[str, Any], colours: dict[str, str], values: Mapping[str, str]
) -> Html:
    parameter = stage["parameter"]
    value = _value(parameter, values)
    governed = together(parameter, *((" = ", element("b", value)) if value else ()))
    return element(
        "tr",
        element("td", element("span", str(number), class_=f"key {colours[parameter]}")),
        element("td", stage["name"]),
        element("td", governed),
        *(element("td", words.exact(stage[key]), class_="figure") for key in ("min", "mean", "max")),
        element("td", stage["rule"]),
    )


def _value(parameter: str, values: Mapping[str, str]) -> str:
    """The values of `[MODNET]Timeout, Retry`, as far as they are known: `1000 ms, 0`."""
    section, found = "", []
    for name in parameter.split(", "):
        section = name[: name.find("]") + 1] or section
        whole = name if name.startswith("[") or name in values else section + name
        found.append(values.get(whole.lower(), ""))
    return ", ".join(found) if all(found) else ""


def _colours(stages: Sequence[dict[str, Any]]) -> dict[str, str]:
    """One colour for each parameter, the well-known ones the same on every sheet."""
    further = iter(_FURTHER_COLOURS * len(stages))
    names = dict.fromkeys(stage["parameter"] for stage in stages)
    return {name: _COLOURS.get(name) or next(further) for name in names}


def _traces(group: Group) -> Html:
    links = [(drill.repetition, drill.trace) for drill in group.drills if drill.trace]
    if not links:
        return Html("")
    shown = (together(" ", folder_link(trace, str(number))) for number, trace in links)
    return element("p", "Raw traces of repetition", *shown, class_="traces")
