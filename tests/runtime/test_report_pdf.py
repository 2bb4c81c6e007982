"""PDF by a tool that is installed, and by tools that behave badly."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from changeover.runtime import report_pdf
from changeover.runtime.report_pdf import LOOKED_FOR, PdfError, PdfTool, closed_page, find_tool, make_pdf

PAGE = b"<!doctype html><html><head><title>t</title></head><body><p>Flow 12.5 m\xc2\xb3/h</p></body></html>"
NEVER_SECONDS = 600
"""A tool that sleeps for so long never ends by itself in a test."""
GIVE_UP_SECONDS = 60
"""What has not happened by then never will."""


@pytest.fixture
def scratch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the temporary folders of the tools are made; browsers cannot do with a long path."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


class Tools:
    """Programs of a test, the only ones on PATH."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids = folder / "pids"

    def add(self, name: str, script: str) -> None:
        """A program in Python; it finds its arguments in `sys.argv`, and writes its pid first."""
        path = self.folder / name
        note = f"open({str(self.pids)!r}, 'a').write(f'{{os.getpid()}}\\n')"
        path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{note}\n{script}")
        path.chmod(0o755)

    def started(self) -> list[int]:
        return [int(pid) for pid in self.pids.read_text().split()] if self.pids.exists() else []


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: Path) -> Tools:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return Tools(folder)


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that is dead but not yet reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


async def until_dead(pids: list[int]) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while any(is_alive(pid) for pid in pids):
            await asyncio.sleep(0.01)


async def until_started(tools: Tools, count: int) -> None:
    async with asyncio.timeout(GIVE_UP_SECONDS):
        while len(tools.started()) < count:
            await asyncio.sleep(0.01)


WRITE_TO_LAST = "open(sys.argv[-1], 'wb').write(b'%PDF-1.4 whole %%EOF')\n"
WRITE_TO_OPTION = (
    "to = [a.partition('=')[2] for a in sys.argv if a.startswith('--print-to-pdf=')][0]\n"
    "open(to, 'wb').write(b'%PDF-1.4 ' + str(sys.argv).encode() + b' %%EOF')\n"
)


def test_without_a_tool_it_is_said_what_was_looked_for(tools: Tools) -> None:
    assert find_tool() is None
    with pytest.raises(PdfError) as raised:
        asyncio.run(make_pdf(PAGE))
    assert str(raised.value) == (
        "no tool for it is installed (looked for chromium, chromium-browser, google-chrome, "
        "google-chrome-stable, weasyprint, wkhtmltopdf)"
    )


def test_the_tools_are_tried_in_their_order(tools: Tools) -> None:
    for name in reversed(LOOKED_FOR):
        tools.add(name, "")
        assert find_tool() == PdfTool(name, (str(tools.folder / name),))


def test_a_module_is_a_tool_too(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    (tools.folder / "weasyprint.py").write_text("")
    monkeypatch.syspath_prepend(str(tools.folder))
    assert find_tool() == PdfTool("weasyprint", (sys.executable, "-m", "weasyprint"))


@pytest.mark.parametrize("name", ["weasyprint", "wkhtmltopdf"])
def test_what_a_tool_wrote_is_the_pdf(tools: Tools, scratch: Path, name: str) -> None:
    tools.add(name, WRITE_TO_LAST)
    assert asyncio.run(make_pdf(PAGE)) == b"%PDF-1.4 whole %%EOF"
    assert list(scratch.iterdir()) == []


def test_a_browser_gets_a_profile_of_its_own_and_no_network(tools: Tools, scratch: Path) -> None:
    tools.add("chromium", WRITE_TO_OPTION)
    arguments = asyncio.run(make_pdf(PAGE)).decode()
    assert f"--user-data-dir={scratch}/" in arguments
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in arguments
    assert list(scratch.iterdir()) == []


def test_a_tool_works_at_a_low_priority_in_its_own_home(tools: Tools, scratch: Path) -> None:
    script = (
        "open(sys.argv[-1], 'w').write(f\"%PDF-1.4 {os.nice(0)} {os.environ['HOME']} {os.getcwd()} %%EOF\")\n"
    )
    tools.add("wkhtmltopdf", script)
    _, nice, home, cwd, _ = asyncio.run(make_pdf(PAGE)).decode().split()
    assert int(nice) == min(os.nice(0) + 10, 19)
    assert home == cwd and home.startswith(f"{scratch}/")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("print('what a mess'); sys.exit(3)", "wkhtmltopdf: ended with status 3: what a mess"),
        ("os.kill(os.getpid(), 11)", "wkhtmltopdf: ended with SIGSEGV"),
        ("pass", "wkhtmltopdf: wrote no file; perhaps the page needs more than 1024 MiB of memory"),
        ("x = bytearray(2**31)", "wkhtmltopdf: ended with status 1: MemoryError"),
        ("open(sys.argv[-1], 'w').write('%PDF-1.4 half')", "wkhtmltopdf: wrote no whole PDF"),
        ("open(sys.argv[-1], 'w').write('<html>%%EOF')", "wkhtmltopdf: wrote no whole PDF"),
        ("open(sys.argv[-1], 'w').truncate(2**30)", "wkhtmltopdf: wrote more than 64 MiB"),
    ],
)
def test_a_tool_that_makes_no_pdf_is_told(tools: Tools, scratch: Path, script: str, words: str) -> None:
    tools.add("wkhtmltopdf", script)
    with pytest.raises(PdfError) as raised:
        asyncio.run(make_pdf(PAGE))
    assert str(raised.value) == words
    assert list(scratch.iterdir()) == []


HANGS = f"""
if os.fork() == 0:
    open({{pids!r}}, 'a').write(f'{{{{os.getpid()}}}}\\n')
time.sleep({NEVER_SECONDS})
"""


def test_a_tool_that_hangs_is_ended_with_all_that_it_started(tools: Tools, scratch: Path) -> None:
    async def story() -> None:
        tools.add("chromium", HANGS.format(pids=str(tools.pids)))
        with pytest.raises(PdfError, match="chromium: not done after 1 s"):
            await make_pdf(PAGE, seconds_max=1)
        await until_dead(tools.started())

    asyncio.run(story())
    assert list(scratch.iterdir()) == []


def test_a_tool_is_ended_when_the_call_is_cancelled(tools: Tools, scratch: Path) -> None:
    async def story() -> None:
        tools.add("chromium", HANGS.format(pids=str(tools.pids)))
        call = asyncio.create_task(make_pdf(PAGE))
        await until_started(tools, 2)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await until_dead(tools.started())

    asyncio.run(story())
    assert list(scratch.iterdir()) == []


def test_a_tool_is_ended_when_the_server_is_killed(tools: Tools, scratch: Path) -> None:
    tools.add("chromium", f"time.sleep({NEVER_SECONDS})")
    server = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio; from changeover.runtime.report_pdf import make_pdf; asyncio.run(make_pdf(b'x'))",
        ],
        env={**os.environ, "TMPDIR": str(scratch)},
    )
    asyncio.run(until_started(tools, 1))
    server.kill()
    server.wait()
    asyncio.run(until_dead(tools.started()))


def test_the_policy_comes_after_the_doctype() -> None:
    closed = closed_page(b"<!-- x -->\n<!DOCTYPE html>\n<html>")
    assert closed.startswith(b"<!-- x -->\n<!DOCTYPE html><meta charset=") and closed.endswith(b"\n<html>")
    assert closed_page(b"<p>x").startswith(b"<meta charset=")
    assert b"default-src 'none'" in closed


@pytest.fixture
def real_tool() -> PdfTool:
    tool = find_tool()
    if tool is None:
        pytest.skip(f"no tool for PDF is installed (looked for {', '.join(LOOKED_FOR)})")
    return tool


def text_of(pdf: bytes, folder: Path) -> str:
    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("pdftotext is not installed, so nobody can read what is in a PDF")
    path = folder / "x.pdf"
    path.write_bytes(pdf)
    return subprocess.run([program, path, "-"], check=True, capture_output=True, text=True).stdout


def test_a_real_tool_prints_the_page(real_tool: PdfTool, scratch: Path, tmp_path: Path) -> None:
    pdf = asyncio.run(make_pdf(PAGE))
    assert list(scratch.iterdir()) == []
    assert "Flow 12.5 m³/h" in text_of(pdf, tmp_path)


def test_a_page_runs_no_script_and_reads_no_file(
    real_tool: PdfTool, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if real_tool.name not in LOOKED_FOR[:4]:
        pytest.skip(f"{real_tool.name} has no scripts, and no frames")
    secret = tmp_path / "secret.txt"
    secret.write_text("SECRET")
    script = "<script>document.body.append('SCRIPTED')</script>"
    page = f"<p>visible<iframe src='{secret.as_uri()}'></iframe>{script}"
    closed = text_of(asyncio.run(make_pdf(page.encode())), tmp_path)
    assert "visible" in closed and "SECRET" not in closed and "SCRIPTED" not in closed
    monkeypatch.setattr(report_pdf, "closed_page", lambda page: page)
    open_page = text_of(asyncio.run(make_pdf(page.encode())), tmp_path)
    assert "SECRET" in open_page and "SCRIPTED" in open_page, "this test would not notice"
