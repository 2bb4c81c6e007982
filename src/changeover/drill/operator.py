"""The operator at a drill: comments on alarms and acknowledges them, and notes how that ended.

    python -m changeover.drill.operator PROJECT CLIENT FILE [VERSION]

One process at the client's computer. Each action is a line of FILE when it is given and one when it has
ended, so that an audit knows what became of it; what is open at SIGTERM is given up first.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from io import FileIO
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from changeover.config.project import load_project
from changeover.core.alarm_records import AlarmAction, AlarmEvent
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.runtime.process import Ending, run_loop
from changeover.runtime.task_client import TaskClientHost
from changeover.runtime.trace_file import NoTrace

PERIOD_SECONDS = 0.7
PATIENCE_SECONDS = 60.0
"""How long an action may take, a changeover on the way included, before it is given up."""
EVERYTHING = 10
"""One in so many acknowledgements is of all alarms at once."""
WHO = "operator"


@dataclass(frozen=True, slots=True)
class Deed:
    """An operator's action, and how it ended.

    Attributes:
        action: Its identity.
        event: `COMMENT` or `ACKNOWLEDGED`.
        tag: The alarm; empty for all.
        given_utc: When it was given, UTC nanoseconds since 1970.
        leaves_record: Whether it leaves a record when it is done.
        outcome: `done`, `refused` or `unknown`; empty while it is open.
        why: Of what was refused or is unknown.
        ended_utc: When it had ended, 0 while it is open.
    """

    action: str
    event: str
    tag: str
    given_utc: int
    leaves_record: bool
    outcome: str = ""
    why: str = ""
    ended_utc: int = 0


def read_deeds(path: Path) -> tuple[Deed, ...]:
    """What an operator has done so far, by when it was given; a line that is being written is left out."""
    try:
        *lines, _ = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return ()
    deeds = [Deed(**msgspec.json.decode(line)) for line in lines]
    return tuple({deed.action: deed for deed in deeds}.values())


class Operator:
    """Acts on the alarms of one client.

    Args:
        plant: The plant.
        client: Where the operator sits.
        out: The file, open for writing.
    """

    def __init__(self, plant: Plant, client: Client, out: FileIO) -> None:
        self._out = out
        self._where = client.name
        self._birth = time.time_ns()
        sits = replace(client, name=f"{client.name}:{WHO}")
        self.host = TaskClientHost(plant, sits, Function.ALARM, NoTrace(), Random(self._birth))
        self._logged = tuple(alarm.tag for alarm in plant.alarms if alarm.category.logs)
        self._open: dict[str, asyncio.Task[None]] = {}
        self._acknowledging: set[str] = set()
        self._acknowledged_utc: dict[str, int] = {}
        self._count = 0

    async def act_until(self, ended: asyncio.Event) -> None:
        """Act every so often; at the end wait until nothing is open."""
        self.host.start()
        while not ended.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), PERIOD_SECONDS)
            if not ended.is_set():
                self._act()
        for task in self._open.values():
            task.cancel()
        await asyncio.gather(*self._open.values(), return_exceptions=True)
        self.host.stop()

    def _act(self) -> None:
        self._count += 1
        name = f"{self._where}-{self._birth:x}-{self._count}"
        now = time.time_ns()
        if self._count % 2 and self._logged:
            tag = self._logged[self._count // 2 % len(self._logged)]
            deed = Deed(name, AlarmEvent.COMMENT.name, tag, now, leaves_record=True)
            action = AlarmAction(name, AlarmEvent.COMMENT, now, WHO, self._where, (tag,), comment=name)
        elif self._count % (2 * EVERYTHING) == 0:
            deed = Deed(name, AlarmEvent.ACKNOWLEDGED.name, "", now, leaves_record=False)
            action = AlarmAction(name, AlarmEvent.ACKNOWLEDGED, now, WHO, self._where, everything=True)
        else:
            tag, is_open = self._next_to_acknowledge()
            if not tag:
                return
            deed = Deed(name, AlarmEvent.ACKNOWLEDGED.name, tag, now, leaves_record=is_open)
            action = AlarmAction(name, AlarmEvent.ACKNOWLEDGED, now, WHO, self._where, (tag,))
        self._open[name] = asyncio.get_running_loop().create_task(self._give(deed, action))

    def _next_to_acknowledge(self) -> tuple[str, bool]:
        """An alarm that is listed, and whether it is certain that nobody has acknowledged it yet."""
        states = self.host.states
        for tag in self._logged:
            state = states.get(tag)
            if state is not None and not state.acknowledged and tag not in self._acknowledging:
                is_new = state.active_utc > self._acknowledged_utc.get(tag, 0)
                return tag, is_new and "" not in self._acknowledging
        return "", False

    async def _give(self, deed: Deed, action: AlarmAction) -> None:
        acknowledges = action.event is AlarmEvent.ACKNOWLEDGED
        if acknowledges:
            self._acknowledging.add(deed.tag)
        self._write(deed)
        outcome, why = "unknown", "the operator left"
        try:
            end = await self.host.act(action, PATIENCE_SECONDS)
            outcome, why = end.outcome, end.why
        finally:
            ended = time.time_ns()
            self._write(replace(deed, outcome=outcome, why=why, ended_utc=ended))
            del self._open[deed.action]
            # One of which nobody knows how it ended may still be done: then it stays as if it were open.
            if acknowledges and outcome != "unknown":
                self._acknowledging.discard(deed.tag)
                for tag in (deed.tag,) if deed.tag else self._logged:
                    self._acknowledged_utc[tag] = ended

    def _write(self, deed: Deed) -> None:
        line: dict[str, Any] = asdict(deed)
        self._out.write(msgspec.json.encode(line) + b"\n")


async def _operate(plant: Plant, client: Client, path: Path) -> int:
    ending = Ending()
    with FileIO(path, "a") as out:
        await Operator(plant, client, out).act_until(ending.event)
    return ending.status


def main() -> int:
    """Act until SIGTERM or SIGINT."""
    folder, client, path, *version = sys.argv[1:]
    plant = load_project(Path(folder), version=version[0] if version else None).plant
    return run_loop(lambda: _operate(plant, plant.client(client), Path(path)))


if __name__ == "__main__":
    sys.exit(main())
