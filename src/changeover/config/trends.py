"""trends.csv: which variable tags are recorded."""

from __future__ import annotations

from changeover.config.alarms import AREA_MAX
from changeover.config.csv_table import Columns, CsvTable, Row
from changeover.config.diagnostics import Findings
from changeover.config.variables import Variables
from changeover.model.moment import DAY, MILLISECOND, MINUTE, Duration
from changeover.model.trend import Trend, TrendType

PERIOD_MIN: Duration = 10 * MILLISECOND
PERIOD_MAX: Duration = DAY
RETENTION_MIN: Duration = MINUTE
RETENTION_MAX: Duration = 36_500 * DAY

COLUMNS = Columns(
    "trends.csv",
    ("tag", "type", "sampleper", "trigger", "area", "retention"),
    ("tag", "type"),
    (
        "name", "priv", "eng_units", "format", "filename", "files", "time", "period", "comment", "spcflag",
        "lsl", "usl", "subgrpsize", "xdoublebar", "range", "sdeviation", "stormethod", "cluster",
        "taggenlink", "equip", "editcode", "linked", "deadband", "historian", "item", "eng_zero", "eng_full",
    ),
)  # fmt: skip

_TYPES = {
    "periodic": TrendType.PERIODIC,
    "event": TrendType.EVENT,
    "trn_periodic": TrendType.PERIODIC,
    "trn_event": TrendType.EVENT,
}


def read_trends(data: bytes, file: str, variables: Variables, findings: Findings) -> tuple[Trend, ...]:
    """Read a trends.csv.

    Args:
        data: Content in utf-8, else cp1252.
        file: Name for diagnostics.
        variables: What is recorded.
        findings: Takes the diagnostics.

    Returns:
        The trends in file order, those with a problem left out.
    """
    lines: dict[str, int] = {}
    trends = (_read_trend(row, variables, lines) for row in CsvTable(data, file, COLUMNS, findings))
    return tuple(trend for trend in trends if trend is not None)


def _read_trend(row: Row, variables: Variables, lines: dict[str, int]) -> Trend | None:
    tag = variables.refer_number(row, "tag")
    if tag is not None:
        first = lines.setdefault(tag.name, row.line)
        if first != row.line:
            row.problem("tag", f"{tag.name} is recorded by line {first} already", "a tag has one trend")
    kind = row.choice("type", _TYPES)
    period = row.duration("sampleper", PERIOD_MIN, PERIOD_MAX)
    if kind is TrendType.PERIODIC and not row.text("sampleper"):
        row.problem("sampleper", "is empty", "a periodic trend has one, such as 00:00:01 or 250ms")
    if kind is TrendType.EVENT and period is not None:
        row.warn("sampleper", "is of no use", "an event trend has none, leave it empty")
        period = None
    trigger = variables.refer_number(row, "trigger") if row.text("trigger") else None
    area = row.whole("area", 0, AREA_MAX)
    retention = row.duration("retention", RETENTION_MIN, RETENTION_MAX)
    if not row.is_sound or tag is None or kind is None:
        return None
    return Trend(tag.name, kind, period or 0, trigger.name if trigger else "", area or 0, retention or 0)
