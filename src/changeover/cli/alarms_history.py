"""What became of alarms: their occurrences, and the journal of the pair."""

from __future__ import annotations

import json
from dataclasses import dataclass

import click

from changeover.cli.alarms_filters import AlarmFilter
from changeover.cli.alarms_rows import AlarmBook, occurrence_fields, record_fields
from changeover.cli.alarms_view import counted, journal_table, summary_table
from changeover.cli.attached import Answerer, Asking, converse
from changeover.cli.console import make_console
from changeover.cli.trend_times import read_span, shown_zone, zone_name
from changeover.model.plant import Plant
from changeover.model.server import Client, Function
from changeover.protocol.queries import JournalQuery, JournalRows, SummaryQuery, SummaryRows


@dataclass(frozen=True, slots=True)
class History:
    """What was asked for on the command line.

    Attributes:
        plant, client: Who asks.
        wanted: Which alarms.
        journal: The journal, else the summary.
        begin, end: The texts of `--from` and `--to`, None where they were left out.
        limit: The newest so many.
        local: Times in the plant's time zone.
    """

    plant: Plant
    client: Client
    wanted: AlarmFilter
    journal: bool
    begin: str | None
    end: str | None
    limit: int
    local: bool

    def question(self) -> JournalQuery | SummaryQuery:
        """To an alarm server."""
        start, end = read_span(self.begin, self.end, self.plant, self.local)
        tags = None
        if self.wanted.chooses:
            tags = tuple(alarm.tag for alarm in self.wanted.alarms(self.plant))
        if self.journal:
            return JournalQuery(start, end, tags, limit=self.limit)
        return SummaryQuery(start, end, tags, self.limit)


def print_history(history: History, wait_seconds: float | None, as_json: bool) -> None:
    """Ask for it and print it."""
    question = history.question()

    async def talk(asking: Asking) -> tuple[JournalRows | SummaryRows, Answerer]:
        answer = await asking.ask(question)
        assert isinstance(answer, JournalRows | SummaryRows)
        return answer, asking.answerer

    answer, answerer = converse(history.plant, history.client, Function.ALARM, wait_seconds, talk)
    if as_json:
        document = {"plant": history.plant.name, **answerer.fields(), **_fields(answer)}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    console = make_console()
    book, zone = AlarmBook(history.plant), shown_zone(history.plant, history.local)
    if isinstance(answer, JournalRows):
        table = journal_table(answer.records, book, zone, console.width)
        count, words = len(answer.records), counted(len(answer.records), "record")
    else:
        table = summary_table(answer.rows, book, zone, console.width)
        count, words = len(answer.rows), counted(len(answer.rows), "occurrence")
    if count:
        console.print(table)
    if count >= history.limit:
        words = f"the newest {words}, --limit shows more"
    if isinstance(answer, JournalRows) and answer.folded:
        words += f", {answer.folded} more that both servers logged are told once"
    where = f"times in {zone_name(history.plant, history.local)}; told by {answerer}"
    console.print(f"{words}; {where}", soft_wrap=True)


def _fields(answer: JournalRows | SummaryRows) -> dict[str, object]:
    if isinstance(answer, JournalRows):
        return {"folded": answer.folded, "records": [record_fields(record) for record in answer.records]}
    return {"occurrences": [occurrence_fields(row) for row in answer.rows]}
