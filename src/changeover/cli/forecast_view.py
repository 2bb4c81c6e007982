"""The forecast on a terminal: a table to read in one look, and what to change first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from changeover.forecast.advice import Change, Miss, first_change, holder, worst
from changeover.forecast.detection import WATCH
from changeover.forecast.result import Forecast, Outcome
from changeover.forecast.stages import Distribution
from changeover.forecast.wording import few, figure, seconds, unaffected
from changeover.model.plant import Plant

_WIDE = 120
"""Columns from which detection, p95 and return have room too."""


def print_forecast(
    plant: Plant, rows: Sequence[Forecast], target_s: float | None, missed: Sequence[Miss]
) -> None:
    """Print the table, the lost and unaffected rows, and what to change first.

    Args:
        plant: The plant that was forecast.
        rows: Its rows, or some of them.
        target_s: The changeover that is asked for, in seconds; None without.
        missed: The rows that miss it.
    """
    console = Console(highlight=False)
    family = plant.policy.family.value
    console.print(
        Text(f"{plant.name}, version {plant.version} (family {family}); figures in seconds", "bold")
    )
    shown = [row for row in rows if row.outcome is not Outcome.UNAFFECTED]
    longest = worst(rows)
    if shown:
        console.print(_table(shown, longest, target_s, missed, wide=console.width >= _WIDE))
    for line in (*_lost(rows), *unaffected(rows)):
        _print_hanging(console, line)
    if longest is not None:
        console.print()
        _print_hanging(console, _advice(plant, longest), "bold")
    if target_s is not None:
        console.print()
        for line in _verdict(rows, target_s, missed):
            _print_hanging(console, line)


def _print_hanging(console: Console, line: str, style: str = "") -> None:
    console.print(Padding(Text(line, style), (0, 0, 0, 1)))


def _table(
    rows: Sequence[Forecast],
    longest: Forecast | None,
    target_s: float | None,
    missed: Sequence[Miss],
    *,
    wide: bool,
) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold", show_edge=False)
    table.add_column("")
    for name in ("function", "fault", "target"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    figures = (
        ["changeover", "mean", "p95", "#COM", "detection", "return"]
        if wide
        else ["changeover", "mean", "#COM"]
    )
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    if target_s is not None:
        table.add_column(f"{target_s:g} s", justify="center")
    late = {id(found.forecast) for found in missed}
    for before, row in zip((None, *rows), rows, strict=False):
        first = before is None or before.function is not row.function
        cells = [
            "▶" if row is longest else "",
            row.function.value if first else "",
            row.fault.value,
            row.target,
            *_figures(row, wide=wide),
        ]
        if target_s is not None:
            cells.append("✗" if id(row) in late or row.outcome is Outcome.LOST else "✓")
        table.add_row(*cells, style=_style(row, row is longest))
    return table


def _style(row: Forecast, is_longest: bool) -> str:
    if is_longest:
        return "bold yellow"
    return "red" if row.outcome is Outcome.LOST else ""


def _figures(row: Forecast, *, wide: bool) -> list[str]:
    changed = row.changeover
    summary = changed.summary() if changed is not None else None
    cells = [_span(changed) if changed is not None else "lost", figure(summary.mean) if summary else "–"]
    if wide:
        cells.append(figure(summary.p95) if summary else "–")
    cells.append(_span(row.com))
    if wide:
        cells.extend((_span(row.detection), _span(row.return_)))
    return cells


def _span(distribution: Distribution | None) -> str:
    if distribution is None:
        return "–"
    low, high = figure(distribution.minimum), figure(distribution.maximum)
    return high if low == high else f"{low} – {high}"


def _lost(rows: Iterable[Forecast]) -> list[str]:
    """Why rows are lost, and what changeovers leave behind: one line per reason."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.outcome is Outcome.LOST:
            found.setdefault(f"{row.fault.value} {row.target}: lost: {_main_reason(row)}", []).append(
                row.function.value
            )
        elif row.changeover is not None and row.reason and "without a standby" in row.reason:
            found.setdefault(f"{row.fault.value} {row.target}: {row.reason}", []).append(row.function.value)
    return [f"{', '.join(names)}, {line}" for line, names in found.items()]


def _main_reason(row: Forecast) -> str:
    return (row.reason or "").split("; ")[0]


def _advice(plant: Plant, row: Forecast) -> str:
    assert row.changeover is not None, "the worst row is a changeover"
    longest = seconds(row.changeover.maximum)
    start = f"▶ worst: {row.function.value}, {row.fault.value} {row.target}, up to {longest}."
    change = first_change(plant, row)
    if change is None:
        parameter, share = holder(row)
        return f"{start} {parameter} makes {seconds(share)} of it. {_by_hand(parameter)}"
    return (
        f"{start} Change {change.parameter} first: it makes {seconds(change.share_s)} of it."
        f" {_proposal(change)}"
    )


def _proposal(change: Change) -> str:
    how = "Halved" if change.lower == change.value // 2 else "Lowered"
    return (
        f"{how} from {_valued(change.parameter, change.value)} to {_valued(change.parameter, change.lower)},"
        f" the longest becomes {seconds(change.longest_s)}."
    )


def _by_hand(parameter: str) -> str:
    if "tcp" in parameter.lower():
        return 'It is the stack\'s own: with network_protocol = "acknowledged" [LAN]SendTimeout decides.'
    return "It is no single value of citect.ini."


def _valued(parameter: str, value: int) -> str:
    return f"{value} s" if parameter == WATCH else f"{value} ms"


def _verdict(rows: Sequence[Forecast], target_s: float, missed: Sequence[Miss]) -> list[str]:
    changed = sum(row.changeover is not None for row in rows)
    lost = sum(row.outcome is Outcome.LOST for row in rows)
    if not changed:
        return [f"{target_s:g} s: nothing changes over here." + _and_lost(lost)]
    if not missed:
        return [f"✓ {target_s:g} s is realistic: all {changed} changeovers stay within it." + _and_lost(lost)]
    head = f"✗ {target_s:g} s is missed by {len(missed)} of {changed} changeovers." + _and_lost(lost)
    return [head, *_by_cause(missed, target_s)]


def _and_lost(lost: int) -> str:
    if not lost:
        return ""
    return f" {lost} {'fault leaves' if lost == 1 else 'faults leave'} nothing to change over to."


def _by_cause(missed: Sequence[Miss], target_s: float) -> list[str]:
    """One line per cause: the rows that the same parameter holds in the same way."""
    found: dict[tuple[str, bool, str | None], list[Miss]] = {}
    for miss in missed:
        found.setdefault((miss.parameter, miss.enough, miss.next_parameter), []).append(miss)
    return [
        f"  {_cause(same, target_s)} ({few([_named(miss.forecast) for miss in same])})"
        for same in found.values()
    ]


def _named(row: Forecast) -> str:
    return f"{row.function.value} {row.fault.value} {row.target}"


def _cause(same: Sequence[Miss], target_s: float) -> str:
    first = same[0]
    up_to = f"holds up to {seconds(max(miss.worst_s for miss in same))}"
    if first.value is None:
        return f"{first.parameter} {up_to}. {_by_hand(first.parameter)}"
    values = {miss.value for miss in same if miss.value is not None}
    shown = "" if len(values) > 1 else f" = {_valued(first.parameter, first.value)}"
    needed = [miss.needed for miss in same if miss.needed is not None]
    if needed:
        enough = _valued(first.parameter, min(needed))
        return f"{first.parameter}{shown} {up_to}: {enough} or less alone would do."
    left = seconds(max(miss.remaining_s for miss in same))
    rest = f"{first.parameter}{shown} {up_to}; alone it cannot meet {target_s:g} s: {left} would be left"
    return f"{rest}, held by {first.next_parameter}." if first.next_parameter else f"{rest}."
