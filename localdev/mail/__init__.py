"""Generate mail for a simulated mailbox, or read it from the user's own files."""
