"""The sheet's drawings: measured times on their forecast interval, and the stages of a changeover.

Everything across is in percent of the drawing's width, everything down in pixels: so the drawings stretch
from a telephone to a sheet of paper while letters and points keep their size. Colours come from the style
sheet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from changeover.drill.sheet_group import Sample, Series, allowed
from changeover.drill.sheet_markup import Html, element, together
from changeover.drill.sheet_words import exact

_TOP_PX, _AXIS_PX = 9, 20
_LANE_PX_MIN, _LANE_PX_MAX, _PX_PER_SAMPLE = 24, 84, 5.0
_LABEL_PX = 11
_EDGE = 2.0
"""Labels of ticks that are so near to an end of the axis, in percent, are written inwards."""
_BAR_PX = 20
_ROOM_FOR_LABEL = 15.0
"""In percent of the width."""
_PADDING = 0.05
_FAR, _ROOM_FOR_FAR = 0.8, 0.2
"""In widths of the interval: what lies further off is pinned to the edge; how much axis there is for it."""

_STEPS = (1.0, 2.0, 5.0, 10.0)
_TICKS = 6
_OUTLINES = {
    "outside": "l6.5 6.5-6.5 6.5-6.5-6.5z",
    "far": "l8 6.5-8 6.5z",
    "near": "l-8 6.5 8 6.5z",
}
"""Paths from the topmost point on: a diamond, and arrows to what lies beyond either end."""
_LONE_S = 0.1
"""Width of an axis that has nothing to show but one instant."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A stretch of time, in seconds."""

    start: float
    end: float

    def percent(self, seconds: float) -> float:
        """Where an instant stands, in percent of the width; what lies off the axis is pinned to its ends."""
        share = 100.0 * (seconds - self.start) / (self.end - self.start)
        return min(99.0, max(1.0, share)) if not self.holds(seconds) else share

    def holds(self, seconds: float) -> bool:
        """Whether an instant lies on the axis."""
        return self.start <= seconds <= self.end

    def ticks(self) -> list[tuple[float, str]]:
        """Round instants and their labels: milliseconds below one second."""
        scale, unit = (1000.0, "ms") if self.end < 1.0 else (1.0, "s")
        rough = (self.end - self.start) * scale / _TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in _STEPS if factor * power >= rough * 0.999)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.start * scale / step - 1e-6), math.floor(self.end * scale / step + 1e-6)
        return [(k * step / scale, f"{k * step:.{digits}f} {unit}") for k in range(first, last + 1)]


def axis_for(series: Iterable[Series]) -> Axis | None:
    """One axis for measures that are compared; None when there is nothing to draw."""
    listed = list(series)
    limits = [allowed(one.interval) for one in listed if one.interval is not None]
    seconds = [sample.seconds for one in listed for sample in one.samples]
    if not limits and not seconds:
        return None
    low = min(limit[0] for limit in limits) if limits else 0.0
    high = max(limit[1] for limit in limits) if limits else max(seconds)
    start, end = _reach(low, high, seconds)
    if end - start < _LONE_S / 100:
        end = start + _LONE_S
    room = _PADDING * (end - start)
    return Axis(start - room, end + room)


def axis_from_zero(series: Iterable[Series]) -> Axis | None:
    """One axis for measures of several faults, from no time at all on; None when there is nothing to draw."""
    ends = [allowed(one.interval)[1] for one in series if one.interval is not None]
    if not ends:
        return None
    return Axis(-0.02 * max(ends), max(ends) * (1 + _PADDING))


def _reach(low: float, high: float, seconds: Sequence[float]) -> tuple[float, float]:
    """From where to where an axis goes that shows an interval and what lies around it."""
    width = high - low
    near = [second for second in seconds if low - _FAR * width <= second <= high + _FAR * width]
    room = _ROOM_FOR_FAR * width
    start = min([low, *near]) - (room if any(second < low - _FAR * width for second in seconds) else 0.0)
    end = max([high, *near]) + (room if any(second > high + _FAR * width for second in seconds) else 0.0)
    return start, end


def strip(series: Series, axis: Axis, *, with_labels: bool) -> Html:
    """Each measured time on the forecast's interval, repetitions from top to bottom.

    Args:
        series: What was measured and what was forecast.
        axis: The stretch of time that is shown.
        with_labels: Whether the ticks are labelled.
    """
    lane = min(_LANE_PX_MAX, max(_LANE_PX_MIN, _PX_PER_SAMPLE * len(series.samples)))
    bottom = _TOP_PX + lane + 5
    height = bottom + (_AXIS_PX if with_labels else 3)
    parts = [_grid(axis, bottom, with_labels)]
    if series.interval is not None:
        parts.append(_interval(series.interval, axis, bottom))
    parts.append(_points(series.samples, axis, lane))
    return element(
        "svg",
        *parts,
        class_="strip",
        width="100%",
        height=_short(height),
        role="img",
        aria_label=_told(series),
    )


def bar(series: Series, axis: Axis) -> Html:
    """The same in one line of a table: all repetitions at one height."""
    parts = []
    if series.interval is not None:
        early, late = (axis.percent(limit) for limit in allowed(series.interval))
        low, high = axis.percent(series.interval["min"]), axis.percent(series.interval["max"])
        parts.append(_rect(early, late, 3, _BAR_PX - 6, "margin"))
        parts.append(_rect(low, high, 3, _BAR_PX - 6, "interval"))
        parts += [_line(at, at, 3, _BAR_PX - 3, "edge") for at in (low, high)]
    for sample in series.samples:
        at, title = axis.percent(sample.seconds), f"{exact(sample.seconds)} s"
        kind = "outside" if sample.is_inside is False else "inside" if sample.is_inside else "unheld"
        parts.append(_at(at, _shape(kind, _BAR_PX / 2, title)))
    return element(
        "svg", *parts, class_="strip", width="100%", height=_BAR_PX, role="img", aria_label=_told(series)
    )


def scale_of(axis: Axis) -> Html:
    """The ticks of an axis, above the lines of a table."""
    parts = [
        element("text", label, x=_percent(axis.percent(at)), y=11, class_=_tick(axis.percent(at)))
        for at, label in axis.ticks()
    ]
    return element("svg", *parts, class_="strip", width="100%", height=14, aria_hidden="true")


def timeline(stages: Sequence[dict[str, Any]], colours: dict[str, str]) -> Html:
    """The stages of a changeover, one after the other, each as long as it may take.

    Args:
        stages: As the forecast's JSON has them.
        colours: Class name by parameter.
    """
    total = sum(stage["max"] for stage in stages)
    axis = Axis(-0.03 * total, 1.03 * total) if total else Axis(0.0, _LONE_S)
    bar, start = 15, 0.0
    parts = [_grid(axis, 40, True)]
    for number, stage in enumerate(stages, start=1):
        least, most = axis.percent(start + stage["min"]), axis.percent(start + stage["max"])
        left, colour = axis.percent(start), colours[stage["parameter"]]
        parts.append(_rect(left, least, bar, 20, f"stage {colour}"))
        parts.append(_rect(least, most, bar, 20, f"stage {colour} upto"))
        parts.append(_line(left, left, bar, bar + 20, "join"))
        if most - left >= 3.0:
            at = _percent((left + most) / 2)
            parts.append(element("text", str(number), x=at, y=bar - 4, class_="number"))
        start += stage["max"]
    mean = axis.percent(sum(stage["mean"] for stage in stages))
    parts.append(_line(mean, mean, bar, bar + 24, "mean-line"))
    label = f"Stages of the changeover, {exact(total)} s at the longest"
    return element(
        "svg", *parts, class_="strip", width="100%", height=40 + _AXIS_PX, role="img", aria_label=label
    )


def mark(kind: str) -> Html:
    """A sample of what the drawings are made of, for the legend.

    Args:
        kind: `interval`, `margin`, `median`, `p95`, `mean`, `inside`, `outside`, `far` or `unheld`.
    """
    match kind:
        case "interval" | "margin":
            shape = together(_rect(0, 100, 2, 12, kind), _edges(kind))
        case "median" | "p95":
            shape = _line(50, 50, 1, 15, kind)
        case "mean":
            shape = _at(50, element("path", d="M-5 5h10L0 12z", class_="mean"))
        case _:
            shape = _at(50, _shape(kind, 8.0, ""))
    return element("svg", shape, class_="mark", width=22, height=16, aria_hidden="true")


def _edges(kind: str) -> Html:
    return together(*(_line(at, at, 2, 14, "edge") for at in (0, 100))) if kind == "interval" else Html("")


def _grid(axis: Axis, bottom: float, with_labels: bool) -> Html:
    parts = []
    for seconds, label in axis.ticks():
        at = axis.percent(seconds)
        parts.append(_line(at, at, 4, bottom, "grid"))
        if with_labels:
            parts.append(element("text", label, x=_percent(at), y=_short(bottom + 14), class_=_tick(at)))
    parts.append(_line(0, 100, bottom, bottom, "axis"))
    return together(*parts)


def _tick(at: float) -> str:
    """The class of a tick's label: at the ends of an axis it must not reach beyond them."""
    if at < _EDGE:
        return "tick begin"
    return "tick end" if at > 100 - _EDGE else "tick"


def _interval(interval: dict[str, float], axis: Axis, bottom: float) -> Html:
    early, late = (axis.percent(limit) for limit in allowed(interval))
    low, high = axis.percent(interval["min"]), axis.percent(interval["max"])
    top, height = 4, bottom - 4
    median, p95, mean = (axis.percent(interval[key]) for key in ("p50", "p95", "mean"))
    return together(
        _rect(early, late, top, height, "margin"),
        _rect(low, high, top, height, "interval"),
        _line(low, low, top, bottom, "edge"),
        _line(high, high, top, bottom, "edge"),
        _line(median, median, top, bottom, "median"),
        _line(p95, p95, top, bottom, "p95"),
        _at(mean, element("path", d="M-5 0h10L0 7z", class_="mean")),
    )


def _points(samples: Sequence[Sample], axis: Axis, lane: float) -> Html:
    """Points one below the other, in the order of the repetitions: equal times can be told apart."""
    slot = lane / max(1, len(samples))
    inside, outside, labels = [], [], []
    last_label = -math.inf
    for index, sample in enumerate(samples):
        y, at = _TOP_PX + slot * (index + 0.5), axis.percent(sample.seconds)
        title = f"repetition {sample.drill.repetition}: {exact(sample.seconds)} s"
        if sample.is_inside is not False:
            inside.append(_at(at, _shape("inside" if sample.is_inside else "unheld", y, title)))
            continue
        kind = "outside" if axis.holds(sample.seconds) else "far" if at > 50 else "near"
        outside.append(_at(at, _shape(kind, y, title)))
        if y - last_label >= _LABEL_PX:
            last_label = y
            labels.append(_label(at, y, f"{exact(sample.seconds)} s"))
    return together(*inside, *outside, *labels)


def _label(at: float, y: float, words: str) -> Html:
    """The figure of a point outside, on its side away from the interval where there is room."""
    is_left = at > _ROOM_FOR_LABEL if at < 50 else at > 100 - _ROOM_FOR_LABEL
    side = -10 if is_left else 10
    return _at(at, element("text", words, x=side, y=_short(y + 4), class_="late end" if is_left else "late"))


def _shape(kind: str, y: float, title: str) -> Html:
    told = element("title", title) if title else Html("")
    if kind in ("inside", "unheld"):
        return element("circle", told, cy=_short(y), r=4, class_=kind)
    return element("path", told, d=f"M0 {_short(y - 6.5)}{_OUTLINES[kind]}", class_="outside")


def _at(percent: float, *children: str) -> Html:
    """Shapes around a place across: only an inner drawing may be put at a percentage."""
    return element("svg", *children, x=_percent(percent), overflow="visible")


def _rect(left: float, right: float, top: float, height: float, kind: str) -> Html:
    width = _percent(right - left)
    return element("rect", x=_percent(left), width=width, y=_short(top), height=_short(height), class_=kind)


def _line(left: float, right: float, top: float, bottom: float, kind: str) -> Html:
    return element(
        "line", x1=_percent(left), x2=_percent(right), y1=_short(top), y2=_short(bottom), class_=kind
    )


def _percent(share: float) -> str:
    return f"{_short(share)}%"


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


def _told(series: Series) -> str:
    parts = [series.measure.name]
    if series.interval is not None:
        parts.append(f"forecast {exact(series.interval['min'])} to {exact(series.interval['max'])} s")
    summary = series.summary()
    if summary is not None:
        parts.append(f"measured {exact(summary[0])} to {exact(summary[2])} s, {len(series.outside)} outside")
    return "; ".join(parts)
