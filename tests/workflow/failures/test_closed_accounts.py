"""Who closes an account, and how one that was closed opens again without a person."""

import pytest

from mailsync.errors import AccessRevoked, ProviderUnavailable
from mailsync.store.queue_store import DueMailboxQueueStore
from mailsync.sync.check import CheckOutcome
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

ACCOUNT = "SELECT status, last_error_message, failures FROM mailsync.email_accounts"
CREDENTIALS = """
INSERT INTO mailsync.email_credentials (account_id, organisation_id)
SELECT id, 'an organisation' FROM mailsync.email_accounts"""
BY_THE_VERSION_BEFORE = """
UPDATE mailsync.email_accounts
   SET status = 'reauth_required', sync_status = 'failed', failures = 1, next_sync_at = now(),
       last_error = 'AccessRevoked', last_error_message = 'Microsoft Graph answered 401'
          ' InvalidAuthenticationToken to a new access token; connect the mailbox again.'"""
ENDED = "UPDATE mailsync.email_credentials SET refused_at = now()"
TOUCH = "UPDATE mailsync.email_accounts SET next_sync_at = now()"
DUE_IN_MINUTES = "SELECT extract(epoch FROM due_at - now()) / 60 FROM mailsync.sync_queue"
RUNS = "SELECT status, error FROM mailsync.sync_runs ORDER BY created_at"
EVENTS = "SELECT type FROM mailsync.outbox ORDER BY id"


@pytest.fixture
def synced(synced: World) -> World:
    """A mailbox that is mirrored, and has a new mail since."""
    synced.rows(CREDENTIALS)
    synced.remote.deliver_message(a_mail("new"))
    return synced


@pytest.fixture
def closed(synced: World) -> World:
    """Closed in an outage by the version before, and due."""
    synced.rows(BY_THE_VERSION_BEFORE)
    return synced


def claimed(world: World) -> int:
    return len(DueMailboxQueueStore(world.database).claim_due_mailboxes(10, 600))


def test_an_outage_in_which_graph_refuses_good_tokens_closes_no_account(synced: World) -> None:
    """As on 15 March 2021, for hours, while tokens were renewed without trouble."""
    synced.inject_fault(status=401, code="InvalidAuthenticationToken", times=None)

    assert synced.hand_over() == "ProviderUnavailable"
    status, sentence, _ = synced.one(ACCOUNT)
    assert (status, "an outage" in sentence) == ("active", True)
    synced.clear_faults()

    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.one(ACCOUNT) == ["active", None, 0]
    assert synced.is_mirrored()


def test_one_folder_whose_items_refuse_the_token_closes_no_account(synced: World) -> None:
    synced.inject_fault("childFolders", status=401, code="InvalidAuthenticationToken", times=1)

    assert synced.check().outcome is CheckOutcome.SYNCED
    assert synced.is_mirrored()


def test_an_account_that_an_outage_closed_opens_by_itself_and_goes_on(closed: World) -> None:
    assert claimed(closed) == 1

    assert closed.check().outcome is CheckOutcome.SYNCED

    assert closed.one(ACCOUNT) == ["active", None, 0]
    assert closed.is_mirrored()
    assert closed.rows(EVENTS)[-1] == ["sync.completed"]


def test_an_account_that_opens_before_its_first_sync_is_left_to_an_execution(world: World) -> None:
    world.rows(CREDENTIALS)
    world.rows(BY_THE_VERSION_BEFORE)

    assert world.hand_over() == "completed"
    assert world.one(ACCOUNT) == ["active", None, 0]


def test_while_there_is_no_token_it_stays_closed_without_noise_and_is_tried_ever_later(
    closed: World,
) -> None:
    before = closed.rows(RUNS), closed.rows(EVENTS)
    closed.access.refusal = AccessRevoked("The rules for sign-ins forbid it.")

    waits = []
    for _ in range(12):
        assert closed.check().outcome is CheckOutcome.ACCESS_STILL_REFUSED
        waits.append(float(closed.one(DUE_IN_MINUTES)[0]))

    assert closed.one(ACCOUNT)[:2] == ["reauth_required", "The rules for sign-ins forbid it."]
    assert (closed.rows(RUNS), closed.rows(EVENTS)) == before
    assert 15 < waits[0] < 25
    assert 0.9 * 24 * 60 - 1 < waits[-1] < 1.1 * 24 * 60
    closed.access.refusal = None
    assert closed.check().outcome is CheckOutcome.SYNCED


def test_an_outage_of_the_identity_platform_leaves_it_as_it_was(closed: World) -> None:
    [_, sentence, _] = closed.one(ACCOUNT)
    closed.access.refusal = ProviderUnavailable("No answer.")

    assert closed.check().outcome is CheckOutcome.ACCESS_STILL_REFUSED
    assert closed.one(ACCOUNT)[:2] == ["reauth_required", sentence]
    assert closed.started == []


def test_an_account_whose_grant_has_ended_waits_for_its_person(closed: World) -> None:
    closed.rows(ENDED)
    closed.rows(TOUCH)

    assert claimed(closed) == 0
    assert closed.check().outcome is CheckOutcome.LEASE_UNAVAILABLE
    assert closed.one(ACCOUNT)[0] == "reauth_required"


def test_the_end_of_a_grant_that_is_found_while_it_is_tried_takes_it_out_of_the_queue(
    closed: World,
) -> None:
    closed.access.refusal = AccessRevoked("The password was changed.", is_final=True)

    assert closed.check_during(lambda: closed.rows(ENDED)) is CheckOutcome.ACCESS_STILL_REFUSED
    assert closed.rows("SELECT 1 FROM mailsync.sync_queue") == []


@pytest.mark.parametrize("status", ["active", "paused", "disconnected"])
def test_what_a_person_does_meanwhile_counts(closed: World, status: str) -> None:
    becomes = f"UPDATE mailsync.email_accounts SET status = '{status}'"

    assert closed.check_during(lambda: closed.rows(becomes)) is CheckOutcome.LEASE_UNAVAILABLE
    assert closed.one(ACCOUNT)[0] == status
