"""Read the settings of Google's identity platform."""

from mailsync.settings import SettingsSection

IDENTITY_URL_SETTING = "GOOGLE_IDENTITY_URL"
_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105
_REVOKE = "https://oauth2.googleapis.com/revoke"
_CERTIFICATES = "https://www.googleapis.com/oauth2/v3/certs"


class GoogleSettings(SettingsSection):
    """The OAuth client, and the addresses of Google's identity platform.

    Google's addresses are fixed. GOOGLE_IDENTITY_URL replaces the hosts of all of them by one, that
    of a simulator.
    """

    @property
    def client_id(self) -> str:
        return self._required("GOOGLE_CLIENT_ID")

    @property
    def client_secret(self) -> str:
        return self._required("GOOGLE_CLIENT_SECRET")

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
    def certificates_url(self) -> str:
        """Return the URL of the key set with which Google signs its tokens."""
        return self._address(_CERTIFICATES)

    def _address(self, url: str) -> str:
        if not self._values.get(IDENTITY_URL_SETTING, "").strip():
            return url
        path = url.split("/", 3)[3]
        return f"{self._https(IDENTITY_URL_SETTING, default='').rstrip('/')}/{path}"
