"""What each target costs, as a picture: the cost above, below it what each parameter has to be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from changeover.config.parameters import ParameterUnit
from changeover.forecast.drawing import ALARM, BLUE, GRID, INK, PALE, colours, drawn
from changeover.forecast.tail import Rate
from changeover.forecast.trip_rates import SECONDS_PER_YEAR
from changeover.forecast.wording import per_time, seconds
from changeover.guide.knobs import Knob
from changeover.guide.planner import Plan
from changeover.guide.sweep import ASKED_S, Swept

_SIZE_IN = (10.0, 7.2)
_LEFT, _WIDTH = 0.085, 0.7
_UPPER, _LOWER = (0.525, 0.355), (0.09, 0.355)
_FRONTIER_IN = 2.9
_FOOT_PER_YEAR = 0.01
_MARGIN = 0.02
_ROOM = 1.25
_NAME_GAP = 1.02
_REACHED = "#e8f2ec"
_OUT = "#fbeaea"


def chart_svg(
    swept: Swept,
    title: str,
    measure: str,
    trips: Mapping[float, Rate] | None = None,
    bound: float | None = None,
) -> str:
    """Draw a sweep.

    Args:
        swept: The plans.
        title: Heading, such as the plant's name and version.
        measure: Which figure of a changeover meets the target, in words.
        trips: By target, how often the plant trips falsely then, per second; drawn below where there is any.
        bound: How often it may.

    Returns:
        An SVG document; equal arguments give equal text.
    """
    return drawn(lambda: _figure(swept, title, measure, trips or {}, bound)).decode()


def _figure(
    swept: Swept, title: str, measure: str, trips: Mapping[float, Rate], bound: float | None
) -> Figure:
    if trips:
        return _with_frontier(swept, title, measure, trips, bound)
    figure = Figure(figsize=_SIZE_IN, facecolor="white")
    _fill(figure, swept, title, measure, 1.0)
    return figure


def _with_frontier(
    swept: Swept, title: str, measure: str, trips: Mapping[float, Rate], bound: float | None
) -> Figure:
    """The same, and below it what the targets cost in false trips."""
    share = _SIZE_IN[1] / (_SIZE_IN[1] + _FRONTIER_IN)
    figure = Figure(figsize=(_SIZE_IN[0], _SIZE_IN[1] / share), facecolor="white")
    low, high = _fill(figure, swept, title, measure, share)
    axes = figure.add_axes((_LEFT, 0.07, _WIDTH, 1 - share - 0.085))
    _dress(axes, low, high)
    axes.set_yscale("log")
    axes.set_ylabel("false trips per year", color=PALE, fontsize=8.5)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.7g}".replace(",", "\u2009")))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("target, seconds", color=PALE, fontsize=8.5)
    targets = sorted(trips)
    # A rate of nothing has no place on this scale: it is drawn at its foot.
    foot = _FOOT_PER_YEAR
    yearly = ([max(r * SECONDS_PER_YEAR, foot) for r in trips[target]] for target in targets)
    rates, least, most = zip(*yearly, strict=True)
    axes.fill_between(targets, least, most, color=BLUE, alpha=0.18, linewidth=0, label="95 of 100")
    axes.plot(targets, rates, color=BLUE, linewidth=1.7, label="as measured")
    if bound is not None:
        allowed = f"allowed: {per_time(bound)}"
        axes.axhline(bound * SECONDS_PER_YEAR, color=ALARM, linewidth=1.2, label=allowed)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    return figure


def _fill(figure: Figure, swept: Swept, title: str, measure: str, share: float) -> tuple[float, float]:
    """Draw cost and values into the upper share of a figure; the ends of the scale of targets."""

    def at(height: float) -> float:
        return 1 - (1 - height) * share

    figure.text(_MARGIN, at(0.955), title, fontsize=13, fontweight="bold", color=INK, va="center")
    figure.text(
        _MARGIN,
        at(0.918),
        "what each target costs: the smallest change of parameters with which every changeover meets it, "
        f"{measure}",
        fontsize=8.5,
        color=PALE,
        va="center",
    )
    met = [plan for plan in swept.plans if plan.is_met]
    low = min([swept.least_s, *ASKED_S]) / _ROOM
    high = max([swept.now_s, *ASKED_S]) * _ROOM
    upper = figure.add_axes((_LEFT, at(_UPPER[0]), _WIDTH, _UPPER[1] * share))
    lower = figure.add_axes((_LEFT, at(_LOWER[0]), _WIDTH, _LOWER[1] * share))
    for axes in (upper, lower):
        _dress(axes, low, high)
        axes.axvspan(low, max(swept.least_s, low), color=_OUT, linewidth=0, zorder=0)
        axes.axvspan(min(max(swept.now_s, low), high), high, color=_REACHED, linewidth=0, zorder=0)
    upper.tick_params(axis="x", labelbottom=False)
    _cost(upper, met, swept)
    _values(lower, met, swept, high)
    if share == 1.0:
        lower.set_xlabel("target, seconds", color=PALE, fontsize=8.5)
    return low, high


def _dress(axes: Any, low: float, high: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 3.0, 5.0), numticks=30))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(GRID)
    axes.tick_params(which="both", colors=PALE, length=0, labelsize=8.5)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for asked in ASKED_S:
        axes.axvline(asked, color=ALARM, linewidth=0.9, linestyle=(0, (5, 3)), zorder=1)


def _cost(axes: Any, met: list[Plan], swept: Swept) -> None:
    top = max([plan.cost for plan in met] + [0.5]) * 1.22
    axes.set_ylim(0, top)
    axes.set_ylabel("Σ ln (now / then)", color=PALE, fontsize=8.5)
    ends = [plan for plan in met if plan.target_s <= swept.now_s]
    for run in _runs(ends):
        axes.plot([p.target_s for p in run], [p.cost for p in run], color=INK, linewidth=1.3, zorder=3)
    numbers = sorted({len(plan.changes) for plan in ends if plan.changes})
    for number in numbers:
        same = [plan for plan in ends if len(plan.changes) == number]
        face = INK if number == numbers[0] else "white"
        size = 4.0 + 1.2 * numbers.index(number)
        label = "1 parameter" if number == 1 else f"{number} parameters"
        axes.plot(
            [plan.target_s for plan in same],
            [plan.cost for plan in same],
            linestyle="",
            marker="os^Dv"[numbers.index(number) % 5],
            markersize=size,
            markerfacecolor=face,
            markeredgecolor=INK,
            markeredgewidth=0.9,
            zorder=4,
            label=label,
        )
    if numbers:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8)
    for asked in ASKED_S:
        found = next((plan for plan in swept.plans if plan.target_s == asked), None)
        said = f"{asked:g} s"
        if found is not None and not found.is_met:
            said += "\nout of reach"
        elif found is not None and not found.changes:
            said += "\nas it is"
        axes.text(asked, top * 0.985, said, color=ALARM, fontsize=7.5, ha="center", va="top", bbox=_paper())
    if 0 < swept.least_s < swept.now_s:
        beside = {"transform": axes.get_xaxis_transform(), "color": PALE, "fontsize": 7.5, "rotation": 90.0}
        axes.text(swept.least_s / _NAME_GAP, 0.5, f"{seconds(swept.least_s)} is reachable",
                  ha="right", va="center", **beside)  # fmt: skip
        axes.text(swept.now_s * _NAME_GAP, 0.5, f"{seconds(swept.now_s)} now: met as it is",
                  ha="left", va="center", **beside)  # fmt: skip


def _runs(plans: list[Plan]) -> list[list[Plan]]:
    """Plans that change the same parameters, one after the other: no line joins two different plans."""
    runs: list[list[Plan]] = []
    for plan in plans:
        knobs = set(plan.values)
        if not runs or set(runs[-1][-1].values) != knobs:
            runs.append([])
        runs[-1].append(plan)
    return runs


def _values(axes: Any, met: list[Plan], swept: Swept, high: float) -> None:
    """What each parameter has to be that any of the plans changes, as a line that ends at its value now."""
    axes.set_yscale("log")
    axes.set_ylabel("value then, seconds", color=PALE, fontsize=8.5)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    knobs = list(dict.fromkeys(change.knob for plan in met for change in plan.changes))
    times = [knob for knob in knobs if knob.parameter.unit is not ParameterUnit.COUNT]
    colour_of = colours(str(knob) for knob in knobs)
    ends: list[tuple[float, Knob]] = []
    for knob in times:
        now, colour = _seconds(knob, knob.value), colour_of[str(knob)]
        for run in _runs(met):
            line = [(plan.target_s, _seconds(knob, plan.values.get(knob, knob.value))) for plan in run]
            style = "steps-pre" if knob.is_coarse else "default"
            dot = "o" if len(line) == 1 else ""
            axes.plot(*zip(*line, strict=True), color=colour, linewidth=1.7, zorder=3, drawstyle=style,
                      marker=dot, markersize=3)  # fmt: skip
        axes.plot([swept.now_s, high], [now, now], color=colour, linewidth=1.7, zorder=3)
        ends.append((now, knob))
    low, top = axes.get_ylim()
    _names(axes, ends, colour_of, high, (low, top))
    counts = [str(knob) for knob in knobs if knob not in times]
    if counts:
        axes.text(1.02, 0.02, f"{', '.join(counts)}:\nsee the table", transform=axes.transAxes,
                  color=PALE, fontsize=7.5, va="bottom")  # fmt: skip
    if not knobs:
        axes.text(0.5, 0.5, "no parameter has to change", transform=axes.transAxes, color=PALE, ha="center")


def _names(
    axes: Any,
    ends: Iterable[tuple[float, Knob]],
    colour_of: dict[str, str],
    high: float,
    limits: tuple[float, float],
) -> None:
    """Each line's name at its end, moved apart where they would overlap."""
    low, top = limits
    least_ratio = (top / low) ** 0.075
    before = 0.0
    for value, knob in sorted(ends, key=lambda end: end[0]):
        place = max(value, before * least_ratio)
        before = place
        said = f"{knob}, now {knob.in_words(knob.value)}"
        axes.text(high * _NAME_GAP, place, said, color=colour_of[str(knob)], fontsize=8, va="center")


def _seconds(knob: Knob, value: int) -> float:
    return value / 1000 if knob.parameter.unit is ParameterUnit.MILLISECONDS else float(value)


def _paper() -> dict[str, object]:
    return {"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85}
