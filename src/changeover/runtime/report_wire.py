"""What a server and the process that renders one report say to each other.

Frames go over the child's stdin and stdout: four bytes of length, then MessagePack. The server sends one
`Job`; the child says `Ready`, sends requests, each answered before the next one, and ends with `Done` or
`Failed`. An answer is one byte, `ANSWERED` or `REFUSED`, and then the rows, or why there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from changeover.model.moment import Duration
from changeover.model.report import Report
from changeover.runtime.report_data import ROWS_MAX, PlantRow

ANSWERED = b"\x00"
REFUSED = b"\x01"
LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; more ends it with a text, and never the server.

    Attributes:
        work_seconds: How long the template may be at work, without what it waits for data.
        data_seconds: How long it may wait for data in all.
        memory_bytes: Address space of its process.
        page_bytes: Length of the page, and of the CSV.
        rows: Rows of one answer.
    """

    work_seconds: float = 20.0
    data_seconds: float = 300.0
    memory_bytes: int = 512 * 2**20
    page_bytes: int = 16 * 2**20
    rows: int = ROWS_MAX


class Job(msgspec.Struct, frozen=True, array_like=True):
    """One run.

    Attributes:
        project: The project's folder, absolute.
        report: The report.
        plant: What the template may know of the plant.
        scheduled_utc: For when the run was scheduled, UTC nanoseconds since 1970.
        now_utc: When it is rendered, UTC nanoseconds since 1970.
        csv: Whether the tables are wanted as CSV.
        limits: What it may use.
    """

    project: str
    report: Report
    plant: PlantRow
    scheduled_utc: int
    now_utc: int
    csv: bool
    limits: Limits


class Ready(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The child has the job and begins; from here on its time runs, and it hears SIGALRM."""


class AskTag(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """`ReportData.tag`."""

    name: str


class AskTrend(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """`ReportData.trend`."""

    name: str
    start_utc: int
    end_utc: int
    bucket: Duration | None


class AskAlarms(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """`ReportData.alarms`."""

    active: bool | None
    acknowledged: bool | None
    category: int | None
    area: int | None


class AskJournal(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """`ReportData.journal`."""

    start_utc: int
    end_utc: int


class Done(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The run is rendered.

    Attributes:
        page: The page, UTF-8.
        csv: Its tables as CSV, UTF-8; None where there is none.
        problem: Why there is none although it was wanted, else empty.
    """

    page: bytes
    csv: bytes | None = None
    problem: str = ""


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """The run cannot be rendered; the text says why, and in which line of the template."""

    text: str


Ask = AskTag | AskTrend | AskAlarms | AskJournal
FromChild = Ready | AskTag | AskTrend | AskAlarms | AskJournal | Done | Failed


def frame(content: bytes) -> bytes:
    """Content with its length before it."""
    return len(content).to_bytes(LENGTH_BYTES, "big") + content
