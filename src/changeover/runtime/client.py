"""A client's process: its machine, its connections, its tag image and its hardware-alarm log."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

import numpy as np
from numpy.typing import NDArray

from changeover.core import machine as core
from changeover.core.io_client import IoClient
from changeover.model.plant import Plant
from changeover.model.server import Client
from changeover.runtime.host import Host
from changeover.runtime.tag_image import TagImage
from changeover.runtime.trace_file import Trace, TraceFile
from changeover.runtime.transport import Connector, Tap

ALARMS_MAX = 1000
"""Lines that the hardware-alarm log keeps in memory."""


@dataclass(frozen=True, slots=True)
class HardwareAlarm:
    """One line of the hardware-alarm log."""

    utc: int
    text: str
    subject: str


@dataclass(frozen=True, slots=True)
class CommandEnd:
    """How an operator's command ended: `done`, `refused` or `unknown`, and why."""

    outcome: str
    why: str


class ClientHost(Host):
    """Runs one client.

    Args:
        plant: The plant; the client shows every tag of it.
        client: Which of its clients.
        trace: Where trace lines go.
        rng: The page scan's phase comes from here.
        tap: Looks on while frames go out and come in.

    Attributes:
        image: What the client shows.
        alarms: The hardware-alarm log, newest last.
        active: By I/O device, the unit that serves it.
    """

    def __init__(
        self, plant: Plant, client: Client, trace: Trace, rng: Random, tap: Tap | None = None
    ) -> None:
        self.plant = plant
        self.client = client
        self.image = TagImage(plant.tags)
        self.alarms: deque[HardwareAlarm] = deque(maxlen=ALARMS_MAX)
        self.active: dict[str, str] = {}
        self.machine = IoClient(
            client.name,
            plant.ways(client),
            plant.io_devices,
            {device: image.names for device, image in self.image.devices.items()},
            client.page_scan,
            plant.policy,
            plant.timing,
            rng,
        )
        super().__init__(self.machine, trace)
        self._connector = Connector(self.feed, plant.timing.silence, tap=tap)
        self._commands: dict[int, asyncio.Future[CommandEnd]] = {}
        self._command_numbers = count(1)
        self._performers |= {
            core.SendFrame: self._send_frame,
            core.OpenConnection: self._open_connection,
            core.CloseConnection: lambda effect: self._connector.close(effect.session),
            core.Present: self._present,
            core.ShowCom: self._show_com,
            core.RaiseAlarm: self._raise_alarm,
            core.EndCommand: self._end_command,
        }

    def stop(self) -> None:
        """Close every connection."""
        super().stop()
        self._connector.close_all()

    def on_answered(self, device: str, positions: NDArray[np.int32], source_utc: int) -> None:
        """An I/O device delivered at an instant: these tags changed, the others did not. For a subclass."""

    def on_shown(self, device: str, positions: Sequence[int]) -> None:
        """Tags of an I/O device are shown anew, a value or #COM: for a subclass that displays them."""

    def on_alarm(self, alarm: HardwareAlarm) -> None:
        """A hardware alarm was raised: for a subclass that displays it."""

    async def write(self, tag_name: str, value: float | str) -> CommandEnd:
        """Set a tag; done, refused, or unknown when nobody can say whether it took effect."""
        tag = self.image.find(tag_name)
        if tag is None:
            return CommandEnd("refused", f"no tag {tag_name}")
        number = next(self._command_numbers)
        future: asyncio.Future[CommandEnd] = asyncio.get_running_loop().create_future()
        self._commands[number] = future
        self.feed(core.WriteTag(number, tag.device, tag.name, value))
        return await future

    def _send_frame(self, effect: core.SendFrame) -> None:
        self._connector.send(effect.session, effect.frame)

    def _open_connection(self, effect: core.OpenConnection) -> None:
        self._connector.connect(effect.session, *self.plant.route(self.client.computer, effect.way))

    def _present(self, effect: core.Present) -> None:
        assert effect.data is not None
        image = self.image.devices[effect.device]
        positions = image.apply(effect.unit, effect.data)
        self.active[effect.device] = effect.unit
        self.on_answered(effect.device, positions, effect.data.source_utc)
        self.on_shown(effect.device, positions.tolist())
        if isinstance(self.trace, TraceFile) and self.trace.is_open:
            by = {"unit": effect.unit, "server": effect.way.server, "lan": effect.way.lan}
            source_utc = effect.data.source_utc
            entries = [("answered", {"device": effect.device, "source_utc": source_utc, **by})]
            for position in positions.tolist():
                shown = image.at(position)
                fields = {
                    "tag": image.names[position],
                    "value": shown.value if shown.quality.is_good else None,
                    "quality": shown.quality.name,
                    "source_utc": shown.source_utc,
                    **by,
                }
                entries.append(("value", fields))
            self.trace.lines(entries)

    def _show_com(self, effect: core.ShowCom) -> None:
        image = self.image.devices[effect.device]
        image.show_com()
        self.on_shown(effect.device, range(len(image.names)))
        if isinstance(self.trace, TraceFile):
            self.trace.lines(("value", {"tag": name, "quality": "COM"}) for name in image.names)

    def take_alarm(self, alarm: HardwareAlarm) -> None:
        """Put a line into the hardware-alarm log, of this machine or of another of the same client."""
        self.alarms.append(alarm)
        self.on_alarm(alarm)

    def _raise_alarm(self, effect: core.RaiseAlarm) -> None:
        self.take_alarm(HardwareAlarm(time.time_ns(), effect.text, effect.subject))
        self.trace.line("hardware-alarm", text=effect.text, subject=effect.subject)

    def _end_command(self, effect: core.EndCommand) -> None:
        future = self._commands.pop(effect.command, None)
        if future is not None and not future.done():
            future.set_result(CommandEnd(effect.outcome, effect.why))
