"""What an I/O server sends of what it read: only what changed since the last answer, in columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from changeover.core.messages import Columns
from changeover.drivers.modbus.blocks import Block
from changeover.drivers.modbus.values import Deadbands, ReadPlan, changed
from changeover.model.tag import Tag, TagType
from changeover.runtime.modbus_device import Payload

GOOD, DEVICE_ERROR, NO_SUCH_TAG = 0, 1, 2


class TagList:
    """One list of tags of one unit, decoded once for all sessions that show it."""

    def __init__(self, names: tuple[str, ...], tags: dict[str, Tag]) -> None:
        found = [(position, tags[name]) for position, name in enumerate(names) if name in tags]
        self.count = len(names)
        self.members: NDArray[np.int32] = np.array([position for position, _ in found], dtype=np.int32)
        self.plan = ReadPlan([tag for _, tag in found])
        self.image = self.plan.new_image()
        self.deadbands = Deadbands.of(self.plan.tags)
        self.text_positions = [i for i, tag in enumerate(self.plan.tags) if tag.type is TagType.STRING]
        self.source_utc = 0
        self._decoded = [0] * len(self.plan.blocks)
        self._of_block = {block: index for index, block in enumerate(self.plan.blocks)}

    def refresh(self, payloads: dict[Block, Payload]) -> None:
        """Decode every block whose answer is newer than what was decoded."""
        times: list[int] = []
        for block, index in self._of_block.items():
            payload = payloads.get(block)
            if payload is None:
                continue
            times.append(payload.utc)
            if payload.utc == self._decoded[index]:
                continue
            self._decoded[index] = payload.utc
            if payload.trouble:
                self.image.good[self.plan.positions(index)] = False
            else:
                self.plan.decode(index, payload.data, self.image)
        self.source_utc = min(times, default=0)


class Subscription:
    """What one session has of one tag list."""

    def __init__(self, names: tuple[str, ...], tag_list: TagList) -> None:
        self.names = names
        self.tag_list = tag_list
        self._sent = np.full(len(tag_list.members), np.nan)
        self._sent_good = np.zeros(len(tag_list.members), dtype=np.bool_)
        self._sent_texts: dict[int, str] = {}

    def columns(self, full: bool) -> Columns:
        """What changed since the last call, or everything."""
        image, held = self.tag_list.image, self.tag_list
        different = changed(self._sent, image.values, held.deadbands) | (image.good != self._sent_good)
        new_texts = [
            i
            for i in held.text_positions
            if full or different[i] or image.texts[i] != self._sent_texts.get(i)
        ]
        different[new_texts] = True
        which = np.arange(len(held.members)) if full else np.flatnonzero(different)
        self._sent[which] = image.values[which]
        self._sent_good[which] = image.good[which]
        self._sent_texts.update((i, image.texts[i]) for i in new_texts)
        positions = held.members[which]
        values = image.values[which]
        qualities = np.where(image.good[which], GOOD, DEVICE_ERROR).astype(np.uint8)
        texts = tuple((int(held.members[i]), image.texts[i]) for i in new_texts)
        if full and len(held.members) < held.count:
            unknown = np.setdiff1d(np.arange(held.count, dtype=np.int32), held.members)
            positions = np.concatenate([positions, unknown])
            values = np.concatenate([values, np.full(len(unknown), np.nan)])
            qualities = np.concatenate([qualities, np.full(len(unknown), NO_SUCH_TAG, dtype=np.uint8)])
        return Columns(
            positions=positions.astype("<i4").tobytes(),
            values=values.astype("<f8").tobytes(),
            qualities=qualities.tobytes(),
            source_utc=held.source_utc,
            strings=texts,
        )


class Publisher:
    """All subscriptions of one I/O server.

    Args:
        tags: By unit name, the tags of its I/O device by name.
    """

    def __init__(self, tags: dict[str, dict[str, Tag]]) -> None:
        self._tags = tags
        self._lists: dict[tuple[str, tuple[str, ...]], TagList] = {}
        self._subscriptions: dict[tuple[int, str], Subscription] = {}

    def tag_list(self, unit: str, names: tuple[str, ...]) -> TagList:
        """The decoded list of a unit, shared by all that ask for the same names."""
        key = (unit, names)
        if key not in self._lists:
            self._lists[key] = TagList(names, self._tags[unit])
        return self._lists[key]

    def columns(
        self, session: int, unit: str, names: tuple[str, ...], full: bool, payloads: dict[Block, Payload]
    ) -> Columns:
        """What an answer on a session carries."""
        subscription = self._subscriptions.get((session, unit))
        if subscription is None or subscription.names is not names:
            subscription = Subscription(names, self.tag_list(unit, names))
            self._subscriptions[session, unit] = subscription
            full = True
        subscription.tag_list.refresh(payloads)
        return subscription.columns(full)

    def forget(self, session: int) -> None:
        """A session is gone; tag lists that nobody shows any more go with it."""
        for key in [key for key in self._subscriptions if key[0] == session]:
            del self._subscriptions[key]
        shown = {id(subscription.tag_list) for subscription in self._subscriptions.values()}
        self._lists = {key: held for key, held in self._lists.items() if id(held) in shown}
