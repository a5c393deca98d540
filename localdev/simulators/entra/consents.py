"""Store the consents of users at the simulated identity platform of Microsoft.

Source: Microsoft identity platform docs, v2-oauth2-auth-code-flow and refresh-tokens.
"""

from typing import Any

from localdev.simulators.identity import consents
from localdev.simulators.identity.consents import GrantRejectionReason

REFRESH_TOKEN_LIFETIME_S = 90 * 24 * 3600
AADSTS_GRANT_REVOKED = 50173
AADSTS_REFRESH_TOKEN_INACTIVE = 700082
_REFUSALS = {
    GrantRejectionReason.AUTHORIZATION_CODE_UNKNOWN: (
        54005,
        "OAuth2 Authorization code was already redeemed.",
    ),
    GrantRejectionReason.AUTHORIZATION_CODE_EXPIRED: (
        70008,
        "The provided authorization code has expired.",
    ),
    GrantRejectionReason.REDIRECT_URI_MISMATCH: (
        500112,
        "The reply address does not match the requested.",
    ),
    GrantRejectionReason.CODE_VERIFIER_MISMATCH: (
        501481,
        "The Code_Verifier does not match the code_challenge.",
    ),
    GrantRejectionReason.REFRESH_TOKEN_UNKNOWN: (
        9002313,
        "Invalid request. The refresh token is malformed.",
    ),
    GrantRejectionReason.REFRESH_TOKEN_EXPIRED: (
        AADSTS_REFRESH_TOKEN_INACTIVE,
        "The refresh token has expired due to inactivity.",
    ),
}


class GrantRefusedError(Exception):
    """An authorization code or a refresh token is rejected with the OAuth error `invalid_grant`.

    number: the AADSTS number of the error.
    """

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(f"AADSTS{number}: {sentence}")
        self.number = number


class ConsentStore(consents.ConsentStore):
    """Stores the consents at Microsoft's identity platform. Its errors are GrantRefusedError, with
    an AADSTS number."""

    authorization_code_prefix = "0.A"
    refresh_token_prefix = "1.A"
    refresh_token_lifetime_s = REFRESH_TOKEN_LIFETIME_S

    def build_rejected_grant_exception(self, fault: GrantRejectionReason) -> GrantRefusedError:
        return GrantRefusedError(*_REFUSALS[fault])

    def build_ended_consent_exception(self, refusal: Any) -> GrantRefusedError:
        return GrantRefusedError(refusal, "The provided grant has expired due to it being revoked.")

    def revoke_consents_of_user(self, user_id: str, number: int = AADSTS_GRANT_REVOKED) -> int:
        """Reject all tokens of the user's consents from now on; return the number of consents.

        number: AADSTS number of the error that the token endpoint returns.
        """
        return self._refuse_consents(user_id, number)
