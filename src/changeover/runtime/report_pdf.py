"""PDF from a page, where a tool for it is installed.

The tool is a child process in a session of its own, in a temporary folder that is also its home. It gets a
time limit and a memory limit, and whatever ends the call ends it and everything that it started. The page is
copied with a policy that lets it load nothing, neither from the network nor from this machine's files.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from changeover.runtime.report_process import end, ending, start_tool

PDF_SECONDS_MAX = 60.0
PDF_MEMORY_BYTES = 2**30
"""Of each process of a tool. In a browser that is enough for some thousand rows of tables."""
PDF_BYTES_MAX = 64 * 2**20
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOOKED_FOR = (*_CHROMIUM, "weasyprint", "wkhtmltopdf")
_CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
    # With tags a long table makes the file thirty times as large.
    "--disable-pdf-tagging",
)
_POLICY = (
    '<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline' data:; img-src data:; font-src data:\">"
)
_DOCTYPE = re.compile(rb"\s*(?:<!--.*?-->\s*)*<!doctype[^>]*>", re.IGNORECASE | re.DOTALL)
_WORDS_BYTES_MAX = 4096
_END_BYTES = 1024
"""The end mark of a PDF is in its last bytes."""


class PdfError(Exception):
    """No PDF; the text says why."""


@dataclass(frozen=True, slots=True)
class PdfTool:
    """An installed tool.

    Attributes:
        name: One of `LOOKED_FOR`.
        command: The program, and the arguments that come first.
    """

    name: str
    command: tuple[str, ...]

    def arguments(self, folder: Path, page: Path, pdf: Path) -> tuple[str, ...]:
        """Program and arguments that make one PDF of one page; the folder is for what the tool keeps."""
        if self.name == "weasyprint":
            return (*self.command, "--quiet", "--allowed-protocols", "data", str(page), str(pdf))
        if self.name == "wkhtmltopdf":
            options = ("--quiet", "--page-size", "A4", "--disable-javascript", "--disable-local-file-access")
            return (*self.command, *options, str(page), str(pdf))
        return (
            *self.command,
            *_CHROMIUM_OPTIONS,
            f"--user-data-dir={folder / 'profile'}",
            f"--print-to-pdf={pdf}",
            page.as_uri(),
        )


def find_tool() -> PdfTool | None:
    """The first tool of `LOOKED_FOR` that is installed: a program on PATH, or weasyprint as a module."""
    for name in LOOKED_FOR:
        if path := shutil.which(name):
            return PdfTool(name, (path,))
        if name == "weasyprint" and importlib.util.find_spec(name):
            return PdfTool(name, (sys.executable, "-m", name))
    return None


async def make_pdf(page: bytes, seconds_max: float = PDF_SECONDS_MAX) -> bytes:
    """Print a page.

    Args:
        page: HTML, UTF-8, complete in itself.
        seconds_max: How long the tool may take.

    Raises:
        PdfError: No tool is installed, or it made no PDF in that time.
    """
    tool = find_tool()
    if tool is None:
        raise PdfError(f"no tool for it is installed (looked for {', '.join(LOOKED_FOR)})")
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="changeover-pdf-"))
    try:
        source, target = folder / "page.html", folder / "page.pdf"
        await asyncio.to_thread(source.write_bytes, closed_page(page))
        await _run(folder, tool.arguments(folder, source, target), seconds_max)
        return await asyncio.to_thread(_read, target)
    except PdfError as error:
        raise PdfError(f"{tool.name}: {error}") from error
    except OSError as error:
        raise PdfError(f"{tool.name}: {error.strerror or error}") from error
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def closed_page(page: bytes) -> bytes:
    """The page with a policy that lets it load nothing: no script, no file, no address."""
    doctype = _DOCTYPE.match(page)
    # Before a doctype the policy would turn the page's layout rules back by decades.
    end = doctype.end() if doctype else 0
    return page[:end] + _POLICY.encode() + page[end:]


async def _run(folder: Path, command: tuple[str, ...], seconds_max: float) -> None:
    homes = dict.fromkeys(("HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    # What it says goes to a file: its own children may hold a pipe open after it has ended.
    with (folder / "words").open("w+b") as words:
        process = await start_tool(
            PDF_MEMORY_BYTES,
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            cwd=str(folder),
            env={**os.environ, **homes},
        )
        try:
            async with asyncio.timeout(seconds_max):
                status = await process.wait()
        except TimeoutError:
            raise PdfError(f"not done after {seconds_max:g} s") from None
        finally:
            await end(process)
        if status:
            words.seek(max(0, words.seek(0, os.SEEK_END) - _WORDS_BYTES_MAX))
            raise PdfError(ending(status, words.read().decode(errors="replace")))


def _read(path: Path) -> bytes:
    try:
        length = path.stat().st_size
    except FileNotFoundError:
        # A browser whose page has no memory left ends as if all were well.
        limits = f"{PDF_MEMORY_BYTES // 2**20} MiB"
        raise PdfError(f"wrote no file; perhaps the page needs more than {limits} of memory") from None
    if length > PDF_BYTES_MAX:
        raise PdfError(f"wrote more than {PDF_BYTES_MAX // 2**20} MiB")
    pdf = path.read_bytes()
    if not pdf.startswith(b"%PDF-") or b"%%EOF" not in pdf[-_END_BYTES:]:
        raise PdfError("wrote no whole PDF")
    return pdf
