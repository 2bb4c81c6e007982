"""The project that the long drills and their tests strike: the template's plant, busy, with small values.

A second LAN for clients where that is wanted, alarms that are switched often, trends of every kind, and a
report every five seconds of which every run counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from changeover.cli.new import write_project

SECOND_LAN = '[[lan]]\nname = "LAN_B"\nsubnet = "127.11.0.0/16"\n\n[[lan]]\nname = "FIELD"'
SWITCHED = 24
"""Coils that alarms watch, beside the template's tags."""

REPORTS = """name,schedule,period,template,formats,missed
Log,,00:00:05,reports/log.html.j2,html;csv,all
"""
TEMPLATE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{{ report.name }}</title>{{ page_style }}</head><body>
<table>
<caption>The last minute</caption>
<thead><tr><th>From</th><th class="number">Mean</th></tr></thead>
<tbody>
{% for row in trend("Basin_Level", "-1m", scheduled, bucket="10s") %}
<tr><td>{{ row.utc|local }}</td><td class="number">{{ row.mean|number(2) }}</td></tr>
{% endfor %}
</tbody>
</table>
<p>Level now {{ tag("Basin_Level")|number(2) }}, active alarms {{ alarms(active=True)|length }}</p>
</body></html>
"""


def write_drill_project(
    folder: Path,
    ini: Mapping[str, Mapping[str, int]],
    version: str = "5.0",
    lans: int = 2,
    page_scan_ms: int = 250,
) -> Path:
    """Write the project into a new folder.

    Args:
        folder: Where.
        ini: By section, parameters of citect.ini.
        version: Of the product, in plant.toml.
        lans: Of clients, 1 or 2.
        page_scan_ms: Of the client.

    Returns:
        `folder`.
    """
    write_project(folder)
    plant = (folder / "plant.toml").read_text().replace('version = "5.0"', f'version = "{version}"')
    plant = plant.replace("page_scan_ms = 250", f"page_scan_ms = {page_scan_ms}")
    if lans == 2:
        plant = plant.replace('[[lan]]\nname = "FIELD"', SECOND_LAN)
        for host in (11, 12, 21):
            address = f'LAN_A = "127.10.0.{host}"'
            assert address in plant, f"the template has no {address}"
            plant = plant.replace(address, f'{address}, LAN_B = "127.11.0.{host}"')
    (folder / "plant.toml").write_text(plant)
    sections = (
        f"[{section}]\n" + "".join(f"{name}={value}\n" for name, value in values.items())
        for section, values in ini.items()
    )
    (folder / "citect.ini").write_text("\n".join(sections))
    _add_alarms(folder)
    (folder / "reports.csv").write_text(REPORTS)
    (folder / "reports" / "log.html.j2").write_text(TEMPLATE)
    return folder


def _add_alarms(folder: Path) -> None:
    with (folder / "tags.csv").open("a") as tags:
        for number in range(1, SWITCHED + 1):
            tags.write(f"Motor{number}_Trip,DIGITAL,PLC1,{number + 16:05},,,,,,,Motor {number} has tripped\n")
    with (folder / "alarms.csv").open() as template:
        names = template.readline().strip().split(",")
    with (folder / "alarms.csv").open("a") as alarms:
        for number in range(1, SWITCHED + 1):
            row = {"tag": f"Motor{number}_Alarm", "type": "digital", "name": f"Motor {number}"}
            row |= {"desc": "Has tripped", "category": "Critical", "var_a": f"Motor{number}_Trip"}
            alarms.write(",".join(row.get(name, "") for name in names) + "\n")
