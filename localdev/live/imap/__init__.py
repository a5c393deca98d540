"""Compare a mail server over IMAP with the simulated IMAP server."""
