"""The sheet of a network backup: false time-outs against SendTimeout, as a curve and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

from changeover.drill import sheet_words as words
from changeover.drill.backup import BackupPoint, BackupResult
from changeover.drill.sheet import page_of, parameters_section, section, when
from changeover.drill.sheet_markup import Html, element, together

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 1080, 440, 92, 24, 64, 62
_NEAR, _LINE = 48.0, 15
"""Labels that are so near to each other stand one above the other, in lines of this height."""
"""Of the curve, in units of its drawing."""
_ROOM = 1.35
"""How far the axis goes beyond the smallest and the largest SendTimeout, as a factor."""
_QUANTILES = (("p50", "half"), ("p95", "95 %"), ("p99", "99 %"), ("max", "all"))
_FAR = 4.0
_TICKS = 5
_Scale: TypeAlias = Callable[[float], float]


def backup_html(result: BackupResult) -> str:
    """The sheet of one run as one HTML document."""
    body = element(
        "body",
        _top(result),
        element(
            "main",
            section("False time-outs per hour against SendTimeout", curve(result), _reading())
            if result.points
            else Html(""),
            section("Counted", _table(result.points)),
            section("Delay of a small message on the same way", _delays(result)),
            parameters_section(result.parameters),
        ),
    )
    return page_of(f"{result.plant}: false time-outs during a network backup", body)


def curve(result: BackupResult) -> Html:
    """False time-outs per hour at each SendTimeout, and within which time small messages are answered."""
    points = sorted(result.points, key=lambda point: point.send_timeout_ms)
    shares = [(result.delay_s[key], told) for key, told in _QUANTILES] if result.delay_s else []
    most = max(point.losses_per_hour for point in points) or 1.0
    step = _step(most / _TICKS)
    top = math.ceil(most / step) * step
    across = _across([point.send_timeout_ms / 1000 for point in points], [seconds for seconds, _ in shares])

    def down(per_hour: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * per_hour / top

    places = [(across(point.send_timeout_ms / 1000), point) for point in points]
    return element(
        "svg",
        _rows(step, top, down),
        *_shares([(across(seconds), told, seconds) for seconds, told in shares if across(seconds) >= _LEFT]),
        _line([(x, down(point.losses_per_hour)) for x, point in places], "curve all"),
        _line([(x, down(point.timeouts_per_hour)) for x, point in places], "curve"),
        *(_point(x, down(point.timeouts_per_hour), point) for x, point in places),
        element("text", "SendTimeout", x=_WIDTH - _RIGHT, y=_HEIGHT - 8, class_="tick end"),
        element("text", "per hour", x=0, y=16, class_="tick begin"),
        class_="graph",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        width="100%",
        role="img",
        aria_label="False time-outs per hour against SendTimeout",
    )


def _across(times: Sequence[float], shares: Sequence[float]) -> _Scale:
    """Seconds to places across, by their logarithms; shares that are far below all times stay outside."""
    near = [seconds for seconds in shares if seconds >= min(times) / _FAR]
    low = min([*times, *near]) / _ROOM
    high = max([*times, *shares]) * _ROOM

    def across(seconds: float) -> float:
        if seconds <= 0.0:
            return -1.0
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * math.log(seconds / low) / math.log(high / low)

    return across


def _line(places: Sequence[tuple[float, float]], kind: str) -> Html:
    return element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_=kind)


def _rows(step: float, top: float, down: _Scale) -> Html:
    parts = []
    for number in range(round(top / step) + 1):
        y = f"{down(number * step):.1f}"
        parts.append(element("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        label = f"{number * step:,.0f}".replace(",", "\u202f")
        parts.append(element("text", label, x=_LEFT - 10, y=float(y) + 4, class_="tick end"))
    return together(*parts)


def _shares(places: Sequence[tuple[float, str, float]]) -> list[Html]:
    """Lines with their labels, one above the other where they are near to each other."""
    found: list[Html] = []
    level, last = 0, -_NEAR
    for x, told, seconds in sorted(places):
        level = level + 1 if x - last < _NEAR else 0
        last = x
        found.append(_share(x, told, seconds, _TOP - 8 - _LINE * level))
    return found


def _share(x: float, told: str, seconds: float, y: float) -> Html:
    bottom = _HEIGHT - _BOTTOM
    title = element("title", f"{told} of the small messages are answered within {words.seconds(seconds)}")
    line = element("line", title, x1=f"{x:.1f}", x2=f"{x:.1f}", y1=_TOP, y2=bottom, class_="p95")
    return together(line, element("text", told, x=f"{x:.1f}", y=y, class_="tick"))


def _point(x: float, y: float, point: BackupPoint) -> Html:
    label = f"{point.timeouts_per_hour:,.0f}".replace(",", "\u202f")
    name = f"{point.send_timeout_ms / 1000:g} s"
    bottom = _HEIGHT - _BOTTOM
    return together(
        element(
            "circle", element("title", f"{name}: {label}"), cx=f"{x:.1f}", cy=f"{y:.1f}", r=6, class_="dot"
        ),
        element("text", label, x=f"{x + 10:.1f}", y=f"{y - 10:.1f}", class_="number begin"),
        element("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=bottom, y2=bottom + 6, class_="axis"),
        element("text", name, x=f"{x:.1f}", y=bottom + 22, class_="tick"),
    )


def _step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)


def _top(result: BackupResult) -> Html:
    counted = f"{sum(point.seconds for point in result.points):.0f} s at {len(result.points)} values"
    facts = (
        ("Version", f"{result.version}, family {result.family}"),
        ("Counted", f"{when(result.started_utc)}, {counted}"),
        ("Backup", result.traffic),
    )
    return element(
        "header",
        element("p", "False time-outs during a network backup", class_="kicker"),
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
        "Nothing was lost during the backup. The dark line counts sessions and partners that were given up "
        "by a time-out, the pale one those, too, that the other side closed because it had given them up. A "
        "dashed line tells within which time that share of small messages was answered which a probe sent on "
        "the same way."
    )
    return element("p", told, class_="note")


def _table(points: Sequence[BackupPoint]) -> Html:
    above = (
        ("", 2),
        ("given up though nothing was lost", 4),
        ("", 3),
        ("by what the probe saw at the others", 3),
    )
    head = (
        "SendTimeout", "counted for", "sessions to I/O servers", "to alarm, trend, report servers",
        "partners of a pair", "per hour", "closed by the other side", "hardware alarms",
        "99 % answered within", "I/O sessions on the way", "predicted", "given up",
    )  # fmt: skip
    rows = (
        element(
            "tr",
            element("th", f"{point.send_timeout_ms} ms", scope="row"),
            *(element("td", figure, class_="figure") for figure in _figures(point)),
        )
        for point in points
    )
    return element(
        "table",
        element(
            "thead",
            element("tr", *(element("th", name, colspan=width, scope="colgroup") for name, width in above)),
            element("tr", *(element("th", name, scope="col") for name in head)),
        ),
        element("tbody", *rows),
        class_="counted",
    )


def _figures(point: BackupPoint) -> tuple[str, ...]:
    answered = words.seconds(point.delay_s["p99"]) if point.delay_s else "–"
    return (
        f"{point.seconds:.0f}\u00a0s",
        str(point.io_timeouts),
        str(point.task_timeouts),
        str(point.partners_lost),
        f"{point.timeouts_per_hour:.0f}",
        str(point.closings),
        str(point.hardware_alarms),
        answered,
        str(point.exposed),
        "–" if point.predicted is None else f"{point.predicted:.1f} ({point.low} to {point.high})",
        str(point.given_up),
    )


def _delays(result: BackupResult) -> Html:
    if result.delay_s is None:
        return element("p", "None was sent.")
    told = (f"{name} within {words.seconds(result.delay_s[key])}" for key, name in _QUANTILES)
    return element("p", f"Answered were {', '.join(told)}.")
