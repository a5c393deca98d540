"""Decide what the access token of a request to the simulated Gmail API permits."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_urlsafe

READONLY_SCOPE = "https://www.googleapis.com/auth/gmail.readonly"
METADATA_SCOPE = "https://www.googleapis.com/auth/gmail.metadata"
BODY_READING_SCOPES = frozenset(
    {READONLY_SCOPE, "https://www.googleapis.com/auth/gmail.modify", "https://mail.google.com/"}
)


@dataclass(frozen=True, slots=True)
class AccessTokenPermissions:
    """What an access token permits: the user's id in the simulators, and the granted scopes."""

    user_id: str
    scopes: frozenset[str]


AccessTokenVerifier = Callable[[str], AccessTokenPermissions | None]
"""A function that takes an access token and returns what the token permits. It returns None if the
token is unknown, expired or revoked."""


class AccessTokenRegistry:
    """Access tokens that tests have made without a sign-in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bearers: dict[str, AccessTokenPermissions] = {}

    def issue_token(
        self, user_id: str, scopes: frozenset[str] = frozenset({READONLY_SCOPE})
    ) -> str:
        """Return a new access token for the mailbox of the user."""
        token = "ya29.test-" + token_urlsafe(32)
        with self._lock:
            self._bearers[token] = AccessTokenPermissions(user_id, scopes)
        return token

    def revoke_token(self, token: str) -> None:
        with self._lock:
            self._bearers.pop(token, None)

    def find_token_permissions(self, token: str) -> AccessTokenPermissions | None:
        with self._lock:
            return self._bearers.get(token)
