"""A dashboard of a deployed stage with the login that docs/database.md makes for it."""

import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import httpx
import pg8000.native
import pytest

from infra.catalog import MAILBOX_SYNC_WORKFLOW
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from tests.conftest import TEMPLATE
from tests.local.dashboard.conftest import opened, stage_sources
from tests.store.two_mailboxes import fill
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/database.md").read_text()
LOGIN = "mailsync_dashboard"
GRANTS, GRANTS_OF_BODIES = re.findall(rf"```sql\n-- as the owner\n([^`]*?{LOGIN}[^`]*)```", GUIDE)
# Step Functions without executions: what counts here is the database.
ENGINE = SimpleNamespace(
    list_executions=lambda **_: {"executions": []},
    describe_state_machine=lambda **_: {"definition": MAILBOX_SYNC_WORKFLOW.asl_text},
)
REFUSED = "42501"


@pytest.fixture(scope="module")
def settings(create_database: Callable[[str], str]) -> Settings:
    """Of the login, in a database with mail."""
    url = create_database(TEMPLATE)
    owner = Settings({"DATABASE_URL": url})
    database = Database(owner)
    fill(database)
    database.close()
    connection = connect(owner)
    for statement in GRANTS.split(";")[:-1]:
        connection.run(statement)
    connection.close()
    return Settings({"DATABASE_URL": url.replace("postgres@", f"{LOGIN}@")})


@pytest.fixture(scope="module")
def pages(settings: Settings) -> Iterator[httpx.Client]:
    """Logged in by the printed URL."""
    sources = stage_sources(settings, lambda _: ENGINE, shows_bodies=False)
    with opened(sources) as (dashboard, client):
        client.get(dashboard.url_with_token)
        yield client


def test_it_suffices_for_accounts_folders_messages_runs_and_events(pages: httpx.Client) -> None:
    accounts = pages.get("/data/accounts").json()["accounts"]
    account = pages.get(f"/data/accounts/{accounts[0]['accountId']}").json()
    folder = account["folders"][0]["id"]
    messages = pages.get(f"/data/folders/{folder}/messages").json()["messages"]

    assert [each["emailAddress"] for each in accounts] == ["ann@example.org", "bo@example.org"]
    assert len(account["quarantine"]) == len(account["differences"]) == 1
    assert [each["subject"] for each in messages] == ["ann", "ann"]
    assert pages.get(f"/data/messages/{messages[0]['id']}").json()["subject"] == "ann"
    assert pages.get("/data/overview").json()["accounts"] == 2
    for path in ("runs", "runs/ann", "changes", "events"):
        assert pages.get(f"/data/{path}").status_code == 200


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM mailsync.emails",
        "UPDATE mailsync.email_accounts SET status = 'paused'",
        "INSERT INTO mailsync.outbox (type, detail) VALUES ('x', '{}')",
        "SELECT * FROM mailsync.email_credentials",
        "SELECT * FROM mailsync.data_keys",
        "SELECT * FROM mailsync.change_feeds",
        "SELECT * FROM mailsync.email_bodies",
    ],
)
def test_it_writes_nothing_and_reads_no_secrets_and_no_texts(
    settings: Settings, statement: str
) -> None:
    connection = connect(settings)
    with pytest.raises(pg8000.native.DatabaseError) as refused:
        connection.run(statement)
    connection.close()

    assert refused.value.args[0]["C"] == REFUSED


def test_the_guide_says_how_it_reads_texts(settings: Settings) -> None:
    owner = connect(
        Settings({"DATABASE_URL": settings.database_url.replace(f"{LOGIN}@", "postgres@")})
    )
    owner.run("BEGIN")
    for statement in GRANTS_OF_BODIES.split(";")[:-1]:
        owner.run(statement)
    owner.run(f"SET LOCAL ROLE {LOGIN}")
    bodies = owner.run("SELECT html FROM mailsync.email_bodies")
    owner.close()

    assert len(bodies or []) == 4
