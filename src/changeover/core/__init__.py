"""Sans-IO machines: the rules of redundancy, once, with explicit time."""
