"""Whole runs: template, data, limits and files, with the process that renders them."""

from __future__ import annotations

import asyncio
import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from changeover.model.moment import SECOND
from changeover.model.report import Report, ReportFormat, Schedule
from changeover.runtime import report_dialogue, report_process, report_render
from changeover.runtime.report_data import (
    AlarmRow,
    JournalRow,
    PlantRow,
    ReportDataError,
    TagRow,
    TrendRow,
)
from changeover.runtime.report_pdf import find_tool
from changeover.runtime.report_render import Rendered, Renderer, ReportError
from changeover.runtime.report_wire import Limits

SCHEDULED = 1_795_183_200 * SECOND
HOUR = 3600 * SECOND
NAME = "Shift-20261120T140000Z"
SHIFT = """<!doctype html>
<html lang="en"><head><title>{{ report.name }}</title>{{ page_style }}</head><body>
<h1>Shift report</h1>
<p>{{ plant }}, shift that ended {{ scheduled | local("%d %B %Y, %H:%M") }}</p>
<table class="facts" data-csv="no"><tr><th>Flow<td>{{ tag("Flow") }}</table>
<table><caption>Flow by the hour</caption>
<tr><th>From<th>Mean
{% for row in trend("Flow", "-2h", bucket="1h") %}
<tr><td>{{ row.utc | local("%H:%M") }}<td><data value="{{ row.mean }}">{{ row.mean | number }}</data>
{% endfor %}
</table>
<table><caption>Alarms</caption>
{% for row in alarms() %}
<tr><td>{{ row.active | local("%H:%M") }}<td>{{ row.name }}<td>{{ row.comment }}
{% endfor %}
</table>
<p>{{ journal("-8h") | length }} lines in the journal</p>
</body></html>
"""


class Data:
    """A plant's data for a test; every call takes a turn of the loop, as a real one does."""

    async def tag(self, name: str) -> TagRow:
        await asyncio.sleep(0)
        if name != "Flow":
            raise ReportDataError(f"there is no tag {name}")
        return TagRow(12.5, units="m³/h")

    async def trend(self, name: str, start_utc: int, end_utc: int, bucket: int | None) -> Sequence[TrendRow]:
        await asyncio.sleep(0)
        return [TrendRow(at, 5.25, mean=5.25) for at in range(start_utc, end_utc, bucket or SECOND)]

    async def alarms(
        self, active: bool | None, acknowledged: bool | None, category: int | None, area: int | None
    ) -> Sequence[AlarmRow]:
        return [AlarmRow("P1", "Pump 1", "on", "active", active_utc=SCHEDULED - HOUR, comment="=1+1 <&>")]

    async def journal(self, start_utc: int, end_utc: int) -> Sequence[JournalRow]:
        return [JournalRow(start_utc, "P1", "active"), JournalRow(end_utc - 1, "P1", "returned")]


class World:
    """A project with one template, and a folder for what comes out."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.out = folder / "out"
        self.project.mkdir()

    def template(self, text: str) -> None:
        (self.project / "x.j2").write_text(text, "utf-8")

    def renderer(self, **limits: float) -> Renderer:
        plant = PlantRow("Waterworks", "7.0", "Europe/Berlin")
        return Renderer(self.project, plant, Limits(**limits), clock=lambda: SCHEDULED)

    def run(self, *formats: ReportFormat, data: Data | None = None, **limits: float) -> Rendered:
        report = make_report(*formats)
        return asyncio.run(self.renderer(**limits).render(report, SCHEDULED, data or Data(), self.out))

    def refused(self, *, data: Data | None = None, **limits: float) -> str:
        with pytest.raises(ReportError) as raised:
            self.run(ReportFormat.HTML, data=data, **limits)
        assert not self.out.exists()
        return str(raised.value)


def make_report(*formats: ReportFormat) -> Report:
    return Report("Shift", Schedule(cron="0 6,14,22 * * *"), "x.j2", formats or (ReportFormat.HTML,))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """The processes that are started to render."""
    started: list[asyncio.subprocess.Process] = []

    async def start(module: str, *arguments: str, **options: object) -> asyncio.subprocess.Process:
        started.append(await report_process.start_module(module, *arguments, **options))
        return started[-1]

    monkeypatch.setattr(report_dialogue, "start_module", start)
    return started


def test_a_run_writes_a_page_and_its_tables(world: World) -> None:
    world.template(SHIFT)
    rendered = world.run(ReportFormat.CSV, ReportFormat.HTML)
    assert rendered == Rendered((f"{NAME}.html", f"{NAME}.csv"), ())
    assert sorted(path.name for path in world.out.iterdir()) == [f"{NAME}.csv", f"{NAME}.html"]
    page = (world.out / f"{NAME}.html").read_text("utf-8")
    assert "<p>Waterworks, shift that ended 20 November 2026, 15:00</p>" in page
    assert "<td>12.5 m³/h</table>" in page
    assert "<td>=1+1 &lt;&amp;&gt;" in page
    assert "<p>2 lines in the journal</p>" in page
    text = (world.out / f"{NAME}.csv").read_text("utf-8-sig")
    assert list(csv.reader(io.StringIO(text))) == [
        ["Flow by the hour"],
        ["From", "Mean"],
        ["13:00", "5.25"],
        ["14:00", "5.25"],
        [],
        ["Alarms"],
        ["14:00", "Pump 1", "'=1+1 <&>"],
    ]


def test_the_same_run_again_replaces_its_files_byte_for_byte(world: World) -> None:
    world.template(SHIFT)
    world.run(ReportFormat.HTML, ReportFormat.CSV)
    first = {path.name: path.read_bytes() for path in world.out.iterdir()}
    world.run(ReportFormat.HTML, ReportFormat.CSV)
    assert {path.name: path.read_bytes() for path in world.out.iterdir()} == first


def test_only_what_is_asked_for_is_written(world: World) -> None:
    world.template(SHIFT)
    assert world.run(ReportFormat.CSV).files == (f"{NAME}.csv",)
    assert [path.name for path in world.out.iterdir()] == [f"{NAME}.csv"]


def test_without_a_tool_for_pdf_the_other_formats_are_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(world.project))
    if find_tool():
        pytest.skip("weasyprint is installed as a module, so there is a tool in any case")
    world.template(SHIFT)
    rendered = world.run(*ReportFormat)
    assert rendered.files == (f"{NAME}.html", f"{NAME}.csv")
    (problem,) = rendered.problems
    assert problem.startswith("pdf: no tool for it is installed (looked for chromium, ")
    with pytest.raises(ReportError, match=r"^pdf: no tool for it is installed"):
        world.run(ReportFormat.PDF)


def test_a_tool_for_pdf_prints_the_page(world: World) -> None:
    if find_tool() is None:
        pytest.skip("no tool for PDF is installed")
    world.template(SHIFT)
    assert world.run(*ReportFormat) == Rendered((f"{NAME}.html", f"{NAME}.csv", f"{NAME}.pdf"), ())
    assert (world.out / f"{NAME}.pdf").read_bytes().startswith(b"%PDF-")


def test_a_page_without_tables_has_no_csv(world: World) -> None:
    world.template("<p>x</p>")
    assert world.run(ReportFormat.HTML, ReportFormat.CSV) == Rendered(
        (f"{NAME}.html",), ("csv: the page has no table",)
    )


def test_what_is_wrong_with_the_template_or_its_data_is_told_with_the_line(world: World) -> None:
    world.template("\n{{ tag('Flwo') }}")
    assert world.refused() == "x.j2, line 2: there is no tag Flwo"
    world.template("\n\n{{ tag(flow) }}")
    assert world.refused() == "x.j2, line 3: 'flow' is undefined"
    world.template("{{ alarms(category='high') }}")
    assert world.refused() == "x.j2, line 1: category: expected `int | null`, got `str`"


def test_a_plain_mistake_of_the_data_source_is_not_hidden(
    world: World, children: list[asyncio.subprocess.Process]
) -> None:
    class Broken(Data):
        async def tag(self, name: str) -> TagRow:
            raise LookupError("a programmer's error")

    world.template("{{ tag('Flow') }}")
    with pytest.raises(LookupError, match="a programmer's error"):
        world.run(ReportFormat.HTML, data=Broken())
    assert [child.returncode for child in children] == [-signal.SIGKILL]


LOOP = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"


def test_a_template_that_loops_for_ever_is_ended_and_its_line_told(world: World) -> None:
    world.template(f"\n\n{LOOP}")
    assert world.refused(work_seconds=1) == "x.j2, line 3: the template is still at work after 1 s"


def test_a_template_that_does_not_even_hear_the_alarm_is_killed(
    world: World, children: list[asyncio.subprocess.Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_dialogue, "_GRACE_SECONDS", 0.2)
    world.template("{{ 7 ** (7 ** 12) }}")
    assert world.refused(work_seconds=0.5) == "x.j2: still at work after 0.5 s, it was killed"
    assert [child.returncode for child in children] == [-signal.SIGKILL]


@pytest.mark.parametrize(
    "greedy",
    [
        "{{ 'x' * 10**10 }}",
        "{{ '%10000000000d' % 1 }}",
        "{% set x %}{% for a in range(100000) %}{{ 'x' * 100000 }}{% endfor %}{% endset %}",
        "{% set x = range(100000)|batch(1, 'x')|list * 10000 %}",
    ],
)
def test_a_template_that_wants_too_much_memory_is_ended(world: World, greedy: str) -> None:
    world.template(f"\n{greedy}")
    words = world.refused(memory_bytes=256 * 2**20)
    assert words == "x.j2, line 2: the template needs more than 256 MiB of memory"


def test_tables_that_would_fill_the_memory_cost_the_csv_alone(world: World) -> None:
    world.template("<table>{{ ('<tr><td colspan=1000 rowspan=9>' * 100000)|safe }}</table>")
    rendered = world.run(ReportFormat.HTML, ReportFormat.CSV, memory_bytes=256 * 2**20)
    assert rendered.files == (f"{NAME}.html",)
    assert rendered.problems == ("csv: the tables need more memory than a report may have",)


def test_too_many_rows_are_refused(world: World) -> None:
    world.template("{{ trend('Flow', '-1h')|length }}")
    assert world.run(ReportFormat.HTML, rows=3600).files
    (world.out / f"{NAME}.html").unlink()
    world.out.rmdir()
    assert world.refused(rows=3599) == (
        "x.j2, line 1: 3,600 rows, and 3,599 are the most; ask for a shorter time or for buckets"
    )


def test_data_that_do_not_come_are_not_waited_for_without_end(world: World) -> None:
    class Silent(Data):
        async def tag(self, name: str) -> TagRow:
            await asyncio.Event().wait()
            raise AssertionError

    world.template("\n{{ tag('Flow') }}")
    assert world.refused(data=Silent(), data_seconds=0.2) == "x.j2, line 2: no data within 0.2 s"


def test_the_wait_for_data_is_no_work(world: World) -> None:
    class Slow(Data):
        async def tag(self, name: str) -> TagRow:
            await asyncio.sleep(0.7)
            return TagRow(1.0)

    world.template("{{ tag('a') }}{{ tag('b') }}{{ tag('c') }}")
    assert world.run(ReportFormat.HTML, data=Slow(), work_seconds=2).files == (f"{NAME}.html",)


def test_the_server_goes_on_while_a_template_works(world: World) -> None:
    """The loop turns, and other runs are rendered, while one template is at work."""

    async def story() -> None:
        renderer = world.renderer(work_seconds=600)
        (world.project / "busy.j2").write_text(LOOP)
        world.template("done")
        busy = Report("Busy", Schedule(period=HOUR), "busy.j2", (ReportFormat.HTML,))
        stuck = asyncio.create_task(renderer.render(busy, SCHEDULED, Data(), world.out))
        assert (await renderer.render(make_report(), SCHEDULED, Data(), world.out)).files
        assert not stuck.done()
        stuck.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stuck

    asyncio.run(story())


def test_only_so_many_runs_are_rendered_at_once(
    world: World, children: list[asyncio.subprocess.Process]
) -> None:
    class Held(Data):
        asked = 0
        most = 0

        async def tag(self, name: str) -> TagRow:
            Held.asked += 1
            Held.most = max(Held.most, sum(child.returncode is None for child in children))
            if Held.asked == report_render.AT_ONCE_MAX:
                enough.set()
            await enough.wait()
            return TagRow(1.0)

    async def story() -> None:
        renderer = world.renderer()
        reports = [replace(make_report(), name=f"Report {n}") for n in range(6)]
        runs = (renderer.render(report, SCHEDULED, Held(), world.out) for report in reports)
        assert len(await asyncio.gather(*runs)) == 6

    enough = asyncio.Event()
    world.template("{{ tag('Flow') }}")
    asyncio.run(story())
    assert Held.asked == 6
    assert Held.most == report_render.AT_ONCE_MAX


def test_a_cancelled_run_ends_its_process_and_writes_nothing(
    world: World, children: list[asyncio.subprocess.Process]
) -> None:
    async def story() -> None:
        run = asyncio.create_task(world.renderer().render(make_report(), SCHEDULED, Asked(), world.out))
        await asked.wait()
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    class Asked(Data):
        async def tag(self, name: str) -> TagRow:
            asked.set()
            return TagRow(1.0)

    asked = asyncio.Event()
    world.template("{{ tag('Flow') }}" + LOOP)
    asyncio.run(story())
    assert [child.returncode for child in children] == [-signal.SIGKILL]
    assert not world.out.exists()


def test_a_process_that_is_killed_costs_one_run(
    world: World, children: list[asyncio.subprocess.Process]
) -> None:
    class Killer(Data):
        async def tag(self, name: str) -> TagRow:
            children[-1].kill()
            return TagRow(1.0)

    world.template("{{ tag('Flow') }}")
    assert world.refused(data=Killer()) == "its process ended with SIGKILL"


def test_a_process_that_cannot_start_is_told_with_its_last_words(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.template("x")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert world.refused() == "its process cannot be started: No such file or directory"
    monkeypatch.undo()
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    assert world.refused().startswith("its process ended with status 1: ")


def test_a_process_may_write_no_file(world: World, children: list[asyncio.subprocess.Process]) -> None:
    limits: list[str] = []

    class Looks(Data):
        async def tag(self, name: str) -> TagRow:
            limits.append(Path(f"/proc/{children[-1].pid}/limits").read_text())
            return TagRow(os.getpriority(os.PRIO_PROCESS, children[-1].pid))

    world.template("{{ tag('Flow').value }}")
    world.run(ReportFormat.HTML, data=Looks(), memory_bytes=300 * 2**20)
    rows = {line[:25].strip(): line[25:].split()[:2] for line in limits[0].splitlines()}
    assert rows["Max file size"] == ["0", "0"]
    assert rows["Max address space"] == [str(300 * 2**20)] * 2
    lowered = min(os.getpriority(os.PRIO_PROCESS, 0) + 10, 19)
    assert (world.out / f"{NAME}.html").read_text() == f"{lowered}.0"


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead but not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_the_process_ends_with_the_server(world: World, tmp_path: Path) -> None:
    """The server is killed while the template loops: nobody is left behind."""
    world.template(LOOP)
    script = f"""
import asyncio
from pathlib import Path
from changeover.model.report import Report, ReportFormat, Schedule
from changeover.runtime import report_dialogue, report_process
from changeover.runtime.report_data import PlantRow
from changeover.runtime.report_render import Renderer

async def start(*arguments, **options):
    child = await report_process.start_module(*arguments, **options)
    print(child.pid, flush=True)
    return child

report_dialogue.start_module = start
report = Report("Shift", Schedule(period=1), "x.j2", (ReportFormat.HTML,))
renderer = Renderer(Path({str(world.project)!r}), PlantRow("W"))
asyncio.run(renderer.render(report, 0, None, Path({str(world.out)!r})))
"""
    server = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    with server.stdout:
        pid = int(server.stdout.readline())
        server.kill()
        server.wait()
    give_up = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < give_up:
        time.sleep(0.01)
    assert not is_alive(pid)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_nothing_behind(world: World, tiny_disk: Path) -> None:
    world.out = tiny_disk
    world.template("<table><tr><td>short</table>{{ 'x' * 100000 }}")
    rendered = world.run(ReportFormat.HTML, ReportFormat.CSV)
    assert rendered == Rendered((f"{NAME}.csv",), ("html: No space left on device",))
    assert [path.name for path in tiny_disk.iterdir()] == [f"{NAME}.csv"]
    with pytest.raises(ReportError, match=r"^html: No space left on device$"):
        world.run(ReportFormat.HTML)
    assert [path.name for path in tiny_disk.iterdir()] == [f"{NAME}.csv"]


def test_a_folder_that_cannot_be_made_is_told(world: World) -> None:
    world.template("x")
    world.out.write_text("a file")
    with pytest.raises(ReportError, match=r"^html: File exists$"):
        world.run(ReportFormat.HTML)


def test_left_overs_of_an_earlier_life_are_removed_with_the_first_run(world: World) -> None:
    world.template("x")
    world.out.mkdir()
    left = world.out / ".report-0.tmp"
    left.write_text("half")
    os.utime(left, (0, 0))
    world.run(ReportFormat.HTML)
    assert [path.name for path in world.out.iterdir()] == [f"{NAME}.html"]


@pytest.mark.parametrize("reply", ["nonsense", "endless", "silence"])
def test_a_process_that_says_nonsense_costs_one_run(
    world: World, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    """A template that got out of its sandbox could say anything; the server still goes on."""
    says: dict[str, Callable[[], str]] = {
        "nonsense": lambda: "o.write(b'\\0\\0\\0\\3abc')",
        "endless": lambda: "o.write(b'\\xff' * 100)",
        "silence": lambda: "pass",
    }
    script = f"import sys, time; o = sys.stdout.buffer; {says[reply]()}; o.flush(); time.sleep(600)"

    async def start(module: str, *arguments: str, **options: object) -> asyncio.subprocess.Process:
        command = (sys.executable, "-c", script)
        return await asyncio.create_subprocess_exec(*command, start_new_session=True, **options)

    monkeypatch.setattr(report_dialogue, "start_module", start)
    monkeypatch.setattr(report_dialogue, "_START_SECONDS", 0.5 if reply == "silence" else 30.0)
    world.template("x")
    assert (
        world.refused()
        == {
            "nonsense": "its process says what is no request",
            "endless": "its process says more than it may",
            "silence": "its process does not run after 0.5 s",
        }[reply]
    )
