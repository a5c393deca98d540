"""POST /api/webhooks/google: pushes of Pub/Sub with tokens that the simulated Google signs, and
everything else that a stranger may send."""

import base64
import json
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.google.push_tokens import PUSH_SERVICE_ACCOUNT
from mailsync.model import AccountId
from mailsync.settings import load_settings
from tests.api.gmail_push import AUDIENCE, TOPIC, body, push, token
from tests.api.google_sign_in import sign_in
from tests.api.issuer import hs256, rsa_key
from tests.api.requests import ApiResponse, Sql, a_request, call
from tests.api.sign_in import ANN, account_of
from tests.api.subscriptions import MIRRORED, NOT_DUE

STATE = "SELECT next_sync_at <= now(), notified_at IS NOT NULL FROM mailsync.email_accounts"
SUBSCRIBED = """INSERT INTO mailsync.provider_subscriptions
  (account_id, remote_id, secret_hash, callback_url)
  SELECT id, lower(email_address) || '#' || id, '\\x00', '' FROM mailsync.email_accounts"""
OTHER_ACCOUNT = "push@other-project.iam.gserviceaccount.com"


@pytest.fixture
def stage(google: Simulators, environment: pytest.MonkeyPatch) -> Simulators:
    """A stage whose Pub/Sub subscription pushes to the webhook."""
    environment.setenv("GOOGLE_PUBSUB_TOPIC", TOPIC)
    environment.setenv("GOOGLE_PUSH_SERVICE_ACCOUNT", PUSH_SERVICE_ACCOUNT)
    environment.setenv("GOOGLE_PUSH_AUDIENCE", AUDIENCE)
    load_settings.cache_clear()
    return google


@pytest.fixture
def account_id(stage: Simulators, sql: Sql) -> AccountId:
    """Ann's mailbox, mirrored, watched, and not due for an hour."""
    found = account_of(sign_in(stage))
    sql(MIRRORED)
    sql(SUBSCRIBED)
    sql(NOT_DUE)
    return AccountId(found)


@pytest.fixture
def state(sql: Sql, account_id: AccountId) -> Callable[[], list[Any]]:
    """Whether the account is due, and whether it was notified."""
    return lambda: sql(STATE)[0]


def seen(response: ApiResponse) -> tuple[int, str, dict[str, str]]:
    return response.status, response.text, response.headers


@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
def test_a_genuine_push_makes_its_mailbox_due(stage: Simulators, state: Any, issuer: str) -> None:
    response = push(token(stage, iss=issuer))

    assert (response.status, response.text) == (202, "")
    assert state() == [True, True]


@pytest.mark.parametrize("history_id", [0, 10**30, -1, "x", None, [7]])
def test_numbers_in_a_push_decide_nothing(
    stage: Simulators, state: Any, history_id: object
) -> None:
    push(token(stage), body(ANN.upper(), history_id))

    assert state() == [True, True]


def altered(token: str) -> str:
    head, claims, signature = token.split(".")
    other = jwt.decode(token, options={"verify_signature": False}) | {"email": "x@example.org"}
    encoded = base64.urlsafe_b64encode(json.dumps(other).encode()).rstrip(b"=").decode()
    assert claims != encoded
    return f"{head}.{encoded}.{signature}"


def signed_by(key: rsa.RSAPrivateKey, genuine: str) -> str:
    claims = jwt.decode(genuine, options={"verify_signature": False})
    return jwt.encode(claims, key, "RS256", headers=jwt.get_unverified_header(genuine))


def forgeries(google: Simulators) -> dict[str, str]:
    """Tokens that are not of this stage's service account, or not Google's."""
    genuine = token(google)
    claims = jwt.decode(genuine, options={"verify_signature": False})
    return {
        "none": "",
        "no token": "genuine",
        "two dots": "..",
        "not ascii": "\xe4.\xe4.\xe4",
        "long": "x" * 9_000,
        "altered": altered(genuine),
        "other key": signed_by(rsa_key(), genuine),
        "unsigned": jwt.encode(claims, "", "none"),
        "hmac": hs256(b"secret", "google-simulator", **claims).removeprefix("Bearer "),
        "unknown key": jwt.encode(claims, rsa_key(), "RS256", headers={"kid": "unknown"}),
        "no key id": jwt.encode(claims, rsa_key(), "RS256"),
        "other issuer": token(google, iss="https://accounts.example"),
        "other audience": token(google, audience="https://other.example/api/webhooks/google"),
        "no audience": token(google, audience=""),
        "other service account": token(google, email=OTHER_ACCOUNT),
        "unverified address": token(google, email_verified=False),
        "word for verified": token(google, email_verified="true"),
        "no address": token(google, email=None),
        "foreign and expired": token(google, email=OTHER_ACCOUNT, exp=1, iat=1),
        "other audience and early": token(google, audience="x", iat=int(time.time()) + 900),
    }


def test_a_forged_or_foreign_push_has_no_effect_and_learns_nothing(
    stage: Simulators, state: Any
) -> None:
    useless = push(token(stage), body("nobody@example.org"))

    for name, forged in forgeries(stage).items():
        assert seen(push(forged)) == seen(useless), name
        assert state() == [False, False], name


def test_an_authentic_and_useless_push_is_accepted_and_forgotten(
    stage: Simulators, state: Any, sql: Sql
) -> None:
    data = base64.b64encode(b"{}").decode()
    for text in (
        *("", "{", "7", "[]", '{"message": 7}', '{"message": {}}', "[" * 100_000),
        *(json.dumps({"message": {"data": each}}) for each in ("", "%", "e30", data, 7, None)),
        *(body(each) for each in (None, 7, "", "ann", "@", "x" * 400 + "@x", "\0@\0", "\ud800@x")),
        *(body(each) for each in ("nobody@example.org", f"{ANN}#", "%", f"{ANN[:-1]}")),
    ):
        assert push(token(stage), text).status == 202, text
        assert state() == [False, False], text
    for status in ("paused", "disconnected", "reauth_required"):
        sql("UPDATE mailsync.email_accounts SET status = :status", status=status)
        assert push(token(stage)).status == 202
        assert state() == [False, False], status


def test_the_data_may_have_either_alphabet_and_no_padding(stage: Simulators, state: Any) -> None:
    payload = json.dumps({"emailAddress": ANN, "x": "\u00ff?>~"}, ensure_ascii=False).encode()
    for text in (
        base64.b64encode(payload).decode(),
        base64.urlsafe_b64encode(payload).decode().rstrip("="),
    ):
        push(token(stage), json.dumps({"message": {"data": text}}))
        assert state() == [True, True]


@pytest.mark.parametrize(
    ("times", "is_taken"),
    [
        ({"iat": 50}, True),
        ({"iat": 300}, False),
        ({"iat": -3700, "exp": -50}, True),
        ({"iat": -3700, "exp": -100}, False),
        ({"iat": -2 * 24 * 3600, "exp": -2 * 24 * 3600 + 3600}, False),
    ],
)
def test_a_genuine_push_outside_its_time_is_requested_again(
    stage: Simulators, state: Any, log: StringIO, times: dict[str, int], is_taken: bool
) -> None:
    """Pub/Sub sends a new token then, so that a wrong clock loses no push."""
    now = int(time.time())

    response = push(token(stage, **{name: now + offset for name, offset in times.items()}))

    assert response.status == (202 if is_taken else 503)
    assert state() == [is_taken, is_taken]
    assert ("notification_postponed" in log.getvalue()) is not is_taken
    assert "push_ignored" not in log.getvalue()


def test_without_googles_keys_a_push_is_requested_again(stage: Simulators, state: Any) -> None:
    rule = FaultRule(fault=Fault(status=503, body=""), path="^/oauth2/v3/certs", times=None)
    stage.service.token_faults.add_rules(rule)

    assert push(token(stage)).problem == (503, "notification-postponed")
    assert state() == [False, False]


def test_a_database_that_does_not_answer_lets_pub_sub_try_again(
    stage: Simulators, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("DATABASE_URL", "postgresql://postgres@127.0.0.1:1/mailsync")
    load_settings.cache_clear()

    assert push(token(stage)).status == 503


def test_five_hundred_replays_are_one_check(stage: Simulators, state: Any, sql: Sql) -> None:
    replayed = token(stage)
    push(replayed)
    due = sql("SELECT next_sync_at FROM mailsync.email_accounts")

    assert {push(replayed).status for _ in range(500)} == {202}

    assert sql("SELECT next_sync_at FROM mailsync.email_accounts") == due


def test_all_accounts_of_a_mailbox_are_checked_and_no_other(
    stage: Simulators, account_id: AccountId, sql: Sql
) -> None:
    sign_in(stage, user="bo")
    sign_in(stage, "bo@example.org", user="bo")
    sql("DELETE FROM mailsync.provider_subscriptions")
    sql(SUBSCRIBED)
    sql(NOT_DUE)

    push(token(stage))

    due = "SELECT email_address, user_id FROM mailsync.email_accounts WHERE next_sync_at <= now()"
    assert sorted(sql(due)) == [[ANN, "ann"], [ANN, "bo"]]


def test_a_renamed_mailbox_is_found_under_both_addresses(
    stage: Simulators, state: Any, sql: Sql
) -> None:
    sql("UPDATE mailsync.email_accounts SET email_address = 'Ann.New@example.org'")

    for address in (ANN, "ann.new@example.org"):
        sql(f"{NOT_DUE}, notified_at = NULL")
        push(token(stage), body(address))
        assert state() == [True, True], address


def test_a_stage_without_a_topic_ignores_pushes(
    stage: Simulators, state: Any, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("GOOGLE_PUBSUB_TOPIC")
    load_settings.cache_clear()

    assert push(token(stage)).status == 202
    assert state() == [False, False]


def test_no_token_or_address_is_logged(stage: Simulators, state: Any, log: StringIO) -> None:
    sent = token(stage)

    push(sent)
    push(token(stage, email=OTHER_ACCOUNT))

    assert '"genuine":1' in log.getvalue()
    assert "OtherServiceAccount" in log.getvalue()
    assert not [each for each in (sent, ANN, OTHER_ACCOUNT) if each in log.getvalue()]


def test_a_body_in_base64_is_read_and_a_huge_one_is_not(stage: Simulators, state: Any) -> None:
    from handlers.webhook import handler

    headers = {"authorization": f"Bearer {token(stage)}"}
    event = a_request("POST /api/webhooks/google", user=None, body=body(), headers=headers)
    encoded = base64.b64encode(event["body"].encode()).decode()

    assert call(handler, event | {"body": "x" * 3_000_000}).status == 413
    assert call(handler, event | {"body": encoded, "isBase64Encoded": True}).status == 202
    assert state() == [True, True]
