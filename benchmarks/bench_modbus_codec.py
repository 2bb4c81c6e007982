"""Our Modbus codec beside pymodbus's asynchronous client: reads of 125 registers per second, one connection.

Both ask the same server, in the same run, in turns. The server is a process of its own and does next to
nothing: it looks the answer up by the bytes of the request. Where client and server run decides more than the
codec does (a wake-up of another core may cost more than the request), and a scheduler that is left alone
changes its mind between two rows. So both are pinned, and every row is measured twice: `one core`, where they
share one and every microsecond of work counts, the server's too, and `two cores`, one each, where the waits
for the round trip count as well and the rates are a lower bound of what the client could do.

`client core` is how much of a core the client used, `µs CPU each` its work for one request, kernel included.
pymodbus's client keeps one request in flight, it has no other way; ours is shown with one too. `decoded` adds
what pymodbus does as well, from bytes to numbers: ours to scaled float64.

    python benchmarks/bench_modbus_codec.py [--rounds 5] [--seconds 1] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
from pymodbus.client import AsyncModbusTcpClient

from changeover.drivers.modbus.codec import Decoder, encode_read
from changeover.drivers.modbus.values import Deadbands, ReadPlan, changed
from changeover.model.tag import Scaling, Tag, TagType

HOST = "127.88.0.1"
REGISTERS = 125
FUNCTION = 3
REQUEST_BYTES = 12
DEVICE_REGISTERS = 2000


class Answerer(asyncio.Protocol):
    """The server's side of a connection: register reads only, every register 0x1234."""

    def __init__(self) -> None:
        self._rest = b""
        self._known: dict[bytes, bytes] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every whole request."""
        data = self._rest + data
        whole = len(data) - len(data) % REQUEST_BYTES
        answers = []
        for at in range(0, whole, REQUEST_BYTES):
            asked = data[at + 2 : at + REQUEST_BYTES]
            answers.append(data[at : at + 2])
            answers.append(self._known.get(asked) or self._learn(asked))
        self._rest = data[whole:]
        self._transport.write(b"".join(answers))

    def _learn(self, asked: bytes) -> bytes:
        unit_id, function, count = asked[4], asked[5], int.from_bytes(asked[8:10], "big")
        tail = struct.pack(">HHBBB", 0, 3 + 2 * count, unit_id, function, 2 * count) + b"\x12\x34" * count
        self._known[asked] = tail
        return tail


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Answerer, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Asker(asyncio.Protocol):
    """Our client: keeps a number of requests in flight until its time is over."""

    def __init__(self, in_flight: int, until: float, take: Callable[[bytes], object] | None) -> None:
        self._in_flight = in_flight
        self._until = until
        self._take = take
        self._decoder = Decoder()
        self._transaction = 0
        self.answered = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Fill the window."""
        self._transport = transport
        transport.write(b"".join(self._request() for _ in range(self._in_flight)))

    def data_received(self, data: bytes) -> None:
        """One new request for each answer."""
        responses = self._decoder.feed(data)
        if self._decoder.broken:
            self.done.set_exception(RuntimeError(self._decoder.broken))
        self.answered += len(responses)
        if self._take is not None:
            for response in responses:
                self._take(response.payload)
        if time.perf_counter() < self._until:
            self._transport.write(b"".join([self._request() for _ in responses]))
        elif not self.done.done():
            self.done.set_result(None)

    def _request(self) -> bytes:
        self._transaction = self._transaction + 1 & 0xFFFF
        return encode_read(self._transaction, 1, FUNCTION, 0, REGISTERS)


def own(in_flight: int, decoded: bool) -> Callable[[int, float], Awaitable[int]]:
    async def run(port: int, seconds: float) -> int:
        take = None
        if decoded:
            plan = device_plan(REGISTERS)
            image = plan.new_image()

            def take(payload: bytes) -> object:
                return plan.decode(0, payload, image)

        until = time.perf_counter() + seconds
        transport, asker = await asyncio.get_running_loop().create_connection(
            lambda: Asker(in_flight, until, take), HOST, port
        )
        await asker.done
        transport.abort()
        return asker.answered

    return run


async def theirs(port: int, seconds: float) -> int:
    client = AsyncModbusTcpClient(HOST, port=port)
    if not await client.connect():
        raise RuntimeError("pymodbus could not connect")
    answered = 0
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        answer = await client.read_holding_registers(0, count=REGISTERS)
        if len(answer.registers) != REGISTERS:
            raise RuntimeError(f"pymodbus read {answer}")
        answered += 1
    client.close()
    return answered


@dataclass
class Candidate:
    """One row: what runs, and what its rounds gave."""

    placement: str
    cores_used: tuple[int, int]
    name: str
    run: Callable[[int, float], Awaitable[int]]
    rates: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    def measure(self, server_pid: int, port: int, seconds: float) -> None:
        """Run one round, server and client on their cores."""
        os.sched_setaffinity(server_pid, {self.cores_used[0]})
        os.sched_setaffinity(0, {self.cores_used[1]})
        wall, cpu = time.perf_counter(), time.process_time()
        answered = asyncio.run(self.run(port, seconds))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        self.rates.append(answered / wall)
        self.cores.append(cpu / wall)

    def result(self) -> dict[str, object]:
        """The row's figures: the median of its rounds, and their spread."""
        return {
            "placement": self.placement,
            "name": self.name,
            "requests_per_s": {
                "median": round(statistics.median(self.rates)),
                "min": round(min(self.rates)),
                "max": round(max(self.rates)),
            },
            "client_core": round(statistics.median(self.cores), 3),
            "cpu_us_per_request": round(
                1e6 * statistics.median(c / r for c, r in zip(self.cores, self.rates, strict=True)), 1
            ),
        }


def device_plan(registers: int) -> ReadPlan:
    scaling = Scaling(0, 32000, 0, 100)
    return ReadPlan(
        [Tag(f"T{n}", TagType.INT, "PLC1", str(40001 + n), scaling, deadband=0.1) for n in range(registers)]
    )


def values_cost(repeats: int = 200) -> dict[str, float]:
    """Microseconds to plan, decode and compare the 2,000 registers of one device."""
    started = time.perf_counter()
    plan = device_plan(DEVICE_REGISTERS)
    planned = time.perf_counter() - started
    payloads = [np.arange(b.count, dtype=">u2").tobytes() for b in plan.blocks]
    image, deadbands = plan.new_image(), Deadbands.of(plan.tags)
    before = image.values.copy()
    started = time.perf_counter()
    for _ in range(repeats):
        for index, payload in enumerate(payloads):
            plan.decode(index, payload, image)
    decoded = (time.perf_counter() - started) / repeats
    started = time.perf_counter()
    for _ in range(repeats):
        changed(before, image.values, deadbands)
    compared = (time.perf_counter() - started) / repeats
    figures = {"plan_us": planned, "decode_us": decoded, "changed_us": compared}
    return {name: round(1e6 * seconds, 1) for name, seconds in figures.items()}


def compare(rounds: int, seconds: float) -> dict[str, object]:
    cores = sorted(os.sched_getaffinity(0))
    placements = [("one core", (cores[0], cores[0]))]
    if len(cores) > 1:
        placements.append(("two cores", (cores[0], cores[1])))
    candidates = [
        Candidate(placement, used, name, run)
        for placement, used in placements
        for name, run in (
            ("own codec, 4 in flight", own(4, decoded=False)),
            ("own codec, 4 in flight, decoded", own(4, decoded=True)),
            ("own codec, 1 in flight, decoded", own(1, decoded=True)),
            ("pymodbus client, 1 in flight", theirs),
        )
    ]
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            for candidate in candidates:
                asyncio.run(candidate.run(port, 0.1))
            for _ in range(rounds):
                for candidate in candidates:
                    candidate.measure(server.pid, port, seconds)
        finally:
            server.kill()
            os.sched_setaffinity(0, cores)
    return {
        "python": platform.python_version(),
        "registers": REGISTERS,
        "rounds": rounds,
        "seconds": seconds,
        "clients": [candidate.result() for candidate in candidates],
        "values_of_2000_registers": values_cost(),
    }


def print_table(report: dict[str, object]) -> None:
    head = ("requests/s", "min", "max", "client core", "µs CPU each")
    print(f"{'':11}{'reads of 125 registers':34}" + "".join(f"{title:>13}" for title in head))
    for row in report["clients"]:
        rate = row["requests_per_s"]
        print(
            f"{row['placement']:11}{row['name']:34}{rate['median']:>13,}{rate['min']:>13,}{rate['max']:>13,}"
            f"{row['client_core']:>13.0%}{row['cpu_us_per_request']:>13}"
        )
    cost = report["values_of_2000_registers"]
    print(
        f"2,000 scaled INT of one device, 16 blocks: plan {cost['plan_us']:,} µs once,"
        f" decode {cost['decode_us']} µs, compare with deadbands {cost['changed_us']} µs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        asyncio.run(serve())
        return
    report = compare(arguments.rounds, arguments.seconds)
    if arguments.json:
        print(json.dumps(report, indent=2))
    else:
        print_table(report)


if __name__ == "__main__":
    main()
