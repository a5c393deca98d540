"""Store the consents of users at Google's simulated identity platform, with their tokens.

Source: Google Identity documentation, "Using OAuth 2.0 for Web Server Applications" and "Using
    OAuth 2.0 to Access Google APIs" (refresh token expiration).
"""

import time
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_urlsafe
from typing import Any

from localdev.simulators.identity import consents
from localdev.simulators.identity.consents import GrantRejectionReason

PRODUCTION_REFRESH_TOKEN_LIFETIME_S = 180 * 24 * 3600
TESTING_REFRESH_TOKEN_LIFETIME_S = 7 * 24 * 3600
_ENDED = "Token has been expired or revoked."
_REFUSALS = {
    GrantRejectionReason.AUTHORIZATION_CODE_UNKNOWN: "Malformed auth code.",
    GrantRejectionReason.AUTHORIZATION_CODE_EXPIRED: "Bad Request",
    GrantRejectionReason.REDIRECT_URI_MISMATCH: "Bad Request",
    GrantRejectionReason.CODE_VERIFIER_MISMATCH: "Invalid code verifier.",
    GrantRejectionReason.REFRESH_TOKEN_UNKNOWN: "Bad Request",
    GrantRejectionReason.REFRESH_TOKEN_EXPIRED: _ENDED,
}


class GrantEndReason(StrEnum):
    """Why Google refuses the tokens of an account. The errors for REVOKED and PASSWORD_CHANGED are
    the same."""

    REVOKED = "revoked"
    PASSWORD_CHANGED = "password changed"
    ACCOUNT_DELETED = "account deleted"
    REAUTHENTICATION_REQUIRED = "rapt_required"
    REAUTHENTICATION_PROOF_INVALID = "invalid_rapt"


class GrantRefusedError(Exception):
    """An authorization code or a refresh token is rejected with `invalid_grant`.

    subtype: value of `error_subtype` in Google's response. None: the response has no subtype.
    """

    def __init__(self, description: str, subtype: str | None = None) -> None:
        super().__init__(description)
        self.subtype = subtype


class AccessTokenRefusedError(Exception):
    """An access token is unknown, expired or revoked. Google's APIs then send status 401."""


@dataclass(frozen=True, slots=True)
class GoogleAccessTokenPermissions:
    """What an access token permits: the user's id in the simulators, and the granted scopes."""

    user_id: str
    scopes: frozenset[str]


class ConsentStore(consents.ConsentStore):
    """Stores the consents at Google's identity platform, with their codes, refresh tokens and
    access tokens. Google's access tokens are opaque, so the platform must store them."""

    table_name_prefix = "google_"
    authorization_code_prefix = "4/0A"
    refresh_token_prefix = "1//0"
    refresh_token_lifetime_s = PRODUCTION_REFRESH_TOKEN_LIFETIME_S

    def build_rejected_grant_exception(self, fault: GrantRejectionReason) -> GrantRefusedError:
        return GrantRefusedError(_REFUSALS[fault])

    def build_ended_consent_exception(self, refusal: Any) -> GrantRefusedError:
        end = GrantEndReason(refusal)
        if end is GrantEndReason.ACCOUNT_DELETED:
            return GrantRefusedError("Account has been deleted")
        if end in (
            GrantEndReason.REAUTHENTICATION_REQUIRED,
            GrantEndReason.REAUTHENTICATION_PROOF_INVALID,
        ):
            return GrantRefusedError(f"reauth related error ({end})", str(end))
        return GrantRefusedError(_ENDED)

    def record_offline_access_grant(self, consent_id: str) -> None:
        """Record that the user has granted offline access in this consent. The application then
        gets a refresh token when it redeems the consent's authorization code."""
        self._write("INSERT INTO {}offline_consent VALUES (?)", consent_id)

    def is_offline_access_granted(self, consent_id: str) -> bool:
        found = self._row("SELECT 1 FROM {}offline_consent WHERE consent_id = ?", consent_id)
        return found is not None

    def granted_scopes(self, user_id: str) -> set[str]:
        """Return the scopes of all valid consents of the user. Empty: the user has no valid
        consent."""
        rows = self._database.fetch_rows(
            "SELECT scope FROM google_consent WHERE user_id = ? AND refusal = 0", user_id
        )
        return {scope for row in rows for scope in row["scope"].split()}

    def consent_id_of_authorization_code(self, code: str) -> str:
        row = self._row("SELECT consent_id FROM {}code WHERE value = ?", code)
        assert row is not None
        return str(row["consent_id"])

    def issue_refresh_token_and_expire_oldest(
        self, consent_id: str, *, lifetime_s: float, kept: int
    ) -> str:
        """Issue a refresh token, and expire all but the newest `kept` refresh tokens of the
        account."""
        token = self.issue_refresh_token(consent_id)
        self._write(
            "UPDATE {}refresh_token SET expires_at = ? WHERE value = ?",
            *(time.time() + lifetime_s, token),
        )
        user_id, _ = self.user_and_scope_of_consent(consent_id)
        self._write(
            "UPDATE {0}refresh_token SET expires_at = 0 WHERE rowid IN (SELECT r.rowid"
            " FROM {0}refresh_token r JOIN {0}consent c ON c.id = r.consent_id"
            " WHERE c.user_id = ? ORDER BY r.rowid DESC LIMIT -1 OFFSET ?)",
            *(user_id, kept),
        )
        return token

    def issue_access_token(self, consent_id: str, lifetime_s: float) -> str:
        token = "ya29.a0" + token_urlsafe(96)
        self._write(
            "INSERT INTO {}access_token VALUES (?, ?, ?)",
            *(token, consent_id, time.time() + lifetime_s),
        )
        return token

    def verify_access_token(self, token: str) -> GoogleAccessTokenPermissions:
        """Return the user and the scopes of an access token. Raises AccessTokenRefusedError if the
        token is not valid."""
        row = self._row("SELECT * FROM {}access_token WHERE value = ?", token)
        if row is None or row["expires_at"] < time.time():
            raise AccessTokenRefusedError("Invalid Credentials")
        try:
            user_id, scope = self.user_and_scope_of_consent(row["consent_id"])
        except GrantRefusedError:
            raise AccessTokenRefusedError("Invalid Credentials") from None
        return GoogleAccessTokenPermissions(user_id, frozenset(scope.split()))

    def end_all_consents_of_user(
        self, user_id: str, end: GrantEndReason = GrantEndReason.REVOKED
    ) -> int:
        """Reject all tokens of the user from now on; return the number of the user's consents,
        ended before or now.

        end: the reason, which determines Google's error.
        """
        return self._refuse_consents(user_id, str(end))

    def restore_ended_consents_of_user(self, user_id: str) -> int:
        """Accept the user's tokens again after `end_all_consents_of_user`; return the number of the
        user's consents.

        This simulates that the user has authenticated again, as an organisation may demand.
        """
        return self._refuse_consents(user_id, 0)

    def delete_all_consents(self) -> None:
        """Delete all consents and tokens, as if nobody had signed in yet."""
        for table in ("consent", "code", "refresh_token", "offline_consent", "access_token"):
            self._write(f"DELETE FROM {{}}{table}")

    def end_all_consents_of_token_owner(self, token: str) -> bool:
        """End all tokens of the account to which a refresh or access token belongs; return True.

        Do nothing and return False if the token is unknown or its consent has ended.
        """
        for table in ("refresh_token", "access_token"):
            row = self._row(f"SELECT consent_id FROM {{}}{table} WHERE value = ?", token)
            if row is not None:
                break
        else:
            return False
        try:
            user_id, _ = self.user_and_scope_of_consent(row["consent_id"])
        except GrantRefusedError:
            return False
        return self.end_all_consents_of_user(user_id) > 0
