"""Trends as configuration: which variable tags are recorded, when, and for how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from changeover.model.moment import Duration


class TrendType(Enum):
    """When a sample is taken, by the column `type` of trends.csv."""

    PERIODIC = "periodic"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Trend:
    """One recorded tag.

    Attributes:
        tag: Name of the variable tag; a tag has at most one trend.
        type: When a sample is taken.
        period: Of a periodic trend; samples are taken at whole multiples of it since 1970 UTC, so that both
            servers of a pair take the same ones. 0 for an event trend.
        trigger: Name of a variable tag, empty for none. Periodic: samples only while it is not zero. Event:
            a sample whenever it changes, instead of whenever the tag itself changes.
        area: For filters; 0 to 255.
        retention: How long samples are kept, 0 for ever.
    """

    tag: str
    type: TrendType
    period: Duration
    trigger: str = ""
    area: int = 0
    retention: Duration = 0
