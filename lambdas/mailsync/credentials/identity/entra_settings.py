"""Read the settings of Microsoft's identity platform."""

import re

from mailsync.errors import SettingMissing
from mailsync.registry import UrlSetting
from mailsync.settings import SettingsSection

AUTHORITY_URL_SETTING = UrlSetting(
    "MICROSOFT_AUTHORITY", "https://login.microsoftonline.com/common"
)
_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class EntraSettings(SettingsSection):
    """The settings of Microsoft's identity platform (Entra): its URL, and the app registration."""

    @property
    def authority_url(self) -> str:
        """Return the URL of the platform, with the tenant as its last part and without a slash at
        the end."""
        return self._https(
            AUTHORITY_URL_SETTING.name, default=AUTHORITY_URL_SETTING.default
        ).rstrip("/")

    @property
    def client_id(self) -> str:
        return self._required("MICROSOFT_CLIENT_ID")

    @property
    def client_secret(self) -> str:
        return self._required("MICROSOFT_CLIENT_SECRET")

    @property
    def client_certificate(self) -> str | None:
        """Return the app's certificate and its private key as PEM text. None: no certificate is
        set."""
        return self._values.get("MICROSOFT_CLIENT_CERTIFICATE", "").strip() or None

    @property
    def allowed_tenant_ids(self) -> frozenset[str]:
        """Return the ids of the organisations whose mailboxes administrators may connect, in lower
        case."""
        listed = self._values.get("MICROSOFT_TENANTS", "").lower().split(",")
        tenants = frozenset(each.strip() for each in listed if each.strip())
        if not all(_TENANT.fullmatch(each) for each in tenants):
            raise SettingMissing("MICROSOFT_TENANTS must list tenant ids, such as 72f988bf-....")
        return tenants
