"""An application reads with its user named, and sees that person's mailboxes only."""

from pathlib import Path
from typing import Any

import pg8000.native
import pytest

from localdev.engine.postgres import Postgres
from mailsync.model import MessageRemovedFromFolder, RemoteId
from mailsync.store.connection import Database
from mailsync.store.status_store import StatusStore
from tests.store.conftest import Mirror
from tests.store.pooler import pooled
from tests.store.reader import LOGIN, Reader
from tests.store.rows import one
from tests.store.two_mailboxes import OWNER, USERS, fill
from tests.support.builders import a_remote_folder

NOT_ALLOWED = "42501"
DUPLICATES = "SELECT message_id, count(*) FROM {} GROUP BY message_id HAVING count(*) > 1"


@pytest.fixture(scope="module")
def reader(shared_database: Database, shared_reader: Reader) -> Reader:
    """Of two mailboxes, Ann's and Bo's."""
    fill(shared_database)
    return shared_reader


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("table", OWNER)
def test_a_person_sees_her_own_rows_and_no_others(reader: Reader, table: str, user: str) -> None:
    found = reader.rows(f"SELECT {OWNER[table]} FROM mailsync.{table}", user=user)

    assert {owner for (owner,) in found} == {user}


def test_joins_counts_and_sub_selects_see_no_more(reader: Reader) -> None:
    joined = (
        "SELECT DISTINCT m.subject, b.html, f.display_name, q.detail"
        " FROM mailsync.emails m, mailsync.email_bodies b, mailsync.email_folders f,"
        " mailsync.email_quarantine q"
    )
    counted = "SELECT count(*), (SELECT count(*) FROM mailsync.email_bodies) FROM mailsync.emails"

    assert reader.rows(joined, user="ann") == [["ann", "ann", "ann", "ann"]]
    assert reader.rows(counted, user="ann") == [[2, 2]]
    assert reader.rows(DUPLICATES.format("mailsync.emails"), user="ann") == []


@pytest.mark.parametrize("table", OWNER)
@pytest.mark.parametrize("nobody", [{}, {"user": ""}, {"user": "cy"}, {"claims": {"role": "x"}}])
def test_who_names_nobody_or_a_stranger_sees_nothing(
    reader: Reader, table: str, nobody: dict[str, Any]
) -> None:
    assert reader.rows(f"SELECT count(*) FROM mailsync.{table}", **nobody) == [[0]]


def test_the_verified_subject_wins_over_what_the_session_says(reader: Reader) -> None:
    found = reader.rows(
        "SELECT DISTINCT subject FROM mailsync.emails", user="ann", claims={"sub": "bo"}
    )

    assert found == [["bo"]]


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE mailsync.emails SET is_read = true",
        "DROP POLICY own_account ON mailsync.emails",
        "ALTER TABLE mailsync.emails DISABLE ROW LEVEL SECURITY",
        "CREATE TABLE mailsync.mine (a int)",
        "SET ROLE mailsync_writer",
        "SELECT lease_owner FROM mailsync.email_accounts",
        "SELECT execution_arn FROM mailsync.sync_runs",
    ],
)
def test_a_reader_cannot_write_nor_look_behind(reader: Reader, attempt: str) -> None:
    with pytest.raises(pg8000.native.DatabaseError) as refused:
        reader.rows(attempt, user="ann")

    assert refused.value.args[0]["C"] == NOT_ALLOWED


def test_the_owner_of_the_tables_still_sees_everything(
    reader: Reader, shared_database: Database
) -> None:
    assert one(shared_database, "SELECT count(*) FROM mailsync.emails") == [4]


def test_behind_a_pooler_a_name_lasts_for_one_transaction(
    reader: Reader, shared_url: str, tmp_path: Path
) -> None:
    """One server connection for all: what a transaction left behind, the next one would find."""
    subjects = "SELECT DISTINCT subject FROM mailsync.emails"
    reader_url = shared_url.replace("postgres@", f"{LOGIN}@")
    with pooled(reader_url, tmp_path, pool_size=1) as url:
        first, second = Reader(url), Reader(url)
        found = [
            reader.rows(subjects, user=user)
            for _ in range(3)
            for reader, user in ((first, "ann"), (second, "bo"), (first, None))
        ]
        first.close()
        second.close()

    assert found == 3 * [[["ann"]], [["bo"]], []]


SHOWN = (
    "SELECT (SELECT array_agg(message_id ORDER BY message_id) FROM mailsync.emails),"
    " (SELECT array_agg(html ORDER BY html) FROM mailsync.email_bodies),"
    " (SELECT array_agg(remote_id ORDER BY remote_id) FROM mailsync.email_folders)"
)


def test_what_is_hidden_is_hidden_from_readers_with_its_body_and_comes_back(
    mirror: Mirror, postgres: Postgres, database_url: str
) -> None:
    [gone, kept], [moved] = mirror.fill(mirror.first, 2), mirror.fill(mirror.second, 1)
    postgres.create_login_if_missing(LOGIN, role="mailsync_reader")
    reader = Reader(database_url.replace("postgres@", f"{LOGIN}@"))

    def shown() -> list[list[str]]:
        return reader.rows(SHOWN, user="ann")[0]

    def all_of(*ids: str) -> list[list[str]]:
        folders = sorted({each[:2] for each in ids})
        return [[*ids], [f"<p>{each}</p>" for each in ids], folders]

    assert shown() == all_of(gone, kept, moved)
    mirror.apply(mirror.first, MessageRemovedFromFolder(RemoteId(gone)))
    assert shown() == all_of(kept, moved)
    mirror.folder_store.save_tree_changes(mirror.run, [], [mirror.second])
    mirror.mail_store.remove_batch_of_stored_unmirrored_mail(mirror.run)
    assert shown() == all_of(kept)
    assert mirror.one("SELECT count(*) FROM mailsync.emails") == [3]
    mirror.folder_store.save_tree_changes(mirror.run, [a_remote_folder("F2")], [])
    mirror.removal_store.show_messages_again(
        mirror.run, mirror.second, [RemoteId(moved)], is_only_folder=True
    )
    mirror.removal_store.show_messages_again(
        mirror.run, mirror.first, [RemoteId(gone)], is_only_folder=True
    )
    assert shown() == all_of(gone, kept, moved)
    reader.close()


def test_a_missing_user_has_no_account(mirror: Mirror) -> None:
    missing: Any = None

    assert StatusStore(mirror.database).status_of_account(mirror.run.account_id, missing) is None
