"""The registry of mail providers: one entry for each provider, with all its names. No other module
maps these names.

A provider has a stored name (in rows, routes and JSON), an event type, and a kit. The kit is the
module of `mailsync.providers` that implements the provider. Without a kit, the product knows only
the provider's name and cannot sync its mailboxes.
"""

from dataclasses import dataclass

from mailsync.model import ProviderName

HTTPS_PORT = 443


@dataclass(frozen=True, slots=True)
class UrlSetting:
    """The name and the default of a setting that holds the base URL of a server."""

    name: str
    default: str


@dataclass(frozen=True, slots=True)
class NumberSetting:
    """The name and the default of a setting that holds a whole number of at least 1."""

    name: str
    default: int


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """The names and defaults of the settings that hold a provider's quota limits, in the provider's
    units per minute.

    mailbox_units_per_minute_setting: limit of one mailbox.
    project_units_per_minute_setting: limit of all mailboxes together. The provider counts the
        units in the project in which the application is registered.
    """

    mailbox_units_per_minute_setting: NumberSetting
    project_units_per_minute_setting: NumberSetting


@dataclass(frozen=True, slots=True)
class OAuthSettings:
    """How the application obtains access tokens for a provider.

    identity_platform_module_name: module of `mailsync.credentials.identity` that requests the
        tokens.
    scopes: delegated permissions that a person grants at the sign-in.
    app_only_token_resource_url_setting: setting with the URL of the server for which app-only
        tokens are requested. None: there are no app-only tokens.
    can_revoke_grants: whether the platform ends a person's tokens on request.
    """

    identity_platform_module_name: str
    scopes: tuple[str, ...]
    app_only_token_resource_url_setting: UrlSetting | None = None
    can_revoke_grants: bool = False


@dataclass(frozen=True, slots=True)
class RegisteredProvider:
    """The entry of one mail provider in the registry.

    display_name: the provider's name for people, as in "a mailbox of Microsoft 365".
    sync_request_event_type: type of the event with which an application requests a sync of one of
        the provider's mailboxes.
    implementation_module: module whose constant `KIT` implements the provider. None: this release
        cannot sync the provider's mailboxes.
    api_url_setting: setting with the URL of the provider's API. None: each account names its own
        server.
    oauth_settings: how access tokens are obtained. None: the provider's mailboxes are opened with a
        password.
    required_setting_names: settings without which a stage syncs none of the provider's mailboxes.
    tcp_ports_of_provider_servers: TCP ports of the provider's servers. A stage with its own network
        lets functions reach these ports.
    sends_notifications: whether the provider reports changes to a webhook.
    max_stored_flag_age_s: maximum seconds until Mailsync finds a changed flag of a message on a
        server that does not report changed flags. None: every server of the provider reports them.
    quota_settings: settings with the provider's limits. None: the provider has no limits of units.
    """

    provider_name: ProviderName
    display_name: str
    sync_request_event_type: str
    implementation_module: str | None = None
    api_url_setting: UrlSetting | None = None
    oauth_settings: OAuthSettings | None = None
    required_setting_names: tuple[str, ...] = ()
    tcp_ports_of_provider_servers: tuple[int, ...] = (HTTPS_PORT,)
    sends_notifications: bool = False
    max_stored_flag_age_s: int | None = None
    quota_settings: QuotaSettings | None = None

    @property
    def uses_password(self) -> bool:
        """Return whether the provider's mailboxes are opened with a password."""
        return self.oauth_settings is None


MICROSOFT, GOOGLE, IMAP = ProviderName("microsoft"), ProviderName("google"), ProviderName("imap")
DEFAULT_PROVIDER_OF_STORED_VALUES = MICROSOFT
"""The provider of stored values that name no provider: they were stored when there was only one
provider."""
GRAPH_URL_SETTING = UrlSetting("GRAPH_URL", "https://graph.microsoft.com/v1.0")
GMAIL_URL_SETTING = UrlSetting("GMAIL_URL", "https://gmail.googleapis.com")

REGISTERED_PROVIDERS: tuple[RegisteredProvider, ...] = (
    RegisteredProvider(
        MICROSOFT,
        "Microsoft 365",
        "email/microsoft.sync",
        implementation_module="mailsync.providers.graph.kit",
        api_url_setting=GRAPH_URL_SETTING,
        oauth_settings=OAuthSettings(
            "entra",
            ("Mail.Read", "User.Read"),
            app_only_token_resource_url_setting=GRAPH_URL_SETTING,
        ),
        required_setting_names=("MICROSOFT_CLIENT_ID",),
        sends_notifications=True,
    ),
    RegisteredProvider(
        GOOGLE,
        "Gmail",
        "email/gmail.sync",
        implementation_module="mailsync.providers.gmail.kit",
        api_url_setting=GMAIL_URL_SETTING,
        oauth_settings=OAuthSettings(
            "google",
            ("openid", "email", "https://www.googleapis.com/auth/gmail.readonly"),
            can_revoke_grants=True,
        ),
        required_setting_names=("GOOGLE_CLIENT_ID",),
        sends_notifications=True,
        quota_settings=QuotaSettings(
            NumberSetting("GMAIL_UNITS_PER_MINUTE", 6_000),
            NumberSetting("GMAIL_PROJECT_UNITS_PER_MINUTE", 1_200_000),
        ),
    ),
    RegisteredProvider(
        IMAP,
        "IMAP",
        "email/imap.sync",
        implementation_module="mailsync.providers.imap.kit",
        required_setting_names=("IMAP_SERVERS",),
        tcp_ports_of_provider_servers=(993, 143),
        max_stored_flag_age_s=3600,
    ),
)


def implemented_providers() -> tuple[RegisteredProvider, ...]:
    """Return the providers whose mailboxes this release can sync.

    A stage may enable only some of these providers: `Settings.enabled_providers`.
    """
    return tuple(each for each in REGISTERED_PROVIDERS if each.implementation_module is not None)


def find_provider(name: str) -> RegisteredProvider | None:
    """Return the provider with this stored name. None: no provider has the name."""
    return next((each for each in REGISTERED_PROVIDERS if each.provider_name == name), None)


def find_provider_of_sync_event(event_type: str) -> RegisteredProvider | None:
    """Return the provider whose mailboxes are synced when an application sends an event of this
    type. None: no provider has this event type."""
    return next(
        (each for each in REGISTERED_PROVIDERS if each.sync_request_event_type == event_type), None
    )
