"""Sign in with a browser, with permission to read mail only; keep the tokens in memory.

Google sends the browser back to a port of this machine, as it does for desktop applications.
Source: Google Identity documentation, "OAuth 2.0 for Mobile & Desktop Apps".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import httpx

from localdev.guard import RequestGuard
from localdev.http_server import Request, Response, Server
from localdev.live.kit import LiveComparisonFailed
from localdev.live.record import ExchangeToRecord, Recorder
from localdev.live.relay import HttpProviderUpstream
from localdev.simulators import Simulators
from mailsync.credentials.identity import google_errors
from mailsync.credentials.identity.google import begin_sign_in
from mailsync.credentials.identity.google_settings import GoogleSettings
from mailsync.errors import SettingMissing
from mailsync.google_addresses import ID_TOKEN_ISSUERS
from mailsync.json_request import JsonResponse
from mailsync.registry import GMAIL_URL_SETTING, GOOGLE, OAuthSettings, find_provider
from mailsync.settings import Settings
from mailsync.store.quota_store import QuotaLimitSettings

SIGN_IN_TIMEOUT_S = 600
"""Seconds for which the program waits for the user's sign-in."""
READ_MAIL_SCOPE = "https://www.googleapis.com/auth/gmail.readonly"
_ACCESS = OAuthSettings("google", (READ_MAIL_SCOPE,))
_ABOUT_THE_USER = frozenset(
    (
        *("openid", "email", "profile"),
        "https://www.googleapis.com/auth/userinfo.email",
        "https://www.googleapis.com/auth/userinfo.profile",
    )
)
_TIMEOUT_S = 30
_RENEWED_BEFORE_END_S = 60
_KINDS = {"authorization_code": "authorization code", "refresh_token": "refresh token"}
_SIGNED_IN = b"Google has sent the sign-in to make live. You can close this page."
_PAGE = "docs/live.md says how to register an OAuth client for this."


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailUpstream(HttpProviderUpstream):
    """The Gmail API or its simulator, with a user's tokens, as an upstream of the relay.

    further_lambda_environment_variables: environment variables that the functions need for this
        provider: the quota of the Google project, or the URL of the simulated identity platform.
    """

    further_lambda_environment_variables: Mapping[str, str] = field(default_factory=dict)


def let_user_sign_in(environment: Mapping[str, str], recorder: Recorder) -> GmailUpstream:
    """Print a URL at which the user signs in; return the Gmail API as an upstream of the relay,
    with the user's tokens.

    Raises:
        LiveComparisonFailed: a setting is missing, or the sign-in failed.
    """
    settings = Settings(environment)
    try:
        _ = settings.read_settings_section(GoogleSettings).client_secret
        limits = _quota_settings(settings, environment)
        sign_in = _BrowserSignIn(settings, recorder)
        gmail_url = settings.read_url_setting(GMAIL_URL_SETTING)
        sign_in.run(lambda url: print(f"Open this address in a browser:\n{url}", flush=True))
    except SettingMissing as missing:
        raise LiveComparisonFailed(f"{missing} {_PAGE}") from None
    return GmailUpstream(
        base_url=gmail_url,
        tls_context=settings.provider_tls_context(),
        get_access_token=sign_in.get_access_token,
        further_lambda_environment_variables=limits,
    )


def make_signed_in_simulated_upstream(
    simulators: Simulators, address: str, recorder: Recorder
) -> GmailUpstream:
    """Sign in to the simulated mailbox `address` without a person; return the simulated Gmail API
    as an upstream of the relay, with the mailbox's tokens.

    The sign-in sends the token requests that `let_user_sign_in` sends, so that `recorder` gets
    responses to compare. It sends them to the simulated identity platform and never to Google's.
    """
    google = simulators.google
    settings = Settings(
        {
            "GOOGLE_IDENTITY_URL": google.base_url,
            "GOOGLE_CLIENT_ID": google.client_id,
            "GOOGLE_CLIENT_SECRET": google.client_secret,
            "CA_BUNDLE": str(simulators.ca_bundle),
        }
    )
    trust = settings.provider_tls_context()
    sign_in = _BrowserSignIn(settings, recorder)

    def consent(url: str) -> None:
        with httpx.Client(verify=trust, trust_env=False) as browser:
            browser.get(browser.post(url, data={"account": address}).headers["location"])

    sign_in.run(consent)
    return GmailUpstream(
        base_url=simulators.gmail_url,
        tls_context=trust,
        get_access_token=sign_in.get_access_token,
        further_lambda_environment_variables={"GOOGLE_IDENTITY_URL": google.base_url},
    )


def _quota_settings(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """Return those settings of the Google project's quota that `environment` contains, by name.
    Raises SettingMissing if a value is malformed."""
    registered = find_provider(GOOGLE)
    assert registered
    assert registered.quota_settings
    settings.read_settings_section(QuotaLimitSettings).limits_of_provider(registered.quota_settings)
    names = (
        registered.quota_settings.mailbox_units_per_minute_setting.name,
        registered.quota_settings.project_units_per_minute_setting.name,
    )
    return {name: environment[name] for name in names if environment.get(name)}


class _BrowserSignIn:
    """One user's sign-in. `get_access_token` may be called by several threads at once."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self._settings, self._recorder = settings, recorder
        self._google = settings.read_settings_section(GoogleSettings)
        self._trust = settings.provider_tls_context()
        self._lock = Lock()
        self._grant, self._token, self._ends_at = "", "", 0.0

    def run(self, open_page: Callable[[str], object]) -> None:
        """Open Google's sign-in page, wait until Google has sent the browser back, and request the
        tokens.

        open_page: function that opens the page; it gets the page's URL.

        Raises:
            LiveComparisonFailed: the user did not sign in, Google rejected the sign-in or sent no
                response, or the token allows more than reading mail.
        """
        landing = _Landing()
        try:
            flow = begin_sign_in(self._settings, _ACCESS, landing.url)
            landing.state = flow["state"]
            open_page(flow["auth_uri"])
            query = landing.wait()
        finally:
            landing.close()
        if "code" not in query:
            raise LiveComparisonFailed(
                f"{google_errors.make_error_from_redirect_query(query)} {_PAGE}"
            )
        form = {name: flow[name] for name in ("redirect_uri", "code_verifier")}
        try:
            response = self._request_tokens("authorization_code", {**form, "code": query["code"]})
        except httpx.HTTPError as error:
            raise LiveComparisonFailed(
                f"Google's sign-in service sent no response ({type(error).__name__}). Check the"
                " network."
            ) from None
        if response.status != 200:
            raise LiveComparisonFailed(f"{google_errors.to_code_exchange_error(response)} {_PAGE}")
        _require_only_reading(str(response.json_body.get("scope", READ_MAIL_SCOPE)))

    def get_access_token(self, renewed: bool) -> str:
        """Return a valid access token, or "" if Google rejects the renewal. Raises httpx.HTTPError.

        renewed: whether to request a new access token even if the present one is valid.
        """
        with self._lock:
            if renewed or monotonic() > self._ends_at - _RENEWED_BEFORE_END_S:
                self._request_tokens("refresh_token", {"refresh_token": self._grant})
            return self._token

    def _request_tokens(self, grant_type: str, form: Mapping[str, str]) -> JsonResponse:
        """Request tokens, record the response and keep its tokens. Raises httpx.HTTPError."""
        client = {"client_id": self._google.client_id, "client_secret": self._google.client_secret}
        began = monotonic()
        with httpx.Client(verify=self._trust, timeout=_TIMEOUT_S, trust_env=False) as http:
            response = http.post(
                self._google.token_url, data={"grant_type": grant_type, **client, **form}
            )
        document = _parse(response)
        self._recorder.add_exchange(
            ExchangeToRecord(
                request_kind=f"sign-in, token by {_KINDS[grant_type]}",
                http_status=response.status_code,
                headers=response.headers,
                parsed_response_body=document,
                duration_s=monotonic() - began,
            )
        )
        tokens = document if isinstance(document, dict) else {}
        self._grant = str(tokens.get("refresh_token") or self._grant)
        self._token = str(tokens.get("access_token", ""))
        lifetime_s = tokens.get("expires_in")
        self._ends_at = began + (lifetime_s if isinstance(lifetime_s, int) else 0)
        return JsonResponse(response.status_code, tokens)


class _Landing:
    """A port of this machine to which Google sends the browser back."""

    def __init__(self) -> None:
        self.state = ""
        self._queries: SimpleQueue[dict[str, str]] = SimpleQueue()
        guard = RequestGuard(
            accepts_requests_of_served_pages=True,
            accepts_navigation_to_path=lambda path: path == "/",
        )
        self._server = Server(self._take, port=0, guard=guard).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/"

    def wait(self) -> dict[str, str]:
        """Wait until Google sends the browser back; return the parameters in the query of the URL.
        Raises LiveComparisonFailed after SIGN_IN_TIMEOUT_S."""
        try:
            return self._queries.get(timeout=SIGN_IN_TIMEOUT_S)
        except Empty:
            raise LiveComparisonFailed(
                f"Nobody signed in for {SIGN_IN_TIMEOUT_S // 60} minutes, so nothing was read."
                " Start again, and open the address in a browser on this machine."
            ) from None

    def close(self) -> None:
        self._server.stop()

    def _take(self, request: Request) -> Response:
        query = dict(parse_qsl(request.query_string))
        is_own = bool(self.state) and query.get("state") == self.state
        if (
            request.path != "/"
            or not is_own
            or query.get("iss", ID_TOKEN_ISSUERS[0]) not in ID_TOKEN_ISSUERS
        ):
            return Response(404)
        self._queries.put(query)
        return Response(200, _SIGNED_IN, {"Content-Type": "text/plain"})


def _parse(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _require_only_reading(scope: str) -> None:
    """Raise LiveComparisonFailed unless the token allows to read mail, and nothing more."""
    granted = frozenset(scope.split())
    if READ_MAIL_SCOPE not in granted:
        raise LiveComparisonFailed(
            "On Google's page the box for reading mail was not ticked. Start again, and tick it."
        )
    if others := sorted(granted - _ABOUT_THE_USER - {READ_MAIL_SCOPE}):
        names = ", ".join(each.rpartition("/")[2] or each for each in others)
        raise LiveComparisonFailed(
            f"The token would allow more than reading mail ({names}), so nothing was read. Use an"
            f" OAuth client of its own. {_PAGE}"
        )
