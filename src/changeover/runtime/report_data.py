"""What a report's template is given: rows of data, and who fetches them.

Rows carry instants as whole nanoseconds, as everything here does, and show them to the template as aware
datetimes; the conversion happens where the template runs, not in the server.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from changeover.model.moment import Duration

GOOD = "good"
"""The quality of a value that may be used; any other quality is the text that a page shows instead."""


MISSING = "–"
"""What stands for a value that is not there."""


ROWS_MAX = 100_000
"""More rows of one answer are refused."""


class ReportDataError(Exception):
    """Data that cannot be had; the text says why, and the template's line is added to it."""


class TagRow(msgspec.Struct, frozen=True, array_like=True):
    """A variable tag as a page would show it now. As text: value and units, or the quality where it is bad.

    Attributes:
        value: Number or text; None where there never was one.
        quality: `GOOD`, or what to show instead of the value, such as `#COM`.
        units: Engineering units, may be empty.
    """

    value: float | str | None
    quality: str = GOOD
    units: str = ""

    @property
    def good(self) -> bool:
        """Whether the value may be used."""
        return self.quality == GOOD

    def __str__(self) -> str:
        if not self.good:
            return self.quality
        if self.value is None:
            return MISSING
        value = self.value if isinstance(self.value, str) else f"{self.value:.10g}"
        return f"{value} {self.units}".rstrip()


class TrendRow(msgspec.Struct, frozen=True, array_like=True):
    """One sample, or one bucket of samples.

    Attributes:
        at_utc: Of a sample its time, of a bucket its begin; UTC nanoseconds since 1970.
        value: Of a sample its value, of a bucket its mean; None for a bad sample and for a gap.
        quality: `GOOD`, or why there is no value.
        min: Of a bucket the least good value, else None.
        max: Of a bucket the greatest good value, else None.
        mean: Of a bucket the mean of its good values, else None.
    """

    at_utc: int
    value: float | None
    quality: str = GOOD
    min: float | None = None
    max: float | None = None
    mean: float | None = None

    @property
    def utc(self) -> datetime:
        """`at_utc` as a datetime."""
        return utc_time(self.at_utc)


class AlarmRow(msgspec.Struct, frozen=True, array_like=True):
    """One alarm as an alarm page lists it.

    Attributes:
        tag: The alarm.
        name: What it is, for people.
        condition: What is wrong, such as `high`; of a returned alarm what was.
        state: In the words of ISA-18.2, such as `active unacknowledged`.
        category: Number of its category.
        priority: The priority that counts, 1 is the most urgent.
        area: For filters.
        active_utc: When its last occurrence began, UTC nanoseconds since 1970; 0 for never.
        returned_utc: When that occurrence ended, 0 while it lasts.
        acknowledged_utc: When that occurrence was acknowledged, 0 for not.
        acknowledged_by: By whom, empty for nobody.
        value: The value that made it active.
        comment: The last comment of an operator on this occurrence.
    """

    tag: str
    name: str
    condition: str
    state: str
    category: int = 0
    priority: int = 0
    area: int = 0
    active_utc: int = 0
    returned_utc: int = 0
    acknowledged_utc: int = 0
    acknowledged_by: str = ""
    value: float | None = None
    comment: str = ""

    @property
    def active(self) -> datetime | None:
        """`active_utc` as a datetime, None for never."""
        return _time_or_none(self.active_utc)

    @property
    def returned(self) -> datetime | None:
        """`returned_utc` as a datetime, None while the occurrence lasts."""
        return _time_or_none(self.returned_utc)

    @property
    def acknowledged(self) -> datetime | None:
        """`acknowledged_utc` as a datetime, None for not acknowledged."""
        return _time_or_none(self.acknowledged_utc)


class JournalRow(msgspec.Struct, frozen=True, array_like=True):
    """One line of the alarm journal.

    Attributes:
        at_utc: When it happened, UTC nanoseconds since 1970.
        tag: The alarm.
        event: What happened, such as `active` or `acknowledged`.
        name: The alarm's name, for people.
        condition: Of a transition what is wrong.
        value: Of a transition the value, else None.
        who: The operator, empty for a transition.
        where: The client that the operator sat at.
        comment: The operator's words.
    """

    at_utc: int
    tag: str
    event: str
    name: str = ""
    condition: str = ""
    value: float | None = None
    who: str = ""
    where: str = ""
    comment: str = ""

    @property
    def utc(self) -> datetime:
        """`at_utc` as a datetime."""
        return utc_time(self.at_utc)


class PlantRow(msgspec.Struct, frozen=True, array_like=True):
    """What a template may know of the plant. As text: its name.

    Attributes:
        name: The plant's name.
        version: The product version as written in plant.toml.
        time_zone: IANA name of its time zone.
    """

    name: str
    version: str = ""
    time_zone: str = "UTC"

    def __str__(self) -> str:
        return self.name


class ReportData(Protocol):
    """Fetches what a template asks for. Each call may raise `ReportDataError`, and may be cancelled.

    More than `ROWS_MAX` rows are refused in any case, so nobody needs to fetch many more.
    """

    async def tag(self, name: str) -> TagRow:
        """A variable tag now, by its name in any case."""

    async def trend(
        self, name: str, start_utc: int, end_utc: int, bucket: Duration | None
    ) -> Sequence[TrendRow]:
        """The samples of a tag from start to before end, ascending; with a bucket one row for each."""

    async def alarms(
        self, active: bool | None, acknowledged: bool | None, category: int | None, area: int | None
    ) -> Sequence[AlarmRow]:
        """The alarms that fit every filter that is not None, in the order of an alarm page."""

    async def journal(self, start_utc: int, end_utc: int) -> Sequence[JournalRow]:
        """The pair's journal from start to before end, ascending."""


def utc_time(at_utc: int) -> datetime:
    """UTC nanoseconds since 1970 as an aware datetime in UTC, to the microsecond."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_utc // 1000)


def _time_or_none(at_utc: int) -> datetime | None:
    return utc_time(at_utc) if at_utc else None
