"""The stages of every changeover as a timeline: what the forecast looks like on one page.

Each bar is as long as the longest changeover. Within a stage, solid is what it takes at least and hatched
what it may take on top; colours are parameters, so the eye finds what to lower.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from changeover.forecast.drawing import ALARM, GRID, INK, PALE, colours, drawn
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.stages import Distribution
from changeover.forecast.wording import few, seconds, span, unaffected

_WIDTH_IN = 10.0
_ROW_IN = 0.46
_HEADING_IN = 0.34
_TOP_IN, _AXIS_IN, _LEGEND_ROW_IN, _NOTE_IN = 0.72, 0.55, 0.24, 0.2
_LEFT, _RIGHT = 0.235, 0.975
_NOTE_CHARACTERS = 150
_MARGIN = 0.02
_MARGIN_IN_AXES = (_MARGIN - _LEFT) / (_RIGHT - _LEFT)
_BAR = 0.46
_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
_ROOM_FOR_TEXT = 1.34
"""The axis goes on beyond the longest bar, where its figures stand."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One bar: forecasts that differ by function and target alone share it."""

    forecast: Forecast
    functions: tuple[str, ...]
    targets: tuple[str, ...]


def chart_svg(forecasts: Iterable[Forecast], *, title: str, target_s: float | None = None) -> str:
    """Draw forecasts as a timeline of stages.

    Args:
        forecasts: The rows, in the order of the chart; unaffected ones are named below it.
        title: Heading, such as the plant's name and version.
        target_s: A changeover that is asked for, drawn as a line; in seconds.

    Returns:
        An SVG document; equal arguments give equal text.
    """
    rows = tuple(forecasts)
    return drawn(lambda: _figure(rows, title, target_s)).decode()


def _figure(forecasts: Sequence[Forecast], title: str, target_s: float | None) -> Figure:
    rows = _rows(row for row in forecasts if row.outcome is not Outcome.UNAFFECTED)
    notes = _notes(forecasts)
    places, depth = _places(rows)
    parameters = list(dict.fromkeys(s.parameter for row in rows for s in row.forecast.stages))
    legend_rows = -(-(len(parameters) + 4) // 5)
    bottom = _AXIS_IN + legend_rows * _LEGEND_ROW_IN + len(notes) * _NOTE_IN + 0.2
    height = _TOP_IN + depth * _ROW_IN + bottom
    figure = Figure(figsize=(_WIDTH_IN, height), facecolor="white")
    axes = figure.add_axes((_LEFT, bottom / height, _RIGHT - _LEFT, depth * _ROW_IN / height))
    longest = max((r.forecast.changeover.maximum for r in rows if r.forecast.changeover), default=1.0)
    _dress(axes, depth, max(longest, target_s or 0.0) * _ROOM_FOR_TEXT)
    colour_of = colours(parameters)
    for row, place in zip(rows, places, strict=True):
        _label(axes, row, place)
        _bar(axes, row.forecast, place, colour_of)
    _headings(axes, rows, places)
    if target_s is not None:
        axes.axvline(target_s, color=ALARM, linewidth=1.1, linestyle=(0, (5, 3)), zorder=4)
        axes.text(target_s, -0.12, f"target {target_s:g} s", color=ALARM, fontsize=8, ha="center")
    figure.text(_MARGIN, 1 - 0.3 / height, title, fontsize=13, fontweight="bold", color=INK, va="center")
    _legend(figure, colour_of, 1 - (height - bottom + _AXIS_IN) / height, any(_com(r.forecast) for r in rows))
    for index, note in enumerate(reversed(notes)):
        figure.text(_MARGIN, (0.14 + index * _NOTE_IN) / height, note, fontsize=7.5, color=PALE, va="center")
    return figure


def _rows(forecasts: Iterable[Forecast]) -> list[_Row]:
    """Alarm, trend and report mostly tell the same story: one bar for those that do."""
    found: dict[Any, list[Forecast]] = {}
    for row in forecasts:
        parts = tuple((stage.parameter, stage.distribution) for stage in row.stages)
        found.setdefault(
            (row.function.value == "io-data", row.fault, row.outcome, parts, row.com), []
        ).append(row)
    return [
        _Row(
            same[0],
            tuple(dict.fromkeys(row.function.value for row in same)),
            tuple(dict.fromkeys(row.target for row in same)),
        )
        for same in found.values()
    ]


def _places(rows: Sequence[_Row]) -> tuple[list[float], float]:
    """Where each row stands, counted downwards in rows, and how deep the chart gets."""
    places, depth = [], 0.0
    before: tuple[str, ...] = ()
    for row in rows:
        if row.functions != before:
            depth += _HEADING_IN / _ROW_IN + (0.15 if before else 0.0)
            before = row.functions
        places.append(depth + 0.5)
        depth += 1.0
    return places, max(depth, 1.0)


def _dress(axes: Any, depth: float, end: float) -> None:
    axes.set_xlim(0, end)
    axes.set_ylim(depth, 0)
    axes.set_yticks([])
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(axis="x", colors=PALE, length=0, labelsize=8.5)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("seconds after the fault", color=PALE, fontsize=8.5)


def _label(axes: Any, row: _Row, place: float) -> None:
    beside = axes.get_yaxis_transform()
    axes.text(
        -0.015, place - 0.14, row.forecast.fault.value, transform=beside, ha="right", va="center", color=INK
    )
    shown = few(list(row.targets))
    axes.text(
        -0.015, place + 0.24, shown, transform=beside, ha="right", va="center", color=PALE, fontsize=7.2
    )


def _headings(axes: Any, rows: Sequence[_Row], places: Sequence[float]) -> None:
    before: tuple[str, ...] = ()
    for row, place in zip(rows, places, strict=True):
        if row.functions != before:
            before = row.functions
            axes.text(
                _MARGIN_IN_AXES,
                place - 0.5 - _HEADING_IN / _ROW_IN / 2,
                " · ".join(before),
                transform=axes.get_yaxis_transform(),
                va="center",
                fontweight="bold",
                color=INK,
            )


def _bar(axes: Any, row: Forecast, place: float, colour_of: dict[str, str]) -> None:
    if row.changeover is None:
        start = axes.get_xlim()[1] * 0.008
        axes.text(
            start,
            place,
            "lost until repaired",
            va="center",
            color=ALARM,
            fontweight="bold",
            zorder=5,
            bbox=_PAPER,
        )
        return
    left = 0.0
    for stage in row.stages:
        colour = colour_of[stage.parameter]
        least, spread = stage.distribution.minimum, stage.distribution.maximum - stage.distribution.minimum
        axes.barh(place, least, _BAR, left, color=colour, zorder=2)
        axes.barh(
            place,
            spread,
            _BAR,
            left + least,
            facecolor=_lighter(colour),
            edgecolor=colour,
            hatch="/////",
            linewidth=0,
            zorder=2,
        )
        left += stage.distribution.maximum
    _figures(axes, row, row.changeover, place)


def _figures(axes: Any, row: Forecast, changeover: Distribution, place: float) -> None:
    mean, end = changeover.mean, changeover.maximum
    axes.plot([mean, mean], [place - _BAR * 0.72, place + _BAR * 0.72], color=INK, linewidth=1.6, zorder=3)
    text = f"{span(changeover)}, mean {seconds(mean)}" if mean < end else seconds(end)
    gap = axes.get_xlim()[1] * 0.008
    axes.text(end + gap, place, text, va="center", color=INK, fontsize=8, zorder=5, bbox=_PAPER)
    com = _com(row)
    if com:
        below = place + _BAR * 0.5 + 0.1
        line = {"color": ALARM, "linewidth": 2.2, "solid_capstyle": "butt", "zorder": 3}
        axes.plot([end - com, end], [below, below], **line)


def _com(row: Forecast) -> float:
    """The longest #COM of a row; 0.0 where it shows none."""
    return row.com.maximum if row.com is not None else 0.0


def _lighter(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * 0.28):02x}" for part in parts)


def _legend(figure: Figure, colour_of: dict[str, str], top: float, com: bool) -> None:
    handles: list[Any] = [Patch(facecolor=colour, label=name) for name, colour in colour_of.items()]
    handles.append(Patch(facecolor=PALE, label="at least"))
    handles.append(Patch(facecolor=_lighter(PALE), edgecolor=PALE, hatch="/////", linewidth=0, label="up to"))
    handles.append(Line2D([], [], color=INK, linewidth=1.6, marker="", label="mean"))
    if com:
        handles.append(Line2D([], [], color=ALARM, linewidth=2.2, label="#COM, at the longest"))
    figure.legend(
        handles=handles,
        loc="upper center",
        bbox_to_anchor=(0.5, top),
        ncols=min(5, len(handles)),
        frameon=False,
        fontsize=8,
        handlelength=1.8,
        columnspacing=1.6,
    )


def _notes(forecasts: Sequence[Forecast]) -> list[str]:
    """The rows without a bar."""
    return [
        part
        for line in unaffected(forecasts)
        for part in wrap(line, _NOTE_CHARACTERS, break_on_hyphens=False)
    ]
