"""network.json: what a site has measured, read and checked."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from changeover.config.diagnostics import ConfigurationError, Diagnostic, quoted
from changeover.config.text_file import UnreadableFileError, read_any_bytes
from changeover.model.network import (
    BIN_LAST,
    BINS_IN_ONE,
    FIRST_MS,
    FORMAT,
    GAPS_MAX,
    KEPT_MAX,
    NAMED_MAX,
    RATIO,
    VERSION,
    Bins,
    Network,
    StreamRecord,
)

MEASURE = "measure anew: changeover measure"
_PATH = re.compile(r"(.*) - at `\$\.?(.*)`$", re.DOTALL)
_WHERE = re.compile(r"\(byte (\d+)\)")


class _Head(msgspec.Struct):
    """What says whether the rest can be read."""

    format: object = None
    version: object = None


def read_measurement(path: Path) -> Network:
    """Read a network.json.

    Raises:
        ConfigurationError: With what is wrong in it: it is missing, cut off, of another format or version, or
            a field has a value that it cannot have.
    """
    try:
        data = read_any_bytes(path)
    except UnreadableFileError as error:
        found = error.diagnostic
        raise ConfigurationError(
            [Diagnostic(found.file, found.line, found.parameter, found.problem, MEASURE)]
        ) from None
    _check_head(path, data)
    try:
        network = msgspec.json.decode(data, type=Network)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError([_diagnostic(path, data, error)]) from None
    problems = tuple(_problems(path, network))
    if problems:
        raise ConfigurationError(problems)
    return network


def _check_head(path: Path, data: bytes) -> None:
    try:
        head = msgspec.json.decode(data, type=_Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError([_diagnostic(path, data, error)]) from None
    if head.format != FORMAT:
        said = quoted(head.format) if head.format is not None else "missing"
        wanted = f"a file that changeover measure wrote says '{FORMAT}'"
        raise ConfigurationError([Diagnostic(str(path), None, "format", f"is {said}", wanted)])
    if head.version != VERSION:
        problem = f"is {quoted(head.version)}"
        raise ConfigurationError(
            [Diagnostic(str(path), None, "version", problem, f"{VERSION} is read here; {MEASURE}")]
        )


def _diagnostic(path: Path, data: bytes, error: Exception) -> Diagnostic:
    text = str(error)
    place = _PATH.match(text)
    if place is not None:
        field = place[2] or "network.json"
        return Diagnostic(
            str(path), None, field, place[1], f"see docs/reference/network-json.md, or {MEASURE}"
        )
    at = _WHERE.search(text)
    line = data.count(b"\n", 0, int(at[1])) + 1 if at else data.count(b"\n") + 1
    cut = isinstance(error, msgspec.DecodeError) and "truncated" in text
    problem = "ends in the middle" if cut or not data else f"is no JSON ({text})"
    return Diagnostic(str(path), line, path.name, problem, f"the file is damaged; {MEASURE}")


def _problems(path: Path, network: Network) -> Iterable[Diagnostic]:
    """What each field may be, but not all of them together."""
    for field, utc in _times(network):
        if not _is_time(utc):
            yield Diagnostic(str(path), None, field, f"is {quoted(utc)}", f"no such time; {MEASURE}")
    for number, stream in enumerate(network.streams):
        for field, problem, allowed in _of_stream(stream):
            yield Diagnostic(str(path), None, f"streams[{number}].{field}", problem, f"{allowed}; {MEASURE}")
    names = [(stream.kind.value, stream.name, stream.function) for stream in network.streams]
    for kind, name, function in dict.fromkeys(n for n in names if names.count(n) > 1):
        problem = f"{kind} {quoted(name)} ({function}) is there more than once"
        yield Diagnostic(str(path), None, "streams", problem, f"each stands there once; {MEASURE}")


def _times(network: Network) -> Iterable[tuple[str, str]]:
    """Every UTC in it, with its field."""
    yield from (("began_utc", network.began_utc), ("ended_utc", network.ended_utc))
    yield from ((f"pauses.longest[{n}].at_utc", p.at_utc) for n, p in enumerate(network.pauses.longest))
    for number, stream in enumerate(network.streams):
        here = f"streams[{number}]"
        for n, gap in enumerate(stream.gaps):
            yield from (
                (f"{here}.gaps[{n}].from_utc", gap.from_utc),
                (f"{here}.gaps[{n}].to_utc", gap.to_utc),
            )
        for n, backup in enumerate(stream.backups):
            yield f"{here}.backups[{n}].from_utc", backup.from_utc
            yield f"{here}.backups[{n}].to_utc", backup.to_utc
        for n, long in enumerate(stream.long_answers):
            yield f"{here}.long_answers[{n}].at_utc", long.at_utc
        for n, episode in enumerate(stream.bursts.episodes):
            yield f"{here}.bursts.episodes[{n}].at_utc", episode.at_utc


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


_Problem: TypeAlias = tuple[str, str, str]


def _of_stream(stream: StreamRecord) -> Iterable[_Problem]:
    """Field, problem and what is allowed."""
    yield from _of_histograms(stream)
    yield from _of_hours(stream)
    yield from _of_tail(stream)
    for field, found, count, most in (
        ("backups", len(stream.backups), stream.backups_count, NAMED_MAX),
        ("long_answers", len(stream.long_answers), stream.long_answers_count, NAMED_MAX),
        ("censored", len(stream.censored), stream.censored_count, NAMED_MAX),
        ("gaps", len(stream.gaps), GAPS_MAX, GAPS_MAX),
        # The one that is under way is over the number that is kept.
        ("bursts.episodes", len(stream.bursts.episodes), stream.bursts.count, KEPT_MAX + 1),
    ):
        if found > min(count, most):
            yield field, f"has {found}", f"there can be {min(count, most)} at most"
    if stream.paused > stream.messages:
        yield "paused", f"is {stream.paused}", f"messages says {stream.messages}"


def _of_histograms(stream: StreamRecord) -> Iterable[_Problem]:
    histogram = stream.histogram
    if (histogram.first_ms, histogram.ratio) != (FIRST_MS, RATIO):
        yield "histogram", "has other bins", f"version {VERSION} has first_ms {FIRST_MS} and ratio {RATIO}"
    known = (stream.messages, stream.quantiles_ms, histogram.raw)
    body = stream.body_ms.messages if stream.body_ms else 0
    for name, field, (messages, quantiles, bins) in (
        ("histogram.raw", "quantiles_ms", known),
        ("histogram.body", "body_ms", (body, stream.body_ms, histogram.body)),
    ):
        yield from _of_bins(name, bins, messages, BIN_LAST)
        if (quantiles.messages if quantiles else 0) != messages:
            yield (
                f"{field}.messages",
                f"is {quantiles.messages if quantiles else 0}",
                f"{messages} are wanted",
            )
        if quantiles is not None and not quantiles.min <= quantiles.max:
            yield f"{field}.min", f"is {quantiles.min}", f"max is {quantiles.max}"
    if body > stream.messages:
        yield "body_ms.messages", f"is {body}", f"messages says {stream.messages}"


def _of_hours(stream: StreamRecord) -> Iterable[_Problem]:
    hours = [hour.hour_utc for hour in stream.by_hour]
    if hours != sorted(set(hours)):
        yield "by_hour", "hours are not in order", "each stands there once"
    for number, hour in enumerate(stream.by_hour):
        yield from _of_bins(f"by_hour[{number}].bins", hour.bins, hour.messages, BIN_LAST // BINS_IN_ONE)


def _of_bins(field: str, bins: Bins, messages: int, last: int) -> Iterable[_Problem]:
    numbers = [number for number, _ in bins]
    if numbers != sorted(set(numbers)) or any(number > last for number in numbers):
        yield field, "bins are not in order", f"they rise, to {last} at most"
    counted = sum(count for _, count in bins)
    if counted != messages:
        yield field, f"has {counted} delays", f"messages says {messages}"


def _of_tail(stream: StreamRecord) -> Iterable[_Problem]:
    tail = stream.tail
    seen = len(tail.excesses_ms) + len(tail.censored_ms)
    if tail.episodes != seen:
        yield "tail.episodes", f"is {tail.episodes}", f"there are {seen} excesses"
    if any(excess <= 0 for excess in (*tail.excesses_ms, *tail.censored_ms)):
        yield "tail.excesses_ms", "has one of 0", "all lie above the threshold"
    if (tail.shape is None) != (tail.scale_ms is None):
        yield "tail.shape", "is there without scale_ms, or that without it", "both are there, or none"
    if tail.scale_ms == 0:
        yield "tail.scale_ms", "is 0", "it lies above 0"
    if stream.bursts.threshold_ms > tail.threshold_ms:
        yield "bursts.threshold_ms", "lies above tail.threshold_ms", "episodes are kept from below it on"
