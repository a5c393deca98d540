"""Connect mailboxes by a sign-in: the OAuth authorization code flow with PKCE (RFC 6749 4.1, RFC
7636).

The database stores each started sign-in in a row, encrypted and bound to the user. Mailsync finds
the row by the hashes of the OAuth state and of a cookie. The redirect from the identity platform
finishes the sign-in only if the request contains both the state and the cookie. Mailsync deletes
the row when it reads the row, so each sign-in can be used only once.

In a stage with the setting `confirm_connections` a finished sign-in connects no mailbox yet. The
database stores the mailbox encrypted until the user who started the sign-in confirms the mailbox
with the application's JWT.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from mailsync.api.account_connector import AccountConnector, ConnectedAccount
from mailsync.api.problems import ApiError, Problem
from mailsync.credentials.identity import (
    SignInRejected,
    import_identity_platform,
    require_oauth_access_of_provider,
)
from mailsync.credentials.token_set import TokenSet
from mailsync.credentials.vault import SealedColumn, SealingContext
from mailsync.errors import AccessRevoked
from mailsync.model import AccessToken, ProviderName
from mailsync.providers.kit import MailboxIdentity
from mailsync.registry import DEFAULT_PROVIDER_OF_STORED_VALUES
from mailsync.settings import Settings
from mailsync.store.credential_store import StoredSignIn

UNFINISHED_SIGN_IN_LIFETIME_S = 600
UNCONFIRMED_CONNECTION_LIFETIME_S = 600

_UNKNOWN = Problem(
    type_urn_suffix="sign-in-unknown",
    http_status=403,
    title="This sign-in is not known here",
    detail="The sign-in has expired, was already used or was started in another browser. No mailbox"
    " was connected; start again from the application.",
)
_NOTHING_PENDING = Problem(
    type_urn_suffix="connection-unknown",
    http_status=404,
    title="No mailbox waits for this confirmation",
    detail="The connection has expired, was already confirmed or was started by another user. No"
    " mailbox was connected; connect the mailbox again.",
)


@dataclass(frozen=True, slots=True)
class StartedSignIn:
    """What the browser needs to continue a started sign-in.

    authorization_url: where to redirect the browser.
    cookie_value: secret that the browser must send back to finish the sign-in.
    """

    authorization_url: str
    cookie_value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UnconfirmedConnection:
    """A mailbox whose sign-in is finished, stored until its user confirms it.

    user_id: the only user who can confirm the mailbox.
    confirmation_token: secret that the confirmation must contain.
    """

    user_id: str
    confirmation_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """A mailbox with the tokens of a finished sign-in."""

    provider: ProviderName
    home_account_id: str
    address: str
    tokens: TokenSet

    def to_json(self) -> str:
        access = self.tokens.access_token
        return json.dumps(
            {
                "provider": self.provider,
                "homeAccountId": self.home_account_id,
                "address": self.address,
                "grant": self.tokens.renewal_grant,
                "access": access.token,
                "accessExpiresAt": access.expires_at.isoformat(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "_Mailbox":
        kept = json.loads(text)
        access = AccessToken(kept["access"], datetime.fromisoformat(kept["accessExpiresAt"]))
        tokens = TokenSet(access, renewal_grant=kept["grant"])
        return cls(_provider_of(kept), kept["homeAccountId"], kept["address"], tokens)


class SignInFlow:
    """Begins and finishes sign-ins at one provider. In a stage with the setting
    `confirm_connections`, it also connects a mailbox when the user confirms the mailbox.

    The methods raise:
        ProviderRejected, ProviderThrottled, ProviderUnavailable: no mailbox was connected.
        SettingMissing, StoreUnavailable, AwsError: see `AccountConnector.connect`.
    """

    def __init__(self, connector: AccountConnector, settings: Settings) -> None:
        self.provider = connector.provider_name
        self._connector = connector
        self._oauth = require_oauth_access_of_provider(connector.provider_name)
        self._platform = import_identity_platform(self._oauth)
        self._settings = settings
        self._credentials = connector.credential_store
        self._vault = connector.encryption_vault

    def begin_sign_in(self, user_id: str, redirect_uri: str) -> StartedSignIn:
        """Start a sign-in of this user, store it, and return what the browser needs to continue.
        The sign-in expires after `UNFINISHED_SIGN_IN_LIFETIME_S`.

        redirect_uri: URL to which the identity platform redirects the browser at the end.
        """
        begun = self._platform.begin_sign_in(self._settings, self._oauth, redirect_uri)
        flow = {**begun, "provider": self.provider}
        cookie = token_urlsafe(32)
        self._credentials.save_sign_in(
            state_hash=_hash(flow["state"]),
            cookie_hash=_hash(cookie),
            user_id=user_id,
            flow=self._vault.seal_text(
                SealingContext(SealedColumn.UNFINISHED_SIGN_IN_FLOW, user_id), json.dumps(flow)
            ),
            seconds=UNFINISHED_SIGN_IN_LIFETIME_S,
        )
        return StartedSignIn(flow["auth_uri"], cookie)

    def finish_sign_in(
        self, query: Mapping[str, str], cookie: str
    ) -> ConnectedAccount | UnconfirmedConnection:
        """Finish the sign-in: connect the mailbox, or store it for confirmation in a stage with
        `confirm_connections`.

        Args:
            query: the query of the redirect, unmodified.
            cookie: the value of the sign-in cookie.

        Raises:
            ApiError: the sign-in is unknown (403), or the provider did not grant access (400).
        """
        sign_in = self._take_sign_in(query.get("state", ""), cookie)
        flow = self._open_flow(sign_in)
        try:
            signed_in = self._platform.finish_sign_in(
                self._settings, self._oauth, flow, dict(query)
            )
        except SignInRejected as error:
            raise ApiError(_rejected_sign_in(error.code, str(error))) from None
        mailbox = _Mailbox(
            self.provider, signed_in.user_id_at_provider, signed_in.email_address, signed_in.tokens
        )
        if self._settings.must_user_confirm_connection:
            return self._store_unconfirmed(sign_in.user_id, mailbox)
        return self._connect(sign_in.user_id, mailbox)

    def confirm_connection(self, user_id: str, token: str) -> ConnectedAccount:
        """Connect the mailbox that was stored for confirmation under `token`. A token can be used
        only once.

        Raises:
            ApiError: no mailbox of this provider and this user is stored under the token (404). If
                the token belongs to another user or provider, its stored mailbox is deleted.
        """
        pending = self._credentials.pop_unconfirmed_mailbox(_hash(token))
        if pending is None or pending.user_id != user_id:
            raise ApiError(_NOTHING_PENDING)
        place = SealingContext(SealedColumn.UNCONFIRMED_CONNECTION, user_id)
        try:
            mailbox = _Mailbox.from_json(
                self._vault.decrypt_sealed_text(place, pending.sealed_address_and_tokens)
            )
        except AccessRevoked:  # raised for a value that cannot be decrypted; no account exists yet
            raise ApiError(_NOTHING_PENDING) from None
        if mailbox.provider != self.provider:
            raise ApiError(_NOTHING_PENDING)
        return self._connect(user_id, mailbox)

    def _store_unconfirmed(self, user_id: str, mailbox: _Mailbox) -> UnconfirmedConnection:
        token = token_urlsafe(32)
        self._credentials.save_unconfirmed_mailbox(
            token_hash=_hash(token),
            user_id=user_id,
            connection=self._vault.seal_text(
                SealingContext(SealedColumn.UNCONFIRMED_CONNECTION, user_id), mailbox.to_json()
            ),
            seconds=UNCONFIRMED_CONNECTION_LIFETIME_S,
        )
        return UnconfirmedConnection(user_id, token)

    def _connect(self, user_id: str, mailbox: _Mailbox) -> ConnectedAccount:
        identity = MailboxIdentity(mailbox.home_account_id, mailbox.address)
        return self._connector.connect(user_id, identity, mailbox.tokens.seal_tokens_for_account)

    def _take_sign_in(self, state: str, cookie: str) -> StoredSignIn:
        sign_in = self._credentials.pop_sign_in(state_hash=_hash(state), cookie_hash=_hash(cookie))
        if sign_in is None:
            raise ApiError(_UNKNOWN)
        return sign_in

    def _open_flow(self, sign_in: StoredSignIn) -> dict[str, Any]:
        place = SealingContext(SealedColumn.UNFINISHED_SIGN_IN_FLOW, sign_in.user_id)
        try:
            flow: dict[str, Any] = json.loads(
                self._vault.decrypt_sealed_text(place, sign_in.sealed_authorization_flow)
            )
        except AccessRevoked:  # raised for a value that cannot be decrypted
            raise ApiError(_UNKNOWN) from None
        if _provider_of(flow) != self.provider:
            # The code of one platform must not be sent to another (mix-up attack, RFC 9207).
            raise ApiError(_UNKNOWN)
        return flow


def _provider_of(kept: Mapping[str, Any]) -> ProviderName:
    """Return the provider that a stored sign-in or mailbox names.

    Earlier releases had only one provider and stored no provider name. If the name is missing,
    return the provider of these releases.
    """
    return ProviderName(kept.get("provider", DEFAULT_PROVIDER_OF_STORED_VALUES))


def _rejected_sign_in(code: str, message: str) -> Problem:
    return Problem(
        type_urn_suffix="sign-in-refused",
        http_status=400,
        title="The mailbox was not connected",
        detail=message,
        oauth_error_code=code,
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
