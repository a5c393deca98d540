"""Define the URLs of Google's identity platform. The sign-ins and the webhook of Gmail use them."""

from mailsync.settings import SettingsSection

ID_TOKEN_ISSUERS = ("https://accounts.google.com", "accounts.google.com")
"""The two spellings of the issuer (the claim `iss`) in Google's ID tokens (Google Identity
documentation, "OpenID Connect")."""
MAX_CLOCK_SKEW_FOR_GOOGLE_TOKENS_S = 60.0
"""The seconds by which Google's clock and Mailsync's clock may differ when Mailsync checks the
times in a token."""
_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105
_REVOKE = "https://oauth2.googleapis.com/revoke"
_CERTIFICATES = "https://www.googleapis.com/oauth2/v3/certs"


class GoogleIdentityUrls(SettingsSection):
    """The URLs of Google's identity platform. If the setting GOOGLE_IDENTITY_URL contains the URL
    of a simulator, all URLs lead to the simulator."""

    @property
    def authorize_url(self) -> str:
        return self._address(_AUTHORIZE)

    @property
    def token_url(self) -> str:
        return self._address(_TOKEN)

    @property
    def revoke_url(self) -> str:
        return self._address(_REVOKE)

    @property
    def jwks_url(self) -> str:
        """Return the URL of the key set that verifies Google's tokens."""
        return self._address(_CERTIFICATES)

    def _address(self, url: str) -> str:
        if not self._values.get("GOOGLE_IDENTITY_URL", "").strip():
            return url
        path = url.split("/", 3)[3]
        return f"{self._https('GOOGLE_IDENTITY_URL', default='').rstrip('/')}/{path}"
