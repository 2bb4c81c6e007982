"""A Citect project to the files of a project of ours, and a note for all that has no counterpart."""
