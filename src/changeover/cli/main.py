"""The command: its verbs are imported only when they are used, so that it starts quickly."""

from __future__ import annotations

import importlib
import io
import keyword
import os
import sys
from typing import Any

import click

from changeover import __version__

VERBS = {
    "new": "Write a commented example project that runs.",
    "import": "Make a project of a Citect project's tables and ini.",
    "check": "Read a project and list every fault and warning in it.",
    "explain": "Say what affects what, in seconds.",
    "forecast": "Forecast every changeover of a project from its parameters.",
    "plan": "Find the smallest change of parameters that reaches a target.",
    "simulate": "Run the machines on a virtual clock and compare with the forecast.",
    "run": "Run one computer's servers and clients.",
    "up": "Run a whole project on this machine.",
    "alarms": "List alarms, and act on them.",
    "trend": "Show or export what was recorded of a tag.",
    "reports": "List the runs of reports.",
    "watch": "Show a client's live tags.",
    "write": "Set a tag.",
    "drill": "Inject real faults and hold the changeovers against the forecast.",
    "measure": "Measure what the site's network and devices really do.",
    "demo": "Show the whole product in a minute.",
    "plc": "Run simulated PLCs.",
}


class Verbs(click.Group):
    """Verbs by name, one module each."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of their use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in VERBS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = importlib.import_module(f"changeover.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run, and end in words where standard output takes nothing more."""
        if isinstance(sys.stdout, io.TextIOWrapper):
            # Not every terminal can show a dash or a triangle.
            sys.stdout.reconfigure(errors="replace")
        try:
            return super().main(*args, **extra)
        except OSError as error:
            print(f"changeover: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
            # Nothing more goes to it: what is left in its buffer would fail once again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise SystemExit(1) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help without importing every verb."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="changeover")
def main() -> None:
    """A redundant SCADA runtime whose changeovers are forecast, simulated and drilled."""
