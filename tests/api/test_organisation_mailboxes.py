"""POST /api/email/accounts/microsoft: an administrator connects a mailbox of an organisation.

Nobody signs in, neither to connect it nor for its notifications.
"""

import time
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.service import ORGANISATION_TENANT_ID
from mailsync.model import AccountId, FolderTreeReadingMode
from mailsync.providers.graph import http as graph_http
from mailsync.providers.graph import owner as graph_owner
from mailsync.store.connection import Database
from mailsync.sync.mailbox import open_mailbox
from tests.api.requests import Api, ApiResponse, Sql
from tests.api.sign_in import ANN, NOTHING, ONE_OF_EACH, refusal, sign_in, stored
from tests.api.subscriptions import (
    CONNECT_FOR_ORGANISATION,
    DUE,
    NO_WORK,
    NOT_DUE,
    ONE_MADE,
    Subscribed,
    tick,
)
from tests.api.syncs import begin_run, executions

BODY = {"tenantId": ORGANISATION_TENANT_ID, "emailAddress": ANN}
NO_MAILBOX = FaultRule(
    path="mailFolders", fault=Fault(status=404, code="MailboxNotEnabledForRESTAPI")
)


@pytest.fixture
def api(api: Api, microsoft: Simulators, environment: pytest.MonkeyPatch) -> Api:
    """One organisation is allowed."""
    environment.setenv(
        "MICROSOFT_TENANTS", f"00000000-0000-0000-0000-000000000000, {ORGANISATION_TENANT_ID}"
    )
    return api


@pytest.fixture
def admitted(api: Api) -> ApiResponse:
    return api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True, user="root")


def ways_in(sql: Sql) -> list[list[Any]]:
    return sql(
        "SELECT organisation_id, grant_sealed IS NOT NULL, access_sealed IS NOT NULL"
        " FROM mailsync.email_credentials"
    )


def test_connecting_a_mailbox_starts_its_first_sync(admitted: ApiResponse, sql: Sql) -> None:
    account = sql("SELECT id::text, user_id, email_address, status FROM mailsync.email_accounts")

    assert admitted.status == 201
    assert account == [[admitted.json["accountId"], "root", "ann@example.org", "active"]]
    assert admitted.headers["Location"].endswith(admitted.json["accountId"])
    assert ways_in(sql) == [[ORGANISATION_TENANT_ID, False, True]]
    assert [*executions()] == [admitted.json["runId"]]


def test_its_sync_names_the_mailbox_in_every_request(
    admitted: ApiResponse, microsoft: Simulators, database: Database
) -> None:
    run = begin_run(database, AccountId(admitted.json["accountId"]), admitted.json["runId"])
    microsoft.service.log.clear()

    with open_mailbox(
        {"accountId": run.account_id, "runId": run.run_id, "leaseEpoch": run.lease_epoch}
    ) as mailbox:
        listing = mailbox.provider.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    paths = [each["path"] for each in microsoft.service.log.as_json()]
    user_id = microsoft.service.find_mailbox("ann@example.org").user_id
    assert "Inbox" in [each.display_name for each in listing.folders]
    assert len(paths) > 5
    assert {each.split("/mailFolders")[0] for each in paths} == {f"/v1.0/users/{user_id}"}


def test_only_an_administrator_may(api: Api, sql: Sql) -> None:
    """Else any user could mirror a colleague's mail."""
    refused = api(CONNECT_FOR_ORGANISATION, body=BODY)

    assert refusal(refused, sql) == (403, "not-an-administrator")
    assert api(CONNECT_FOR_ORGANISATION, body=BODY, user=None).status == 401


@pytest.mark.parametrize("tenants", ["", "00000000-0000-0000-0000-000000000000"])
def test_an_unlisted_organisation_is_refused_in_words(
    api: Api, environment: pytest.MonkeyPatch, microsoft: Simulators, sql: Sql, tenants: str
) -> None:
    environment.setenv("MICROSOFT_TENANTS", tenants)

    refused = api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True)

    assert refusal(refused, sql)[0] == 403
    assert "MICROSOFT_TENANTS" in refused.json["detail"]
    assert microsoft.service.log.as_json() == []


@pytest.mark.parametrize(
    ("address", "switches", "faults", "sentence"),
    [
        ("nobody@example.org", {}, [], "no user of this address"),
        ("ann@example.org", {}, [NO_MAILBOX], "no mailbox"),
        ("ann@example.org", {"app_roles": ["Mail.Read"]}, [], "User.Read.All"),
        ("ann@example.org", {"app_roles": ["User.Read.All"]}, [], "permission Mail.Read"),
        ("ann@example.org", {"app_mailboxes": ["bo@example.org"]}, [], "into its scope"),
    ],
)
def test_an_unreadable_mailbox_is_refused_in_a_sentence(
    *,
    api: Api,
    microsoft: Simulators,
    sql: Sql,
    address: str,
    switches: dict[str, Any],
    faults: list[FaultRule],
    sentence: str,
) -> None:
    microsoft.service.set_microsoft_behaviour_switches(**switches)
    microsoft.service.faults.add_rules(*faults)

    refused = api(CONNECT_FOR_ORGANISATION, body={**BODY, "emailAddress": address}, admin=True)

    assert refusal(refused, sql) == (422, "mailbox-refused")
    assert sentence in refused.json["detail"]


def test_an_organisation_must_consent(api: Api, microsoft: Simulators, sql: Sql) -> None:
    microsoft.service.set_microsoft_behaviour_switches(tenant_consented=False)

    refused = api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True)

    assert refusal(refused, sql) == (409, "access-revoked")
    assert "AADSTS700016). Stored mail stays readable; an administrator" in refused.json["detail"]


def test_a_wrong_secret_is_refused(api: Api, environment: pytest.MonkeyPatch, sql: Sql) -> None:
    environment.setenv("MICROSOFT_CLIENT_SECRET", "wrong")

    assert api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True).status == 502
    assert stored(sql) == NOTHING


def test_a_mailbox_is_one_account_whether_a_person_or_its_organisation_admits_the_app(
    api: Api, microsoft: Simulators, connected: ApiResponse, sql: Sql
) -> None:
    person = ways_in(sql)
    again = api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True)
    organisation = ways_in(sql)
    sign_in(api, microsoft)

    assert again.status == 201
    assert stored(sql) == ONE_OF_EACH
    assert (person, organisation) == ([[None, True, True]], [[ORGANISATION_TENANT_ID, False, True]])
    assert ways_in(sql) == person


def test_a_hanging_provider_is_given_up_before_the_gateway_gives_up(
    api: Api, microsoft: Simulators, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * graph_owner.OWNER_LOOKUP_REQUEST_TIMEOUT_S < 20
    monkeypatch.setattr(graph_owner, "OWNER_LOOKUP_REQUEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(graph_http, "_DEFAULT_PAUSE_S", 0.1)
    microsoft.service.faults.add_rules(FaultRule(path="users/", times=None, fault=Fault(delay_s=2)))
    began = time.monotonic()

    refused = api(CONNECT_FOR_ORGANISATION, body=BODY, admin=True)

    assert time.monotonic() - began < 1.9
    assert refusal(refused, sql) == (503, "provider-unavailable")


@pytest.fixture
def ann(mailbox: Subscribed) -> Subscribed:
    """Mirrored, without a subscription yet."""
    mailbox.connect_for_organisation()
    return mailbox


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed"])
def test_each_lifecycle_event_is_acted_on(ann: Subscribed, event: str) -> None:
    user_id = ann.microsoft.service.find_mailbox(ANN).user_id
    assert tick() == ONE_MADE
    (before,) = ann.microsoft.notifier.list_active_subscriptions()
    assert before["resource"] == f"/users/{user_id}/messages"
    ann.sql("UPDATE mailsync.provider_subscriptions SET next_try_at = now() + interval '1 day'")
    ann.sql(NOT_DUE)
    ann.microsoft.notifier.send_lifecycle_event(user_id, event)
    assert ann.subscriber.receives(1)

    posted = {"value": ann.subscriber.items}
    assert ann.api("POST /api/webhooks/microsoft", user=None, body=posted).status == 202

    assert ann.sql(DUE) == [[event != "reauthorizationRequired"]]
    assert tick() == (NO_WORK if event == "missed" else ONE_MADE)
    (after,) = ann.microsoft.notifier.list_active_subscriptions()
    is_same = after["id"] == before["id"]
    assert (is_same, after["authorized"]) == (event != "subscriptionRemoved", 1)


def test_one_of_a_person_outlives_the_return_of_the_application(ann: Subscribed) -> None:
    """A person sees no subscription that the application made for itself; the application sees
    those of both."""
    assert tick() == ONE_MADE
    of_the_application = ann.known()
    ann.sign_in("ann")
    ann.renew_now()
    assert tick() == ONE_MADE
    of_the_person = ann.known()

    ann.connect_for_organisation()
    ann.renew_now()

    assert tick() == ONE_MADE
    assert ann.known() == of_the_person != of_the_application
