"""Mirror mailboxes of Gmail through the Gmail API."""
