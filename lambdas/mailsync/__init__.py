"""Mailsync: mirrors mailboxes into Postgres, one page and one transaction at a time."""
