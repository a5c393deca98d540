"""An audit record names who did each act, as docs/security.md lists them."""

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
from tests.api.hidden_mail import hide_mail
from tests.api.requests import Api, Sql
from tests.api.sign_in import BO, SignIn, account_of, sign_in
from tests.api.subscriptions import CONNECT_FOR_ORGANISATION
from tests.support.paths import ROOT

GUIDE = (ROOT / "docs/security.md").read_text()
ONE = "/api/email/accounts/{}"
IP = "192.0.2.7"
Act = Callable[["Person"], dict[str, Any]]


class Person:
    """Each method does an act; it returns the fields that the record must have beside the usual."""

    def __init__(self, api: Api, microsoft: Simulators, sql: Sql) -> None:
        self.api, self.microsoft, self.sql = api, microsoft, sql

    def account(self) -> str:
        return account_of(sign_in(self.api, self.microsoft))

    def run_of(self, account_id: str) -> str:
        ((run_id,),) = self.sql(
            "SELECT id FROM mailsync.sync_runs WHERE account_id = cast(:id AS uuid)", id=account_id
        )
        return str(run_id)

    def connects(self) -> dict[str, Any]:
        account_id = self.account()
        return {"user_id": "ann", "account_id": account_id, "run_id": self.run_of(account_id)}

    def declines(self) -> dict[str, Any]:
        begun = SignIn(self.api, self.microsoft)
        begun.come_back(begun.decline())
        return {"problem": "sign-in-refused"}

    def waits(self) -> dict[str, Any]:
        sign_in(self.api, self.microsoft)
        return {"user_id": "ann"}

    def confirms_nothing(self) -> dict[str, Any]:
        self.api("POST /api/auth/microsoft/confirm", body={"connection": "guess"})
        return {"user_id": "ann", "problem": "connection-unknown"}

    def connects_for_another(self) -> dict[str, Any]:
        body = {"tenantId": TENANT_ID, "emailAddress": BO, "userId": "bo"}
        response = self.api(CONNECT_FOR_ORGANISATION, body=body, user="boss", admin=True)
        ids = {"account_id": response.json["accountId"], "run_id": response.json["runId"]}
        return {"user_id": "boss", "for_user_id": "bo", "organisation_id": TENANT_ID, **ids}

    def disconnects(self) -> dict[str, Any]:
        return self.removes("keep")

    def purges(self) -> dict[str, Any]:
        return self.removes("purge")

    def removes(self, data: str) -> dict[str, Any]:
        account_id = self.account()
        run_id = self.run_of(account_id)
        self.api(f"DELETE {ONE.format(account_id)}", query={"data": data})
        return {"user_id": "ann", "account_id": account_id, "data": data, "run_id": run_id}

    def stops(self) -> dict[str, Any]:
        account_id = self.account()
        self.api("DELETE /api/email/sync", query={"accountId": account_id})
        return {"user_id": "ann", "account_id": account_id, "run_id": self.run_of(account_id)}

    def pauses(self) -> dict[str, Any]:
        account_id = self.account()
        self.api(f"PATCH {ONE.format(account_id)}", body={"paused": True})
        ids = {"account_id": account_id, "run_id": self.run_of(account_id)}
        return {"user_id": "ann", "paused": True, "folders": {}, **ids}

    def confirms_removal(self) -> dict[str, Any]:
        account_id = self.account()
        hide_mail(self.sql, account_id, messages=22, gone=20)
        self.api(f"POST {ONE.format(account_id)}/confirm-removal")
        return {"user_id": "ann", "account_id": account_id, "messages": 20}


ACTS: dict[str, Act] = {
    "account_connected": Person.connects,
    "sign_in_failed": Person.declines,
    "connection_pending": Person.waits,
    "connection_refused": Person.confirms_nothing,
    "organisation_account_connected": Person.connects_for_another,
    "account_removed": Person.disconnects,
    "account_removed, purge": Person.purges,
    "sync_stopped": Person.stops,
    "account_changed": Person.pauses,
    "removal_confirmed": Person.confirms_removal,
}
ALWAYS = {"audit": True, "correlation_id": "JKJaXmPLvHcESHA="}


@pytest.fixture
def person(
    api: Api,
    microsoft: Simulators,
    sql: Sql,
    environment: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Person:
    environment.setenv("MICROSOFT_TENANTS", TENANT_ID)
    if "connection_pending" in request.node.name:
        environment.setenv("CONFIRM_CONNECTIONS", "true")
    return Person(api, microsoft, sql)


def records(log: StringIO) -> Iterator[dict[str, Any]]:
    for line in log.getvalue().splitlines():
        record = json.loads(line)
        if record.get("audit"):
            yield record


@pytest.mark.parametrize("act", ACTS)
def test_each_act_records_who_and_from_where(person: Person, log: StringIO, act: str) -> None:
    expected = ACTS[act](person) | ALWAYS | {"source_ip": IP}
    name = act.partition(",")[0]

    (record,) = [each for each in records(log) if each["message"] == name]

    assert {field: record.get(field) for field in expected} == expected
    assert "example.org" not in json.dumps(record)


def test_log_source_ip_off_keeps_no_address(
    person: Person, log: StringIO, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("LOG_SOURCE_IP", "false")

    person.disconnects()

    assert [each["message"] for each in records(log)] == ["account_connected", "account_removed"]
    assert IP not in log.getvalue()


def test_a_strangers_refused_request_is_no_act(person: Person, log: StringIO) -> None:
    account_id = AccountId(person.account())

    for nobodys in (account_id, uuid4()):
        person.api("DELETE /api/email/sync", query={"accountId": str(nobodys)}, user="mallory")
        person.api(f"DELETE {ONE.format(nobodys)}", user="mallory")

    assert [each["user_id"] for each in records(log)] == ["ann"]


def test_the_guide_lists_every_record_with_its_fields() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", GUIDE, re.MULTILINE))

    assert {each.partition(",")[0] for each in ACTS} == listed.keys()
