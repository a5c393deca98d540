"""The routes that name a provider in their path, with one provider and with another beside it."""

import json
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest

from infra.catalog import api_routes_of_provider
from localdev.simulators import Simulators
from mailsync import registry
from mailsync.model import ProviderName
from mailsync.registry import GRAPH_URL_SETTING, RegisteredProvider
from tests.api.requests import Api, ApiResponse, Sql, a_request, call
from tests.api.sign_in import SignIn, refusal, stored
from tests.support.builders import OAUTH

OTHER = RegisteredProvider(
    ProviderName("other"),
    "Another provider",
    "email/other.sync",
    implementation_module="mailsync.providers.graph.kit",
    api_url_setting=GRAPH_URL_SETTING,
    oauth_settings=OAUTH,
    sends_notifications=True,
)


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second provider, known by its registration alone."""
    monkeypatch.setattr(registry, "REGISTERED_PROVIDERS", (*registry.REGISTERED_PROVIDERS, OTHER))


def ask(function: str, route: str, **parts: Any) -> ApiResponse:
    """Send a request to a function, whether or not API Gateway has the route."""
    return call(import_module(f"handlers.{function}").handler, a_request(route, **parts))


@pytest.mark.parametrize("provider", ["nobody", "%00", "microsoft2"])
@pytest.mark.parametrize(
    ("function", "route"),
    [
        ("connect", "GET /api/auth/{}"),
        ("connect", "GET /api/auth/{}/callback"),
        ("connect", "POST /api/auth/{}/confirm"),
        ("connect", "POST /api/email/accounts/{}"),
        ("webhook", "POST /api/webhooks/{}"),
    ],
)
def test_a_provider_that_this_release_cannot_sync_is_not_found(
    microsoft: object, sql: Sql, provider: str, function: str, route: str
) -> None:
    body = {"connection": "x", "tenantId": OTHER.provider_name, "emailAddress": "a@example.org"}

    response = ask(function, route.format(provider), body=body, admin=True)

    assert refusal(response, sql) == (404, "unknown-provider")


def test_a_sign_in_ends_at_the_provider_at_which_it_began(
    api: Api, microsoft: Simulators, other: None, sql: Sql
) -> None:
    """Or the code of one platform would be sent to another (mix-up attack, RFC 9207)."""
    begun = SignIn(api, microsoft)

    ended = ask(
        "connect",
        "GET /api/auth/other/callback",
        query=begun.consent(),
        cookies=begun.cookies,
        user=None,
    )

    assert refusal(ended, sql) == (403, "sign-in-unknown")


def test_a_second_provider_is_connected_by_its_registration_alone(
    microsoft: Simulators, other: None, environment: pytest.MonkeyPatch, sql: Sql
) -> None:
    def at_other(route: str, **parts: Any) -> ApiResponse:
        return ask("connect", route.replace("microsoft", "other"), **parts)

    begun = SignIn(at_other, microsoft)
    assert begun.parameters["redirect_uri"].endswith("/api/auth/other/callback")
    assert begun.come_back(begun.consent()).status == 302

    assert sql("SELECT provider FROM mailsync.email_accounts") == [["other"]]
    assert stored(sql) == [[1, 1, 1]]


def test_a_mailbox_that_waits_is_confirmed_at_its_provider(
    api: Api, microsoft: Simulators, other: None, environment: pytest.MonkeyPatch, sql: Sql
) -> None:
    environment.setenv("CONFIRM_CONNECTIONS", "true")
    begun = SignIn(api, microsoft)
    token = begun.come_back(begun.consent()).headers["Location"].rpartition("=")[2]

    confirmed = ask("connect", "POST /api/auth/other/confirm", body={"connection": token})

    assert refusal(confirmed, sql) == (404, "connection-unknown")


def test_a_provider_without_app_only_access_has_no_route_for_organisations(
    microsoft: Simulators, monkeypatch: pytest.MonkeyPatch, sql: Sql
) -> None:
    personal = replace(
        OTHER, oauth_settings=replace(OAUTH, app_only_token_resource_url_setting=None)
    )
    monkeypatch.setattr(registry, "REGISTERED_PROVIDERS", (personal,))
    path = "POST /api/email/accounts/other"

    assert refusal(ask("connect", path, admin=True), sql) == (404, "unknown-provider")
    assert path not in [each.route_key for each in api_routes_of_provider(personal)]
    assert path in [each.route_key for each in api_routes_of_provider(OTHER)]


def test_the_document_describes_the_routes_of_every_provider(api: Api, other: None) -> None:
    from mailsync.api.app import build_app_with_all_routes
    from mailsync.api.openapi import build_openapi_document

    paths = build_openapi_document(build_app_with_all_routes(), registry.implemented_providers())[
        "paths"
    ]

    for path in ("/api/auth/{}", "/api/auth/{}/callback", "/api/webhooks/{}"):
        ours, theirs = paths[path.format("microsoft")], paths[path.format("other")]
        assert ours.keys() == theirs.keys()
    ids = [each["operationId"] for of in paths.values() for each in of.values()]
    assert len(ids) == len(set(ids))
    assert "x-is-public" not in json.dumps(paths)
