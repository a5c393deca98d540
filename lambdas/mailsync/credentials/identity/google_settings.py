"""Read the settings of Google's identity platform."""

from mailsync.google_addresses import GoogleIdentityUrls


class GoogleSettings(GoogleIdentityUrls):
    """The OAuth client, and the addresses of Google's identity platform."""

    @property
    def client_id(self) -> str:
        return self._required("GOOGLE_CLIENT_ID")

    @property
    def client_secret(self) -> str:
        return self._required("GOOGLE_CLIENT_SECRET")
