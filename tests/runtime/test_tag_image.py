"""What a client shows of one I/O device, answer by answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from changeover.core.messages import Columns
from changeover.model.quality import Quality
from changeover.model.tag import Tag, TagType
from changeover.runtime.tag_image import DeviceImage, TagImage

TAGS = tuple(Tag(f"T{n}", TagType.INT, "PLC1", f"4000{n}") for n in range(1, 4))


def columns(values: dict[int, float], utc: int, bad: Sequence[int] = ()) -> Columns:
    return Columns(
        np.array(list(values), dtype="<i4").tobytes(),
        np.array(list(values.values()), dtype="<f8").tobytes(),
        bytes(int(position in bad) for position in values),
        utc,
    )


def test_before_the_first_answer_nothing_is_there() -> None:
    shown = DeviceImage(TAGS).at(0)
    assert (shown.value, shown.quality, shown.source_utc) == (None, Quality.WAITING, 0)


def test_what_an_answer_leaves_out_keeps_its_value_and_its_time() -> None:
    image = DeviceImage(TAGS)
    image.apply("U1", columns({0: 1.0, 1: 2.0, 2: 3.0}, utc=100, bad=[2]))
    assert image.apply("U1", columns({1: 5.0}, utc=200)).tolist() == [1]
    assert [image.at(n).value for n in (0, 1)] == [1.0, 5.0]
    assert [image.at(n).source_utc for n in range(3)] == [100, 200, 100]
    assert image.at(2).quality is Quality.ERROR
    assert image.confirmed_utc == 200


def test_after_com_every_tag_is_shown_anew_though_the_answer_holds_only_changes() -> None:
    image = DeviceImage(TAGS)
    image.apply("U1", columns({0: 1.0, 1: 2.0, 2: 3.0}, utc=100))
    image.show_com()
    assert image.at(0).quality is Quality.COM
    assert image.apply("U1", columns({1: 5.0}, utc=200)).tolist() == [0, 1, 2]
    assert [image.at(n).value for n in range(3)] == [1.0, 5.0, 3.0]


def test_tags_are_found_whatever_the_case() -> None:
    image = TagImage(TAGS)
    found = image.find("t2")
    assert found is not None and found.name == "T2"
    assert image.find("T9") is None
