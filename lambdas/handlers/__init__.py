"""One file per state, route or schedule, named as it is named."""
