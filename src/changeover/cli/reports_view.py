"""Runs of reports, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from changeover.cli.alarms_view import clean, counted
from changeover.cli.attached import Answerer
from changeover.cli.console import make_console
from changeover.cli.trend_times import shown, shown_zone, zone_name
from changeover.core.report_records import RunEvent
from changeover.model.plant import Plant
from changeover.protocol.queries import RunRow

_WORDS = {
    RunEvent.STARTED: ("runs", "yellow"),
    RunEvent.PREPARED: ("prepared", "yellow"),
    RunEvent.FINISHED: ("finished", "green"),
    RunEvent.FAILED: ("failed", "bold red"),
    RunEvent.SKIPPED: ("skipped", "yellow"),
}


def print_runs(plant: Plant, runs: Sequence[RunRow], answerer: Answerer, local: bool, limit: int) -> None:
    """Print one row for each run, and below how many there are of each kind."""
    console, zone = make_console(), shown_zone(plant, local)
    table = Table(box=None, header_style="bold", padding=(0, 1), show_edge=False)
    for name in ("report", "scheduled", "state", "since", "server"):
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    table.add_column("files, or why", overflow="fold")
    for run in runs:
        words, style = _WORDS[run.event]
        if is_doubled(run):
            words, style = f"{words}, doubled: {run.finished}", "bold yellow"
        table.add_row(
            run.report,
            shown(run.scheduled_utc, zone),
            Text(words, style),
            shown(run.utc, zone),
            server_of(run),
            "\n".join(clean(line) for line in run.detail),
        )
    if runs:
        console.print(table)
    latest = (
        f"the latest {counted(limit, 'run')}, --limit shows more"
        if len(runs) >= limit
        else counted(len(runs), "run")
    )
    doubled = sum(is_doubled(run) for run in runs)
    console.print(
        f"{latest}, doubled: {doubled}; times in {zone_name(plant, local)}; told by {answerer}",
        soft_wrap=True,
    )


def run_fields(run: RunRow) -> dict[str, object]:
    """A run for programs; instants in UTC nanoseconds since 1970."""
    is_finished = run.event is RunEvent.FINISHED
    return {
        "report": run.report,
        "scheduled_utc": run.scheduled_utc,
        "state": _WORDS[run.event][0],
        "utc": run.utc,
        "server": server_of(run),
        "files": list(run.detail) if is_finished else [],
        "why": list(run.detail) if run.event is RunEvent.FAILED else [],
        "finished": run.finished,
        "doubled": is_doubled(run),
    }


def is_doubled(run: RunRow) -> bool:
    """Whether both servers finished it, because they could not see each other."""
    return run.finished > 1


def server_of(run: RunRow) -> str:
    """The server that wrote what is told; `~` divides its name from that of its archive."""
    return run.origin.partition("~")[0]
