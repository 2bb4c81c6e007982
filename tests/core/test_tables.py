"""Sweeps: every (state, stimulus) is in its table, none raises; transitions alone assign states."""

from __future__ import annotations

import ast
from itertools import count, product
from pathlib import Path
from random import Random
from typing import get_args

import pytest

from changeover.core import machine, messages
from changeover.core.alarm_server import AlarmServer
from changeover.core.deadlines import Deadlines
from changeover.core.device_channel import ChannelState, DeviceChannel
from changeover.core.io_client import IoClient
from changeover.core.io_server import IoServer
from changeover.core.link import Link, LinkState
from changeover.core.machine import (
    Accepted,
    ActOnAlarms,
    AskServer,
    BatchKept,
    Closed,
    Connected,
    ConnectFailed,
    DeviceAnswered,
    DeviceClosed,
    DeviceConnected,
    DeviceUnknown,
    Frame,
    FrameArrived,
    GiveUp,
    Looked,
    RunRendered,
    Start,
    Stimulus,
    Values,
    WallClock,
    WriteTag,
)
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Message,
    Probe,
    UnitState,
    UnitStatus,
    Welcome,
    WriteOutcome,
    WriteResult,
)
from changeover.core.report_server import ReportServer
from changeover.core.task_client import TaskClient
from changeover.core.task_messages import (
    Batch,
    Command,
    CommandResult,
    Found,
    News,
    PairState,
    Poll,
    TaskMessage,
)
from changeover.core.task_server import QUESTIONS, TaskServer
from changeover.core.trend_server import TrendServer
from changeover.model.device import DriverTiming
from changeover.model.moment import SECOND, Instant
from changeover.model.plant import Way
from changeover.model.policy import Family
from core.playbook import Blocks, DeviceBlock, Dice
from plants import two_server_plant

CORE = Path(machine.__file__).parent
LINK_STIMULI = (Connected, ConnectFailed, FrameArrived, Closed)
CHANNEL_STIMULI = (DeviceConnected, DeviceClosed, DeviceAnswered)
SERVER_STIMULI = {Start, Accepted, FrameArrived, Closed, *CHANNEL_STIMULI}
CLIENT_STIMULI = {Start, *LINK_STIMULI, WriteTag}
TASK_CLIENT_STIMULI = {Start, *LINK_STIMULI, AskServer, ActOnAlarms, GiveUp}
TASK_SERVER_STIMULI = {Start, Accepted, *LINK_STIMULI, Looked, WallClock}
TASK_STIMULI = {
    AlarmServer: TASK_SERVER_STIMULI | {Values, DeviceUnknown},
    TrendServer: TASK_SERVER_STIMULI | {Values, DeviceUnknown, BatchKept},
    ReportServer: TASK_SERVER_STIMULI | {RunRendered},
}
TO_A_CLIENT = (
    Answer(1, "IOServer1.PLC1@1"),
    Answer(1, "IOServer1.PLC1@1", "unit offline"),
    Heartbeat((("IOServer1.PLC1@1", UnitStatus.OFFLINE),)),
    UnitState("IOServer1.PLC1@1", UnitStatus.OFFLINE),
    Welcome("IOServer1", (("IOServer1.PLC1@1", UnitStatus.ONLINE),)),
    WriteResult(1, WriteOutcome.DONE),
)


def link_stimuli(session: int) -> list[Stimulus]:
    frames = [FrameArrived(session, Frame(n, n, message)) for n, message in enumerate(TO_A_CLIENT, start=1)]
    return [
        Connected(session),
        ConnectFailed(session),
        Closed(session),
        *frames,
        FrameArrived(session, Frame(0, 1)),
    ]


# --- Link ---


def link_in(state: LinkState) -> Link:
    numbers = count(1)
    link = Link(Way("S", "L"), "HMI1", 2 * SECOND, SECOND, Deadlines(), lambda: next(numbers))
    if state is LinkState.WAITING:
        return link
    link.start(0)
    if state is not LinkState.CONNECTING:
        link.handle(Connected(1), 1)
    if state is LinkState.OPEN:
        link.handle(FrameArrived(1, Frame(1, 1, Welcome("S", ()))), 2)
    return link


def test_every_state_of_a_link_has_a_handler_for_every_stimulus() -> None:
    assert set(Link.TABLE) == set(product(LinkState, LINK_STIMULI))


@pytest.mark.parametrize("state", list(LinkState), ids=lambda state: state.value)
def test_no_stimulus_and_no_timer_breaks_a_link(state: LinkState) -> None:
    for stimulus in link_stimuli(1):
        link = link_in(state)
        assert link.state is state
        assert isinstance(link.handle(stimulus, 3), tuple)
    for timer in ("retry", "attempt", "silence"):
        assert isinstance(link_in(state).handle_timer(timer, 3, 3), tuple)


# --- DeviceChannel ---


def channel_in(state: ChannelState) -> DeviceChannel:
    tickets = count(1)
    timing = DriverTiming(timeout=SECOND)
    channel = DeviceChannel("U", timing, DeviceBlock("probe"), True, Deadlines(), lambda: next(tickets))
    channel.start(SECOND, 0)
    if state is ChannelState.ONLINE:
        channel.handle(DeviceConnected("U"), 1)
        channel.handle(DeviceAnswered("U", 1), 2)
    elif state is not ChannelState.STARTING:
        channel.handle(DeviceClosed("U"), 1)
    if state is ChannelState.TRYING:
        channel.try_now(2)
    return channel


def test_every_state_of_a_channel_has_a_handler_for_every_stimulus() -> None:
    assert set(DeviceChannel.TABLE) == set(product(ChannelState, CHANNEL_STIMULI))


@pytest.mark.parametrize("state", list(ChannelState), ids=lambda state: state.value)
def test_no_stimulus_and_no_timer_breaks_a_channel(state: ChannelState) -> None:
    for stimulus in (
        DeviceConnected("U"),
        DeviceClosed("U"),
        DeviceAnswered("U", 1),
        DeviceAnswered("U", 99, "refused"),
    ):
        channel = channel_in(state)
        assert channel.state is state
        assert isinstance(channel.handle(stimulus, 3), tuple)
    for timer in ("watch", "attempt"):
        assert isinstance(channel_in(state).handle_timer(timer, 3, 3), tuple)


# --- the machines ---


def test_the_servers_table_covers_what_its_hosts_feed() -> None:
    assert set(IoServer.TABLE) == SERVER_STIMULI


def test_the_clients_table_covers_what_its_hosts_feed() -> None:
    assert set(IoClient.TABLE) == CLIENT_STIMULI


def test_a_task_clients_table_covers_what_its_hosts_feed() -> None:
    assert set(TaskClient.TABLE) == TASK_CLIENT_STIMULI


@pytest.mark.parametrize("server", list(TASK_STIMULI), ids=lambda server: server.__name__)
def test_a_task_servers_table_covers_what_its_hosts_feed(server: type[TaskServer]) -> None:
    assert set(server.TABLE) == TASK_STIMULI[server]


def test_every_stimulus_is_somebodys() -> None:
    taken = set().union(*TASK_STIMULI.values())
    assert set(get_args(Stimulus)) == SERVER_STIMULI | CLIENT_STIMULI | TASK_CLIENT_STIMULI | taken


def test_every_message_has_a_receiver() -> None:
    to_io_server = {messages.Hello, messages.Probe, messages.ReadRequest, messages.WriteRequest}
    to_task_server = {messages.Hello, messages.Probe, Poll, Command, PairState, *QUESTIONS}
    to_partner = {messages.Welcome, PairState, Batch}
    to_client = set(IoClient.MESSAGES) | set(TaskClient.MESSAGES)
    assert set(get_args(Message)) == to_client | to_io_server | to_task_server | to_partner


def test_a_client_and_its_task_server_speak_of_the_same() -> None:
    answers = {messages.Welcome, News, Found, CommandResult}
    assert set(TaskClient.MESSAGES) == answers
    assert answers - {messages.Welcome} < set(get_args(TaskMessage))


def test_the_client_knows_every_message_of_an_io_server() -> None:
    assert {type(message) for message in TO_A_CLIENT} == set(IoClient.MESSAGES)


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
@pytest.mark.parametrize("seed", range(20))
def test_a_client_takes_any_stimulus_at_any_time(family: Family, seed: int) -> None:
    """Stale sessions, strange units, frames before the greeting: expected trouble never is an exception."""
    rng = Random(seed)
    plant = two_server_plant(family, lans=2, devices=2)
    client = IoClient(
        "HMI1",
        plant.ways(plant.clients[0]),
        plant.io_devices,
        {device.name: (device.name,) for device in plant.io_devices},
        SECOND,
        plant.policy,
        plant.timing,
        Dice(0.5),
    )
    now: Instant = 0
    client.handle(Start(), now)
    for _ in range(300):
        now += rng.randrange(SECOND)
        while (deadline := client.next_deadline()) is not None and deadline <= now:
            client.handle_timeout(deadline)
        session = rng.choice([link.session_id for link in client.links.values()]) - rng.choice((0, 0, 0, 1))
        stimulus = rng.choice([*link_stimuli(session), WriteTag(1, "PLC1", "x", 1.0)])
        client.handle(stimulus, now)


@pytest.mark.parametrize("family", list(Family), ids=lambda family: family.value)
@pytest.mark.parametrize("seed", range(20))
def test_a_server_takes_any_stimulus_at_any_time(family: Family, seed: int) -> None:
    rng = Random(seed)
    plant = two_server_plant(family, devices=2)
    units = plant.units_of("IOServer1")
    server = IoServer("IOServer1", units, plant.policy, plant.timing, Blocks(), Dice(0.5))
    now: Instant = 0
    server.handle(Start(), now)
    accepted = 0
    for _ in range(300):
        now += rng.randrange(SECOND)
        if rng.random() < 0.9:  # else it slept
            while (deadline := server.next_deadline()) is not None and deadline <= now:
                server.handle_timeout(deadline)
        unit, session = rng.choice(units).name, rng.randrange(accepted + 2)
        message = rng.choice(
            [
                messages.Hello("HMI1"),
                Probe(),
                messages.ReadRequest(rng.randrange(5) + 1000 * _, unit, SECOND, ("x",)),
                messages.ReadRequest(1000 * _, unit, SECOND),
                messages.WriteRequest(_, unit, "x", 1.0),
                None,
            ]
        )
        stimuli = [
            FrameArrived(session, Frame(1, 0, message) if message is not None else Frame(0, 1)),
            DeviceConnected(unit),
            DeviceClosed(unit),
            DeviceAnswered(unit, rng.randrange(100)),
            Closed(session),
        ]
        if rng.random() < 0.2:
            accepted += 1
            stimuli = [Accepted(accepted)]
        server.handle(rng.choice(stimuli), now)


# --- states ---


def assignments_of_state(path: Path, attribute: str = "state") -> list[tuple[str, str]]:
    """(function, state) of every assignment to an attribute in a module."""
    found = []
    for function in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            else:
                continue
            found += [
                (function.name, ast.unparse(node.value) if node.value else "")
                for target in targets
                if isinstance(target, ast.Attribute) and target.attr == attribute
            ]
    return found


MACHINES = ("link", "device_channel", "io_group", "session", "server_search")


@pytest.mark.parametrize("name", MACHINES)
def test_a_state_is_assigned_in_its_own_transition_and_nowhere_else(name: str) -> None:
    found = assignments_of_state(CORE / f"{name}.py")
    assert found
    for function, state in found:
        member = state.rpartition(".")[2].lower()
        assert function == "__init__" or function.lstrip("_") == f"become_{member}", f"{function}: {state}"


def test_no_other_module_assigns_a_state() -> None:
    others = [path for path in CORE.glob("*.py") if path.stem not in MACHINES]
    assert others
    assert {path.stem: found for path in others if (found := assignments_of_state(path))} == {}


def test_a_task_servers_status_is_assigned_in_its_transitions_and_nowhere_else() -> None:
    """Ready is inactive: what is new is that the start is over."""
    found = {path.stem: assignments_of_state(path, "status") for path in CORE.glob("*.py")}
    assert {stem for stem, assignments in found.items() if assignments} == {"task_server"}
    assert {function: state.rpartition(".")[2] for function, state in found["task_server"]} == {
        "__init__": "STARTING",
        "_become_starting": "STARTING",
        "_become_ready": "INACTIVE",
        "_become_active": "ACTIVE",
        "_become_inactive": "INACTIVE",
    }
