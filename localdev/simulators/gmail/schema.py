"""Define the SQLite tables that only the simulated Gmail uses.

The journal of the simulated mailbox says which placements and fields changed. Gmail's history also
needs the values that a message had at each change, and the threads of deleted messages: triggers
keep both, for the mailboxes that Gmail serves.

gmail_mailbox: the mailboxes that Gmail serves. A mailbox's history begins after the change `since`.
gmail_message: the ids of messages. A draft gets another id when it is edited, so a message can have
    several ids; only the newest is valid. `id_number` is the number of the change that made the id.
gmail_flags: the read state, star and importance of a message from the change `change` on.
gmail_label: the folders whose label has a fixed id, such as categories. `is_listed` says whether
    `labels.list` and `labels.get` return the label.
gmail_hidden_change: the changes that the history leaves out.
gmail_watch: the watches on mailboxes, for push notifications.
"""

from dataclasses import fields

from localdev.mail.item import MailItem
from localdev.simulators.message import MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES

_CONTENT_FIELDS = sorted(
    {each.name for each in fields(MailItem)}
    - {*MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES, "folder", "original"}
)


def _are_contents_changed(row: str) -> str:
    """Return the SQL condition that a change gave a message other contents.

    row: name of the row of the table `change` in the statement.
    """
    named = (f"',' || {row}.fields || ',' LIKE '%,{name},%'" for name in _CONTENT_FIELDS)
    return f"{row}.kind = 'changed' AND ({' OR '.join(named)})"


INSERT_MESSAGE_IDS_SQL = f"""
INSERT INTO gmail_message
SELECT max(c.number), m.number, m.mailbox_id, m.thread
  FROM message m JOIN change c ON c.message = m.number
 WHERE m.mailbox_id = ? AND ({_are_contents_changed("c")}
       OR c.number = (SELECT min(number) FROM change WHERE message = m.number))
 GROUP BY m.number
"""
"""Statement that inserts the Gmail ids of all messages of a mailbox into `gmail_message`."""

CREATE_GMAIL_TABLES_SQL = f"""
CREATE INDEX IF NOT EXISTS message_by_age ON message (mailbox_id, received_at, number);
CREATE TABLE IF NOT EXISTS gmail_mailbox (mailbox_id TEXT PRIMARY KEY, since INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS gmail_message (
    id_number INTEGER PRIMARY KEY, message INTEGER NOT NULL, mailbox_id TEXT NOT NULL,
    thread TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS gmail_ids_of_message ON gmail_message (message, id_number);
CREATE INDEX IF NOT EXISTS gmail_ids_of_thread ON gmail_message (mailbox_id, thread);
CREATE TABLE IF NOT EXISTS gmail_flags (
    change INTEGER PRIMARY KEY, message INTEGER NOT NULL, is_read INTEGER NOT NULL,
    is_flagged INTEGER NOT NULL, is_important INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS gmail_flags_of_message ON gmail_flags (message, change);
CREATE TABLE IF NOT EXISTS gmail_label (
    folder INTEGER PRIMARY KEY, mailbox_id TEXT NOT NULL, label_id TEXT NOT NULL,
    is_listed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS gmail_hidden_change (number INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS gmail_watch (
    mailbox_id TEXT PRIMARY KEY, topic TEXT NOT NULL, label_ids TEXT NOT NULL,
    is_exclusion INTEGER NOT NULL, expires_at REAL NOT NULL, announced INTEGER NOT NULL,
    renewals INTEGER NOT NULL);
CREATE TRIGGER IF NOT EXISTS gmail_id_is_new AFTER INSERT ON change
    WHEN new.message IS NOT NULL
     AND EXISTS (SELECT 1 FROM gmail_mailbox WHERE mailbox_id = new.mailbox_id)
     AND (NOT EXISTS (SELECT 1 FROM gmail_message WHERE message = new.message)
          OR {_are_contents_changed("new")}) BEGIN
    INSERT INTO gmail_message SELECT new.number, number, mailbox_id, thread FROM message
     WHERE number = new.message; END;
CREATE TRIGGER IF NOT EXISTS gmail_flags_are_set AFTER UPDATE OF changed ON message
    WHEN EXISTS (SELECT 1 FROM gmail_mailbox WHERE mailbox_id = new.mailbox_id) BEGIN
    INSERT OR REPLACE INTO gmail_flags VALUES (new.changed, new.number, new.is_read,
        new.is_flagged, new.importance = 'high'); END;
"""
