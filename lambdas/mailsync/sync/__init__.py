"""The steps of a sync: provider, decisions and store together."""
