"""The sheet's tables over all faults: the overview at the top and every repetition at the end."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.drill import sheet_words as words
from changeover.drill.result import Drill
from changeover.drill.sheet_chart import Axis, axis_from_zero, bar, scale_of
from changeover.drill.sheet_group import Group, Series, by_function, repeated_as
from changeover.drill.sheet_markup import Html, element, folder_link
from changeover.drill.sheet_panel import badge

_COLUMNS = (
    ("detection_s", "detection"),
    ("changeover_s", "first tag"),
    ("changeover_last_s", "last tag"),
    ("com_first_s", "shortest"),
    ("com_median_s", "median"),
    ("com_s", "longest"),
    ("return_s", "return"),
    ("redundant_s", "again"),
)


def overview(groups: Sequence[Group]) -> Html:
    """One line for each fault, function by function, its changeovers on one axis, and a link to its panel."""
    bodies = [_overview_body(function, listed) for function, listed in by_function(groups).items()]
    head = ("result", "fault", "target", "forecast", "measured", "changeover", "#COM", "redundant again")
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        *bodies,
        class_="overview",
    )


def _overview_body(function: str, listed: Sequence[Group]) -> Html:
    changeovers = [series for group in listed for series in _changeovers(group)]
    axis = axis_from_zero(changeovers)
    failed = sum(1 for group in listed if group.failures)
    told = f"{failed} of {len(listed)} failed" if failed else f"{len(listed)} of {len(listed)} passed"
    title = element(
        "th",
        function,
        element("span", f" {told}", class_="bad-text" if failed else "on"),
        colspan=5,
        scope="rowgroup",
        class_="group",
    )
    scale = element("td", scale_of(axis) if axis else Html(""), class_="bars")
    rows = (_overview_row(group, axis) for group in listed)
    return element("tbody", element("tr", title, scale, element("td", "", colspan=2)), *rows)


def _changeovers(group: Group) -> list[Series]:
    return [group.series(measure) for measure in group.measures if measure.forecast_key == "changeover_s"]


def repetitions(groups: Sequence[Group]) -> Html:
    """Every repetition, with the measurements that missed marked."""
    spans = (("", 2), ("", 1), ("changeover", 2), ("#COM time", 3), ("", 1), ("redundant", 1), ("", 2))
    above = element("tr", *(element("th", name, colspan=width, scope="colgroup") for name, width in spans))
    names = ("no.", "made by", *(name for _, name in _COLUMNS), "result", "trace")
    head = element("tr", *(element("th", name, scope="col") for name in names))
    bodies = [
        element("tbody", _group_row(group), *(_repetition(drill, group) for drill in group.drills))
        for group in groups
    ]
    return element("table", element("thead", above, head), *bodies, class_="repetitions")


def _overview_row(group: Group, axis: Axis | None) -> Html:
    drill, forecast = group.first, group.forecast
    by_key = {measure.key: group.series(measure) for measure in group.measures}
    planned, changeovers = forecast["changeover_s"], _changeovers(group)
    drawn = any(one.interval or one.samples for one in changeovers)
    return element(
        "tr",
        element("td", badge(not group.failures, group.verdict)),
        element("td", element("a", drill.fault, href=f"#{group.anchor}")),
        element("td", drill.target),
        element("td", words.span(planned) if planned else forecast["outcome"], class_="figure"),
        element("td", _measured(*changeovers), class_="figure"),
        element("td", bar(changeovers[-1], axis) if axis and drawn else Html(""), class_="bars"),
        element("td", _measured(by_key["com_s"]) if "com_s" in by_key else "", class_="figure"),
        element("td", _measured(by_key["redundant_s"]), class_="figure"),
    )


def _measured(*series: Series) -> str:
    seconds = [sample.seconds for one in series for sample in one.samples]
    return words.span({"min": min(seconds), "max": max(seconds)}) if seconds else "–"


def _group_row(group: Group) -> Html:
    drill = group.first
    title = f"{drill.function} · {drill.fault} · {drill.target}"
    return element("tr", element("th", title, colspan=12, scope="rowgroup", class_="group"))


def _repetition(drill: Drill, group: Group) -> Html:
    missed = {miss.measure for miss in drill.misses}
    cells = []
    for key, _ in _COLUMNS:
        seconds = getattr(drill, key)
        shown = "–" if seconds is None else words.exact(seconds)
        cells.append(element("td", shown, class_="figure missed" if key in missed else "figure"))
    return element(
        "tr",
        element("td", str(drill.repetition), class_="figure"),
        element("td", drill.variant),
        *cells,
        element("td", *_result(drill, group)),
        element("td", folder_link(drill.trace, "trace") if drill.trace else "–"),
        class_=None if drill.passed else "unpassed",
    )


def _result(drill: Drill, group: Group) -> list[str]:
    if drill.passed:
        again = f" (repeats {drill.repeats})" if drill.repeats is not None else ""
        return [element("span", "pass", class_="good-text"), again]
    is_made_good = drill in group.made_good
    is_late = all(miss.is_late for miss in drill.misses)
    name = "spoiled" if drill.spoiled else "FAIL" if not is_made_good else "late" if is_late else "missed"
    repeats = repeated_as(drill, group.drills)
    told = f", repeated as {', '.join(map(str, repeats))}" if repeats else ""
    kind = "warn-text" if is_made_good else "bad-text"
    return [element("span", name, class_=kind), told]
