"""Renders docs/reference/parameters.md from the parameter table and the driver table.

To regenerate it: `.venv/bin/python -m changeover.config.reference > docs/reference/parameters.md`
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from changeover.config.driver_table import DRIVERS
from changeover.config.parameters import PARAMETERS, STACK_PARAMETERS, Parameter
from changeover.config.servers import (
    DEFAULT_PORTS,
    PAGE_SCAN_MS_DEFAULT,
    PAGE_SCAN_MS_MAX,
    PAGE_SCAN_MS_MIN,
)

_PARAMETER_HEAD = ("parameter", "unit", "default", "range", "affects", "use", "source")

_INTRODUCTION = """\
# Parameters

Generated from the parameter table and the driver table; edit those, then run
`.venv/bin/python -m changeover.config.reference > docs/reference/parameters.md`.

**Families:** A is below 3.40, and 4.00 to below 4.20; B is 3.40 to below 4.00, and 4.20 to below 5.0;
C is 5.0 and later. **Use:** *read* parameters govern what the product does; *checked only* parameters are
checked and documented, nothing reads them yet. **Source:** KB n is the vendor's knowledge-base article Qn,
AV n page n of the current vendor help, H the help of version 7; Microsoft n is article n of its own knowledge
base; *ours* is a choice of this project because the sources are silent.

WatchTime is in **seconds** everywhere but in `[Report]`; time-outs are in **milliseconds** everywhere but in
[IOSERVER]CancelTimeout and [Alarm]StartTimeout. The csv files of a project have
[a page of their own](project-files.md).
"""


def render() -> str:
    """The whole page as Markdown."""
    parts = [_INTRODUCTION, "## citect.ini\n"]
    for section in dict.fromkeys(row.section for row in PARAMETERS):
        parts.append(f"### [{section}]\n")
        rows = (row for row in PARAMETERS if row.section == section)
        parts.append(_table(_PARAMETER_HEAD, (_cells(row) for row in rows)))
    parts += [
        "## Drivers\n",
        "An I/O device's `protocol` is one of these. Time-out τ and retry r decide when a silent device is "
        "lost (D5): after τ × (r+1) by the rule *retry + 1*, after τ × (r+1)² by *(retry + 1) squared*. "
        "Protocols that are not spoken here can be forecast only.\n",
        _table(
            ("protocol", "goes offline after", "spoken here", "source"),
            (
                (d.protocol, d.offline_rule.value, "Modbus TCP" if d.is_spoken else "no", d.source)
                for d in DRIVERS
            ),
        ),
        "Sections nest, the most specific wins, value by value: `[MODNET]`, then `[MODNET.port]`, then "
        "`[MODNET.port.device]`, where *port* is a unit's `port_name` and *device* the I/O device's name.\n",
    ]
    for driver in DRIVERS:
        parts.append(f"### [{driver.protocol}]\n")
        parts.append(_table(_PARAMETER_HEAD, (_cells(row) for row in driver.parameters)))
    parts += ["## plant.toml\n", _plant_table()]
    return "\n".join(parts)


def _cells(row: Parameter) -> Sequence[str]:
    a, b, c = row.defaults
    default = str(a) if a == b == c else f"A: {a}, B: {b}, C: {c}"
    return (
        row.name,
        row.unit.value,
        default,
        f"{row.minimum} to {row.maximum}",
        row.affects,
        row.use.value,
        row.source,
    )


def _plant_table() -> str:
    rows: list[Sequence[str]] = [
        (
            f"[{r.table}] {r.key}",
            r.unit.value,
            f"{r.default:g}",
            f"{r.minimum:g} to {r.maximum:g}",
            r.affects,
            r.source,
        )
        for r in STACK_PARAMETERS
    ]
    scan_range = f"{PAGE_SCAN_MS_MIN} to {PAGE_SCAN_MS_MAX}"
    rows.append(
        (
            "[[client]] page_scan_ms",
            "ms",
            str(PAGE_SCAN_MS_DEFAULT),
            scan_range,
            "Period of requests, R.",
            "ours",
        )
    )
    for function, port in DEFAULT_PORTS.items():
        key = f"[[{function.value.removesuffix('-data')}_server]] port"
        rows.append((key, "count", str(port), "1 to 65535", "TCP port on every LAN of the computer.", "ours"))
    return _table(("key", "unit", "default", "range", "affects", "source"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.buffer.write(render().encode())
