"""Makes `plants` importable from every test below this folder."""
