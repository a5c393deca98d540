"""Define the SQLite tables of simulated mailboxes, which are the same for every provider.

A blob is the content of a mail; a message and its copies have the same blob. The table `original`
has the bytes of some mails as they were received. A message has a blob, values that its owner can
change (such as whether it is read), and a placement for each folder that it is in. The journal, the
table `change`, numbers all changes. The number of a placement is the number of the change that put
the message into the folder. Database triggers update the message counts of the folders.
"""

CREATE_MAILBOX_TABLES_SQL = """
CREATE TABLE IF NOT EXISTS mailbox (
    id TEXT PRIMARY KEY, address TEXT NOT NULL UNIQUE COLLATE NOCASE, display_name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS folder (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, parent INTEGER,
    name TEXT NOT NULL, role TEXT NOT NULL, is_hidden INTEGER NOT NULL, search_filter TEXT,
    total INTEGER NOT NULL DEFAULT 0, unread INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS folder_of_mailbox ON folder (mailbox_id, parent);
CREATE TABLE IF NOT EXISTS blob (
    number INTEGER PRIMARY KEY AUTOINCREMENT, content TEXT NOT NULL, preview TEXT NOT NULL,
    body_type TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS original (blob INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS message (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, blob INTEGER NOT NULL,
    thread TEXT NOT NULL, received_at TEXT NOT NULL, modified_at TEXT NOT NULL,
    changed INTEGER NOT NULL DEFAULT 0, is_read INTEGER NOT NULL, is_flagged INTEGER NOT NULL,
    is_draft INTEGER NOT NULL, importance TEXT NOT NULL, categories TEXT NOT NULL,
    attributes TEXT NOT NULL DEFAULT '{}');
CREATE INDEX IF NOT EXISTS message_of_mailbox ON message (mailbox_id, number);
CREATE INDEX IF NOT EXISTS message_of_blob ON message (blob);
CREATE TABLE IF NOT EXISTS placement (
    message INTEGER NOT NULL, folder INTEGER NOT NULL, number INTEGER NOT NULL,
    received_at TEXT NOT NULL, PRIMARY KEY (message, folder)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS placement_by_age ON placement (folder, received_at, message);
CREATE TABLE IF NOT EXISTS change (
    number INTEGER PRIMARY KEY AUTOINCREMENT, mailbox_id TEXT NOT NULL, kind TEXT NOT NULL,
    message INTEGER, folder INTEGER, placement INTEGER, source INTEGER, source_placement INTEGER,
    fields TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS change_of_mailbox ON change (mailbox_id, number);
CREATE INDEX IF NOT EXISTS change_of_folder ON change (folder, number);
CREATE INDEX IF NOT EXISTS change_of_source ON change (source, number);
CREATE INDEX IF NOT EXISTS change_of_message ON change (message, number);
CREATE TRIGGER IF NOT EXISTS message_arrives AFTER INSERT ON placement BEGIN
    UPDATE folder SET total = total + 1,
           unread = unread + 1 - (SELECT is_read FROM message WHERE number = new.message)
     WHERE number = new.folder; END;
CREATE TRIGGER IF NOT EXISTS message_leaves AFTER DELETE ON placement BEGIN
    UPDATE folder SET total = total - 1,
           unread = unread - 1 + (SELECT is_read FROM message WHERE number = old.message)
     WHERE number = old.folder; END;
CREATE TRIGGER IF NOT EXISTS message_is_read AFTER UPDATE OF is_read ON message BEGIN
    UPDATE folder SET unread = unread + old.is_read - new.is_read
     WHERE number IN (SELECT folder FROM placement WHERE message = new.number); END;
CREATE TRIGGER IF NOT EXISTS blob_is_unused AFTER DELETE ON message
    WHEN NOT EXISTS (SELECT 1 FROM message WHERE blob = old.blob) BEGIN
    DELETE FROM blob WHERE number = old.blob; END;
CREATE TRIGGER IF NOT EXISTS blob_is_replaced AFTER UPDATE OF blob ON message
    WHEN old.blob <> new.blob AND NOT EXISTS (SELECT 1 FROM message WHERE blob = old.blob) BEGIN
    DELETE FROM blob WHERE number = old.blob; END;
CREATE TRIGGER IF NOT EXISTS blob_is_deleted AFTER DELETE ON blob BEGIN
    DELETE FROM original WHERE blob = old.number; END;
"""
