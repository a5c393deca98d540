"""Build the paths of API routes that name a provider, and find the provider that a path names."""

import re

from mailsync.api.problems import ApiError, Problem
from mailsync.errors import SettingMissing
from mailsync.model import ProviderName
from mailsync.registry import RegisteredProvider, find_provider
from mailsync.settings import load_settings

_SIGN_IN = re.compile(r"/api/auth/[^/]+")
_CALLBACK = re.compile(r"/api/auth/[^/]+/callback")
UNKNOWN_PROVIDER_PROBLEM = Problem(
    type_urn_suffix="unknown-provider",
    http_status=404,
    title="This provider is not known here",
    detail="The path names no provider that this release can connect, so nothing was changed; the"
    " document at /api/openapi.json lists the routes.",
)


def sign_in_path(provider: ProviderName) -> str:
    return f"/api/auth/{provider}"


def sign_in_callback_path(provider: ProviderName) -> str:
    return f"/api/auth/{provider}/callback"


def confirm_connection_path(provider: ProviderName) -> str:
    return f"/api/auth/{provider}/confirm"


def connect_mailbox_path(provider: ProviderName) -> str:
    return f"/api/email/accounts/{provider}"


def is_sign_in_path(path: str) -> bool:
    return _SIGN_IN.fullmatch(path) is not None


def is_callback_path(path: str) -> bool:
    return _CALLBACK.fullmatch(path) is not None


def find_sign_in_path_of_named_or_first_provider(path: str) -> str | None:
    """Return the path of the sign-in for the provider that `path` names.

    If `path` names no provider, return the sign-in path of the first provider of this stage that
    has a sign-in. Return None if no provider of this stage has a sign-in.
    """
    if found := _SIGN_IN.match(path):
        return found[0]
    enabled = load_settings().enabled_providers()
    return next((sign_in_path(each.provider_name) for each in enabled if each.oauth_settings), None)


def require_provider(name: str) -> RegisteredProvider:
    """Return the registered provider with this name, if this stage syncs the provider's mailboxes.

    name: the name of a provider as the path of a request contains it.

    Raises:
        ApiError: the provider is unknown, or this release or this stage does not sync the
            provider's mailboxes (404).
    """
    found = find_provider(name)
    if found is None or found.implementation_module is None:
        raise ApiError(UNKNOWN_PROVIDER_PROBLEM)
    require_provider_is_enabled(found.provider_name)
    return found


def require_provider_with_sign_in(name: str) -> ProviderName:
    """Return the provider with this name, if users connect its mailboxes by a sign-in.

    name: the name of a provider as the path of a request contains it.

    Raises:
        ApiError: the provider is unknown, this release or this stage does not sync the provider's
            mailboxes, or they are connected by password (404).
    """
    found = require_provider(name)
    if found.uses_password:
        raise ApiError(UNKNOWN_PROVIDER_PROBLEM)
    return found.provider_name


def require_provider_is_enabled(provider: ProviderName) -> None:
    """Raise an error unless this stage syncs mailboxes of the provider.

    Raises:
        ApiError: this stage does not sync the provider's mailboxes (404). The problem names the
            missing setting.
    """
    try:
        load_settings().require_provider_is_enabled(provider)
    except SettingMissing as error:
        raise ApiError(
            Problem(
                type_urn_suffix="provider-off",
                http_status=404,
                title="This stage does not sync mailboxes of this provider",
                detail=f"{error} Nothing was changed.",
            )
        ) from None
