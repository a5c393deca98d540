"""Measure cold starts of deployed functions, of this tree and of another commit."""
