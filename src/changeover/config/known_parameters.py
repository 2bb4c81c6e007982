"""Which line of a citect.ini sets a parameter of the table, nested sections included."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from changeover.config.driver_table import DRIVERS
from changeover.config.parameters import PARAMETERS, Parameter, Use

_SLIP_RATIO = 0.9
_SECTION_RATIO = 0.8

DRIVER_SECTIONS = frozenset(driver.protocol.lower() for driver in DRIVERS)
CLUSTER_SECTIONS = frozenset({"alarm", "report"})
"""In the product [Alarm.Cluster.Server] beats [Alarm.Cluster], and that [Alarm]; here is no cluster."""

ROWS: Mapping[tuple[str, str], Parameter] = {
    (row.section.lower(), row.name.lower()): row
    for row in (*PARAMETERS, *(row for driver in DRIVERS for row in driver.parameters))
}
"""Every parameter by its section and name in lower case."""

SECTIONS = frozenset(section for section, _ in ROWS)


def base_section(section: str) -> str:
    """`modnet` of `MODNET.port.device`: the section, in lower case, whose rows apply."""
    lowered = section.lower()
    head = lowered.partition(".")[0]
    return head if head in DRIVER_SECTIONS | CLUSTER_SECTIONS else lowered


def row_of(section: str, name: str) -> Parameter | None:
    """The row of a parameter as a line names it, None for what is not known."""
    return ROWS.get((base_section(section), name.lower()))


def nearly(section: str, name: str) -> Parameter | None:
    """The parameter that is read whose name is nearly this one: most likely a slip."""
    base = base_section(section)
    names = {row.name.lower(): row for (of, _), row in ROWS.items() if of == base and row.use is Use.READ}
    found = difflib.get_close_matches(name.lower(), names, n=1, cutoff=_SLIP_RATIO)
    return names[found[0]] if found else None


def elsewhere(section: str, name: str) -> Parameter | None:
    """The parameter of that name that is read in another section, and most likely was meant.

    Of a section that is known itself any parameter whose name is in no other; of one that is not known
    those of the section that it is nearly called, since a site's file has hundreds of others.
    """
    base, lowered = base_section(section), name.lower()
    found = [row for (_, of), row in ROWS.items() if of == lowered and row.use is Use.READ]
    if base in SECTIONS:
        return found[0] if len(found) == 1 else None
    near = difflib.get_close_matches(base, SECTIONS, n=1, cutoff=_SECTION_RATIO)
    return next((row for row in found if near and row.section.lower() == near[0]), None)
