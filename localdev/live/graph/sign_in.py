"""Sign in with a device code, by msal, with permissions that only read; keep the tokens in memory.

Source: Microsoft identity platform docs, "OAuth 2.0 device authorization grant".
"""

import re
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl

import msal
import requests

from localdev.live.kit import LiveComparisonFailed
from localdev.live.record import ExchangeToRecord, Recorder
from localdev.live.relay import HttpProviderUpstream
from localdev.simulators import Simulators
from localdev.simulators.entra.server import CLIENT_ID
from mailsync.credentials.identity import entra_errors
from mailsync.credentials.identity.entra_settings import EntraSettings
from mailsync.errors import SettingMissing
from mailsync.registry import GRAPH_URL_SETTING, MICROSOFT, find_provider
from mailsync.settings import Settings

_TIMEOUT_S = 30
_READ_ONLY = re.compile(r"openid|profile|email|offline_access|[A-Za-z]+\.Read(Basic)?(\.All)?")
_PUBLIC_CLIENT_NEEDED = 7000218
_ENDPOINTS = {"openid-configuration": "discovery", "devicecode": "device code", "token": "token"}
_GRANTS = {"refresh_token": "refresh token", "device_code": "device code"}
_PAGE = "docs/live.md says how to register an application for this."


def let_user_sign_in(environment: Mapping[str, str], recorder: Recorder) -> HttpProviderUpstream:
    """Print a code for the user to enter at Microsoft; return Graph as an upstream of the relay,
    with the user's tokens.

    Raises:
        LiveComparisonFailed: a setting is missing, or the sign-in failed.
    """
    settings = Settings(environment)
    entra = settings.read_settings_section(EntraSettings)
    try:
        graph_url, trust = (
            settings.read_url_setting(GRAPH_URL_SETTING),
            settings.provider_tls_context(),
        )
        sign_in = _DeviceSignIn(
            entra.client_id, entra.authority_url, settings.provider_ca_bundle_path, recorder
        )
    except SettingMissing as missing:
        raise LiveComparisonFailed(f"{missing} {_PAGE}") from None
    sign_in.run()
    return HttpProviderUpstream(
        base_url=graph_url, tls_context=trust, get_access_token=sign_in.get_access_token
    )


def make_signed_in_simulated_upstream(
    simulators: Simulators, user_id: str, recorder: Recorder
) -> HttpProviderUpstream:
    """Sign in to the simulated mailbox of `user_id` without a person; return the simulated Graph as
    an upstream of the relay, with the mailbox's tokens.

    The sign-in sends the requests that `let_user_sign_in` sends, so that `recorder` gets responses
    to compare.
    """
    bundle = str(simulators.ca_bundle)
    sign_in = _DeviceSignIn(CLIENT_ID, simulators.entra_authority_url, bundle, recorder)
    sign_in.run(lambda code: simulators.entra.device_codes.approve_sign_in(code, user_id))
    trust = Settings({}).provider_tls_context()  # the simulated Graph speaks plain HTTP
    return HttpProviderUpstream(
        base_url=simulators.graph_url, tls_context=trust, get_access_token=sign_in.get_access_token
    )


class _DeviceSignIn:
    """One user's sign-in. `get_access_token` may be called by several threads at once."""

    def __init__(
        self, client_id: str, authority: str, ca_bundle: str | None, recorder: Recorder
    ) -> None:
        registration = find_provider(MICROSOFT)
        assert registration
        assert registration.oauth_settings
        self._scopes = list(registration.oauth_settings.scopes)
        self._lock = Lock()
        self._client_id, self._authority = client_id, authority
        self._http = _RecordingHttp(ca_bundle, recorder)
        self._app: Any = None

    def run(self, enter_code: Callable[[str], object] | None = None) -> None:
        """Request a device code, and wait until the user has entered it at Microsoft.

        enter_code: function that enters the code. None: print the code, so that the user enters it.

        Raises:
            LiveComparisonFailed: the sign-in failed, or the token allows more than reading.
        """
        try:
            self._app = msal.PublicClientApplication(
                self._client_id,
                authority=self._authority,
                instance_discovery=False,  # the authority is a setting
                http_client=self._http,
            )
            flow = self._app.initiate_device_flow(self._scopes)
            if "user_code" not in flow:
                raise _refused(flow)
            if enter_code:  # after one poll, whose rejection is recorded
                self._app.acquire_token_by_device_flow(flow, exit_condition=lambda _: True)
                enter_code(flow["user_code"])
                flow["latest_attempt_at"] = 0
            else:
                print(flow.get("message"), flush=True)
            response = self._app.acquire_token_by_device_flow(flow)
        except (requests.RequestException, msal.exceptions.MsalError, ValueError) as error:
            raise LiveComparisonFailed(
                f"Microsoft's sign-in service did not respond as documented"
                f" ({type(error).__name__}). Check the network and MICROSOFT_AUTHORITY."
            ) from None
        if "access_token" not in response:
            raise _refused(response)
        _require_only_reading(str(response.get("scope", "")))

    def get_access_token(self, renewed: bool) -> str:
        """Return a valid access token, or "" if Microsoft rejects the renewal.

        renewed: whether to request a new access token even if the present one is valid.
        """
        with self._lock:
            [account] = self._app.get_accounts()
            response = self._app.acquire_token_silent_with_error(
                self._scopes, account, force_refresh=renewed
            )
            return str((response or {}).get("access_token", ""))


class _RecordingHttp:
    """The HTTP client of msal; it records each response."""

    def __init__(self, ca_bundle: str | None, recorder: Recorder) -> None:
        self._recorder = recorder
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = ca_bundle or True

    def get(self, url: str, **parts: Any) -> Any:
        return self._send("GET", url, parts)

    def post(self, url: str, **parts: Any) -> Any:
        return self._send("POST", url, parts)

    def close(self) -> None:
        self._session.close()

    def _send(self, method: str, url: str, parts: dict[str, Any]) -> Any:
        began = monotonic()
        response = self._session.request(
            method, url, timeout=_TIMEOUT_S, allow_redirects=False, **parts
        )
        try:
            document = response.json()
        except ValueError:
            document = None
        form = parts.get("data") or {}
        grant = (form if isinstance(form, dict) else dict(parse_qsl(form))).get("grant_type", "")
        by = _GRANTS.get(str(grant).rpartition(":")[2])
        endpoint = _ENDPOINTS.get(url.partition("?")[0].rpartition("/")[2], "other")
        self._recorder.add_exchange(
            ExchangeToRecord(
                request_kind=f"sign-in, {endpoint}" + (f" by {by}" if by else ""),
                http_status=response.status_code,
                headers=response.headers,
                parsed_response_body=document,
                duration_s=monotonic() - began,
            )
        )
        return response


def _refused(response: Mapping[str, Any]) -> LiveComparisonFailed:
    if _PUBLIC_CLIENT_NEEDED in (response.get("error_codes") or ()):
        return LiveComparisonFailed(
            "The app registration does not allow a sign-in without a secret"
            f" (AADSTS{_PUBLIC_CLIENT_NEEDED}): set Authentication, Allow public client flows, to"
            f" Yes. {_PAGE}"
        )
    return LiveComparisonFailed(f"{entra_errors.to_sign_in_error(response)} {_PAGE}")


def _require_only_reading(scope: str) -> None:
    """Raise LiveComparisonFailed if the token allows more than reading. Microsoft adds to a token
    all permissions that the user has granted to the app registration before."""
    granted = {each.rpartition("/")[2] for each in scope.split()}
    others = sorted(each for each in granted if not _READ_ONLY.fullmatch(each))
    if others:
        raise LiveComparisonFailed(
            f"The app registration already has {', '.join(others)} of this user, so the"
            f" token would allow more than reading. Use a registration of its own. {_PAGE}"
        )
