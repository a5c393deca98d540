"""Ann's and Bo's mailboxes in one database; each row that a reader may see says whose it is."""

from mailsync.decisions.verify import ListingContradiction, ListingContradictionKind
from mailsync.model import IdListing, RemoteId, UnreadableMessage, Upsert
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.mail_store import MailStore
from tests.store.rows import rows
from tests.support.builders import (
    a_message,
    a_page,
    a_page_write,
    a_remote_folder,
    begin_run,
    connect_account,
)

USERS = ("ann", "bo")
# Where each readable table says whose row it is.
OWNER = {
    "email_accounts": "user_id",
    "email_folders": "display_name",
    "emails": "subject",
    "email_bodies": "html",
    "email_placements": "remote_key",
    "email_quarantine": "detail",
    "proof_differences": "message_id",
    "sync_runs": "id",
    "sync_run_folders": "run_id",
}


def fill(database: Database) -> None:
    for user in USERS:
        _fill(database, user)


def _fill(database: Database, user: str) -> None:
    account_id, folders = connect_account(database, user), FolderStore(database)
    run = begin_run(database, account_id, user, user)
    folders.save(run, [a_remote_folder("F1", display_name=user)], [])
    (folder,) = folders.folders(account_id)
    # The same ids in both mailboxes: what a join by them would mix up.
    messages = [
        a_message(each, subject=user, body_html=user, internet_message_id=f"<{each}@example.org>")
        for each in ("m1", "m2")
    ]
    page = a_page(*map(Upsert, messages), UnreadableMessage(RemoteId("m3"), "too_large", user))
    MailStore(database).apply_page(run, a_page_write(folder, page))
    key = f"UPDATE mailsync.email_placements SET remote_key = '{user}'"
    rows(database, f"{key} WHERE account_id = '{account_id}'")
    left = [ListingContradiction(RemoteId(user), ListingContradictionKind.MISSING)]
    folders.mark_compared(run, folder.ref.id, IdListing(()), left)
