"""`changeover reports`: what became of the runs of reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.attach import client_option, load_asking_client, local_option, wait_option
from changeover.cli.common import choose, json_option, project_argument
from changeover.model.server import Function

if TYPE_CHECKING:
    from changeover.cli.attached import Answerer, Asking
    from changeover.protocol.queries import RunRows

LIMIT = 50
LIMIT_MAX = 10_000


@click.command("reports")
@project_argument
@click.option("--report", "name", metavar="NAME", help="Only this report.")
@click.option(
    "--from", "begin", metavar="TIME", help="Only runs scheduled from then on: -8h, 06:00, 2026-03-02."
)
@click.option(
    "--limit", type=click.IntRange(1, LIMIT_MAX), default=LIMIT, show_default=True, help="The latest so many."
)
@client_option
@local_option
@wait_option
@json_option
def command(
    folder: Path,
    name: str | None,
    begin: str | None,
    limit: int,
    client: str | None,
    local: bool,
    wait_seconds: float | None,
    as_json: bool,
) -> None:
    """List the runs of PROJECT's reports, the latest scheduled first: what became of each, and its files."""
    import time

    from changeover.cli.attached import converse
    from changeover.cli.reports_view import print_runs, run_fields
    from changeover.cli.trend_times import read_moment, shown_zone
    from changeover.protocol.queries import RunRows, RunsQuery

    plant, found = load_asking_client(folder, client, Function.REPORT)
    report = None if name is None else choose("report", name, [report.name for report in plant.reports])
    since = 0
    if begin is not None:
        since = read_moment("--from", begin, time.time_ns(), shown_zone(plant, local))

    async def talk(asking: Asking) -> tuple[RunRows, Answerer]:
        answer = await asking.ask(RunsQuery(report, since, limit))
        assert isinstance(answer, RunRows)
        return answer, asking.answerer

    runs, answerer = converse(plant, found, Function.REPORT, wait_seconds, talk)
    if as_json:
        document = {"plant": plant.name, **answerer.fields(), "runs": [run_fields(run) for run in runs.rows]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        print_runs(plant, runs.rows, answerer, local, limit)
