"""What task servers keep in the virtual world: it survives the process, and is kept when it says so."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from changeover.core.alarm_records import AlarmState, JournalRecord
from changeover.core.alarm_server import KeptAlarms
from changeover.core.intervals import Intervals
from changeover.core.report_records import RunRecord
from changeover.core.report_server import KeptRuns
from changeover.core.task_messages import Batch, FetchRecords, FetchSamples
from changeover.core.trend_records import Covered, Samples
from changeover.core.trend_server import KeptTrends

SampleKey = tuple[int, str]
"""UTC and tag of a sample: its identity."""


class AlarmDisk:
    """An alarm server's archive."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._lives = 0
        self.states: dict[str, AlarmState] = {}
        self.journal: dict[str, list[JournalRecord]] = {}

    def keep(self, states: Iterable[AlarmState], records: Iterable[JournalRecord]) -> None:
        """As the store does: states by tag, records by origin and number, none of them twice."""
        self.states.update((state.tag, state) for state in states)
        for record in records:
            log = self.journal.setdefault(record.origin, [])
            if record.number <= len(log):
                assert log[record.number - 1] == record, f"{record} is kept as another one"
            else:
                assert record.number == len(log) + 1, f"{record} leaves a gap"
                log.append(record)

    def fetch(self, fetch: FetchRecords) -> Batch:
        """The records that a partner asks for."""
        log = self.journal.get(fetch.origin, [])
        return Batch(done=True, journal=tuple(log[fetch.after : fetch.after + fetch.limit]))

    def kept(self) -> KeptAlarms:
        """What a server finds when it starts."""
        records = [record for log in self.journal.values() for record in log]
        self._lives += 1
        return KeptAlarms(
            self._origin,
            tuple(self.states.values()),
            tuple((origin, len(log)) for origin, log in self.journal.items()),
            tuple(dict.fromkeys(record.action for record in records if record.action)),
            max((record.utc for record in records), default=0),
            f"{self._origin}~{self._lives}" if self._origin in self.journal else "",
        )


class RunDisk:
    """A report server's log of runs, and the files that it published."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.log: dict[str, list[RunRecord]] = {}

    def keep(self, records: Iterable[RunRecord]) -> None:
        """Records by origin and number, none of them twice."""
        for record in records:
            log = self.log.setdefault(record.origin, [])
            if record.number > len(log):
                assert record.number == len(log) + 1, f"{record} leaves a gap"
                log.append(record)

    def fetch(self, fetch: FetchRecords) -> Batch:
        """The records that a partner asks for."""
        log = self.log.get(fetch.origin, [])
        return Batch(done=True, runs=tuple(log[fetch.after : fetch.after + fetch.limit]))

    def kept(self) -> KeptRuns:
        """What a server finds when it starts."""
        records = sorted(
            (record for log in self.log.values() for record in log),
            key=lambda record: (record.utc, record.origin, record.number),
        )
        numbers = tuple((origin, len(log)) for origin, log in self.log.items())
        saved = max((record.utc for record in records), default=0)
        return KeptRuns(self._origin, numbers, tuple(records), saved)


class TrendDisk:
    """A trend server's archive: which samples there are, and what they cover."""

    def __init__(self, device_of: dict[str, str]) -> None:
        self._device_of = device_of
        self._collected: list[SampleKey] = []
        self.samples: set[SampleKey] = set()
        self.covered: dict[str, Intervals] = {}

    def take(self, tags: Iterable[str], utc: int) -> None:
        """Samples for the batch that is being collected."""
        self._collected.extend((utc, tag) for tag in tags)

    def seal(self) -> tuple[SampleKey, ...]:
        """The batch that was collected; the next one begins."""
        batch = tuple(self._collected)
        self._collected.clear()
        return batch

    def lose_collected(self) -> None:
        """The process is gone, and what it had not kept."""
        self._collected.clear()

    def keep(self, batch: Iterable[SampleKey], covered: Iterable[Covered]) -> None:
        """A batch is durable."""
        self.samples.update(batch)
        for span in covered:
            held = self.covered.get(span.device, Intervals(()))
            self.covered[span.device] = held.add(span.start_utc, span.end_utc)

    def fetch(self, fetch: FetchSamples) -> Batch:
        """Samples of a span, in the order of their times."""
        found = sorted(
            key
            for key in self.samples
            if self._device_of[key[1]] == fetch.device and fetch.start_utc <= key[0] < fetch.end_utc
        )
        begin = 0 if fetch.after is None else bisect_left(found, (fetch.after[0], fetch.after[1] + "\0"))
        part = found[begin : begin + fetch.limit]
        done = begin + fetch.limit >= len(found)
        return Batch(done=done, samples=pack(part), after=None if done else part[-1])

    def kept(self) -> KeptTrends:
        """What a server finds when it starts."""
        return KeptTrends(
            tuple(Covered(device, start, end) for device, held in self.covered.items() for start, end in held)
        )


def pack(keys: Iterable[SampleKey]) -> Samples:
    """Samples as a message holds them; here only their identities count, in `tags` and `utc`."""
    keys = tuple(keys)
    utc = b"".join(key[0].to_bytes(8, "little", signed=True) for key in keys)
    return Samples(tuple(key[1] for key in keys), b"", utc, b"", bytes(len(keys)))


def unpack(samples: Samples) -> tuple[SampleKey, ...]:
    """The identities in a message that `pack` made."""
    utc = samples.utc
    times = (int.from_bytes(utc[at : at + 8], "little", signed=True) for at in range(0, len(utc), 8))
    return tuple(zip(times, samples.tags, strict=True))
