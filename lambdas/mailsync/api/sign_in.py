"""Connecting a mailbox: the OAuth code flow with PKCE (RFC 6749 4.1, RFC 7636).

A sign-in that waits for the provider lies in the database, sealed for its user and found only
by the hashes of its state and of a cookie: who has just one of the two cannot finish it, and
finishing takes it away.

Where the stage asks for it, the mailbox is not connected then: it waits, sealed as well, until the
user who began confirms it with the application's own JWT.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from secrets import token_urlsafe
from typing import Any

from mailsync.api.problems import ApiError, Problem
from mailsync.credentials.token_set import TokenSet
from mailsync.credentials.vault import Column, Place, Vault
from mailsync.errors import AccessRevoked
from mailsync.model import Access, AccountId, Provider, RunId, SyncScope, SyncType
from mailsync.runs.trigger import Trigger
from mailsync.settings import Settings
from mailsync.store.credential_store import CredentialStore, SignIn

SIGN_IN_LIFETIME_S = 600
CONFIRMATION_LIFETIME_S = 600

_UNKNOWN = Problem(
    kind="sign-in-unknown",
    status=403,
    title="This sign-in is not known here",
    detail="The sign-in is too old, was used already or began in another browser;"
    " start again from the application.",
)
_NOTHING_PENDING = Problem(
    kind="connection-unknown",
    status=404,
    title="No mailbox waits for this confirmation",
    detail="The connection is too old, was confirmed already or was begun by another user;"
    " connect the mailbox again.",
)


@dataclass(frozen=True, slots=True)
class StartedSignIn:
    """Where to send the person, and what to leave in the browser meanwhile."""

    authorization_url: str
    cookie: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConnectedAccount:
    """An account whose first sync is started."""

    user_id: str
    account_id: AccountId
    address: str
    run_id: RunId


@dataclass(frozen=True, slots=True)
class UnconfirmedConnection:
    """A mailbox that waits for `user_id`, who confirms it with the token."""

    user_id: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Mailbox:
    """A mailbox that a person has signed in to."""

    home_account_id: str
    address: str
    tokens: TokenSet

    def to_json(self) -> str:
        access = self.tokens.access
        return json.dumps(
            {
                "homeAccountId": self.home_account_id,
                "address": self.address,
                "grant": self.tokens.grant,
                "access": access.token,
                "accessExpiresAt": access.expires_at.isoformat(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "_Mailbox":
        kept = json.loads(text)
        access = Access(kept["access"], datetime.fromisoformat(kept["accessExpiresAt"]))
        return cls(kept["homeAccountId"], kept["address"], TokenSet(access, grant=kept["grant"]))


class SignInFlow:
    """Raises StoreUnavailable and ProviderUnavailable; then nothing is connected."""

    def __init__(
        self, settings: Settings, credentials: CredentialStore, vault: Vault, trigger: Trigger
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._vault = vault
        self._trigger = trigger

    def begin(self, user_id: str, redirect_uri: str) -> StartedSignIn:
        """A sign-in of this user, open for `SIGN_IN_S` seconds."""
        from mailsync.credentials.microsoft import begin_sign_in

        flow = begin_sign_in(self._settings, redirect_uri)
        cookie = token_urlsafe(32)
        self._credentials.save_sign_in(
            state_hash=_hash(flow["state"]),
            cookie_hash=_hash(cookie),
            user_id=user_id,
            flow=self._vault.seal(Place(Column.SIGN_IN, user_id), json.dumps(flow)),
            seconds=SIGN_IN_LIFETIME_S,
        )
        return StartedSignIn(flow["auth_uri"], cookie)

    def finish(
        self, query: Mapping[str, str], cookie: str
    ) -> ConnectedAccount | UnconfirmedConnection:
        """Connect the mailbox, or keep it until it is confirmed where the stage asks for that.

        `query` is the provider's answer as it came.

        Raises:
            ApiError: the sign-in is unknown (403), or the provider did not grant access (400).
        """
        from mailsync.credentials.microsoft import finish_sign_in
        from mailsync.credentials.microsoft_refusals import SignInRefused

        sign_in = self._take(query.get("state", ""), cookie)
        flow = self._opened(sign_in)
        try:
            signed_in = finish_sign_in(self._settings, flow, dict(query))
        except SignInRefused as refusal:
            raise ApiError(_refusal(refusal.code, str(refusal))) from None
        mailbox = _Mailbox(signed_in.home_account_id, signed_in.address, signed_in.tokens)
        if self._settings.confirm_connections:
            return self._keep(sign_in.user_id, mailbox)
        return self._connect(sign_in.user_id, mailbox)

    def confirm(self, user_id: str, token: str) -> ConnectedAccount:
        """Connect the mailbox that waits for this user under the token; it can be used once.

        Raises:
            ApiError: nothing waits, or it waits for another user and is forgotten now (404).
        """
        pending = self._credentials.take_pending_connection(_hash(token))
        if pending is None or pending.user_id != user_id:
            raise ApiError(_NOTHING_PENDING)
        place = Place(Column.PENDING_CONNECTION, user_id)
        try:
            mailbox = _Mailbox.from_json(self._vault.open(place, pending.connection))
        except AccessRevoked:  # no account has this grant yet
            raise ApiError(_NOTHING_PENDING) from None
        return self._connect(user_id, mailbox)

    def _keep(self, user_id: str, mailbox: _Mailbox) -> UnconfirmedConnection:
        token = token_urlsafe(32)
        self._credentials.save_pending_connection(
            token_hash=_hash(token),
            user_id=user_id,
            connection=self._vault.seal(
                Place(Column.PENDING_CONNECTION, user_id), mailbox.to_json()
            ),
            seconds=CONFIRMATION_LIFETIME_S,
        )
        return UnconfirmedConnection(user_id, token)

    def _connect(self, user_id: str, mailbox: _Mailbox) -> ConnectedAccount:
        key = self._vault.sealing_key()
        account_id = self._credentials.connect_account(
            user_id=user_id,
            provider=Provider.MICROSOFT,
            provider_account_id=mailbox.home_account_id,
            email_address=mailbox.address,
            seal=lambda account_id: mailbox.tokens.sealed(account_id, key),
        )
        run = self._trigger.sync(account_id, SyncScope(SyncType.INITIAL), "connect")
        return ConnectedAccount(user_id, account_id, mailbox.address, run.id)

    def _take(self, state: str, cookie: str) -> SignIn:
        found = self._credentials.take_sign_in(state_hash=_hash(state), cookie_hash=_hash(cookie))
        if found is None:
            raise ApiError(_UNKNOWN)
        return found

    def _opened(self, sign_in: SignIn) -> dict[str, Any]:
        place = Place(Column.SIGN_IN, sign_in.user_id)
        try:
            flow: dict[str, Any] = json.loads(self._vault.open(place, sign_in.flow))
        except AccessRevoked:  # it is no grant that does not open here
            raise ApiError(_UNKNOWN) from None
        return flow


def _refusal(code: str, sentence: str) -> Problem:
    return Problem(
        kind="sign-in-refused",
        status=400,
        title="The mailbox was not connected",
        detail=sentence,
        oauth_error=code,
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
