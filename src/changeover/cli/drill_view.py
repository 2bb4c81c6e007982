"""Drills on a terminal: what is going on, and each measurement beside its forecast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from changeover.drill.campaign import DrillRun
    from changeover.drill.result import Campaign, Drill
    from changeover.drill.strikes import Strike
    from changeover.forecast.result import Forecast


def run_and_show(run: DrillRun, strikes: Sequence[Strike], repeat: int, quiet: bool = False) -> bool:
    """Run drills, a line for each function; whether they were interrupted."""
    from rich.console import Console

    console = Console(stderr=quiet, highlight=False)
    shown: Strike | None = None
    with console.status("") as status:

        def say(text: str) -> None:
            status.update(f"[dim]{text}[/dim]")

        try:
            for strike, drills in run.run(strikes, repeat, say):
                if strike != shown:
                    shown = strike
                    console.print(f"[bold]{strike.name}[/bold]", soft_wrap=True)
                    for row in strike.rows:
                        console.print(heading(row), soft_wrap=True)
                console.print(made(drills[0]), soft_wrap=True)
                for drill in drills:
                    console.print(line(drill), soft_wrap=True)
        except KeyboardInterrupt:
            console.print("[bold]interrupted: everything is cleaned up; the sheet holds what was done[/bold]")
            return True
    return False


def heading(row: Forecast) -> str:
    """What a fault is forecast to cost a function, one line."""
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
    told = f": {', '.join(parts)}" if parts else ""
    return f"  forecast for {row.function.value} ({row.outcome.value}){told}"


def made(drill: Drill) -> str:
    """How a fault was made, one line."""
    again = f" (repeats {drill.repeats})" if drill.repeats is not None else ""
    return f"  {drill.repetition:>3}{again} {drill.variant}"


def line(drill: Drill) -> str:
    """What a drill measured of one function, one line."""
    measured = [
        f"{name} {value:.3f}"
        for name, value in (
            ("detection", drill.detection_s),
            ("changeover", drill.changeover_s),
            ("#COM", drill.com_s if drill.forecast["com_s"] is not None else None),
            ("return", drill.return_s if drill.forecast["return_s"] is not None else None),
            ("redundant", drill.redundant_s),
        )
        if value is not None
    ]
    verdict = "[green]PASS[/green]" if drill.passed else f"[bold red]FAIL[/bold red] {drill.why}"
    figures = f"{', '.join(measured)} s" if measured else "nothing moved"
    return f"      {drill.function:<8} {figures}  {verdict}"


def audit_lines(campaign: Campaign) -> list[str]:
    """What the audits found, one line for each kind."""
    from changeover.drill.result import KINDS

    lines = []
    for kind in KINDS:
        audits = [audit for audit in campaign.audits if audit.kind == kind]
        if audits:
            expected, lost, doubled, folded = (
                sum(getattr(audit, name) for audit in audits)
                for name in ("expected", "lost", "doubled", "folded")
            )
            told = f"{kind}: {expected} expected, {lost} lost, {doubled} doubled"
            if not (expected or lost or doubled):
                told = f"{kind}: nothing fell due"
            lines.append(f"{told}, {folded} folded" if folded else told)
    return lines
