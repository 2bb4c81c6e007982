"""The fixtures of `folders` for the tests of this folder."""

from folders import folder

__all__ = ["folder"]
