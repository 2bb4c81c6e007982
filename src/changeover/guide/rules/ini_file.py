"""Lines of citect.ini that do something else than whoever wrote them believes."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.config.diagnostics import quoted
from changeover.config.driver_table import DRIVERS
from changeover.config.known_parameters import (
    CLUSTER_SECTIONS,
    DRIVER_SECTIONS,
    base_section,
    elsewhere,
    nearly,
    row_of,
)
from changeover.guide.rules.rule import Found, note, warning
from changeover.guide.site import Site

VALUE_LENGTH_MAX = 254


@warning
def shadowed_duplicate(site: Site) -> Iterator[Found]:
    """A parameter that an earlier line of the same section sets to something else."""
    for entry in site.ini.entries:
        winner = site.ini.get(entry.section, entry.name)
        if not entry.shadowed or winner is None or row_of(entry.section, entry.name) is None:
            continue
        if winner.value != entry.value:
            yield Found(
                site.at_entry(entry),
                f"{quoted(entry.value)} is ignored, line {winner.line} sets {quoted(winner.value)} first",
                "of duplicates the first wins, also across repeated sections",
                "take one of the two lines out",
            )


@warning
def unknown_parameter(site: Site) -> Iterator[Found]:
    """A name that is nearly one that is read."""
    for entry in site.ini.entries:
        is_unknown = row_of(entry.section, entry.name) is None and not entry.name.startswith(";")
        if is_unknown and not entry.disabled:
            meant = nearly(entry.section, entry.name)
            if meant is not None:
                yield Found(
                    site.at_entry(entry),
                    "is not known and has no effect",
                    "names that are not known are left alone: the parameter keeps its default",
                    f"did you mean [{entry.section}]{meant.name}?",
                )


@note
def semicolon_line(site: Site) -> Iterator[Found]:
    """A line that begins with `;`, which is no comment here."""
    for entry in site.ini.entries:
        name = entry.name.lstrip("; ")
        if not entry.disabled and name != entry.name and row_of(entry.section, name) is not None:
            yield Found(
                site.at_entry(entry),
                "';' begins no comment: this is an unknown parameter whose name begins with it",
                "only a line that begins with # is a comment, one that begins with ! a disabled parameter",
                f"write !{name}={entry.value}",
            )


@warning
def wrong_section(site: Site) -> Iterator[Found]:
    """A parameter that is read, but in another section than this."""
    for entry in site.ini.entries:
        if not entry.is_effective or row_of(entry.section, entry.name) is not None:
            continue
        meant = elsewhere(entry.section, entry.name)
        if meant is not None:
            yield Found(
                site.at_entry(entry),
                "has no effect in this section",
                f"it is read in [{meant.section}] alone: the parameter keeps its default",
                f"put the line under [{meant.section}]",
            )


@warning
def value_too_long(site: Site) -> Iterator[Found]:
    """A value of more than 254 characters."""
    for entry in site.ini.entries:
        if len(entry.value) > VALUE_LENGTH_MAX and entry.is_effective:
            yield Found(
                site.at_entry(entry),
                f"has {len(entry.value)} characters",
                f"the product reads {VALUE_LENGTH_MAX} at most",
                "shorten it",
            )


@warning
def cluster_section(site: Site) -> Iterator[Found]:
    """A section of one cluster or server: there are no clusters here."""
    for entry in site.ini.entries:
        base = base_section(entry.section)
        is_set = row_of(entry.section, entry.name) is not None and entry.is_effective and entry.value
        if base in CLUSTER_SECTIONS and entry.section.lower() != base and is_set:
            yield Found(
                site.at_entry(entry),
                "has no effect",
                "there are no clusters here, so no section of one is read",
                f"write [{base.capitalize()}]",
            )


@warning
def port_of_no_unit(site: Site) -> Iterator[Found]:
    """A section such as [MODNET.Prt1] that sets the timing of no unit: most likely it is misspelt."""
    names = {(driver.protocol.lower(), row.name.lower()) for driver in DRIVERS for row in driver.timing}
    protocols = {device.protocol.lower() for device in site.plant.io_devices}
    ports: set[str] = set()
    for device, unit, _ in site.units:
        if unit.port_name:
            port = f"{device.protocol}.{unit.port_name}".lower()
            ports |= {port, f"{port}.{device.name.lower()}"}
    for entry in site.ini.entries:
        section = entry.section.lower()
        protocol, dot, _ = section.partition(".")
        relevant = dot and protocol in protocols and (protocol, entry.name.lower()) in names
        if relevant and entry.is_effective and entry.value and section not in ports:
            yield Found(
                site.at_entry(entry),
                "applies to no unit",
                "a nested section is read where it names the port_name of a unit, or that and its I/O device",
                "write [PROTOCOL], [PROTOCOL.port] or [PROTOCOL.port.device], with a unit's port_name",
            )


@note
def driver_unused(site: Site) -> Iterator[Found]:
    """A section of a driver that no I/O device of this plant has."""
    used = {device.protocol.lower() for device in site.plant.io_devices}
    told: set[str] = set()
    for entry in site.ini.entries:
        base = base_section(entry.section)
        if base in DRIVER_SECTIONS - used - told and entry.is_effective:
            told.add(base)
            yield Found(
                site.at_entry(entry),
                f"no I/O device speaks {base.upper()}: its section has no effect",
                "a driver's parameters govern the faults of its own I/O devices alone (D5)",
                "nothing, where the file serves other projects too",
            )


RULES = (
    shadowed_duplicate,
    unknown_parameter,
    wrong_section,
    semicolon_line,
    value_too_long,
    cluster_section,
    port_of_no_unit,
    driver_unused,
)
