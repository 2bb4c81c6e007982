"""One write of `changeover write`: connect, wait until the tag is served, write, and learn how it ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

from changeover.cli.attach import links_in_words
from changeover.model.device import UnitMode
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.model.tag import Tag
from changeover.runtime.client import ClientHost, CommandEnd
from changeover.runtime.process import Ending
from changeover.runtime.trace_file import NoTrace

_LOOK_SECONDS = 0.02
_FIRST_PROGRESS_SECONDS = 1.0
_PROGRESS_SECONDS = 5.0
_MIRROR_SECONDS = 0.5
"""How long a stand-by that is written too may take to say that it could not."""


class Writing:
    """One write.

    Args:
        plant: The plant.
        client: The client to be.
        tag: The tag.
        value: Its engineering value.
        wait_seconds: How long the tag's I/O device may take to be served.
        say: Takes a line for people while it lasts.

    Attributes:
        end: How it ended.
        unit: The unit that it was sent to, empty when it was not sent.
        warnings: What went wrong beside it.
    """

    def __init__(
        self,
        plant: Plant,
        client: Client,
        tag: Tag,
        value: float | str,
        wait_seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._plant = plant
        self._client = client
        self._tag = tag
        self._value = value
        self._wait_seconds = wait_seconds
        self._say = say
        self.end = CommandEnd("refused", "interrupted, nothing was written")
        self.unit = ""
        self.warnings: list[str] = []

    async def run(self) -> int:
        """Do it; 0, or the exit status of a programmer's error."""
        ending = Ending()
        host = ClientHost(self._plant, self._client, NoTrace(), Random(time.monotonic_ns()))
        host.start()
        try:
            if await self._until_served(host, ending):
                await self._write(host, ending)
        finally:
            host.stop()
        # Let the transports close: the servers hear of it at once.
        await asyncio.sleep(0)
        return ending.status

    async def _until_served(self, host: ClientHost, ending: Ending) -> bool:
        loop = asyncio.get_running_loop()
        began = loop.time()
        progress = began + _FIRST_PROGRESS_SECONDS
        while not self._is_ready(host):
            if loop.time() - began >= self._wait_seconds:
                self.end = CommandEnd(
                    "refused",
                    f"no unit of {self._tag.device} served within {self._wait_seconds:g} s "
                    f"({links_in_words(host)}), nothing was written",
                )
                return False
            if await _has_ended(ending, _LOOK_SECONDS):
                return False
            if loop.time() >= progress:
                progress = loop.time() + _PROGRESS_SECONDS
                self._say(f"waiting for {self._tag.device}: {links_in_words(host)}")
        return True

    def _is_ready(self, host: ClientHost) -> bool:
        """Whether a unit serves, and every stand-by that is written too was reached or cannot be."""
        group = host.machine.groups[self._tag.device]
        mirrors = {unit.io_server for unit in group.units if unit.mode is UnitMode.STANDBY_WRITE}
        undecided = any(
            way.server in mirrors and not link.first_attempt_ended for way, link in host.machine.links.items()
        )
        return group.active is not None and group.served_by is group.active and not undecided

    async def _write(self, host: ClientHost, ending: Ending) -> None:
        group = host.machine.groups[self._tag.device]
        assert group.active is not None
        self.unit = group.active.name
        alarms_before = len(host.alarms)
        write = asyncio.ensure_future(host.write(self._tag.name, self._value))
        interrupted = asyncio.ensure_future(ending.event.wait())
        everything = (write, interrupted)
        done, _ = await asyncio.wait(
            everything, timeout=_FIRST_PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            self._say(f"sent to {self.unit}, waiting for its answer")
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        if not write.done():
            write.cancel()
            self.end = CommandEnd("unknown", "interrupted before the answer came")
            return
        self.end = write.result()
        if any(unit.mode is UnitMode.STANDBY_WRITE and unit is not group.active for unit in group.units):
            await _has_ended(ending, _MIRROR_SECONDS)
            alarms = list(host.alarms)[alarms_before:]
            self.warnings = [f"{alarm.text}: {alarm.subject}" for alarm in alarms]


async def _has_ended(ending: Ending, seconds: float) -> bool:
    """Wait a while; whether this process has to end."""
    with suppress(TimeoutError):
        await asyncio.wait_for(ending.event.wait(), seconds)
    return ending.event.is_set()
