"""The sheet of a drill of false trips: predicted and counted at each time-out, as picture and table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from changeover.drill import sheet_words as words
from changeover.drill.sheet import page_of, parameters_section, section, when
from changeover.drill.sheet_markup import Html, element, together
from changeover.drill.trips import TripPoint, TripResult

_WIDTH, _LEFT, _RIGHT, _TOP, _ROW, _BOTTOM = 1080, 150, 40, 34, 58, 46
"""Of the picture, in units of its drawing: one row for each value."""
_TICKS = 6
_Scale = Callable[[float], float]


def trips_html(result: TripResult) -> str:
    """The sheet of one run as one HTML document."""
    body = element(
        "body",
        _top(result),
        element(
            "main",
            section(f"False trips at each {result.parameter}", picture(result), _reading())
            if result.points
            else Html(""),
            section("Counted", _table(result)),
            parameters_section(result.parameters),
        ),
    )
    return page_of(f"{result.plant}: false trips, predicted and counted", body)


def picture(result: TripResult) -> Html:
    """For each value the interval in which the count should lie, what is most likely, and the count."""
    points = sorted(result.points, key=lambda point: point.value_ms)
    most = max(max(point.high, point.counted) for point in points) or 1
    step = _step(most / _TICKS)
    top = math.ceil(most / step) * step
    height = _TOP + _ROW * len(points) + _BOTTOM

    def across(trips: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * trips / top

    rows = [_row(point, _TOP + _ROW * place + _ROW / 2, across) for place, point in enumerate(points)]
    return element(
        "svg",
        _grid(step, top, height - _BOTTOM, across),
        *rows,
        element("text", "false trips", x=_WIDTH - _RIGHT, y=height - 4, class_="tick end"),
        class_="graph",
        viewBox=f"0 0 {_WIDTH} {height}",
        width="100%",
        role="img",
        aria_label=f"False trips at each {result.parameter}, predicted and counted",
    )


def _grid(step: float, top: float, bottom: float, across: _Scale) -> Html:
    parts = []
    for number in range(round(top / step) + 1):
        x = f"{across(number * step):.1f}"
        parts.append(element("line", x1=x, x2=x, y1=_TOP - 10, y2=bottom, class_="grid"))
        parts.append(element("text", f"{number * step:g}", x=x, y=bottom + 18, class_="tick"))
    return together(*parts)


def _row(point: TripPoint, y: float, across: _Scale) -> Html:
    low, high = across(point.low), across(point.high)
    told = f"{point.counted} counted, {point.predicted:.1f} predicted, {point.low} to {point.high} allowed"
    band = element(
        "rect",
        element("title", told),
        x=f"{low:.1f}",
        y=f"{y - 13:.1f}",
        width=f"{max(high - low, 2.0):.1f}",
        height=26,
        class_="interval",
    )
    mean = f"{across(point.predicted):.1f}"
    dot = element(
        "circle", element("title", told), cx=f"{across(point.counted):.1f}", cy=f"{y:.1f}", r=6,
        class_="inside" if point.holds else "outside",
    )  # fmt: skip
    return together(
        element("text", f"{point.value_ms} ms", x=_LEFT - 16, y=f"{y + 5:.1f}", class_="number end"),
        band,
        element("line", x1=mean, x2=mean, y1=f"{y - 13:.1f}", y2=f"{y + 13:.1f}", class_="mean-line"),
        dot,
    )


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return max(1.0, next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power >= rough))


def _top(result: TripResult) -> Html:
    counted = f"{sum(point.seconds for point in result.points):.0f} s at {len(result.points)} values"
    outside = sum(not point.holds for point in result.points)
    verdict = "every count lies within its prediction" if not outside else f"{outside} outside the prediction"
    facts = (
        ("Version", f"{result.version}, family {result.family}"),
        ("Counted", f"{when(result.started_utc)}, {counted}: {verdict}"),
        ("Disturbance", result.disturbance),
        ("Where", result.where),
    )
    return element(
        "header",
        element("p", "False trips, predicted and counted", class_="kicker"),
        element("h1", result.plant),
        element(
            "dl", *(element("div", element("dt", k), element("dd", v)) for k, v in facts), class_="facts"
        ),
        element("ul", *(element("li", note) for note in result.notes), class_="notes")
        if result.notes
        else Html(""),
        class_="top",
    )


def _reading() -> Html:
    told = (
        "Nothing was lost for good. The band is where 95 of 100 such runs would count, by arithmetic alone; "
        "the line in it is the prediction, the dot what was counted on the running product."
    )
    return element("p", told, class_="note")


def _table(result: TripResult) -> Html:
    head = (
        result.parameter, "counted for", "exposed", "predicted", "95 of 100 runs", "counted", "per hour",
        "hardware error", "changeover", "value by another way after", "attached again", "after",
        "of other servers",
    )  # fmt: skip
    rows = (
        element(
            "tr",
            element("th", f"{point.value_ms} ms", scope="row"),
            *(element("td", figure, class_="figure") for figure in _figures(point)),
        )
        for point in result.points
    )
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        element("tbody", *rows),
        class_="counted",
    )


def _figures(point: TripPoint) -> Sequence[str]:
    def after(amount: float | None) -> str:
        return "–" if amount is None else words.seconds(amount)

    return (
        f"{point.seconds:.0f}\u00a0s",
        str(point.exposed),
        f"{point.predicted:.1f}",
        f"{point.low} to {point.high}",
        str(point.counted),
        f"{point.per_hour(point.counted):.0f}",
        str(point.errors),
        str(point.moved),
        after(point.moved_s),
        str(point.back),
        after(point.back_s),
        str(point.others),
    )
