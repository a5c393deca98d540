"""Mailsync mirrors mailboxes into Postgres. It reads changes page by page from the mail provider
and stores each page in one transaction."""
