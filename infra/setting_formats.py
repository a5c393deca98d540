"""Check the format of each setting of a stage: URLs, addresses, ids, lists and switches.

An example value, such as a host below example.com, is a violation as well. A stage with an example
value could be deployed, and would fail later, when a person signs in.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mailsync.errors import SettingMissing
from mailsync.providers.imap.servers import ImapSettings
from mailsync.settings import HOST_NAME_PATTERN, LOOPBACK_HOSTS, Settings, is_https_or_loopback_url

PLACEHOLDER_VALUE_PATTERN = re.compile(
    r"\.\.\.|<[^>]*>|\bPROJECT\b|\bREGION\b|\bPASSWORD\b"
    r"|(^|[@./])example(\.com|\.net|\.org)?(?![\w.-])|\.example(?![\w.-])"
    r"|00000000-0000-0000-0000-000000000000"
)
"""Matches text that an example contains in place of the operator's value, such as example.com (RFC
2606, section 3)."""
_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_LOG_RETENTION = re.compile(
    r"(ONE|THREE|FIVE)_DAYS?|(ONE|TWO)_WEEKS?|(ONE|TWO|THREE|FOUR|FIVE|SIX|THIRTEEN|EIGHTEEN)"
    r"_MONTHS?|(ONE|TWO|THREE|FIVE|SIX|SEVEN|EIGHT|NINE|TEN)_YEARS?|INFINITE"
)
_APP_URL = re.compile(r"[a-z][a-z0-9+.-]*://?[!-~]+")


def find_format_violations(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each setting whose value has the wrong format or is an example value.

    Each sentence begins with the setting's name. Settings with the value None are not checked.
    """
    for name, value in settings.items():
        if value is None:
            continue
        accepts, form = _FORMATS.get(name, _TEXT)
        if not accepts(value):
            yield f"{name} must be {form}, not {value!r}"
        elif placeholder := _find_placeholder(value):
            yield f"{name} still has the example value {placeholder!r}: write your own"


def _find_placeholder(value: Any) -> str | None:
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return next((each for each in texts if PLACEHOLDER_VALUE_PATTERN.search(each)), None)


def _matches(pattern: str | re.Pattern[str]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_https_url(value: Any) -> bool:
    return isinstance(value, str) and is_https_or_loopback_url(value)


def _is_app_url(value: Any) -> bool:
    """Return whether a browser can be redirected to this URL: https, http on this machine, or a
    scheme of a mobile application."""
    if not isinstance(value, str) or not _APP_URL.fullmatch(value):
        return False
    return is_https_or_loopback_url(value) or not value.startswith(("http:", "https:"))


def _is_list_of(accepts: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list | tuple) and all(map(accepts, value))


def _is_reservation(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        type(count) is int and count >= 0 for count in value.values()
    )


def _is_limits(value: Any) -> bool:
    try:
        return bool(Settings({"API_LIMITS": value}).max_api_calls_per_hour_by_kind)
    except (AttributeError, SettingMissing):
        return False


def _is_list_of_servers(value: Any) -> bool:
    try:
        return bool(ImapSettings({"IMAP_SERVERS": value}).allowed_servers.ports)
    except (AttributeError, SettingMissing):
        return False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


_HTTPS = (_is_https_url, "an https:// URL, without user, password or fragment")
_SWITCH = (lambda value: type(value) is bool, "true or false")
_NUMBER = (_is_number, "a number")
_UNITS = (
    lambda value: type(value) is int and 0 < value < 10**9,
    "a whole number of units per minute, at least 1 and below a thousand million",
)
_TEXT = (lambda value: isinstance(value, str), "text")
# Browsers reject `*` for requests with cookies, as in a sign-in.
_ORIGIN = _matches(r"https?://[a-z0-9.-]+(:[0-9]+)?")
_FORMATS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "app_inbox_url": (
        _is_app_url,
        "an https:// URL, or one with the scheme of a mobile application; http:// only on"
        f" {' or '.join(sorted(LOOPBACK_HOSTS))}",
    ),
    **dict.fromkeys(("jwt_jwks_url", "public_url", "graph_url", "microsoft_authority"), _HTTPS),
    **dict.fromkeys(
        ("schedule_enabled", "confirm_connections", "log_source_ip", "single_secret"), _SWITCH
    ),
    **dict.fromkeys(("aurora_min_acu", "aurora_max_acu"), _NUMBER),
    "aurora_zone_ids": (
        _is_list_of(lambda value: isinstance(value, str)),
        'a list of zone ids, such as ["euw1-az1", "euw1-az2", "euw1-az3"]',
    ),
    "domain_name": (
        lambda value: (
            _matches(HOST_NAME_PATTERN)(value) and "." in value and value == value.lower()
        ),
        "a host name in lower case, such as mail.your-company.com",
    ),
    "certificate_arn": (
        _matches(r"arn:[\w-]+:acm:[\w-]+:[0-9]{12}:certificate/[\w-]+"),
        "the ARN of a certificate of AWS Certificate Manager",
    ),
    "alarm_email": (_matches(r"[^@\s]+@[^@\s]+\.[^@\s.]+"), "one e-mail address"),
    "alarm_topic_arn": (
        _matches(r"arn:[\w-]+:sns:[\w-]+:[0-9]{12}:[\w-]+"),
        "the ARN of an SNS topic",
    ),
    "microsoft_client_id": (_matches(_GUID), "the application (client) id, a GUID"),
    "microsoft_tenants": (
        _matches(rf"\s*{_GUID}\s*(,\s*{_GUID}\s*)*"),
        "tenant ids (GUIDs), separated by commas",
    ),
    "google_client_id": (
        _matches(r"[\w-]+\.apps\.googleusercontent\.com"),
        "the client id of an OAuth client, which ends in .apps.googleusercontent.com",
    ),
    "google_pubsub_topic": (
        _matches(r"projects/[a-z][a-z0-9:.-]{4,62}/topics/[A-Za-z][\w.~+%-]{2,254}"),
        "of the form projects/your-project/topics/your-topic",
    ),
    "google_push_service_account": (
        _matches(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com"),
        "the e-mail address of a service account",
    ),
    **dict.fromkeys(("gmail_units_per_minute", "gmail_project_units_per_minute"), _UNITS),
    "imap_servers": (
        _is_list_of_servers,
        'of the form "public", "imap.your-company.com:993" or both, separated by commas'
        " (docs/imap.md)",
    ),
    "cors_origins": (
        _is_list_of(_ORIGIN),
        'a list of origins, such as ["https://inbox.your-company.com"]',
    ),
    "reserved_concurrency": (_is_reservation, "an object of whole numbers by function name"),
    "api_limits": (_is_limits, 'of the form "sync=120,connect=30" (docs/api.md)'),
    "log_retention": (_matches(_LOG_RETENTION), "a member of CDK's RetentionDays"),
}
"""For each setting: whether a value has the right form, and the name of this form. Other settings
are text."""
