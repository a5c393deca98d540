"""Compare a real mail provider with its simulator: `make live`, read-only, with the user's own
mailbox (docs/live.md)."""
