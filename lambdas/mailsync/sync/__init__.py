"""The states that do more than one thing: where provider, decisions and store meet."""
