"""Mail to fill a simulated mailbox with: generated, or read from the user's own files."""
