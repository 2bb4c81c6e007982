"""All streams of one measurement, and what measuring costs."""

from __future__ import annotations

import asyncio
import re
import resource
import time
from pathlib import Path

import msgspec

from changeover.model.moment import MILLISECOND, SECOND, Duration, Instant, milliseconds
from changeover.model.network import FORMAT, NAMED_MAX, VERSION, Kind, Load, LongAnswer, Network, Pauses
from changeover.survey.pauses import BEAT, PauseWatch
from changeover.survey.record import fitted, frozen, longest_of, record_of, stream_of, utc_text
from changeover.survey.stream import Stream, StreamKey

_MEGABYTE = 1e6
# No text in JSON has a line break in it: these find lists alone.
_NUMBERS = re.compile(rb"\[\n[-+.\deE,\s]+\]")
_LISTS = re.compile(rb"\[\n\s*\[[-+.\deE, ]+\](?:,\n\s*\[[-+.\deE, ]+\])*\s*\]")
_PAGE = resource.getpagesize()


class DiffersError(Exception):
    """What was measured before is not what is to be measured now; the text says in what."""


class Board:
    """What measuring fills, and what is shown and written of it.

    Args:
        plant: Name of the plant; empty without a project.
        computer: Where it is measured.
        streams: What is measured, each with its period.
        before: What an earlier run wrote; None to begin anew.

    Raises:
        DiffersError: The earlier run measured something else.
    """

    def __init__(
        self,
        plant: str,
        computer: str,
        streams: dict[StreamKey, Duration],
        before: Network | None = None,
    ) -> None:
        self.plant = plant
        self.computer = computer
        self.streams = {key: Stream(key, period) for key, period in streams.items()}
        self.began: Instant = time.monotonic_ns()
        self.watch = PauseWatch(self.began)
        self._began_utc = time.time_ns()
        self._cpu_before = time.process_time()
        self._before = before
        self._messages_before = self._bytes_before = 0
        if before is not None:
            self._go_on(before)

    def add(self, stream: Stream, now: Instant, delay: Duration) -> None:
        """A delay of a stream ended now."""
        stream.add(now, time.time_ns(), delay, self.watch.spoils(now - delay, now))

    def measured(self) -> int:
        """Delays, those of earlier runs included."""
        return sum(stream.raw.count for stream in self.streams.values())

    async def keep_watch(self) -> None:
        """Watch for pauses of this process, until cancelled."""
        while True:
            await asyncio.sleep(BEAT / SECOND)
            late = self.watch.beat(time.monotonic_ns(), time.time_ns())
            if late:
                for stream in self.streams.values():
                    stream.pause(late)

    async def frozen(self) -> list[Stream]:
        """Every stream as it stands; the loop runs between one and the next."""
        found = []
        for stream in self.streams.values():
            found.append(frozen(stream, time.monotonic_ns()))
            await asyncio.sleep(0)
        return found

    def finish(self) -> None:
        """Measuring ends: what is open is closed, what was held back is judged."""
        now = time.monotonic_ns()
        for stream in self.streams.values():
            stream.finish(now)

    def network(self, streams: list[Stream], fits: bool) -> Network:
        """The document; in another thread than the one that measures.

        Args:
            streams: As they stood (`frozen`).
            fits: Whether to fit the tails too.
        """
        records = [record_of(stream, time.monotonic_ns()) for stream in streams]
        before = self._before
        ran = (time.monotonic_ns() - self.began) / SECOND
        pauses, worst = self.watch, self.watch.worst / MILLISECOND
        total = pauses.total / MILLISECOND
        return Network(
            format=FORMAT,
            version=VERSION,
            plant=self.plant,
            computer=self.computer,
            began_utc=before.began_utc if before else utc_text(self._began_utc),
            ended_utc=utc_text(time.time_ns()),
            seconds=ran + (before.seconds if before else 0.0),
            runs=1 + (before.runs if before else 0),
            pauses=Pauses(
                pauses.count + (before.pauses.count if before else 0),
                total + (before.pauses.total_ms if before else 0.0),
                max(worst, before.pauses.max_ms if before else 0.0),
                _longest(longest_of(pauses.longest), before),
            ),
            load=self.load(),
            streams=tuple(map(fitted, records) if fits else records),
        )

    def load(self) -> Load:
        """What this run added, on average since it began."""
        seconds = max(1e-3, (time.monotonic_ns() - self.began) / SECOND)
        cpu = time.process_time() - self._cpu_before
        messages, size = self._traffic()
        return Load(
            (messages - self._messages_before) / seconds,
            (size - self._bytes_before) / seconds,
            cpu / seconds,
            memory_mb(),
        )

    def _traffic(self) -> tuple[int, int]:
        # A round trip's frames are the session's, counted there.
        own = [stream for key, stream in self.streams.items() if key.kind is not Kind.ROUND_TRIP]
        messages = sum(stream.requests + stream.raw.count for stream in own)
        return messages, sum(stream.sent_bytes + stream.answer_bytes for stream in own)

    def _go_on(self, before: Network) -> None:
        known = {StreamKey(s.kind, s.name, s.function): milliseconds(s.period_ms) for s in before.streams}
        wanted = {key: stream.period for key, stream in self.streams.items()}
        if before.plant.lower() != self.plant.lower():
            raise DiffersError(f"it was measured in the plant {before.plant or 'without a name'}")
        if before.computer.lower() != self.computer.lower():
            raise DiffersError(f"it was measured at {before.computer}")
        for key in known.keys() ^ wanted.keys():
            where = "there alone" if key in known else "not there"
            raise DiffersError(f"the {key.kind.value} {key.name} ({key.function}) is {where}")
        for key, period in wanted.items():
            if known[key] != period:
                raise DiffersError(f"{key.name} was asked every {known[key] / MILLISECOND:g} ms")
        self.streams = {StreamKey(s.kind, s.name, s.function): stream_of(s) for s in before.streams}
        self._messages_before, self._bytes_before = self._traffic()


def _longest(pauses: tuple[LongAnswer, ...], before: Network | None) -> tuple[LongAnswer, ...]:
    earlier = before.pauses.longest if before else ()
    return tuple(sorted((*pauses, *earlier), key=lambda pause: -pause.ms)[:NAMED_MAX])


def memory_mb() -> float:
    """What this process has of the memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE / _MEGABYTE


def encode(network: Network) -> bytes:
    """As the file has it: one field on a line, lists of numbers too."""
    text = msgspec.json.format(msgspec.json.encode(network), indent=1)
    for pattern in (_NUMBERS, _LISTS):
        text = pattern.sub(lambda found: b"".join(found[0].split()).replace(b",", b", "), text)
    return text + b"\n"
