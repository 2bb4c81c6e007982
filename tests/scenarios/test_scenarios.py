"""Scenario files and their golden traces.

`pytest tests/scenarios --rewrite-golden` writes the traces anew: read the difference against the changeover
model before you commit it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from changeover.model.policy import Family
from changeover.scenario.text import SEPARATOR, format_trace, parse, with_golden
from changeover.simulation.scenario_run import run_scenario

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.txt"))
TRACE_OF = """
import sys
from pathlib import Path
from changeover.scenario.text import parse
from changeover.simulation.scenario_run import run_scenario
for line in run_scenario(parse(Path(sys.argv[1]).read_text("utf-8"))):
    print(line)
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_trace_is_the_golden_one(path: Path, rewrites_golden: bool) -> None:
    text = path.read_text("utf-8")
    scenario = parse(text)
    trace = format_trace(run_scenario(scenario))
    if rewrites_golden:
        path.write_text(with_golden(text, trace), "utf-8")
        return
    assert trace == scenario.golden


def test_there_are_scenarios_of_every_family_and_each_says_what_it_shows() -> None:
    assert {parse(path.read_text("utf-8")).sketch.family for path in FILES} == set(Family)
    for path in FILES:
        assert path.read_text("utf-8").startswith("# "), f"{path.name} must begin with prose"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a-server-silent", "unit-activated"),
        ("c-lan-silent-two-lans", "unit-activated"),
        ("a-all-functions-silent", "server-found"),
    ],
)
def test_the_same_seed_gives_the_same_trace_under_two_hash_seeds(
    name: str, kind: str, tmp_path: Path
) -> None:
    above = (FOLDER / f"{name}.txt").read_text("utf-8").partition(SEPARATOR)[0]
    drawn = "\n".join(line for line in above.splitlines() if not line.startswith("phases"))
    busy = drawn.replace("\nat ", "\nseed: 11\nat ", 1).replace("plant: ", "plant: devices 3, clients 3, ", 1)
    path = tmp_path / "scenario.txt"
    path.write_text(busy, "utf-8")
    traces = [
        subprocess.run(
            [sys.executable, "-c", TRACE_OF, str(path)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("0", "1", "4711")
    ]
    assert traces[0].count(kind) >= 9
    assert traces[0] == traces[1] == traces[2]


def test_another_seed_gives_another_trace() -> None:
    text = "plant: family A\nseed: {}\nat 2 s: server-silent IOServer1\nrun until 60 s\n"
    one, again, other = (run_scenario(parse(text.format(seed))) for seed in (1, 1, 2))
    assert one == again
    assert one != other
