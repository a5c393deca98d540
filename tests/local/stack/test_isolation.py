"""Two people with a mirrored mailbox each: neither sees the other's, by the API or by SQL."""

from collections.abc import Iterator

import httpx
import pytest

from localdev.demo_account import DemoAccount
from localdev.engine.dev_login import DEMO_USER
from tests.local.mirror import Mirror, when
from tests.store.reader import LOGIN, Reader
from tests.store.two_mailboxes import OWNER

BO = "bo"
ADDRESS = "bo@elsewhere.example"
ABOUT = (
    "/api/email/sync?accountId={}",
    "/api/email/runs?accountId={}",
    "/api/email/accounts/{}",
)


@pytest.fixture(scope="module")
def bo(mirror: Mirror) -> Iterator[DemoAccount]:
    mirror.control("POST", "mailboxes", address=ADDRESS, display_name="Bo")
    mirror.control("POST", "deliver", mailbox=ADDRESS, subject="For Bo alone")
    account = mirror.connect_other(ADDRESS, BO)
    when(lambda: account.status()["runId"] is None)
    yield account
    url = f"{mirror.stack.api_url}/api/email/accounts/{account.id}?data=purge"
    assert httpx.delete(url, headers=account.headers, timeout=30).status_code == httpx.codes.OK


@pytest.fixture(scope="module")
def reader(mirror: Mirror) -> Iterator[Reader]:
    """An application's login of the stack's database."""
    assert mirror.stack.postgres is not None
    mirror.stack.postgres.open_login(LOGIN, role="mailsync_reader")
    opened = Reader(mirror.stack.postgres.url_of(LOGIN))
    yield opened
    opened.close()


def get(who: DemoAccount, path: str) -> httpx.Response:
    return httpx.get(who.api_url + path, headers=who.headers, timeout=30)


def test_the_api_shows_each_of_them_the_own_mailbox_only(mirror: Mirror, bo: DemoAccount) -> None:
    people = (mirror.account, bo)
    for own, other in (people, people[::-1]):
        listed = get(own, "/api/email/accounts").json()["accounts"]
        assert [each["accountId"] for each in listed] == [own.id]
        for path in ABOUT:
            assert get(own, path.format(own.id)).status_code == httpx.codes.OK
            assert get(own, path.format(other.id)).status_code == httpx.codes.NOT_FOUND
        runs = get(other, ABOUT[1].format(other.id)).json()["runs"]
        path = f"/api/email/runs/{runs[0]['runId']}"
        assert get(other, path).status_code == httpx.codes.OK
        assert get(own, path).status_code == httpx.codes.NOT_FOUND


def test_by_sql_they_see_all_rows_together_and_none_both(
    mirror: Mirror, bo: DemoAccount, reader: Reader
) -> None:
    """With the role that applications read with, in every table that it may read."""
    of_both = {DEMO_USER: mirror.account.id, BO: bo.id}
    for table in OWNER:
        counted = f"SELECT count(*) FROM mailsync.{table}"
        seen = {user: reader.rows(counted, user=user)[0][0] for user in of_both}
        assert sum(seen.values()) == mirror.rows(counted)[0][0], table
    for user, account_id in of_both.items():
        for table in ("email_folders", "emails", "sync_runs"):
            owners = f"SELECT DISTINCT account_id::text FROM mailsync.{table}"
            assert reader.rows(owners, user=user) == [[account_id]]
    assert reader.rows("SELECT subject FROM mailsync.emails", user=BO) == [["For Bo alone"]]
