"""Topology and value types, frozen. Imports nothing but the standard library's types."""
