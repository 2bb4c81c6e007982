"""Drills on a terminal: what is going on, and each measurement beside its forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from changeover.drill.campaign import DrillRun
    from changeover.drill.result import Drill
    from changeover.forecast.result import Forecast


def run_and_show(run: DrillRun, rows: Sequence[Forecast], repeat: int, quiet: bool = False) -> bool:
    """Run drills, one line each; whether they were interrupted."""
    from rich.console import Console

    console = Console(stderr=quiet, highlight=False)
    shown: tuple[str, str] | None = None
    with console.status("") as status:

        def say(text: str) -> None:
            status.update(f"[dim]{text}[/dim]")

        try:
            for row, drill in run.run(rows, repeat, say):
                if (row.fault.value, row.target) != shown:
                    shown = (row.fault.value, row.target)
                    console.print(heading(row), soft_wrap=True)
                console.print(line(drill), soft_wrap=True)
        except KeyboardInterrupt:
            console.print("[bold]interrupted: everything is cleaned up; the sheet holds what was done[/bold]")
            return True
    return False


def heading(row: Forecast) -> str:
    """What a fault is forecast to cost, one line."""
    from changeover.forecast.wording import span

    parts = []
    for name, distribution in (
        ("detection", row.detection),
        ("changeover", row.changeover),
        ("#COM", row.com),
        ("return", row.return_),
    ):
        if distribution is not None:
            parts.append(f"{name} {span(distribution)}")
    what = f"[bold]{row.fault.value} {row.target}[/bold] ({row.outcome.value})"
    return f"{what}\n  forecast: {', '.join(parts) or row.reason}"


def line(drill: Drill) -> str:
    """What a drill measured, one line."""
    measured = [
        f"{name} {value:.3f}"
        for name, value in (
            ("detection", drill.detection_s),
            ("changeover", drill.changeover_s),
            ("#COM", drill.com_s if drill.forecast["com_s"] is not None else None),
            ("return", drill.return_s if drill.forecast["return_s"] is not None else None),
        )
        if value is not None
    ]
    verdict = "[green]PASS[/green]" if drill.passed else f"[bold red]FAIL[/bold red] {drill.why}"
    again = f" (repeats {drill.repeats})" if drill.repeats is not None else ""
    return f"  {drill.repetition:>3}{again} {drill.variant}: {', '.join(measured)} s  {verdict}"
