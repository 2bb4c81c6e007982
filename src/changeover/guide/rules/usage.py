"""What nobody sees, watches, records or runs."""

from __future__ import annotations

from collections.abc import Iterator

from changeover.config.task_files import ALARMS_FILE, REPORTS_FILE, TRENDS_FILE
from changeover.guide.rules.rule import Found, warning
from changeover.guide.site import Place, Site
from changeover.model.server import Function


@warning
def device_without_tags(site: Site) -> Iterator[Found]:
    """An I/O device that no tag is in."""
    tagged = {tag.device for tag in site.plant.tags}
    for device in site.plant.io_devices:
        if device.name not in tagged:
            yield Found(
                site.at_table("io_device", device.name, "name"),
                f"no tag is in {device.name}",
                "nobody sees it, so nobody sees its changeover",
                "tags.csv should have one",
            )


@warning
def server_without_units(site: Site) -> Iterator[Found]:
    """An I/O server that owns no unit."""
    for server in site.plant.io_servers:
        if not site.plant.units_of(server.name):
            yield Found(
                site.at_server(server),
                f"{server.name} owns no unit",
                "clients hold a session to it on every LAN, and it can take over nothing",
                "give it a [[io_device.unit]], or take it out",
            )


@warning
def nobody_serves(site: Site) -> Iterator[Found]:
    """Alarms, trends or reports in a plant without such a server."""
    lists = (
        (Function.ALARM, ALARMS_FILE, site.plant.alarms, "watches these alarms"),
        (Function.TREND, TRENDS_FILE, site.plant.trends, "records these tags"),
        (Function.REPORT, REPORTS_FILE, site.plant.reports, "runs these reports"),
    )
    files = {path.name.lower(): path for path in site.project.files}
    there = {server.function for server in site.plant.task_servers}
    for function, name, items, what in lists:
        if items and function not in there:
            yield Found(
                Place(str(files[name]), None, name),
                f"nobody {what}",
                f"plant.toml has no [[{function.value}_server]]",
                f"add [[{function.value}_server]], or take the rows out",
            )


RULES = (device_without_tags, server_without_units, nobody_serves)
