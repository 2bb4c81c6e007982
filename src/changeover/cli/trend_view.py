"""A trend on a terminal: how it went, in one line of blocks, and its last rows."""

from __future__ import annotations

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from changeover.cli.alarms_view import counted
from changeover.cli.console import make_console
from changeover.cli.trend_data import BUCKETS, INTERPOLATED, RAW, Moments, TrendData, TrendWanted, Values
from changeover.cli.trend_times import long, shown, shown_zone, span_shown, zone_name
from changeover.cli.watched import value_text
from changeover.model.moment import SECOND
from changeover.model.plant import Plant
from changeover.model.quality import Quality
from changeover.model.tag import Tag
from changeover.runtime.tag_image import TagValue

_ROWS_MAX = 20
_BLOCKS = "▁▂▃▄▅▆▇█"
_LINE_COLUMNS_MAX = 100
_QUALITY_STYLES = {"good": "green", "bad": "bold red", "gap": "bold yellow", "partly": "yellow"}


def print_trend(plant: Plant, data: TrendData, local: bool) -> None:
    """Print what it is, a line of blocks over its whole span, and its last rows."""
    console = make_console()
    for line in heading(plant, data, local):
        console.print(Text(line), soft_wrap=True)
    if not len(data):
        return
    low, high = _bounds(data)
    blocks = sparkline(data, min(_LINE_COLUMNS_MAX, console.width - 2))
    console.print(Text.assemble(" ", (blocks, "cyan")), soft_wrap=True)
    console.print(Text(f" {low} … {high}, blank where there is no value", "dim"), soft_wrap=True)
    _print_rows(console, plant, data, local)


def heading(plant: Plant, data: TrendData, local: bool) -> list[str]:
    """What it is, what there is of it, and what is missing: one line each."""
    wanted, zone = data.wanted, shown_zone(plant, local)
    tag = wanted.tag
    span = f"{span_shown(wanted.start_utc, wanted.end_utc, zone)} {zone_name(plant, local)}"
    lines = [
        named(tag) + (f": {tag.comment}" if tag.comment else ""),
        f"{span}: {rows_in_words(wanted, len(data))}; told by {data.answerer}",
    ]
    if data.gaps:
        missing = long(sum(end - start for start, end in data.gaps))
        lines.append(f"no value for {missing} in {counted(len(data.gaps), 'gap')}")
    if data.is_cut:
        last = shown(int(data.utc[-1]), zone)
        lines.append(f"there are more samples after {last}: --limit raises how many, --bucket needs fewer")
    return lines


def named(tag: Tag) -> str:
    """`Basin_Level, m`."""
    return ", ".join(filter(None, (tag.name, tag.units)))


def rows_in_words(wanted: TrendWanted, count: int) -> str:
    """What so many rows are: `60 samples, one every 1 s`."""
    if wanted.kind == BUCKETS:
        return f"{counted(count, 'bucket')} of {long(wanted.step)}"
    if wanted.kind == INTERPOLATED:
        return f"{counted(count, 'value')}, one every {long(wanted.step)}"
    when = "for each change" if wanted.is_event else f"every {long(wanted.trend.period)}"
    return f"{counted(count, 'sample')}, one {when}"


def sparkline(data: TrendData, width: int) -> str:
    """The whole span in so many blocks, each as high as the mean of its rows; blank where there is no value.

    A value of an event trend goes on until the next one, or until a gap.
    """
    wanted = data.wanted
    edges = np.linspace(wanted.start_utc, wanted.end_utc, width + 1)
    means = _event_means(data, edges) if wanted.kind == RAW and wanted.is_event else _means(data, edges)
    known = means[~np.isnan(means)]
    if not len(known):
        return " " * width
    low, span = known.min(), np.ptp(known) or 1.0
    levels = np.where(np.isnan(means), -1, np.round((means - low) / span * (len(_BLOCKS) - 1)))
    return "".join(" " if level < 0 else _BLOCKS[int(level)] for level in levels)


def _means(data: TrendData, edges: Values) -> Values:
    """The mean of the rows between each two edges; where none lies there, the row before, unless in a gap."""
    good = ~np.isnan(data.line)
    utc, values = data.utc[good], data.line[good]
    places = np.clip(np.searchsorted(edges, utc, "right") - 1, 0, len(edges) - 2)
    counts = np.bincount(places, minlength=len(edges) - 1)
    sums = np.bincount(places, values, len(edges) - 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return _without_gaps(data, edges, means, utc, values)


def _event_means(data: TrendData, edges: Values) -> Values:
    good = ~np.isnan(data.line)
    utc = np.append(data.wanted.start_utc, data.utc[good])
    values = np.append(data.held, data.line[good])
    return _without_gaps(data, edges, np.full(len(edges) - 1, np.nan), utc, values)


def _without_gaps(data: TrendData, edges: Values, means: Values, utc: Moments, values: Values) -> Values:
    """Where there is no mean, and no gap either, the value that is held."""
    middles = (edges[:-1] + edges[1:]) / 2
    in_gap = np.zeros(len(middles), np.bool_)
    for start, end in data.gaps:
        in_gap |= (middles >= start) & (middles < end)
    before = np.searchsorted(utc, middles, "right") - 1
    held = np.where(before >= 0, values[np.maximum(before, 0)], np.nan) if len(utc) else np.nan
    found: Values = np.where(np.isnan(means) & ~in_gap, held, means)
    return found


def _bounds(data: TrendData) -> tuple[str, str]:
    extremes = data.extremes()
    if extremes is None:
        return "no value", "no value"
    tag = data.wanted.tag
    return _shown_value(tag, extremes[0]), f"{_shown_value(tag, extremes[1])} {tag.units}".rstrip()


def _print_rows(console: Console, plant: Plant, data: TrendData, local: bool) -> None:
    zone = shown_zone(plant, local)
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    table.add_column("time", no_wrap=True)
    for name in data.columns:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("quality", no_wrap=True)
    first = max(0, len(data) - _ROWS_MAX)
    utc, qualities = data.utc.tolist(), data.qualities()
    for row in range(first, len(data)):
        cells = [_cell(data, name, row) for name in data.columns]
        quality = qualities[row]
        table.add_row(shown(utc[row], zone, 3), *cells, Text(quality, _QUALITY_STYLES[quality]))
    console.print(table)
    if first:
        console.print(
            Text(f" {counted(first, 'row')} before these: --out FILE or --json has all", "dim"),
            soft_wrap=True,
        )


def _cell(data: TrendData, name: str, row: int) -> str:
    value = float(data.columns[name][row])
    if np.isnan(value):
        return "–"
    return f"{value:.0f}" if name == "count" else _shown_value(data.wanted.tag, value)


def _shown_value(tag: Tag, value: float) -> str:
    """As `watch` shows it; a whole tag's mean has decimals all the same."""
    text = value_text(tag, TagValue(value, Quality.GOOD, SECOND, ""))
    return text if tag.scaling is not None or value == round(value) else f"{value:.3f}"
