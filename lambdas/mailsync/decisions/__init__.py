"""Make the decisions of a sync in pure functions, which use neither clock, network nor SQL."""
