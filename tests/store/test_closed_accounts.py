"""What the rows keep of closed accounts, and of what the identity platform asked for."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

from mailsync.model import AccountId, Credentials, RunRef
from mailsync.settings import Settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.migrate import apply_migrations, read_migrations
from mailsync.store.run_store import RunStore
from tests.store.rows import one, rows
from tests.support.builders import begin_run
from tests.support.emf import Counted

CLOSED_BEFORE = """
WITH account AS (
  INSERT INTO mailsync.email_accounts
         (user_id, provider, provider_account_id, email_address, status, next_sync_at)
  SELECT 'ann', 'microsoft', s, s, s, now() + interval '1 day'
    FROM unnest(array['active', 'paused', 'reauth_required']) s
  RETURNING id)
INSERT INTO mailsync.email_credentials (account_id, organisation_id)
SELECT id, 'tenant' FROM account RETURNING 1"""
DUE_WITHIN_THE_HOUR = """
SELECT a.status FROM mailsync.sync_queue q JOIN mailsync.email_accounts a ON a.id = q.account_id
 WHERE q.due_at < now() + interval '61 minutes'"""
ADMITTED = (
    "INSERT INTO mailsync.email_credentials (account_id, organisation_id)"
    " SELECT id, 'tenant' FROM mailsync.email_accounts RETURNING 1"
)
NEXT_SYNC = "UPDATE mailsync.email_accounts SET next_sync_at = now() RETURNING 1"
REFUSED = "SELECT refused_at IS NOT NULL, renew_after FROM mailsync.email_credentials"
OF_AN_ORGANISATION = Credentials(None, None, None, granting_organisation_id="tenant")


def test_each_account_that_the_version_before_closed_is_tried_again_within_the_hour(
    empty_settings: Settings,
) -> None:
    """A database that cannot tell why: outages closed accounts, too."""
    apply_migrations(empty_settings, [each for each in read_migrations() if each.version < "0014"])
    with closing(Database(empty_settings)) as database:
        rows(database, CLOSED_BEFORE)
        apply_migrations(empty_settings)

        assert rows(database, DUE_WITHIN_THE_HOUR) == [["reauth_required"]]


def test_accounts_that_are_closed_are_counted_once_each(
    database: Database, runs: RunStore, run: RunRef, counted: Counted
) -> None:
    account_id = run.account_id
    with counted() as metrics:
        runs.fail_run(account_id, run.run_id, "arn-1", "AccessRevoked", "Sign in again.")
        runs.fail_run(account_id, run.run_id, "arn-1", "AccessRevoked", "Sign in again.")
        again = begin_run(database, account_id, "again", "arn-2")
        runs.fail_run(account_id, again.run_id, "arn-2", "AccessRevoked", "Sign in again.")

    assert metrics == {("AccountsClosed",): 1, ("RunsFailed", "AccessRevoked"): 2}


def test_a_closed_account_is_queued_until_its_grant_has_ended(
    runs: RunStore, run: RunRef, database: Database
) -> None:
    credentials = CredentialStore(database)
    one(database, ADMITTED)
    runs.fail_run(run.account_id, run.run_id, "arn-1", "AccessRevoked", "Sign in again.")
    due_in = "SELECT due_at > now() + interval '5 min' FROM mailsync.sync_queue"
    assert rows(database, due_in) == [[True]]

    with credentials.lock_credentials_for_renewal(run.account_id) as renewal:
        renewal.mark_stored_grant_as_ended()
    rows(database, NEXT_SYNC)
    assert rows(database, due_in) == []

    with credentials.lock_credentials_for_renewal(run.account_id) as renewal:
        renewal.save_credentials(OF_AN_ORGANISATION)
    rows(database, NEXT_SYNC)
    assert rows(database, due_in) == [[False]]


def test_what_the_identity_platform_asked_for_is_kept_until_it_gives_a_new_token(
    account_id: AccountId, database: Database
) -> None:
    credentials, now = CredentialStore(database), datetime.now(UTC)
    one(database, ADMITTED)

    with credentials.lock_credentials_for_renewal(account_id) as renewal:
        renewal.postpone_token_renewal_until(now + timedelta(seconds=60))
        renewal.mark_stored_grant_as_ended()
    assert credentials.read_credentials(account_id).token_requests_paused_until == now + timedelta(
        seconds=60
    )
    with credentials.lock_credentials_for_renewal(account_id) as renewal:
        issued = Credentials(
            None, None, None, granting_organisation_id="tenant", access_token_issued_at=now
        )
        renewal.save_credentials(issued)

    assert credentials.read_credentials(account_id) == issued
    assert one(database, REFUSED) == [False, None]
