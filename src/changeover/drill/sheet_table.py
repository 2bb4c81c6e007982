"""The sheet's tables over all faults: the overview at the top and every repetition at the end."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.drill import sheet_words as words
from changeover.drill.result import Drill
from changeover.drill.sheet_group import MEASURES, Group, Series, repeated_as
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
)


def overview(groups: Sequence[Group]) -> Html:
    """One line for each fault, with a link to its panel."""
    head = (
        "result",
        "fault",
        "target",
        "function",
        "changeover forecast",
        "changeover measured",
        "#COM measured",
    )
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        element("tbody", *map(_overview_row, groups)),
        class_="overview",
    )


def repetitions(groups: Sequence[Group]) -> Html:
    """Every repetition, with the measurements that missed marked."""
    spans = (("", 2), ("", 1), ("changeover", 2), ("#COM time", 3), ("", 1), ("", 2))
    above = element("tr", *(element("th", name, colspan=width, scope="colgroup") for name, width in spans))
    names = ("no.", "made by", *(name for _, name in _COLUMNS), "result", "trace")
    head = element("tr", *(element("th", name, scope="col") for name in names))
    bodies = [
        element("tbody", _group_row(group), *(_repetition(drill, group) for drill in group.drills))
        for group in groups
    ]
    return element("table", element("thead", above, head), *bodies, class_="repetitions")


def _overview_row(group: Group) -> Html:
    drill, forecast = group.first, group.forecast
    by_key = {measure.key: group.series(measure) for measure in MEASURES}
    planned = forecast["changeover_s"]
    return element(
        "tr",
        element("td", badge(not group.failures, group.verdict)),
        element("td", element("a", drill.fault, href=f"#{group.anchor}")),
        element("td", drill.target),
        element("td", drill.function),
        element("td", words.span(planned) if planned else forecast["outcome"], class_="figure"),
        element("td", _measured(by_key["changeover_s"], by_key["changeover_last_s"]), class_="figure"),
        element("td", _measured(by_key["com_s"]), class_="figure"),
    )


def _measured(*series: Series) -> str:
    seconds = [sample.seconds for one in series for sample in one.samples]
    return words.span({"min": min(seconds), "max": max(seconds)}) if seconds else "–"


def _group_row(group: Group) -> Html:
    drill = group.first
    title = f"{drill.function} · {drill.fault} · {drill.target}"
    return element("tr", element("th", title, colspan=11, scope="rowgroup", class_="group"))


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
