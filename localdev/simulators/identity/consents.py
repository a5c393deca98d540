"""Store the consents of users, with their authorization codes and refresh tokens. An authorization
code is valid once.

Sources: RFC 6749, 4.1 and 6; RFC 7636.
"""

import hashlib
import time
from abc import ABC, abstractmethod
from base64 import urlsafe_b64encode
from enum import Enum, auto
from secrets import token_urlsafe
from typing import Any
from uuid import uuid4

from localdev.simulators.database import SimulatorDatabase

AUTHORIZATION_CODE_LIFETIME_S = 600


class GrantRejectionReason(Enum):
    """Why an authorization code or a refresh token is rejected."""

    AUTHORIZATION_CODE_UNKNOWN = auto()
    AUTHORIZATION_CODE_EXPIRED = auto()
    REDIRECT_URI_MISMATCH = auto()
    CODE_VERIFIER_MISMATCH = auto()
    REFRESH_TOKEN_UNKNOWN = auto()
    REFRESH_TOKEN_EXPIRED = auto()


def consent_tables_sql(prefix: str) -> str:
    """Return the SQLite statements that create the tables of one platform.

    prefix: text before each table's name. Empty: the names have no prefix.
    """
    return f"""
CREATE TABLE IF NOT EXISTS {prefix}consent (
    id TEXT PRIMARY KEY, user_id TEXT NOT NULL, scope TEXT NOT NULL,
    refusal INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS {prefix}code (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,
    challenge TEXT, nonce TEXT, expires_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS {prefix}refresh_token (
    value TEXT PRIMARY KEY, consent_id TEXT NOT NULL, expires_at REAL NOT NULL);
"""


class ConsentStore(ABC):
    """Stores the consents of users at one identity platform, with their codes and refresh tokens.
    Each platform has a subclass.

    table_name_prefix: text before the names of the platform's tables, see `consent_tables_sql`.
    authorization_code_prefix, refresh_token_prefix: first characters of the platform's
        authorization codes and refresh tokens.
    refresh_token_lifetime_s: seconds for which a refresh token is valid.
    """

    table_name_prefix = ""
    authorization_code_prefix = ""
    refresh_token_prefix = ""
    refresh_token_lifetime_s: float

    def __init__(self, database: SimulatorDatabase) -> None:
        self._database = database

    @abstractmethod
    def build_rejected_grant_exception(self, fault: GrantRejectionReason) -> Exception:
        """Return the platform's error for a rejected code or token."""

    @abstractmethod
    def build_ended_consent_exception(self, refusal: Any) -> Exception:
        """Return the platform's error for a token or code whose consent was ended.

        refusal: the reason that the platform stored when it ended the consent, such as an
            AADSTS number.
        """

    def create_consent(self, user_id: str, scope: str) -> str:
        """Store that a user consents to the scopes; return the id of the consent."""
        consent_id = uuid4().hex
        self._write(
            "INSERT INTO {}consent (id, user_id, scope) VALUES (?, ?, ?)",
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
        code = self.authorization_code_prefix + token_urlsafe(48)
        with self._database.transaction():
            consent_id = self.create_consent(user_id, scope)
            self._write(
                "INSERT INTO {}code VALUES (?, ?, ?, ?, ?, ?)",
                *(code, consent_id, redirect_uri, challenge, nonce),
                time.time() + AUTHORIZATION_CODE_LIFETIME_S,
            )
        return code

    def redeem_authorization_code(
        self, code: str, *, redirect_uri: str, verifier: str | None
    ) -> tuple[str, str | None]:
        """Return the id of the consent to which an authorization code belongs, and the nonce of the
        sign-in request (None: the request had no nonce). The code cannot be used again, even if
        this call rejects it.

        verifier: PKCE code verifier. None: the sign-in request had no code challenge.

        Raises:
            the platform's error: the code is unknown, used or expired, or belongs to another
                sign-in request.
        """
        with self._database.transaction():
            row = self._row("SELECT * FROM {}code WHERE value = ?", code)
            self._write("DELETE FROM {}code WHERE value = ?", code)
        if row is None:
            raise self.build_rejected_grant_exception(
                GrantRejectionReason.AUTHORIZATION_CODE_UNKNOWN
            )
        if row["expires_at"] < time.time():
            raise self.build_rejected_grant_exception(
                GrantRejectionReason.AUTHORIZATION_CODE_EXPIRED
            )
        if row["redirect_uri"] != redirect_uri:
            raise self.build_rejected_grant_exception(GrantRejectionReason.REDIRECT_URI_MISMATCH)
        # Also rejects a verifier without a challenge: the code was requested without one.
        if row["challenge"] != (_challenge(verifier) if verifier else None):
            raise self.build_rejected_grant_exception(GrantRejectionReason.CODE_VERIFIER_MISMATCH)
        return row["consent_id"], row["nonce"]

    def issue_refresh_token(self, consent_id: str) -> str:
        token = self.refresh_token_prefix + token_urlsafe(96)
        self._write(
            "INSERT INTO {}refresh_token VALUES (?, ?, ?)",
            *(token, consent_id, time.time() + self.refresh_token_lifetime_s),
        )
        return token

    def consent_id_of_refresh_token(self, refresh_token: str) -> str:
        """Return the id of the consent to which a refresh token belongs.

        A refresh token stays valid after a newer one has been issued.

        Raises:
            the platform's error: the token is unknown or expired.
        """
        row = self._row("SELECT * FROM {}refresh_token WHERE value = ?", refresh_token)
        if row is None:
            raise self.build_rejected_grant_exception(GrantRejectionReason.REFRESH_TOKEN_UNKNOWN)
        if row["expires_at"] < time.time():
            raise self.build_rejected_grant_exception(GrantRejectionReason.REFRESH_TOKEN_EXPIRED)
        return str(row["consent_id"])

    def user_and_scope_of_consent(self, consent_id: str) -> tuple[str, str]:
        row = self._row("SELECT * FROM {}consent WHERE id = ?", consent_id)
        assert row is not None
        if row["refusal"]:
            raise self.build_ended_consent_exception(row["refusal"])
        return row["user_id"], row["scope"]

    def expire_refresh_tokens(self, user_id: str) -> int:
        return self._write(
            "UPDATE {0}refresh_token SET expires_at = 0"
            " WHERE consent_id IN (SELECT id FROM {0}consent WHERE user_id = ?)",
            user_id,
        )

    def _refuse_consents(self, user_id: str, refusal: int | str) -> int:
        """End all consents of the user, so that their tokens are rejected; return the number of the
        user's consents.

        refusal: reason, for `build_ended_consent_exception`. 0: make the consents valid again.
        """
        return self._write("UPDATE {}consent SET refusal = ? WHERE user_id = ?", refusal, user_id)

    def _row(self, statement: str, *values: Any) -> Any:
        return self._database.fetch_row(statement.format(self.table_name_prefix), *values)

    def _write(self, statement: str, *values: Any) -> int:
        return self._database.execute_write(statement.format(self.table_name_prefix), *values)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")
