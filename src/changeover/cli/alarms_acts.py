"""`changeover alarms ack` and the other things that an operator does to alarms."""

from __future__ import annotations

import getpass
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from changeover.cli.alarms_filters import AlarmFilter, category_number, filter_options
from changeover.cli.attach import client_option, load_asking_client, wait_option
from changeover.cli.common import fail, json_option, project_argument
from changeover.cli.trend_times import Span
from changeover.cli.write import STATUS
from changeover.core.alarm_records import AlarmAction, AlarmEvent, AlarmState
from changeover.model.moment import Duration
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.runtime.client import CommandEnd

TEXT_MAX = 254
"""Characters of a comment, or of an operator's name."""
_TAGS_SHOWN = 5
_VERBS = {
    AlarmEvent.ACKNOWLEDGED: "acknowledge",
    AlarmEvent.COMMENT: "comment on",
    AlarmEvent.SHELVED: "shelve",
    AlarmEvent.UNSHELVED: "unshelve",
    AlarmEvent.DISABLED: "disable",
    AlarmEvent.ENABLED: "enable",
}
_NUMBERS = count(1)

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Act:
    """What was asked for on the command line.

    Attributes:
        event: What to do.
        tags: To these alarms.
        filter: Of `listed` which of the list; else category and area, which the server looks up.
        everything: To every alarm.
        listed: To what `changeover alarms` lists with the same filter, exactly as it stands then.
        comment: Goes to the journal with it.
        user: Who does it.
        span: Of SHELVED for how long; else 0.
    """

    event: AlarmEvent
    tags: tuple[str, ...]
    filter: AlarmFilter
    everything: bool
    listed: bool
    comment: str
    user: str
    span: Duration = 0

    def action(self, client: Client, tags: tuple[str, ...], utc: int) -> AlarmAction:
        """The action, with an identity that no other has.

        Args:
            client: Where it is given.
            tags: These alarms; none where category, area or everything says which.
            utc: Now, UTC nanoseconds since 1970.
        """
        return AlarmAction(
            action=f"{client.name}/{os.getpid()}/{utc}/{next(_NUMBERS)}",
            event=self.event,
            utc=utc,
            who=self.user,
            where=client.name,
            tags=tags,
            category=-1 if tags or self.filter.category is None else self.filter.category,
            area=-1 if tags or self.filter.area is None else self.filter.area,
            everything=self.everything,
            comment=self.comment,
            until_utc=utc + self.span if self.span else 0,
        )

    def words(self, tags: tuple[str, ...]) -> str:
        """What is to be done, and to which alarms."""
        if tags:
            rest = len(tags) - _TAGS_SHOWN
            to = ", ".join(tags[:_TAGS_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        elif self.listed:
            to = "what is listed"
        else:
            to = "all alarms" if self.everything else f"alarms of {self.filter}"
        return f"{_VERBS[self.event]} {to}"


@dataclass(frozen=True, slots=True)
class _Ended:
    """How an act ended.

    Attributes:
        end: Done, refused or unknown, and why.
        tags: Of `listed`, the alarms that were listed; else those of the command line.
        action: Its identity, empty when nothing was sent.
        server: The server that serves now, None for none.
    """

    end: CommandEnd
    tags: tuple[str, ...]
    action: str
    server: str | None


def choice_options(command: _F) -> _F:
    """Gives a command the options that say which alarms it acts on, and who acts."""
    options = (
        click.argument("tags", metavar="[TAG]...", nargs=-1),
        filter_options,
        click.option("--all", "everything", is_flag=True, help="All alarms."),
        click.option(
            "--listed",
            is_flag=True,
            help="What `changeover alarms` lists with these filters, exactly as it is listed now.",
        ),
        click.option("--user", metavar="NAME", help="Who does it; the login name without."),
        client_option,
        wait_option,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


comment_option = click.option("--comment", metavar="TEXT", default="", help="Goes to the journal with it.")


@click.command("ack")
@project_argument
@choice_options
@comment_option
def ack(folder: Path, comment: str, **options: Any) -> None:
    """Acknowledge alarms of PROJECT: by TAG, --category, --area, --all or --listed.

    The exit status is 0 when it is done, 1 when it was refused, and 3 when nobody can say.
    """
    _run(AlarmEvent.ACKNOWLEDGED, folder, comment, **options)


@click.command("comment")
@project_argument
@click.argument("text", metavar="TEXT")
@choice_options
def comment(folder: Path, text: str, **options: Any) -> None:
    """Put TEXT beside alarms of PROJECT: by TAG, --category, --area, --all or --listed."""
    _run(AlarmEvent.COMMENT, folder, text, **options)


@click.command("shelve")
@project_argument
@choice_options
@click.option("--for", "span", type=Span(), required=True, metavar="SPAN", help="How long: 30m, 8h.")
@comment_option
def shelve(folder: Path, comment: str, span: Duration, **options: Any) -> None:
    """Keep alarms of PROJECT off the list for a while; what they do is logged all the same."""
    _run(AlarmEvent.SHELVED, folder, comment, span=span, **options)


@click.command("unshelve")
@project_argument
@choice_options
@comment_option
def unshelve(folder: Path, comment: str, **options: Any) -> None:
    """List shelved alarms of PROJECT again, before their time is over."""
    _run(AlarmEvent.UNSHELVED, folder, comment, **options)


@click.command("disable")
@project_argument
@choice_options
@comment_option
def disable(folder: Path, comment: str, **options: Any) -> None:
    """Take alarms of PROJECT out of service: nothing that they do counts until they are enabled."""
    _run(AlarmEvent.DISABLED, folder, comment, **options)


@click.command("enable")
@project_argument
@choice_options
@comment_option
def enable(folder: Path, comment: str, **options: Any) -> None:
    """Put disabled alarms of PROJECT back into service."""
    _run(AlarmEvent.ENABLED, folder, comment, **options)


COMMANDS = {each.name: each for each in (ack, comment, shelve, unshelve, disable, enable)}


def _run(
    event: AlarmEvent,
    folder: Path,
    text: str,
    *,
    tags: tuple[str, ...],
    patterns: tuple[str, ...],
    category: str | None,
    area: int | None,
    priority: int | None,
    unacknowledged: bool,
    everything: bool,
    listed: bool,
    user: str | None,
    client: str | None,
    wait_seconds: float | None,
    as_json: bool,
    span: Duration = 0,
) -> NoReturn:
    by_choice = category is not None or area is not None
    if bool(tags) + everything + (listed or by_choice) != 1:
        raise click.UsageError("which alarms? give TAGs, or --category and --area, or --all, or --listed")
    if not listed and (patterns or priority is not None or unacknowledged):
        raise click.UsageError("--tag, --priority and --unacknowledged go with --listed")
    plant, found = load_asking_client(folder, client, Function.ALARM)
    wanted = AlarmFilter(
        patterns,
        category_number(plant, category),
        area,
        priority,
        unacknowledged or event is AlarmEvent.ACKNOWLEDGED,
    )
    tags = tuple(_text("an alarm's tag", tag) for tag in tags)
    act = Act(event, tags, wanted, everything, listed, _text("the comment", text), _operator(user), span)
    _end(act, _carry_out(plant, found, act, wait_seconds), as_json)


def _carry_out(plant: Plant, client: Client, act: Act, wait_seconds: float | None) -> _Ended:
    from changeover.cli.alarms_rows import AlarmBook
    from changeover.cli.attached import NOTHING_SENT, Asking, EndedError, converse
    from changeover.protocol.queries import QueryError
    from changeover.runtime.alarm_pages import all_states

    async def talk(asking: Asking) -> _Ended:
        tags = act.tags
        states: tuple[AlarmState, ...] = ()
        if act.listed:
            try:
                states = await all_states(asking.ask, listed_only=True)
            except (QueryError, EndedError) as error:
                return _Ended(CommandEnd("refused", f"{error}, {NOTHING_SENT}"), (), "", None)
            tags = tuple(row.state.tag for row in AlarmBook(plant).rows(states, act.filter))
            if not tags:
                return _Ended(CommandEnd("done", "it is nothing"), (), "", asking.answerer.server)
        sent: list[str] = []

        def make() -> AlarmAction:
            action = act.action(client, tags, time.time_ns()).showing({s.tag: s for s in states})
            sent.append(action.action)
            return action

        end = await asking.act(make)
        way = asking.host.way
        return _Ended(end, tags, "".join(sent), way.server if way else None)

    return converse(plant, client, Function.ALARM, wait_seconds, talk)


def _end(act: Act, ended: _Ended, as_json: bool) -> NoReturn:
    """Say how it ended, and end."""
    outcome, why = ended.end.outcome, ended.end.why
    if as_json:
        fields = {
            "event": act.event.name.lower(),
            "tags": list(ended.tags),
            "outcome": outcome,
            "why": why,
            "action": ended.action or None,
            "who": act.user,
            "server": ended.server,
        }
        click.echo(json.dumps(fields, ensure_ascii=False))
    else:
        by = f" by {ended.server}" if ended.server and ended.action else ""
        click.echo(f"{outcome}: {act.words(ended.tags)}{by}{f': {why}' if why else ''}")
    raise SystemExit(STATUS[outcome])


def _operator(name: str | None) -> str:
    if name is None:
        try:
            name = getpass.getuser()
        except (OSError, KeyError):
            fail("this process has no login name: --user NAME is needed")
    if not name.strip():
        raise click.UsageError("--user is empty")
    return _text("--user", name.strip())


def _text(what: str, text: str) -> str:
    """A text for the journal; ends with status 2 where it is none."""
    if len(text) > TEXT_MAX:
        fail(f"{what} has {len(text)} characters, allowed are {TEXT_MAX}")
    if not text.isprintable():
        fail(f"{what} has characters that cannot be printed")
    return text
