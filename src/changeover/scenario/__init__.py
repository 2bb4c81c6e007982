"""Faults, timelines and audits as values: what happens to a plant, and how a trace of it is judged."""
