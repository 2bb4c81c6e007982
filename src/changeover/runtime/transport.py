"""TCP connections between nodes: frames in, frames out, and nothing that one peer can do to another.

Every connection has its own socket and its own bounded write buffer: a peer that takes nothing in fills only
its own buffer, and is dropped when that is full. Whether a peer is lost is decided by the session's
acknowledgements; keep-alive and TCP_USER_TIMEOUT are the backstop that frees the kernel's resources.

Where the network stack decides (D2), neither is set: the kernel gives a connection up as its settings say,
and the session hears that it was a time-out.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from typing import Protocol, cast

from changeover.core.machine import (
    Accepted,
    Closed,
    Connected,
    ConnectFailed,
    Frame,
    FrameArrived,
    SessionId,
    Stimulus,
)
from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant
from changeover.protocol.frames import FROM_CLIENTS, FROM_SERVERS, FrameDecoder, FrameError, Kinds, encode

WRITE_BUFFER_BYTES_MAX = 4 * 1024 * 1024
BACKLOG = 128
ACCEPT_PAUSE_SECONDS = 0.5
"""How long a listener rests when there is no descriptor for another connection."""
_BACKSTOP_SHARE = 2
"""The kernel gives a connection up after this many SendTimeouts, should the machine not have done so."""


def set_options(sock: socket.socket, silence: Duration | None) -> None:
    """No delay, the kernel's own time-outs behind the machine's, and nothing that outlives the connection.

    Args:
        sock: The socket.
        silence: S; None where the kernel's time-outs alone decide (D2).
    """
    forget_on_close(sock)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if silence is None:
        return
    backstop = _BACKSTOP_SHARE * silence
    whole_seconds = max(1, round(backstop / SECOND))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, whole_seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, whole_seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 2)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, max(1, backstop // MILLISECOND))


def forget_on_close(sock: socket.socket) -> None:
    """When this socket is closed, or its process gone, drop what it had still to send, and reset.

    Otherwise the kernel goes on sending for a connection that nobody holds any more: a write that was
    reported as unknown would reach its device minutes later, when the cable is back, over a newer one.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def reset(sock: socket.socket) -> None:
    """Close a socket so that its peer hears of it at once."""
    forget_on_close(sock)
    sock.close()


def _is_timeout(error: Exception | None) -> bool:
    """Whether the kernel gave a connection up because nothing came back; a reset or an end is no time-out.

    It names what it heard last of the way to the peer: no answer, or no neighbour or route.
    """
    return isinstance(error, OSError) and not isinstance(error, ConnectionError)


class Tap(Protocol):
    """Looks on while a client's frames go out and come in; it changes nothing."""

    def opened(self, session: SessionId, at: Instant) -> None:
        """A connection stands."""

    def sent(self, session: SessionId, frame: Frame, size: int, at: Instant) -> None:
        """A frame of so many bytes goes to the kernel."""

    def arrived(self, session: SessionId, frames: list[Frame], size: int, at: Instant) -> None:
        """So many bytes were there; these frames are complete with them."""

    def closed(self, session: SessionId, at: Instant, lost: bool) -> None:
        """A connection is gone: lost, or closed by the other side; else by ourselves."""


class Connection(asyncio.Protocol):
    """One connection of one session."""

    def __init__(
        self,
        session: SessionId,
        feed: Callable[[Stimulus], None],
        gone: Callable[[SessionId], None],
        silence: Duration | None,
        connected: bool,
        kinds: Kinds,
        tap: Tap | None = None,
    ) -> None:
        self._session = session
        self._feed = feed
        self._gone = gone
        self._silence = silence
        self._tells_connected = connected
        self._decoder = FrameDecoder(kinds)
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._tap = tap

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        set_options(transport.get_extra_info("socket"), self._silence)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_MAX)
        if self._closed:
            self._transport.abort()
        elif self._tells_connected:
            if self._tap is not None:
                self._tap.opened(self._session, time.monotonic_ns())
            self._feed(Connected(self._session))

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        at = time.monotonic_ns() if self._tap is not None else 0
        try:
            frames = self._decoder.feed(data)
        except FrameError:
            self._drop()
            return
        if self._tap is not None:
            self._tap.arrived(self._session, frames, len(data), at)
        for frame in frames:
            if self._closed:
                return
            self._feed(FrameArrived(self._session, frame))

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer or the kernel ended it."""
        if not self._closed:
            self._closed = True
            self._tell_closed(lost=True)
            self._gone(self._session)
            self._feed(Closed(self._session, timed_out=_is_timeout(exc)))

    def pause_writing(self) -> None:
        """The peer takes nothing in, and its buffer is full."""
        self._drop()

    def send(self, frame: Frame) -> None:
        """Send a frame; nothing happens on a connection that is gone."""
        if self._transport is not None and not self._closed:
            data = encode(frame)
            if self._tap is not None:
                self._tap.sent(self._session, frame, len(data), time.monotonic_ns())
            self._transport.write(data)

    def close(self) -> None:
        """Let go at once; the session hears no more."""
        if not self._closed:
            self._tell_closed(lost=False)
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def _tell_closed(self, lost: bool) -> None:
        if self._tap is not None:
            self._tap.closed(self._session, time.monotonic_ns(), lost)

    def _drop(self) -> None:
        self.close()
        self._gone(self._session)
        # Not from inside `send`: the machine is in the middle of its own effects then.
        asyncio.get_running_loop().call_soon(self._feed, Closed(self._session))


class Connector:
    """A client's outgoing connections.

    Args:
        feed: Takes stimuli.
        silence: S; None where the network stack finds a silent peer (D2).
        kinds: What servers may say on them.
        tap: Looks on; None where nobody does.
    """

    def __init__(
        self,
        feed: Callable[[Stimulus], None],
        silence: Duration | None,
        kinds: Kinds = FROM_SERVERS,
        tap: Tap | None = None,
    ) -> None:
        self._feed = feed
        self._tap = tap
        self._kinds = kinds
        self._silence = silence
        self._connections: dict[SessionId, Connection] = {}
        self._attempts: dict[SessionId, asyncio.Task[None]] = {}

    def connect(self, session: SessionId, own_address: str, server: Endpoint) -> None:
        """Begin an attempt; `Connected` or `ConnectFailed` tells how it ended."""
        task = asyncio.get_running_loop().create_task(self._attempt(session, own_address, server))
        self._attempts[session] = task

    def send(self, session: SessionId, frame: Frame) -> None:
        """Send on a session's connection."""
        connection = self._connections.get(session)
        if connection is not None:
            connection.send(frame)

    def close(self, session: SessionId) -> None:
        """Drop a connection or an attempt."""
        attempt = self._attempts.pop(session, None)
        if attempt is not None:
            attempt.cancel()
        connection = self._connections.pop(session, None)
        if connection is not None:
            connection.close()

    def close_all(self) -> None:
        """Drop everything."""
        for session in (*self._attempts, *self._connections):
            self.close(session)

    async def _attempt(self, session: SessionId, own_address: str, server: Endpoint) -> None:
        connection = Connection(
            session,
            self._feed,
            self._forget,
            self._silence,
            connected=True,
            kinds=self._kinds,
            tap=self._tap,
        )
        self._connections[session] = connection
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection, server.host, server.port, local_addr=(own_address, 0)
            )
        except OSError as error:
            self._forget(session)
            if self._tap is not None:
                self._tap.closed(session, time.monotonic_ns(), False)
            self._feed(ConnectFailed(session, refused=isinstance(error, ConnectionError)))
        finally:
            self._attempts.pop(session, None)

    def _forget(self, session: SessionId) -> None:
        self._connections.pop(session, None)


class Listener:
    """A server's listening sockets and the connections accepted on them.

    Sessions have odd numbers; a machine that opens sessions too gives them even ones.

    Args:
        feed: Takes stimuli.
        endpoints: Where to listen.
        silence: S; None where the network stack finds a silent peer (D2).
        kinds: What clients may say.
    """

    def __init__(
        self,
        feed: Callable[[Stimulus], None],
        endpoints: tuple[Endpoint, ...],
        silence: Duration | None,
        kinds: Kinds = FROM_CLIENTS,
    ) -> None:
        self._feed = feed
        self._kinds = kinds
        self._endpoints = endpoints
        self._silence = silence
        self._sockets: list[socket.socket] = []
        self._connections: dict[SessionId, Connection] = {}
        self._sessions = 0
        self._tasks: set[asyncio.Task[object]] = set()

    def open(self) -> None:
        """Listen on every endpoint.

        Raises:
            OSError: An address is not this machine's, or is taken; nothing is left open.
        """
        loop = asyncio.get_running_loop()
        try:
            for endpoint in self._endpoints:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                self._sockets.append(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.setblocking(False)
                try:
                    sock.bind((endpoint.host, endpoint.port))
                    sock.listen(BACKLOG)
                except OSError as error:
                    raise OSError(error.errno, f"cannot listen on {endpoint}: {error.strerror}") from error
        except OSError:
            self._close_sockets()
            raise
        for sock in self._sockets:
            loop.add_reader(sock, self._accept, sock)

    def reset(self) -> None:
        """Reset connections that wait to be accepted, and listen anew."""
        self._close_sockets()
        self.open()

    def send(self, session: SessionId, frame: Frame) -> None:
        """Send on a session's connection."""
        connection = self._connections.get(session)
        if connection is not None:
            connection.send(frame)

    def close(self, session: SessionId) -> None:
        """Drop a connection."""
        connection = self._connections.pop(session, None)
        if connection is not None:
            connection.close()

    def close_all(self) -> None:
        """Stop listening and drop everything."""
        self._close_sockets()
        for session in tuple(self._connections):
            self.close(session)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            # The peer was gone before we took it; the machine never heard of it.
            return
        except OSError:
            # No descriptor or no memory is left: the socket stays readable, and the loop must not spin on it.
            self._pause(listener)
            return
        sock.setblocking(False)
        self._sessions += 1
        session = 2 * self._sessions - 1
        connection = Connection(
            session, self._feed, self._forget, self._silence, connected=False, kinds=self._kinds
        )
        self._connections[session] = connection
        self._feed(Accepted(session))
        if session not in self._connections:
            reset(sock)
            return
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(self._adopt(sock, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _pause(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener)
        loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume, listener)

    def _resume(self, listener: socket.socket) -> None:
        if listener in self._sockets:
            asyncio.get_running_loop().add_reader(listener, self._accept, listener)

    async def _adopt(self, sock: socket.socket, connection: Connection) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        except OSError as error:
            connection.connection_lost(error)

    def _forget(self, session: SessionId) -> None:
        self._connections.pop(session, None)

    def _close_sockets(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()
        self._sockets.clear()
