"""Ann's and Bo's mailboxes in one database; each row that a reader may see says whose it is."""

from mailsync.model import Provider, RunId, RunRef, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from tests.store.rows import rows
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

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
    credentials = CredentialStore(database)
    key_id = credentials.add_data_key(b"wrapped").id
    account_id = credentials.connect_account(
        user_id=user,
        provider=Provider("microsoft"),
        provider_account_id=user,
        email_address=f"{user}@example.org",
    )
    epoch = LeaseStore(database).begin(account_id, RunId(user), user, SyncType.INITIAL, "test")
    assert epoch is not None
    run, folders = RunRef(account_id, RunId(user), epoch), FolderStore(database)
    folders.save(run, [a_remote_folder("F1", display_name=user)], [])
    (folder,) = folders.folders(account_id)
    # The same ids in both mailboxes: what a join by them would mix up.
    messages = [
        a_message(each, subject=user, body_html=user, internet_message_id=f"<{each}@example.org>")
        for each in ("m1", "m2")
    ]
    page = a_page(*map(Upsert, messages))
    MailStore(database).apply_page(run, a_page_write(folder, page, key_id=key_id))
    rows(
        database,
        f"UPDATE mailsync.email_placements SET remote_key = '{user}'"
        f" WHERE account_id = '{account_id}'",
    )
    rows(
        database,
        "INSERT INTO mailsync.email_quarantine (account_id, message_id, folder_id, cause, detail)"
        f" VALUES ('{account_id}', 'm3', {folder.ref.id}, 'too_large', '{user}')",
    )
    rows(
        database,
        "INSERT INTO mailsync.proof_differences (account_id, folder_id, message_id, cause)"
        f" VALUES ('{account_id}', {folder.ref.id}, '{user}', 'missing')",
    )
