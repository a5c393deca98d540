"""Connecting a mailbox again, another one instead, and what a failure half-way leaves."""

from localdev.simulators import Simulators
from localdev.simulators.service import PERSONAL_TENANT_ID, TENANT_ID
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import BEGIN, BO, NOTHING, ONE_OF_EACH, SignIn, sign_in, stored

BROKEN = """UPDATE mailsync.email_accounts
  SET status = 'reauth_required', failures = 3, last_error = 'AccessRevoked'"""
STATES = "SELECT email_address, status, failures, last_error FROM mailsync.email_accounts"
A_FOLDER = """INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
  SELECT id, 'F1', 'Inbox' FROM mailsync.email_accounts"""
A_CURSOR = """INSERT INTO mailsync.folder_cursors
  (folder_id, cursor_key_id, cursor_sealed, walk, walking)
  SELECT f.id, k.id, 'sealed', 7, false FROM mailsync.email_folders f, mailsync.data_keys k"""


def test_a_mailbox_connected_again_keeps_its_rows_and_goes_on_where_it_stopped(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    for each in (BROKEN, A_FOLDER, A_CURSOR):
        sql(each)

    again = sign_in(api, microsoft)

    assert again.headers["Location"] == connected.headers["Location"]
    assert sql(STATES) == [["ann@example.org", "active", 0, None]]
    assert stored(sql) == ONE_OF_EACH
    cursor = "SELECT cursor_sealed, walk, walking FROM mailsync.folder_cursors"
    assert sql(cursor) == [[b"sealed", 7, False]]


def test_another_mailbox_than_the_broken_one_is_a_new_account(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    sql(BROKEN)

    other = sign_in(api, microsoft, BO)

    assert other.headers["Location"] != connected.headers["Location"]
    assert sorted(each[:2] for each in sql(STATES)) == [
        ["ann@example.org", "reauth_required"],
        ["bo@example.org", "active"],
    ]


def test_personal_and_work_accounts_are_both_connected(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    microsoft.add_mailbox("ann@outlook.com")

    assert sign_in(api, microsoft, "ann@outlook.com").status == 302

    accounts = sql("SELECT provider_account_id FROM mailsync.email_accounts ORDER BY created_at")
    assert [each.split(".")[1] for (each,) in accounts] == [TENANT_ID, PERSONAL_TENANT_ID]


def test_credentials_come_with_the_account(
    begun: SignIn, consent: dict[str, str], sql: Sql
) -> None:
    sql("ALTER TABLE mailsync.email_credentials ADD CHECK (account_id IS NULL)")

    assert begun.come_back(consent).status >= 500
    assert stored(sql) == NOTHING


def test_the_next_sign_in_deletes_expired_ones(api: Api, begun: SignIn, sql: Sql) -> None:
    api(BEGIN)
    sql("UPDATE mailsync.sign_ins SET expires_at = now()")

    api(BEGIN)

    assert sql("SELECT count(*), min(expires_at) > now() FROM mailsync.sign_ins") == [[1, True]]
