"""The simulated PLC over loopback sockets: a real pymodbus client, our own codec, the command."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest
from click.testing import CliRunner
from pymodbus.client import AsyncModbusTcpClient

from changeover.cli.plc import command
from changeover.drivers.modbus import codec
from changeover.drivers.modbus.codec import Decoder, Response
from changeover.drivers.modbus.values import ReadPlan
from changeover.drivers.modbus.writes import encode_write
from changeover.model.lan import Endpoint
from changeover.model.moment import MILLISECOND
from changeover.model.tag import Tag, TagType
from changeover.runtime.plc import MovingValues, PlcSettings, SimulatedPlc
from changeover.runtime.plc_waves import Wave, parse_square
from changeover.scenario.disturbance import Spells

HOST = "127.77.0.1"
STEP_NS = 100_000_000


class Clock:
    """UTC that a test moves, from step 1000 on."""

    def __init__(self) -> None:
        self.step = 1000

    def __call__(self) -> int:
        return self.step * STEP_NS


def with_plc(talk: Callable[[Endpoint, Clock], Awaitable[None]], settings: PlcSettings | None = None) -> None:
    async def run() -> None:
        settings_used, clock = settings or PlcSettings(), Clock()
        plc = SimulatedPlc(settings_used, MovingValues(settings_used, clock))
        address = await plc.start(Endpoint(HOST, 0))
        try:
            await talk(address, clock)
        finally:
            await plc.stop()

    asyncio.run(run())


def with_client(talk: Callable[[AsyncModbusTcpClient, Clock], Awaitable[None]]) -> None:
    async def run(address: Endpoint, clock: Clock) -> None:
        client = AsyncModbusTcpClient(address.host, port=address.port, timeout=5, retries=0)
        assert await client.connect()
        try:
            await talk(client, clock)
        finally:
            client.close()

    with_plc(run)


async def exchange(address: Endpoint, *frames: bytes) -> list[Response]:
    """Send all frames in one piece; the responses, as many as frames."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(b"".join(frames))
        decoder, got = Decoder(), []
        while len(got) < len(frames):
            data = await asyncio.wait_for(reader.read(65536), 10)
            assert data, "the PLC closed the connection"
            got.extend(decoder.feed(data))
        assert decoder.broken == ""
        return got
    finally:
        writer.close()
        await writer.wait_closed()


def test_pymodbus_reads_moving_registers() -> None:
    async def talk(client: AsyncModbusTcpClient, clock: Clock) -> None:
        for read in (client.read_holding_registers, client.read_input_registers):
            clock.step = 1000
            first = (await read(0, count=125)).registers
            assert (await read(0, count=125)).registers == first
            assert first[0] == 1000
            assert first[10] == 0x1000
            clock.step = 1001
            second = (await read(0, count=125)).registers
            assert second[0] == 1001
            assert all(b == (a + 1) & 0xFFFF for a, b in zip(first[100:], second[100:], strict=True))
            types = client.DATATYPE
            assert client.convert_from_registers(second[2:4], types.UINT32) == 1001
            assert 0 <= client.convert_from_registers(second[4:6], types.FLOAT32) <= 100
            assert second[4:6] != first[4:6]
            assert client.convert_from_registers(second[13:21], types.STRING) == "STEP 00000001001"

    with_client(talk)


SQUARES = ("00002:2", "10012:2:0.3", "40023.5:1", "30101.0:5")


def test_bits_follow_square_waves_by_the_clock() -> None:
    squares = tuple(parse_square(text) for text in SQUARES)

    async def talk(address: Endpoint, clock: Clock) -> None:
        client = AsyncModbusTcpClient(address.host, port=address.port, timeout=5, retries=0)
        assert await client.connect()
        try:
            for clock.step in (1000, 1003, 1010, 1020, 1022, 1023, 1040, 1049, 1050):
                step = clock.step
                assert (await client.read_coils(1, count=1)).bits[0] == (step // 20 % 2 == 1)
                inputs = (await client.read_discrete_inputs(10, count=2)).bits
                assert inputs[1] == ((step - 3) // 20 % 2 == 1)
                assert inputs[0] == (step // 1024 % 2 == 1), "its neighbour moves as ever"
                held = (await client.read_holding_registers(22, count=1)).registers[0]
                assert held == (32 if step // 10 % 2 == 1 else 0)
                moving = (await client.read_input_registers(100, count=1)).registers[0]
                assert moving & 1 == (step // 50 % 2 == 1)
        finally:
            client.close()

    with_plc(talk, PlcSettings(squares=squares))


def test_a_square_that_is_written_follows_its_wave_again_at_the_next_step() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        client = AsyncModbusTcpClient(address.host, port=address.port, timeout=5, retries=0)
        assert await client.connect()
        try:
            assert not (await client.read_coils(16, count=2)).bits[0]
            assert not (await client.write_coils(16, [True, True])).isError()
            assert (await client.read_coils(16, count=2)).bits[:2] == [True, True]
            clock.step += 1
            assert (await client.read_coils(16, count=2)).bits[:2] == [False, True], "only one has a wave"
        finally:
            client.close()

    with_plc(talk, PlcSettings(squares=(parse_square("00017:1000"),)))


def test_two_plcs_agree_on_their_squares_whatever_else_they_hold() -> None:
    wave = Wave(7 * 10**9, 3 * 10**9)
    for utc in range(0, 40 * 10**9, 10**9):
        assert wave.is_on(utc) == ((utc - 3 * 10**9) // (7 * 10**9) % 2 == 1)
    assert wave.switchings(0, 30 * 10**9) == (3 * 10**9, 10 * 10**9, 17 * 10**9, 24 * 10**9)
    assert wave.switchings(3 * 10**9, 10 * 10**9) == (3 * 10**9,)


@pytest.mark.parametrize("text", [*SQUARES, "100012:20:4", "465536.15:0.1"])
def test_a_square_s_text_reads_as_the_same_square(text: str) -> None:
    assert parse_square(str(parse_square(text))) == parse_square(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("00001", "is no square wave, write ADDRESS:HALF_PERIOD_S"),
        ("00001:soon", "is no square wave"),
        ("00001:1:2:3", "is no square wave"),
        ("00001:inf", "is no square wave"),
        ("00001:nan", "is no square wave"),
        ("00001:0", "the half period must be above 0 s"),
        ("00001:-1", "the half period must be above 0 s"),
        ("40001:1", "40001"),
        ("x:1", "x"),
    ],
)
def test_what_is_no_square_is_refused_in_words(text: str, why: str) -> None:
    result = CliRunner().invoke(command, ["--address", f"{HOST}:0", "--square", text])
    assert result.exit_code == 2
    assert "Invalid value for '--square'" in result.output
    assert why in " ".join(result.output.split())


def test_pymodbus_writes_what_is_held_and_reads_it_back_later() -> None:
    async def talk(client: AsyncModbusTcpClient, clock: Clock) -> None:
        assert not (await client.write_registers(21, [7, 8, 9])).isError()
        assert not (await client.write_register(99, 65535)).isError()
        assert not (await client.write_coil(16, True)).isError()
        assert not (await client.write_coils(90, [True] * 6)).isError()
        clock.step += 1
        assert (await client.read_holding_registers(21, count=4)).registers == [7, 8, 9, 0]
        assert (await client.read_holding_registers(99, count=1)).registers == [65535]
        held = (await client.read_coils(16, count=80)).bits[:80]
        assert [place for place, on in enumerate(held) if on] == [0, 74, 75, 76, 77, 78, 79]

    with_client(talk)


def test_what_is_written_to_a_moving_value_lasts_one_step() -> None:
    async def talk(client: AsyncModbusTcpClient, clock: Clock) -> None:
        before = (await client.read_holding_registers(200, count=1)).registers[0]
        assert not (await client.write_register(200, 5)).isError()
        assert (await client.read_holding_registers(200, count=1)).registers == [5]
        clock.step += 1
        assert (await client.read_holding_registers(200, count=1)).registers == [(before + 1) & 0xFFFF]

    with_client(talk)


def test_coils_and_inputs_toggle() -> None:
    async def talk(client: AsyncModbusTcpClient, clock: Clock) -> None:
        for read in (client.read_coils, client.read_discrete_inputs):
            clock.step = 1000
            first = (await read(0, count=120)).bits
            clock.step = 1001
            second = (await read(0, count=120)).bits
            assert [bool(1000 >> n & 1) for n in range(16)] == first[:16]
            assert [bool(1001 >> n & 1) for n in range(16)] == second[:16]
            assert all(a != b for a, b in zip(first[96:120], second[96:120], strict=True))

    with_client(talk)


def test_our_codec_keeps_many_requests_in_flight() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        frames = [codec.encode_read(n, n % 256, 3, 100, 125) for n in range(200)]
        got = await exchange(address, *frames)
        assert [(r.transaction, r.unit_id) for r in got] == [(n, n % 256) for n in range(200)]
        assert {len(r.payload) for r in got} == {250}
        assert len({r.payload for r in got}) == 1

    with_plc(talk)


def test_a_plan_decodes_every_named_value() -> None:
    named = [
        ("40001", TagType.UINT),
        ("40002", TagType.INT),
        ("40003", TagType.ULONG),
        ("40005", TagType.REAL),
        ("40007", TagType.DOUBLE),
        ("40011", TagType.BCD),
        ("40012", TagType.LONG),
        ("40014:len=16", TagType.STRING),
        ("00004", TagType.DIGITAL),
        ("30001.3", TagType.DIGITAL),
    ]
    plan = ReadPlan([Tag(address, kind, "PLC1", address) for address, kind in named])
    image = plan.new_image()

    async def talk(address: Endpoint, clock: Clock) -> None:
        clock.step = 150  # 15 s: the crest of the slow sine, and three quarters of the fast one
        got = await exchange(address, *(block.encode(n) for n, block in enumerate(plan.blocks)))
        for block, response in zip(plan.blocks, got, strict=True):
            assert block.mismatch(response) == ""
            plan.decode(response.transaction, response.payload, image)

    with_plc(talk)
    assert image.good.all()
    assert image.values[:7].tolist() == [150, 10000, 150, 100, 0, 150, 1_000_000]
    assert image.texts[7] == "STEP 00000000150"
    assert image.values[8:].tolist() == [0, 0]


def test_our_writes_are_acknowledged() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        wanted: list[tuple[str, TagType, float | str]] = [
            ("40030", TagType.REAL, 2.5),
            ("40040", TagType.INT, -3),
            ("00020", TagType.DIGITAL, 1),
            ("40050:len=4", TagType.STRING, "abcd"),
        ]
        tags = [Tag(place, kind, "PLC1", place) for place, kind, _ in wanted]
        plan = ReadPlan(tags)
        for tag, at, (_, _, value) in zip(tags, plan.addresses, wanted, strict=True):
            write = encode_write(tag, at, value)
            assert isinstance(write, codec.Write)
            (response,) = await exchange(address, write.encode(1))
            assert codec.write_mismatch(write, response) == ""
            assert response.exception == 0
        image = plan.new_image()
        for index, block in enumerate(plan.blocks):
            (response,) = await exchange(address, block.encode(index))
            plan.decode(index, response.payload, image)
        assert image.values[:3].tolist() == [2.5, -3, 1]
        assert image.texts[3] == "abcd"

    with_plc(talk)


def test_troubles_are_exceptions_of_the_protocol() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        outside = codec.encode_read(1, 1, 3, 990, 11)
        unknown = struct.pack(">HHHBBH", 2, 0, 4, 1, 8, 0)
        too_many = struct.pack(">HHHBBHH", 3, 0, 6, 1, 3, 0, 126)
        fine = codec.encode_read(4, 1, 3, 990, 10)
        got = await exchange(address, outside, unknown[:8] + b"\0\0", too_many, fine)
        assert [(r.transaction, r.exception) for r in got] == [(1, 2), (2, 1), (3, 3), (4, 0)]

    with_plc(talk)


def test_a_broken_stream_is_closed_after_the_answers_before_it() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(codec.encode_read(1, 1, 3, 0, 1) + b"GET / HTTP/1.1\r\n\r\n")
        data = await asyncio.wait_for(reader.read(), 10)
        assert len(data) == 11
        writer.close()
        await writer.wait_closed()

    with_plc(talk)


def test_stop_closes_connections() -> None:
    async def run() -> None:
        plc = SimulatedPlc(PlcSettings(), MovingValues(PlcSettings()))
        address = await plc.start(Endpoint(HOST, 0))
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(codec.encode_read(1, 1, 3, 0, 1))
        await reader.readexactly(11)
        await plc.stop()
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address.host, address.port)

    asyncio.run(run())


def test_plcs_of_one_seed_move_alike_and_of_another_do_not() -> None:
    def registers(seed: int) -> list[int]:
        return MovingValues(PlcSettings(registers=200, seed=seed)).registers(77)

    assert registers(1) == registers(1)
    assert registers(1)[:21] == registers(2)[:21]
    assert registers(1)[100:] != registers(2)[100:]


def test_the_largest_tables() -> None:
    async def talk(address: Endpoint, clock: Clock) -> None:
        last = codec.encode_read(1, 1, 3, 65411, 125)
        (registers, coils) = await exchange(address, last, codec.encode_read(2, 1, 1, 63536, 2000))
        assert (registers.exception, len(registers.payload)) == (0, 250)
        assert (coils.exception, len(coils.payload)) == (0, 250)

    with_plc(talk, PlcSettings(registers=65536))


def start_command(*arguments: str) -> subprocess.Popen[str]:
    program = "from changeover.cli.plc import command; command()"
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def listening(process: subprocess.Popen[str]) -> Endpoint:
    assert process.stdout is not None
    word, _, address = process.stdout.readline().strip().partition(" ")
    assert word == "listening"
    host, _, port = address.partition(":")
    return Endpoint(host, int(port))


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_the_command_says_when_it_listens_and_ends_cleanly(signum: signal.Signals) -> None:
    with start_command("--address", f"{HOST}:0", "--address", "127.77.0.2:0") as process:
        addresses = [listening(process), listening(process)]
        assert [address.host for address in addresses] == [HOST, "127.77.0.2"]
        for address in addresses:
            with socket.create_connection((address.host, address.port), 10) as connection:
                connection.sendall(codec.encode_read(1, 1, 3, 0, 10))
                assert len(connection.recv(100)) == 29
        process.send_signal(signum)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")


def test_the_command_takes_its_address_again_at_once_after_a_kill() -> None:
    with start_command("--address", f"{HOST}:0") as process:
        address = listening(process)
        with socket.create_connection((address.host, address.port), 10) as connection:
            connection.sendall(codec.encode_read(1, 1, 3, 0, 1))
            assert len(connection.recv(100)) == 11
            process.kill()
            process.communicate(timeout=20)
    with start_command("--address", str(address)) as process:
        assert listening(process) == address
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_taken_address_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        address = f"{HOST}:{taken.getsockname()[1]}"
        with start_command("--address", "127.77.0.2:0", "--address", address) as process:
            out, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert out == ""
    assert f"cannot listen on {address}" in err
    assert "in use" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("text", ["127.0.0.1", ":5020", "127.0.0.1:x", "127.0.0.1:70000"])
def test_a_bad_address_is_a_usage_error(text: str) -> None:
    result = CliRunner().invoke(command, ["--address", text])
    assert result.exit_code == 2
    assert "is no address" in result.output


def test_a_slow_plc_answers_nothing_and_then_all_that_it_was_asked() -> None:
    """Asked again and again, until an answer has waited for the end of a spell."""
    slow = Spells(gap=30 * MILLISECOND, length=30 * MILLISECOND)

    async def talk(address: Endpoint, clock: Clock) -> None:
        reader, writer = await asyncio.open_connection(address.host, address.port)
        for number in range(2000):
            began = time.monotonic()
            writer.write(bytes([0, number % 256, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1]))
            answer = await reader.readexactly(11)
            assert answer[1] == number % 256
            if time.monotonic() - began > 0.02:
                break
            await asyncio.sleep(0.001)
        else:
            pytest.fail("two seconds without any spell")
        writer.close()

    with_plc(talk, PlcSettings(slow=slow))


def test_what_is_no_spell_is_refused_in_words() -> None:
    result = CliRunner().invoke(command, ["--address", f"{HOST}:0", "--slow", "2s"])
    assert result.exit_code == 2
    assert "write LENGTH/GAP like 2s/1m" in " ".join(result.output.split())
