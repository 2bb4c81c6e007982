"""Templates in their sandbox: what they can do, what they are refused, and how errors are told."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from changeover.model.moment import SECOND
from changeover.model.report import Report, ReportFormat, Schedule
from changeover.runtime.report_data import AlarmRow, JournalRow, PlantRow, ReportDataError, TagRow, TrendRow
from changeover.runtime.report_page import PageError, render_page
from changeover.runtime.report_wire import Ask, AskAlarms, AskJournal, AskTag, AskTrend, Job, Limits

SCHEDULED = 1_795_183_200 * SECOND
HOUR = 3600 * SECOND
PLANT = PlantRow("Waterworks", "7.0", "Europe/Berlin")


class Plant:
    """Answers as a plant would that has one flow, one pump, and one level that cannot be read."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []

    def __call__(self, ask: Ask, answer: type[Any]) -> Any:
        self.asked.append(ask)
        if isinstance(ask, AskTag):
            if ask.name == "Level":
                return TagRow(None, "#COM", "m")
            if ask.name != "Flow":
                raise ReportDataError(f"there is no tag {ask.name}")
            return TagRow(12.3456, units="m³/h")
        if isinstance(ask, AskTrend):
            step = ask.bucket or HOUR
            return [
                TrendRow(at, 5.0, "good", 4.0, 6.0, 5.0) for at in range(ask.start_utc, ask.end_utc, step)
            ]
        if isinstance(ask, AskAlarms):
            return [
                AlarmRow(
                    "P1_TRIP",
                    "Pump <1>",
                    "on",
                    "active unacknowledged",
                    active_utc=SCHEDULED - 90 * SECOND,
                    comment="<script>alert(1)</script>",
                )
            ]
        return [JournalRow(ask.start_utc, "P1_TRIP", "active", "Pump 1", "on", 1.0)]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "reports").mkdir(parents=True)
    return tmp_path / "project"


Render = Callable[..., str]


@pytest.fixture
def render(project: Path) -> Render:
    """Renders a text as the template reports/x.j2."""

    def rendered(text: str, plant: Plant | None = None, **limits: int) -> str:
        (project / "reports" / "x.j2").write_text(text, "utf-8")
        report = Report("Shift", Schedule(cron="0 6,14,22 * * *"), "reports/x.j2", (ReportFormat.HTML,))
        now = SCHEDULED + 2 * SECOND
        job = Job(str(project), report, PLANT, SCHEDULED, now, False, Limits(**limits))
        return render_page(job, plant or Plant()).decode()

    return rendered


def refused(render: Render, text: str, **limits: int) -> str:
    with pytest.raises(PageError) as raised:
        render(text, **limits)
    return str(raised.value)


def test_the_variables(render: Render) -> None:
    assert render("{{ report.name }} {{ plant }} {{ plant.version }}") == "Shift Waterworks 7.0"
    assert render("{{ scheduled }} {{ now }}") == "2026-11-20 15:00:00+01:00 2026-11-20 15:00:02+01:00"
    assert render("{{ scheduled|local }} {{ scheduled.strftime('%H') }}") == "2026-11-20 15:00:00 15"


def test_tags(render: Render) -> None:
    assert render('{{ tag("Flow") }}|{{ tag("Flow").value|number(2) }}|{{ tag("Flow")|number }}') == (
        "12.3456 m³/h|12.35|12.3"
    )
    assert (
        render('{{ tag("Level") }}|{{ tag("Level").good }}|{{ tag("Level").quality }}') == "#COM|False|#COM"
    )


def test_a_trend_is_asked_for_from_the_scheduled_time_on(render: Render) -> None:
    plant = Plant()
    rows = 'trend("Flow", "-2h", bucket="1h")'
    page = f'{{% for row in {rows} %}}{{{{ row.utc|local("%H:%M") }}}} {{{{ row.max }}}};{{% endfor %}}'
    assert render(page, plant) == "13:00 6.0;14:00 6.0;"
    assert plant.asked == [AskTrend("Flow", SCHEDULED - 2 * HOUR, SCHEDULED, HOUR)]


def test_start_and_end_may_be_datetimes(render: Render) -> None:
    plant = Plant()
    render('{% set x = trend("Flow", scheduled.replace(hour=6), scheduled.replace(hour=8)) %}', plant)
    assert plant.asked == [AskTrend("Flow", SCHEDULED - 9 * HOUR, SCHEDULED - 7 * HOUR, None)]


def test_alarms_and_journal(render: Render) -> None:
    plant = Plant()
    page = (
        "{% for row in alarms() %}{{ row.name }} {{ (scheduled - row.active)|duration }} {{ row.returned }}"
        "{% endfor %}|{{ alarms(active=none, category=3)|length }}"
        '|{% for row in journal("-8h") %}{{ row.utc|local }} {{ row.event }}{% endfor %}'
    )
    assert render(page, plant) == "Pump &lt;1&gt; 0:01:30 None|1|2026-11-20 07:00:00 active"
    assert plant.asked == [
        AskAlarms(True, None, None, None),
        AskAlarms(None, None, 3, None),
        AskJournal(SCHEDULED - 8 * HOUR, SCHEDULED),
    ]


def test_the_filters_of_jinja_work_on_rows(render: Render) -> None:
    page = (
        '{{ trend("Flow", "-4h", bucket="1h")|map(attribute="mean")|sum }} '
        '{{ alarms()|selectattr("acknowledged", "none")|map(attribute="tag")|join }}'
    )
    assert render(page) == "20.0 P1_TRIP"


def test_what_operators_wrote_is_escaped_whatever_the_template_is_called(render: Render) -> None:
    assert render("{% for row in alarms() %}{{ row.comment }}{% endfor %}") == (
        "&lt;script&gt;alert(1)&lt;/script&gt;"
    )


def test_page_style_makes_a_plain_page_decent_and_utf_8(render: Render) -> None:
    page = render("{{ page_style }}")
    assert page.startswith('<meta charset="utf-8">\n<style>') and page.endswith("</style>")
    assert "&" not in page


def test_templates_of_the_project_may_be_shared(project: Path, render: Render) -> None:
    (project / "base.j2").write_text("<h1>{% block title %}{% endblock %}</h1>")
    (project / "macros.j2").write_text("{% macro bold(x) %}<b>{{ x }}</b>{% endmacro %}")
    head = '{% extends "base.j2" %}{% import "macros.j2" as m %}'
    assert render(head + '{% block title %}{{ m.bold("a<b") }}{% endblock %}') == "<h1><b>a&lt;b</b></h1>"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n{{ nothing }}", "reports/x.j2, line 2: 'nothing' is undefined"),
        ("\n{{ nothing.x }}", "reports/x.j2, line 2: 'nothing' is undefined"),
        (
            "\n{{ tag('Flow').valeu }}",
            "line 2: 'changeover.runtime.report_data.TagRow object' has no attribute",
        ),
        ("\n\n{% if %}", "reports/x.j2, line 3: Expected an expression"),
        ("\n{% for x in alarms() %}", "reports/x.j2, line 2: Unexpected end of template"),
        ("\n{{ 1 | nofilter }}", "reports/x.j2, line 2: No filter named 'nofilter'"),
        ("\n{{ 1 / 0 }}", "reports/x.j2, line 2: division by zero"),
        ("\n{{ tag('Flwo') }}", "reports/x.j2, line 2: there is no tag Flwo"),
        ("\n{{ tag() }}", "reports/x.j2, line 2: "),
        ("\n{{ trend('Flow', '8h') }}", "reports/x.j2, line 2: '8h' is no time; give a datetime or a text"),
        ("\n{{ trend('Flow', '-8h', '-9h') }}", "line 2: the end (-9h) is not after the start (-8h)"),
        ("\n{{ trend('Flow', '-8h', bucket='x') }}", "line 2: 'x' is no span"),
        ("\n{{ 'x' | number }}", "line 2: 'x' is no number"),
        ("\n{{ tag('Level').value + 1 }}", "reports/x.j2, line 2: unsupported operand"),
        ("\n{{ {}['k'] }}", "reports/x.j2, line 2: 'dict object' has no attribute 'k'"),
        ("\n{% include 'none.j2' %}", "reports/x.j2, line 2: there is no template none.j2 in the project"),
        (
            "\n{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "line 2: the template calls itself without end",
        ),
    ],
)
def test_an_error_is_told_with_file_and_line(render: Render, text: str, words: str) -> None:
    assert words in refused(render, text)


def test_an_error_in_an_included_file_is_told_with_that_file(project: Path, render: Render) -> None:
    (project / "part.j2").write_text("\n\n{{ nothing }}")
    assert refused(render, "{% include 'part.j2' %}") == "part.j2, line 3: 'nothing' is undefined"
    (project / "part.j2").write_text("\n{% endif %}")
    assert refused(render, "{% include 'part.j2' %}").startswith("part.j2, line 2: ")


def test_a_template_that_is_not_there_is_named(project: Path) -> None:
    report = Report("Shift", Schedule(period=HOUR), "reports/gone.j2", (ReportFormat.HTML,))
    job = Job(str(project), report, PLANT, SCHEDULED, SCHEDULED, False, Limits())
    with pytest.raises(PageError, match=r"^there is no template reports/gone\.j2 in the project's folder$"):
        render_page(job, Plant())


ESCAPES = [
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ [()]|map(attribute='__class__')|first }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '{x.__class__}'.format_map({'x': 1}) }}",
    "{{ ('{0.__class__}'|attr('format'))(1) }}",
    "{{ '%s'|format(tag.__globals__) }}",
    "{{ tag.__globals__['__builtins__'] }}",
    "{{ trend.__code__.co_consts }}",
    "{{ tag.__closure__[0].cell_contents }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context.environment }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ dict.mro() }}",
    "{{ range.__base__ }}",
    "{{ lipsum.__globals__ }}",
    "{{ report.__class__.__init__.__globals__ }}",
    "{{ report.__dataclass_fields__ }}",
    "{{ plant.__struct_fields__ }}",
    "{{ alarms()[0].__class__ }}",
    "{{ scheduled.__reduce__() }}",
    "{{ scheduled.tzinfo.__class__.from_file('/etc/passwd') }}",
    "{{ (scheduled - now).__class__ }}",
    "{% set x = [] %}{{ x.append(1) }}",
    "{% set x = {} %}{{ x.update(a=1) }}",
    "{% for row in [alarms()] %}{{ row.clear() }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% include '../outside.j2' %}",
    "{% include 'reports/../../outside.j2' %}",
    "{% include 'link.j2' %}",
    "{% include 'folder/outside.j2' %}",
    "{% import 'os' as os %}",
    "{% include 'reports\x00/x.j2' %}",
    "{% include '/dev/zero' %}",
    "{% include 'pipe.j2' %}",
]


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_template_does_not_get_out(project: Path, render: Render, escape: str) -> None:
    outside = project.parent / "outside.j2"
    outside.write_text("outside")
    (project / "link.j2").symlink_to(outside)
    (project / "folder").symlink_to(project.parent)
    os.mkfifo(project / "pipe.j2")
    words = refused(render, f"before\n{escape}")
    assert words.startswith("reports/x.j2, line 2: ")
    assert "outside" not in words.replace("outside.j2", "")


def test_a_template_outside_of_the_project_is_not_found(project: Path) -> None:
    (project.parent / "outside.j2").write_text("outside")
    report = Report("Shift", Schedule(period=HOUR), "../outside.j2", (ReportFormat.HTML,))
    job = Job(str(project), report, PLANT, SCHEDULED, SCHEDULED, False, Limits())
    with pytest.raises(PageError, match="there is no template"):
        render_page(job, Plant())


def test_a_page_may_not_be_larger_than_the_limit(render: Render) -> None:
    page = "{% for x in range(1000) %}{{ 'x' * 1000 }}{% endfor %}"
    assert len(render(page, page_bytes=10**6)) == 10**6
    assert refused(render, page, page_bytes=2**19) == "the page is larger than 0.5 MiB"


def test_more_buckets_than_rows_are_refused_before_they_are_asked_for(render: Render) -> None:
    plant = Plant()
    with pytest.raises(PageError, match="line 1: so many buckets of 1s are more than 100 rows"):
        render("{{ trend('Flow', '-8h', bucket='1s') }}", plant, rows=100)
    assert plant.asked == []


def test_large_ranges_and_templates_are_refused(project: Path, render: Render) -> None:
    assert "Range too big" in refused(render, "{{ range(10**9)|list }}")
    (project / "large.j2").write_bytes(b"x" * (2**20 + 1))
    assert "the template large.j2 is larger than 1 MiB" in refused(render, "{% include 'large.j2' %}")
    (project / "latin.j2").write_bytes(b"m\xb3")
    assert "the template latin.j2 is not UTF-8" in refused(render, "{% include 'latin.j2' %}")
