"""POST /api/email/accounts/microsoft: an administrator connects a mailbox of an organisation."""

import os
import time
from typing import Any

import boto3
import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.service import TENANT_ID
from mailsync.api.organisation_mailboxes import Wanted
from mailsync.api.problems import ApiError
from mailsync.model import AccountId, RunId, RunRef, SyncType, TreeReading
from mailsync.providers.graph import http as graph_http
from mailsync.providers.graph import owner as graph_owner
from mailsync.store.connection import Database
from mailsync.store.lease_store import LeaseStore
from mailsync.sync.mailbox import open_mailbox
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, NOTHING, ONE_OF_EACH, choose, cookie_of, stored
from tests.api.requests import Answer

CONNECT = "POST /api/email/accounts/microsoft"
BODY = {"tenantId": TENANT_ID, "emailAddress": "ann@example.org"}
NO_MAILBOX = Rule(path="mailFolders", fault=Fault(status=404, code="MailboxNotEnabledForRESTAPI"))


@pytest.fixture
def ask(ask_connect: Ask, environment: pytest.MonkeyPatch) -> Ask:
    """One organisation is allowed."""
    environment.setenv("MICROSOFT_TENANTS", f"00000000-0000-0000-0000-000000000000, {TENANT_ID}")
    return ask_connect


@pytest.fixture
def admitted(ask: Ask) -> Answer:
    return ask(CONNECT, body=BODY, admin=True, user="root")


def ways_in(sql: Sql) -> list[list[Any]]:
    return sql(
        "SELECT organisation_id, grant_sealed IS NOT NULL, access_sealed IS NOT NULL"
        " FROM mailsync.email_credentials"
    )


def test_an_administrator_connects_a_mailbox_and_its_first_sync_starts(
    admitted: Answer, sql: Sql
) -> None:
    account = sql("SELECT id::text, user_id, email_address, status FROM mailsync.email_accounts")

    assert admitted.status == 201
    assert account == [[admitted.json["accountId"], "root", "ann@example.org", "active"]]
    assert admitted.headers["Location"].endswith(admitted.json["accountId"])
    assert ways_in(sql) == [[TENANT_ID, False, True]]
    (execution,) = boto3.client("stepfunctions").list_executions(
        stateMachineArn=os.environ["MAILBOX_SYNC_ARN"]
    )["executions"]
    assert execution["name"] == admitted.json["runId"]


def test_its_sync_names_the_mailbox_in_every_request(
    admitted: Answer, identity: Simulators, database: Database
) -> None:
    account_id, run_id = AccountId(admitted.json["accountId"]), RunId(admitted.json["runId"])
    epoch = LeaseStore(database).begin(account_id, run_id, "arn", SyncType.INITIAL, "connect")
    identity.service.log.clear()

    with open_mailbox(RunRef(account_id, run_id, epoch or 0)) as mailbox:
        listing = mailbox.provider.list_folders((), TreeReading.WHOLE)

    paths = [each["path"] for each in identity.service.log.as_json()]
    user_id = identity.service.mailbox("ann@example.org").user_id
    assert "Inbox" in [each.display_name for each in listing.folders]
    assert len(paths) > 5
    assert {each.split("/mailFolders")[0] for each in paths} == {f"/v1.0/users/{user_id}"}


def test_an_administrator_connects_it_for_somebody_else(ask: Ask, sql: Sql) -> None:
    ask(CONNECT, body={**BODY, "userId": "bo"}, admin=True, user="root")

    assert sql("SELECT user_id FROM mailsync.email_accounts") == [["bo"]]


def test_nobody_but_an_administrator_may(ask: Ask, sql: Sql) -> None:
    """Else any user could mirror a colleague's mail."""
    refused = ask(CONNECT, body=BODY)

    assert (refused.status, ask(CONNECT, body=BODY, user=None).status) == (403, 401)
    assert refused.json["type"] == "urn:mailsync:problem:not-an-administrator"
    assert stored(sql) == NOTHING


@pytest.mark.parametrize("tenants", ["", "00000000-0000-0000-0000-000000000000"])
def test_an_organisation_that_is_not_listed_is_refused_in_words(
    ask: Ask, environment: pytest.MonkeyPatch, identity: Simulators, sql: Sql, tenants: str
) -> None:
    environment.setenv("MICROSOFT_TENANTS", tenants)

    refused = ask(CONNECT, body=BODY, admin=True)

    assert refused.status == 403
    assert "MICROSOFT_TENANTS" in refused.json["detail"]
    assert identity.service.log.as_json() == []
    assert stored(sql) == NOTHING


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ([], "tenantId"),
        ({**BODY, "tenantId": "../common"}, "tenantId"),
        ({**BODY, "tenantId": None}, "tenantId"),
        ({**BODY, "emailAddress": "ann"}, "emailAddress"),
        ({**BODY, "emailAddress": "a@b/mailFolders"}, "emailAddress"),
        ({**BODY, "userId": ""}, "userId"),
        ({**BODY, "userId": "a\0"}, "userId"),
        ({**BODY, "userId": "\ud800"}, "userId"),
        ({**BODY, "emailAddress": "\ud800@example.org"}, "emailAddress"),
    ],
)
def test_a_field_that_cannot_be_right_is_named(body: Any, named: str) -> None:
    with pytest.raises(ApiError, match=named) as refused:
        Wanted.from_body(body, "ann")
    assert refused.value.problem.status == 422


def test_a_malformed_request_connects_nothing(ask: Ask, sql: Sql) -> None:
    answers = [ask(CONNECT, body=each, admin=True) for each in ("{", {**BODY, "tenantId": "x"})]

    assert [each.status for each in answers] == [400, 422]
    assert stored(sql) == NOTHING


@pytest.mark.parametrize(
    ("address", "switches", "faults", "said"),
    [
        ("nobody@example.org", {}, [], "no user of this address"),
        ("ann@example.org", {}, [NO_MAILBOX], "no mailbox"),
        ("ann@example.org", {"app_roles": ["Mail.Read"]}, [], "User.Read.All"),
        ("ann@example.org", {"app_roles": ["User.Read.All"]}, [], "permission Mail.Read"),
        ("ann@example.org", {"app_mailboxes": ["bo@example.org"]}, [], "into its scope"),
    ],
)
def test_a_mailbox_that_cannot_be_read_is_refused_in_a_sentence(
    *,
    ask: Ask,
    identity: Simulators,
    sql: Sql,
    address: str,
    switches: dict[str, Any],
    faults: list[Rule],
    said: str,
) -> None:
    identity.service.set_behaviour(**switches)
    identity.service.faults.add(*faults)

    refused = ask(CONNECT, body={**BODY, "emailAddress": address}, admin=True)

    assert (refused.status, refused.json["type"]) == (422, "urn:mailsync:problem:mailbox-refused")
    assert said in refused.json["detail"]
    assert stored(sql) == NOTHING


def test_an_organisation_that_does_not_admit_the_app_connects_nothing(
    ask: Ask, identity: Simulators, sql: Sql
) -> None:
    identity.service.set_behaviour(tenant_consented=False)

    refused = ask(CONNECT, body=BODY, admin=True)

    assert (refused.status, refused.json["type"]) == (409, "urn:mailsync:problem:access-revoked")
    assert "AADSTS700016); its administrator must agree" in refused.json["detail"]
    assert stored(sql) == NOTHING


def test_a_wrong_secret_connects_nothing(
    ask: Ask, environment: pytest.MonkeyPatch, sql: Sql
) -> None:
    environment.setenv("MICROSOFT_CLIENT_SECRET", "wrong")

    assert ask(CONNECT, body=BODY, admin=True).status == 502
    assert stored(sql) == NOTHING


def test_a_mailbox_is_the_same_account_whoever_lets_the_app_in(
    ask: Ask, identity: Simulators, connected: Answer, sql: Sql
) -> None:
    person = ways_in(sql)
    again = ask(CONNECT, body=BODY, admin=True)
    organisation = ways_in(sql)
    begun = ask(BEGIN)
    query = choose(identity, begun, account="ann@example.org")
    ask(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    assert again.status == 201
    assert stored(sql) == ONE_OF_EACH
    assert (person, organisation) == ([[None, True, True]], [[TENANT_ID, False, True]])
    assert ways_in(sql) == person


def test_a_mail_provider_that_hangs_is_given_up_before_the_gateway_gives_up(
    ask: Ask, identity: Simulators, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 2 * graph_owner.ANSWERS_IN_S < 20
    monkeypatch.setattr(graph_owner, "ANSWERS_IN_S", 0.2)
    monkeypatch.setattr(graph_http, "_UNSAID_PAUSE_S", 0.1)
    identity.service.faults.add(Rule(path="users/", times=None, fault=Fault(delay_s=2)))
    began = time.monotonic()

    refused = ask(CONNECT, body=BODY, admin=True)

    assert time.monotonic() - began < 1.9
    assert refused.json["type"] == "urn:mailsync:problem:provider-unavailable"
    assert stored(sql) == NOTHING
