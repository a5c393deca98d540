"""Renewals at the simulated Google over TLS: what ends an account, what blocks it, and what is
waited out."""

from collections.abc import Callable
from typing import Any

import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.google.consents import GrantEndReason
from mailsync.credentials.identity import google as platform
from mailsync.credentials.identity import require_oauth_access_of_provider
from mailsync.credentials.identity.google_errors import to_renewal_error
from mailsync.credentials.token_set import TokenSet
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.json_request import JsonResponse
from mailsync.registry import GOOGLE
from mailsync.settings import Settings
from tests.api.google_sign_in import READ_MAIL, REVOKED
from tests.api.sign_in import ANN

OAUTH = require_oauth_access_of_provider(GOOGLE)
DAY_S = 24 * 3600
Renew = Callable[[], TokenSet]


@pytest.fixture
def app(google: Simulators) -> Settings:
    return Settings(
        {
            "GOOGLE_IDENTITY_URL": google.google.base_url,
            "GOOGLE_CLIENT_ID": google.google.client_id,
            "GOOGLE_CLIENT_SECRET": google.google.client_secret,
            "CA_BUNDLE": str(google.ca_bundle),
        }
    )


def consent(google: Simulators, kept: int = 100) -> str:
    """Let Ann consent; return her refresh token."""
    consents = google.google.consents
    user_id = google.google.accounts.find_account(ANN).simulator_user_id
    email = "https://www.googleapis.com/auth/userinfo.email"
    consent_id = consents.create_consent(user_id, f"openid {email} {READ_MAIL}")
    return consents.issue_refresh_token_and_expire_oldest(
        consent_id, lifetime_s=7 * DAY_S, kept=kept
    )


@pytest.fixture
def grant(google: Simulators) -> str:
    return consent(google)


@pytest.fixture
def renew(app: Settings, grant: str) -> Renew:
    return lambda: platform.refresh_tokens(app, OAUTH, grant)


def inject(google: Simulators, **fault: Any) -> None:
    google.service.token_faults.add_rules(FaultRule(fault=Fault(**fault), path="^/token"))


def test_a_renewal_keeps_the_grant_and_returns_a_token_that_reads_mail(
    google: Simulators, renew: Renew, grant: str
) -> None:
    renewed = renew()

    bearer = google.google.verify_access_token(renewed.access_token.token)
    assert (bearer.user_id, READ_MAIL in bearer.scopes) == (
        google.google.accounts.find_account(ANN).simulator_user_id,
        True,
    )
    assert (renewed.renewal_grant, renewed.email_address) == (grant, ANN)
    assert grant not in repr(renewed)


def test_a_newer_refresh_token_replaces_the_grant_and_emptiness_never_does(
    google: Simulators, renew: Renew, grant: str
) -> None:
    tokens = '{"access_token": "a", "expires_in": 3599, "refresh_token": %s}'
    for sent, kept in (('"1//0newer"', "1//0newer"), ('""', grant), ("null", grant), ("7", grant)):
        inject(google, status=200, body=tokens % sent)
        assert renew().renewal_grant == kept


def revoke(google: Simulators, grant: str) -> None:
    google.google.consents.end_all_consents_of_user(
        google.google.accounts.find_account(ANN).simulator_user_id
    )


def change_password(google: Simulators, grant: str) -> None:
    user_id = google.google.accounts.find_account(ANN).simulator_user_id
    google.google.consents.end_all_consents_of_user(user_id, GrantEndReason.PASSWORD_CHANGED)


def pass_seven_days(google: Simulators, grant: str) -> None:
    google.google.consents.expire_refresh_tokens(
        google.google.accounts.find_account(ANN).simulator_user_id
    )


def consent_too_often(google: Simulators, grant: str) -> None:
    for _ in range(2):
        consent(google, kept=2)


def revoke_elsewhere(google: Simulators, grant: str) -> None:
    google.google.consents.end_all_consents_of_token_owner(consent(google))


@pytest.mark.parametrize(
    "end", [revoke, change_password, pass_seven_days, consent_too_often, revoke_elsewhere]
)
def test_a_grant_that_has_ended_closes_the_account_and_lists_the_possible_causes(
    google: Simulators, renew: Renew, grant: str, end: Callable[[Simulators, str], None]
) -> None:
    renew()
    end(google, grant)

    with pytest.raises(AccessRevoked) as caught:
        renew()
    assert caught.value.is_final
    text = str(caught.value)
    for cause in ("withdrawn", "password", "six months", "100 times", '"Testing"', "7 days"):
        assert cause in text
    assert "mail stays readable; connect the mailbox again" in text


@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (GrantEndReason.REAUTHENTICATION_REQUIRED, "asks for a new sign-in at intervals"),
        (GrantEndReason.REAUTHENTICATION_PROOF_INVALID, "ask an administrator to trust the app"),
        (GrantEndReason.ACCOUNT_DELETED, "connect the mailbox again"),
    ],
)
def test_a_blocked_grant_is_tried_again_and_resumes_by_itself(
    google: Simulators, renew: Renew, end: GrantEndReason, sentence: str
) -> None:
    user_id = google.google.accounts.find_account(ANN).simulator_user_id
    google.google.consents.end_all_consents_of_user(user_id, end)

    with pytest.raises(AccessRevoked, match=sentence) as caught:
        renew()
    assert not caught.value.is_final
    google.google.consents.restore_ended_consents_of_user(user_id)
    assert renew().access_token.token


def test_a_block_by_an_administrator_has_a_sentence_of_its_own_and_ends_by_itself(
    google: Simulators, renew: Renew, grant: str
) -> None:
    google.google.set_behaviour_switches(is_app_blocked=True)

    with pytest.raises(AccessRevoked, match="administrator of the Google Workspace") as caught:
        renew()
    assert not caught.value.is_final
    assert "resumes by itself" in str(caught.value)
    google.google.set_behaviour_switches(is_app_blocked=False)
    assert renew().renewal_grant == grant


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"status": 503, "body": "<html>503</html>"}, ProviderUnavailable),
        ({"status": 503, "body": '{"error": "invalid_grant"}'}, ProviderUnavailable),
        ({"status": 400, "body": "<html>invalid_grant</html>"}, ProviderUnavailable),
        ({"status": 400, "body": "[]"}, ProviderUnavailable),
        ({"status": 302, "headers": {"Location": "https://x.example"}}, ProviderUnavailable),
        ({"status": 200, "body": "<html>Sign in to the network</html>"}, ProviderUnavailable),
        ({"status": 200, "body": '{"access_token": "", "expires_in": 1}'}, ProviderUnavailable),
        (
            {"status": 200, "body": '{"access_token": "a", "expires_in": "soon"}'},
            ProviderUnavailable,
        ),
        (
            {"status": 200, "body": '{"access_token": "a", "expires_in": 1e300}'},
            ProviderUnavailable,
        ),
        ({"cut": "before answer"}, ProviderUnavailable),
        ({"status": 400, "code": "internal_failure"}, ProviderUnavailable),
        ({"status": 429, "body": "", "retry_after": 7}, ProviderThrottled),
        ({"status": 503, "body": "", "retry_after": 7}, ProviderThrottled),
        ({"status": 403, "code": "rate_limit_exceeded", "retry_after": 7}, ProviderThrottled),
        ({"status": 401, "code": "invalid_client"}, ProviderRejected),
        ({"status": 401, "code": "deleted_client"}, ProviderRejected),
        ({"status": 401, "code": "disabled_client"}, ProviderRejected),
        ({"status": 400, "code": "an_error_of_tomorrow"}, ProviderRejected),
    ],
)
def test_only_an_answer_about_the_grant_closes_an_account(
    google: Simulators, renew: Renew, fault: dict[str, Any], error: type[MailsyncError]
) -> None:
    inject(google, message="ann@example.org", **fault)

    with pytest.raises(error) as caught:
        renew()
    assert type(caught.value) is error
    assert getattr(caught.value, "retry_after_s", 7) == 7
    assert "tored mail stays readable" in str(caught.value)
    assert "ann@" not in str(caught.value)
    assert renew().access_token.token


def test_revoking_ends_every_token_of_the_account(
    google: Simulators, app: Settings, renew: Renew
) -> None:
    other = consent(google)

    assert platform.try_to_revoke_all_grants_of_user(app, OAUTH, other)
    assert not platform.try_to_revoke_all_grants_of_user(app, OAUTH, other)
    with pytest.raises(AccessRevoked):
        renew()


def test_without_a_grant_only_a_sign_in_helps(app: Settings) -> None:
    with pytest.raises(AccessRevoked) as caught:
        platform.refresh_tokens(app, OAUTH, None)
    assert caught.value.is_final


def test_the_description_that_google_documents_is_final_and_another_is_not() -> None:
    def error(description: object) -> bool:
        document = {"error": "invalid_grant", "error_description": description}
        failure = to_renewal_error(JsonResponse(400, document))
        assert isinstance(failure, AccessRevoked)
        return failure.is_final

    assert error(REVOKED)
    assert not any(map(error, ("Bad Request", None, ["x"], "")))
