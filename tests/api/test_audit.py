"""An audit record names who did each act, as docs/security.md lists them."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest

from localdev.simulators import Simulators
from localdev.simulators.service import ORGANISATION_TENANT_ID
from tests.api.hidden_mail import hide_mail
from tests.api.requests import Api, Sql
from tests.api.sign_in import BO, SignIn, account_of, sign_in
from tests.api.subscriptions import CONNECT_FOR_ORGANISATION
from tests.api.syncs import STOP
from tests.support.paths import ROOT

ONE = "/api/email/accounts/{}"
IP = "192.0.2.7"
ON_AN_ACCOUNT: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("account_removed", f"DELETE {ONE}", {"query": {"data": "keep"}}, {"data": "keep"}),
    ("account_removed", f"DELETE {ONE}", {"query": {"data": "purge"}}, {"data": "purge"}),
    ("sync_stopped", STOP, {"query": {"accountId": "ACCOUNT"}}, {}),
    (
        "account_changed",
        f"PATCH {ONE}",
        {"body": {"paused": True}},
        {"paused": True, "folders": {}},
    ),
    ("removal_confirmed", f"POST {ONE}/confirm-removal", {}, {"messages": 20}),
]
CONNECTIONS = {
    *("account_connected", "organisation_account_connected", "sign_in_failed"),
    *("connection_pending", "connection_refused"),
}


def records(log: StringIO) -> Iterator[dict[str, Any]]:
    for line in log.getvalue().splitlines():
        record = json.loads(line)
        if record.get("audit"):
            yield record


def recorded(log: StringIO, name: str, **expected: Any) -> bool:
    """Whether there is one record of this name, with these fields and the usual ones."""
    (record,) = [each for each in records(log) if each["message"] == name]
    expected |= {"source_ip": IP, "correlation_id": "JKJaXmPLvHcESHA="}
    assert {field: record.get(field) for field in expected} == expected
    return "example.org" not in json.dumps(record)


@pytest.mark.parametrize(("name", "route", "parts", "fields"), ON_AN_ACCOUNT)
def test_each_act_on_an_account_records_who_and_from_where(
    *,
    api: Api,
    microsoft: Simulators,
    sql: Sql,
    log: StringIO,
    name: str,
    route: str,
    parts: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    account_id = account_of(sign_in(api, microsoft))
    hide_mail(sql, account_id, messages=22, gone=20)
    ((run_id,),) = sql("SELECT id FROM mailsync.sync_runs")

    api(route.format(account_id), **json.loads(json.dumps(parts).replace("ACCOUNT", account_id)))

    run = {} if name == "removal_confirmed" else {"run_id": run_id}
    assert recorded(log, "account_connected", user_id="ann", account_id=account_id, run_id=run_id)
    assert recorded(log, name, user_id="ann", account_id=account_id, **run, **fields)


def test_a_connection_that_waits_or_failed_is_recorded(
    api: Api, microsoft: Simulators, log: StringIO, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CONFIRM_CONNECTIONS", "true")
    begun = SignIn(api, microsoft)

    begun.come_back(begun.decline())
    sign_in(api, microsoft)
    api("POST /api/auth/microsoft/confirm", body={"connection": "guess"})

    assert recorded(log, "sign_in_failed", problem="sign-in-refused")
    assert recorded(log, "connection_pending", user_id="ann")
    assert recorded(log, "connection_refused", user_id="ann", problem="connection-unknown")


def test_an_administrator_connects_for_another_user_and_the_record_names_both(
    api: Api, microsoft: Simulators, sql: Sql, log: StringIO, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("MICROSOFT_TENANTS", ORGANISATION_TENANT_ID)
    body = {"tenantId": ORGANISATION_TENANT_ID, "emailAddress": BO, "userId": "bo"}

    made = api(CONNECT_FOR_ORGANISATION, body=body, user="boss", admin=True).json

    assert sql("SELECT user_id FROM mailsync.email_accounts") == [["bo"]]
    people = {"user_id": "boss", "for_user_id": "bo", "organisation_id": ORGANISATION_TENANT_ID}
    ids = {"account_id": made["accountId"], "run_id": made["runId"]}
    assert recorded(log, "organisation_account_connected", **people, **ids)


def test_log_source_ip_off_keeps_no_address(
    api: Api, microsoft: Simulators, log: StringIO, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_SOURCE_IP", "false")

    sign_in(api, microsoft)

    assert [each["message"] for each in records(log)] == ["account_connected"]
    assert IP not in log.getvalue()


def test_a_strangers_refused_request_is_no_act(
    api: Api, microsoft: Simulators, log: StringIO
) -> None:
    account_id = account_of(sign_in(api, microsoft))

    for nobodys in (account_id, str(uuid4())):
        api(STOP, query={"accountId": nobodys}, user="mallory")
        api(f"DELETE {ONE.format(nobodys)}", user="mallory")

    assert [each["user_id"] for each in records(log)] == ["ann"]


def test_the_guide_lists_every_record() -> None:
    guide = (ROOT / "docs/security.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|", guide, re.MULTILINE)

    assert {*listed} == CONNECTIONS | {name for name, *_ in ON_AN_ACCOUNT}
