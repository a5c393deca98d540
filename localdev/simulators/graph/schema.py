"""Define the SQLite tables that only the simulated Graph uses.

outlook_mailbox: how many times a mailbox was created again (`creations`).
outlook_folder: the folders that only Outlook has. `folder` is the folder's number.
chain: the chains of delta links (see `graph.links`). `owner_id` is Graph's id of a folder or user;
    `highest` is the highest link number.
subscription: `folder_id` is Graph's id; NULL for the whole mailbox. `seen` is the number of the
    last change that the notifications cover.
notification: the notifications that no subscriber has accepted yet.
"""

CREATE_GRAPH_TABLES_SQL = """
CREATE TABLE IF NOT EXISTS outlook_mailbox (
    mailbox_id TEXT PRIMARY KEY, creations INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS outlook_folder (
    folder INTEGER PRIMARY KEY, well_known_name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chain (
    id TEXT PRIMARY KEY, owner_id TEXT NOT NULL, highest INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS subscription (
    id TEXT PRIMARY KEY, mailbox_id TEXT NOT NULL, folder_id TEXT, resource TEXT NOT NULL,
    change_types TEXT NOT NULL, notification_url TEXT NOT NULL, lifecycle_url TEXT,
    client_state TEXT, expires_at REAL NOT NULL, immutable_ids INTEGER NOT NULL,
    authorized INTEGER NOT NULL, seen INTEGER NOT NULL, creator_id TEXT);
CREATE TABLE IF NOT EXISTS notification (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, url TEXT NOT NULL, body BLOB NOT NULL,
    first_at REAL NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0);
"""
