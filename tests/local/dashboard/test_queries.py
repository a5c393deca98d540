"""What the dashboard reads of the tables, on a real database filled by SQL."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from dashboard.queries import MAX_ROW_ID, SQL_FILE, DashboardQueries, RowNotFound
from dashboard.to_json import JsonObject
from mailsync.settings import Settings
from mailsync.store.connection import connect
from mailsync.store.statements import load_sql_statements
from mailsync.store.status_store import AccountStatus
from tests.support.paths import ROOT

CODE = ROOT / "dashboard"
ADA, BOB = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
END = datetime(9999, 1, 1, tzinfo=UTC)
ACCOUNTS = f"""
INSERT INTO mailsync.email_accounts (id, user_id, provider, provider_account_id, email_address)
VALUES ('{ADA}', 'u1', 'microsoft', 'a', 'ada@example.com'),
       ('{BOB}', 'u2', 'microsoft', 'b', 'bob@example.com')"""
FOLDER = f"""
INSERT INTO mailsync.email_folders (account_id, remote_id, display_name, role, total)
VALUES ('{ADA}', 'inbox', 'Inbox', 'inbox', 40) RETURNING id"""
MESSAGES = f"""
INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, to_recipients,
       cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft, is_flagged,
       has_attachments, importance, categories, received_at, kind, row_hash, walk)
SELECT '{ADA}', :folder, 'm' || n, 'Mail ' || n, '[]', '[]', '[]', '[]', '', true, false, false,
       false, 'normal', '[]', CASE WHEN n > 9 THEN now() - make_interval(mins => n / 3) END,
       'message', gen_random_uuid(), 1
  FROM generate_series(1, 40) n"""
LABEL = f"""
INSERT INTO mailsync.email_folders (account_id, remote_id, display_name)
VALUES ('{ADA}', 'travel', 'Travel') RETURNING id"""
PLACE = """
INSERT INTO mailsync.email_placements (account_id, folder_id, email_id, generation, received_at)
SELECT account_id, :folder, id, 1, received_at FROM mailsync.emails WHERE id = :id"""
NO_ID = "00000000-0000-0000-0000-000000000000"
MANY_ACCOUNTS = """
INSERT INTO mailsync.email_accounts (user_id, provider, provider_account_id, email_address, status,
                                     last_error)
SELECT 'u', 'microsoft', n, 'account' || n - n % 2 || '@example.com',
       CASE WHEN n % 11 = 0 THEN 'paused' ELSE 'active' END,
       CASE WHEN n % 10 = 0 THEN 'FoldersFailed' END
  FROM generate_series(1, 40) n"""
RUNS = f"""
INSERT INTO mailsync.sync_runs (id, account_id, sync_type, status, created_at)
SELECT 'r' || n, cast(CASE WHEN n % 4 = 0 THEN '{BOB}' ELSE '{ADA}' END AS uuid), 'manual',
       CASE WHEN n % 3 = 0 THEN 'failed' ELSE 'completed' END,
       now() - make_interval(mins => n / 4)
  FROM generate_series(1, 40) n"""


@pytest.fixture
def queries(settings: Settings) -> Iterator[DashboardQueries]:
    opened = DashboardQueries(settings)
    yield opened
    opened.close()


@pytest.fixture
def folder(settings: Settings) -> int:
    """Of Ada: forty messages, nine without a time, the others with three of each time; and runs."""
    connection = connect(settings)
    connection.run(ACCOUNTS)
    number = int(connection.run(FOLDER)[0][0])
    connection.run(MESSAGES, folder=number)
    connection.run(RUNS)
    connection.close()
    return number


@pytest.mark.parametrize("before_first_sync", [False, True])
def test_paging_shows_every_message_once_the_undated_ones_first(
    queries: DashboardQueries, folder: int, settings: Settings, *, before_first_sync: bool
) -> None:
    """Also of an account that this release has not synced, whose messages have no placements."""
    if before_first_sync:
        with closing(connect(settings)) as connection:
            connection.run("UPDATE mailsync.email_accounts SET placements_filled_to = 0")
            connection.run("DELETE FROM mailsync.email_placements")
    seen: list[JsonObject] = []
    before: tuple[datetime | None, int] = (None, MAX_ROW_ID)
    while page := queries.list_messages(folder, before, 7):
        seen += page
        before = page[-1]["receivedAt"], page[-1]["id"]

    assert len(seen) == len({each["id"] for each in seen}) == 40
    assert [each["receivedAt"] for each in seen[:9]] == [None] * 9
    times = [each["receivedAt"] for each in seen[9:]]
    assert times == sorted(times, reverse=True)


def test_a_message_in_two_folders_is_listed_in_both(
    queries: DashboardQueries, folder: int, settings: Settings
) -> None:
    newest = queries.list_messages(folder, (None, MAX_ROW_ID), 50)[0]
    with closing(connect(settings)) as connection:
        other = int(connection.run(LABEL)[0][0])
        connection.run(PLACE, folder=other, id=newest["id"])

    assert queries.list_messages(other, (None, MAX_ROW_ID), 50) == [newest]
    assert len(queries.list_messages(folder, (None, MAX_ROW_ID), 50)) == 40
    assert queries.read_message(newest["id"])["folder"] == "Inbox, Travel"


def test_hidden_mail_and_hidden_folders_are_not_there(
    queries: DashboardQueries, folder: int, settings: Settings
) -> None:
    first, *others = queries.list_messages(folder, (None, MAX_ROW_ID), 50)
    with closing(connect(settings)) as connection:
        connection.run(
            "UPDATE mailsync.emails SET removed_at = now() WHERE id = :id", id=first["id"]
        )
        assert queries.list_messages(folder, (None, MAX_ROW_ID), 50) == others
        assert queries.read_account_status(ADA).hidden_mail.hidden_message_count == 1
        for ask in (queries.read_message, queries.read_subject_and_bodies):
            with pytest.raises(RowNotFound):
                ask(first["id"])
        connection.run("UPDATE mailsync.email_folders SET gone_at = now()")

    assert (
        queries.list_all_folders_of_account(ADA),
        queries.read_account_status(ADA).hidden_mail.gone_mirrored_folder_count,
    ) == ([], 1)
    with pytest.raises(RowNotFound):
        queries.list_messages(folder, (None, MAX_ROW_ID), 50)


def test_paging_shows_every_run_once_the_newest_first(
    queries: DashboardQueries, folder: int
) -> None:
    seen: list[JsonObject] = []
    before = (END, "")
    while page := queries.list_runs(before=before, limit=7):
        seen += page
        before = page[-1]["createdAt"], page[-1]["id"]

    assert len(seen) == len({each["id"] for each in seen}) == 40
    assert seen == sorted(seen, key=lambda each: (each["createdAt"], each["id"]), reverse=True)


def test_runs_are_filtered_by_account_and_status(queries: DashboardQueries, folder: int) -> None:
    found = queries.list_runs(account_id=BOB, status="failed", before=(END, ""), limit=50)

    assert {each["id"] for each in found} == {"r12", "r24", "r36"}
    assert {each["emailAddress"] for each in found} == {"bob@example.com"}
    assert queries.list_runs(account_id="nobody", before=(END, ""), limit=50) == []


def test_paging_shows_every_account_that_matches_once_and_how_many_these_are(
    queries: DashboardQueries, settings: Settings
) -> None:
    """Of two accounts with one address too, at the end of a page."""
    with closing(connect(settings)) as connection:
        connection.run(MANY_ACCOUNTS)
    seen: list[AccountStatus] = []
    after, which = ("", NO_ID), {"search": "ACCOUNT", "status": None}
    while page := queries.list_account_page_and_total(**which, after=after, limit=7)[0]:
        seen += page
        after = page[-1].email_address, page[-1].id

    def found(search: str | None, status: str | None) -> int:
        return queries.list_account_page_and_total(
            search=search, status=status, after=("", NO_ID), limit=1
        )[1]

    assert [each.email_address for each in seen] == sorted(each.email_address for each in seen)
    assert len({each.id for each in seen}) == len(seen) == found(None, None) == 40
    assert found(seen[3].id, None) == found("account10@", "paused") == 1
    assert (found("account", "failing"), found("%", None)) == (4, 0)
    for address, number in (("Account2@example.com", 2), ("2@example.com", 0)):
        of_address = {"search": None, "status": None, "address": address}
        assert (
            queries.list_account_page_and_total(**of_address, after=("", NO_ID), limit=7)[1]
            == number
        )


def test_what_does_not_exist_is_said_to_be_missing(queries: DashboardQueries) -> None:
    for ask in (
        lambda: queries.read_run("r1"),
        lambda: queries.read_account_status("no uuid"),
        lambda: queries.read_account_status(ADA),
        lambda: queries.list_messages(1, (None, MAX_ROW_ID), 7),
        lambda: queries.read_message(1),
        lambda: queries.read_subject_and_bodies(1),
    ):
        with pytest.raises(RowNotFound, match="There is no"):
            ask()


def test_every_statement_is_used_and_only_reads() -> None:
    calls = re.compile(r"\.(?:run|records|_rows|_records?)\(\s*\"([a-z_]+)\"")
    used = {name for path in CODE.glob("*.py") for name in calls.findall(path.read_text())}
    reading = load_sql_statements(SQL_FILE)

    assert used - load_sql_statements().keys() == reading.keys()
    assert not reading.keys() & load_sql_statements().keys()
    assert {name for name, text in reading.items() if not text.startswith("SELECT")} == {
        "read_only"
    }


def test_a_transaction_of_the_dashboard_cannot_write(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailsync.errors import StoreUnavailable

    writing = {
        **load_sql_statements(),
        **load_sql_statements(SQL_FILE),
        "totals": "DELETE FROM mailsync.outbox",
    }
    monkeypatch.setattr("dashboard.queries.load_sql_statements", lambda *_: writing)
    queries = DashboardQueries(settings)

    with pytest.raises(StoreUnavailable, match="25006"):
        queries.count_accounts_and_open_runs()
    queries.close()


def test_no_function_reads_the_accounts_across_users() -> None:
    """The API reads one user's; whose they are is a parameter that it cannot leave out."""
    sources = (ROOT / "lambdas").rglob("*.py")

    assert [each.name for each in sources if "across_users" in each.read_text()] == [
        "status_store.py"
    ]
