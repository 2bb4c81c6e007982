"""The sheet's table of audits: what should have been kept, and what was lost or doubled."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from changeover.drill import sheet_words as words
from changeover.drill.result import KINDS, Audit, Campaign
from changeover.drill.sheet_markup import Html, element
from changeover.drill.sheet_panel import badge
from changeover.model.moment import MILLISECOND, SECOND

_MEANINGS = {
    "alarm transitions": "that lasted long enough to be seen, in the merged journal of the pair",
    "operators' actions": "comments and acknowledgements: done once, or told as refused or unknown",
    "journal on both servers": "records, each on both servers once these are redundant again",
    "trend samples on both servers": "of periodic trends, after the gaps were filled",
    "seconds recorded on both servers": "of every I/O device, after the gaps were filled",
    "report runs": "that fell due: finished once",
    "run log on both servers": "records, each on both servers once these are redundant again",
    "values shown as good": "answers of I/O devices; lost are those that were shown as good for too long",
}
NOTHING_DUE = "nothing fell due"
_EXAMPLES_MAX = 3
_NANOSECONDS = re.compile(r"\b\d{19}\b")
"""UTC since 1970, as the audits write it; good until the year 2286."""


def audits(campaign: Campaign) -> Html:
    """One line for each kind, those under partner-cut apart: there some may be told or run twice."""
    head = ("result", "audited", "expected", "lost", "doubled", "folded", "")
    plain = [audit for audit in campaign.audits if not audit.is_cut]
    cut = [audit for audit in campaign.audits if audit.is_cut]
    bodies = [_body("After every other strike" if cut else "", plain)] if plain else []
    if cut:
        bodies.append(_body("While and after a pair was cut", cut))
    return element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        *bodies,
        class_="audits",
    )


def audit_words(campaign: Campaign) -> str:
    """What the audits found, as a sentence; empty where nothing was audited."""
    if not campaign.audits:
        return ""
    wanting = campaign.found_wanting
    if not wanting:
        counted = sum(audit.expected for audit in campaign.audits)
        return f"{words.count(counted, 'item')} audited, nothing lost, nothing doubled that may not be."
    lost, doubled = (sum(getattr(audit, name) for audit in wanting) for name in ("lost", "doubled"))
    return f"The audits found {lost} lost and {doubled} doubled: see below."


def _body(title: str, listed: Sequence[Audit]) -> Html:
    rows = [
        _row(kind, [audit for audit in listed if audit.kind == kind])
        for kind in dict.fromkeys((*KINDS, *(audit.kind for audit in listed)))
        if any(audit.kind == kind for audit in listed)
    ]
    heading = element("tr", element("th", title, colspan=7, scope="rowgroup", class_="group"))
    return element("tbody", *([heading] if title else []), *rows)


def _row(kind: str, of_kind: Sequence[Audit]) -> Html:
    expected, lost, doubled, folded = (
        sum(getattr(audit, name) for audit in of_kind) for name in ("expected", "lost", "doubled", "folded")
    )
    failed = sum(1 for audit in of_kind if not audit.passed)
    passed = f"{failed or len(of_kind)} of {len(of_kind)}"
    name = element("td", element("b", kind), element("span", _MEANINGS.get(kind, ""), class_="meaning"))
    is_idle = not failed and not (expected or doubled)
    result = element("span", NOTHING_DUE, class_="meaning") if is_idle else badge(not failed, passed)
    return element(
        "tr",
        element("td", result),
        name,
        _figure(expected),
        _figure(lost, is_bad=bool(lost)),
        _figure(doubled, is_bad=bool(doubled) and not of_kind[0].may_double),
        _figure(folded),
        element("td", _remark(of_kind)),
    )


def _with_times(told: str) -> str:
    """Instants as people read them, to the millisecond."""
    return _NANOSECONDS.sub(lambda found: _time(int(found.group())), told)


def _time(utc: int) -> str:
    when = datetime.fromtimestamp(utc // SECOND, UTC)
    return f"{when:%Y-%m-%d %H:%M:%S}.{utc % SECOND // MILLISECOND:03} UTC"


def _figure(count: int, *, is_bad: bool = False) -> Html:
    return element("td", str(count), class_="figure missed" if is_bad else "figure")


def _remark(of_kind: Sequence[Audit]) -> Html:
    allowed = of_kind[0].may_double and any(audit.doubled for audit in of_kind)
    told = [
        f"after {audit.after or 'everything'}: {kind} {_with_times(', '.join(names))}"
        for audit in of_kind
        if not audit.passed
        for kind, names in audit.names.items()
    ]
    more = [f"and {len(told) - _EXAMPLES_MAX} more"] if len(told) > _EXAMPLES_MAX else []
    lines = [*(["both ran while they were cut apart: counted, no failure"] if allowed else []), *told]
    shown = [*lines[: _EXAMPLES_MAX + allowed], *more]
    return element("ul", *(element("li", line) for line in shown)) if shown else Html("")
