"""`[limits]` of plant.toml: what a site has measured, by protocol, device or unit, and by LAN."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from changeover.config.diagnostics import quoted
from changeover.config.toml_table import Table
from changeover.model.device import IoDevice
from changeover.model.lan import Lan
from changeover.model.limits import Limits
from changeover.model.moment import Duration, milliseconds

ANSWERS = "device_answer_ms"
ACKNOWLEDGEMENTS = "acknowledgement_ms"
LEAST_MS = 0.01
GREATEST_MS = 600_000


def read_limits(root: Table, devices: Mapping[str, IoDevice], lans: Iterable[Lan]) -> Limits:
    """Read `[limits]`; problems go to the table's findings.

    Args:
        root: The document's root table.
        devices: I/O devices.
        lans: LANs.

    Returns:
        Each unit with the most specific value that there is: of `IOServer1.PLC1`, else of `PLC1`, else of its
        protocol.
    """
    table = root.table("limits")
    table.expect_only(ANSWERS, ACKNOWLEDGEMENTS)
    by_lan = {lan.name.lower(): lan.name for lan in lans}
    slowest = _read(table.table(ACKNOWLEDGEMENTS), by_lan, "a LAN")
    names: dict[str, str] = {}
    for device in devices.values():
        names[device.protocol.lower()] = device.protocol
        names[device.name.lower()] = device.name
        for unit in device.units:
            names[f"{unit.io_server}.{unit.device}".lower()] = f"{unit.io_server}.{unit.device}"
    answers = _read(table.table(ANSWERS), names, "a protocol, an I/O device, or an I/O server and its device")
    found = []
    for device in devices.values():
        for unit in device.units:
            places = (f"{unit.io_server}.{unit.device}", device.name, device.protocol)
            answer = next((answers[place] for place in places if place in answers), None)
            if answer is not None:
                found.append((unit.name, answer))
    return Limits(tuple(found), tuple(slowest.items()))


def _read(table: Table, names: Mapping[str, str], kind: str) -> dict[str, Duration]:
    """Durations by the names that they are given for."""
    found: dict[str, Duration] = {}
    for key in table.values:
        name = names.get(key.strip().lower())
        if name is None:
            near = difflib.get_close_matches(key.lower(), names, n=1)
            allowed = f"did you mean {names[near[0]]}?" if near else f"{kind} is wanted"
            table.problem(key, f"{quoted(key)} is not in this plant", allowed)
        else:
            found[name] = milliseconds(table.number(key, LEAST_MS, GREATEST_MS, LEAST_MS))
    return found
