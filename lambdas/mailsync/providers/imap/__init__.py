"""Read mailboxes over IMAP (RFC 3501, RFC 9051)."""
