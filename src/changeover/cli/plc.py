"""`changeover plc`: simulated PLCs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from changeover.model.lan import Endpoint

if TYPE_CHECKING:
    from changeover.runtime.plc_waves import Square
    from changeover.scenario.disturbance import Spells


def _endpoints(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[Endpoint, ...]:
    """HOST:PORT texts of the command line as endpoints; a usage error for any other text."""
    return tuple(_endpoint(ctx, param, text) for text in texts)


def _endpoint(ctx: click.Context, param: click.Parameter, text: str) -> Endpoint:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise click.BadParameter(f"{text!r} is no address, write it like 127.20.0.101:5020", ctx, param)
    return Endpoint(host, int(port))


def _squares(ctx: click.Context, param: click.Parameter, texts: tuple[str, ...]) -> tuple[Square, ...]:
    """ADDRESS:HALF_PERIOD_S[:PHASE_S] texts of the command line; a usage error for any other text."""
    from changeover.runtime.plc_waves import parse_square

    try:
        return tuple(parse_square(text) for text in texts)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _spells(ctx: click.Context, param: click.Parameter, text: str | None) -> Spells | None:
    """LENGTH/GAP of the command line; a usage error for any other text."""
    from changeover.runtime.disturbances import parse_spells

    try:
        return None if text is None else parse_spells(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command("plc")
@click.option(
    "--address",
    "addresses",
    callback=_endpoints,
    metavar="HOST:PORT",
    multiple=True,
    required=True,
    help="Where to listen; may be given several times, one PLC each.",
)
@click.option(
    "--registers",
    type=click.IntRange(100, 65536),
    default=1000,
    show_default=True,
    help="Registers, and bits, in each of the four tables.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="PLCs of one seed move alike."
)
@click.option(
    "--period-ms",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="The values move once in so many milliseconds.",
)
@click.option(
    "--square",
    "squares",
    callback=_squares,
    metavar="ADDRESS:HALF_PERIOD_S[:PHASE_S]",
    multiple=True,
    help="Let a bit be off and on by the wall clock, half a period each; may be given several times.",
)
@click.option(
    "--slow",
    callback=_spells,
    metavar="LENGTH/GAP",
    help="Now and then answer nothing, and then all at once: mean length and mean gap, like 2s/1m.",
)
def command(
    addresses: tuple[Endpoint, ...],
    registers: int,
    seed: int,
    period_ms: int,
    squares: tuple[Square, ...],
    slow: Spells | None,
) -> None:
    """Run simulated Modbus TCP PLCs until SIGTERM or SIGINT.

    Prints one line `listening HOST:PORT` per address when all of them listen.
    """
    from changeover.runtime import plc

    def announce(address: Endpoint) -> None:
        click.echo(f"listening {address}")

    try:
        asyncio.run(
            plc.serve(addresses, plc.PlcSettings(registers, seed, period_ms, squares, slow), announce)
        )
    except plc.PlcError as fault:
        raise click.ClickException(str(fault)) from fault
