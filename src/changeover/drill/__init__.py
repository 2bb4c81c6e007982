"""Real faults on real processes, held against the forecast."""
