"""Standard output as a console for tables."""

from __future__ import annotations

import os
import sys

from rich.console import Console

_PIPED_COLUMNS = 200
"""Where no terminal cuts lines off."""


def make_console() -> Console:
    """A console on standard output; as wide as it takes where that is no terminal."""
    console = Console(highlight=False)
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        console.width = _PIPED_COLUMNS
    return console
