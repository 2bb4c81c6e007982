"""The acceptance sheet of a campaign of drills: one page that an engineer reads, prints and signs.

It stands by itself: no script, no picture and no style from elsewhere. Equal campaigns give equal text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from changeover.drill import sheet_words as words
from changeover.drill.result import EARLY_SECONDS, LATE_SECONDS, Campaign
from changeover.drill.sheet_audits import audit_words, audits
from changeover.drill.sheet_chart import mark
from changeover.drill.sheet_group import Group, by_function, groups
from changeover.drill.sheet_markup import Html, element, together
from changeover.drill.sheet_panel import badge, panel
from changeover.drill.sheet_style import STYLE
from changeover.drill.sheet_table import overview, repetitions


def sheet_html(campaign: Campaign) -> str:
    """The sheet of a campaign as one HTML document.

    Args:
        campaign: All drills; each holds its forecast as a row of `changeover forecast --json`.
    """
    found = groups(campaign)
    values = _values(campaign)
    body = element(
        "body",
        _top(campaign, found),
        element(
            "main",
            section("Overview", overview(found)) if found else Html(""),
            section("Audits", audits(campaign)) if campaign.audits else Html(""),
            element(
                "div",
                parameters_section(campaign.parameters),
                element("div", _left_out(campaign), _legend() if found else Html("")),
                class_="pair",
            ),
            *(_panels(function, listed, values) for function, listed in by_function(found).items()),
            section("All repetitions", repetitions(found)) if found else Html(""),
        ),
        _signatures(),
    )
    return page_of(f"{campaign.plant}: acceptance of changeovers", body)


def page_of(title: str, body: Html) -> str:
    """A whole HTML document with the sheet's style."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Html(STYLE)),
    )
    return f"<!DOCTYPE html>\n{element('html', head, body, lang='en')}\n"


def _values(campaign: Campaign) -> dict[str, str]:
    """Value by parameter in lower case; `page_scan_ms of HMI1` counts as `page_scan_ms`.

    A parameter that has several values is none of them: which one governs a stage the row does not tell.
    """
    found: dict[str, set[str]] = {}
    for name, value, _ in campaign.parameters:
        found.setdefault(name.lower().partition(" of ")[0], set()).add(value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def _top(campaign: Campaign, found: Sequence[Group]) -> Html:
    facts = (
        ("Version", f"{campaign.version}, family {campaign.family}"),
        ("Drilled", when(campaign.started_utc)),
        ("Drills", f"{len(campaign.drills)}, {_cells(found)}"),
        ("Lab", words.lab(campaign.lab)),
    )
    return element(
        "header",
        element("p", "Acceptance sheet of changeover drills", class_="kicker"),
        element("h1", campaign.plant),
        _verdict(campaign, found),
        element(
            "dl", *(element("div", element("dt", k), element("dd", v)) for k, v in facts), class_="facts"
        ),
        element("ul", *(element("li", note) for note in campaign.notes), class_="notes")
        if campaign.notes
        else Html(""),
        class_="top",
    )


def _verdict(campaign: Campaign, found: Sequence[Group]) -> Html:
    if not campaign.drills:
        told = "Nothing was drilled, so nothing is proven."
        return element("div", element("strong", "NO VERDICT"), element("p", told), class_="verdict none")
    made_good = sum(len(group.made_good) for group in found)
    counted, failed = len(campaign.drills) - made_good, len(campaign.failures)
    sentences = _verdict_words(campaign, counted, failed)
    if audited := audit_words(campaign):
        sentences.append(audited)
    if made_good:
        sentences.append(
            f"{words.count(made_good, 'drill')} missed, repeated and passed then: both are shown."
        )
    if campaign.left_out:
        sentences.append(f"{words.count(len(campaign.left_out), 'fault')} left out: see below.")
    return element(
        "div",
        badge(
            campaign.passed, f"{failed or counted} of {counted}" if failed or campaign.passed else "by audit"
        ),
        element("p", " ".join(sentences)),
        class_=f"verdict {'good' if campaign.passed else 'bad'}",
    )


def _cells(found: Sequence[Group]) -> str:
    """How many pairs of a function and a fault were drilled."""
    functions = {group.first.function for group in found}
    if len(functions) < 2:
        return f"of {words.count(len(found), 'fault')}"
    told = words.count(len(found), "combination")
    return f"of {told} of a fault and one of {len(functions)} functions"


def _panels(function: str, listed: Sequence[Group], values: dict[str, str]) -> Html:
    title = element("h2", function, class_="function")
    return together(title, *(together("\n", panel(group, values)) for group in listed))


def _verdict_words(campaign: Campaign, counted: int, failed: int) -> list[str]:
    if not failed:
        return ["Every measured time lies inside its forecast."]
    spoiled = sum(1 for drill in campaign.failures if drill.spoiled)
    struck = dict.fromkeys(f"{drill.fault} on {drill.target}" for drill in campaign.failures)
    told = []
    if failed > spoiled:
        told.append(f"{failed - spoiled} of {words.count(counted, 'drill')} outside the forecast.")
    if spoiled:
        told.append(f"{spoiled} of {words.count(counted, 'drill')} spoiled: nothing is proven by them.")
    return [*told, f"Look at: {', '.join(struck)}."]


def when(started_utc: str) -> str:
    """When it began, to the minute."""
    try:
        return f"{datetime.fromisoformat(started_utc):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return started_utc


def section(title: str, *content: str) -> Html:
    """A part of the page with a title."""
    return element("section", element("h2", title), element("div", *content, class_="wide"), class_="plain")


def parameters_section(parameters: Sequence[tuple[str, str, str]]) -> Html:
    """Parameters with their values, and where each was set."""
    if not parameters:
        return section("Parameters that governed", element("p", "None are recorded."))
    head = ("parameter", "value", "set in")
    rows = (
        element("tr", element("th", name, scope="row"), element("td", value), element("td", source))
        for name, value, source in parameters
    )
    table = element(
        "table",
        element("thead", element("tr", *(element("th", name, scope="col") for name in head))),
        element("tbody", *rows),
    )
    return section("Parameters that governed", table)


def _left_out(campaign: Campaign) -> Html:
    if not campaign.left_out:
        return section("Left out", element("p", "Nothing: every fault that was asked for was drilled."))
    rows = (
        element("tr", element("th", fault, scope="row"), element("td", why))
        for fault, why in campaign.left_out
    )
    head = element("tr", element("th", "fault", scope="col"), element("th", "why", scope="col"))
    return section("Left out", element("table", element("thead", head), element("tbody", *rows)))


def _legend() -> Html:
    early, late = round(EARLY_SECONDS * 1000), round(LATE_SECONDS * 1000)
    entries = (
        ("interval", "forecast, shortest to longest"),
        ("margin", f"allowed for scheduling: {early} ms before, {late} ms after"),
        ("mean", "forecast mean"),
        ("median", "its median"),
        ("p95", "its 95th percentile"),
        ("inside", "measured, inside"),
        ("outside", "measured, outside"),
        ("far", "outside, and beyond the axis"),
        ("unheld", "measured, nothing forecast"),
    )
    shown = (element("li", mark(kind), element("span", told)) for kind, told in entries)
    read = "One mark for each repetition, the first at the top."
    return section("How to read the charts", element("ul", *shown, class_="legend"), element("p", read))


def _signatures() -> Html:
    """Lines to sign on, on paper only."""
    lines = (element("span", name) for name in ("Place and date", "For the contractor", "For the owner"))
    return element("footer", *lines, class_="signatures")
