"""Simulate an IMAP server (RFC 3501) in front of the simulated mailboxes."""
