"""Which alarms are meant: the filters of `changeover alarms`, named as its columns are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import click

from changeover.cli.common import fail
from changeover.core.alarm_records import AlarmState
from changeover.model.alarm import Alarm, Category
from changeover.model.plant import Plant

_F = TypeVar("_F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--tag",
        "patterns",
        metavar="PATTERN",
        multiple=True,
        help="Only these alarms: tags, or with * and ?. May be given more than once.",
    ),
    click.option("--category", metavar="N", help="Only this category, by its number or name."),
    click.option("--area", type=click.IntRange(0, 255), metavar="N", help="Only this area."),
    click.option("--priority", type=click.IntRange(0, 255), metavar="N", help="Only this priority."),
    click.option("--unacknowledged", is_flag=True, help="Only what is not acknowledged."),
)


def filter_options(command: _F) -> _F:
    """Gives a command the options of a filter."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class AlarmFilter:
    """What was asked for on the command line.

    Attributes:
        patterns: Tags, with * and ?, case aside; none for every tag.
        category: Number of a category, None for all.
        area: Number of an area, None for all.
        priority: None for all.
        unacknowledged: Only what is not acknowledged.
    """

    patterns: tuple[str, ...] = ()
    category: int | None = None
    area: int | None = None
    priority: int | None = None
    unacknowledged: bool = False

    @property
    def chooses(self) -> bool:
        """Whether it leaves alarms out by what the configuration says of them."""
        return bool(self.patterns) or (self.category, self.area, self.priority) != (None, None, None)

    def alarms(self, plant: Plant) -> tuple[Alarm, ...]:
        """The alarms of a plant that it means; ends with status 2 where there are none."""
        found = tuple(alarm for alarm in plant.alarms if self._means(alarm))
        if self.chooses and not found:
            fail(f"no alarm of this project has {self}")
        return found

    def takes(self, state: AlarmState, alarm: Alarm | None) -> bool:
        """Whether it takes an alarm as it stands; `alarm` is None where this project knows no such alarm."""
        if self.unacknowledged and state.acknowledged:
            return False
        return not self.chooses or (alarm is not None and self._means(alarm))

    def __str__(self) -> str:
        """In words: `category 1 and area 2`."""
        named = ((self.category, "category"), (self.area, "area"), (self.priority, "priority"))
        words = [f"a tag like {' or '.join(self.patterns)}"] if self.patterns else []
        words += [f"{name} {number}" for number, name in named if number is not None]
        return " and ".join(words)

    def _means(self, alarm: Alarm) -> bool:
        lowered = alarm.tag.lower()
        return (
            (not self.patterns or any(fnmatchcase(lowered, pattern.lower()) for pattern in self.patterns))
            and self.category in (None, alarm.category.number)
            and self.area in (None, alarm.area)
            and self.priority in (None, alarm.urgency)
        )


def category_number(plant: Plant, text: str | None) -> int | None:
    """A category by its number or name; ends with status 2 where no alarm has it."""
    if text is None:
        return None
    known = {alarm.category.number: alarm.category for alarm in plant.alarms}
    for category in known.values():
        if text == str(category.number) or (category.name and text.lower() == category.name.lower()):
            return category.number
    there = ", ".join(category_words(known[number]) for number in sorted(known))
    fail(f"no alarm of category {text} in this project, there are: {there or 'none'}")


def category_words(category: Category) -> str:
    """`1 Critical`."""
    return f"{category.number} {category.name}".rstrip()
