"""Measure the first sync of a mailbox on a real IMAP server, beside `mbsync`."""
