"""What was measured of a site: the values of a network.json (docs/reference/network-json.md).

Times here are as the file has them: floats with their unit last in the name, and UTC as ISO 8601 text.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

FORMAT = "changeover network"
VERSION = 1

Count = Annotated[int, Meta(ge=0, le=1 << 53)]
Amount = Annotated[float, Meta(ge=0, le=1e12)]
Period = Annotated[float, Meta(gt=0, le=1e9)]
Shape = Annotated[float, Meta(ge=-10, le=10)]
Utc = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]
Bins = tuple[tuple[Count, Count], ...]
"""(number of the bin, how many delays are in it), by rising number; empty bins are left out."""
HOURS = 24
FIRST_MS = 0.001
RATIO = 1.02
BIN_LAST = 1046
"""Bins of version 1: of 2 %, from 1 µs to 1000 s; what is longer is in the last one."""
BINS_IN_ONE = 5
"""Bins that are one in the hours of the day."""
NAMED_MAX = 100
"""Backups, long answers, pauses and censored delays that are kept one by one; all are counted."""
KEPT_MAX = 500
"""Episodes that are kept."""
GAPS_MAX = 10


class Kind(Enum):
    """What a stream's delays are."""

    SESSION = "session"
    """From a frame sent until its acknowledgement: what SendTimeout is held against (D1)."""
    ROUND_TRIP = "round-trip"
    """From a request until its answer: what [LAN]TimeOut is held against (I2)."""
    DEVICE = "device"
    """From a request to an I/O device until its answer: what the driver's Timeout is held against (D5)."""


class Quantiles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of delays, milliseconds; exact at both ends, else to the width of a bin."""

    messages: Count
    min: Amount
    p50: Amount
    p90: Amount
    p99: Amount
    p999: Amount = msgspec.field(name="p99.9")
    p9999: Amount = msgspec.field(name="p99.99")
    max: Amount


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Delays by size: bin n holds first_ms × ratioⁿ up to first_ms × ratioⁿ⁺¹.

    Attributes:
        raw: Everything.
        body: Without backups, long answers, and what a pause of the measuring process spoilt.
    """

    first_ms: Amount
    ratio: Amount
    raw: Bins
    body: Bins


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often a delay beyond `at_ms` is to be expected, with 95 % confidence between low and high."""

    at_ms: Amount
    per_hour: Amount
    low_per_hour: Amount
    high_per_hour: Amount


class TailRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Episodes beyond a threshold, and the generalised Pareto distribution of their excesses.

    Attributes:
        threshold_ms: u.
        episodes: How many went beyond it.
        excesses_ms: Of each, its longest delay less u; largest first.
        censored_ms: Excesses of sessions that ended before the acknowledgement came: at least so much.
        shape, scale_ms: The fit; None with too few episodes.
        rates: At 2, 5 and 10 times the threshold.
    """

    threshold_ms: Amount
    episodes: Count
    excesses_ms: tuple[Amount, ...]
    censored_ms: tuple[Amount, ...]
    shape: Shape | None
    scale_ms: Amount | None
    rates: tuple[Rate, ...]


class Episode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A run of delays beyond the threshold that the stream kept."""

    at_utc: Utc
    length_ms: Amount
    max_ms: Amount
    messages: Count


class Bursts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How delays beyond the threshold come together.

    Attributes:
        threshold_ms: From where on episodes are kept; never above the tail's threshold.
        count: Episodes since the beginning, those included that were not kept.
        mean_ms: From an episode's first such delay to its last.
        mean_gap_s: From an episode's end to the next one's begin; None with fewer than two.
        messages_mean: Delays beyond the threshold in one episode.
        episodes: The longest delays' ones, by time.
    """

    threshold_ms: Amount
    count: Count
    mean_ms: Amount
    mean_gap_s: Amount | None
    messages_mean: Amount
    episodes: tuple[Episode, ...]


class Gap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A silence: no answer came."""

    from_utc: Utc
    to_utc: Utc
    seconds: Amount


class Hour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One hour of the day, UTC, over all days.

    Attributes:
        bins: Five bins of the histogram in one.
    """

    hour_utc: Annotated[int, Meta(ge=0, lt=HOURS)]
    messages: Count
    p50_ms: Amount
    p99_ms: Amount
    max_ms: Amount
    bins: Bins


class BackupRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A time during which the median of each second was far beyond the usual."""

    from_utc: Utc
    to_utc: Utc
    median_ms: Amount
    max_ms: Amount
    messages: Count


class LongAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer that took very long, with usual ones before and after it."""

    at_utc: Utc
    ms: Amount


class StreamRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about one session, one round trip or one device.

    Attributes:
        name: `IOServer1/LAN_A`, or the unit's name.
        function: io-data, alarm, trend or report.
        period_ms: Between two requests, as asked for.
        messages: Delays measured.
        paused: How many of them were a pause of the measuring process by more than a tenth.
        seconds: How long there was a connection, such pauses left out: the exposure.
        requests: Frames, or requests, that were sent.
        sent_bytes_mean, answer_bytes_mean: Of one request, of what came back for it.
        closed: How often the other side closed the connection, or it was lost.
        censored_count: Delays that had not ended then.
        censored: The longest of them, milliseconds, largest first: the delay would have been longer.
        backups_count: How many backups there were; `backups` has the longest.
        long_answers_count: How many long answers there were; `long_answers` has the longest.
    """

    kind: Kind
    name: str
    function: str
    period_ms: Period
    messages: Count
    paused: Count
    seconds: Amount
    requests: Count
    sent_bytes_mean: Amount
    answer_bytes_mean: Amount
    quantiles_ms: Quantiles | None
    body_ms: Quantiles | None
    histogram: Histogram
    tail: TailRecord
    bursts: Bursts
    gaps: tuple[Gap, ...]
    closed: Count
    censored_count: Count
    censored: tuple[Amount, ...]
    by_hour: tuple[Hour, ...]
    backups_count: Count
    backups: tuple[BackupRecord, ...]
    long_answers_count: Count
    long_answers: tuple[LongAnswer, ...]


class Pauses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the measuring process itself stood still.

    Attributes:
        count, total_ms: Of all.
        longest: By length.
    """

    count: Count
    total_ms: Amount
    max_ms: Amount
    longest: tuple[LongAnswer, ...]


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What measuring added, on average, and of the measuring process the most memory."""

    messages_s: Amount
    bytes_s: Amount
    cpu_share: Amount
    memory_mb: Amount


class Network(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole network.json.

    Attributes:
        plant: Name of the plant; empty between two hosts without a project.
        computer: Where it was measured.
        seconds: How long was measured, breaks between two runs left out.
        runs: How often measuring began.
    """

    format: str
    version: int
    plant: str
    computer: str
    began_utc: Utc
    ended_utc: Utc
    seconds: Amount
    runs: Annotated[int, Meta(ge=1)]
    pauses: Pauses
    load: Load
    streams: tuple[StreamRecord, ...]

    def stream(self, kind: Kind, name: str) -> StreamRecord | None:
        """The stream of that kind and name, None where it was not measured."""
        return next((s for s in self.streams if (s.kind, s.name) == (kind, name)), None)
