"""Folders and backups: names in any case, includes, and archives that mean harm."""

from __future__ import annotations

import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from changeover.config.citect import archive, source, tables
from changeover.config.citect.archive import ArchiveSource
from changeover.config.citect.importing import import_project
from changeover.config.citect.notes import NoteKind
from changeover.config.citect.refusal import RefusedError
from changeover.config.citect.source import DiskSource
from citect_projects import table, write_backup, write_folder

from .conftest import Site, small_site, unit

TABLES = {name: table(rows) for name, rows in small_site(Path("unused")).tables.items()}
INI = b"[LAN]\r\nSendTimeout=2000\r\n"


def backup(folder: Path, files: dict[str, bytes]) -> Path:
    return write_backup(folder / "site.ctz", files)


def refused(path: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        import_project(ArchiveSource(path) if path.is_file() else DiskSource(path))
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def rename_entry(path: Path, old: str, new: str) -> None:
    """A name that `zipfile` would not write, of the same length."""
    assert len(old) == len(new)
    data = path.read_bytes()
    assert data.count(old.encode()) == 2
    path.write_bytes(data.replace(old.encode(), new.encode()))


def test_a_folder_and_its_backup_are_the_same(tmp_path: Path) -> None:
    files = {**TABLES, "citect.ini": INI}
    folder = write_folder(tmp_path / "site", files)
    one = import_project(DiskSource(folder))
    two = import_project(ArchiveSource(backup(tmp_path, files)))
    assert one.files == two.files
    assert one.files["citect.ini"] == INI
    assert one.name == two.name == "site"


@pytest.mark.parametrize("prefix", ["", "plant/", "a\\plant\\", "./"])
def test_case_and_place_of_the_files_do_not_matter(tmp_path: Path, prefix: str) -> None:
    files = {f"{prefix}{name.title().replace('Dbf', 'DBF')}": data for name, data in TABLES.items()}
    imported = import_project(ArchiveSource(backup(tmp_path, files)))
    assert imported.counts["tag"] == 3


def test_two_spellings_of_one_name_are_refused(tmp_path: Path) -> None:
    files = {**TABLES, "VARIABLE.dbf": TABLES["variable.dbf"]}
    assert "VARIABLE.dbf is there, too" in refused(write_folder(tmp_path / "site", files))
    assert "variable.dbf is there, too" in refused(backup(tmp_path, files))


def test_a_folder_without_units_is_no_project(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "empty", {"variable.dbf": TABLES["variable.dbf"]})
    assert refused(folder).startswith(f"{folder}/units.dbf: does not exist")
    assert "holds no units.dbf" in refused(backup(tmp_path, {"readme.txt": b"x"}))


def test_a_backup_of_several_projects_is_refused(tmp_path: Path) -> None:
    files = {f"{project}/{name}": data for project in "ab" for name, data in TABLES.items()}
    assert "holds several projects: a, b, unpack it" in refused(backup(tmp_path, files))


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "secret.dbf"
    outside.write_bytes(TABLES["variable.dbf"])
    folder = write_folder(tmp_path / "site", {"units.dbf": TABLES["units.dbf"]})
    (folder / "variable.dbf").symlink_to(outside)
    assert "is a link out of the project's folder" in refused(folder)


def test_a_link_within_the_folder_may_be(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "site", TABLES)
    (folder / "variable.dbf").rename(folder / "tags.old")
    (folder / "variable.dbf").symlink_to(folder / "tags.old")
    assert import_project(DiskSource(folder)).counts["tag"] == 3


def test_a_table_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "site", {"units.dbf": TABLES["units.dbf"]})
    (folder / "variable.dbf").mkdir()
    assert "is no regular file" in refused(folder)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "site", TABLES)
    with (folder / "trend.dbf").open("wb") as file:
        file.truncate(source.FILE_BYTES_MAX + 1)
    assert f"trend.dbf: is {source.FILE_BYTES_MAX + 1} bytes long" in refused(folder)


def test_all_files_together_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source.Budget, "__init__", lambda self: setattr(self, "left", 500))
    assert sum(map(len, TABLES.values())) > 500
    assert "all tables take over" in refused(write_folder(tmp_path / "site", TABLES))
    assert "all tables take over" in refused(backup(tmp_path, TABLES))


@pytest.mark.parametrize(("bound", "said"), [("CELLS_MAX", "over 20 cells"), ("UNITS_MAX", "over 1 units")])
def test_cells_and_units_have_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, said: str
) -> None:
    monkeypatch.setattr(tables, bound, int(said.split()[1]))
    assert said in refused(write_folder(tmp_path / "site", TABLES))


@pytest.mark.parametrize("name", ["../x/units.dbf", "/etc/xunits.dbf", "C:/abcunits.dbf", "..\\x\\units.dbf"])
def test_paths_that_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    path = backup(tmp_path, {**TABLES, "_" * len(name): b""})
    rename_entry(path, "_" * len(name), name)
    assert "leads out of the archive" in refused(path)


def test_links_in_an_archive_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "site.ctz"
    with zipfile.ZipFile(path, "w") as out:
        entry = zipfile.ZipInfo("units.dbf")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        out.writestr(entry, "/etc/passwd")
    assert "units.dbf: is a link" in refused(path)


def test_a_bomb_is_refused_by_what_it_says(tmp_path: Path) -> None:
    size = archive.RATIO_FREE_BYTES + 1
    path = backup(tmp_path, {**TABLES, "pages.ctg": bytes(size)})
    assert f"over {archive.RATIO_MAX} times as many" in refused(path)
    path = backup(tmp_path, {**TABLES, "trend.dbf": bytes(source.FILE_BYTES_MAX + 1)})
    assert "refused" in refused(path) or "bytes" in refused(path)


def test_a_bomb_that_says_less_than_it_holds_is_not_unpacked(tmp_path: Path) -> None:
    content = bytes(50 * 1024 * 1024)
    path = backup(tmp_path, {**TABLES, "trend.dbf": content})
    data = path.read_bytes()
    lie = struct.pack("<I", 1000)
    path.write_bytes(data.replace(struct.pack("<I", len(content)), lie))
    assert "trend.dbf: cannot be unpacked" in refused(path) or "does not have the 1000 bytes" in refused(path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "ENTRIES_MAX", len(TABLES) - 1)
    assert f"holds {len(TABLES)} files, at most {len(TABLES) - 1}" in refused(backup(tmp_path, TABLES))


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = backup(tmp_path, TABLES)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.find(signature)
        while place >= 0:
            data[place + offset] |= 1
            place = data.find(signature, place + 1)
    path.write_bytes(data)
    assert "cannot be unpacked" in refused(path)


def _backup_bytes() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in {**TABLES, "citect.ini": INI}.items():
            out.writestr(name, data)
    return stream.getvalue()


BACKUP = _backup_bytes()


def import_or_refuse(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.ctz"
        path.write_bytes(data)
        try:
            imported = import_project(ArchiveSource(path))
        except RefusedError as error:
            assert len(str(error).splitlines()) == 1
            assert str(error).startswith(folder)
        else:
            assert imported.counts["I/O device"] >= 1
        assert [p.name for p in Path(folder).iterdir()] == ["site.ctz"]


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_backup(data: bytes) -> None:
    import_or_refuse(data)
    import_or_refuse(BACKUP[:30] + data)
    import_or_refuse(data + BACKUP)


_edits = st.lists(st.tuples(st.integers(0, len(BACKUP) - 1), st.integers(0, 255)), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(_edits, st.integers(0, len(BACKUP)))
def test_a_damaged_backup(edits: list[tuple[int, int]], end: int) -> None:
    data = bytearray(BACKUP)
    for place, value in edits:
        data[place] = value
    import_or_refuse(bytes(data))
    import_or_refuse(bytes(data[:end]))


# Projects that include others.

OtherSite = Callable[[str], Site]


def tag(name: str, comment: str = "") -> dict[str, object]:
    return {"NAME": name, "TYPE": "INT", "UNIT": "PLC1", "ADDR": "40001", "COMMENT": comment}


def test_included_projects_are_read_and_theirs_wins(site: Site, other_site: OtherSite) -> None:
    library, deeper = other_site("Library"), other_site("deeper")
    site.tables["include.dbf"] = [{"NAME": "LIBRARY"}]
    site.tables["variable.dbf"] = [tag("Mine"), tag("Shared", "of the site")]
    library.tables = {"include.dbf": [{"NAME": "Deeper"}], "variable.dbf": [tag("SHARED", "of the library")]}
    deeper.tables = {"variable.dbf": [tag("Deep")]}
    library.write()
    deeper.write()
    result = site.run()
    tags = {row["name"]: row["comment"] for row in result.rows("tags.csv")}
    assert tags == {"Deep": "", "SHARED": "of the library", "Mine": ""}
    [(record, field, value, why)] = result.notes(NoteKind.LEFT_OUT, "site/variable.dbf")
    assert (record, field, value) == (2, "NAME", "Shared")
    assert "Library/variable.dbf: record 1 has it already" in why


@pytest.mark.parametrize("ring", [["site"], ["a", "site"], ["a", "b", "a"], ["a", "b", "c", "site"]])
def test_cycles_of_includes_end(site: Site, other_site: OtherSite, ring: list[str]) -> None:
    chain = ["site", *ring]
    sites = {name: other_site(name) for name in ring if name != "site"} | {"site": site}
    for name, included in zip(chain, ring, strict=False):
        sites[name].tables["include.dbf"] = [{"NAME": included.upper()}]
    for name, one in sites.items():
        if name != "site":
            one.tables["variable.dbf"] = [tag(f"Tag_{name}")]
            one.write()
    result = site.run()
    assert {row["name"] for row in result.rows("tags.csv")} >= {f"Tag_{n}" for n in ring if n != "site"}
    [note] = [note for note in result.notes(NoteKind.INFORMATION) if "cycle" in note[3]]
    assert note[:3] == (1, "NAME", ring[-1].upper())


def test_a_project_that_two_others_include_is_read_once(site: Site, other_site: OtherSite) -> None:
    site.tables["include.dbf"] = [{"NAME": "a"}, {"NAME": "b"}, {"NAME": "a"}]
    for name in "ab":
        other_site(name).tables["include.dbf"] = [{"NAME": "base"}]
    for name in "ab":
        one = other_site(name)
        one.tables = {"include.dbf": [{"NAME": "base"}]}
        one.write()
    base = other_site("base")
    base.tables = {"variable.dbf": [tag("Base")]}
    base.write()
    result = site.run()
    assert [row["name"] for row in result.rows("tags.csv")].count("Base") == 1
    assert not any("cycle" in note[3] for note in result.notes(NoteKind.INFORMATION))


def test_an_included_project_that_is_missing_is_told(site: Site) -> None:
    site.tables["include.dbf"] = [{"NAME": "Include"}]
    result = site.run()
    [(record, _, value, why)] = result.notes(NoteKind.NOT_IMPORTED, "include.dbf")
    assert (record, value) == (1, "Include")
    assert "nothing of it is imported" in why


@pytest.mark.parametrize("name", ["..", ".", "../secret", "C:\\x", "a/b", "a*"])
def test_an_include_that_leads_elsewhere_is_refused(site: Site, name: str) -> None:
    site.tables["include.dbf"] = [{"NAME": "ok"}, {"NAME": name}]
    folder = site.write()
    assert "include.dbf: record 2: field NAME: " in refused(folder)


def test_includes_within_a_backup(tmp_path: Path) -> None:
    files = {**TABLES, "include.dbf": table([{"NAME": "Lib"}]), "lib/variable.dbf": table([tag("Lib_Tag")])}
    imported = import_project(ArchiveSource(backup(tmp_path, files)))
    assert imported.counts["tag"] == 4


def test_units_of_an_included_project_come_first(site: Site, other_site: OtherSite) -> None:
    library = other_site("lib")
    library.tables = {"units.dbf": [unit("IOServer1", "PLC9", "Primary", "P1", NUMBER=9)]}
    library.write()
    site.tables["include.dbf"] = [{"NAME": "lib"}]
    devices = [device.name for device in site.run().load().plant.io_devices]
    assert devices == ["PLC9", "PLC1"]
