"""A stage without the settings of a provider: it syncs the others, and says what is missing."""

import os
from typing import Any

import pytest

from localdev.simulators import Simulators
from mailsync import registry
from mailsync.model import AccountId
from mailsync.settings import load_settings
from tests.api.requests import Api
from tests.api.subscriptions import NO_WORK, Subscribed, tick
from tests.api.syncs import STATUS, start
from tests.api.test_provider_paths import OTHER, ask
from tests.support.functions import lambda_context

MISSING = "the setting {}_CLIENT_ID is missing. Stored mail stays readable"


@pytest.fixture
def without_providers(environment: pytest.MonkeyPatch) -> None:
    switch_off(environment)


def switch_off(environment: pytest.MonkeyPatch) -> None:
    """Remove every setting of Microsoft's and Google's."""
    for name in list(os.environ):
        if name.startswith(("MICROSOFT_", "GRAPH_", "GOOGLE_", "GMAIL_")):
            environment.delenv(name)
    load_settings.cache_clear()


def reach_provider() -> Any:
    from handlers.reach_provider import handler

    return handler({}, lambda_context())


def paths_of(api: Api) -> set[str]:
    """Return the paths of the OpenAPI document that name a provider."""
    from mailsync.api.app import build_app_with_all_routes
    from mailsync.api.openapi import build_openapi_document

    paths = build_openapi_document(
        build_app_with_all_routes(), load_settings().enabled_providers()
    )["paths"]
    return {each for each in paths if each.startswith(("/api/auth/", "/api/webhooks/"))}


@pytest.mark.parametrize(
    ("function", "route"),
    [
        ("connect", "GET /api/auth/microsoft"),
        ("connect", "GET /api/auth/microsoft/callback"),
        ("connect", "POST /api/auth/microsoft/confirm"),
        ("connect", "POST /api/email/accounts/microsoft"),
        ("webhook", "POST /api/webhooks/microsoft"),
        ("connect", "GET /api/auth/google"),
        ("connect", "GET /api/auth/google/callback"),
        ("connect", "POST /api/auth/google/confirm"),
        ("webhook", "POST /api/webhooks/google"),
    ],
)
def test_no_mailbox_of_a_provider_without_settings_is_connected(
    without_providers: None, function: str, route: str
) -> None:
    response = ask(function, route, body={"connection": "x"}, admin=True)

    assert response.problem == (404, "provider-off")
    provider = "GOOGLE" if "google" in route else "MICROSOFT"
    assert MISSING.format(provider) in response.json["detail"]


def test_a_stage_without_any_provider_is_healthy(api: Api, without_providers: None) -> None:
    assert api("GET /api/health", user=None).status == 200
    assert reach_provider() == {"status": 0}
    assert paths_of(api) == set()


def test_an_error_page_links_to_no_sign_in_where_there_is_none(
    without_providers: None, environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("APP_INBOX_URL")

    page = ask("connect", "DELETE /api/email/accounts/none", headers={"accept": "text/html"})

    assert page.status == 422
    assert "Correct and send again" in page.text
    assert "<a " not in page.text


def test_the_self_test_asks_only_providers_with_settings(
    api: Api, microsoft: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reach_provider() == {"status": 401}
    monkeypatch.setattr(registry, "REGISTERED_PROVIDERS", (*registry.REGISTERED_PROVIDERS, OTHER))
    url = load_settings().read_url_setting(registry.GRAPH_URL_SETTING)
    switch_off(monkeypatch)
    monkeypatch.setenv("GRAPH_URL", url)
    load_settings.cache_clear()

    assert reach_provider() == {"status": 401}
    assert {each.split("/")[3] for each in paths_of(api)} == {"other"}


def test_an_account_of_a_provider_without_settings_keeps_its_mail_and_is_not_synced(
    api: Api, account_id: AccountId, without_providers: None
) -> None:
    refused = start(api, account_id)

    assert refused.problem == (409, "account-not-connected")
    assert MISSING.format("MICROSOFT") in refused.json["detail"]
    assert api(STATUS, query={"accountId": account_id}).status == 200


def test_no_subscription_of_a_provider_without_settings_is_renewed(
    mailbox: Subscribed, environment: pytest.MonkeyPatch
) -> None:
    mailbox.sign_in("ann")
    switch_off(environment)

    assert tick() == NO_WORK
