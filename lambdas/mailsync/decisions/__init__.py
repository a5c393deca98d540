"""What the sync decides: pure functions of their arguments, without clock, network or SQL."""
