"""The two ends of a network backup: one reads and forgets, the other sends as fast as TCP lets it.

    lab_bulk.py receive ADDRESS
    lab_bulk.py send ADDRESS PORT STREAMS ON_S OFF_S DURATION_S [SEED]

Each says on standard output how far it is: "listening PORT"; "ready", and after a line on standard input has
let it begin, "sending". Times are seconds: an OFF_S of 0 means one burst without end, a DURATION_S of 0 no
end of all. With a seed, bursts and pauses are of exponential length and the times are their means.

Every burst has connections of its own, as every file of a backup may. They are reset and not closed: what a
closed connection has still to send would go on filling the queue for minutes.

Run as a script, without the package: standard library only.
"""

from __future__ import annotations

import random
import selectors
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

CHUNK = bytes(65536)
SLICE_S = 0.02
"""How long a stream that waits for room may be late for the end of its burst."""

CONNECT_PAUSE_S = 0.05
START_PATIENCE_S = 5.0
IDLE_SECONDS = 10
"""After this long without a byte the receiver asks whether the sender is there: its reset may be lost."""


def receive(address: str) -> None:
    """Accept every connection and forget what it brings."""
    server = socket.create_server((address, 0), backlog=128)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    server.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
    print("listening", server.getsockname()[1], flush=True)
    room = bytearray(1 << 18)
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is server:
                    selector.register(server.accept()[0], selectors.EVENT_READ)
                    continue
                assert isinstance(key.fileobj, socket.socket)
                if not _read(key.fileobj, room):
                    selector.unregister(key.fileobj)
                    key.fileobj.close()


def bursts(
    start: float, on_s: float, off_s: float, duration_s: float, rng: random.Random | None
) -> Iterator[tuple[float, float]]:
    """The beginning and end of every burst.

    Args:
        start: Beginning of the first, seconds; the same clock as what is yielded.
        on_s: Length of a burst, its mean where there is a `rng`, seconds.
        off_s: Length of the pauses between, likewise; 0 for one burst only, until the end of all.
        duration_s: When all is over, seconds after `start`; 0 for never.
        rng: Draws exponential lengths; None for equal ones.
    """
    end = start + duration_s if duration_s else float("inf")
    if off_s == 0:
        yield start, end
        return
    begin = start
    while begin < end:
        length, pause = (rng.expovariate(1 / mean) if rng else mean for mean in (on_s, off_s))
        yield begin, min(end, begin + length)
        begin += length + pause


def send(address: str, port: int, streams: int, times: tuple[float, float, float], seed: str | None) -> None:
    """Send by several connections at once, burst after burst, once a line on standard input says so."""
    print("ready", flush=True)
    if not sys.stdin.readline():
        return  # whoever started this is gone
    sending = threading.Event()
    threading.Thread(target=_say_when, args=(sending,), daemon=True).start()
    rng = None if seed is None else random.Random(seed)
    for begin, end in bursts(time.monotonic(), *times, rng):
        time.sleep(max(0.0, begin - time.monotonic()))
        threads = [
            threading.Thread(target=_stream, args=(address, port, end, sending)) for _ in range(streams)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _read(connection: socket.socket, room: bytearray) -> bool:
    try:
        return connection.recv_into(room) > 0
    except OSError:
        return False


def _say_when(sending: threading.Event) -> None:
    said = "sending" if sending.wait(START_PATIENCE_S) else f"no connection within {START_PATIENCE_S:g} s"
    print(said, flush=True)


def _stream(address: str, port: int, end: float, sending: threading.Event) -> None:
    while time.monotonic() < end:
        try:
            _connect_and_send(address, port, end, sending)
        except OSError:
            time.sleep(CONNECT_PAUSE_S)


def _connect_and_send(address: str, port: int, end: float, sending: threading.Event) -> None:
    patience = min(end - time.monotonic(), START_PATIENCE_S)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.settimeout(max(SLICE_S, patience))
        connection.connect((address, port))
        connection.settimeout(SLICE_S)
        while time.monotonic() < end:
            try:
                connection.send(CHUNK)
            except TimeoutError:
                continue
            sending.set()


def main() -> int:
    """Be one of the two ends."""
    if sys.argv[1] == "receive":
        receive(sys.argv[2])
        return 0
    address, port, streams, on_s, off_s, duration_s, *seed = sys.argv[2:]
    times = (float(on_s), float(off_s), float(duration_s))
    send(address, int(port), int(streams), times, seed[0] if seed else None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
