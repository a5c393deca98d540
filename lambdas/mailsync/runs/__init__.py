"""Start syncs: one execution per mailbox, and batches of mailboxes that are due."""
