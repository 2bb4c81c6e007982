from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from changeover.config.durations import HOUR, MINUTE
from changeover.config.reports import _cron_problem
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule

from .conftest import Folder

HEADER = "name,schedule,period,template,formats,missed\n"
TEMPLATE = "reports/shift.html.j2"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (f"Day,0 6 * * *,,{TEMPLATE},,", None),
        (f"../day,0 6 * * *,,{TEMPLATE},,", "name: '../day' is no report name, a letter, digit or '_'"),
        (f",0 6 * * *,,{TEMPLATE},,", "name: '' is no report name"),
        (
            f"Day,,,{TEMPLATE},,",
            "schedule: is empty, five fields are wanted: minute, hour, day, month, weekday",
        ),
        (f"Day,0 6 * * *,1h,{TEMPLATE},,", "period: there is a schedule, too, one of the two is wanted"),
        (f"Day,0 6 * *,,{TEMPLATE},,", "schedule: '0 6 * *' has 4 fields, five fields are wanted"),
        (f"Day,@daily,,{TEMPLATE},,", "schedule: '@daily' has 1 field, five fields are wanted"),
        (f"Day,0 0 6 * * *,,{TEMPLATE},,", "schedule: '0 0 6 * * *' has 6 fields"),
        (f"Day,60 6 * * *,,{TEMPLATE},,", "schedule: '60 6 * * *' has a bad minute"),
        (f"Day,0 25 * * *,,{TEMPLATE},,", "schedule: '0 25 * * *' has a bad hour"),
        (f"Day,0 6 * * FRY,,{TEMPLATE},,", "schedule: '0 6 * * FRY' has a bad day-of-week"),
        (f"Day,0 6 31 2 *,,{TEMPLATE},,", "schedule: '0 6 31 2 *' has a bad day-of-month"),
        (f"Day,,0,{TEMPLATE},,", "period: '0' is out of range, allowed are 1s to 366d"),
        (f"Day,,-5m,{TEMPLATE},,", "period: '-5m' is out of range"),
        (f"Day,,hourly,{TEMPLATE},,", "period: 'hourly' is no time, write HH:MM:SS"),
        ("Day,,1h,,,", "template: is empty, a file inside the project's folder is wanted, such as reports/"),
        ("Day,,1h,reports/day.j2,,", "template: 'reports/day.j2' does not exist"),
        ("Day,,1h,reports,,", "template: 'reports' is no file"),
        ("Day,,1h,../secret,,", "template: '../secret' leads out of the project's folder"),
        (
            "Day,,1h,reports/../../secret,,",
            "template: 'reports/../../secret' leads out of the project's folder",
        ),
        ("Day,,1h,/etc/passwd,,", "template: '/etc/passwd' leads out of the project's folder"),
        ("Day,,1h,outside,,", "template: 'outside' leads out of the project's folder"),
        ("Day,,1h,outside/passwd,,", "template: 'outside/passwd' leads out of the project's folder"),
        (
            "Day,,1h,reports\\shift.html.j2,,",
            "template: 'reports\\\\shift.html.j2' has a backslash, '/' stands",
        ),
        (f"Day,,1h,{'x' * 300},,", "template: '" + "x" * 60 + "…' cannot be read (File name too long)"),
        (
            f"Day,,1h,{TEMPLATE},html;doc,",
            "formats: 'doc' is not known, allowed are html, csv, pdf, with ';'",
        ),
        (f"Day,,1h,{TEMPLATE},,twice", "missed: 'twice' is not known, allowed are once, all, skip"),
    ],
)
def test_rows(folder: Folder, row: str, expected: str | None) -> None:
    (folder.path / "outside").symlink_to("/etc")
    folder.write("reports.csv", f"{HEADER}{row}\n")
    if expected is None:
        assert len(folder.load().plant.reports) == 1
        return
    problems = folder.problems()
    shown = expected.replace("\\\\", "\\")
    assert len(problems) == 1 and problems[0].startswith(f"reports.csv:2: {shown}"), problems


def test_reports(folder: Folder) -> None:
    folder.write("reports/day.j2", "x")
    folder.write(
        "reports.csv",
        f'{HEADER}Shift A,"0 6,14  * * MON-FRI",,{TEMPLATE},PDF;html; csv,ALL\nb,,15m,./reports//day.j2,,\n'
        "c_1,,01:00:00,reports/day.j2,csv,skip\n",
    )
    assert folder.load().plant.reports == (
        Report(
            "Shift A", Schedule(cron="0 6,14 * * MON-FRI"), TEMPLATE,
            (ReportFormat.PDF, ReportFormat.HTML, ReportFormat.CSV), MissedRuns.ALL,
        ),
        Report("b", Schedule(period=15 * MINUTE), "reports/day.j2", (ReportFormat.HTML,)),
        Report("c_1", Schedule(period=HOUR), "reports/day.j2", (ReportFormat.CSV,), MissedRuns.SKIP),
    )  # fmt: skip


def test_names_are_unique_in_any_case(folder: Folder) -> None:
    folder.write("reports.csv", f"{HEADER}Day,,1h,{TEMPLATE},,\nday,,2h,{TEMPLATE},,\n")
    assert folder.problems() == [
        "reports.csv:3: name: 'day' is also the report in line 2, names are unique, in any case"
    ]


def test_a_link_within_the_project_is_a_template_like_any_other(folder: Folder) -> None:
    (folder.path / "reports" / "link.j2").symlink_to("shift.html.j2")
    folder.write("reports.csv", f"{HEADER}Day,,1h,reports/link.j2,,\n")
    assert folder.load().plant.reports[0].template == "reports/link.j2"


def test_a_link_in_a_circle_is_no_template(folder: Folder) -> None:
    (folder.path / "loop").symlink_to("loop")
    folder.write("reports.csv", f"{HEADER}Day,,1h,loop,,\n")
    assert [problem.split(" (")[0] for problem in folder.problems()] == [
        "reports.csv:2: template: 'loop' cannot be read"
    ]


def test_a_pipe_is_no_template(folder: Folder) -> None:
    os.mkfifo(folder.path / "pipe")
    folder.write("reports.csv", f"{HEADER}Day,,1h,pipe,,\n")
    assert folder.problems()[0].startswith("reports.csv:2: template: 'pipe' is no file")


_field = st.one_of(
    st.sampled_from(
        ["*", "0", "59", "*/5", "1-5", "L", "LW", "5L", "MON#2", "1,2", "JAN", "7", "*/0", "5-1"]
    ),
    st.text(alphabet="0123456789*/-,#LWMONJAF", min_size=1, max_size=8),
    st.sampled_from(["9" * 150, "²", "٣", "1-2-3", "//", "#", "L#", "?"]),
)


@given(st.one_of(st.lists(_field, min_size=4, max_size=6).map(" ".join), st.text(max_size=30)))
def test_any_text_as_a_schedule_is_good_or_told(text: str) -> None:
    problem = _cron_problem(" ".join(text.split()))
    assert problem is None or problem.startswith(("has ", "is too long", "never comes"))


@pytest.mark.parametrize("cron", ["0 0 29 2 *", "0 0 * * MON#5", "0 0 L * *", "*/15 6-22 1,15 JAN-MAR MON"])
def test_rare_schedules_are_schedules(cron: str) -> None:
    assert _cron_problem(cron) is None


def test_a_schedule_that_never_comes_is_told() -> None:
    assert _cron_problem("0 0 * 2 MON#5") is None, "29 February, a Monday"
    assert _cron_problem("0 0 2 * MON#5") is None, "either day"
    assert _cron_problem("0 0 */40 * MON#5") == "never comes", "both days: never the first"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<p>\n{% for x in %}</p>", "day.j2:2: template: Expected an expression"),
        (b"{% if x %}", "day.j2:1: template: Unexpected end of template"),
        (b"a\nb\xff", "day.j2:2: template: is not utf-8"),
    ],
)
def test_a_template_that_no_run_could_make_a_page_of_is_told_at_once(
    folder: Folder, content: bytes, told: str
) -> None:
    (folder.path / "reports" / "day.j2").write_bytes(content)
    folder.write("reports.csv", HEADER + "Day,,1h,reports/day.j2,,\n")
    (problem,) = folder.problems()
    assert told in problem
