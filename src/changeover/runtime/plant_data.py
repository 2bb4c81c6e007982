"""What a report may ask of the plant: tags, trends and alarms, by the same servers that clients ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random

import numpy as np

from changeover.core.alarm_records import AlarmState, JournalRecord
from changeover.model.moment import SECOND, Duration
from changeover.model.plant import Plant
from changeover.model.quality import Quality
from changeover.model.server import Client, Function, TaskServer
from changeover.protocol.queries import (
    JournalQuery,
    JournalRows,
    QueryError,
    Question,
    TrendQuery,
    TrendRows,
)
from changeover.runtime.alarm_pages import all_states
from changeover.runtime.client import ClientHost
from changeover.runtime.report_data import (
    GOOD,
    ROWS_MAX,
    AlarmRow,
    JournalRow,
    ReportDataError,
    TagRow,
    TrendRow,
)
from changeover.runtime.task_client import TaskClientHost
from changeover.runtime.trace_file import NoTrace

PAGE_SCAN: Duration = SECOND
PAGE_ROWS = 10_000
"""Records of the journal that are asked for at once."""
ASK_SECONDS = 60.0
"""How long an archive may take to answer, a changeover on the way included."""


class PlantData:
    """Implements `report_data.ReportData` for a report server.

    Args:
        plant: The plant.
        server: The report server.
        rng: Phases come from here.
    """

    def __init__(self, plant: Plant, server: TaskServer, rng: Random) -> None:
        self._plant = plant
        client = Client(f"{server.name}:data", server.computer, PAGE_SCAN)
        self._tags = ClientHost(plant, client, NoTrace(), rng)
        self._servers = {
            function: TaskClientHost(plant, client, function, NoTrace(), rng)
            for function in (Function.ALARM, Function.TREND)
            if plant.task_ways(client.computer, function)
        }
        self._alarms = {alarm.tag: alarm for alarm in plant.alarms}

    def start(self) -> None:
        """Connect."""
        self._tags.start()
        for host in self._servers.values():
            host.start()

    def stop(self) -> None:
        """Close every connection."""
        self._tags.stop()
        for host in self._servers.values():
            host.stop()

    async def tag(self, name: str) -> TagRow:
        """A variable tag now, by its name in any case."""
        tag = self._tags.image.find(name)
        if tag is None:
            raise ReportDataError(f"no tag {name} in this project")
        image = self._tags.image.devices[tag.device]
        shown = image.at(image.names.index(tag.name))
        quality = GOOD if shown.quality is Quality.GOOD else shown.quality.value
        return TagRow(shown.value, quality, tag.units)

    async def trend(
        self, name: str, start_utc: int, end_utc: int, bucket: Duration | None
    ) -> Sequence[TrendRow]:
        """The samples of a tag from start to before end, ascending; with a bucket one row for each."""
        recorded = next((t.tag for t in self._plant.trends if t.tag.lower() == name.lower()), None)
        if recorded is None:
            raise ReportDataError(f"{name} is not recorded, trends.csv has no such tag")
        kind = "buckets" if bucket else "raw"
        question = TrendQuery(recorded, start_utc, end_utc, kind, bucket or 0, ROWS_MAX + 1)
        rows = await self._ask(Function.TREND, question)
        assert isinstance(rows, TrendRows)
        return trend_rows(rows)

    async def alarms(
        self, active: bool | None, acknowledged: bool | None, category: int | None, area: int | None
    ) -> Sequence[AlarmRow]:
        """The alarms that fit every filter that is not None, the most urgent and newest first."""
        states = await all_states(partial(self._ask, Function.ALARM), listed_only=False)
        found = [
            self._alarm_row(state)
            for state in states
            if active in (None, state.is_active) and acknowledged in (None, state.acknowledged)
        ]
        chosen = [row for row in found if category in (None, row.category) and area in (None, row.area)]
        return sorted(chosen, key=lambda row: (row.priority == 0, row.priority, -row.active_utc))

    async def journal(self, start_utc: int, end_utc: int) -> Sequence[JournalRow]:
        """The pair's journal from start to before end, ascending."""
        pages: list[tuple[JournalRecord, ...]] = []
        before: tuple[int, str, int] | None = None
        while sum(map(len, pages)) <= ROWS_MAX:
            # The newest come first.
            question = JournalQuery(start_utc, end_utc, limit=PAGE_ROWS, before=before)
            rows = await self._ask(Function.ALARM, question)
            assert isinstance(rows, JournalRows)
            pages.append(rows.records)
            if len(rows.records) < PAGE_ROWS:
                break
            oldest = rows.records[0]
            before = (oldest.utc, oldest.origin, oldest.number)
        return [self._journal_row(record) for page in reversed(pages) for record in page]

    async def _ask(self, function: Function, question: Question) -> object:
        host = self._servers.get(function)
        if host is None:
            raise ReportDataError(f"this plant has no {function.value} server that is reached from here")
        try:
            return await host.ask(question, ASK_SECONDS)
        except QueryError as error:
            raise ReportDataError(str(error)) from error

    def _alarm_row(self, state: AlarmState) -> AlarmRow:
        alarm = self._alarms.get(state.tag)
        return AlarmRow(
            state.tag,
            alarm.name if alarm else "",
            state.condition.value,
            state.words,
            alarm.category.number if alarm else 0,
            alarm.urgency if alarm else 0,
            alarm.area if alarm else 0,
            state.active_utc,
            state.returned_utc,
            state.acknowledged_utc,
            state.acknowledged_by,
            state.value,
            state.comment,
        )

    def _journal_row(self, record: JournalRecord) -> JournalRow:
        alarm = self._alarms.get(record.tag)
        return JournalRow(
            record.utc,
            record.tag,
            record.event.name.lower(),
            alarm.name if alarm else "",
            record.condition.value,
            record.value if record.event.is_transition else None,
            record.who,
            record.where,
            record.comment,
        )


def trend_rows(rows: TrendRows) -> list[TrendRow]:
    """Columns as rows: samples, or buckets."""
    utc = np.frombuffer(rows.utc, dtype="<i8").tolist()
    columns = [np.frombuffer(column, dtype="<f8") for column in rows.columns]
    bad = [np.isnan(column).tolist() for column in columns]
    values = [column.tolist() for column in columns]
    by_name = {name: place for place, name in enumerate(rows.names)}

    def at(name: str, row: int) -> float | None:
        place = by_name[name]
        return None if bad[place][row] else values[place][row]

    if "value" in by_name:
        return [_row(utc[i], at("value", i)) for i in range(len(utc))]
    return [_row(utc[i], at("mean", i), at("min", i), at("max", i), at("mean", i)) for i in range(len(utc))]


def _row(
    utc: int,
    value: float | None,
    least: float | None = None,
    greatest: float | None = None,
    mean: float | None = None,
) -> TrendRow:
    return TrendRow(utc, value, GOOD if value is not None else "no value", least, greatest, mean)
