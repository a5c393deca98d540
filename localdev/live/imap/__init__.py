"""Compare a mail server over IMAP with the built-in one."""
