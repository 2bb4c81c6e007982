"""What every archive raises, so that a process can tell of it without knowing which archive it has."""


class ArchiveUnusableError(Exception):
    """An archive cannot be used, or not now; the text names the file and says what to do."""
