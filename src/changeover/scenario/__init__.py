"""Faults and timelines as values: what happens to a plant, and what a trace says about it."""
