"""Archives on disk: trend samples, the alarm journal, finished report runs."""
