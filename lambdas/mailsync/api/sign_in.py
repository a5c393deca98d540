"""Connecting a mailbox: the OAuth code flow with PKCE (RFC 6749 4.1, RFC 7636).

A sign-in that waits for the provider lies in the database, sealed for its user and found only
by the hashes of its state and of a cookie: who has just one of the two cannot finish it, and
finishing takes it away.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

from mailsync.access.vault import Vault
from mailsync.api.problems import Problem, Refused
from mailsync.errors import AccessRevoked
from mailsync.log import logger
from mailsync.model import AccountId, Provider, SyncType
from mailsync.settings import Settings
from mailsync.store.credential_store import CredentialStore, SignIn
from mailsync.workflow import Trigger

SIGN_IN_S = 600

_UNKNOWN = Problem(
    kind="sign-in-unknown",
    status=403,
    title="This sign-in is not known here",
    detail="The sign-in is too old, was used already or began in another browser;"
    " start again from the application.",
)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the person, and what to leave in the browser meanwhile."""

    authorization_url: str
    cookie: str = field(repr=False)


class SignIns:
    """Raises StoreUnavailable and ProviderUnavailable; then nothing is connected."""

    def __init__(
        self, settings: Settings, credentials: CredentialStore, vault: Vault, trigger: Trigger
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._vault = vault
        self._trigger = trigger

    def begin(self, user_id: str, redirect_uri: str) -> Begun:
        """A sign-in of this user, open for `SIGN_IN_S` seconds."""
        from mailsync.access.microsoft import begin_sign_in

        flow = begin_sign_in(self._settings, redirect_uri)
        cookie = token_urlsafe(32)
        self._credentials.save_sign_in(
            state_hash=_hash(flow["state"]),
            cookie_hash=_hash(cookie),
            user_id=user_id,
            flow=self._vault.seal(user_id, json.dumps(flow)),
            seconds=SIGN_IN_S,
        )
        return Begun(flow["auth_uri"], cookie)

    def finish(self, query: Mapping[str, str], cookie: str) -> AccountId:
        """The account that was connected; its first sync is started.

        `query` is the provider's answer as it came.

        Raises:
            Refused: the sign-in is unknown (403), or the provider did not grant access (400).
        """
        from mailsync.access.microsoft import finish_sign_in
        from mailsync.access.microsoft_refusals import SignInRefused

        sign_in = self._take(query.get("state", ""), cookie)
        flow = self._opened(sign_in)
        try:
            signed_in = finish_sign_in(self._settings, flow, dict(query))
        except SignInRefused as refusal:
            raise Refused(_refusal(refusal)) from None
        key = self._vault.sealing_key()
        account_id = self._credentials.connect_account(
            user_id=sign_in.user_id,
            provider=Provider.MICROSOFT,
            provider_account_id=signed_in.home_account_id,
            email_address=signed_in.address,
            seal=lambda account_id: signed_in.admission.sealed(account_id, key),
        )
        run = self._trigger.sync(account_id, SyncType.INITIAL, "connect")
        logger.info("account_connected", account_id=account_id, run_id=run.id)
        return account_id

    def _take(self, state: str, cookie: str) -> SignIn:
        found = self._credentials.take_sign_in(state_hash=_hash(state), cookie_hash=_hash(cookie))
        if found is None:
            raise Refused(_UNKNOWN)
        return found

    def _opened(self, sign_in: SignIn) -> dict[str, Any]:
        try:
            flow: dict[str, Any] = json.loads(self._vault.open(sign_in.user_id, sign_in.flow))
        except AccessRevoked:  # it is no grant that does not open here
            raise Refused(_UNKNOWN) from None
        return flow


def _refusal(refusal: Exception) -> Problem:
    return Problem(
        kind="sign-in-refused",
        status=400,
        title="The mailbox was not connected",
        detail=str(refusal),
    )


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()
