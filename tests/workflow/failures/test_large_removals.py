"""Most of a mailbox seems to go: it is hidden, and a person's word shortens the wait for it."""

import pytest

from mailsync.model import RemoteId, RunId, RunRef, SyncType
from mailsync.store.control_store import AccountOfCaller, ControlStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.lease_store import LeaseStore
from mailsync.store.removal_store import HiddenMail, RemovalStore, hidden_mail_of_account
from tests.providers.simulators.graph_client import a_mail
from tests.workflow.failures.world import World

ROWS = "SELECT count(*), count(removed_at), count(gone_at) FROM mailsync.emails"
ERROR = "SELECT last_error FROM mailsync.email_accounts"
DUE = "SELECT next_sync_at <= now() FROM mailsync.email_accounts"


@pytest.fixture
def emptied(synced: World) -> World:
    """Synced, then all but two of its 36 messages were deleted, which the next sync found out."""
    delete(synced, leave=2)
    assert synced.sync() == "completed"
    assert synced.one(ROWS) == [36, 34, 34]
    return synced


def delete(world: World, *, leave: int) -> None:
    folders = [each.id for each in world.remote.folders.all()]
    held = [message for folder in folders for message in world.remote.messages(folder)]
    for message in held[leave:]:
        world.remote.delete_permanently(message.immutable_id)


def removal(world: World) -> HiddenMail:
    with world.database.transaction() as tx:
        return hidden_mail_of_account(tx, world.account_id)


def confirm(world: World) -> HiddenMail | None:
    own = AccountOfCaller(world.account_id, "ann")
    return ControlStore(world.database).confirm_removal(own)


def test_confirmed_it_goes_with_the_next_sync_two_hours_after_the_first_answer(
    emptied: World,
) -> None:
    confirmed = confirm(emptied)

    assert confirmed is not None
    assert (confirmed.gone, confirmed.is_suspicious) == (34, False)
    assert (emptied.one(ERROR), emptied.one(DUE)) == ([None], [True])
    assert emptied.sync() == "completed"
    assert emptied.one(ROWS) == [36, 34, 34]
    emptied.let_time_pass(hours=2)
    assert emptied.sync() == "completed"
    assert emptied.one(ROWS) == [2, 0, 0]
    assert emptied.is_mirrored()


def test_what_has_come_back_until_then_is_shown_again_as_the_same_row(emptied: World) -> None:
    number, back = emptied.one(
        "SELECT id, message_id FROM mailsync.emails WHERE gone_at IS NOT NULL"
    )
    emptied.remote.move(back, "inbox")
    emptied.let_time_pass(hours=3)
    confirm(emptied)

    assert emptied.mirrors()
    assert emptied.one(f"SELECT message_id FROM mailsync.emails WHERE id = {number}") == [back]


def test_what_goes_after_the_confirmation_is_not_covered_by_it(synced: World) -> None:
    """Older mail is still hidden then."""
    delete(synced, leave=14)
    synced.sync()
    assert confirm(synced) is not None
    synced.let_time_pass(hours=1)
    for number in range(30):
        synced.remote.deliver(a_mail(f"later {number}"))
    synced.sync()
    delete(synced, leave=0)

    synced.sync()

    assert (removal(synced).gone, removal(synced).unconfirmed) == (66, 44)
    assert synced.one(ERROR) == ["SuspiciousRemoval"]


def test_mail_of_a_hidden_folder_is_not_counted_twice(synced: World) -> None:
    """Or most of the mailbox would look like less than half, where a sync dies before it counts."""
    epoch = LeaseStore(synced.database).begin(
        synced.account_id, RunId("dies"), "arn", SyncType.AUTO, "test"
    )
    run = RunRef(synced.account_id, RunId("dies"), epoch or 0)
    folders = FolderStore(synced.database)
    others = [each.ref.id for each in folders.folders(run.account_id) if each.role != "inbox"]
    folders.save(run, [], others)
    removals = RemovalStore(synced.database)
    gone: tuple[RemoteId, ...] = removals.message_ids_due_for_confirmation(run, "", 100)

    removals.confirm_gone(run, gone, removals.begin(run).wait_s)

    assert len(gone) == 24
    assert removals.begin(run).is_suspicious
