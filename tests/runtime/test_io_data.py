"""I/O data end to end in one loop: real sockets, real Modbus, the core's machines."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from changeover.model.quality import Quality
from loopback import CountingClient, Project, World, make_project, until


def run(project: Project, story: Callable[[World], Awaitable[None]], registers: int = 200) -> None:
    async def main() -> None:
        async with World(project, registers) as world:
            await story(world)

    asyncio.run(main())


async def served(world: World) -> CountingClient:
    """Both servers and the client, served."""
    for server in world.plant.io_servers:
        world.serve(server.name)
    client = world.show()
    await until(lambda: all(client.presented.values()), "served")
    return client


def registers_of(world: World, unit: int, start: int, count: int = 1) -> list[int]:
    """What a device holds, past everything that is under test."""
    address = world.plant.io_devices[0].units[unit].address

    async def read() -> list[int]:
        from pymodbus.client import AsyncModbusTcpClient

        client = AsyncModbusTcpClient(address.host, port=address.port)
        assert await client.connect()
        answer = await client.read_holding_registers(start, count=count)
        client.close()
        return list(answer.registers)

    return asyncio.run(read())


async def holds(world: World, unit: int, start: int) -> int:
    return (await asyncio.to_thread(registers_of, world, unit, start))[0]


@pytest.mark.parametrize("version", ["3.30", "3.40", "5.0"])
def test_a_project_is_served_by_its_primary(tmp_path: Path, version: str) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        steps = client.value("Steps")
        assert isinstance(steps, float)
        level = client.value("Level")
        assert isinstance(level, float) and 0 <= level <= 100
        await until(lambda: client.value("Steps") != steps, "values move")
        assert client.active == {"PLC1": "IOServer1.PLC1@1"}
        assert set(client.presented["PLC1"]) == {"IOServer1.PLC1@1"}
        assert client.texts() == []

    run(make_project(tmp_path, version=version), story)


def test_a_closed_device_changes_over_and_returns(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        primary, standby = world.plant.io_devices[0].units
        await world.stop_plc(primary.address)
        await until(lambda: client.active["PLC1"] == standby.name, "changeover")
        assert client.texts() == ["I/O device off-line", "Stand-by I/O Device activated"]
        assert client.value("Steps") is not None
        await world.start_plc(primary.address)
        await until(lambda: client.active["PLC1"] == primary.name, "return")

    run(make_project(tmp_path), story)


def test_without_any_device_tags_show_com_and_come_back_complete(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        image = client.image.devices["PLC1"]
        for unit in world.plant.io_devices[0].units:
            await world.stop_plc(unit.address)
        await until(lambda: image.shows_com, "#COM")
        assert {image.at(n).quality for n in range(len(image.names))} == {Quality.COM}
        await world.start_plc(world.plant.io_devices[0].units[1].address)
        await until(lambda: client.value("Setpoint") is not None, "back")
        good = [n for n in image.names if client.value(n) is not None]
        assert good == list(image.names)

    run(make_project(tmp_path), story)


def test_a_server_that_came_back_is_attached_again(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.serve("IOServer2")
        first = world.serve("IOServer1")
        client = world.show()
        await until(lambda: client.active.get("PLC1") == "IOServer1.PLC1@1", "served")
        first.stop()
        await until(lambda: client.active["PLC1"] == "IOServer2.PLC1@2", "changeover")
        assert client.texts()[0] == "Session Closed"
        world.serve("IOServer1")
        await until(lambda: client.active["PLC1"] == "IOServer1.PLC1@1", "return")

    run(make_project(tmp_path), story)


def test_a_write_is_done_and_seen(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        assert (await client.write("setpoint", 2.5)).outcome == "done"
        await until(lambda: client.value("Setpoint") == 2.5, "read back")
        assert (await client.write("Pump", 1)).outcome == "done"
        await until(lambda: client.value("Pump") == 1, "coil")
        assert (await client.write("Recipe", "Brine")).outcome == "done"
        await until(lambda: str(client.value("Recipe")).rstrip("\0") == "Brine", "text")
        assert (await client.write("Recipe", "")).outcome == "done"
        await until(lambda: str(client.value("Recipe")).rstrip("\0") == "", "an empty text is a text")
        assert await holds(world, 0, 29) == 250
        assert await holds(world, 1, 29) == 0, "the stand-by is not written"

    run(make_project(tmp_path), story)


def test_a_bit_of_a_register_leaves_the_other_bits_alone(tmp_path: Path) -> None:
    lines = ("Valve,DIGITAL,{device},40040.3,,,,,,,", "Whole,UINT,{device},40040,,,,,,,")

    async def story(world: World) -> None:
        client = await served(world)
        assert (await client.write("Whole", 0b1000_0001)).outcome == "done"
        assert (await client.write("Valve", 1)).outcome == "done"
        await until(lambda: client.value("Whole") == 0b1000_1001, "bit set")
        assert (await client.write("Valve", 0)).outcome == "done"
        await until(lambda: client.value("Whole") == 0b1000_0001, "bit cleared")

    run(make_project(tmp_path, tags=lines), story)


@pytest.mark.parametrize(
    ("tag", "value", "why"),
    [
        ("Nothing", 1, "no tag Nothing"),
        ("Flow", 1, "input register"),
        ("Setpoint", "x", "takes a number"),
        ("Steps", 70000, "outside UINT"),
        ("Pump", 2, "neither 0 nor 1"),
        ("Recipe", "much too long", "room for 8"),
        ("Beyond", 1, "address"),
    ],
)
def test_a_write_is_refused_with_the_reason(tmp_path: Path, tag: str, value: float | str, why: str) -> None:
    lines = (
        "Steps,UINT,{device},40001,,,,,,,",
        "Flow,INT,{device},30002,,,,,,,",
        "Setpoint,INT,{device},40030,,,,,,,",
        "Pump,DIGITAL,{device},00020,,,,,,,",
        "Recipe,STRING,{device},40050:len=8,,,,,,,",
        "Beyond,UINT,{device},49000,,,,,,,",
    )

    async def story(world: World) -> None:
        client = await served(world)
        end = await client.write(tag, value)
        assert end.outcome == "refused"
        assert why in end.why

    run(make_project(tmp_path, tags=lines), story)


def test_a_write_to_no_unit_is_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = world.show()
        end = await client.write("Setpoint", 1)
        assert (end.outcome, end.why) == ("refused", "no unit of the I/O device is online")

    run(make_project(tmp_path), story)


def test_a_write_under_way_when_the_device_dies_is_unknown(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A device that answers reads, and is gone when it is written to."""
        while len(head := await reader.read(12)) == 12 and head[7] != 6:
            count = int.from_bytes(head[10:12], "big")
            pdu = bytes([head[7], 2 * count]) + bytes(2 * count)
            writer.write(head[:4] + (len(pdu) + 1).to_bytes(2, "big") + head[6:7] + pdu)
        writer.close()

    async def story(world: World) -> None:
        primary, standby = world.plant.io_devices[0].units
        await world.stop_plc(primary.address)
        await world.stop_plc(standby.address)
        device = await asyncio.start_server(silent, primary.address.host, primary.address.port)
        client = await served(world)
        end = await client.write("Setpoint", 1)
        assert end.outcome == "unknown"
        device.close()

    run(make_project(tmp_path, tags=("Setpoint,INT,{device},40030,,,,,,,",)), story)


def test_a_standby_write_unit_is_written_too(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client = await served(world)
        await until(lambda: all(link.is_open for link in client.machine.links.values()), "both open")
        assert (await client.write("Setpoint", 7)).outcome == "done"
        assert await holds(world, 0, 29) == 700
        for _ in range(200):
            if await holds(world, 1, 29) == 700:
                break
        else:
            pytest.fail("the stand-by was never written")
        assert client.texts() == []

    run(make_project(tmp_path, modes=("primary", "standby_write")), story)


def test_a_tag_that_the_device_does_not_have_is_an_error_beside_good_ones(tmp_path: Path) -> None:
    lines = ("Steps,UINT,{device},40001,,,,,,,", "Beyond,UINT,{device},49000,,,,,,,")

    async def story(world: World) -> None:
        client = await served(world)
        image = client.image.devices["PLC1"]
        assert image.at(0).quality is Quality.GOOD
        assert image.at(1).quality is Quality.ERROR

    run(make_project(tmp_path, tags=lines), story)


def test_many_devices_are_all_served(tmp_path: Path) -> None:
    lines = [f"T{n},UINT,{{device}},{40101 + n},,,,,,," for n in range(300)]

    async def story(world: World) -> None:
        client = await served(world)
        steps = {name: client.value(name) for name in ("PLC1_T0", "PLC5_T299")}
        await until(lambda: all(client.value(n) not in (None, v) for n, v in steps.items()), "all move")

    run(make_project(tmp_path, devices=5, tags=lines), story, registers=500)
