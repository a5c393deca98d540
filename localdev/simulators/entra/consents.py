"""Store the consents of users, their authorization codes (valid once) and their refresh tokens.

Source: Microsoft identity platform docs, v2-oauth2-auth-code-flow and refresh-tokens.
"""

import hashlib
import time
from base64 import urlsafe_b64encode
from secrets import token_urlsafe
from uuid import uuid4

from localdev.simulators.database import SimulatorDatabase

AUTHORIZATION_CODE_LIFETIME_S = 600
REFRESH_TOKEN_LIFETIME_S = 90 * 24 * 3600
AADSTS_GRANT_REVOKED = 50173
AADSTS_REFRESH_TOKEN_INACTIVE = 700082


class GrantRefused(Exception):
    """An authorization code or a refresh token is rejected with the OAuth error `invalid_grant`.

    number: the AADSTS number of the error.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"AADSTS{number}: {sentence}")
        self.number = number


class ConsentStore:
    def __init__(self, database: SimulatorDatabase) -> None:
        self._database = database

    def create_consent(self, user_id: str, scope: str) -> str:
        """Store the consent of a user to the scopes; return its id."""
        consent_id = uuid4().hex
        self._database.execute_write(
            "INSERT INTO consent (id, user_id, scope) VALUES (?, ?, ?)",
            *(consent_id, user_id, scope),
        )
        return consent_id

    def issue_authorization_code(
        self,
        *,
        user_id: str,
        scope: str,
        redirect_uri: str,
        challenge: str | None,
        nonce: str | None,
    ) -> str:
        code = "0.A" + token_urlsafe(48)
        with self._database.transaction():
            consent_id = self.create_consent(user_id, scope)
            self._database.execute_write(
                "INSERT INTO code VALUES (?, ?, ?, ?, ?, ?)",
                *(code, consent_id, redirect_uri, challenge, nonce),
                time.time() + AUTHORIZATION_CODE_LIFETIME_S,
            )
        return code

    def redeem_authorization_code(
        self, code: str, *, redirect_uri: str, verifier: str | None
    ) -> tuple[str, str | None]:
        """Return the id of the consent to which an authorization code belongs, and the nonce of the
        sign-in request. The code cannot be used again, even if this call rejects it.

        Raises:
            GrantRefused: the code is unknown, used, expired, or belongs to another request.
        """
        with self._database.transaction():
            row = self._database.fetch_row("SELECT * FROM code WHERE value = ?", code)
            self._database.execute_write("DELETE FROM code WHERE value = ?", code)
        if row is None:
            raise GrantRefused(54005, "OAuth2 Authorization code was already redeemed.")
        if row["expires_at"] < time.time():
            raise GrantRefused(70008, "The provided authorization code has expired.")
        if row["redirect_uri"] != redirect_uri:
            raise GrantRefused(500112, "The reply address does not match the requested one.")
        # A verifier without a challenge: the request for the code was tampered with.
        if row["challenge"] != (_challenge(verifier) if verifier else None):
            raise GrantRefused(501481, "The Code_Verifier does not match the code_challenge.")
        return row["consent_id"], row["nonce"]

    def issue_refresh_token(self, consent_id: str) -> str:
        token = "1.A" + token_urlsafe(96)
        self._database.execute_write(
            "INSERT INTO refresh_token VALUES (?, ?, ?)",
            *(token, consent_id, time.time() + REFRESH_TOKEN_LIFETIME_S),
        )
        return token

    def consent_id_of_refresh_token(self, refresh_token: str) -> str:
        """Return the id of the consent to which a refresh token belongs.

        A refresh token stays valid after a newer one has been issued.

        Raises:
            GrantRefused: the token is unknown or expired.
        """
        row = self._database.fetch_row("SELECT * FROM refresh_token WHERE value = ?", refresh_token)
        if row is None:
            raise GrantRefused(9002313, "Invalid request. The refresh token is malformed.")
        if row["expires_at"] < time.time():
            raise GrantRefused(
                AADSTS_REFRESH_TOKEN_INACTIVE, "The refresh token has expired due to inactivity."
            )
        return str(row["consent_id"])

    def user_and_scope_of_consent(self, consent_id: str) -> tuple[str, str]:
        row = self._database.fetch_row("SELECT * FROM consent WHERE id = ?", consent_id)
        assert row is not None
        if row["refusal"]:
            raise GrantRefused(
                row["refusal"], "The provided grant has expired due to it being revoked."
            )
        return row["user_id"], row["scope"]

    def revoke_consents_of_user(self, user_id: str, number: int = AADSTS_GRANT_REVOKED) -> int:
        """Reject all tokens of the user's consents from now on; return the number of consents.

        number: AADSTS number of the error that the token endpoint returns.
        """
        return self._database.execute_write(
            "UPDATE consent SET refusal = ? WHERE user_id = ?", number, user_id
        )

    def expire_refresh_tokens(self, user_id: str) -> int:
        return self._database.execute_write(
            "UPDATE refresh_token SET expires_at = 0"
            " WHERE consent_id IN (SELECT id FROM consent WHERE user_id = ?)",
            user_id,
        )


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
