"""GET /api/email/accounts/{accountId}/estimate, with each provider's simulator behind it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from localdev.mail.generate import generate_mail_items
from localdev.simulators import SimulatedImapServerSettings, Simulators
from mailsync.settings import load_settings
from tests.api.google_sign_in import sign_in
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import ANN, SignIn
from tests.api.test_provider_paths import ask

MESSAGES = 40
RUNS = "SELECT count(*) FROM mailsync.sync_runs"


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Of all providers; Ann's mailbox has mail."""
    with Simulators(
        tmp_path_factory.mktemp("all"), imap_ports=SimulatedImapServerSettings()
    ) as running:
        mailbox = running.find_or_create_mailbox(ANN)
        mailbox.import_mail_items(generate_mail_items(MESSAGES, owner=ANN, seed=3))
        yield running


def estimate(api: Api, account_id: str, **parts: str) -> ApiResponse:
    return api(f"GET /api/email/accounts/{account_id}/estimate", **parts)


def account_id(sql: Sql) -> str:
    [[found]] = sql("SELECT id::text FROM mailsync.email_accounts")
    return str(found)


def test_at_gmail_the_quota_says_how_long_it_takes(
    api: Api, google: Simulators, sql: Sql, environment: pytest.MonkeyPatch
) -> None:
    sign_in(google)
    before = google.gmail.quota.to_json()["totalUnits"]
    fast = estimate(api, account_id(sql)).json
    environment.setenv("GMAIL_UNITS_PER_MINUTE", "60")
    load_settings.cache_clear()
    slow = estimate(api, account_id(sql)).json

    assert fast["messages"] == MESSAGES
    assert MESSAGES * 20 < fast["requests"] == slow["requests"]
    assert slow["durationSeconds"] > 60 * slow["requests"] / 60 > fast["durationSeconds"]
    assert 0 < fast["usd"] < 0.01
    assert google.gmail.quota.to_json()["totalUnits"] == before + 2


def test_at_microsoft_the_folders_are_counted_and_nothing_is_written(
    api: Api, microsoft: Simulators, sql: Sql
) -> None:
    begun = SignIn(api, microsoft)
    begun.come_back(begun.consent())
    runs = sql(RUNS)

    found = estimate(api, account_id(sql))

    assert (found.status, found.json["messages"]) == (200, MESSAGES)
    assert sql(RUNS) == runs


def test_over_imap_the_folders_are_counted(
    api: Api, simulators: Simulators, microsoft: Simulators, environment: pytest.MonkeyPatch
) -> None:
    imap = simulators.imap
    assert imap
    environment.setenv("IMAP_SERVERS", f"localhost:{imap.tls_port}")
    environment.setenv("CA_BUNDLE", str(imap.certificate))
    load_settings.cache_clear()
    login = {"userName": ANN, "password": imap.password, "host": "localhost", "port": imap.tls_port}
    connected = ask("connect", "POST /api/email/accounts/imap", body=login)

    found = estimate(api, connected.json["accountId"])

    assert (found.status, found.json["messages"]) == (200, MESSAGES)


@pytest.mark.parametrize(
    ("change", "user", "problem"),
    [
        ("", "bo", (404, "account-not-found")),
        ("status = 'paused'", "ann", (409, "account-not-connected")),
        ("throttled_until = now() + interval '1 hour'", "ann", (503, "provider-unavailable")),
    ],
)
def test_an_account_that_cannot_be_counted_now_is_a_problem_and_no_number(
    *, api: Api, google: Simulators, sql: Sql, change: str, user: str, problem: tuple[int, str]
) -> None:
    sign_in(google)
    if change:
        sql(f"UPDATE mailsync.email_accounts SET {change}")

    assert estimate(api, account_id(sql), user=user).problem == problem
    assert estimate(api, str(uuid4())).problem == (404, "account-not-found")
    assert estimate(api, "mine").problem == (422, "invalid-field")
