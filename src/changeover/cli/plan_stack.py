"""`changeover plan --write` where the network stack decides: what each computer has to be told."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.cli.common import fail

if TYPE_CHECKING:
    from changeover.config.project import Project
    from changeover.guide.planner import Change, Plan


def write_stack(project: Project, plan: Plan) -> str:
    """Write a registry file for Windows, or settings for sysctl, beside plant.toml; what was done, in words.

    Nothing that is there is overwritten, and nobody's computer is changed.
    """
    changes = [change for change in plan.changes if change.knob.is_of_stack]
    is_windows = changes[0].knob.section == "windows"
    content = _registry(project, changes) if is_windows else _sysctl(changes)
    path = _free(project.folder, "plan", ".reg" if is_windows else ".sysctl.conf")
    try:
        with path.open("xb") as file:
            file.write(content)
    except OSError as error:
        path.unlink(missing_ok=True)
        fail(f"{path}: {error.strerror}")
    where = "import it with regedit, and restart" if is_windows else "put it into /etc/sysctl.d"
    table = changes[0].knob.section
    lines = ", ".join(f"{change.knob.parameter.name} = {change.value}" for change in changes)
    return f"{path}: {where}, on each computer of the plant; then say so in [{table}] of plant.toml: {lines}"


def _registry(project: Project, changes: list[Change]) -> bytes:
    from changeover.config.registry import PARAMETERS_KEY
    from changeover.config.registry_values import RegistryChange, registry_text

    found = []
    for change in changes:
        setting = project.stacks.settings[change.knob.section, change.knob.parameter.name]
        old = None if setting.file is None else int(setting.value)
        found.append(RegistryChange(setting.row, PARAMETERS_KEY, old, change.value))
    return registry_text(found)


def _sysctl(changes: list[Change]) -> bytes:
    lines = []
    for change in changes:
        name = change.knob.parameter.name
        lines += [f"# was {change.knob.value}", f"net.ipv4.{name} = {change.value}"]
    return ("\n".join(lines) + "\n").encode()


def _free(folder: Path, stem: str, ending: str) -> Path:
    """The first name that nothing has yet."""
    names = (f"{stem}{number or ''}{ending}" for number in count())
    return next(path for name in names if not (path := folder / name).exists())
