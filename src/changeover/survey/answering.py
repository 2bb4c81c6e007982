"""`changeover measure --listen`: answers whoever measures the way to this host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from changeover.runtime.process import Ending
from changeover.survey.wire import ACK, ANSWER, HELLO, LENGTH_MAX, REQUEST, Decoder, Said, WireError, message

PEERS_MAX = 64
_BUFFER_BYTES_MAX = 4 * 1024 * 1024


class _Peer(asyncio.Protocol):
    """One host that measures."""

    def __init__(self, peers: set[_Peer], say: Callable[[str], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self._peers = peers
        self._say = say
        self._decoder = Decoder()
        self._answer_bytes: int | None = None
        self._requests = 0
        self._name = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected; who it is shows in its first message."""
        self.transport = cast(asyncio.Transport, transport)
        self._name = "{}:{}".format(*transport.get_extra_info("peername")[:2])
        if len(self._peers) >= PEERS_MAX:
            self._say(f"{self._name}: sent away, {PEERS_MAX} measure already")
            self.transport.abort()
            return
        self._peers.add(self)
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport.set_write_buffer_limits(high=_BUFFER_BYTES_MAX)

    def data_received(self, data: bytes) -> None:
        """Requests came: each is acknowledged before it is answered."""
        try:
            for said in self._decoder.feed(data):
                self._on_said(said)
        except WireError as error:
            self._say(f"{self._name}: {error}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        if self in self._peers:
            self._peers.discard(self)
            if self._answer_bytes is not None:
                self._say(f"{self._name}: gone after {self._requests} requests")

    def pause_writing(self) -> None:
        """It takes nothing in."""
        self.close()

    def close(self) -> None:
        """Let go."""
        if self.transport is not None:
            self.transport.abort()

    def _on_said(self, said: Said) -> None:
        assert self.transport is not None
        if said.kind == HELLO and self._answer_bytes is None:
            if said.number > LENGTH_MAX:
                raise WireError("wants answers that are too long")
            self._answer_bytes = said.number
            self._say(f"{self._name}: measures, answers of {said.number} bytes")
        elif said.kind == REQUEST and self._answer_bytes is not None:
            self._requests += 1
            self.transport.write(message(ACK, said.number, 0))
            self.transport.write(message(ANSWER, said.number, self._answer_bytes))
        else:
            raise WireError("not the other end of a measurement")


async def answer_all(endpoint: tuple[str, int], seconds: float | None, say: Callable[[str], None]) -> int:
    """Listen until SIGINT or SIGTERM.

    Args:
        endpoint: Address and port.
        seconds: How long at most; None for ever.
        say: Takes a line for people.

    Returns:
        The exit status: 0, or 1 where it could not listen.
    """
    ending = Ending()
    peers: set[_Peer] = set()
    host, port = endpoint
    try:
        server = await asyncio.get_running_loop().create_server(lambda: _Peer(peers, say), host, port)
    except OSError as error:
        say(f"cannot listen on {host}:{port}: {error.strerror or error}")
        return 1
    say(f"listens on {host}:{port}; on the other host: changeover measure --connect {host}:{port}")
    with suppress(TimeoutError):
        await asyncio.wait_for(ending.event.wait(), seconds)
    server.close()
    for peer in tuple(peers):
        peer.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return ending.status
