"""Which version is which family (seed): A below 3.40 and 4.00 to 4.19, B up to 5.0, C from 5.0 on."""

import pytest

from changeover.model.policy import family_of, parse_version

FAMILIES = {
    "A": ("1.0", "3.30", "3.39", "4.0", "4.00", "4.1", "4.10", "4.15", "4.19"),
    "B": ("3.40", "3.4", "3.99", "4.2", "4.20", "4.99"),
    "C": ("5.0", "5.42", "6.0", "7.20", "7.2"),
}


@pytest.mark.parametrize(
    ("family", "version"), [(f, v) for f, versions in FAMILIES.items() for v in versions]
)
def test_the_family_of_a_version(family: str, version: str) -> None:
    assert family_of(parse_version(version)).value == family


@pytest.mark.parametrize("text", ["0.9", "7.21", "8.0", "5", "5.", ".5", "5.0.1", "abc", "5.123", "-5.0", ""])
def test_what_is_no_version(text: str) -> None:
    with pytest.raises(ValueError, match=r"version"):
        parse_version(text)
