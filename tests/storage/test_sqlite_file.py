"""Files in SQLite as their stores use them: other processes, damage, a full disk."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.storage.alarm_store import AlarmStore
from changeover.storage.run_ledger import RunLedger
from changeover.storage.sqlite_file import StoreError, Trouble

SECOND = 1_000_000_000
AT = 1_795_000_000 * SECOND
EVER = 2**62
HIGH = Condition.HIGH


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alarms.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[AlarmStore]:
    with closing(AlarmStore(path)) as opened:
        yield opened


def numbered(count: int, first: int = 1) -> list[JournalRecord]:
    return [
        JournalRecord("A", n, AT + n * SECOND, f"T{n % 7}", AlarmEvent.ACTIVE)
        for n in range(first, first + count)
    ]


# --- other processes ---

WRITER = """
import sys
from pathlib import Path
from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.storage.alarm_store import AlarmStore
store = AlarmStore(Path(sys.argv[1]))
print(0, flush=True)
number = 0
while sys.stdin.readline() if sys.argv[2] == "step" else True:
    number += 1
    store.write(
        [AlarmState(f"T{number % 50}", changed_utc=number)],
        [JournalRecord("A", number, number, f"T{number % 50}", AlarmEvent.ACTIVE)],
    )
    print(number, flush=True)
"""


@pytest.fixture
def writer(path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(how: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-c", WRITER, str(path), how]
        started.append(subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert told(started[-1]) == 0
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


def test_a_second_process_is_told_who_has_the_file(
    path: Path, writer: Callable[[str], subprocess.Popen[str]]
) -> None:
    process = writer("step")
    with pytest.raises(StoreError) as error:
        AlarmStore(path)
    assert error.value.trouble is Trouble.IN_USE
    assert str(error.value) == (
        f"{path}: is in use (by process {process.pid}), one process may write it: "
        "end that one first, or give this server a file of its own"
    )
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert told(process) == 1, "the one that has it is not disturbed"
    process.kill()
    process.wait()
    with closing(AlarmStore(path)) as store:
        assert store.numbers() == {"A": 1}


def test_one_process_opens_it_once_and_closing_lets_it_go(path: Path) -> None:
    store = AlarmStore(path)
    with pytest.raises(StoreError, match="is in use"):
        AlarmStore(path)
    store.write([], numbered(1))
    store.close()
    store.close()
    with closing(AlarmStore(path)) as again:
        assert again.numbers() == {"A": 1}


TOOL = """
import json, sqlite3, sys
tool = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    print(json.dumps(tool.execute(line).fetchall()), flush=True)
"""


@pytest.fixture
def ask(path: Path) -> Iterator[Callable[[str], list[list[object]]]]:
    """Another program's SQLite in its own process: within one, two libraries undo each other's locks."""
    words = [sys.executable, "-c", TOOL, str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as tool:
        assert tool.stdin is not None and tool.stdout is not None
        questions, answers = tool.stdin, tool.stdout

        def ask(sql: str) -> list[list[object]]:
            questions.write(sql + "\n")
            questions.flush()
            return json.loads(answers.readline())

        yield ask


def test_any_tool_reads_along(store: AlarmStore, ask: Callable[[str], list[list[object]]]) -> None:
    utc = AT + 45_000_000
    active = JournalRecord("A", 1, utc, "Pump", AlarmEvent.ACTIVE, HIGH, 9.5)
    by_hand = {"who": "anna", "where": "HMI1", "until_utc": AT + 60 * SECOND}
    shelved = JournalRecord("A", 2, AT + SECOND, "Pump", AlarmEvent.SHELVED, **by_hand)
    store.write([AlarmState("Pump", HIGH, False, utc)], [active])
    assert ask("SELECT count(*) FROM state") == [[1]]
    ask("BEGIN")
    store.write([], [shelved])
    second = ["2026-11-18T11:06:41.000000000Z", "Pump", "shelved", "normal", 0.0, "anna", "HMI1"]
    assert ask("SELECT utc, tag, event, condition, value, who, client, until_utc FROM journal_readable") == [
        ["2026-11-18T11:06:40.045000000Z", "Pump", "active", "high", 9.5, "", "", None],
        [*second, "2026-11-18T11:07:40.000000000Z"],
    ]
    store.write([], numbered(1, first=3))
    assert ask("SELECT max(number) FROM journal") == [[2]], "a tool that reads for long sees one instant"
    ask("ROLLBACK")
    assert ask(
        "SELECT active_utc, tag, condition, returned_utc FROM summary_readable WHERE tag = 'pump'"
    ) == [["2026-11-18T11:06:40.045000000Z", "Pump", "high", None]]


def test_a_tool_that_writes_is_said_and_nothing_is_lost(
    store: AlarmStore, ask: Callable[[str], list[list[object]]]
) -> None:
    ask("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"is in use \(.*locked\)"):
        store.write([], numbered(1))
    ask("ROLLBACK")
    store.write([], numbered(1))
    assert store.numbers() == {"A": 1}


@pytest.mark.parametrize("after", [1, 3, 40, 400])
def test_a_killed_process_loses_nothing_that_was_written(
    path: Path, writer: Callable[[str], subprocess.Popen[str]], after: int
) -> None:
    process = writer("run")
    assert [told(process) for _ in range(after)][-1] == after
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert process.stdout is not None
    written = [after, *map(int, process.stdout.read().split())][-1]
    with closing(AlarmStore(path)) as store:
        last = store.numbers()["A"]
        assert written <= last <= written + 1, "at most the one it was about to tell"
        assert [kept.number for kept in store.records("A", 0, 10**6)] == list(range(1, last + 1))
        assert store.has_state_utc() == last, "a record and its state are written together"


class CountingFile(apsw.VFSFile):
    """Counts what is synced."""

    def __init__(self, base: str, name: str, flags: list[int], synced: list[str]) -> None:
        super().__init__(base, name, flags)
        self._name = str(name)
        self._synced = synced

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._synced.append(self._name)


class CountingDisk(apsw.VFS):
    """SQLite's own file layer, with every sync noted."""

    def __init__(self) -> None:
        self.base = apsw.vfs_names()[0]
        super().__init__("counting", self.base, makedefault=True)
        self.synced: list[str] = []

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        return CountingFile(self.base, path or "", flags, self.synced)


def test_every_write_is_on_disk_when_it_returns(path: Path) -> None:
    disk = CountingDisk()
    try:
        with closing(AlarmStore(path)) as store:
            for number in range(1, 6):
                disk.synced.clear()
                store.write([AlarmState("Pump", changed_utc=number)], numbered(1, first=number))
                assert disk.synced == [f"{path}-wal"]
    finally:
        disk.unregister()


# --- trouble with the file ---


def filled(path: Path) -> None:
    with closing(AlarmStore(path)) as store:
        store.write([AlarmState(f"T{n}", HIGH, False, AT) for n in range(2000)], numbered(2000))


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all, but long enough to be taken for one" * 100),
        lambda path: overwrite(path, 0, bytes(100)),
        lambda path: overwrite(path, 8 * 4096, b"\xff" * 4096),
        lambda path: overwrite(path, path.stat().st_size // 2 // 4096 * 4096, bytes(4096)),
        lambda path: overwrite(path, path.stat().st_size - 4096, b"\x55" * 4096),
        lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    ],
    ids=["text", "no header", "early page", "middle page", "last page", "cut off"],
)
def test_a_damaged_file_is_named_at_the_start(path: Path, damage: Callable[[Path], object]) -> None:
    filled(path)
    damage(path)
    with pytest.raises(StoreError) as error:
        AlarmStore(path)
    assert error.value.trouble is Trouble.DAMAGED
    assert str(error.value).startswith(f"{path}: is damaged (")
    assert "move it away" in str(error.value) and "\n" not in str(error.value)
    path.rename(path.with_suffix(".damaged"))
    with closing(AlarmStore(path)) as store:
        assert store.restore() == ()


@pytest.mark.parametrize("table", ["state", "journal"])
def test_a_word_that_no_version_wrote_is_damage(path: Path, table: str) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as tool, tool:
        tool.execute(f"UPDATE {table} SET condition = 'hihg' WHERE tag = 'T4'")
    with (
        closing(AlarmStore(path)) as store,
        pytest.raises(StoreError, match=r"damaged \(a row holds 'hihg'\)"),
    ):
        store.restore() if table == "state" else store.journal(0, EVER)


def test_a_file_of_another_program_is_left_as_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as tool, tool:
        tool.execute("CREATE TABLE orders (number)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"is not one of ours \(its application_id is 0\), move it away"):
        AlarmStore(path)
    assert path.read_bytes() == before


def test_a_file_of_a_newer_version_is_left_as_it_is(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as tool:
        tool.execute("PRAGMA user_version = 2")
        tool.execute("PRAGMA journal_mode = DELETE")
    before = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"newer version \(its layout is 2, 1 is known here\), run the version"
    ):
        AlarmStore(path)
    assert path.read_bytes() == before


def test_a_file_of_another_kind_is_left_as_it_is(path: Path) -> None:
    filled(path)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"is not one of ours \(its application_id is 1131364716\)"):
        RunLedger(path)
    assert path.read_bytes() == before


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    path.touch()
    with closing(AlarmStore(path)) as store:
        store.write([], numbered(1))
        assert store.numbers() == {"A": 1}


@pytest.mark.parametrize("name", ["gone/alarms.sqlite", "folder"])
def test_a_file_that_cannot_be_made_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="cannot be used") as error:
        AlarmStore(tmp_path / name)
    assert error.value.trouble is Trouble.UNUSABLE


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, text=True
    )
    if made.returncode != 0:
        pytest.skip(f"no tmpfs may be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_and_writing_goes_on_when_there_is_room(small_disk: Path) -> None:
    path, ballast = small_disk / "alarms.sqlite", small_disk / "ballast"
    ballast.write_bytes(bytes(1024 * 1024))
    written = 0
    with closing(AlarmStore(path)) as store:

        def write_ten() -> None:
            first = written + 1
            store.write([AlarmState("Pump", changed_utc=first)], numbered(10, first=first))

        for _ in range(2):
            with pytest.raises(StoreError) as error:
                while True:
                    write_ten()
                    written += 10
            assert error.value.trouble is Trouble.FULL
            assert str(error.value).startswith(f"{path}: has no room left on its disk (")
            assert store.numbers() == {"A": written}
            assert store.has_state_utc() == written - 9, "no state without its records"
        assert written > 100
        ballast.unlink()
        write_ten()
        written += 10
        assert store.numbers() == {"A": written}
    with closing(AlarmStore(path)) as store:
        assert store.records("A", 0, 10**6) == tuple(numbered(written))


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_disk_that_is_full_at_the_start_is_said(small_disk: Path, there: bool) -> None:
    path, ballast = small_disk / "alarms.sqlite", small_disk / "ballast"
    if there:
        filled(path)
    with pytest.raises(OSError, match="No space left"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(StoreError) as error:
        AlarmStore(path)
    assert error.value.trouble is Trouble.FULL
    ballast.unlink()
    with closing(AlarmStore(path)) as store:
        assert store.numbers() == ({"A": 2000} if there else {})
        store.write([], numbered(1, first=2001 if there else 1))
        assert store.numbers() == {"A": 2001 if there else 1}
