"""network.json is read back as it was written, or refused with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from changeover.config.diagnostics import ConfigurationError
from changeover.config.measurement import read_measurement
from changeover.model.network import (
    FORMAT,
    VERSION,
    Bursts,
    Histogram,
    Kind,
    Load,
    Network,
    Pauses,
    Quantiles,
    StreamRecord,
    TailRecord,
)
from changeover.survey.record import fitted, record_of, stream_of
from delays import Feeder, lognormal

UTC = "2026-03-02T14:05:07.000Z"
STREAM = StreamRecord(
    kind=Kind.SESSION,
    name="IOServer1/LAN_A",
    function="io-data",
    period_ms=250.0,
    messages=3,
    paused=0,
    seconds=0.75,
    requests=3,
    sent_bytes_mean=37.0,
    answer_bytes_mean=11.5,
    quantiles_ms=Quantiles(3, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0),
    body_ms=None,
    histogram=Histogram(0.001, 1.02, ((348, 2), (383, 1)), ()),
    tail=TailRecord(1.5, 1, (0.5,), (), None, None, ()),
    bursts=Bursts(1.5, 1, 0.0, None, 1.0, ()),
    gaps=(),
    closed=0,
    censored_count=0,
    censored=(),
    by_hour=(),
    backups_count=0,
    backups=(),
    long_answers_count=0,
    long_answers=(),
)
NETWORK = Network(
    FORMAT,
    VERSION,
    "water works",
    "HMI",
    UTC,
    UTC,
    0.75,
    1,
    Pauses(0, 0.0, 0.0, ()),
    Load(8.0, 100.0, 0.01, 50.0),
    (STREAM,),
)


def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(NETWORK))
    return found


def problems(path: Path, text: str | bytes) -> list[str]:
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigurationError) as caught:
        read_measurement(path)
    return [str(diagnostic).removeprefix(f"{path}:").strip() for diagnostic in caught.value.diagnostics]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.json"


def test_it_is_read_as_it_was_written(path: Path) -> None:
    path.write_text(json.dumps(document(), indent=1))
    network = read_measurement(path)
    assert network == NETWORK
    assert network.stream(Kind.SESSION, "IOServer1/LAN_A") == STREAM
    assert network.stream(Kind.DEVICE, "IOServer1/LAN_A") is None


def test_there_is_none(path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_measurement(path)
    assert str(caught.value) == f"{path}: network.json: does not exist, measure anew: changeover measure"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_one_is_refused_with_its_line(path: Path, share: float) -> None:
    text = json.dumps(document(), indent=1)
    (said,) = problems(path, text[: int(share * len(text))])
    line = text[: int(share * len(text))].count("\n") + 1
    assert said.startswith(f"{line}: network.json: ends in the middle, the file is damaged")


def test_other_formats_and_versions_are_refused(path: Path) -> None:
    (said,) = problems(path, "{}")
    assert said == "format: is missing, a file that changeover measure wrote says 'changeover network'"
    assert problems(path, json.dumps(document() | {"format": "x"}))[0].startswith("format: is 'x', a file")
    (said,) = problems(path, json.dumps(document() | {"version": 2, "unheard": "of"}))
    assert said == "version: is '2', 1 is read here; measure anew: changeover measure"


@pytest.mark.parametrize("text", ["[]", "7", "\0\0\0", "\xff\xfe", "{" * 100_000, '{"format": }'])
def test_what_is_no_such_document_is_refused(path: Path, text: str) -> None:
    assert len(problems(path, text.encode("latin-1"))) == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"messages": -1}, "streams[0].messages: Expected `int` >= 0"),
        ({"messages": 4}, "streams[0].histogram.raw: has 3 delays, messages says 4"),
        ({"kind": "gossip"}, "streams[0].kind: Invalid enum value 'gossip'"),
        ({"more": 1}, "streams[0]: Object contains unknown field `more`"),
        ({"quantiles_ms": None}, "streams[0].quantiles_ms.messages: is 0, 3 are wanted"),
        (
            {"histogram": {"first_ms": 0.001, "ratio": 1.02, "raw": [[9, 2], [8, 1]], "body": []}},
            "streams[0].histogram.raw: bins are not in order",
        ),
        (
            {"tail": document()["streams"][0]["tail"] | {"episodes": 5}},
            "streams[0].tail.episodes: is 5, there are 1",
        ),
        (
            {"tail": document()["streams"][0]["tail"] | {"excesses_ms": [0.0]}},
            "streams[0].tail.excesses_ms: has one of 0",
        ),
        ({"tail": document()["streams"][0]["tail"] | {"shape": 0.1}}, "streams[0].tail.shape: is there with"),
        (
            {"gaps": [{"from_utc": "yesterday", "to_utc": UTC, "seconds": 1}]},
            "streams[0].gaps[0].from_utc: Expected `str` matching regex",
        ),
        (
            {"gaps": [{"from_utc": "2026-02-31T25:00:00Z", "to_utc": UTC, "seconds": 1}]},
            "streams[0].gaps[0].from_utc: is '2026-02-31T25:00:00Z'",
        ),
    ],
)
def test_a_value_that_cannot_be_is_named(path: Path, change: dict[str, Any], said: str) -> None:
    changed = document()
    changed["streams"][0] |= change
    found = problems(path, json.dumps(changed))
    assert any(line.startswith(said) for line in found), found
    assert all(line.endswith("changeover measure") for line in found)


def test_a_stream_that_is_there_twice_is_refused(path: Path) -> None:
    changed = document()
    changed["streams"] *= 2
    assert problems(path, json.dumps(changed))[0].startswith(
        "streams: session 'IOServer1/LAN_A' (io-data) is"
    )


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a document."""
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from leaves(inner, (*path, key))


def test_whatever_is_changed_it_is_read_and_can_be_gone_on_with_or_it_is_refused(path: Path) -> None:
    feeder = Feeder().feed(lognormal(300, 1)).feed_ms(6200).feed(lognormal(30, 2))
    feeder.feed(lognormal(40, 3, 0.3, 40.0)).feed(lognormal(10, 4))
    feeder.stream.ended(feeder.now, 500_000_000)
    record = fitted(record_of(feeder.finish(), feeder.now))
    text = msgspec.json.encode(msgspec.structs.replace(NETWORK, streams=(record,)))
    refused = 0
    places = [place for place in leaves(json.loads(text)) if place]
    rng = Random(1)
    for place in rng.sample(places, min(100, len(places))):
        for value in (None, -1, 0, 10**30, 1e300, "x", [], {}, True):
            changed = json.loads(text)
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_text(json.dumps(changed))
            try:
                network = read_measurement(path)
            except ConfigurationError:
                refused += 1
                continue
            for stream in network.streams:
                stream_of(stream)
    assert refused > 500
