"""POST /api/email/accounts/{provider} with a password, and what opens the mailbox afterwards.

No provider of this release uses passwords; this one exists by its registration alone.
"""

import json
from io import StringIO
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from infra.catalog import api_routes_of_provider
from mailsync import registry
from mailsync.credentials import (
    StoredPasswordAsTokenSource,
    make_access_token_source,
    make_fixed_token_source_without_lock,
)
from mailsync.credentials.token_set import make_grant_sealing_context, make_password_sealing_context
from mailsync.credentials.vault import SealingContext, Vault
from mailsync.errors import AccessRevoked, ProviderUnavailable
from mailsync.model import Account, AccountId, ProviderName, SealedSecret
from mailsync.providers.kit import (
    MailboxIdentity,
    MailboxUnreadableError,
    PasswordLogin,
    PasswordRejected,
)
from mailsync.registry import RegisteredProvider
from mailsync.settings import Settings, load_settings
from mailsync.store.connection import Database
from mailsync.store.credential_store import CredentialStore
from tests.api.requests import ApiResponse, Sql
from tests.api.sign_in import ONE_OF_EACH, refusal, stored
from tests.api.syncs import executions
from tests.api.test_provider_paths import ask

PASSWORD, NEW_PASSWORD = "correct horse 'ü\"", "battery staple; --"
POST = RegisteredProvider(
    ProviderName("post"), "Post", "email/post.sync", implementation_module=__name__
)
REFUSED_AT = "SELECT refused_at IS NOT NULL FROM mailsync.email_credentials"
TABLES = """SELECT table_name FROM information_schema.tables
 WHERE table_schema = 'mailsync' AND table_type = 'BASE TABLE'"""


class PostKit:
    """Implements `PasswordKit` for a server that knows one mailbox.

    password: the only password that the server accepts.
    failure: error of the next check instead.
    """

    push_kit = None

    def __init__(self) -> None:
        self.password = PASSWORD
        self.failure: Exception | None = None

    def check_password(self, login: PasswordLogin, settings: Settings) -> MailboxIdentity:
        if self.failure:
            raise self.failure
        if (login.user_name, login.password) != ("ann", self.password):
            raise PasswordRejected
        return MailboxIdentity("ann@post", "ann@example.org")


@pytest.fixture(autouse=True)
def post(
    environment: pytest.MonkeyPatch, token_key_arn: str, monkeypatch: pytest.MonkeyPatch
) -> PostKit:
    """The server, at which the stage connects mailboxes."""
    environment.setenv("TOKEN_KEY_ARN", token_key_arn)
    monkeypatch.setattr(registry, "REGISTERED_PROVIDERS", (*registry.REGISTERED_PROVIDERS, POST))
    kit = PostKit()
    monkeypatch.setattr(f"{__name__}.KIT", kit, raising=False)
    return kit


def connect(**body: Any) -> ApiResponse:
    return ask(
        "connect",
        "POST /api/email/accounts/post",
        body={"userName": "ann", "password": PASSWORD, **body},
    )


@pytest.fixture
def connected() -> Account:
    account_id = AccountId(connect().json["accountId"])
    return Account(account_id, POST.provider_name, "active")


@pytest.fixture
def store(database: Database) -> CredentialStore:
    return CredentialStore(database)


@pytest.fixture
def vault(kms: Any, token_key_arn: str, store: CredentialStore) -> Vault:
    return Vault(token_key_arn, store, kms)


@pytest.fixture
def access(connected: Account, store: CredentialStore, vault: Vault) -> StoredPasswordAsTokenSource:
    """What opens the connected mailbox in a function."""
    opened = make_access_token_source(connected, store, vault, load_settings())
    assert isinstance(opened, StoredPasswordAsTokenSource)
    return opened


def test_a_right_password_connects_the_mailbox_and_starts_its_first_sync(sql: Sql) -> None:
    response = connect()

    assert response.status == 201
    assert response.json["emailAddress"] == "ann@example.org"
    assert stored(sql) == ONE_OF_EACH
    assert sql("SELECT user_id, provider, status FROM mailsync.email_accounts") == [
        ["ann", "post", "active"]
    ]
    assert [*executions()] == [response.json["runId"]]


@pytest.mark.parametrize(
    ("body", "problem", "detail"),
    [
        ({"password": "wrong"}, "password-refused", "no mailbox was connected"),
        ({"userName": "bo"}, "password-refused", "no mailbox was connected"),
        ({"password": ""}, "invalid-field", "again: password."),
        ({"password": "a\nLOGOUT"}, "invalid-field", "again: password."),
        ({"password": ["x"]}, "invalid-field", "again: password."),
        ({"userName": "a b"}, "invalid-field", "again: userName."),
    ],
)
def test_a_refused_or_malformed_password_connects_nothing(
    sql: Sql, body: dict[str, Any], problem: str, detail: str
) -> None:
    response = connect(**body)

    assert refusal(response, sql) == (422, problem)
    assert detail in response.json["detail"]


@pytest.mark.parametrize(
    ("failure", "problem"),
    [
        (MailboxUnreadableError("The mailbox is closed."), (422, "mailbox-refused")),
        (ProviderUnavailable("The server does not respond."), (503, "provider-unavailable")),
        (ValueError(PASSWORD), (500, "unexpected")),
    ],
)
def test_a_failed_check_of_the_password_connects_nothing_and_is_reported_without_it(
    *, post: PostKit, sql: Sql, log: StringIO, failure: Exception, problem: tuple[int, str]
) -> None:
    post.failure = failure

    response = connect()

    assert refusal(response, sql) == problem
    assert not holds(PASSWORD, response.text + log.getvalue())


def test_a_user_cannot_try_many_passwords(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("API_LIMITS", "connect=1")
    load_settings.cache_clear()

    assert connect(password="wrong").problem == (422, "password-refused")
    assert connect().problem == (429, "too-many-calls")


def test_no_response_log_or_table_holds_the_password(
    post: PostKit, sql: Sql, log: StringIO
) -> None:
    responses = [connect(password=NEW_PASSWORD), connect()]
    post.password = NEW_PASSWORD
    responses.append(connect(password=NEW_PASSWORD))
    rows = [row for (table,) in sql(TABLES) for row in sql(f"SELECT * FROM mailsync.{table}")]

    written = "".join([log.getvalue(), *(each.text + str(each.headers) for each in responses)])
    kept = "".join(
        cell.decode("latin-1") if isinstance(cell, bytes) else str(cell)
        for row in rows
        for cell in row
    )

    assert [each.status for each in responses] == [422, 201, 201]
    assert "account_connected" in written
    assert "ann@example.org" in kept
    for each in (PASSWORD, NEW_PASSWORD):
        assert not holds(each, written + kept)


def holds(secret: str, text: str) -> bool:
    return secret in text or json.dumps(secret)[1:-1] in text


def test_the_password_is_the_access_token(
    access: StoredPasswordAsTokenSource, connected: Account, store: CredentialStore, vault: Vault
) -> None:
    assert access.get_current_token().token == PASSWORD
    last = make_fixed_token_source_without_lock(connected, store, vault, load_settings())
    assert last.get_current_token().token == PASSWORD
    assert PASSWORD not in repr(access.get_current_token())


def test_a_refused_password_ends_the_access_until_the_user_sends_another_one(
    access: StoredPasswordAsTokenSource, connected: Account, post: PostKit, sql: Sql
) -> None:
    refused = access.get_current_token()
    with pytest.raises(AccessRevoked, match="connect the mailbox again") as caught:
        access.get_token_after_refusal(refused)
    assert caught.value.is_final
    assert PASSWORD not in str(caught.value)
    assert sql(REFUSED_AT) == [[True]]
    sql("UPDATE mailsync.email_accounts SET status = 'reauth_required'")
    post.password = NEW_PASSWORD

    assert connect(password=NEW_PASSWORD).json["accountId"] == connected.id

    assert sql(REFUSED_AT) == [[False]]
    assert sql("SELECT status FROM mailsync.email_accounts") == [["active"]]
    assert (
        access.get_token_after_refusal(refused).token
        == access.get_current_token().token
        == NEW_PASSWORD
    )


def test_a_password_under_an_old_data_key_is_sealed_anew_when_it_is_used(
    access: StoredPasswordAsTokenSource, sql: Sql
) -> None:
    key = "SELECT password_key_id FROM mailsync.email_credentials"
    ((old,),) = sql(key)
    sql("UPDATE mailsync.data_keys SET created_at = now() - interval '31 days'")

    assert access.get_current_token().token == PASSWORD

    assert sql(key) != [[old]]
    sql("DELETE FROM mailsync.data_keys WHERE id = :old", old=old)


@pytest.mark.parametrize(
    "binding",
    [b"account-1", make_grant_sealing_context(AccountId("account-1")).aead_associated_data],
)
def test_a_grant_that_was_moved_to_the_password_does_not_open(vault: Vault, binding: bytes) -> None:
    """Who can write to the database could have it sent to a mail server."""
    context: SealingContext = make_password_sealing_context(AccountId("account-1"))
    key = vault.find_or_make_newest_sealing_key()
    moved = SealedSecret(
        key.data_key_id, b"\0" * 12 + key.aes_gcm_cipher.encrypt(b"\0" * 12, b"grant", binding)
    )

    with pytest.raises(AccessRevoked):
        vault.decrypt_sealed_text(context, moved)


def test_a_provider_with_passwords_has_no_routes_of_a_sign_in() -> None:
    from mailsync.api.app import build_app_with_all_routes
    from mailsync.api.openapi import build_openapi_document

    path = "/api/email/accounts/post"

    document = build_openapi_document(build_app_with_all_routes(), [POST])
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert [each for each in document["paths"] if "post" in each] == [path]
    assert [each.route_key for each in api_routes_of_provider(POST)] == [f"POST {path}"]
    assert ask("connect", "GET /api/auth/post").problem == (404, "unknown-provider")
