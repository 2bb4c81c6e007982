"""Variable tags: what an operator reads, and where it lives in a device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class TagType(Enum):
    """Raw data types of variable tags, by the product's own names."""

    DIGITAL = "DIGITAL"
    INT = "INT"
    UINT = "UINT"
    LONG = "LONG"
    ULONG = "ULONG"
    REAL = "REAL"
    DOUBLE = "DOUBLE"
    BCD = "BCD"
    STRING = "STRING"


@dataclass(frozen=True, slots=True)
class Scaling:
    """Linear scaling from raw to engineering values; all four or none are configured."""

    raw_zero: float
    raw_full: float
    eng_zero: float
    eng_full: float

    def to_engineering(self, raw: float) -> float:
        """A raw value in engineering units."""
        share = (raw - self.raw_zero) / (self.raw_full - self.raw_zero)
        return self.eng_zero + share * (self.eng_full - self.eng_zero)

    def to_raw(self, value: float) -> float:
        """An engineering value as a raw one."""
        share = (value - self.eng_zero) / (self.eng_full - self.eng_zero)
        return self.raw_zero + share * (self.raw_full - self.raw_zero)


@dataclass(frozen=True, slots=True)
class Tag:
    """A variable tag.

    Attributes:
        name: Unique name, case kept, compared without case.
        type: Raw data type.
        device: Name of the I/O device (column `unit` of tags.csv).
        address: The address as written, to be read by the device's driver.
        scaling: Raw to engineering scaling, None for raw values.
        units: Engineering units, for display.
        deadband: Least change, in percent of the engineering range (of the value where there is none), that
            counts as a change; 0 for every change.
        comment: For people.
    """

    name: str
    type: TagType
    device: str
    address: str
    scaling: Scaling | None = None
    units: str = ""
    deadband: float = 0.0
    comment: str = ""
