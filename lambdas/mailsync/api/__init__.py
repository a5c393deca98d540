"""The HTTP API: routes, what they accept and show, and how they refuse."""
