"""A sync in the middle of its work, without its functions."""

from mailsync.model import AccountId, RunId, RunRef, SyncType, Upsert
from mailsync.store.connection import Database
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.mail_store import MailStore
from tests.api.conftest import Ask
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder


def sync_under_way(ask: Ask, account_id: AccountId, database: Database) -> RunRef:
    """It has stored three messages in F1 and one in F2; the first data key must be there."""
    accepted = ask("POST /api/email/sync", body={"accountId": account_id}).json
    run_id = RunId(accepted["runId"])
    epoch = LeaseStore(database).begin(
        account_id, run_id, accepted["executionArn"], SyncType.MANUAL, "api"
    )
    assert epoch is not None
    run, mail = RunRef(account_id, run_id, epoch), MailStore(database)
    folders = FolderStore(database)
    folders.save(run, [a_remote_folder("F1"), a_remote_folder("F2")], [])
    for folder, names in zip(folders.folders(account_id), ["abc", "d"], strict=True):
        mails = [Upsert(a_message(each, folder.ref.remote_id)) for each in names]
        mail.apply_page(run, a_page_write(folder, a_page(*mails)))
    return run
