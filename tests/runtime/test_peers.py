"""What one peer can do to the others: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from changeover.core.machine import Frame
from changeover.core.messages import Hello, Probe, ReadRequest, Welcome, WriteRequest
from changeover.model.lan import Endpoint
from changeover.model.moment import SECOND
from changeover.protocol.frames import FrameDecoder, encode
from changeover.runtime import transport
from changeover.runtime.transport import forget_on_close, set_options
from loopback import CountingClient, Project, World, make_project, until

BIG = [f"T{n},UINT,{{device}},{40101 + n},,,,,,," for n in range(2000)]
ALL_OF_IT = 2**31
"""Acknowledges whatever a server may have sent, so that it takes a peer that reads nothing for alive."""


def run(project: Project, story: Callable[[World], Awaitable[None]], registers: int = 200) -> None:
    async def main() -> None:
        async with World(project, registers) as world:
            await story(world)

    asyncio.run(main())


def address_of(world: World, server: str) -> Endpoint:
    found = world.plant.io_server(server)
    host = world.plant.computer(found.computer).address_on("LAN_A")
    assert host is not None
    return Endpoint(host, found.port)


class RawPeer:
    """A socket that says what a test wants to a server, and reads only when it is told to."""

    def __init__(self, server: Endpoint) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(10)
        self.socket.connect((server.host, server.port))
        self.socket.setblocking(False)
        self._seq = 0

    def say(self, message: object) -> None:
        self._seq += 1
        self.send(encode(Frame(self._seq, ALL_OF_IT, message)))  # what no peer may say, too

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> bytes:
        """All that came; empty when the server ended it."""
        try:
            return self.socket.recv(1 << 20)
        except BlockingIOError:
            return b"?"
        except ConnectionError:
            return b""


async def served(world: World) -> CountingClient:
    world.serve("IOServer1")
    client = world.show()
    await until(lambda: all(client.presented.values()), "served")
    return client


async def keeps_its_pace(client: CountingClient, device: str = "PLC1", answers: int = 20) -> None:
    before = len(client.presented[device])
    await until(lambda: len(client.presented[device]) >= before + answers, "the healthy client's values")


def test_a_client_that_never_reads_delays_nobody_and_is_dropped_at_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 512 * 1024
    monkeypatch.setattr(transport, "WRITE_BUFFER_BYTES_MAX", limit)
    highest = 0
    write = transport.Connection.send

    def send(connection: transport.Connection, frame: Frame) -> None:
        nonlocal highest
        write(connection, frame)
        assert connection._transport is not None
        highest = max(highest, connection._transport.get_write_buffer_size())

    monkeypatch.setattr(transport.Connection, "send", send)

    async def story(world: World) -> None:
        client = await served(world)
        names = client.image.devices["PLC1"].names
        frozen = RawPeer(address_of(world, "IOServer1"))
        frozen.say(Hello("frozen"))
        asked = 0

        def ask() -> None:
            nonlocal asked
            asked += 1
            frozen.say(ReadRequest(asked, "IOServer1.PLC1@1", 10**9, names))

        while highest < limit // 2:
            for _ in range(6):
                ask()
            await keeps_its_pace(client, answers=1)
        await keeps_its_pace(client)
        held = highest
        ask()
        await until(lambda: highest > held, "half a buffer is no reason to drop it")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                ask()
                await asyncio.sleep(0.005)
        await keeps_its_pace(client)
        decoder, frames = FrameDecoder(), 0
        while (data := frozen.read()) not in (b"", b"?"):
            frames += len(decoder.feed(data))
        assert data == b"", "the server let go of it"
        assert frames < asked, "and of what it would not take"
        assert limit - 60_000 < highest <= limit, "as much as the limit is kept for it, and no more"
        assert client.texts() == []
        frozen.socket.close()

    run(make_project(tmp_path, modes=("primary",), tags=BIG), story, registers=2200)


def test_a_frozen_server_delays_no_healthy_one(tmp_path: Path) -> None:
    """The frozen server's kernel takes connections and data, its program does nothing."""

    async def story(world: World) -> None:
        frozen = address_of(world, "IOServer1")
        listener = socket.socket()
        listener.bind((frozen.host, frozen.port))
        listener.listen()
        world.serve("IOServer2")
        client = world.show()
        await until(lambda: all(client.presented.values()), "served by the other")
        await keeps_its_pace(client, answers=60)
        assert set(client.presented["PLC1"]) == {"IOServer2.PLC1@2"}
        listener.close()

    run(make_project(tmp_path, send_timeout_ms=500), story)


GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "endless": b"\xff\xff\xff\xff",
    "no msgpack": b"\x00\x00\x00\x04\xc1\xc1\xc1\xc1",
    "bad text": b"\x00\x00\x00\x08\x93\x01\x00\x92\x01\xa2\xff\xfe",
    "deeper and deeper": (100_005).to_bytes(4, "big") + b"\x94\x01\x00\xc0" + b"\x91" * 100_000 + b"\xc0",
    "a server's word": encode(Frame(1, 0, Welcome("I am a server", ()))),
    "a number and nothing": encode(Frame(7, 0, None)),
    "no number": encode(Frame(0, 0, Probe())),
    "a negative number": encode(Frame(-3, 0, Probe())),
    "a map": len(body := msgspec.msgpack.encode({"seq": 1})).to_bytes(4, "big") + body,
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=list(GARBAGE))
def test_garbage_ends_its_own_connection_only(tmp_path: Path, garbage: bytes) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        for greets in (False, True):
            peer = RawPeer(address_of(world, "IOServer1"))
            if greets:
                peer.say(Hello("stranger"))
            peer.send(garbage)
            await until(lambda peer=peer: peer.read() == b"", "dropped")
            peer.socket.close()
        await keeps_its_pace(client, answers=3)
        assert client.texts() == []

    run(make_project(tmp_path, modes=("primary",)), story)


def test_nonsense_in_good_form_is_answered_not_obeyed(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        peer = RawPeer(address_of(world, "IOServer1"))
        peer.say(Hello("stranger"))
        peer.say(ReadRequest(1, "no such unit", 10**9, ("x",)))
        peer.say(ReadRequest(2, "IOServer1.PLC1@1", 10**9))
        peer.say(ReadRequest(3, "IOServer1.PLC1@1", -5, ("no such tag", "no such tag", "")))
        peer.say(ReadRequest(3, "IOServer1.PLC1@1", 2**62, ()))
        peer.say(WriteRequest(4, "no such unit", "x", 1.0))
        peer.say(WriteRequest(5, "IOServer1.PLC1@1", "no such tag", float("nan")))
        peer.say(WriteRequest(6, "IOServer1.PLC1@1", "Setpoint", float("nan")))
        decoder, answered = FrameDecoder(), set()
        while len(answered) < 6:
            data = peer.read()
            assert data, "it was dropped"
            for frame in decoder.feed(data) if data != b"?" else ():
                answered.add(getattr(frame.message, "request", getattr(frame.message, "command", None)))
                answered.discard(None)
            await asyncio.sleep(0.01)
        assert answered == {1, 2, 3, 4, 5, 6}
        peer.socket.close()
        await keeps_its_pace(client, answers=3)

    run(make_project(tmp_path, modes=("primary",)), story)


def test_half_open_peers_are_dropped(tmp_path: Path) -> None:
    """Whoever says nothing, half a frame, or acknowledges nothing, goes after SendTimeout; others do not."""

    async def story(world: World) -> None:
        client = await served(world)
        server = address_of(world, "IOServer1")
        mute, half, deaf = RawPeer(server), RawPeer(server), RawPeer(server)
        half.send(b"\x00\x00\x10\x00half a frame")
        deaf.send(encode(Frame(1, 0, Hello("deaf"))))
        for peer in (mute, half, deaf):
            await until(lambda peer=peer: peer.read() == b"", "dropped")
            peer.socket.close()
        await keeps_its_pace(client, answers=3)
        assert client.texts() == []

    run(make_project(tmp_path, modes=("primary",), send_timeout_ms=400), story)


def test_a_peer_that_is_gone_before_it_is_accepted_harms_nobody(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        for _ in range(50):
            peer = RawPeer(address_of(world, "IOServer1"))
            transport.reset(peer.socket)
        await keeps_its_pace(client, answers=3)

    run(make_project(tmp_path, modes=("primary",)), story)


def test_without_descriptors_a_listener_rests_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Exhausted:
        """A listening socket of a process that has no descriptor left for a while."""

        tries = 0
        is_over = False

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def accept(self) -> tuple[socket.socket, object]:
            Exhausted.tries += 1
            if not Exhausted.is_over:
                raise OSError(errno.EMFILE, "Too many open files")
            return self._sock.accept()

        def fileno(self) -> int:
            return self._sock.fileno()

        def close(self) -> None:
            self._sock.close()

    async def story() -> None:
        monkeypatch.setattr(transport, "ACCEPT_PAUSE_SECONDS", 0.05)
        accepted: list[object] = []
        listener = transport.Listener(accepted.append, (Endpoint("127.64.0.1", 0),), 10**9)
        listener.open()
        exhausted = Exhausted(listener._sockets[0])
        asyncio.get_running_loop().remove_reader(listener._sockets[0])
        listener._sockets[0] = exhausted  # quacks enough
        asyncio.get_running_loop().add_reader(exhausted, listener._accept, exhausted)
        peer = socket.socket()
        peer.setblocking(False)
        peer.connect_ex(exhausted._sock.getsockname())
        await until(lambda: Exhausted.tries >= 2, "tried again")
        await asyncio.sleep(0.1)
        Exhausted.is_over = True
        await until(lambda: accepted, "accepted in the end")
        assert Exhausted.tries < 20, "it did not spin"
        listener.close_all()
        peer.close()
        await asyncio.sleep(0)

    asyncio.run(story())


def test_nothing_outlives_a_connection_in_the_kernel():
    """A write that is reported as unknown must not reach its device later, over a newer one."""
    for adopt in (set_options, lambda sock, _: forget_on_close(sock)):
        with socket.socket() as sock:
            adopt(sock, SECOND)
            lingers = struct.unpack("ii", sock.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
            assert lingers == (1, 0)


def test_a_closed_connection_drops_what_it_had_still_to_send():
    """The peer takes nothing in; closing resets it at once instead of sending the rest later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        forget_on_close(client)
        peer, _ = listener.accept()
        with peer:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    client.send(b"x" * 65536)
            client.close()
            with pytest.raises(ConnectionResetError):
                while peer.recv(65536):
                    pass
