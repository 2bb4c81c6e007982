"""`changeover alarms`: what is wrong in the plant, and what operators did about it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from changeover.cli.alarms_filters import AlarmFilter, category_number, filter_options
from changeover.cli.attach import client_option, load_asking_client, local_option, wait_option
from changeover.cli.common import json_option, project_argument
from changeover.model.server import Function

if TYPE_CHECKING:
    from changeover.model.plant import Plant
    from changeover.model.server import Client

ACTS = {
    "ack": "Acknowledge alarms.",
    "comment": "Comment on alarms.",
    "shelve": "Keep alarms off the list for a while.",
    "unshelve": "List shelved alarms again.",
    "disable": "Take alarms out of service.",
    "enable": "Put disabled alarms back into service.",
}
LIST = "list"
LIMIT = 100
SHOWN_MAX = 500
LIMIT_MAX = 10_000
"""An answer is one message, and a message has a bound."""


class ListOrAct(click.Command):
    """Lists alarms, unless the first word says what to do with them."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the sub-verb that comes first, else of the list."""
        word = args[0] if args else ""
        act = self.get_command(word)
        if act is not None:
            return act.make_context(f"{info_name} {word}", args[1:], parent, **extra)
        return super().make_context(info_name, args[1:] if word == LIST else args, parent, **extra)

    def get_command(self, name: str) -> click.Command | None:
        """A sub-verb other than the list, imported; None for no such."""
        if name not in ACTS:
            return None
        act: click.Command = importlib.import_module("changeover.cli.alarms_acts").COMMANDS[name]
        return act

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Name the sub-verbs too."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands, before PROJECT"):
            formatter.write_dl([(LIST, "List alarms, as without a command."), *ACTS.items()])


@click.command("alarms", cls=ListOrAct)
@project_argument
@client_option
@filter_options
@click.option("--all", "everything", is_flag=True, help="Every alarm: normal, shelved and disabled ones too.")
@click.option("--summary", is_flag=True, help="Occurrences, the newest first.")
@click.option("--journal", is_flag=True, help="What happened, as both servers of the pair logged it.")
@click.option("--from", "begin", metavar="TIME", help="Of summary and journal: from then on; -8h, 06:00.")
@click.option("--to", "end", metavar="TIME", help="Of summary and journal: up to before then.")
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    metavar="N",
    help=f"The most urgent so many; of summary and journal the newest.  [default: {SHOWN_MAX} on a terminal; "
    f"of summary and journal {LIMIT}]",
)
@click.option("--watch", is_flag=True, help="Go on showing them until Ctrl-C.")
@local_option
@wait_option
@json_option
def command(
    folder: Path,
    client: str | None,
    patterns: tuple[str, ...],
    category: str | None,
    area: int | None,
    priority: int | None,
    unacknowledged: bool,
    everything: bool,
    summary: bool,
    journal: bool,
    begin: str | None,
    end: str | None,
    limit: int | None,
    watch: bool,
    local: bool,
    wait_seconds: float | None,
    as_json: bool,
) -> None:
    """List the alarms of PROJECT that are active or not acknowledged, the most urgent first.

    With a command before PROJECT, act on them: `changeover alarms ack PROJECT TAG`.
    """
    _refuse_what_does_not_go(everything, summary, journal, unacknowledged, watch, begin, end)
    plant, found = load_asking_client(folder, client, Function.ALARM)
    wanted = AlarmFilter(patterns, category_number(plant, category), area, priority, unacknowledged)
    wanted.alarms(plant)
    if watch:
        _watch(plant, found, wanted, everything, local, as_json)
    elif summary or journal:
        from changeover.cli.alarms_history import History, print_history

        history = History(plant, found, wanted, journal, begin, end, limit or LIMIT, local)
        print_history(history, wait_seconds, as_json)
    else:
        from changeover.cli.alarms_list import Listing, print_list

        print_list(Listing(plant, found, wanted, everything, limit, local), wait_seconds, as_json)


def _refuse_what_does_not_go(
    everything: bool,
    summary: bool,
    journal: bool,
    unacknowledged: bool,
    watch: bool,
    begin: str | None,
    end: str | None,
) -> None:
    if everything + summary + journal > 1:
        raise click.UsageError("--all, --summary and --journal are three lists: choose one")
    history = summary or journal
    if history and (unacknowledged or watch):
        raise click.UsageError("--unacknowledged and --watch look at alarms as they stand")
    if not history and (begin, end) != (None, None):
        raise click.UsageError("--from and --to go with --summary or --journal")


def _watch(
    plant: Plant, client: Client, wanted: AlarmFilter, everything: bool, local: bool, as_json: bool
) -> None:
    import sys

    from changeover.cli.alarms_watch import AlarmsWatched, watch_lines, watch_screen
    from changeover.runtime.process import run_loop

    watched = AlarmsWatched(plant, client, wanted, everything, local)
    if as_json or not sys.stdout.isatty():
        raise SystemExit(run_loop(lambda: watch_lines(watched, as_json)))
    raise SystemExit(run_loop(lambda: watch_screen(watched)))
