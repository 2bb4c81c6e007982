"""Writes docs/reference/five-seconds.md: the two questions of the source article, answered for each family.

    .venv/bin/python scripts/seed_answers.py > docs/reference/five-seconds.md

Which parameter affects what is asked of the forecast, one unit more of each; whether 5 s are realistic is
asked of the planner. Every figure on the page is computed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

sys.path.insert(0, str(Path(__file__).resolve().parent))

from seed_configurations import CONFIGURATIONS, Configuration, project_of, table

from changeover.cli.explain_view import unit_of
from changeover.config.project import Project
from changeover.forecast.result import Forecast
from changeover.forecast.rules import forecast_plant
from changeover.forecast.wording import figure, seconds
from changeover.guide.cells import Measure
from changeover.guide.influence import Influence, Lever, influence, levers_of, worst_rows
from changeover.guide.knobs import turned
from changeover.guide.planner import Plan, Planner
from changeover.model.plant import Plant
from changeover.model.policy import Family
from changeover.model.server import Function
from changeover.scenario.fault import Fault

TARGET_S = 5.0
WIDTH = 110
NONE = "·"
HEADS = {
    "[LAN]SendTimeout": "S",
    "[LAN]TimeOut": "T",
    "[LAN]WatchTime": "W",
    "[IOSERVER]HeartTime": "H",
    "[MODNET]Timeout": "τ",
    "[MODNET]Retry": "r",
    "page_scan_ms": "R",
}
DEFAULTS = {one.family: one for one in CONFIGURATIONS if not one.sections}
FAMILIES = {
    Family.A: "family A: below 3.40, and 4.00 to below 4.20",
    Family.B: "family B: 3.40 to below 4.00, and 4.20 to below 5.0",
    Family.C: "family C: 5.0 and later",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a matrix: what is redundant, what strikes, and on how many LANs."""

    what: str
    function: Function
    fault: Fault
    dual_lan: bool = False


ROWS = (
    Row("I/O device falls silent", Function.IO_DATA, Fault.DEVICE_SILENT),
    Row("I/O device is closed", Function.IO_DATA, Fault.DEVICE_CLOSED),
    Row("I/O server falls silent", Function.IO_DATA, Fault.SERVER_SILENT),
    Row("I/O server is closed", Function.IO_DATA, Fault.SERVER_CLOSED),
    Row("alarm, trend or report server falls silent", Function.ALARM, Fault.SERVER_SILENT),
    Row("alarm, trend or report server is closed", Function.ALARM, Fault.SERVER_CLOSED),
    Row("the same, silent, on two LANs", Function.ALARM, Fault.SERVER_SILENT, dual_lan=True),
    Row("one of two LANs falls silent: I/O data", Function.IO_DATA, Fault.LAN_SILENT, dual_lan=True),
    Row(
        "one of two LANs falls silent: alarm, trend, report", Function.ALARM, Fault.LAN_SILENT, dual_lan=True
    ),
)


@dataclass(frozen=True, slots=True)
class Question:
    """What has to change over within the target."""

    what: str
    dual_lan: bool
    wanted: Callable[[Forecast], bool]


QUESTIONS = (
    Question("I/O devices and I/O servers", False, lambda row: row.function is Function.IO_DATA),
    Question("alarm, trend and report servers", False, lambda row: row.function is not Function.IO_DATA),
    Question("tasks and LAN (two LANs)", True, lambda row: row.function is not Function.IO_DATA),
    Question("all of it (two LANs)", True, lambda row: True),
)

_INTRODUCTION = """\
# Which parameters affect what, and are 5 seconds realistic?

Generated from the forecast and the planner; after a change run
`.venv/bin/python scripts/seed_answers.py > docs/reference/five-seconds.md`.

These are the two questions of the article that this product starts from. They are answered here for the plant
of `changeover new` with the defaults of each version family: two I/O servers, a redundant I/O device that
speaks MODNET, pairs of alarm, trend and report servers, one client. For your own plant ask `changeover
explain` and `changeover plan`; [what the article's own configurations cost](configurations.md) is another
page.

S is [LAN]SendTimeout, T [LAN]TimeOut, W [LAN]WatchTime, H [IOSERVER]HeartTime, τ the driver's Timeout, r its
Retry, R the page scan. W is in seconds in citect.ini, the others in milliseconds.

## Which parameters affect what?

Seconds that the longest changeover grows by for one second more of a parameter (of r: for one retry more), at
default values; half as much on average for what is waited for by chance (W, H, R). A dot is no effect.
*From* a value down, or up: none at the default, but from there on there is one. Of two time-outs for one wait
only one counts: the sooner of S and T for a server, the later of T and the driver's for a device (I3).
"""

_QUESTION = """\
## Are 5 seconds realistic?

*Longest* is the longest of all changeovers that are asked for, over every fault that strikes one of two;
*plan* is the smallest change of citect.ini with which the longest is within 5 s: fewest parameters, then the
least Σ ln(old/new), and proved to be. *Reachable* is what is left with every parameter at its least value.
"""


def render() -> str:
    """The whole page as Markdown."""
    parts = [_INTRODUCTION]
    for family, name in FAMILIES.items():
        parts += [f"### {name[0].upper()}{name[1:]}\n", matrix(DEFAULTS[family])]
    parts += [_QUESTION, answers(), sections(), _verdict()]
    return "\n".join(parts)


def matrix(configuration: Configuration) -> str:
    """Every parameter against every changeover, for one family."""
    projects = {dual: project_of(configuration, dual_lan=dual) for dual in (False, True)}
    rows = []
    for row in ROWS:
        project = projects[row.dual_lan]
        worst = _worst(project.plant, row)
        assert worst.changeover is not None
        cells = (_cell(influence(project.plant, lever, worst)) for lever in _levers(project))
        rows.append((row.what, seconds(worst.changeover.maximum), *cells))
    return table(("what happens", "longest", *HEADS.values()), rows)


def _levers(project: Project) -> list[Lever]:
    by_name = {lever.name: lever for lever in levers_of(project.plant, project.ini)}
    return [by_name[name] for name in HEADS]


def _worst(plant: Plant, row: Row) -> Forecast:
    (found,) = worst_rows(
        one for one in forecast_plant(plant) if (one.function, one.fault) == (row.function, row.fault)
        and one.changeover is not None
    )  # fmt: skip
    return found


def _cell(found: Influence) -> str:
    slope = found.slope * found.lever.units
    if abs(slope) >= 0.005:
        return f"{slope:+.2f}".removesuffix("0").removesuffix(".0")
    if found.counts_below is not None:
        return f"from {unit_of(found, found.counts_below)} down"
    return NONE if found.counts_above is None else f"from {unit_of(found, found.counts_above)} up"


def answers() -> str:
    """What the defaults take, and what a plan makes of them."""
    rows = []
    for question in QUESTIONS:
        for family in Family:
            project, planner, plan = _planned(question, family)
            now, then = (
                _figures(project.plant, question),
                _figures(turned(project.plant, plan.values), question),
            )
            rows.append((
                question.what if family is Family.A else "", family.value, now, _changes(plan), then,
                seconds(planner.least_s),
            ))  # fmt: skip
    head = ("what has to change over", "family", "defaults: longest, mean", "plan", "then", "reachable")
    return table(head, rows)


def _planned(question: Question, family: Family) -> tuple[Project, Planner, Plan]:
    project = project_of(DEFAULTS[family], dual_lan=question.dual_lan)
    planner = Planner(project.plant, project.ini, Measure.MAX, question.wanted)
    plan = planner.plan(TARGET_S)
    assert plan.is_met, "the page says yes"
    return project, planner, plan


def _figures(plant: Plant, question: Question) -> str:
    rows = [row for row in forecast_plant(plant) if question.wanted(row) and row.changeover is not None]
    found = [row.changeover for row in rows if row.changeover is not None]
    worst = max(found, key=lambda one: one.maximum)
    return f"{figure(worst.maximum)} s, {figure(worst.mean)} s"


def _changes(plan: Plan) -> str:
    found = (f"{HEADS[str(one.knob)]} = {one.knob.in_words(one.value)}" for one in plan.changes)
    return ", ".join(found) or "as it is"


def sections() -> str:
    """The last question's plans as they stand in citect.ini."""
    parts = ["As they stand in citect.ini, for all of it on two LANs:\n"]
    for family in Family:
        _, _, plan = _planned(QUESTIONS[-1], family)
        lines: dict[str, list[str]] = {}
        for change in plan.changes:
            parameter = change.knob.parameter
            lines.setdefault(parameter.section, []).append(f"{parameter.name}={change.value}")
        text = "\n".join(line for section, found in lines.items() for line in (f"[{section}]", *found))
        parts.append(f"```ini\n# family {family.value}\n{text}\n```\n")
    return "\n".join(parts)


def _verdict() -> str:
    tasks = {family: _planned(QUESTIONS[2], family) for family in Family}
    all_of_it = {family: _planned(QUESTIONS[3], family) for family in Family}
    send = {one.value for _, _, plan in tasks.values() for one in plan.changes if HEADS[str(one.knob)] == "S"}
    (least_send,) = send
    reach = max(planner.least_s for _, planner, _ in tasks.values())
    load = max(one.value for one in all_of_it[Family.A][2].changes if HEADS[str(one.knob)] == "H")
    paragraphs = (
        f"""**Yes, by arithmetic, in every family.** Between tasks and LAN it takes WatchTime = 1 s and
        SendTimeout = {least_send} ms: with two LANs a client tries the silent server on each of them, so
        SendTimeout and WatchTime count three times. {seconds(reach)} are the least that is reachable, since
        WatchTime is a whole second.""",
        f"""**I/O data is the harder part below 5.0**: there a client waits for a heartbeat. HeartTime
        = {load} ms or less, with TimeOut beside it, and every heartbeat is a message to each client on each
        LAN. From 5.0 on SendTimeout alone decides.""",
        f"""**Whether a site bears it is another matter.** The risk of false time-outs is not assessed here:
        no [limits] say how slow acknowledgements and answers can be. A LAN whose worst acknowledgement takes
        {least_send} ms trips changeovers that nobody needed. `changeover plan` keeps every value above what
        [limits] of plant.toml name.""",
    )
    told = (" ".join(text.split()) for text in paragraphs)
    return (
        "\n\n".join(fill(text, WIDTH, break_on_hyphens=False, break_long_words=False) for text in told) + "\n"
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
