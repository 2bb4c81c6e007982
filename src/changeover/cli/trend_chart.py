"""A trend as a picture. What is not known is not drawn: no line crosses a gap."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from changeover.cli.trend_data import BUCKETS, RAW, Moments, TrendData, Values
from changeover.cli.trend_times import long, shown_zone, span_shown, zone_name
from changeover.cli.trend_view import named, rows_in_words
from changeover.forecast.drawing import ALARM, BLUE, GRID, INK, PALE, drawn
from changeover.model.moment import SECOND
from changeover.model.plant import Plant
from changeover.model.tag import TagType

_GAP_FACE, _GAP_EDGE = "#f3f4f5", "#cdd2d6"
_SIZE_IN = (10.0, 4.0)
_MARKED_MAX = 150
"""Up to so many samples each has a dot."""


def chart(plant: Plant, data: TrendData, local: bool, form: str) -> bytes:
    """Draw a trend.

    Args:
        plant: The plant.
        data: What was recorded.
        local: The axis in the plant's time zone instead of UTC.
        form: `svg` or `png`.

    Returns:
        The file; equal arguments give equal bytes.
    """
    return drawn(lambda: _figure(plant, data, local), form)


def _figure(plant: Plant, data: TrendData, local: bool) -> Figure:
    wanted = data.wanted
    figure = Figure(figsize=_SIZE_IN, facecolor="white")
    axes = figure.add_axes((0.075, 0.135, 0.9, 0.655))
    _dress(axes, plant, data, local)
    handles = _draw_gaps(axes, data)
    handles = [*_draw_values(axes, data), *handles, *_draw_bad(axes, data)]
    _bound(axes, data)
    zone = shown_zone(plant, local)
    figure.text(0.015, 0.94, named(wanted.tag), fontsize=13, fontweight="bold", color=INK, va="center")
    span = f"{span_shown(wanted.start_utc, wanted.end_utc, zone)} {zone_name(plant, local)}"
    about = " · ".join(filter(None, (wanted.tag.comment, plant.name, span)))
    figure.text(0.015, 0.872, about, fontsize=8.5, color=PALE, va="center")
    figure.legend(
        handles=handles,
        loc="center right",
        bbox_to_anchor=(0.985, 0.942),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        handlelength=1.6,
        columnspacing=1.4,
    )
    return figure


def _dress(axes: Any, plant: Plant, data: TrendData, local: bool) -> None:
    wanted, zone = data.wanted, shown_zone(plant, local)
    axes.set_xlim(_dates(np.array([wanted.start_utc])), _dates(np.array([wanted.end_utc])))
    locator = AutoDateLocator(tz=zone, minticks=4, maxticks=9)
    formatter = ConciseDateFormatter(locator, tz=zone, show_offset=False)
    # The first of a larger unit names it: the day at midnight, the year in January.
    formatter.formats = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
    formatter.zero_formats = ["", "%Y", "%b", "%d %b", "%H:%M", "%H:%M"]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.set_xlabel(f"time, {zone_name(plant, local)}", color=PALE, fontsize=8.5)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    axes.tick_params(colors=PALE, length=0, labelsize=8.5)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if wanted.tag.type is TagType.DIGITAL:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=2))


def _draw_gaps(axes: Any, data: TrendData) -> list[Any]:
    for start, end in data.gaps:
        left, right = _dates(np.array([start, end]))
        axes.axvspan(
            left, right, facecolor=_GAP_FACE, edgecolor=_GAP_EDGE, hatch="////", linewidth=0, zorder=0
        )
    if not data.gaps:
        return []
    missing = long(sum(end - start for start, end in data.gaps))
    label = f"no value: {missing}"
    return [Patch(facecolor=_GAP_FACE, edgecolor=_GAP_EDGE, hatch="////", linewidth=0, label=label)]


def _draw_values(axes: Any, data: TrendData) -> list[Any]:
    wanted = data.wanted
    if wanted.kind == BUCKETS:
        return _draw_buckets(axes, data)
    utc, values = _with_breaks(data)
    held = wanted.kind == RAW and wanted.is_event
    axes.plot(
        _dates(utc),
        values,
        color=BLUE,
        linewidth=1.3,
        drawstyle="steps-post" if held else "default",
        solid_capstyle="butt",
        zorder=3,
    )
    if len(data) <= _MARKED_MAX:
        axes.plot(_dates(data.utc), data.line, "o", color=BLUE, markersize=2.6, zorder=3)
    return [Line2D([], [], color=BLUE, linewidth=1.3, label=rows_in_words(wanted, len(data)))]


def _draw_buckets(axes: Any, data: TrendData) -> list[Any]:
    """Each bucket is as wide as it is long, so that it says what it stands for."""
    wanted = data.wanted
    edges = np.repeat(np.append(data.utc, wanted.end_utc), 2)[1:-1]
    at = _dates(edges)
    least, greatest, mean = (np.repeat(data.columns[name], 2) for name in ("min", "max", "mean"))
    axes.fill_between(at, least, greatest, color=BLUE, alpha=0.22, linewidth=0, zorder=2)
    axes.plot(at, mean, color=BLUE, linewidth=1.5, solid_capstyle="butt", solid_joinstyle="miter", zorder=3)
    return [
        Line2D([], [], color=BLUE, linewidth=1.5, label=f"mean of {long(wanted.step)}"),
        Patch(facecolor=BLUE, alpha=0.22, linewidth=0, label="least to greatest"),
    ]


def _draw_bad(axes: Any, data: TrendData) -> list[Any]:
    """Marks on the axis: samples that the device refused, or buckets of which only a part is known."""
    wanted = data.wanted
    marked = data.bad
    if wanted.kind != RAW:
        # A bucket that is not over yet says so by its place.
        marked = data.bad & ~np.isnan(data.line) & (data.utc + wanted.step <= wanted.end_utc)
    if not marked.any():
        return []
    words, mark = ("bad quality", "x") if wanted.kind == RAW else ("partly known", "|")
    at = data.utc[marked]
    if wanted.kind == BUCKETS:
        at = at + wanted.step // 2
    style: dict[str, Any] = {
        "color": ALARM,
        "marker": mark,
        "markersize": 5,
        "linestyle": "",
        "markeredgewidth": 1.2,
    }
    bottom = axes.get_xaxis_transform()
    axes.plot(_dates(at), np.full(len(at), 0.015), transform=bottom, clip_on=False, zorder=4, **style)
    return [Line2D([], [], label=words, **style)]


def _bound(axes: Any, data: TrendData) -> None:
    extremes = data.extremes()
    if extremes is None:
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.text(
            0.5, 0.5, "no value is recorded", transform=axes.transAxes, ha="center", va="center", color=PALE
        )
        return
    least, greatest = min(extremes[0], *_held(data)), max(extremes[1], *_held(data))
    margin = 0.06 * (greatest - least) or max(abs(greatest) * 0.1, 0.5)
    axes.set_ylim(least - margin, greatest + margin)


def _held(data: TrendData) -> tuple[float, ...]:
    least, _ = data.extremes() or (0.0, 0.0)
    return (least,) if np.isnan(data.held) else (data.held,)


def _with_breaks(data: TrendData) -> tuple[Moments, Values]:
    """Where a gap or a bad sample is, NaN breaks the line; an event trend holds its value until then."""
    wanted = data.wanted
    utc, values = data.utc, data.line
    if wanted.kind == RAW and wanted.is_event:
        return _held_steps(data)
    starts = np.array([start for start, _ in data.gaps if len(utc) and utc[0] < start < utc[-1]], np.int64)
    places = np.searchsorted(utc, starts)
    return np.insert(utc, places, starts), np.insert(values, places, np.nan)


def _held_steps(data: TrendData) -> tuple[Moments, Values]:
    """The samples, the value at the start, and at each gap's edges and the end what holds there."""
    wanted = data.wanted
    utc = np.append(wanted.start_utc, data.utc)
    values = np.append(data.held, data.line)
    starts = np.array([start for start, _ in data.gaps], np.int64)
    ends = np.array([end for _, end in data.gaps if end < wanted.end_utc], np.int64)
    last = min([wanted.end_utc, *(start for start, end in data.gaps if end >= wanted.end_utc)])
    after = values[np.searchsorted(utc, ends, "right") - 1] if len(ends) else np.empty(0)
    utc = np.concatenate((utc, starts, ends, [last]))
    values = np.concatenate((values, np.full(len(starts), np.nan), after, [np.nan]))
    order = np.argsort(utc, kind="stable")
    utc, values = utc[order], values[order]
    if not data.gaps or data.gaps[-1][1] < wanted.end_utc:
        values[-1] = values[-2] if len(values) > 1 else np.nan
    return utc, values


def _dates(utc: Moments) -> Any:
    """Matplotlib's days."""
    return date2num((utc // (SECOND // 1000)).astype("datetime64[ms]"))
