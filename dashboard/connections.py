"""Connect mailboxes through the API of a local stack: by a sign-in in a browser or by password."""

from typing import Any
from urllib.parse import urlencode

import httpx

from dashboard.actions import (
    API_TIMEOUT_S,
    ActionFailed,
    DashboardActions,
    JsonAction,
    parse_response_json_or_empty,
    require_json_text_member,
)
from dashboard.sources import DashboardSources
from dashboard.to_json import JsonObject
from localdev.engine.simulator_process import IMAP_HOST
from localdev.http_server import Response
from mailsync.api.provider_paths import connect_mailbox_path, sign_in_path
from mailsync.model import ProviderName
from mailsync.registry import RegisteredProvider

LOCAL_STAGE_NAME = "local"


def connectable_providers_json(sources: DashboardSources) -> JsonObject:
    """Return a JSON object with the mail providers whose mailboxes a user can connect.

    The member `signIns` contains the providers whose mailboxes are connected by a sign-in. The
    provider of the simulated mailbox is first. An item's `url` is the API's URL at which the
    browser starts the sign-in. If `url` is None, the browser starts the sign-in at the dashboard.

    The member `passwordProviders` contains the providers whose mailboxes are connected by password.
    An item's `host` and `port` are those of the simulated mail server. If they are None, the user
    enters the mail server.

    On a deployed stage both members are empty.
    """
    is_direct = sources.api_accepts_requests_without_token
    simulated = sources.simulated_provider_access_settings
    port = simulated.imap_port if simulated else 0
    server = {"host": IMAP_HOST, "port": port} if port else {"host": None, "port": None}
    return {
        "signIns": [
            {
                "provider": each.provider_name,
                "title": each.display_name,
                "url": sign_in_url(sources, each) if is_direct else None,
            }
            for each in local_providers_with_sign_in(sources)
        ],
        "passwordProviders": [
            {"provider": each.provider_name, "title": each.display_name, **server}
            for each in _enabled_providers(sources)
            if each.uses_password
        ],
    }


def local_providers_with_sign_in(sources: DashboardSources) -> list[RegisteredProvider]:
    """Return the providers whose mailboxes a user of the local stack connects by a sign-in. The
    provider of the simulated mailbox is first. Empty on a deployed stage."""
    simulated = sources.simulated_provider_access_settings
    first = simulated.sign_in_provider_name if simulated else None
    found = [each for each in _enabled_providers(sources) if not each.uses_password]
    return sorted(found, key=lambda each: each.provider_name != first)


def sign_in_url(sources: DashboardSources, registered: RegisteredProvider) -> str:
    return f"{sources.api_url}{sign_in_path(registered.provider_name)}"


def _enabled_providers(sources: DashboardSources) -> tuple[RegisteredProvider, ...]:
    """Return the enabled providers of a local stack. Return none on a deployed stage, where the
    application connects mailboxes instead of the dashboard."""
    return (
        sources.mailsync_settings.enabled_providers()
        if sources.stage_name == LOCAL_STAGE_NAME
        else ()
    )


class MailboxConnectionActions:
    """Provides the action that connects a mailbox by password. The attribute `known` contains the
    action by name. The action raises the errors that `DashboardActions` lists."""

    def __init__(self, sources: DashboardSources, actions: DashboardActions) -> None:
        self._sources = sources
        self._actions = actions
        self.known: dict[str, JsonAction] = {"connect-by-password": self._connect}

    def _connect(self, fields: JsonObject) -> JsonObject:
        name = require_json_text_member(fields, "provider")
        offered = connectable_providers_json(self._sources)["passwordProviders"]
        if name not in [each["provider"] for each in offered]:
            raise ActionFailed(404, "This stage connects no mailbox of this provider by password.")
        login: dict[str, Any] = {
            each: require_json_text_member(fields, each) for each in ("userName", "password")
        }
        server = {each: fields[each] for each in ("host", "port") if fields.get(each)}
        return self._actions.request_api(
            "POST", connect_mailbox_path(ProviderName(name)), json={**login, **server}
        )


def start_sign_in(sources: DashboardSources, provider: str | None) -> Response:
    """Start a sign-in at the mail provider through the API; return the redirect to the provider.

    The response also sets the API's sign-in cookie. A browser sends a cookie of localhost to all
    ports of localhost, so the API receives the cookie too. If the API starts no sign-in, the
    response is a redirect to the list of accounts, which shows the reason.

    provider: stored name of the mail provider. None: the first provider with a sign-in.

    Raises:
        ActionFailed: the dashboard shows a deployed stage, not a local stack; or the dashboard has
            no token of a user.
    """
    token = sources.get_user_token_or_none() if sources.stage_name == LOCAL_STAGE_NAME else None
    if token is None:
        raise ActionFailed(404, "Only the dashboard of a local stack connects mailboxes.")
    offered = local_providers_with_sign_in(sources)
    registered = next((each for each in offered if provider in (None, each.provider_name)), None)
    if registered is None:
        return _sign_in_failed("This stack has no such provider with a sign-in.")
    try:
        response = httpx.get(
            sign_in_url(sources, registered),
            headers={"Authorization": f"Bearer {token}"},
            timeout=API_TIMEOUT_S,
        )
    except httpx.TransportError as broken:
        return _sign_in_failed(f"The API does not respond ({type(broken).__name__}).")
    if not response.has_redirect_location:
        sentence = parse_response_json_or_empty(response).get("detail")
        return _sign_in_failed(sentence or f"The API responded with HTTP {response.status_code}.")
    cookies = tuple(response.headers.get_list("set-cookie"))
    return Response(303, headers={"Location": response.headers["location"]}, cookies=cookies)


def _sign_in_failed(sentence: str) -> Response:
    """Return a redirect to the list of accounts, which shows the reason `sentence`. The page that
    started the sign-in cannot show the reason, because the browser has left it."""
    query = urlencode({"error": "server_error", "error_description": sentence})
    return Response(303, headers={"Location": f"/accounts?{query}"})
