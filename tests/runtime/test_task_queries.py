"""Questions to archives: wrong ones, large ones, many at once; what they cost those who did not ask."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from test_task_scene import ALARM, PAIRS, PERIODIC, REPORT, TREND, Layout, Pairs

from changeover.core import machine as core
from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.core.task_messages import Query
from changeover.core.trend_records import Covered, Samples
from changeover.model.alarm import Condition
from changeover.model.moment import SECOND
from changeover.model.server import Function
from changeover.protocol.frames import FRAME_BYTES_MAX
from changeover.protocol.queries import (
    JournalQuery,
    JournalRows,
    QueryError,
    Question,
    StateRows,
    StatesQuery,
    TrendQuery,
    TrendRows,
    decode_answer,
)
from changeover.protocol.queries import encode as encode_question
from changeover.runtime.alarm_pages import all_states
from changeover.runtime.alarm_server import STATES_PER_PAGE, AlarmServerHost, states_page
from changeover.runtime.plant_data import PAGE_ROWS, PlantData
from changeover.runtime.task_host import ANSWER_BYTES_MAX
from changeover.runtime.trace_file import NoTrace
from changeover.runtime.trend_server import TrendServerHost, rows_of
from changeover.storage.trend_archive import TrendArchive
from changeover.storage.trend_series import Buckets, Series

FUNCTIONS = pytest.mark.parametrize("function", PAIRS, ids=lambda function: function.value)
ENCODE = msgspec.msgpack.encode
FAR = 2**63
STATES, JOURNAL, SUMMARY, TRENDS, RUNS = range(1, 6)
QUESTIONS = 32
"""So many one client may have pending."""
RATE_BYTES = 16 * 1024
"""So much a slow reader takes at once."""

HARMLESS = {
    "nothing": b"",
    "no msgpack": b"\xc1\xc1",
    "no question": ENCODE([99]),
    "a map": ENCODE({"tag": "T1"}),
    "too short": ENCODE([JOURNAL]),
    "a text for a time": ENCODE([JOURNAL, "now", 0]),
    "an unknown tag": ENCODE([TRENDS, "no\x00tag", 0, FAR - 1, "raw", 0, 10]),
    "an unknown kind": ENCODE([TRENDS, "T1", 0, 100, "sorted", 1, 10]),
    "backwards": ENCODE([TRENDS, "T1", 100, 0, "interpolated", 1, 10]),
    "no step": ENCODE([TRENDS, "T1", 0, 100, "buckets", 0, 10]),
    "too many steps": ENCODE([TRENDS, "T1", 0, FAR - 1, "buckets", 1, 10]),
    "a tag that is none": ENCODE([JOURNAL, 0, FAR - 1, ["x" * 1000], None, 10]),
    "before 1970": ENCODE([SUMMARY, -FAR, 0, None, 10]),
    "of no report": ENCODE([RUNS, "x", 0, 10]),
}
HARMFUL = {
    "bad text": b"\x94\x05\xa2\xff\xfe\x00\x01",
    "deeper and deeper": b"\x93\x01\xc2" + b"\x91" * 100_000 + b"\xc0",
    "a journal from afar": ENCODE([JOURNAL, FAR, 2**64 - 1, None, None, 10]),
    "a summary from afar": ENCODE([SUMMARY, FAR, FAR, None, 10]),
    "runs from afar": ENCODE([RUNS, None, FAR, 10]),
    "samples from afar": ENCODE([TRENDS, "T1", FAR, 2**64 - 1, "raw", 0, 10]),
    "samples until afar": ENCODE([TRENDS, "T1", -FAR, FAR, "raw", 0, 10]),
    "values from afar": ENCODE([TRENDS, "T1", FAR, FAR + 10, "interpolated", 1, 10]),
    "buckets until afar": ENCODE([TRENDS, "T1", FAR - 5, FAR + 10, "buckets", 1, 10]),
    "wide buckets": ENCODE([TRENDS, "T1", 0, 2**62, "buckets", FAR, 10]),
}
LESS_THAN_NONE = {
    ALARM: JournalQuery(0, FAR - 1, limit=-1),
    TREND: TrendQuery("T1", 0, FAR - 1, limit=-1),
}


def unanswered(plant: Pairs, name: str, bodies: dict[str, bytes]) -> dict[str, str]:
    """Of questions those that a server ends over, or does not answer, and what became of them."""
    wrong: dict[str, str] = {}
    for what, body in bodies.items():
        peer = plant.peer(name, patience=2)
        try:
            peer.ask(body)
        except OSError as error:
            wrong[what] = type(error).__name__
        if wrong and not peer.is_dropped():
            continue
        if what in wrong:
            wrong[what] += f", status {plant.status(name)}"
            plant.start(name)
    return wrong


@FUNCTIONS
def test_a_question_that_is_none_gets_an_answer_all_the_same(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), alone=True)) as plant:
        name = PAIRS[function][0]
        plant.start(name)
        assert unanswered(plant, name, HARMLESS) == {}
        assert plant.peer(name).poll().active


@FUNCTIONS
def test_no_question_ends_a_server_or_is_left_without_an_answer(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), alone=True)) as plant:
        name = PAIRS[function][0]
        plant.start(name)
        assert unanswered(plant, name, HARMFUL) == {}


def write_seconds(plant: Pairs, name: str, count: int) -> int:
    """An archive with so many samples of T1, one each second until now; UTC of the first."""
    folder = plant.data / name
    folder.mkdir(parents=True)
    archive = TrendArchive(folder, plant.plant.trends, dict.fromkeys(PERIODIC, "PLC1"), time.time_ns())
    begin = (time.time_ns() // SECOND - count) * SECOND
    utc = begin + np.arange(count) * SECOND
    columns = (np.zeros(count, "<i4"), utc.astype("<i8"), np.arange(count).astype("<f8"))
    samples = Samples(("T1",), *(column.tobytes() for column in columns), bytes(count))
    archive.append(samples, [Covered("PLC1", begin, begin + count * SECOND)])
    archive.close()
    return begin


def test_an_answer_of_a_page_is_whole(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((TREND,), alone=True)) as plant:
        begin = write_seconds(plant, "Trend1", 100_000)
        plant.start("Trend1")
        rows = plant.peer("Trend1").ask(TrendQuery("T1", begin, begin + 100_000 * SECOND, limit=20_000))
        assert isinstance(rows, TrendRows)
        assert np.frombuffer(rows.utc, "<i8").tolist() == [begin + n * SECOND for n in range(20_000)]


@pytest.mark.parametrize(("kind", "step", "rows"), [("buckets", SECOND, 500_000)])
def test_what_fits_no_frame_is_refused(tmp_path: Path, kind: str, step: int, rows: int) -> None:
    with Pairs(tmp_path, Layout((TREND,), alone=True)) as plant:
        begin = write_seconds(plant, "Trend1", rows)
        plant.start("Trend1")
        peer = plant.peer("Trend1")
        found = peer.ask(TrendQuery("T1", begin, begin + rows * SECOND, kind, step))
        assert isinstance(found, str) and "shorter span" in found
        assert peer.poll().active, "it stays connected"


def test_no_question_makes_a_server_read_more_rows_than_an_answer_holds() -> None:
    asked: list[int] = []

    class Archive:
        def raw(self, tag: str, start_utc: int, end_utc: int, limit: int) -> Series:
            asked.append(limit)
            nothing = np.empty(0)
            return Series(nothing.astype(np.int64), nothing, nothing, nothing.astype(np.int64))

    rows_of(Archive(), TrendQuery("T1", 0, FAR - 1, limit=10**12))
    assert asked[0] <= FRAME_BYTES_MAX


class SlowSocket:
    """A socket that takes little at once and has a small buffer, as over a LAN."""

    def __init__(self, plain: object) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> object:
        return getattr(self._plain, name)

    def recv(self, _: int) -> bytes:
        time.sleep(0.0005)
        return self._plain.recv(RATE_BYTES)


def test_a_large_answer_reaches_who_reads_on_and_on(tmp_path: Path) -> None:
    rows = 600_000
    with Pairs(tmp_path, Layout((TREND,), alone=True)) as plant:
        begin = write_seconds(plant, "Trend1", rows)
        plant.start("Trend1")
        peer = plant.peer("Trend1")
        peer.socket = SlowSocket(peer.socket)
        found = peer.ask(TrendQuery("T1", begin, begin + rows * SECOND, limit=rows))
        assert found


@pytest.mark.parametrize("function", LESS_THAN_NONE, ids=lambda function: function.value)
def test_a_limit_below_zero_is_not_all_there_is(tmp_path: Path, function: Function) -> None:
    with Pairs(tmp_path, Layout((function,), alone=True)) as plant:
        name = PAIRS[function][0]
        if function is TREND:
            write_seconds(plant, name, 10)
        else:
            plant.start_device()
        plant.start(name)
        if function is ALARM:
            for coil in (20, 21, 22):
                plant.switch(coil, True)
            while len(plant.journal(name)) < 3:
                time.sleep(0.05)
        answer = plant.peer(name).ask(LESS_THAN_NONE[function])
        if isinstance(answer, JournalRows):
            assert len(answer.records) <= 1
        else:
            assert isinstance(answer, str) or len(answer.qualities) <= 1


# --- who did not ask: hosts in this loop, with archives that are slow ---


def run_host(
    tmp_path: Path, function: Function, make: type[AlarmServerHost | TrendServerHost], story: Callable
) -> None:
    """A server without a partner in a loop of its own; the story gets it, and may wait."""

    async def main() -> None:
        with Pairs(tmp_path, Layout((function,), alone=True)) as plant:
            failures: list[str] = []
            server = plant.plant.task_server(PAIRS[function][0])
            host = make(plant.plant, server, NoTrace(), Random(1), plant.data, failures.append)
            try:
                await story(host)
            finally:
                host.stop()
                await asyncio.sleep(0)
            assert failures == []

    asyncio.run(main())


def test_looking_through_a_long_journal_leaves_the_loop_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(host: AlarmServerHost) -> None:
        went_on = threading.Event()
        seen: list[bool] = []
        answered = asyncio.Event()

        def journal(*_: object, **__: object) -> tuple[()]:
            seen.append(went_on.wait(2))
            return ()

        monkeypatch.setattr(host._lists, "journal", journal)
        monkeypatch.setattr(host, "found", lambda *_: answered.set())
        loop = asyncio.get_running_loop()
        loop.call_soon(host.look_up, core.LookUp(1, Query(1, encode_question(JournalQuery(0, 1)))))
        loop.call_later(0.05, went_on.set)
        await asyncio.wait_for(answered.wait(), 10)
        assert seen == [True]

    run_host(tmp_path, ALARM, AlarmServerHost, story)


def test_recording_goes_before_questions_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(host: TrendServerHost) -> None:
        order: list[str] = []
        finished = asyncio.Event()

        def buckets(*_: object) -> Buckets:
            time.sleep(0.05)
            empty = np.empty(0)
            return Buckets(empty.astype(np.int64), empty, empty, empty, empty.astype(np.int64), empty)

        def note(what: str) -> None:
            order.append(what)
            if len(order) == QUESTIONS + 1:
                finished.set()

        monkeypatch.setattr(host._archive, "buckets", buckets)
        monkeypatch.setattr(host, "found", lambda *_: note("answer"))
        monkeypatch.setattr(host, "feed", lambda _: note("kept"))
        question = encode_question(TrendQuery("T1", 0, SECOND, "buckets", SECOND))
        for token in range(QUESTIONS):
            host.look_up(core.LookUp(token, Query(token, question)))
        host._keep(core.KeepBatch(1, ()))
        await asyncio.wait_for(finished.wait(), 20)
        # Those that were begun, and a few more, may come first.
        assert order.index("kept") <= 4

    run_host(tmp_path, TREND, TrendServerHost, story)


def test_what_goes_wrong_with_a_question_does_not_end_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the next batch is kept, or the process is told to end: it must not go on without an archive."""

    async def story(host: TrendServerHost) -> None:
        told = asyncio.Event()
        asked = threading.Event()

        def buckets(*_: object) -> Buckets:
            asked.set()
            raise RuntimeError("nobody foresaw this")

        monkeypatch.setattr(host._archive, "buckets", buckets)
        monkeypatch.setattr(host, "feed", lambda _: told.set())
        monkeypatch.setattr(host, "fail", lambda _: told.set())
        asyncio.get_running_loop().set_exception_handler(lambda *_: told.set())
        question = encode_question(TrendQuery("T1", 0, SECOND, "buckets", SECOND))
        host.look_up(core.LookUp(1, Query(1, question)))
        assert await asyncio.to_thread(asked.wait, 10)
        host._keep(core.KeepBatch(1, ()))
        await asyncio.wait_for(told.wait(), 5)

    run_host(tmp_path, TREND, TrendServerHost, story)


def test_an_unforeseen_error_over_a_question_is_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that a fault of ours meets must not end one server after the other."""

    async def story(host: AlarmServerHost) -> None:
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def journal(*_: object, **__: object) -> tuple[()]:
            raise RuntimeError("nobody foresaw this")

        monkeypatch.setattr(host._lists, "journal", journal)
        monkeypatch.setattr(host, "not_found", lambda _, why: answered.set_result(why))
        host.look_up(core.LookUp(1, Query(1, encode_question(JournalQuery(0, 1)))))
        assert "nobody foresaw this" in await asyncio.wait_for(answered, 10)

    run_host(tmp_path, ALARM, AlarmServerHost, story)


def test_the_pages_of_a_journal_are_the_journal(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((ALARM,), alone=True)) as plant:
        plant.start_device()
        plant.start("Alarm1")
        for coil in (20, 21, 22):
            plant.switch(coil, True)
        while len(plant.journal("Alarm1")) < 3:
            time.sleep(0.05)
        peer = plant.peer("Alarm1")
        whole = peer.ask(JournalQuery(0, FAR - 1))
        assert isinstance(whole, JournalRows)
        pages, before = [], None
        while True:
            page = peer.ask(JournalQuery(0, FAR - 1, limit=1, before=before))
            assert isinstance(page, JournalRows)
            if not page.records:
                break
            pages.append(page.records[0])
            before = (pages[-1].utc, pages[-1].origin, pages[-1].number)
        assert tuple(reversed(pages)) == whole.records
        assert len(pages) == 3


def test_a_server_that_stops_does_not_answer_what_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    async def story(host: TrendServerHost) -> None:
        def buckets(*_: object) -> Buckets:
            looked.append(1)
            time.sleep(0.05)
            raise QueryError("nothing")

        monkeypatch.setattr(host._archive, "buckets", buckets)
        question = encode_question(TrendQuery("T1", 0, SECOND, "buckets", SECOND))
        for token in range(QUESTIONS):
            host.look_up(core.LookUp(token, Query(token, question)))

    run_host(tmp_path, TREND, TrendServerHost, story)
    assert len(looked) <= 2


def test_a_report_gets_the_whole_journal_of_one_instant(tmp_path: Path) -> None:
    """The power of a hall is gone: thousands of alarms with the time of one answer of their device."""
    count, utc = 3 * PAGE_ROWS // 2, 10 * SECOND
    records = tuple(
        JournalRecord("A1", number, utc, f"A{number}", AlarmEvent.ACTIVE) for number in range(1, count + 1)
    )

    async def ask(_: Function, question: JournalQuery) -> JournalRows:
        before = question.before or (question.end_utc, "", 0)
        found = [record for record in records if (record.utc, record.origin, record.number) < before]
        return JournalRows(tuple(found[-question.limit :]), 0)

    async def main() -> int:
        with Pairs(tmp_path, Layout((REPORT,), alone=True)) as plant:
            data = PlantData(plant.plant, plant.plant.task_server("Report1"), Random(1))
            data._ask = ask
            return len(await data.journal(0, 20 * SECOND))

    assert asyncio.run(main()) == count


def test_report_servers_answer_what_became_of_runs(tmp_path: Path) -> None:
    with Pairs(tmp_path, Layout((REPORT,), alone=True)) as plant:
        plant.start("Report1")
        while not plant.ends("Report1"):
            time.sleep(0.05)
        rows = plant.peer("Report1").ask(ENCODE([RUNS, "Now", 0, 10]))
        assert not isinstance(rows, str)
        assert {row.finished for row in rows.rows} <= {0, 1}
        assert any(row.finished for row in rows.rows)


def test_states_come_in_pages_that_fit_into_an_answer() -> None:
    """However long the comments on them are."""
    states = [
        AlarmState(f"A{n}", Condition.HIGH if n % 2 else Condition.NORMAL, n % 2 == 0, comment="é" * 1000)
        for n in range(2 * STATES_PER_PAGE + 3)
    ]

    async def ask(question: Question) -> object:
        assert isinstance(question, StatesQuery)
        body = states_page(states, question)
        assert len(body) <= ANSWER_BYTES_MAX
        return decode_answer(body)

    assert asyncio.run(all_states(ask, listed_only=False)) == tuple(states)
    assert asyncio.run(all_states(ask, listed_only=True)) == tuple(states[1::2])


def test_a_page_of_states_that_begins_nowhere_is_the_first_or_empty() -> None:
    states = [AlarmState("A1"), AlarmState("A2")]
    assert decode_answer(states_page(states, StatesQuery(first=-5))) == StateRows(tuple(states))
    assert decode_answer(states_page(states, StatesQuery(first=FAR))) == StateRows(())
