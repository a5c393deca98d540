"""Mail for a simulated mailbox: generated, or read from the user's own files."""
