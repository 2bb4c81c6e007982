"""Measuring on a running plant, from one of its computers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from changeover.model.plant import Plant
from changeover.survey.board import Board
from changeover.survey.devices import DevicePoller
from changeover.survey.measuring import Measuring, Plan, Progress
from changeover.survey.sessions import session_hosts


def check_addresses(plant: Plant, computer: str) -> None:
    """Make sure that this machine is the computer.

    Raises:
        OSError: One of its addresses is not this machine's; the text says which.
    """
    for lan, address in plant.computer(computer).addresses:
        with socket.socket() as sock:
            try:
                sock.bind((address, 0))
            except OSError as error:
                raise OSError(
                    f"{address}, {computer}'s address on {lan}, is not this machine's: measure on {computer}"
                ) from error


def make_measuring(
    plant: Plant,
    computer: str,
    board: Board,
    plan: Plan,
    show: Callable[[Progress], None],
    *,
    devices: bool,
) -> Measuring:
    """A run from a computer of a plant; call it inside the running loop."""

    def works() -> list[Coroutine[Any, Any, None]]:
        found = [_sessions(plant, computer, board)]
        return [*found, DevicePoller(plant, computer, board).run()] if devices else found

    return Measuring(board, plan, works, show)


async def _sessions(plant: Plant, computer: str, board: Board) -> None:
    hosts = session_hosts(plant, computer, board)
    for host in hosts:
        host.start()
    try:
        await asyncio.Event().wait()
    finally:
        for host in hosts:
            host.stop()
        # Let the transports close: the servers hear of it at once.
        await asyncio.sleep(0)
