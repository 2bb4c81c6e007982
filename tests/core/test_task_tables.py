"""Sweeps over the machines of alarms, trends and reports: any stimulus and any timer, in any state."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count, product
from random import Random

import pytest

from changeover.core import machine as core
from changeover.core.alarm_records import AlarmAction, AlarmEvent
from changeover.core.alarm_server import AlarmServer, KeptAlarms
from changeover.core.deadlines import Deadlines
from changeover.core.machine import Closed, Connected, ConnectFailed, Frame, FrameArrived
from changeover.core.messages import Hello, Message, Probe, Welcome
from changeover.core.pair import MOVES, Belief, Pair
from changeover.core.report_records import RunEvent, RunRecord
from changeover.core.report_server import KeptRuns, ReportServer
from changeover.core.server_search import SearchState, ServerSearch
from changeover.core.task_client import TaskClient
from changeover.core.task_messages import (
    Batch,
    Command,
    CommandResult,
    FetchCovered,
    FetchRecords,
    FetchSamples,
    FetchStates,
    Found,
    News,
    PairState,
    PairStatus,
    Poll,
    Query,
)
from changeover.core.trend_records import Samples
from changeover.core.trend_server import KeptTrends, TrendServer
from changeover.model.alarm import Alarm, AlarmType, Category
from changeover.model.moment import MILLISECOND, SECOND, Instant
from changeover.model.plant import Timing, Way
from changeover.model.report import MissedRuns, Report, ReportFormat, Schedule
from changeover.model.server import Function
from changeover.model.trend import Trend, TrendType
from core.playbook import Dice
from core.task_scene import Periods
from plants import timing_for

WAYS = (Way("S1", "A"), Way("S1", "B"), Way("S2", "A"), Way("S2", "B"))
PARTNER = (Way("S2", "A"), Way("S2", "B"))
TO_A_CLIENT = (Welcome("S", ()), News(1, 1, True), Found(1, "", b""), CommandResult(1, ""))


def network(session: int, *messages: Message) -> list[core.Stimulus]:
    """Everything that the network can tell of a session."""
    frames = [FrameArrived(session, Frame(n, n, message)) for n, message in enumerate(messages, start=1)]
    ends = [Closed(session), ConnectFailed(session), ConnectFailed(session, refused=False)]
    return [Connected(session), *ends, *frames, FrameArrived(session, Frame(0, 1))]


# --- the search ---


def a_search(priority: int = 1) -> ServerSearch:
    numbers = count(1)
    best = {"S1": priority, "S2": 2}
    return ServerSearch(
        WAYS, best, "HMI1", 2 * SECOND, SECOND, Deadlines(), lambda: next(numbers), Dice(0.1, 0.3)
    )


def search_in(state: SearchState) -> ServerSearch:
    """A search in a state that it came to by itself; it is served by the server with the worse priority."""
    search = a_search()
    search.start(0)
    if state is SearchState.TRYING:
        return search
    for session in (1, 2):
        search.handle(ConnectFailed(session), 1)
    search.handle(Connected(3), 2)
    search.handle(FrameArrived(3, Frame(1, 1, Welcome("S2", ()))), 3)
    search.answered(WAYS[2], 4)
    if state is SearchState.WAITING:
        search.handle(Closed(3), 5)
    return search


@pytest.mark.parametrize("state", list(SearchState), ids=lambda state: state.value)
def test_no_stimulus_and_no_timer_breaks_a_search(state: SearchState) -> None:
    for session in range(6):
        for stimulus in network(session, *TO_A_CLIENT):
            search = search_in(state)
            assert search.state is state
            assert isinstance(search.handle(stimulus, 6), tuple)
    for purpose, way in list(search_in(state)._deadlines._live):
        assert isinstance(search_in(state).handle_timer(purpose, way, 6, 6), tuple)
    for way in WAYS:
        assert isinstance(search_in(state).answered(way, 6), tuple)


# --- the pair ---


def test_there_is_a_move_for_every_status_and_belief() -> None:
    assert set(MOVES) == set(product(PairStatus, Belief))


def pair_with(opened: int) -> Pair:
    """A pair of which so many of its two links are open."""
    numbers = count(1)
    timing = Timing(send_timeout=2 * SECOND, client_retry=SECOND)
    pair = Pair("S1", PARTNER, True, timing, Deadlines(), lambda: next(numbers), Dice(0.5))
    pair.start(0)
    for session in range(1, opened + 1):
        pair.handle(Connected(session), 1)
        pair.handle(FrameArrived(session, Frame(1, 1, Welcome("S2", ()))), 2)
    return pair


@pytest.mark.parametrize("opened", range(3))
def test_no_stimulus_and_no_timer_breaks_a_pair(opened: int) -> None:
    says = (PairState(status, 0, (), True) for status in PairStatus)
    for session in range(4):
        for stimulus in network(session, Welcome("S2", ()), Batch(True), *says):
            assert isinstance(pair_with(opened).handle(stimulus, 3), tuple)
    for purpose, owner in list(pair_with(opened)._deadlines._live):
        if isinstance(owner, Way):
            assert isinstance(pair_with(opened).handle_timer(purpose, owner, 3, 3), tuple)


# --- whole machines, at any time ---


class Rig:
    """A machine, a host that does what it asks for, sooner or later, and a network that says anything.

    The host is a good one: it answers what it was asked. The rig checks the contract: a deadline that was
    acted on is over, and nothing is sent on a session that is over.
    """

    def __init__(self, machine: core.Machine, rng: Random, is_server: bool) -> None:
        self.machine = machine
        self.rng = rng
        self.is_server = is_server
        self.now: Instant = 0
        self.accepted = 0
        self.dialled: list[int] = []
        self.connected: set[int] = set()
        self.over: set[int] = set()
        self.pending: list[core.Stimulus] = []
        self.seqs: dict[int, int] = {}
        self.sent: dict[int, int] = {}
        self.bring(core.Start())

    def bring(self, stimulus: core.Stimulus) -> None:
        if isinstance(stimulus, Closed | ConnectFailed):
            self.over.add(stimulus.session)
        if isinstance(stimulus, Connected):
            self.connected.add(stimulus.session)
        self.take(self.machine.handle(stimulus, self.now))

    def says(self, session: int, message: Message | None) -> None:
        """A frame of a peer, which acknowledges all or nothing."""
        seq = 0
        if message is not None:
            seq = self.seqs[session] = self.seqs.get(session, 0) + 1
        ack = self.rng.choice((0, self.sent.get(session, 0)))
        self.bring(FrameArrived(session, Frame(seq, ack, message)))

    def advance(self, span: int, asleep: bool = False) -> None:
        self.now += span
        while not asleep and (deadline := self.machine.next_deadline()) is not None and deadline <= self.now:
            self.take(self.machine.handle_timeout(self.now))
            after = self.machine.next_deadline()
            assert after is None or after > deadline, "a deadline that was acted on is over"

    def take(self, effects: core.Effects) -> None:
        assert len(effects) < 200
        for effect in effects:
            if isinstance(effect, core.OpenConnection):
                self.dialled.append(effect.session)
            elif isinstance(effect, core.CloseConnection):
                self.over.add(effect.session)
            elif isinstance(effect, core.SendFrame):
                assert effect.session not in self.over, f"sends on {effect.session}, which is over"
                self.sent[effect.session] = max(effect.frame.seq, self.sent.get(effect.session, 0))
                self.answer(effect.session, effect.frame.message)
            elif (outcome := host_answers(effect, self.rng)) is not None:
                self.pending.append(outcome)

    def answer(self, session: int, message: Message | None) -> None:
        """What the partner says to a fetch, sooner or later."""
        batch = partner_answers(message, self.rng)
        if batch is not None:
            seq = self.seqs[session] = self.seqs.get(session, 0) + 1
            self.pending.append(FrameArrived(session, Frame(seq, self.sent[session], batch)))


def host_answers(effect: core.Effect, rng: Random) -> core.Stimulus | None:
    """What a host tells when it has done what it was asked for."""
    match effect:
        case core.LookUp(token=token, what=Query()):
            return core.Looked(token, b"found") if rng.random() < 0.7 else core.Looked(token, None, "no")
        case core.LookUp(token=token):
            return core.Looked(token, Batch(True)) if rng.random() < 0.7 else core.Looked(token, None, "no")
        case core.KeepBatch(token=token) | core.MergeSamples(token=token):
            return core.BatchKept(token)
        case core.RunReport(report=report, scheduled_utc=utc):
            files = ("x.html",) if rng.random() < 0.8 else ()
            return core.RunRendered(report, utc, files, ("trouble",))
        case _:
            return None


def partner_answers(message: Message | None, rng: Random) -> Batch | None:
    """A batch of the kind that was asked for."""
    match message:
        case FetchRecords(origin=origin, after=after):
            event = rng.choice(list(RunEvent))
            record = RunRecord(origin, after + 1, after, "r", rng.randrange(50) * SECOND, event, ("x",))
            return Batch(True, runs=(record,))
        case FetchSamples(start_utc=start):
            more = rng.random() < 0.3
            return Batch(
                not more, samples=Samples((), b"", b"", b"", b""), after=(start, "T1") if more else None
            )
        case FetchCovered() | FetchStates():
            return Batch(True)
        case _:
            return None


def an_alarm_server(rng: Random) -> AlarmServer:
    alarms = (Alarm("A1", "", AlarmType.DIGITAL, Category(1), ("T1",), delay=SECOND),)
    kept = KeptAlarms("S1")
    timing = timing_for("C", send_timeout=2000, client_retry=1500)
    return AlarmServer(
        "S1", "S2", PARTNER, rng.random() < 0.5, frozenset(), timing, rng, alarms, {"T1": "D"}, kept
    )


def a_trend_server(rng: Random) -> TrendServer:
    trends = (Trend("T1", TrendType.PERIODIC, SECOND), Trend("T2", TrendType.EVENT, 0))
    timing = timing_for("C", send_timeout=2000, client_retry=1500)
    devices = {"T1": "D", "T2": "D"}
    first = rng.random() < 0.5
    return TrendServer(
        "S1", "S2", PARTNER, first, frozenset(), timing, rng, trends, devices, 2 * SECOND, KeptTrends()
    )


def a_report_server(rng: Random) -> ReportServer:
    schedule = Schedule(period=3 * SECOND)
    reports = (Report("r", schedule, "", (ReportFormat.HTML,), rng.choice(list(MissedRuns))),)
    timing = timing_for("C", send_timeout=2000, client_retry=1500)
    first, kept = rng.random() < 0.5, KeptRuns("S1")
    return ReportServer("S1", "S2", PARTNER, first, frozenset(), timing, rng, reports, Periods(), kept)


def a_client(rng: Random) -> TaskClient:
    timing = timing_for("C", send_timeout=2000, client_retry=1500, watch=1000)
    priority = {"S1": 1, "S2": rng.choice((1, 2))}
    return TaskClient("HMI1", Function.ALARM, WAYS, priority, SECOND // 2, timing, rng)


def an_action(rng: Random) -> AlarmAction:
    event = rng.choice([AlarmEvent.ACKNOWLEDGED, AlarmEvent.DISABLED, AlarmEvent.ENABLED])
    return AlarmAction(f"a{rng.randrange(50)}", event, rng.randrange(10**9), "bob", "HMI1", tags=("A1",))


def random_message(rig: Rig) -> Message | None:
    rng = rig.rng
    if not rig.is_server:
        return rng.choice(
            [Welcome("S", ()), News(rng.randrange(60), 5, True), Found(rng.randrange(60), "", b""), None]
        )
    numbers = (("S2", rng.randrange(4)),)
    return rng.choice(
        [
            Hello(rng.choice(("HMI1", "S2"))),
            Welcome("S2", ()),
            Probe(),
            Poll(1, rng.randrange(3)),
            Query(1, b"q"),
            PairState(rng.choice(list(PairStatus)), rng.randrange(9), numbers, rng.random() < 0.3),
            FetchRecords("S1", 0, 10),
            FetchStates("", 10),
            None,
        ]
    )


def random_stimulus(rig: Rig, feeds: list[Callable[[int], core.Stimulus]]) -> None:
    """One thing that may happen next."""
    rng = rig.rng
    kind = rng.random()
    sessions = [s for s in rig.dialled[-6:] if s not in rig.over]
    if kind < 0.25 and rig.pending:
        stimulus = rig.pending.pop(rng.randrange(len(rig.pending)))
        if not (isinstance(stimulus, FrameArrived) and stimulus.session in rig.over):
            rig.bring(stimulus)
    elif kind < 0.4 and feeds:
        rig.bring(rng.choice(feeds)(rig.now))
    elif kind < 0.5 and rig.is_server:
        rig.accepted += 1
        rig.bring(core.Accepted(2 * rig.accepted - 1))
    elif kind < 0.6 and sessions:
        session = rng.choice(sessions)
        may = [Closed] if session in rig.connected else [Connected, Connected, Connected, ConnectFailed]
        rig.bring(rng.choice(may)(session))
    else:
        inbound = [2 * n - 1 for n in range(max(1, rig.accepted - 3), rig.accepted + 1)]
        heard = [s for s in (*sorted(rig.connected.intersection(sessions)), *inbound) if s not in rig.over]
        if heard:
            session = rng.choice(heard)
            message = random_message(rig)
            # A server's partner asks by its own sessions, and answers by ours.
            is_ours = session in rig.dialled
            fits = is_ours == isinstance(message, Welcome) or isinstance(message, PairState | None)
            rig.says(session, message if fits or not rig.is_server else None)


VALUES: list[Callable[[int], core.Stimulus]] = [
    lambda now: core.Values("D", now, (("T1", float(now // SECOND % 2)), ("T2", 1.0))),
    lambda now: core.Values("D", now, ()),
    lambda now: core.DeviceUnknown("D", ("T1", "T2")),
    lambda now: core.WallClock(now),
]
MACHINES: dict[str, tuple[Callable[[Random], core.Machine], list[Callable[[int], core.Stimulus]]]] = {
    "alarm": (an_alarm_server, VALUES),
    "trend": (a_trend_server, VALUES),
    "report": (a_report_server, VALUES[-1:]),
}


@pytest.mark.parametrize("function", list(MACHINES))
@pytest.mark.parametrize("seed", range(25))
def test_a_task_server_takes_any_stimulus_at_any_time(function: str, seed: int) -> None:
    """Stale sessions, words before the greeting, sleeps: expected trouble never is an exception."""
    rng = Random(seed)
    make, feeds = MACHINES[function]
    rig = Rig(make(rng), rng, is_server=True)
    if function == "alarm":
        rig.answer = lambda session, message: None
    for _ in range(400):
        rig.advance(rng.randrange(600) * MILLISECOND, asleep=rng.random() < 0.05)
        random_stimulus(rig, feeds)


@pytest.mark.parametrize("seed", range(25))
def test_a_task_client_takes_any_stimulus_at_any_time(seed: int) -> None:
    rng = Random(seed)
    rig = Rig(a_client(rng), rng, is_server=False)
    feeds: list[Callable[[int], core.Stimulus]] = [
        lambda now: core.AskServer(now, b"q"),
        lambda now: core.ActOnAlarms(now, an_action(rng)),
        lambda now: core.GiveUp(now - now % 3),
    ]
    for _ in range(400):
        rig.advance(rng.randrange(600) * MILLISECOND, asleep=rng.random() < 0.05)
        random_stimulus(rig, feeds)


def test_a_command_of_an_alarm_server_may_come_at_any_time() -> None:
    rng = Random(1)
    rig = Rig(an_alarm_server(rng), rng, is_server=True)
    rig.advance(3 * SECOND)
    rig.bring(core.Accepted(1))
    rig.says(1, Hello("HMI1"))
    for _ in range(100):
        rig.advance(rng.randrange(600) * MILLISECOND)
        rig.bring(rng.choice(VALUES)(rig.now))
        if 1 not in rig.over:
            rig.bring(FrameArrived(1, Frame(1, rig.sent.get(1, 0), Command(1, an_action(rng)))))
    assert rig.sent.get(1, 0) > 0
