"""`changeover write`: set a tag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from changeover.cli.attach import client_option, load_client
from changeover.cli.common import json_option, project_argument

if TYPE_CHECKING:
    from changeover.model.plant import Plant
    from changeover.model.tag import Tag

WAIT_SECONDS = 15.0
STATUS = {"done": 0, "refused": 1, "unknown": 3}


@click.command("write", context_settings={"ignore_unknown_options": True})  # so that -5 is a value
@project_argument
@click.argument("tag_name", metavar="TAG")
@click.argument("text", metavar="VALUE")
@client_option
@click.option(
    "--wait",
    "wait_seconds",
    type=click.FloatRange(min=0),
    default=WAIT_SECONDS,
    show_default=True,
    help="Give up when nothing serves the tag's I/O device after so many seconds.",
)
@json_option
def command(
    folder: Path, tag_name: str, text: str, client: str | None, wait_seconds: float, as_json: bool
) -> None:
    """Set TAG of PROJECT to VALUE, in engineering units.

    The exit status is 0 when it is done, 1 when it was refused (nothing was written), and 3 when nobody can
    say whether it took effect.
    """
    from changeover.cli.writing import Writing
    from changeover.runtime.process import run_loop

    plant, found = load_client(folder, client)
    tag = next((tag for tag in plant.tags if tag.name.lower() == tag_name.lower()), None)
    if tag is None:
        _end(tag_name, text, "refused", _no_tag(plant, tag_name), as_json)
    try:
        value = _value(tag, text)
    except ValueError as error:
        _end(tag.name, text, "refused", str(error), as_json)
    writing = Writing(plant, found, tag, value, wait_seconds, lambda line: click.echo(line, err=True))
    status = run_loop(writing.run)
    if status:
        raise SystemExit(status)
    for warning in writing.warnings:
        click.echo(f"warning: {warning}", err=True)
    shown = " ".join(filter(None, (text, tag.units)))
    _end(tag.name, shown, writing.end.outcome, writing.end.why, as_json, writing.unit, value)


def _end(
    tag: str,
    shown: str,
    outcome: str,
    why: str,
    as_json: bool,
    unit: str = "",
    value: float | str | None = None,
) -> NoReturn:
    """Say how it ended, and end."""
    if as_json:
        fields = {"tag": tag, "value": value, "outcome": outcome, "why": why, "unit": unit or None}
        click.echo(json.dumps(fields))
    else:
        by = f" by {unit}" if unit else ""
        click.echo(f"{outcome}: {tag} = {shown}{by}{f': {why}' if why else ''}")
    raise SystemExit(STATUS[outcome])


def _no_tag(plant: Plant, name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, [tag.name for tag in plant.tags], 3)
    return f"no tag {name} in this project" + (f", did you mean {' or '.join(near)}?" if near else "")


def _value(tag: Tag, text: str) -> float | str:
    """The value as the tag's type wants it; ValueError with the reason when it cannot be."""
    from changeover.model.tag import TagType

    if tag.type is TagType.STRING:
        if not text.isprintable():
            raise ValueError(f"{tag.name} takes printable text")
        return text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{tag.name} is {tag.type.value}, it takes a number, not {text!r}") from None
