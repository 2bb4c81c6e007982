"""A Citect project's DBF tables to the files of a project of ours, and a note for all that has no counterpart."""
