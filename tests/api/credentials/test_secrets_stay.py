"""No request in which a secret travels follows a redirect or leaves by plain http.

A trap listens where the other side would have the request go; nothing may reach it.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from localdev.http_server import Request, Response, Server
from mailsync.credentials import FixedAccessTokenSource
from mailsync.credentials.identity import google, require_oauth_access_of_provider
from mailsync.credentials.identity.entra import (
    begin_sign_in,
    finish_sign_in,
    refresh_tokens,
    request_app_only_tokens,
)
from mailsync.errors import MailsyncError, ProviderUnavailable
from mailsync.model import AccessToken, AccountId, RemoteId
from mailsync.providers.gmail.provider import GmailMailbox
from mailsync.providers.gmail.subscriptions import GmailPush
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.retry_budget import RetryBudget
from mailsync.published_keys import PublishedKeySet
from mailsync.registry import GOOGLE
from mailsync.settings import is_https_or_loopback_url
from tests.api.credentials.identity_platform import IdentityPlatform
from tests.api.credentials.test_microsoft import REDIRECT_URI, signed_in
from tests.support.builders import OAUTH
from tests.support.functions import lambda_context
from tests.support.paths import ROOT

GOOGLE_OAUTH = require_oauth_access_of_provider(GOOGLE)
LAMBDAS = ROOT / "lambdas"
REDIRECTS = (301, 302, 303, 307, 308)
ORGANISATION = "72f988bf-0000-4000-8000-000000000000"
CLIENTS = {
    "mailsync/aws/client.py",
    "mailsync/credentials/identity/entra.py",
    "mailsync/json_request.py",
    "mailsync/published_keys.py",
    "mailsync/providers/gmail/http.py",
    "mailsync/providers/graph/connection.py",
    "mailsync/providers/server_status.py",
}
"""Every module that sends HTTP requests; boto3 and Postgres' driver are not HTTP clients of ours. A
new one stands here, and below under a redirect; that of AWS in `tests/unit/test_aws_client.py`."""
SENDS = re.compile(
    r"^ *(import|from) (aiohttp|http\.client|httpx|requests|urllib3)\b", re.MULTILINE
)


class Trap:
    """Another server, without TLS; `caught` is what it received."""

    def __init__(self) -> None:
        self.caught: list[str] = []
        self._server = Server(self._respond, port=0).start()
        self.url = f"http://127.0.0.1:{self._server.port}/v1.0"
        self.close = self._server.stop

    def _respond(self, request: Request) -> Response:
        self.caught.append(f"{request.method} {request.path} {request.headers} {request.body!r}")
        keys = json.dumps({"keys": [], "value": []}).encode()
        return Response(200, keys, {"Content-Type": "application/json"})


@pytest.fixture
def trap() -> Iterator[Trap]:
    with closing(Trap()) as trap:
        yield trap


Send = Callable[[IdentityPlatform], object]


@contextmanager
def _as_usual(platform: IdentityPlatform) -> Iterator[None]:
    """Let the platform respond without the redirect."""
    response, status = platform.response, platform.status
    platform.response, platform.status = None, 200
    yield
    platform.response, platform.status = response, status


def _finish(platform: IdentityPlatform) -> object:
    with _as_usual(platform):
        flow = begin_sign_in(platform.app, OAUTH, REDIRECT_URI)
    return finish_sign_in(platform.app, OAUTH, flow, {"state": flow["state"], "code": "c"})


def _refresh(platform: IdentityPlatform) -> object:
    with _as_usual(platform):
        grant = signed_in(platform).tokens.renewal_grant
    return refresh_tokens(platform.app, OAUTH, grant)


def _admit(platform: IdentityPlatform) -> object:
    tenant = platform.authority.replace("/common", f"/{ORGANISATION}")
    platform.metadata = {"token_endpoint": f"{tenant}/token", **platform.metadata}
    return request_app_only_tokens(platform.app, OAUTH, ORGANISATION)


def _graph(platform: IdentityPlatform) -> object:
    access = FixedAccessTokenSource(AccessToken("token", datetime.now(UTC) + timedelta(hours=1)))
    graph = GraphClient(
        base_url=platform.authority,
        mailbox="/me",
        access=access,
        ca_bundle=platform.app.provider_ca_bundle_path,
        budget=RetryBudget(sleep=lambda _: None),
        on_request=lambda _: None,
    )
    with closing(graph):
        graph.get("/me/messages")
        return graph.send_write_request("POST", "/subscriptions", {"clientState": "s"})


def _gmail(platform: IdentityPlatform) -> object:
    access = FixedAccessTokenSource(AccessToken("token", datetime.now(UTC) + timedelta(hours=1)))
    budget = RetryBudget(sleep=lambda _: None)
    mailbox = GmailMailbox(
        base_url=platform.authority,
        access=access,
        ca_bundle=platform.app.provider_ca_bundle_path,
        budget=budget,
    )
    with closing(mailbox):
        return mailbox.fetch_messages([RemoteId("1900000000000001")])


def _keys(platform: IdentityPlatform) -> object:
    return PublishedKeySet(
        platform.authority, platform.app.provider_tls_context()
    ).find_key_for_jwt("k")


def _watch(platform: IdentityPlatform) -> object:
    push = GmailPush(
        base_url=platform.authority,
        account_id=AccountId("a"),
        topic="projects/p/topics/t",
        access=FixedAccessTokenSource(AccessToken("token", datetime.now(UTC) + timedelta(hours=1))),
        tls=platform.app.provider_tls_context(),
    )
    return push.unsubscribe(RemoteId("ann@example.org#a"))


def _self_test(platform: IdentityPlatform) -> object:
    from handlers import reach_provider

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reach_provider, "load_settings", lambda: platform.app)
        return reach_provider.handler({}, lambda_context())


SENDERS: dict[str, Send] = {
    "begin a sign-in": lambda platform: begin_sign_in(platform.app, OAUTH, REDIRECT_URI),
    "redeem a code": _finish,
    "redeem a refresh token": _refresh,
    "redeem the app's secret": _admit,
    "redeem a Google refresh token": lambda platform: google.refresh_tokens(
        platform.app, GOOGLE_OAUTH, "1//0token"
    ),
    "revoke a Google grant": lambda platform: google.try_to_revoke_all_grants_of_user(
        platform.app, GOOGLE_OAUTH, "1//0token"
    ),
    "end a watch of Gmail": _watch,
    "call Graph": _graph,
    "call Gmail": _gmail,
    "fetch the issuer's keys": _keys,
    "the self-test": _self_test,
}


@pytest.mark.parametrize("status", REDIRECTS)
@pytest.mark.parametrize("sender", SENDERS)
def test_no_client_follows_a_redirect(
    platform: IdentityPlatform, trap: Trap, sender: str, status: int
) -> None:
    platform.response = Response(status, b"", {"Location": trap.url})

    with suppress(ProviderUnavailable):
        SENDERS[sender](platform)

    assert trap.caught == []


@pytest.mark.parametrize(
    "sender", ["redeem a code", "redeem a refresh token", "redeem the app's secret"]
)
@pytest.mark.parametrize("status", REDIRECTS)
def test_no_form_follows_a_redirect_of_the_token_endpoint_alone(
    platform: IdentityPlatform, trap: Trap, sender: str, status: int
) -> None:
    """The metadata are read before; only the request with the secret in it is redirected."""
    platform.status, platform.headers = status, {"Location": trap.url}

    with pytest.raises(ProviderUnavailable, match="redirects to another address"):
        SENDERS[sender](platform)

    assert len(platform.redeemed) > 0
    assert trap.caught == []


@pytest.mark.parametrize("endpoint", ["http://login.example.org/token", "ftp://a/token", "token"])
@pytest.mark.parametrize("sender", ["redeem a code", "redeem the app's secret"])
def test_an_endpoint_without_https_is_not_used(
    platform: IdentityPlatform, sender: str, endpoint: str
) -> None:
    platform.metadata = {"token_endpoint": endpoint}

    with pytest.raises(ProviderUnavailable):
        SENDERS[sender](platform)
    assert platform.redeemed == []


def test_a_sign_in_page_needs_https(platform: IdentityPlatform) -> None:
    platform.metadata = {"authorization_endpoint": "http://login.example.org/authorize"}

    with pytest.raises(ProviderUnavailable, match="without https"):
        begin_sign_in(platform.app, OAUTH, REDIRECT_URI)


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"])
@pytest.mark.parametrize(
    "sender", ["redeem the app's secret", "call Gmail", "call Graph", "the self-test"]
)
def test_no_proxy_of_the_environment_is_used(
    *,
    platform: IdentityPlatform,
    trap: Trap,
    monkeypatch: pytest.MonkeyPatch,
    sender: str,
    name: str,
) -> None:
    monkeypatch.setenv(name, trap.url.removesuffix("/v1.0"))
    platform.status = 429

    with suppress(MailsyncError):
        SENDERS[sender](platform)

    assert platform.redeemed  # A proxy would receive CONNECT, which the trap does not serve.
    assert trap.caught == []


@pytest.mark.parametrize(
    ("url", "is_private"),
    [
        ("https://login.example.org/token?a=b", True),
        ("http://127.0.0.1:9/token", True),
        ("http://[::1]/token", True),
        ("http://login.example.org", False),
        ("http://localhost.example.org", False),
        ("http://127.0.0.1@example.org", False),
        ("https://ann:b@example.org", False),
        ("HTTP://example.org", False),
    ],
)
def test_plain_http_is_for_this_machine(url: str, *, is_private: bool) -> None:
    assert is_https_or_loopback_url(url) is is_private


def test_the_list_names_every_client() -> None:
    found = {
        str(path.relative_to(LAMBDAS))
        for path in LAMBDAS.rglob("*.py")
        if SENDS.search(path.read_text())
    }

    assert found == CLIENTS
