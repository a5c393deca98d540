"""Ann's and Bo's mailboxes in one database; each row that a reader may see says whose it is."""

from mailsync.decisions.verify import ListingContradictionKind, MessageContradictingListing
from mailsync.model import MessageListing, RemoteId, UnreadableMessage, Upsert
from mailsync.store.connection import Database
from tests.store.conftest import connect_mirror
from tests.support.builders import a_message, a_remote_folder

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
    "quarantine_placements": "message_id",
    "sync_runs": "id",
    "sync_run_folders": "run_id",
}


def fill(database: Database) -> None:
    for user in USERS:
        _fill(database, user)


def _fill(database: Database, user: str) -> None:
    mirror = connect_mirror(database, user, a_remote_folder(display_name=user))
    # The same ids in both mailboxes: what a join by them would mix up.
    messages = [
        a_message(each, subject=user, body_html=user, internet_message_id=f"<{each}@example.org>")
        for each in ("m1", "m2")
    ]
    unreadable = UnreadableMessage(RemoteId(user), "too_large", user)
    mirror.apply(mirror.first, *map(Upsert, messages), unreadable)
    key = f"UPDATE mailsync.email_placements SET remote_key = '{user}'"
    mirror.rows(f"{key} WHERE account_id = '{mirror.run.account_id}'")
    left = [
        MessageContradictingListing(
            RemoteId(user), ListingContradictionKind.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER
        )
    ]
    mirror.folder_store.save_id_comparison(mirror.run, mirror.first, MessageListing(()), left)
