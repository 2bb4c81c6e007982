"""`changeover trend`: what was recorded of a tag."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.attach import client_option, load_asking_client, local_option, wait_option
from changeover.cli.common import fail, json_option, project_argument
from changeover.cli.trend_times import Span, read_span
from changeover.model.moment import SECOND, Duration
from changeover.model.server import Function

if TYPE_CHECKING:
    from changeover.cli.trend_data import TrendData, TrendWanted
    from changeover.model.plant import Plant

HOUR: Duration = 3600 * SECOND
LIMIT = 1_000_000
LIMIT_MAX = 10_000_000


@click.command("trend")
@project_argument
@click.argument("tag_name", metavar="TAG")
@click.option(
    "--from",
    "begin",
    metavar="TIME",
    default=None,
    help="From then on: -8h, 06:00, 2026-03-02.  [default: -1h]",
)
@click.option("--to", "end", metavar="TIME", help="Up to before then.  [default: now]")
@click.option("--bucket", type=Span(), metavar="SPAN", help="Least, greatest and mean of each 1m, 15m, 1h …")
@click.option(
    "--step", type=Span(), metavar="SPAN", help="One value each 1s, 250ms …; without either, samples."
)
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=LIMIT,
    show_default=True,
    help="Of samples the first so many.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a file instead of printing: .csv, .parquet, .svg or .png.",
)
@client_option
@local_option
@wait_option
@json_option
def command(
    folder: Path,
    tag_name: str,
    begin: str | None,
    end: str | None,
    bucket: Duration | None,
    step: Duration | None,
    limit: int,
    out: Path | None,
    client: str | None,
    local: bool,
    wait_seconds: float | None,
    as_json: bool,
) -> None:
    """Show what was recorded of TAG of PROJECT: samples, values at equal steps, or buckets.

    A gap stays a gap. A question goes on over a changeover.
    """
    from changeover.cli.attached import Asking, converse
    from changeover.cli.trend_data import ask_trend

    _check_out(out)
    plant, found = load_asking_client(folder, client, Function.TREND)
    wanted = _wanted(plant, tag_name, begin, end, bucket, step, limit, local)

    async def talk(asking: Asking) -> TrendData:
        return await ask_trend(asking, wanted)

    data = converse(plant, found, Function.TREND, wait_seconds, talk)
    if out is not None:
        _write(out, plant, data, local)
    if as_json:
        click.echo(json.dumps(_document(data)))
    elif out is None:
        from changeover.cli.trend_view import print_trend

        print_trend(plant, data, local)


def _check_out(out: Path | None) -> None:
    from changeover.cli.trend_files import FORMATS

    if out is not None and out.suffix.lower() not in FORMATS:
        raise click.UsageError(f"--out {out}: a name that ends with {', '.join(FORMATS)} says which format")


def _wanted(
    plant: Plant,
    name: str,
    begin: str | None,
    end: str | None,
    bucket: Duration | None,
    step: Duration | None,
    limit: int,
    local: bool,
) -> TrendWanted:
    from changeover.cli.trend_data import BUCKETS, INTERPOLATED, RAW, TrendWanted, first_step

    if bucket is not None and step is not None:
        raise click.UsageError("--bucket and --step exclude each other")
    trend = next((trend for trend in plant.trends if trend.tag.lower() == name.lower()), None)
    if trend is None:
        fail(_not_recorded(plant, name))
    tag = next(tag for tag in plant.tags if tag.name == trend.tag)
    start, until = read_span(begin or "-1h", end, plant, local)
    width = bucket or step
    if width is None:
        return TrendWanted(tag, trend, RAW, start, until, 0, limit)
    option = "--bucket" if bucket else "--step"
    start = first_step(start, until, width, option)
    return TrendWanted(tag, trend, BUCKETS if bucket else INTERPOLATED, start, until, width, limit)


def _not_recorded(plant: Plant, name: str) -> str:
    from difflib import get_close_matches

    recorded = [trend.tag for trend in plant.trends]
    near = get_close_matches(name, recorded, 3)
    if near:
        return f"{name} is not recorded, did you mean {' or '.join(near)}?"
    there = ", ".join(recorded[:10]) + (f" and {len(recorded) - 10} more" if len(recorded) > 10 else "")
    return f"{name} is not recorded; trends.csv has {there or 'nothing'}"


def _write(out: Path, plant: Plant, data: TrendData, local: bool) -> None:
    from changeover.cli.trend_files import write_file
    from changeover.cli.trend_view import heading

    try:
        write_file(out, plant, data, local)
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror or error}")
    for line in heading(plant, data, local)[1:]:
        click.echo(line, err=True)
    click.echo(f"wrote {out}", err=True)


def _document(data: TrendData) -> dict[str, object]:
    wanted = data.wanted
    columns = {name: data.cells(name) for name in data.columns}
    rows = [
        {"utc": utc, **{name: column[row] for name, column in columns.items()}, "quality": quality}
        for row, (utc, quality) in enumerate(zip(data.utc.tolist(), data.qualities(), strict=True))
    ]
    return {
        "tag": wanted.tag.name,
        "units": wanted.tag.units,
        "kind": wanted.kind,
        "from_utc": wanted.start_utc,
        "to_utc": wanted.end_utc,
        "step_s": wanted.step / SECOND or None,
        **data.answerer.fields(),
        "more": data.is_cut,
        "gaps": [{"from_utc": start, "to_utc": end} for start, end in data.gaps],
        "rows": rows,
    }
