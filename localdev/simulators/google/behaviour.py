"""Define the switches of Google's simulated identity platform."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleBehaviour:
    """How the Google project and the organisation of the accounts are set up.

    is_testing: whether the consent screen has the publishing status "Testing". Refresh tokens then
        expire 7 days after the consent.
    internal_organisation: domain of the only organisation whose accounts may sign in. None: all
        accounts may sign in.
    is_app_blocked: whether an administrator has blocked the application. Sign-ins and token
        renewals then get the error `admin_policy_enforced`.
    is_client_disabled, is_client_deleted: whether the OAuth client is disabled or deleted.
    refresh_tokens_kept: number of refresh tokens of an account that stay valid. A newer token ends
        the oldest.
    token_lifetime_s: seconds for which an access token is valid.
    clock_offset_s: seconds by which Google's clock is ahead of this machine's.

    Source: Google Identity documentation, "Using OAuth 2.0 to Access Google APIs".
    """

    is_testing: bool = False
    internal_organisation: str | None = None
    is_app_blocked: bool = False
    is_client_disabled: bool = False
    is_client_deleted: bool = False
    refresh_tokens_kept: int = 100
    token_lifetime_s: int = 3599
    clock_offset_s: float = 0
