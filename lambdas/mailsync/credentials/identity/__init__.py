"""Interface to identity platforms. An identity platform (such as Microsoft Entra) signs people in
and issues access tokens for a mail provider.

Each platform has a module in this package, which implements the functions of `IdentityPlatform`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast

from mailsync.credentials.token_set import TokenSet
from mailsync.errors import ProviderRejected
from mailsync.model import ProviderName
from mailsync.registry import OAuthSettings, find_provider
from mailsync.settings import Settings


class SignInRejected(Exception):
    """Error: a sign-in failed, and no mailbox was connected. Only the API raises this error, never
    the workflow.

    code: OAuth error code from the identity platform, or an error code of Mailsync:
        `state_mismatch`, `issuer_mismatch`, `scope_missing`, `refresh_token_missing`,
        `id_token_mismatch` or `clock_skew`.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class OrganisationNotAllowed(Exception):
    """Error: the operator of this stage has not allowed mailboxes of the organisation to be
    connected.

    is_any_allowed: whether the operator has allowed at least one other organisation.
    """

    def __init__(self, message: str, *, is_any_allowed: bool) -> None:
        super().__init__(message)
        self.is_any_allowed = is_any_allowed


@dataclass(frozen=True, slots=True)
class SignInResult:
    """The user and the tokens that the identity platform returned at the end of a sign-in.

    user_id_at_provider: the platform's id of the user. The id stays the same when the user's
        address changes.
    email_address: the user's email address. Empty: the platform named no address.
    tokens: access token and grant.
    """

    user_id_at_provider: str
    email_address: str
    tokens: TokenSet


@dataclass(frozen=True, slots=True)
class AdminConsent:
    """The decision of an administrator whether an organisation grants the application access to its
    mailboxes, as the identity platform reports it in a redirect.

    has_admin_consented: whether the administrator consented. The value comes from the query of a
        URL, which anybody can forge.
    text_to_show_admin: text for the administrator.
    """

    has_admin_consented: bool
    text_to_show_admin: str


class IdentityPlatform(Protocol):
    """The functions that each module of this package implements for its identity platform.

    Every function that requests tokens raises:
        ProviderRejected: the platform rejected the app registration.
        ProviderThrottled: the platform requested a pause.
        ProviderUnavailable: the platform is unavailable.
    """

    def begin_sign_in(
        self, settings: Settings, oauth: OAuthSettings, redirect_uri: str
    ) -> dict[str, Any]:
        """Start a sign-in by the OAuth authorization code flow with PKCE.

        Returns the flow, a JSON object that `finish_sign_in` needs. Its `auth_uri` is the URL to
        redirect the browser to; its `state` identifies the flow.
        """
        ...

    def finish_sign_in(
        self,
        settings: Settings,
        oauth: OAuthSettings,
        flow: Mapping[str, Any],
        query: Mapping[str, str],
    ) -> SignInResult:
        """Exchange the authorization code for tokens. The identity platform appended the code to
        the URL to which it redirected the browser.

        query: the parameters of that URL.

        Raises:
            SignInRejected: the user or the platform denied access, the user did not allow the
                application to read mail, or the query belongs to another flow.
        """
        ...

    def refresh_tokens(
        self, settings: Settings, oauth: OAuthSettings, grant: str | None
    ) -> TokenSet:
        """Request a new access token with the grant. Return the new token, the grant for the next
        renewal, and the account's email address if the platform names the address.

        Raises:
            AccessRevoked: the platform rejected the grant, or `grant` is None. If `is_final` is
                true, the user must sign in again. Else the platform may accept the grant later.
        """
        ...

    def try_to_revoke_all_grants_of_user(
        self, settings: Settings, oauth: OAuthSettings, grant: str
    ) -> bool:
        """Revoke all tokens that the user's account at the platform has granted to the application,
        including the tokens of other connections of the same account.

        Return whether the platform revoked the tokens. False: the platform refused, or offers no
        request to revoke tokens.
        """
        ...

    def require_operator_allows_organisation(
        self, settings: Settings, organisation_id: str
    ) -> None:
        """Raise OrganisationNotAllowed unless the operator allowed this organisation."""
        ...

    def request_app_only_tokens(
        self, settings: Settings, oauth: OAuthSettings, organisation_id: str
    ) -> TokenSet:
        """Request an app-only access token of an organisation. The token is valid for every mailbox
        that the organisation lets the application read.

        Raises:
            AccessRevoked: the organisation has not consented to the application; its administrator
                must do so.
        """
        ...

    def parse_admin_consent_redirect(self, query: Mapping[str, str]) -> AdminConsent | None:
        """Return an administrator's decision about the access to an organisation, if a redirect to
        the callback route reports such a decision. Return None if the redirect belongs to a
        sign-in.

        query: the query parameters of the redirect.
        """
        ...


def import_identity_platform(oauth: OAuthSettings) -> IdentityPlatform:
    """Import and return the module of the identity platform that `oauth` names. The modules of
    other platforms are not imported, so that the function starts faster."""
    module = import_module(f"{__name__}.{oauth.identity_platform_module_name}")
    return cast(IdentityPlatform, module)


def require_oauth_access_of_provider(provider: ProviderName) -> OAuthSettings:
    """Return how the provider's mailboxes are opened by OAuth: the identity platform that issues
    the access tokens, and the scopes of the access tokens.

    Raises:
        ProviderRejected: the provider does not use OAuth, or this release does not know the
            provider.
    """
    registration = find_provider(provider)
    if registration is None or registration.oauth_settings is None:
        raise ProviderRejected(f"Accounts of provider '{provider}' cannot be synced yet.")
    return registration.oauth_settings
