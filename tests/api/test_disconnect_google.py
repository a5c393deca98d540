"""DELETE /api/email/accounts/{accountId} of a Gmail mailbox: Google ends all tokens of an account
and a client when one is revoked, so the access ends with the last connection."""

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.google.consents import GrantEndReason
from tests.api.google_sign_in import sign_in
from tests.api.requests import Sql
from tests.api.sign_in import ANN, BO, account_of
from tests.api.test_provider_paths import ask

WITHDRAWN = "The access to the mailbox was withdrawn."
KEPT = "The access is kept, because the mailbox is connected elsewhere."
FORGOTTEN = "The access was deleted here"


def connect(google: Simulators, user: str, account: str = ANN) -> str:
    return account_of(sign_in(google, account, user))


def disconnect(account_id: str, user: str, data: str = "keep") -> str:
    route = f"DELETE /api/email/accounts/{account_id}"
    response = ask("connect", route, user=user, query={"data": data})
    assert response.status == 200
    return str(response.json["message"])


def valid_grants(google: Simulators, account: str = ANN) -> int:
    """Count the consents that Google still accepts."""
    user_id = google.google.accounts.find_account(account).simulator_user_id
    statement = "SELECT count(*) AS n FROM google_consent WHERE user_id = ? AND refusal = 0"
    found = google.service.database.fetch_row(statement, user_id)
    return int(found["n"]) if found else 0


@pytest.mark.parametrize("data", ["keep", "purge"])
def test_the_last_connection_of_an_account_withdraws_its_access(
    google: Simulators, data: str
) -> None:
    of_ann, of_bo = connect(google, "ann"), connect(google, "bo")
    connect(google, "ann", BO)

    assert KEPT in disconnect(of_ann, "ann", data)
    assert valid_grants(google) == 2
    assert WITHDRAWN in disconnect(of_bo, "bo", data)
    assert valid_grants(google) == 0
    assert valid_grants(google, BO) == 1


def test_another_users_request_withdraws_nothing(google: Simulators) -> None:
    account_id = connect(google, "ann")

    assert ask("connect", f"DELETE /api/email/accounts/{account_id}", user="bo").status == 404

    assert valid_grants(google) == 1


FAULTS = {
    "down": Fault(status=503, body=""),
    "page": Fault(status=502, body="<html></html>"),
    "cut off": Fault(cut="before answer"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_failing_platform_prevents_no_disconnection(
    google: Simulators, sql: Sql, name: str
) -> None:
    account_id = connect(google, "ann")
    rule = FaultRule(fault=FAULTS[name], path="^/revoke", times=None)
    google.service.token_faults.add_rules(rule)

    assert FORGOTTEN in disconnect(account_id, "ann")

    assert sql("SELECT count(*) FROM mailsync.email_credentials") == [[0]]


def test_a_grant_that_has_ended_is_forgotten(google: Simulators) -> None:
    account_id = connect(google, "ann")
    google.google.consents.end_all_consents_of_user(
        google.google.accounts.find_account(ANN).simulator_user_id, GrantEndReason.REVOKED
    )

    assert FORGOTTEN in disconnect(account_id, "ann")
