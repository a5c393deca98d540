"""Simulate an IMAP server (RFC 3501 and the extensions in `options`) in front of the simulated
mailboxes.

The server responds as Dovecot 2.3 does; the tests compare both. These differences remain:

- UIDs and mod-sequences are numbers of the journal, which all mailboxes share, so they have gaps
  from the beginning. UIDVALIDITY is made from the folder's number in the simulated mailbox.
- Each folder can be opened: CREATE of `a/b` also creates `a`. DELETE of a folder that has children
  is rejected.
- RENAME of INBOX moves its mail to a new folder, as RFC 3501 says. Dovecot with Maildir rejects
  the command.
- OBJECTID is offered. A message and its copies have the same EMAILID. A message that is appended
  again has a new EMAILID.
- All folders are subscribed. There is no IDLE, no SORT and no THREAD, and no message is \\Recent.
- The server rejects commands of an extension that it does not offer. Dovecot runs them.
"""
