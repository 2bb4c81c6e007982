"""Stimuli, effects and messages as lines of a playbook."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from changeover.core.alarm_records import JournalRecord
from changeover.core.device_channel import CameOnline, Completed, WentOffline
from changeover.core.link import AttemptFailed, Delivered, LinkLost, LinkOpened
from changeover.core.machine import (
    CloseConnection,
    CloseDevice,
    DropRun,
    EndCommand,
    EndQuestion,
    Frame,
    KeepAlarms,
    KeepBatch,
    KeepRuns,
    LookUp,
    MergeSamples,
    Note,
    OpenConnection,
    OpenDevice,
    Present,
    PublishRun,
    RaiseAlarm,
    ResetListener,
    RunReport,
    SendAnswer,
    SendDevice,
    SendFrame,
    ShowCom,
    ShowNews,
    TakeSamples,
)
from changeover.core.messages import (
    Answer,
    Heartbeat,
    Hello,
    Probe,
    ReadRequest,
    UnitState,
    UnitStatus,
    Welcome,
    WriteOutcome,
    WriteRequest,
    WriteResult,
)
from changeover.core.pair import FetchLost, PartnerFound, PartnerLost, PartnerSaid, PartnerTold
from changeover.core.report_records import RunRecord
from changeover.core.server_search import Opened, Received, ServerLost
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
from changeover.core.trend_records import Covered
from changeover.model.moment import to_seconds


def _units(units: tuple[tuple[str, UnitStatus], ...]) -> str:
    return " ".join(f"{name}={status.name.lower()}" for name, status in units)


def _told_failure(why: str) -> str:
    return f": {why}" if why else ""


def _records(batch: Batch) -> str:
    """What a batch holds, by identity."""
    held = [
        *(f"{s.tag}={s.words}" for s in batch.states),
        *(f"{r.origin}#{r.number}" for r in (*batch.journal, *batch.runs)),
        *(f"{c.device}[{c.start_utc},{c.end_utc})" for c in batch.covered),
        *(() if batch.samples is None else (f"{len(batch.samples)} samples",)),
    ]
    return "".join(f" {one}" for one in held) + (" done" if batch.done else "")


def _pair_state(state: PairState) -> str:
    """How a server is: status, when it kept something last, what it keeps, whether it lacks something."""
    kept = ",".join(f"{origin}#{number}" for origin, number in state.numbers)
    lacks = " lacks" if state.lacks else ""
    return f"{PairStatus(state.status).name.lower()} {state.saved_utc} [{kept}]{lacks}"


def _fetch_samples(fetch: FetchSamples) -> str:
    after = "" if fetch.after is None else f" after {fetch.after[0]} {fetch.after[1]}"
    return f"FetchSamples {fetch.device}[{fetch.start_utc},{fetch.end_utc}){after}"


_TASK_MESSAGES: dict[type, Callable[..., str]] = {
    Poll: lambda m: f"Poll {m.request} since {m.revision}",
    News: lambda m: (
        f"News {m.request} rev {m.revision}{' active' if m.active else ''}{' full' if m.full else ''}"
        + "".join(f" {s.tag}={s.words}" for s in m.states)
    ),
    Query: lambda m: f"Query {m.request} {m.body.decode()}",
    Found: lambda m: f"Found {m.request}{_told_failure(m.failure) or ' ' + m.body.decode()}",
    Command: lambda m: f"Command {m.request} {m.action.action}",
    CommandResult: lambda m: f"CommandResult {m.request}{_told_failure(m.why)}",
    PairState: lambda m: f"PairState {_pair_state(m)}",
    FetchRecords: lambda m: f"FetchRecords {m.origin} after {m.after}",
    FetchStates: lambda m: f"FetchStates after {m.after or '-'}",
    FetchCovered: lambda m: f"FetchCovered since {m.since_utc}",
    FetchSamples: _fetch_samples,
    Batch: lambda m: f"Batch{_records(m)}",
}
_MESSAGES: dict[type, Callable[..., str]] = {
    Hello: lambda m: f"Hello {m.client}",
    Welcome: lambda m: f"Welcome {m.server} {_units(m.units)}",
    Probe: lambda m: "Probe",
    ReadRequest: lambda m: f"Read {m.request} {m.unit}{'' if m.tags is None else ' ' + ','.join(m.tags)}",
    Answer: lambda m: f"Answer {m.request} {m.unit}{' failed: ' + m.failure if m.failure else ''}",
    UnitState: lambda m: f"UnitState {m.unit}={m.status.name.lower()}",
    Heartbeat: lambda m: f"Heartbeat {_units(m.units)}",
    WriteRequest: lambda m: f"Write {m.command} {m.unit} {m.tag}={m.value:g}",
    WriteResult: lambda m: (
        f"WriteResult {m.command} {WriteOutcome(m.outcome).name.lower()}{': ' + m.why if m.why else ''}"
    ),
    **_TASK_MESSAGES,
}


def _frame(frame: Frame) -> str:
    return "ack" if frame.message is None else _MESSAGES[type(frame.message)](frame.message)


def _waiters(step: WentOffline) -> str:
    return f"offline sent={list(step.sent)} unsent={list(step.unsent)}"


def _seconds(utc: int) -> str:
    return f"{to_seconds(utc):g}"


def _run(record: RunRecord) -> str:
    detail = "".join(f" {one}" for one in record.detail)
    return (
        f"{record.origin}#{record.number} {record.report}@{_seconds(record.scheduled_utc)}"
        f" {record.event.name}{detail}"
    )


def _journal_line(record: JournalRecord) -> str:
    who = f" by {record.who}" if record.who else ""
    return f"{record.origin}#{record.number} {record.tag} {record.event.name}@{_seconds(record.utc)}{who}"


def _spans(covered: Iterable[Covered]) -> str:
    return "".join(f" {c.device}[{c.start_utc},{c.end_utc})" for c in covered)


def _kept_alarms(effect: KeepAlarms) -> str:
    states = (f"{state.tag}={state.words}" for state in effect.states)
    return "keep " + "; ".join((*states, *map(_journal_line, effect.records)))


_TASK_STEPS: dict[type, Callable[..., str]] = {
    ShowNews: lambda e: f"show {_MESSAGES[News](e.news)}",
    EndQuestion: lambda e: f"question {e.command}{_told_failure(e.failure) or ' ' + e.body.decode()}",
    LookUp: lambda e: f"look up {e.token} {_MESSAGES[type(e.what)](e.what)}",
    KeepAlarms: _kept_alarms,
    TakeSamples: lambda e: f"take {','.join(e.tags)} at {e.utc}",
    KeepBatch: lambda e: f"keep batch {e.token}{_spans(e.covered)}",
    MergeSamples: lambda e: f"merge {e.token} {len(e.samples)} samples{_spans(e.covered)}",
    KeepRuns: lambda e: "keep " + "; ".join(map(_run, e.records)),
    RunReport: lambda e: f"run {e.report}@{_seconds(e.scheduled_utc)}",
    PublishRun: lambda e: f"publish {e.report}@{_seconds(e.scheduled_utc)}",
    DropRun: lambda e: f"drop {e.report}@{_seconds(e.scheduled_utc)}",
    # Outcomes of a search and of a pair's links, told to their owners.
    Opened: lambda e: f"opened {e.way}",
    ServerLost: lambda e: f"lost {e.way} {'silent' if e.silent else 'closed'}",
    Received: lambda e: f"received {e.way} {_MESSAGES[type(e.message)](e.message)}",
    PartnerFound: lambda e: "partner found",
    PartnerLost: lambda e: f"partner lost {'silent' if e.silent else 'closed'}",
    PartnerTold: lambda e: f"partner told {_pair_state(e.state)}",
    PartnerSaid: lambda e: f"partner said {_MESSAGES[type(e.message)](e.message)}",
    FetchLost: lambda e: "fetch lost",
}
_STEPS: dict[type, Callable[..., str]] = {
    OpenConnection: lambda e: f"open {e.session} {e.way}",
    CloseConnection: lambda e: f"close {e.session}",
    ResetListener: lambda e: "reset listener",
    SendFrame: lambda e: f"{e.session}: {_frame(e.frame)}",
    SendAnswer: lambda e: f"{e.session}: {_frame(e.frame)} with {'all' if e.full else 'changes'}",
    OpenDevice: lambda e: f"connect {e.unit}",
    CloseDevice: lambda e: f"disconnect {e.unit}",
    SendDevice: lambda e: f"{e.unit} #{e.ticket} {e.block.name}",
    Present: lambda e: f"present {e.device} by {e.unit} {e.way}",
    ShowCom: lambda e: f"#COM {e.device}",
    EndCommand: lambda e: f"command {e.command} {e.outcome}{': ' + e.why if e.why else ''}",
    RaiseAlarm: lambda e: f"alarm {e.text}: {e.subject}",
    Note: lambda e: f"note {e.kind.value} {e.subject}{' ' + e.detail if e.detail else ''}",
    # Outcomes of links and channels, told to their owners.
    LinkOpened: lambda e: "link opened",
    LinkLost: lambda e: f"link lost {'silent' if e.silent else 'closed'}",
    AttemptFailed: lambda e: "attempt failed",
    Delivered: lambda e: f"delivered {_MESSAGES[type(e.message)](e.message)}",
    CameOnline: lambda e: "online",
    WentOffline: _waiters,
    Completed: lambda e: f"completed {e.waiter}{' refused: ' + e.refused if e.refused else ''}",
    **_TASK_STEPS,
}


def told(step: object) -> str:
    """An effect or outcome as a line of a playbook."""
    return _STEPS[type(step)](step)
