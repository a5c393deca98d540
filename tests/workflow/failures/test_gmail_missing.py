"""Gmail reports for some seconds that a message does not exist, and then has it: it stays owed
until the history or a complete list says that it is gone."""

from collections.abc import Callable

import pytest

from mailsync.store.quota_store import QuotaLimits
from tests.support.mail import a_mail
from tests.workflow.failures.gmail_world import GmailWorld

OWED = "SELECT count(*) FROM mailsync.pending_messages"
IS_VERIFIED = "SELECT verified_at > now() - interval '5 min' FROM mailsync.email_accounts"
MAX_REQUESTS = 30
"""For a message that Gmail deleted without a word in its history."""


@pytest.fixture
def synced(gmail: GmailWorld) -> GmailWorld:
    gmail.fill(12)
    assert gmail.sync() == "completed"
    return gmail


def owed(gmail: GmailWorld) -> int:
    return int(gmail.one(OWED)[0])


@pytest.mark.parametrize("times", [1, 2])
def test_mail_that_just_arrived_is_requested_again_within_the_same_sync(
    synced: GmailWorld, times: int
) -> None:
    new = synced.owner.deliver_message(a_mail("to myself"), ["INBOX", "SENT", "UNREAD"])
    synced.inject_fault(f"/messages/{new}", status=404, times=times)

    synced.check_to_the_end()

    assert synced.is_exact()
    assert 0 < sum(synced.waits) < 30


@pytest.mark.parametrize("labels", [("INBOX",), ()], ids=["counted", "archived"])
def test_it_stays_owed_and_the_mailbox_unverified_until_a_later_check(
    synced: GmailWorld, labels: tuple[str, ...]
) -> None:
    new = synced.owner.deliver_message(a_mail("late"), labels)
    synced.inject_fault(f"/messages/{new}", status=404, times=None)
    for read in (synced.sync, synced.check, synced.sync):
        synced.let_time_pass(hours=0.2)
        read()
        assert synced.one(IS_VERIFIED) == [False]
    assert owed(synced) == 1
    synced.let_time_pass(hours=0.2)

    synced.clear_faults()
    synced.check_to_the_end()

    assert synced.is_exact()
    assert owed(synced) == 0


def test_a_sync_that_leaves_a_message_owed_says_that_it_proves_nothing(synced: GmailWorld) -> None:
    proven = "SELECT detail->>'proven' FROM mailsync.outbox ORDER BY id DESC LIMIT 1"
    assert synced.one(proven) == ["true"]
    archived = synced.owner.deliver_message(a_mail("late"), ())
    synced.inject_fault(f"/messages/{archived}", status=404, times=None)

    assert synced.sync() == "completed"

    assert synced.one(proven) == ["false"]


def test_mail_of_a_backfill_stays_owed_as_well(gmail: GmailWorld) -> None:
    gmail.fill(12)
    late = gmail.owner.gmail.list_every_message_newest_first()[5].id
    gmail.inject_fault(f"/messages/{late}", status=404, times=None)
    gmail.sync()
    assert owed(gmail) == 1
    gmail.clear_faults()
    gmail.let_time_pass(hours=0.2)

    assert gmail.sync() == "completed"

    assert gmail.is_exact()


def delete(gmail: GmailWorld, message: str) -> None:
    gmail.owner.erase_message(message)


def delete_unseen(gmail: GmailWorld, message: str) -> None:
    with gmail.owner.omit_changes_from_history():
        gmail.owner.erase_message(message)


def delete_in_a_gap(gmail: GmailWorld, message: str) -> None:
    gmail.owner.erase_message(message)
    gmail.remote.expire_cursors()


@pytest.mark.long
@pytest.mark.parametrize("how", [delete, delete_unseen, delete_in_a_gap])
def test_mail_deleted_during_the_backfill_is_not_requested_without_end(
    gmail: GmailWorld, how: Callable[[GmailWorld, str], None]
) -> None:
    gmail.fill(30)
    gmail.limits = QuotaLimits(300, 10**8)
    oldest = gmail.owner.gmail.list_every_message_newest_first()[-1].id
    once = iter([how])
    gmail.on_wait = lambda: [each(gmail, oldest) for each in once]
    for _ in range(18):
        gmail.sync()
        gmail.let_time_pass(hours=0.2)

    requested = sum(oldest in each.path for each in gmail.simulators.service.log.records())
    assert 0 < requested <= (MAX_REQUESTS if how is delete_unseen else 3)
    assert owed(gmail) == 0
    assert gmail.is_exact()
