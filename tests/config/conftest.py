"""The fixtures of `folders` for the tests of this folder."""

from folders import Folder, bare, folder

__all__ = ["Folder", "bare", "folder"]
