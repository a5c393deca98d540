"""Start syncs: an execution for one mailbox, or batches of checks for due mailboxes."""
