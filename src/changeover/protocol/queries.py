"""Questions to the archives of alarm, trend and report servers, and their answers, as bytes.

`core.task_messages.Query` and `Found` carry them without looking inside.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.core.report_records import RunEvent
from changeover.model.alarm import Condition


class StatesQuery(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The states of all alarms, or of those that are listed: active or unacknowledged.

    Attributes:
        listed_only: Only those.
        first: Position in alarms.csv of the first alarm of this page, from 0.
    """

    listed_only: bool = False
    first: int = 0


class JournalQuery(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """The pair's merged journal.

    Attributes:
        start_utc, end_utc: The span, UTC nanoseconds since 1970, its end not included.
        tags: Only these alarms; None for all.
        events: Only these events; None for all.
        limit: Records at most, the newest. Where there are fewer, there are no more.
        before: Only records before this one, by (utc, origin, number): the first of the page that one has.
    """

    start_utc: int
    end_utc: int
    tags: tuple[str, ...] | None = None
    events: tuple[AlarmEvent, ...] | None = None
    limit: int = 1000
    before: tuple[int, str, int] | None = None


class SummaryQuery(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """The occurrences of alarms that began within a span, the newest first."""

    start_utc: int
    end_utc: int
    tags: tuple[str, ...] | None = None
    limit: int = 1000


class TrendQuery(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Samples of one tag.

    Attributes:
        tag: The recorded tag.
        start_utc, end_utc: The span, UTC nanoseconds since 1970, its end not included.
        kind: `raw`, `interpolated` or `buckets`.
        step: Of `interpolated` the distance, of `buckets` the width, in nanoseconds; 0 for raw.
        limit: Rows at most, the first.
    """

    tag: str
    start_utc: int
    end_utc: int
    kind: str = "raw"
    step: int = 0
    limit: int = 1_000_000


class RunsQuery(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """What became of report runs, the newest first; of one report, or None for all."""

    report: str | None = None
    since_utc: int = 0
    limit: int = 1000


Question: TypeAlias = StatesQuery | JournalQuery | SummaryQuery | TrendQuery | RunsQuery


class StateRows(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """States of alarms, in the order of alarms.csv.

    Attributes:
        states: Of one page.
        following: Position of the first alarm of the next page, 0 where there is none.
    """

    states: tuple[AlarmState, ...]
    following: int = 0


class JournalRows(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Records in the order of their times; `folded` were told twice and are told once."""

    records: tuple[JournalRecord, ...]
    folded: int


class OccurrenceRow(msgspec.Struct, frozen=True, array_like=True):
    """One occurrence of an alarm; instants in UTC nanoseconds since 1970, 0 for not yet."""

    tag: str
    condition: Condition
    active_utc: int
    returned_utc: int
    acknowledged_utc: int
    acknowledged_by: str
    comment: str


class SummaryRows(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Occurrences, the newest first."""

    rows: tuple[OccurrenceRow, ...]


class TrendRows(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Samples, interpolated values or buckets of one tag, in columns of n entries; a gap is NaN.

    Attributes:
        names: Of the value columns: `value`, or `min`, `max`, `mean`, `count`.
        utc: n little-endian int64: of a bucket its start.
        columns: n little-endian float64 for each name.
        qualities: n uint8, 0 good, 1 bad, or a gap where the value is NaN.
    """

    names: tuple[str, ...]
    utc: bytes
    columns: tuple[bytes, ...]
    qualities: bytes


class RunRow(msgspec.Struct, frozen=True, array_like=True):
    """One run of a report, as both servers' records tell it.

    Attributes:
        report: Name of the report.
        scheduled_utc: For when it was scheduled, UTC nanoseconds since 1970.
        event: FINISHED when any server finished it, else what its latest record says.
        origin: The server that wrote that record.
        utc: When that was.
        detail: Of FINISHED the names of the files; of FAILED why.
        finished: How often it was finished: more than once when the servers could not see each other.
    """

    report: str
    scheduled_utc: int
    event: RunEvent
    origin: str
    utc: int
    detail: tuple[str, ...]
    finished: int


class RunRows(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """Runs, the latest scheduled first."""

    rows: tuple[RunRow, ...]


Answer: TypeAlias = StateRows | JournalRows | SummaryRows | TrendRows | RunRows


class QueryError(Exception):
    """A question, or an answer, that is none."""


_ENCODER = msgspec.msgpack.Encoder()
_QUESTIONS: msgspec.msgpack.Decoder[Question] = msgspec.msgpack.Decoder(Question)
_ANSWERS: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(body: Question | Answer) -> bytes:
    """As the body of a message."""
    return _ENCODER.encode(body)


def decode_question(body: bytes) -> Question:
    """A question; QueryError when it is none."""
    try:
        return _QUESTIONS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(f"not a question: {error}") from error


def decode_answer(body: bytes) -> Answer:
    """An answer; QueryError when it is none."""
    try:
        return _ANSWERS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise QueryError(f"not an answer: {error}") from error
