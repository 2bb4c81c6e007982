"""Devices are asked as their I/O server asks them, and never pressed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from changeover.model.network import Kind
from changeover.model.plant import Plant
from changeover.survey import devices
from changeover.survey.board import Board
from changeover.survey.devices import DevicePoller, blocks_of, device_streams, units_on
from changeover.survey.stream import Stream
from loopback import Project, World, make_project, until


@contextlib.asynccontextmanager
async def polling(plant: Plant) -> AsyncIterator[Stream]:
    board = Board(plant.name, "SCADA1", device_streams(plant, "SCADA1"))
    (stream,) = board.streams.values()
    work = asyncio.ensure_future(DevicePoller(plant, "SCADA1", board).run())
    try:
        yield stream
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def test_every_block_of_a_device_is_asked_for_with_each_page_scan(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    (unit,) = units_on(project.plant, "SCADA1")
    assert len(blocks_of(project.plant, unit)) > 1

    async def story() -> None:
        async with World(project), polling(project.plant) as stream:
            assert (stream.key.kind, stream.key.name) == (Kind.DEVICE, "IOServer1.PLC1@1")
            await until(lambda: stream.raw.count > 20, "answers")
            assert stream.requests - stream.raw.count <= unit.timing.max_pending
            assert stream.answer_bytes > 10 * stream.raw.count
        assert stream.closed == 0

    asyncio.run(story())


def test_a_device_that_goes_away_is_tried_again_after_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "PAUSE_FIRST", 50_000_000)
    project = make_project(tmp_path)

    async def story() -> None:
        async with World(project) as world, polling(project.plant) as stream:
            await until(lambda: stream.raw.count > 5, "answers")
            address = units_on(project.plant, "SCADA1")[0].address
            await world.stop_plc(address)
            await until(lambda: stream.closed == 1, "closed")
            seen = stream.raw.count
            await asyncio.sleep(0.2)
            assert stream.closed == 1, "what does not stand cannot be lost"
            await world.start_plc(address)
            await until(lambda: stream.raw.count > seen + 5, "answers again")

    asyncio.run(story())


def test_pauses_grow_to_a_minute(tmp_path: Path) -> None:
    plant = make_project(tmp_path).plant
    board = Board(plant.name, "SCADA1", device_streams(plant, "SCADA1"))
    (unit,) = units_on(plant, "SCADA1")
    channel = devices._Channel(unit, (), next(iter(board.streams.values())), 0)
    found = []
    for channel.refusals in range(9):
        found.append(channel.pause() / 1e9)
    assert found == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_device_that_does_not_answer_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then what was under way is a censored delay, and the connection is made anew."""
    monkeypatch.setattr(devices, "PATIENCE", 300_000_000)
    monkeypatch.setattr(devices, "PAUSE_FIRST", 10_000_000)
    project: Project = make_project(tmp_path)

    async def story() -> None:
        address = project.devices()[0]
        connections = 0

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            with contextlib.suppress(OSError):
                await reader.read()
            writer.close()

        listener = await asyncio.start_server(silent, address.host, address.port)
        async with polling(project.plant) as stream:
            await until(lambda: stream.closed >= 1 and connections >= 2, "given up, and tried again")
            assert stream.raw.count == 0
            assert stream.longest_censored()[0] >= 300_000_000
        listener.close()

    asyncio.run(story())
