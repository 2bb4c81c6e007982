"""`changeover alarms` and its sub-verbs beside a plant that runs, through a changeover too."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console
from task_plant import Running, eventually, make_task_project, run_plant, told, verb

from changeover.cli.alarms_acts import Act
from changeover.cli.alarms_filters import AlarmFilter
from changeover.cli.alarms_rows import AlarmBook
from changeover.cli.alarms_view import clean, counts, journal_table, states_table
from changeover.cli.alarms_watch import AlarmsWatched, screen
from changeover.cli.attached import Asking, AttachedClient
from changeover.cli.trend_times import shown_zone
from changeover.cli.watch_screen import screen as watch_screen
from changeover.cli.watched import Wanted, WatchedClient
from changeover.core.alarm_records import AlarmEvent, AlarmState, JournalRecord
from changeover.model.alarm import Condition
from changeover.model.server import Function
from changeover.runtime.client import CommandEnd
from loopback import Project, command, end, until

ALWAYS = [f"Always_{n}" for n in range(1, 6)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with run_plant(tmp_path_factory.mktemp("alarms")) as plant:
        eventually(lambda: len(listed(plant)) == len(ALWAYS), "every alarm is active")
        eventually(lambda: all(journal(plant, tag) for tag in ALWAYS), "and the active server has logged it")
        yield plant


@pytest.fixture
def stopped(tmp_path: Path) -> Project:
    """A plant of which nothing runs."""
    return make_task_project(tmp_path)


def listed(plant: Running, *options: str) -> list[str]:
    result = verb("alarms", plant.folder, "--json", *options)
    return [row["tag"] for row in json.loads(result.stdout)["alarms"]] if result.exit_code == 0 else []


def row(plant: Running, tag: str) -> dict[str, Any]:
    (found,) = told("alarms", plant.folder, "--all", "--tag", tag)["alarms"]
    assert isinstance(found, dict)
    return found


def journal(plant: Running, tag: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = told("alarms", plant.folder, "--journal", "--tag", tag)["records"]
    return records


def act(plant: Running, *words: str) -> dict[str, Any]:
    """A sub-verb with --json; the exit status is the outcome's."""
    result = verb("alarms", words[0], plant.folder, *words[1:], "--json")
    ended: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == {"done": 0, "refused": 1, "unknown": 3}[ended["outcome"]]
    return ended


def act_until_done(plant: Running, *words: str) -> None:
    """A server stamps actions at its scans: the second of a kind within one scan has the first one's time."""
    eventually(lambda: act(plant, *words)["outcome"] == "done", f"{words} is done")


# --- lists ---


def test_active_alarms_are_listed_the_most_urgent_first(running: Running) -> None:
    document = told("alarms", running.folder)
    rows = document["alarms"]
    assert sorted(each["tag"] for each in rows) == ALWAYS
    assert [each["priority"] for each in rows] == [1, 2, 5, 5, 0]
    assert {each["condition"] for each in rows} == {"high"}
    assert (document["server"], document["lan"]) == ("Alarm1", "LAN_A")
    assert isinstance(document["active"], bool)


def test_the_table_says_the_same_in_words(running: Running) -> None:
    result = verb("alarms", "list", running.folder)
    assert (result.exit_code, result.stderr) == (0, "")
    heads, *lines, last = result.stdout.splitlines()
    assert heads.split()[:5] == ["priority", "active", "tag", "condition", "state"]
    assert len(lines) == len(ALWAYS)
    assert "times in UTC; told by Alarm1 on LAN_A, " in last
    assert "acknowledged" in lines[0]


def test_a_limit_keeps_the_most_urgent(running: Running) -> None:
    result = verb("alarms", running.folder, "--limit", "2")
    assert [line.split()[4] for line in result.stdout.splitlines()[1:3]] == ["Always_1", "Always_3"]
    assert "the 2 most urgent of 5, --limit shows more" in result.stdout
    assert listed(running, "--limit", "2") == ["Always_1", "Always_3"]


@pytest.mark.parametrize(
    ("options", "tags"),
    [
        (("--category", "1"), {"Always_1"}),
        (("--category", "warning"), {"Always_2", "Always_3", "Always_4"}),
        (("--category", "warning", "--area", "2"), {"Always_3"}),
        (("--priority", "5"), {"Always_2", "Always_4"}),
        (("--tag", "*_3", "--tag", "ALWAYS_5"), {"Always_3", "Always_5"}),
        (("--area", "1", "--all"), {"Always_1", "Always_2", "Never"}),
    ],
)
def test_filters_are_named_as_the_columns_are(
    running: Running, options: tuple[str, ...], tags: set[str]
) -> None:
    assert set(listed(running, *options)) == tags


def test_summary_and_journal_tell_of_every_occurrence_once(running: Running) -> None:
    occurrences = told("alarms", running.folder, "--summary", "--tag", "Always_5")["occurrences"]
    records = [each for each in journal(running, "Always_5") if each["event"] == "active"]
    assert [each["active_utc"] for each in occurrences] == [each["utc"] for each in records][::-1]
    assert len(occurrences) == 1
    result = verb("alarms", running.folder, "--journal", "--limit", "1")
    assert result.stdout.splitlines()[-1].startswith("the newest 1 record, --limit shows more")


def test_a_span_and_a_time_zone_are_understood(running: Running) -> None:
    assert told("alarms", running.folder, "--journal", "--from", "-1h")["records"]
    assert told("alarms", running.folder, "--journal", "--to", "2001-01-01T06:00")["records"] == []
    result = verb("alarms", running.folder, "--summary", "--from", "tomorrow")
    assert (result.exit_code, "'tomorrow' is no time: now, a span" in result.stderr) == (2, True)


# --- acts ---


def test_an_acknowledgement_is_done_and_says_who_and_where(running: Running) -> None:
    ended = act(running, "ack", "always_1", "--user", "Eva", "--comment", "seen")
    assert (ended["outcome"], ended["server"], ended["who"]) == ("done", "Alarm1", "Eva")
    state = row(running, "Always_1")
    assert (state["state"], state["acknowledged_by"]) == ("active acknowledged", "Eva")
    (record,) = [each for each in journal(running, "Always_1") if each["event"] == "acknowledged"]
    assert (record["who"], record["where"], record["comment"]) == ("Eva", "HMI1", "seen")
    assert record["action"] == ended["action"]
    assert "Always_1" not in listed(running, "--unacknowledged")


def test_actions_by_category_area_and_list_take_what_they_name(running: Running) -> None:
    assert act(running, "ack", "--category", "Warning", "--area", "2")["outcome"] == "done"
    assert row(running, "Always_3")["acknowledged"]
    assert not row(running, "Always_2")["acknowledged"]
    ended = act(running, "ack", "--listed", "--priority", "5", "--tag", "*_2")
    assert (ended["outcome"], ended["tags"]) == ("done", ["Always_2"])
    assert not row(running, "Always_4")["acknowledged"]
    ended = act(running, "ack", "--listed", "--priority", "5", "--tag", "*_2")
    assert (ended["outcome"], ended["tags"], ended["action"]) == ("done", [], None)
    assert act(running, "ack", "--all")["outcome"] == "done"
    assert listed(running, "--unacknowledged") == []


def test_what_cannot_be_done_is_refused(running: Running) -> None:
    ended = act(running, "ack", "Always_9")
    assert ended["outcome"] == "refused"
    assert ended["why"].startswith("no alarm Always_9 in this project, did you mean Always_")
    assert act(running, "enable", "Always_4")["why"] == "Always_4 is not disabled"
    result = verb("alarms", "ack", running.folder, "Never")
    assert (result.exit_code, result.stdout) == (
        1,
        "refused: acknowledge Never by Alarm1: Never has nothing to acknowledge\n",
    )


def test_shelved_and_disabled_alarms_are_off_the_list_and_come_back(running: Running) -> None:
    assert act(running, "shelve", "Always_4", "--for", "30m")["outcome"] == "done"
    assert act(running, "disable", "Always_5")["outcome"] == "done"
    assert {"Always_4", "Always_5"}.isdisjoint(listed(running))
    shelved = row(running, "Always_4")
    assert (shelved["state"], row(running, "Always_5")["state"]) == ("shelved", "disabled")
    (record,) = [each for each in journal(running, "Always_4") if each["event"] == "shelved"]
    assert record["until_utc"] == shelved["shelved_until_utc"]
    act_until_done(running, "unshelve", "--all")
    act_until_done(running, "enable", "--category", "9")
    eventually(lambda: {"Always_4", "Always_5"} <= set(listed(running)), "listed again")
    assert row(running, "Always_5")["state"] == "active unacknowledged"


def test_a_comment_is_kept_with_the_alarm(running: Running) -> None:
    assert act(running, "comment", "valve is stuck", "Always_4")["outcome"] == "done"
    assert row(running, "Always_4")["comment"] == "valve is stuck"


def test_every_action_has_an_identity_of_its_own(running: Running) -> None:
    ended = [act(running, "comment", f"number {n}", "Always_2")["action"] for n in range(3)]
    assert len(set(ended)) == 3
    comments = [each["action"] for each in journal(running, "Always_2") if each["event"] == "comment"]
    assert comments == ended


# --- live ---


def test_watching_tells_what_changes(running: Running) -> None:
    process = command("alarms", running.folder, "--watch", "--json", "--tag", "Always_2")
    assert process.stdout is not None
    lines = (json.loads(line) for line in process.stdout)
    try:
        kinds = [next(lines) for _ in range(3)]
        assert [(each["kind"], each.get("server"), each.get("tag")) for each in kinds] == [
            ("server", None, None),
            ("server", "Alarm1", None),
            ("alarm", None, "Always_2"),
        ]
        assert act(running, "comment", "look", "Always_2")["outcome"] == "done"
        assert next(lines)["comment"] == "look"
        assert act(running, "disable", "Always_2")["outcome"] == "done"
        assert next(lines)["state"] == "disabled"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert end(process)[1] == ""
    act_until_done(running, "enable", "Always_2")


def test_the_screens_show_alarms_and_who_tells_them(running: Running) -> None:
    plant = running.project.plant

    async def story() -> None:
        host = AttachedClient(plant, plant.clients[0], Function.ALARM)
        watched = AlarmsWatched(plant, plant.clients[0], AlarmFilter(), False, False)
        page = WatchedClient(Wanted(plant, plant.clients[0], (), False, None))
        assert "no server: Alarm1/LAN_A" in text_of(screen(watched, host, AlarmBook(plant), 120, 20))
        assert " alarms  no server" in text_of(watch_screen(page, 10**18, None, host))
        host.start()
        await until(lambda: len(host.states) >= len(ALWAYS), "news")
        text = text_of(screen(watched, host, AlarmBook(plant), 120, 20))
        assert "told by Alarm1 on LAN_A" in text
        assert all(tag in text for tag in ALWAYS)
        small = text_of(screen(watched, host, AlarmBook(plant), 120, 7)).splitlines()
        assert len(small) <= 7
        assert "… 3 more" in small[-2]
        active = sum(state.words == "active unacknowledged" for state in host.states.values())
        assert f" alarms  {active} active unacknowledged" in text_of(watch_screen(page, 10**18, None, host))
        host.stop()

    asyncio.run(story())


# --- changeovers; they come last, and leave the plant as it was ---


def test_an_action_that_nobody_confirms_in_time_is_unknown(running: Running) -> None:
    """The server has it, its partner stands still, and an action is done when both have it."""
    os.kill(running.pid("Alarm2"), signal.SIGSTOP)
    try:
        ended = act(running, "comment", "in time?", "Always_1", "--wait", "0.5")
    finally:
        os.kill(running.pid("Alarm2"), signal.SIGCONT)
    assert (ended["outcome"], ended["why"]) == ("unknown", "it was sent, and no answer came")
    eventually(lambda: "in time?" in comments(running), "the server did it all the same")


def test_an_acknowledgement_during_a_changeover_is_applied_once(running: Running) -> None:
    """The primary has applied it when it is killed; its partner, which it could not tell, is asked then."""
    tag = "Always_3"
    act_until_done(running, "disable", tag)
    act_until_done(running, "enable", tag)
    eventually(lambda: row(running, tag)["state"] == "active unacknowledged", "a new occurrence")
    plant, lines = running.project.plant, list[str]()
    wanted = Act(AlarmEvent.ACKNOWLEDGED, (tag,), AlarmFilter(), False, False, "", "Eva")
    given = wanted.action(plant.clients[0], (tag,), time.time_ns())

    async def story() -> tuple[CommandEnd, str]:
        async with Asking(plant, plant.clients[0], Function.ALARM, None, lines.append) as asking:
            await until(lambda: tag in asking.host.states, "served")
            os.kill(running.pid("Alarm2"), signal.SIGSTOP)
            acting = asyncio.ensure_future(asking.act(lambda: given))
            await until(lambda: asking.host.states[tag].acknowledged, "the primary has applied it")
            os.kill(running.pid("Alarm1"), signal.SIGKILL)
            os.kill(running.pid("Alarm2"), signal.SIGCONT)
            return await acting, asking.answerer.server

    ended, server = asyncio.run(story())
    assert (ended.outcome, server) == ("done", "Alarm2")
    assert "Alarm1/LAN_A is lost: looking for a server, which is asked the same then" in lines
    eventually(lambda: running.is_there("Alarm1") and answers_by(running, "Alarm1"), "Alarm1 is back")
    # Both have done it, or the second heard from the restarted first that it was done.
    first, second = (
        running.project.folder / "data" / name / "alarms.sqlite" for name in ("Alarm1", "Alarm2")
    )
    eventually(lambda: "Alarm1" in origins(first, given.action), "the primary did it")
    eventually(
        lambda: origins(first, given.action) == origins(second, given.action), "both know who has done it"
    )
    assert [each["action"] for each in journal(running, tag)].count(given.action) == 1
    assert row(running, tag)["state"] == "active acknowledged"


def test_the_list_comes_from_the_standby_while_the_primary_is_gone(running: Running) -> None:
    frozen = running.pid("Alarm1")
    os.kill(frozen, signal.SIGSTOP)
    try:
        result = verb("alarms", running.folder, "--json")
        document = json.loads(result.stdout)
        assert (document["server"], document["active"]) == ("Alarm2", True)
    finally:
        os.kill(frozen, signal.SIGCONT)


def origins(archive: Path, action: str) -> set[str]:
    """Which servers wrote a record of an action, as one server's archive has them."""
    with closing(sqlite3.connect(f"file:{archive}?mode=ro", uri=True)) as connection:
        found = connection.execute("SELECT origin FROM journal WHERE action = ?", (action,))
        return {origin.partition("~")[0] for (origin,) in found}


def comments(plant: Running) -> list[str]:
    return [each["comment"] for each in journal(plant, "Always_1")]


def answers_by(plant: Running, server: str) -> bool:
    return bool(told("alarms", plant.folder)["server"] == server)


# --- nobody there ---


def test_a_list_without_a_server_says_how_the_ways_stand(stopped: Project) -> None:
    result = verb("alarms", str(stopped.folder), "--wait", "2.5")
    assert result.exit_code == 1
    progress, why = result.stderr.splitlines()
    assert progress.startswith("waiting for a server of alarms: Alarm1/LAN_A ")
    assert why.startswith("changeover: no alarm server answered within 2.5 s (Alarm1/LAN_A ")


def test_an_action_without_a_server_is_refused(stopped: Project) -> None:
    result = verb("alarms", "ack", str(stopped.folder), "Always_1", "--wait", "0.2")
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: acknowledge Always_1: no alarm server was reached within 0.2 s")
    assert result.stdout.endswith("nothing was sent\n")


def test_a_signal_ends_the_waiting(stopped: Project) -> None:
    process = command("alarms", str(stopped.folder))
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert end(process)[1] == "changeover: interrupted before the answer came\n"


def test_an_act_on_the_list_without_a_server_is_refused(stopped: Project) -> None:
    result = verb("alarms", "disable", str(stopped.folder), "--listed", "--wait", "0.2")
    assert result.exit_code == 1
    assert result.stdout.startswith("refused: disable what is listed: no alarm server answered within 0.2 s")


def test_an_action_that_a_signal_stops_before_it_is_sent_is_refused(stopped: Project) -> None:
    process = command("alarms", "ack", str(stopped.folder), "--all")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("waiting for")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 1
    out, err = end(process)
    assert out == "refused: acknowledge all alarms: interrupted before the answer came, nothing was sent\n"
    assert err == ""


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("ack", "."), "which alarms?"),
        (("ack", ".", "Never", "--all"), "which alarms?"),
        (("ack", ".", "--all", "--priority", "1"), "go with --listed"),
        (("shelve", ".", "Never"), "Missing option '--for'"),
        (("shelve", ".", "Never", "--for", "soon"), "'soon' is no time"),
        (("comment", ".", "text", "Never", "--user", " "), "--user is empty"),
        (("comment", ".", "a\nb", "Never"), "characters that cannot be printed"),
        (("comment", ".", "a" * 255, "Never"), "has 255 characters, allowed are 254"),
        ((".", "--category", "Nope"), "there are: 1 Critical, 2 Warning, 9"),
        ((".", "--area", "77"), "no alarm of this project has area 77"),
        ((".", "--summary", "--journal"), "choose one"),
        ((".", "--journal", "--watch"), "look at alarms as they stand"),
        ((".", "--from", "-1h"), "go with --summary or --journal"),
        ((".", "--journal", "--from", "now", "--to", "-1h"), "is not before --to"),
    ],
)
def test_wrong_words_are_refused(
    stopped: Project, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], text: str
) -> None:
    monkeypatch.chdir(stopped.folder)
    result = verb("alarms", *words)
    assert (result.exit_code, text in result.stderr) == (2, True), result.stderr


def test_a_project_without_alarm_servers_is_told_so(stopped: Project) -> None:
    file = stopped.folder / "plant.toml"
    file.write_text(
        file.read_text().replace("[[alarm_server]]", "[[report_server]]", 0).partition("[[alarm_")[0]
    )
    for name in ("alarms.csv", "trends.csv", "reports.csv"):
        (stopped.folder / name).unlink()
    result = verb("alarms", str(stopped.folder))
    assert result.exit_code == 2
    assert result.stderr.endswith("changeover: this project has no alarm server\n")


def test_the_help_names_the_sub_verbs_and_each_has_its_own() -> None:
    text = verb("alarms", "--help").stdout
    for word in ("ack", "comment", "shelve", "unshelve", "disable", "enable"):
        assert f"\n  {word} " in text
        own = verb("alarms", word, "--help").stdout
        assert own.startswith(f"Usage: changeover alarms {word} [OPTIONS] PROJECT") or "main alarms" in own


# --- looks ---


def states() -> dict[str, AlarmState]:
    common = {"condition": Condition.HIGH, "active_utc": 10**18, "changed_utc": 10**18}
    return {
        "Always_1": AlarmState("Always_1", acknowledged=True, **common),
        "Always_2": AlarmState("Always_2", acknowledged=False, **common),
        "Always_3": AlarmState(
            "Always_3", acknowledged=False, active_utc=10**18, returned_utc=10**18 + 1, changed_utc=1
        ),
        "Always_4": AlarmState("Always_4", acknowledged=False, shelved_until_utc=2 * 10**18, **common),
        "Always_5": AlarmState("Always_5", disabled=True),
        "Never": AlarmState("Never"),
        "Forgotten": AlarmState("Forgotten", acknowledged=False, **common),
    }


def test_every_state_can_be_told_apart_without_colours(stopped: Project) -> None:
    book = AlarmBook(stopped.plant)
    rows = book.rows(states().values(), AlarmFilter())
    lines = text_of(states_table(rows, book, shown_zone(stopped.plant, False), 200)).splitlines()[1:]
    assert [(line[1], line.split()[4 if line[1] != " " else 3]) for line in lines[:3]] == [
        ("△", "Always_1"),
        ("▽", "Always_3"),
        ("▲", "Always_2"),
    ]
    assert [each.state.tag for each in rows] == [
        *("Always_1", "Always_3", "Always_2", "Forgotten"),
        *("Never", "Always_4", "Always_5"),
    ]
    assert "2001-09-09 01:46:40" in lines[0]
    assert "shelved until 2033-05-18 03:33:20" in lines[5]
    assert counts(rows).split(", ") == [
        *("2 active unacknowledged", "1 active acknowledged", "1 returned unacknowledged"),
        *("1 shelved", "1 disabled", "1 normal"),
    ]


def test_a_filter_leaves_out_what_the_project_does_not_know(stopped: Project) -> None:
    book = AlarmBook(stopped.plant)
    rows = book.rows(states().values(), AlarmFilter(area=1, unacknowledged=True))
    assert [each.state.tag for each in rows] == ["Always_2"]


def test_nothing_that_somebody_wrote_steers_the_terminal(stopped: Project) -> None:
    record = JournalRecord(
        *("Alarm1~1", 1, 10**18, "Never", AlarmEvent.COMMENT),
        who="\x1b[31mme",
        comment="\x07bell\r\n\x1b]0;title",
    )
    zone = shown_zone(stopped.plant, False)
    text = text_of(journal_table([record], AlarmBook(stopped.plant), zone, 200))
    assert "\x1b" not in text
    assert "·bell··" in text
    assert clean("Prüfung ✓") == "Prüfung ✓"


def test_acts_of_several_threads_have_identities_of_their_own(stopped: Project) -> None:
    act_ = Act(AlarmEvent.COMMENT, ("Never",), AlarmFilter(), False, False, "text", "me")
    client = stopped.plant.clients[0]
    found: list[str] = []

    def make() -> None:
        found.extend(act_.action(client, act_.tags, 10**18).action for _ in range(100))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 400
    assert msgspec.structs.asdict(act_.action(client, ("Never",), 5))["tags"] == ("Never",)


def text_of(what: object) -> str:
    console = Console(file=io.StringIO(), width=200, highlight=False, color_system=None)
    console.print(what)
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()
