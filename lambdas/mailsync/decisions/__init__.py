"""Decisions of the sync: pure functions of their arguments, without clock, network or SQL."""
