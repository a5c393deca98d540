"""Who did it: an audit record for each act, as docs/security.md lists them."""

import json
import re
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest

from localdev.simulators import Simulators
from localdev.simulators.service import TENANT_ID
from mailsync.model import AccountId
from tests.api.conftest import Ask, Sql
from tests.api.connecting import BEGIN, CALLBACK, choose, cookie_of
from tests.api.hidden_mail import hide_mail
from tests.api.requests import Answer
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/security.md").read_text()
ONE = "/api/email/accounts/{}"
IP = "192.0.2.7"
Act = Callable[["Hands"], dict[str, Any]]


class Hands:
    """What a person does; each returns the fields that the record must have beside the usual."""

    def __init__(self, ask: Ask, ask_connect: Ask, identity: Simulators, sql: Sql) -> None:
        self.ask, self.ask_connect, self.identity, self.sql = ask, ask_connect, identity, sql

    def signed_in(self) -> Answer:
        begun = self.ask_connect(BEGIN)
        query = choose(self.identity, begun, account="ann@example.org")
        return self.ask_connect(CALLBACK, query=query, cookies=cookie_of(begun), user=None)

    def account(self) -> str:
        self.signed_in()
        ((account_id,),) = self.sql("SELECT id::text FROM mailsync.email_accounts")
        return str(account_id)

    def run_of(self, account_id: str) -> str:
        ((run_id,),) = self.sql(
            "SELECT id FROM mailsync.sync_runs WHERE account_id = cast(:id AS uuid)", id=account_id
        )
        return str(run_id)

    def connects(self) -> dict[str, Any]:
        account_id = self.account()
        return {"user_id": "ann", "account_id": account_id, "run_id": self.run_of(account_id)}

    def declines(self) -> dict[str, Any]:
        begun = self.ask_connect(BEGIN)
        query = choose(self.identity, begun, decline="1")
        self.ask_connect(CALLBACK, query=query, cookies=cookie_of(begun), user=None)
        return {"problem": "sign-in-refused"}

    def waits(self) -> dict[str, Any]:
        self.signed_in()
        return {"user_id": "ann"}

    def confirms_nothing(self) -> dict[str, Any]:
        self.ask_connect("POST /api/auth/microsoft/confirm", body={"connection": "guess"})
        return {"user_id": "ann", "problem": "connection-unknown"}

    def connects_for_another(self) -> dict[str, Any]:
        body = {"tenantId": TENANT_ID, "emailAddress": "bo@example.org", "userId": "bo"}
        answer = self.ask_connect(
            "POST /api/email/accounts/microsoft", body=body, user="boss", admin=True
        )
        ids = {"account_id": answer.json["accountId"], "run_id": answer.json["runId"]}
        return {"user_id": "boss", "for_user_id": "bo", "organisation_id": TENANT_ID, **ids}

    def disconnects(self) -> dict[str, Any]:
        return self.removes("keep")

    def purges(self) -> dict[str, Any]:
        return self.removes("purge")

    def removes(self, data: str) -> dict[str, Any]:
        account_id = self.account()
        run_id = self.run_of(account_id)
        self.ask_connect(f"DELETE {ONE.format(account_id)}", query={"data": data})
        return {"user_id": "ann", "account_id": account_id, "data": data, "run_id": run_id}

    def stops(self) -> dict[str, Any]:
        account_id = self.account()
        self.ask("DELETE /api/email/sync", query={"accountId": account_id})
        return {"user_id": "ann", "account_id": account_id, "run_id": self.run_of(account_id)}

    def pauses(self) -> dict[str, Any]:
        account_id = self.account()
        self.ask(f"PATCH {ONE.format(account_id)}", body={"paused": True})
        ids = {"account_id": account_id, "run_id": self.run_of(account_id)}
        return {"user_id": "ann", "paused": True, "folders": {}, **ids}

    def confirms_removal(self) -> dict[str, Any]:
        account_id = self.account()
        hide_mail(self.sql, account_id, messages=22, gone=20)
        self.ask(f"POST {ONE.format(account_id)}/confirm-removal")
        return {"user_id": "ann", "account_id": account_id, "messages": 20}


ACTS: dict[str, Act] = {
    "account_connected": Hands.connects,
    "sign_in_failed": Hands.declines,
    "connection_pending": Hands.waits,
    "connection_refused": Hands.confirms_nothing,
    "organisation_account_connected": Hands.connects_for_another,
    "account_removed": Hands.disconnects,
    "account_removed, purge": Hands.purges,
    "sync_stopped": Hands.stops,
    "account_changed": Hands.pauses,
    "removal_confirmed": Hands.confirms_removal,
}
ALWAYS = {"audit": True, "correlation_id": "JKJaXmPLvHcESHA="}


@pytest.fixture
def hands(
    *,
    ask: Ask,
    ask_connect: Ask,
    identity: Simulators,
    sql: Sql,
    environment: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Hands:
    environment.setenv("MICROSOFT_TENANTS", TENANT_ID)
    if "connection_pending" in request.node.name:
        environment.setenv("CONFIRM_CONNECTIONS", "true")
    return Hands(ask, ask_connect, identity, sql)


def records(log: StringIO) -> Iterator[dict[str, Any]]:
    for line in log.getvalue().splitlines():
        record = json.loads(line)
        if record.get("audit"):
            yield record


@pytest.mark.parametrize("act", ACTS)
def test_each_act_names_who_did_it_and_from_where(hands: Hands, log: StringIO, act: str) -> None:
    expected = ACTS[act](hands) | ALWAYS | {"source_ip": IP}
    name = act.partition(",")[0]

    (record,) = [each for each in records(log) if each["message"] == name]

    assert {field: record.get(field) for field in expected} == expected
    assert "example.org" not in json.dumps(record)


def test_where_addresses_may_not_be_kept_none_is(
    hands: Hands, log: StringIO, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_SOURCE_IP", "false")

    hands.disconnects()

    assert [each["message"] for each in records(log)] == ["account_connected", "account_removed"]
    assert IP not in log.getvalue()


def test_what_is_refused_to_a_stranger_is_nobodys_act(hands: Hands, log: StringIO) -> None:
    account_id = AccountId(hands.account())

    for nobodys in (account_id, uuid4()):
        hands.ask("DELETE /api/email/sync", query={"accountId": str(nobodys)}, user="mallory")
        hands.ask_connect(f"DELETE {ONE.format(nobodys)}", user="mallory")

    assert [each["user_id"] for each in records(log)] == ["ann"]


def test_the_guide_lists_every_record_with_its_fields() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", GUIDE, re.MULTILINE))

    assert {each.partition(",")[0] for each in ACTS} == listed.keys()
