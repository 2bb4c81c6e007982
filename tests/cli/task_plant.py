"""A plant with alarm, trend and report servers that really runs, and its verbs in this very process.

Its alarms do not move: those named Always… are active as soon as a value is there and stay so, Never is not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from changeover.cli.main import main
from changeover.config.project import load_project
from changeover.drivers.modbus.address import check_address
from changeover.model.server import Function
from loopback import Project, command, end, free_port, make_project

STARTS_SECONDS = 60.0
ALARMS = """tag,type,name,desc,category,var,high,low,priority,area
Always_1,analogue,Steps,Counts,Critical,Steps,-1,,,1
Always_2,analogue,Steps,Counts,Warning,Steps,-1,,,1
Always_3,analogue,Steps,Counts,Warning,Steps,-1,,2,2
Always_4,analogue,Steps,Counts,Warning,Steps,-1,,,3
Always_5,analogue,Steps,Counts,9,Steps,-1,,,4
Never,analogue,Steps,Counts,Critical,Steps,,-1,,1
"""
CATEGORIES = "category,name,priority,log\n1,Critical,1,true\n2,Warning,5,true\n"
TRENDS = """tag,type,sampleper,trigger,area,retention
Steps,periodic,250ms,,,
Level,periodic,00:00:01,,,
Valve,event,,,,
"""
REPORTS = """name,schedule,period,template,formats,missed
Steps,,2,reports/steps.html.j2,csv,once
Broken,,3,reports/broken.html.j2,html,skip
"""
TEMPLATES = {
    "steps.html.j2": "<table><tr><td>{{ tag('Steps').value }}</td></tr></table>",
    "broken.html.j2": "{{ tag('Nope').value }}",
}


def make_task_project(folder: Path, *, send_timeout_ms: int = 1500) -> Project:
    """The plant of `loopback.make_project`, with a pair of servers for each function."""
    project = make_project(folder, send_timeout_ms=send_timeout_ms, ini="[LAN]\nWatchTime=1\n")
    text = (folder / "plant.toml").read_text()
    for function in (Function.ALARM, Function.TREND, Function.REPORT):
        for number, mode in ((1, "primary"), (2, "standby")):
            port = free_port(str(project.plant.computer(f"SCADA{number}").address_on("LAN_A")))
            text += (
                f'[[{function.value}_server]]\nname = "{function.value.title()}{number}"\n'
                f'computer = "SCADA{number}"\nmode = "{mode}"\nport = {port}\n'
            )
    (folder / "plant.toml").write_text(text)
    (folder / "reports").mkdir()
    files = {"alarms.csv": ALARMS, "categories.csv": CATEGORIES, "trends.csv": TRENDS, "reports.csv": REPORTS}
    files |= {f"reports/{name}": template for name, template in TEMPLATES.items()}
    for name, content in files.items():
        (folder / name).write_text(content)
    return Project(folder, load_project(folder, check_address=check_address).plant)


@dataclass(frozen=True)
class Running:
    """A project under `changeover up`."""

    project: Project
    supervisor: int

    @property
    def folder(self) -> str:
        return str(self.project.folder)

    def pid(self, node: str) -> int:
        """The process of a server; of one that is being restarted there is none."""
        found = self._pids(node)
        assert len(found) == 1, f"{node} has {len(found)} processes"
        return found[0]

    def is_there(self, node: str) -> bool:
        return len(self._pids(node)) == 1

    def _pids(self, node: str) -> list[int]:
        threads = Path(f"/proc/{self.supervisor}/task").iterdir()
        children = [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]
        return [pid for pid in children if _words(pid)[-2:] == ["--node", node]]


@contextmanager
def run_plant(folder: Path, **options: Any) -> Iterator[Running]:
    """Run it, and end everything of it."""
    project = make_task_project(folder, **options)
    process = command("up", str(folder))
    try:
        yield Running(project, process.pid)
    finally:
        process.terminate()
        status = process.wait(30)
        end(process)
        assert status == 0


def verb(*words: str) -> Result:
    """Run a verb in this process."""
    return CliRunner().invoke(main, list(words))


def told(*words: str) -> dict[str, Any]:
    """What a verb prints with --json."""
    result = verb(*words, "--json")
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def eventually(condition: Callable[[], object], what: str, seconds: float = STARTS_SECONDS) -> None:
    """Wait until something happens at all; the bound is one that only a fault reaches."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen within {seconds} s: {what}"
        time.sleep(0.1)


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    except (FileNotFoundError, ProcessLookupError):
        return []
