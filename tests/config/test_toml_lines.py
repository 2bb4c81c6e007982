from __future__ import annotations

import tomllib

import pytest

from changeover.config.toml_lines import TomlLines, TomlPath

TEXT = r'''# comment [x]
top = 1
"quoted \"key\"" = 'a # b'
[plant]
name = "a = [b] # no comment"
text = """
[not.a.table]
fake = 1"""
raw = \'\'\'
[[no]] \'\'\'
[[io_device]]
name = "PLC1"
[[io_device.unit]]
mode = "primary"
[[io_device.unit]]
mode = "standby"
[[io_device]]
 [[io_device.unit]]
 mode = "x"
[io_device.extra . "a.b"]
c.d = 1979-05-27 07:32:00
[last]
array = [ 1, # one ]
  { a = 1, b = [
  2 ] },
  "]",
]
inline = { LAN_A = "1", 'LAN B' = "2" }
'''.replace("\\'", "'")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (('quoted "key"',), 3),
        (("plant",), 4),
        (("plant", "name"), 5),
        (("plant", "text"), 6),
        (("plant", "raw"), 9),
        (("io_device", 0, "name"), 12),
        (("io_device", 0, "unit", 0, "mode"), 14),
        (("io_device", 0, "unit", 1), 15),
        (("io_device", 0, "unit", 1, "mode"), 16),
        (("io_device", 1), 17),
        (("io_device", 1, "unit", 0, "mode"), 19),
        (("io_device", 1, "extra", "a.b", "c", "d"), 21),
        (("last", "array", 1, "b", 0), 25),
        (("last", "array", 2), 26),
        (("last", "inline", "LAN B"), 28),
        (("last", "missing"), 22),
        (("nothing",), 1),
    ],
)
def test_lines(path: TomlPath, line: int) -> None:
    assert TomlLines(TEXT).line(path) == line


def _paths(value: object, path: TomlPath) -> list[TomlPath]:
    if isinstance(value, dict):
        return [path, *(p for key, inner in value.items() for p in _paths(inner, (*path, key)))]
    if isinstance(value, list):
        return [path, *(p for index, inner in enumerate(value) for p in _paths(inner, (*path, index)))]
    return [path]


def test_every_place_of_the_parsed_document_is_known_exactly() -> None:
    known = TomlLines(TEXT)._lines
    assert [path for path in _paths(tomllib.loads(TEXT), ())[1:] if path not in known] == []
