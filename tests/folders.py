"""A valid project on disk, and edits of its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from changeover.cli.new import write_project
from changeover.config.diagnostics import ConfigurationError
from changeover.config.project import Project, load_project
from changeover.config.task_files import TASK_FILES
from changeover.guide.check import check, warnings


@dataclass
class Folder:
    path: Path

    def read(self, name: str) -> str:
        return (self.path / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode()
        (self.path / name).write_bytes(data)

    def replace(self, name: str, old: str, new: str, count: int = 1) -> None:
        text = self.read(name)
        assert old in text
        self.write(name, text.replace(old, new, count))

    def remove(self, *names: str) -> None:
        for name in names:
            (self.path / name).unlink()

    def append(self, name: str, text: str) -> None:
        self.write(name, self.read(name) + text)

    def line(self, name: str, part: str, occurrence: int = 1) -> int:
        hits = [n for n, line in enumerate(self.read(name).splitlines(), 1) if part in line]
        return hits[occurrence - 1]

    def load(self, **options: object) -> Project:
        return load_project(self.path, **options)

    def problems(self, **options: object) -> list[str]:
        """Diagnostics without the folder, such as `plant.toml:3: plant.version: …`."""
        with pytest.raises(ConfigurationError) as caught:
            self.load(**options)
        return [str(d).removeprefix(f"{self.path}/") for d in caught.value.diagnostics]

    def warnings(self) -> list[str]:
        """What `changeover check` warns of, likewise."""
        found = warnings(check(self.load()))
        return [str(one).removeprefix(f"{self.path}/") for one in found]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    write_project(tmp_path / "plant")
    return Folder(tmp_path / "plant")


@pytest.fixture
def bare(folder: Folder) -> Folder:
    """The project without alarms, trends and reports."""
    folder.remove(*TASK_FILES)
    return folder
