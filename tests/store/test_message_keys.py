"""The keys and ids of messages whose keys change."""

from mailsync.model import AccountId, RunId, RunRef
from mailsync.store.connection import Database
from mailsync.store.message_key_store import MessageKeyStore

RUN = RunRef(AccountId("00000000-0000-0000-0000-000000000000"), RunId("run"), 1)


def test_a_page_without_changes_costs_no_statement(database: Database) -> None:
    keys, before = MessageKeyStore(database), database.statement_count

    assert keys.ids_of_keys(RUN, []) == {}
    assert keys.keys_of_ids(RUN, []) == {}
    assert keys.unused_ids(RUN, []) == {}
    assert database.statement_count == before
