"""A btree refuses entries of more than a third of a page, so text that it holds has a limit.

A Message-ID has none, and is indexed by its hash.
"""

import random

from mailsync.decisions.verify import ListingContradictionKind, MessageContradictingListing
from mailsync.model import (
    MAX_REMOTE_ID_BYTES,
    MAX_USER_ID_CHARS,
    MessageListing,
    ProviderName,
    RemoteId,
    RunId,
    RunRef,
    SyncType,
    SyncTypeAndFolders,
    UnreadableMessage,
    Upsert,
    WrittenRowCounts,
)
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from mailsync.store.run_store import RunStore
from tests.store.conftest import Mirror, mirror_of
from tests.store.rows import one, rows
from tests.support.builders import a_message, a_remote_folder, begin_run

IN_A_BTREE = """
SELECT DISTINCT c.relname || '.' || a.attname
  FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  JOIN pg_am m ON m.oid = x.relam
  JOIN pg_attribute a ON a.attrelid = i.indexrelid
 WHERE c.relnamespace = 'mailsync'::regnamespace AND m.amname <> 'hash'
   AND a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'bytea'::regtype, 'jsonb'::regtype)"""
# What limits each: a new column stands here with its limit, or takes a hash.
LIMITED = {
    "call_limits.kind": "our own",
    "check_slots.holder": "36 characters, a uuid",
    "call_limits.user_id": "MAX_USER_ID_CHARS",
    "email_accounts.user_id": "MAX_USER_ID_CHARS",
    "email_accounts.provider": "a check",
    "email_accounts.provider_account_id": "MAX_REMOTE_ID_BYTES of a user and a tenant's uuid",
    "email_folders.remote_id": "MAX_REMOTE_ID_BYTES",
    "email_quarantine.message_id": "MAX_REMOTE_ID_BYTES",
    "emails.message_id": "MAX_REMOTE_ID_BYTES",
    "joined_keys.idempotency_key": "255 characters, refused by the API",
    "joined_keys.run_id": "80 characters, the name of an execution",
    "message_keys.remote_key": "MAX_REMOTE_ID_BYTES",
    "pending_connections.token_hash": "32 bytes",
    "pending_messages.group_id": "MAX_REMOTE_ID_BYTES",
    "pending_messages.message_id": "MAX_REMOTE_ID_BYTES",
    "proof_differences.message_id": "MAX_REMOTE_ID_BYTES",
    "provider_subscriptions.remote_id": "MAX_REMOTE_ID_BYTES",
    "quarantine_placements.message_id": "MAX_REMOTE_ID_BYTES",
    "schema_migrations.version": "our own",
    "self_tests.id": "80 characters, the name of an execution",
    "sign_ins.state_hash": "32 bytes",
    "sync_run_folders.run_id": "80 characters, the name of an execution",
    "sync_runs.execution_name": "80 characters, the name of an execution",
    "quota_buckets.provider": "our own",
    "sync_runs.id": "80 characters, the name of an execution",
    "sync_runs.idempotency_key": "255 characters, refused by the API",
}


def noise(chars: int, seed: int = 1) -> str:
    """Text that does not compress, of two-byte characters."""
    return "".join(chr(each) for each in random.Random(seed).choices(range(0x400, 0x800), k=chars))


ANY_LENGTH = (1300, 3300, 1_000_000)
MAX_ID = noise(MAX_REMOTE_ID_BYTES // 2)


def a_run_of_the_longest_names(database: Database) -> RunRef:
    credentials = CredentialStore(database)
    credentials.add_data_key(b"wrapped")
    account_id = credentials.connect_account(
        user_id=noise(MAX_USER_ID_CHARS),
        provider=ProviderName("microsoft"),
        provider_account_id=f"{MAX_ID}.00000000-0000-0000-0000-000000000000",
        email_address="ann@example.org",
    )
    run_id, scope = RunId("r" * 80), SyncTypeAndFolders(SyncType.INITIAL)
    for seed in (1, 2):  # the second joins
        RunStore(database).enqueue_run(account_id, run_id, scope, "api", noise(255, seed))
    return begin_run(database, account_id, run_id)


def test_every_text_in_a_btree_has_a_limit(database: Database) -> None:
    assert {name for (name,) in rows(database, IN_A_BTREE)} == LIMITED.keys()


def test_at_its_limit_each_is_stored(database: Database) -> None:
    run = a_run_of_the_longest_names(database)
    mirror = mirror_of(database, run, a_remote_folder(MAX_ID))

    counts = mirror.apply(
        mirror.first,
        Upsert(a_message(MAX_ID, folder=MAX_ID)),
        UnreadableMessage(RemoteId(MAX_ID[::-1]), "malformed", ""),
    )
    left = [
        MessageContradictingListing(
            RemoteId(MAX_ID), ListingContradictionKind.LISTED_BUT_NOT_FOUND_BY_ID_IN_FOLDER
        )
    ]
    mirror.folder_store.save_id_comparison(run, mirror.first, MessageListing(()), left)
    mirror.rows(
        "INSERT INTO mailsync.provider_subscriptions (account_id, remote_id, secret_hash,"
        f" callback_url) VALUES ('{run.account_id}', '{MAX_ID}', '', '')"
    )

    assert counts == WrittenRowCounts(inserted=1, quarantined=1)
    assert one(database, "SELECT count(*) FROM mailsync.joined_keys") == [1]
    assert one(database, "SELECT count(*) FROM mailsync.proof_differences") == [1]


def test_a_message_id_may_be_of_any_length(mirror: Mirror) -> None:
    counts = mirror.apply(
        mirror.first,
        *(Upsert(a_message(str(chars), internet_message_id=noise(chars))) for chars in ANY_LENGTH),
    )

    assert counts == WrittenRowCounts(inserted=len(ANY_LENGTH))
