"""Connecting a mailbox again, another one instead, and what a failure half-way leaves."""

import pytest

from localdev.simulators import Simulators
from localdev.simulators.service import PERSONAL_TENANT_ID, TENANT_ID
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, NOTHING, choose, cookie_of, stored
from tests.api.requests import Answer

BROKEN = """UPDATE mailsync.email_accounts
  SET status = 'reauth_required', failures = 3, last_error = 'AccessRevoked'"""
STANDS = "SELECT email_address, status, failures, last_error FROM mailsync.email_accounts"
A_FOLDER = """INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
  SELECT id, 'F1', 'Inbox' FROM mailsync.email_accounts"""
A_CURSOR = """INSERT INTO mailsync.folder_cursors
  (folder_id, cursor_key_id, cursor_sealed, walk, walking)
  SELECT f.id, k.id, 'sealed', 7, false FROM mailsync.email_folders f, mailsync.data_keys k"""


@pytest.fixture
def ask(ask_connect: Ask) -> Ask:
    return ask_connect


def signed_in(ask: Ask, identity: Simulators, account: str) -> Answer:
    begun = ask(BEGIN)
    query = choose(identity, begun, account=account)
    return ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)


def test_a_mailbox_connected_again_keeps_its_rows_and_goes_on_where_it_stopped(
    ask: Ask, identity: Simulators, connected: Answer, sql: Sql
) -> None:
    for each in (BROKEN, A_FOLDER, A_CURSOR):
        sql(each)

    again = signed_in(ask, identity, "ann@example.org")

    assert again.headers["Location"] == connected.headers["Location"]
    assert sql(STANDS) == [["ann@example.org", "active", 0, None]]
    assert sql("SELECT cursor_sealed, walk, walking FROM mailsync.folder_cursors") == [
        [b"sealed", 7, False]
    ]


def test_another_mailbox_than_the_one_that_broke_is_a_new_account(
    ask: Ask, identity: Simulators, connected: Answer, sql: Sql
) -> None:
    sql(BROKEN)

    other = signed_in(ask, identity, "bo@example.org")

    assert other.headers["Location"] != connected.headers["Location"]
    assert sorted(each[:2] for each in sql(STANDS)) == [
        ["ann@example.org", "reauth_required"],
        ["bo@example.org", "active"],
    ]


def test_personal_and_work_accounts_are_both_connected(
    ask: Ask, identity: Simulators, connected: Answer, sql: Sql
) -> None:
    identity.add_mailbox("ann@outlook.com")

    assert signed_in(ask, identity, "ann@outlook.com").status == 302

    accounts = sql("SELECT provider_account_id FROM mailsync.email_accounts ORDER BY created_at")
    assert [each.split(".")[1] for (each,) in accounts] == [TENANT_ID, PERSONAL_TENANT_ID]


def test_an_account_whose_credentials_cannot_be_stored_is_not_stored_either(
    ask: Ask, begun: Answer, answer: dict[str, str], sql: Sql
) -> None:
    sql("ALTER TABLE mailsync.email_credentials ADD CHECK (account_id IS NULL)")

    failed = ask(CALLBACK, query=answer, cookies=cookie_of(begun), user=None)

    assert failed.status >= 500
    assert stored(sql) == NOTHING


def test_sign_ins_that_nobody_finished_are_forgotten_when_the_next_begins(
    ask: Ask, begun: Answer, sql: Sql
) -> None:
    ask(BEGIN)
    sql("UPDATE mailsync.sign_ins SET expires_at = now()")

    ask(BEGIN)

    assert sql("SELECT count(*), min(expires_at) > now() FROM mailsync.sign_ins") == [[1, True]]


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ("AADSTS65004: ann@example.org declined", "the consent was declined"),
        ("AADSTS90094: ann@example.org needs one", "only an administrator"),
        ("AADSTS999999: ann@example.org may not", "AADSTS999999): try again"),
        ("ann@example.org may not", "(server_refused): try again"),
    ],
)
def test_a_refusal_is_told_in_a_sentence_that_names_nobody(
    ask: Ask, begun: Answer, sql: Sql, description: str, said: str
) -> None:
    state = begun.json["authorizationUrl"].split("state=")[1].split("&")[0]
    query = {"state": state, "error": "server_refused", "error_description": description}

    refused = ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert (refused.status, stored(sql)) == (400, NOTHING)
    assert said in refused.json["detail"]
    assert "ann@" not in refused.text
