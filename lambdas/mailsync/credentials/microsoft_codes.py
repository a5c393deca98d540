"""What each error of Microsoft's identity platform means for a mailbox: the one table.

Sources: Microsoft identity platform docs, "Microsoft Entra authentication and authorization error
codes" (the numbers that a code, a refresh token, a client credential or a redirect can meet);
MSAL.NET docs, "Understanding client and server throttling" (50196, 429) and
"UiRequiredExceptionClassification"; MSAL for Python, `application.py` (the other suberrors);
RFC 6749, sections 4.1.2.1 and 5.2.

Microsoft adds numbers. One that is not here is judged by its suberror, and that by OAuth's error.
Such a refusal is never final, since outages were worded as `invalid_grant` before.
"""

from collections.abc import Mapping
from enum import Enum


class Kind(Enum):
    """What follows from a refusal."""

    THROTTLED = "asked again after a pause"
    OUTAGE = "asked again later"
    ENDED = "the grant is over: closed until the person signs in"
    BLOCKED = "the grant stands, something is in its way: closed, and tried again"
    APP = "the app registration is at fault, not the mailbox"


Advice = tuple[Kind, str]

_BEGIN = "begin the sign-in again"
_AGREE = "agree on Microsoft's page to let the app read mail"
_PASSWORD = "set a new password, then sign in again"  # noqa: S105
_DEVICE = (
    "your organisation lets only devices that it manages sign in; sign in on such a device, or ask"
    " your administrator to except the app"
)
_TABLE: tuple[tuple[Kind, str, tuple[int, ...]], ...] = (
    # Worded as invalid_grant, for 15 equal requests within five minutes (Microsoft identity
    # platform docs, "What's new for authentication?", March 2019).
    (Kind.THROTTLED, "too many equal requests", (50196,)),
    (Kind.THROTTLED, "too many requests of this organisation", (50088, 50166, 90055)),
    (
        Kind.OUTAGE,
        "an outage of Microsoft's",
        (
            *(50000, 50033, 50087, 70012, 90006, 90012, 90024, 90033, 90036, 90090, 90091, 90092),
            *(230109, 501621),
        ),
    ),
    (Kind.OUTAGE, "an outage of the organisation's own sign-in service", (40008, 40010)),
    (
        Kind.ENDED,
        "the password was changed or the sign-in withdrawn; sign in again",
        (50132, 50133, 50173),
    ),
    (Kind.ENDED, f"the code or grant has expired; {_BEGIN}", (50089, 70008)),
    (Kind.ENDED, f"the mailbox was not read for 90 days; {_BEGIN}", (700082,)),
    (Kind.ENDED, f"the grant has expired; {_BEGIN}", (50085, 50139, 700084)),
    (Kind.ENDED, "your organisation asks for a new sign-in at intervals; sign in again", (70043,)),
    (Kind.ENDED, f"the code was used already; {_BEGIN}", (54005,)),
    (Kind.ENDED, f"the code belongs to another sign-in; {_BEGIN}", (500112, 501481, 700005)),
    # 70000 comes and goes for refresh tokens that are good (BingAds/BingAds-Python-SDK #279).
    (Kind.BLOCKED, _BEGIN, (70000, 700020, 9002313)),
    (Kind.BLOCKED, f"nobody was signed in; {_BEGIN}", (50058,)),
    (
        Kind.BLOCKED,
        "sign in again and prove with the second factor that it is you",
        (50072, 50074, 50076, 50078, 50079, 50158, 53004),
    ),
    (Kind.BLOCKED, f"the password has expired; {_PASSWORD}", (50055, 50056, 50125, 50144)),
    (Kind.BLOCKED, f"the account is at risk; {_PASSWORD}", (50135,)),
    (Kind.BLOCKED, "the account is locked after too many attempts; wait and try again", (50053,)),
    (Kind.BLOCKED, "the account is disabled; ask your administrator", (50057,)),
    (
        Kind.BLOCKED,
        "there is no such account; sign in with another one",
        (16000, 16003, 50014, 50034, 50197, 51004, 90072),
    ),
    (
        Kind.BLOCKED,
        "this kind of account is not let in; sign in with another one",
        (50020, 500208),
    ),
    (Kind.BLOCKED, "your administrator must assign you to the app", (50105,)),
    (Kind.BLOCKED, f"nobody has agreed yet; {_AGREE}", (65001, 90008, 9002341)),
    (Kind.BLOCKED, f"the consent was declined; {_AGREE}", (65004,)),
    (
        Kind.BLOCKED,
        "only an administrator of your organisation may agree; ask one",
        (90093, 90094, 90095, 90099, 500011, 650052),
    ),
    (
        Kind.BLOCKED,
        _DEVICE,
        (50005, 50097, 50127, 50129, 50155, 50187, 53000, 53001, 53002, 135011),
    ),
    (
        Kind.BLOCKED,
        "your organisation's rules for sign-ins forbid it; ask your administrator",
        (
            *(50002, 50131, 53003, 53010, 53011, 54000, 90123, 500021, 500022, 500212, 500213),
            *(530032, 530034, 530035, 1000031),
        ),
    ),
    (Kind.APP, "check MICROSOFT_CLIENT_SECRET: it is wrong", (70002, 7000215)),
    (Kind.APP, "check MICROSOFT_CLIENT_SECRET: it has expired", (7000222,)),
    (Kind.APP, "check MICROSOFT_CLIENT_SECRET and MICROSOFT_CLIENT_CERTIFICATE", (7000218,)),
    (
        Kind.APP,
        "check MICROSOFT_CLIENT_CERTIFICATE: Microsoft does not know it, or it has expired",
        (50012, 700027, 700030),
    ),
    (Kind.APP, "check MICROSOFT_CLIENT_CERTIFICATE: it has expired", (1000502,)),
    (
        Kind.APP,
        "the clock is wrong, or the app's certificate is out of date",
        (500133, 700024),
    ),
    (Kind.APP, "the app is registered as a public client; register it as a web app", (700025,)),
    (
        Kind.APP,
        "the app is not known in this organisation; its administrator must agree to it",
        (700011, 700016, 7000229),
    ),
    (Kind.APP, "the app is disabled; enable it under Enterprise applications", (70001, 7000112)),
    (
        Kind.APP,
        "check the permissions in the app registration, and have an administrator agree to them",
        (28002, 50001, 65005, 70011, 650054, 650056, 650057, 700022, 700023),
    ),
    (
        Kind.APP,
        "check MICROSOFT_AUTHORITY: the app is not registered for it",
        (
            *(50049, 50059, 50128, 50194, 90002, 90038, 90043, 90124, 90130, 900382, 900432),
            *(9001023, 9002332),
        ),
    ),
    (
        Kind.APP,
        "check MICROSOFT_CLIENT_ID and the redirect addresses in the app registration",
        (50011, 70003, 70004, 70007, 90004, 90014, 90023, 90100, 900144, 900971),
    ),
)
CODES: Mapping[int, Advice] = {
    number: (kind, advice) for kind, advice, numbers in _TABLE for number in numbers
}
"""Numbers whose meaning is known, AADSTS50173 as 50173."""

SUBERRORS: Mapping[str, str] = {
    "additional_action": "sign in again; Microsoft's page says what is missing",
    "bad_token": _BEGIN,
    "basic_action": "sign in again",
    "client_mismatch": "the grant is of another app registration; connect the mailbox again",
    "consent_required": f"nobody has agreed yet; {_AGREE}",
    "device_authentication_failed": _DEVICE,
    "message_only": "Microsoft's sign-in page says why; ask your administrator",
    "protection_policy_required": _DEVICE,
    "token_expired": f"the grant has expired; {_BEGIN}",
    "user_password_expired": f"the password has expired; {_PASSWORD}",
}
"""Microsoft's finer words where OAuth's error is of the kind BLOCKED."""

UNKNOWN = "connect the mailbox again"
ERRORS: Mapping[str, Advice] = {
    "invalid_grant": (Kind.BLOCKED, UNKNOWN),
    "interaction_required": (Kind.BLOCKED, UNKNOWN),
    "login_required": (Kind.BLOCKED, UNKNOWN),
    "consent_required": (Kind.BLOCKED, f"nobody has agreed yet; {_AGREE}"),
    "server_error": (Kind.OUTAGE, "an outage of Microsoft's"),
    "temporarily_unavailable": (Kind.OUTAGE, "an outage of Microsoft's"),
    "too_many_requests": (Kind.THROTTLED, "too many requests"),
    "invalid_client": (Kind.APP, "check its secret or certificate"),
}
"""OAuth's errors; every other one is the app's."""
OTHERWISE: Advice = (
    Kind.APP,
    "look the number up at https://login.microsoftonline.com/error and check the registration",
)
