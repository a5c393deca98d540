"""A folder that no repair mends: the run, the status and the account say so, and by how much."""

from datetime import UTC, datetime

from mailsync.api.sync_status import to_sync_status_view
from mailsync.model import RunId
from mailsync.store.account_store import AccountStore
from mailsync.store.history_store import HistoryStore
from mailsync.store.status_store import StatusStore
from tests.workflow.failures.world import World

LISTING = r"/messages\?.*\$count=true"
LOSE_ONE = (
    "DELETE FROM mailsync.emails WHERE id = (SELECT min(m.id) FROM mailsync.emails m"
    " JOIN mailsync.email_folders f ON f.id = m.folder_id WHERE f.role = 'inbox') RETURNING 1"
)


def miscount(world: World) -> None:
    """From now on the provider counts three more in the inbox than there are, for ever."""
    world.remote.database.write("UPDATE folder SET total = total + 3 WHERE role = 'inbox'")
    assert world.sync() == "completed"


def test_it_is_said_in_the_run_the_status_and_the_account(synced: World) -> None:
    miscount(synced)
    synced.rows(LOSE_ONE)
    synced.inject_fault(LISTING, status=500, times=None)

    assert synced.sync() == "VerificationFailed"

    newest = synced.one("SELECT max(id) FROM mailsync.sync_runs")[0]
    run = HistoryStore(synced.database).run(RunId(newest), "ann")
    status = StatusStore(synced.database).status(synced.account_id, "ann")
    account = AccountStore(synced.database).account_of_user(synced.account_id, "ann")
    assert run
    assert status
    assert account
    told = "still differs from the provider (folders: 1, messages: 1)"
    shown = to_sync_status_view(status, datetime.now(UTC))
    assert shown.last_error
    assert told in shown.last_error.message
    assert (shown.sync_status, shown.next_retry_at) == ("failed", account.row.next_sync_at)
    assert told in (run.row.error_message or "")
    assert told in (account.row.last_error_message or "")
    assert run.next_sync_at == account.row.next_sync_at > datetime.now(UTC)


def test_a_wrong_count_of_the_provider_is_shown_beside_it(synced: World) -> None:
    miscount(synced)

    status = StatusStore(synced.database).status(synced.account_id, "ann")

    assert status
    shown = to_sync_status_view(status, datetime.now(UTC))
    inbox = next(each for each in shown.folders if each.role == "inbox")
    assert (inbox.remote_total, inbox.total, inbox.count_offset) == (15, 12, 3)
    assert shown.sync_progress == shown.sync_total == 36
    assert shown.compared_at is None, "two folders have not been compared yet"
    assert inbox.compared_at is not None
    assert synced.is_mirrored()
