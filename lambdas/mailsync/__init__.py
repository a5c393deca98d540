"""Mailsync mirrors mailboxes into Postgres. It reads changes page by page and stores each page in
one transaction."""
