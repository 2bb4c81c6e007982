"""`changeover watch`: what a client shows, live."""

from __future__ import annotations

from pathlib import Path

import click

from changeover.cli.attach import client_option, load_client
from changeover.cli.common import fail, project_argument


@click.command("watch")
@project_argument
@client_option
@click.option(
    "--tag", "patterns", metavar="PATTERN", multiple=True, help="Only these tags: names, or with * and ?."
)
@click.option("--plain", is_flag=True, help="One line per change, as when the output is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per change.")
@click.option("--once", is_flag=True, help="Show every tag once and end; status 1 when one has no value.")
@click.option("--seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
def command(
    folder: Path,
    client: str | None,
    patterns: tuple[str, ...],
    plain: bool,
    as_json: bool,
    once: bool,
    seconds: float | None,
) -> None:
    """Show the live tags of a client of PROJECT until Ctrl-C.

    The client runs in this process, beside one that `run` or `up` may have started.
    """
    import sys

    from changeover.cli.watch_lines import watch_lines
    from changeover.cli.watch_screen import watch_screen
    from changeover.cli.watched import Wanted
    from changeover.runtime.process import run_loop

    plant, found = load_client(folder, client)
    wanted = Wanted(plant, found, patterns, once, seconds)
    if not wanted.tags:
        fail(f"no tag of this project is like {', '.join(patterns) or '*'}")
    if as_json or plain or not sys.stdout.isatty():
        raise SystemExit(run_loop(lambda: watch_lines(wanted, as_json)))
    raise SystemExit(run_loop(lambda: watch_screen(wanted)))
