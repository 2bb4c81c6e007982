"""`changeover measure`: what the site's network and devices really do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from changeover.cli.common import choose, fail, json_option, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from changeover.model.network import Network
    from changeover.model.plant import Plant
    from changeover.survey.board import Board
    from changeover.survey.measuring import Measuring, Plan, Progress

OUT = "network.json"
NOTHING_MEASURED = 1


def _seconds(ctx: click.Context, param: click.Parameter, text: str | None) -> float | None:
    from changeover.config.durations import WRITTEN, parse_duration
    from changeover.model.moment import SECOND

    if text is None:
        return None
    try:
        span = parse_duration(text)
    except ValueError:
        span = 0
    if span <= 0:
        raise click.BadParameter(f"{text!r}: {WRITTEN}, above 0", ctx, param)
    return span / SECOND


@click.command("measure")
@click.argument("folder", metavar="[PROJECT]", type=click.Path(path_type=Path), required=False)
@click.option("--computer", metavar="NAME", help="The computer of PROJECT that this is; measure from there.")
@click.option("--for", "seconds", metavar="TIME", callback=_seconds, help="How long, like 10m.")
@click.option("--no-devices", is_flag=True, help="Leave the I/O devices alone: no connection to a PLC.")
@click.option("--listen", metavar="ADDRESS:PORT", help="Answer whoever measures with --connect.")
@click.option("--connect", metavar="ADDRESS:PORT", help="Measure the way to a host that runs --listen.")
@click.option("--size", type=click.IntRange(1, 1_000_000), help="Bytes of a request; with --connect.")
@click.option("--answer", type=click.IntRange(1, 1_000_000), help="Bytes of an answer; with --connect.")
@click.option("--period", metavar="TIME", callback=_seconds, help="Between requests; with --connect.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Where to write; the default is PROJECT/{OUT}. What is there is gone on with.",
)
@click.option("--plain", is_flag=True, help="Lines of progress, as when the output is no terminal.")
@json_option
def command(
    folder: Path | None,
    computer: str | None,
    seconds: float | None,
    no_devices: bool,
    listen: str | None,
    connect: str | None,
    size: int | None,
    answer: int | None,
    period: float | None,
    out: Path | None,
    plain: bool,
    as_json: bool,
) -> None:
    """Measure round trips, acknowledgements and answers of devices on the running plant of PROJECT.

    Be one more client of every server, from the computer NAME, and ask the devices of its I/O servers. Or
    measure between two hosts, without any project: --listen on one of them, --connect on the other.
    """
    from changeover.survey.measuring import Plan

    plant = load(folder).plant if folder is not None else None
    if listen is not None and connect is not None:
        fail("--listen on one host, --connect on the other: not both here")
    if connect is None and (size, answer, period) != (None, None, None):
        fail("--size, --answer and --period go with --connect: on a plant its own sizes and rate are taken")
    plan = Plan(seconds, out or (folder or Path()) / OUT, shows_live=_shows_live(plain, as_json))
    if listen is not None:
        _listen(listen, seconds)
    elif connect is not None:
        _connect(plant, connect, size, answer, period, plan, as_json)
    elif plant is None:
        fail("PROJECT is missing; between two hosts without one: --listen on one, --connect on the other")
    else:
        _measure_plant(plant, computer, no_devices, plan, as_json)


def _shows_live(plain: bool, as_json: bool) -> bool:
    import sys

    return sys.stdout.isatty() and not plain and not as_json


def _measure_plant(plant: Plant, computer: str | None, no_devices: bool, plan: Plan, as_json: bool) -> None:
    from changeover.runtime.process import NotRunnableError, check_runnable
    from changeover.survey.devices import device_streams
    from changeover.survey.plant import check_addresses, make_measuring
    from changeover.survey.sessions import session_streams

    names = [known.name for known in plant.computers]
    if computer is None:
        fail(f"--computer NAME is needed, this project has: {', '.join(names)}")
    name = choose("computer", computer, names)
    try:
        check_runnable(plant)
        check_addresses(plant, name)
    except (NotRunnableError, OSError) as error:
        fail(str(error))
    streams = session_streams(plant, name) | ({} if no_devices else device_streams(plant, name))
    if not streams:
        fail(f"{name} has no way to any server, and no I/O server with devices to ask")
    board = _board(plant.name, name, streams, plan.out)

    def make(show: Callable[[Progress], None]) -> Measuring:
        return make_measuring(plant, name, board, plan, show, devices=not no_devices)

    _run(board, plan, make, as_json)


def _listen(endpoint: str, seconds: float | None) -> None:
    from changeover.runtime.process import run_loop
    from changeover.survey.answering import answer_all

    raise SystemExit(run_loop(lambda: answer_all(_endpoint(endpoint), seconds, click.echo)))


def _connect(
    plant: Plant | None,
    endpoint: str,
    size: int | None,
    answer: int | None,
    period: float | None,
    plan: Plan,
    as_json: bool,
) -> None:
    import socket

    from changeover.survey.asking import Asked, host_streams, make_asking

    asked = Asked.like(plant, _endpoint(endpoint), size, answer, period)
    board = _board(plant.name if plant else "", socket.gethostname(), host_streams(asked), plan.out)
    _run(board, plan, lambda show: make_asking(asked, board, plan, show), as_json)


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        fail(f"{text} is no address: write ADDRESS:PORT, like 192.168.1.10:5100")
    return host, int(port)


def _board(plant: str, computer: str, streams: dict, out: Path) -> Board:  # type: ignore[type-arg]
    """What is filled; where the file is there already, it goes on."""
    from changeover.survey.board import Board, DiffersError

    before = _before(out)
    try:
        return Board(plant, computer, streams, before)
    except DiffersError as error:
        fail(f"{out} cannot be gone on with: {error}. Take another --out")


def _before(out: Path) -> Network | None:
    from changeover.config.diagnostics import ConfigurationError
    from changeover.config.measurement import read_measurement
    from changeover.survey.file import claim

    if not out.parent.is_dir():
        fail(f"{out}: there is no folder {out.parent}")
    ours = claim(out)
    if ours is None:
        fail(f"{out} is being written by another changeover measure: wait for it, or take another --out")
    click.get_current_context().call_on_close(ours.close)
    if not out.exists():
        return None
    try:
        return read_measurement(out)
    except ConfigurationError as error:
        for diagnostic in error.diagnostics:
            click.echo(str(diagnostic), err=True)
        fail(f"{out} is left as it is: mend it, move it away, or take another --out")


def _run(
    board: Board,
    plan: Plan,
    make: Callable[[Callable[[Progress], None]], Measuring],
    as_json: bool,
) -> None:
    from changeover.cli.measure_view import Lines, Screen, final_lines
    from changeover.runtime.process import run_loop
    from changeover.survey.board import encode

    before = board.measured()
    if before:
        click.echo(f"goes on with {plan.out}: {before} delays so far", err=True)
    made: list[Measuring] = []

    async def main() -> int:
        made.append(make(view.show))
        return await made[0].run()

    with Screen() if plan.shows_live else Lines(quiet=as_json) as view:
        status = run_loop(main)
    measuring = made[0]
    network = measuring.network
    assert network is not None, "the last look makes it"
    if as_json:
        click.echo(encode(network).decode(), nl=False)
    else:
        click.echo("\n".join(final_lines(network)))
    if measuring.trouble:
        fail(f"not written: {measuring.trouble}", 1)
    click.echo(f"written: {plan.out}", err=as_json)
    if board.measured() == before:
        fail("nothing was measured: nobody answered", NOTHING_MEASURED)
    raise SystemExit(status)
