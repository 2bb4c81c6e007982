"""The alarm server's process: its machine, its archive, its values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from random import Random

from changeover.core import machine as core
from changeover.core.alarm_merge import merge
from changeover.core.alarm_records import AlarmState
from changeover.core.alarm_server import ACTIONS_KNOWN_MAX, AlarmServer, KeptAlarms
from changeover.core.task_messages import Batch, FetchRecords, Query
from changeover.model.alarm import Alarm, Condition
from changeover.model.plant import Plant
from changeover.model.server import TaskServer as TaskServerConfiguration
from changeover.protocol.queries import (
    JournalQuery,
    JournalRows,
    OccurrenceRow,
    QueryError,
    Question,
    StateRows,
    StatesQuery,
    SummaryQuery,
    SummaryRows,
    decode_question,
    encode,
)
from changeover.runtime.archive_thread import LOOK, ArchiveThread
from changeover.runtime.task_host import (
    ANSWER_BYTES_MAX,
    NO_ANSWER,
    ArchiveError,
    TaskServerHost,
    data_folder,
    partner_of,
    rows_wanted,
)
from changeover.runtime.trace_file import Trace
from changeover.runtime.values_reader import ValuesReader
from changeover.storage.alarm_lists import AlarmReader
from changeover.storage.alarm_store import AlarmStore
from changeover.storage.sqlite_file import StoreError

ARCHIVE = "alarms.sqlite"
STATES_PER_PAGE = 5000
FOLD_SCANS = 2
"""Two servers may log one transition so many scans apart; told once then (merge)."""


class AlarmServerHost(TaskServerHost):
    """Runs one alarm server.

    Args:
        plant: The plant.
        server: Which of its servers.
        trace: Where trace lines go.
        rng: Phases come from here.
        data: Folder of the archives of this computer.
        on_failure: Told why this process has to end.

    Raises:
        OSError, StoreError: The archive cannot be opened.
    """

    def __init__(
        self,
        plant: Plant,
        server: TaskServerConfiguration,
        trace: Trace,
        rng: Random,
        data: Path,
        on_failure: Callable[[str], None],
    ) -> None:
        path = data_folder(data, server) / ARCHIVE
        self._store = AlarmStore(path)
        self._lists = AlarmReader(path)
        self._thread = ArchiveThread("lists")
        device_of = {tag.name: tag.device for tag in plant.tags}
        numbers = self._store.numbers()
        fresh = f"{server.name}~{time.time_ns():x}"
        origin = self._store.origin(fresh)
        kept = KeptAlarms(
            origin,
            self._store.restore(),
            tuple(numbers.items()),
            self._store.actions(ACTIONS_KNOWN_MAX),
            self._store.has_state_utc(),
            fresh if numbers.get(origin) else "",
        )
        machine = AlarmServer(
            server.name,
            *partner_of(plant, server),
            plant.timing,
            rng,
            plant.alarms,
            device_of,
            kept,
            plant.has_visitors(server),
        )
        super().__init__(plant, server, machine, trace, plant.timing.alarm_scan, on_failure)
        self._machine_of_alarms = machine
        self._window = FOLD_SCANS * plant.timing.alarm_scan
        self._performers[core.KeepAlarms] = self._keep
        self.reader: ValuesReader | None = None
        variables = {name for alarm in plant.alarms for name in _variables(alarm)}
        if variables:
            always = {alarm.variables[0] for alarm in plant.alarms if _has_rate(alarm)}
            self.reader = ValuesReader(
                plant,
                server.name,
                server.computer,
                variables,
                variables,
                always,
                plant.timing.alarm_scan,
                trace,
                rng,
                self.feed,
            )

    def start(self) -> None:
        """Start the server, and the reading of its values."""
        super().start()
        if self.reader is not None:
            self.reader.start()

    def stop(self) -> None:
        """Close every connection and the archive, after the list that is under way."""
        if self.reader is not None:
            self.reader.stop()
        was_stopped = self._stopped
        super().stop()
        if not was_stopped:
            self._thread.end(self._lists.close)
            self._store.close()

    def look_up(self, effect: core.LookUp) -> None:
        """Records for the partner at once; what an operator asks is looked for in a thread of its own."""
        what = effect.what
        try:
            if isinstance(what, FetchRecords):
                records = self._store.records(what.origin, what.after, what.limit)
                self.found(effect.token, Batch(done=True, journal=records))
            elif isinstance(what, Query):
                self._look_for(effect.token, decode_question(what.body))
            else:
                self.not_found(effect.token, "an alarm server has nothing of the kind")
        except NO_ANSWER as error:
            self.not_found(effect.token, str(error))

    def _look_for(self, token: int, question: Question) -> None:
        if isinstance(question, StatesQuery):
            # Of this very instant, and only the loop may look at the machine.
            work = partial(states_page, tuple(self._machine_of_alarms.states), question)
        else:
            work = partial(self._answer, question)
        self.do(self._thread, LOOK, work, partial(self.found, token), partial(self.not_found, token))

    def _answer(self, question: Question) -> bytes:
        return encode(self._rows(question))

    def _rows(self, question: Question) -> JournalRows | SummaryRows:
        """In the thread: rows of the archive."""
        if isinstance(question, JournalQuery):
            return self._journal(question)
        if isinstance(question, SummaryQuery):
            limit = rows_wanted(question.limit)
            rows = self._lists.summary(
                question.start_utc, question.end_utc, question.tags, limit, newest_first=True
            )
            return SummaryRows(
                tuple(
                    OccurrenceRow(
                        row.tag,
                        row.condition,
                        row.active_utc,
                        row.returned_utc,
                        row.acknowledged_utc,
                        row.acknowledged_by,
                        row.comment,
                    )
                    for row in rows
                )
            )
        raise QueryError("an alarm server has nothing of the kind")

    def _journal(self, question: JournalQuery) -> JournalRows:
        limit = rows_wanted(question.limit)
        found = self._lists.journal(
            question.start_utc,
            question.end_utc,
            question.tags,
            question.events,
            2 * limit,
            newest_first=True,
            after=question.before,
        )
        merged = merge(found, self._window)
        return JournalRows(merged.records[-limit:] if limit else (), merged.folded)

    def _keep(self, effect: core.KeepAlarms) -> None:
        try:
            self._store.write(effect.states, effect.records)
        except StoreError as error:
            raise ArchiveError(str(error)) from error
        for record in effect.records:
            if record.origin == self._machine_of_alarms.origin:
                self.trace.line(
                    "journal",
                    number=record.number,
                    happened_utc=record.utc,
                    tag=record.tag,
                    event=record.event.name,
                    condition=record.condition.value,
                    action=record.action,
                )


def states_page(states: Sequence[AlarmState], question: StatesQuery) -> bytes:
    """The answer to a question for states: as many as fit into an answer.

    Args:
        states: Of all alarms.
        question: Which of them.
    """
    size = STATES_PER_PAGE
    first = max(0, question.first)
    while True:
        page = states[first : first + size]
        wanted = tuple(state for state in page if state.is_listed or not question.listed_only)
        following = first + size if first + size < len(states) else 0
        body = encode(StateRows(wanted, following))
        if len(body) <= ANSWER_BYTES_MAX or size == 1:
            return body
        size //= 2


def _variables(alarm: Alarm) -> tuple[str, ...]:
    """Every variable tag that an alarm looks at."""
    names = list(alarm.variables)
    if isinstance(alarm.set_point, str):
        names.append(alarm.set_point)
    if alarm.timer:
        names.append(alarm.timer)
    return tuple(names)


def _has_rate(alarm: Alarm) -> bool:
    return any(limit.condition is Condition.RATE for limit in alarm.limits)
