"""Tables of the error codes of Microsoft's identity platform. For each code they contain what the
error means for a mailbox, and advice for the user or the operator.

Sources: Microsoft identity platform docs, "Microsoft Entra authentication and authorization error
    codes" (the codes of the authorization code, refresh token and client credentials flows);
    MSAL.NET docs, "Understanding client and server throttling" (50196, 429) and
    "UiRequiredExceptionClassification"; MSAL for Python, `application.py` (the other suberrors);
    RFC 6749, sections 4.1.2.1 and 5.2.

Microsoft adds codes. An unlisted code is classified by its suberror, else by the OAuth error of the
response. An unlisted code never ends a grant, because Microsoft has reported outages as
`invalid_grant`.
"""

from collections.abc import Mapping

from mailsync.credentials.identity.error_kind import ErrorKind, ErrorKindAndAdvice

_BEGIN = "begin the sign-in again"
_AGREE = "agree on Microsoft's page to let the app read mail"
_PASSWORD = "set a new password, then sign in again"  # noqa: S105
_DEVICE = (
    "your organisation lets only devices that it manages sign in; sign in on such a device, or ask"
    " your administrator to except the app"
)
_TABLE: tuple[tuple[ErrorKind, str, tuple[int, ...]], ...] = (
    # Microsoft sends 50196 as invalid_grant, after 15 equal requests within five minutes (Microsoft
    # identity platform docs, "What's new for authentication?", March 2019).
    (ErrorKind.THROTTLED, "too many equal requests", (50196,)),
    (ErrorKind.THROTTLED, "too many requests of this organisation", (50088, 50166, 90055)),
    (
        ErrorKind.OUTAGE,
        "an outage of Microsoft's",
        (
            *(50000, 50033, 50087, 70012, 90006, 90012, 90024, 90033, 90036, 90090, 90091, 90092),
            *(230109, 501621),
        ),
    ),
    (ErrorKind.OUTAGE, "an outage of the organisation's own sign-in service", (40008, 40010)),
    (
        ErrorKind.GRANT_ENDED,
        "the password was changed or the sign-in withdrawn; sign in again",
        (50132, 50133, 50173),
    ),
    (ErrorKind.GRANT_ENDED, f"the code or grant has expired; {_BEGIN}", (50089, 70008)),
    (ErrorKind.GRANT_ENDED, f"the mailbox was not read for 90 days; {_BEGIN}", (700082,)),
    (ErrorKind.GRANT_ENDED, f"the grant has expired; {_BEGIN}", (50085, 50139, 700084)),
    (
        ErrorKind.GRANT_ENDED,
        "your organisation asks for a new sign-in at intervals; sign in again",
        (70043,),
    ),
    (ErrorKind.GRANT_ENDED, f"the code was used already; {_BEGIN}", (54005,)),
    (
        ErrorKind.GRANT_ENDED,
        f"the code belongs to another sign-in; {_BEGIN}",
        (500112, 501481, 700005),
    ),
    # Microsoft sometimes sends 70000 for a valid refresh token (BingAds/BingAds-Python-SDK #279).
    (ErrorKind.VALID_GRANT_BLOCKED, _BEGIN, (70000, 700020, 9002313)),
    (ErrorKind.VALID_GRANT_BLOCKED, f"no user was signed in; {_BEGIN}", (50058,)),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "sign in again and prove with the second factor that it is you",
        (50072, 50074, 50076, 50078, 50079, 50158, 53004),
    ),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        f"the password has expired; {_PASSWORD}",
        (50055, 50056, 50125, 50144),
    ),
    (ErrorKind.VALID_GRANT_BLOCKED, f"the account is at risk; {_PASSWORD}", (50135,)),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "the account is locked after too many attempts; wait and try again",
        (50053,),
    ),
    (ErrorKind.VALID_GRANT_BLOCKED, "the account is disabled; ask your administrator", (50057,)),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "there is no such account; sign in with another one",
        (16000, 16003, 50014, 50034, 50197, 51004, 90072),
    ),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "this kind of account is not let in; sign in with another one",
        (50020, 500208),
    ),
    (ErrorKind.VALID_GRANT_BLOCKED, "your administrator must assign you to the app", (50105,)),
    (ErrorKind.VALID_GRANT_BLOCKED, f"consent is missing; {_AGREE}", (65001, 90008, 9002341)),
    (ErrorKind.VALID_GRANT_BLOCKED, f"the consent was declined; {_AGREE}", (65004,)),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "only an administrator of your organisation may agree; ask one",
        (90093, 90094, 90095, 90099, 500011, 650052),
    ),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        _DEVICE,
        (50005, 50097, 50127, 50129, 50155, 50187, 53000, 53001, 53002, 135011),
    ),
    (
        ErrorKind.VALID_GRANT_BLOCKED,
        "your organisation's rules for sign-ins forbid it; ask your administrator",
        (
            *(50002, 50131, 53003, 53010, 53011, 54000, 90123, 500021, 500022, 500212, 500213),
            *(530032, 530034, 530035, 1000031),
        ),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_SECRET: it is wrong",
        (70002, 7000215),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_SECRET: it has expired",
        (7000222,),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_SECRET and MICROSOFT_CLIENT_CERTIFICATE",
        (7000218,),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_CERTIFICATE: Microsoft does not know it, or it has expired",
        (50012, 700027, 700030),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_CERTIFICATE: it has expired",
        (1000502,),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the clock is wrong, or the app's certificate is out of date",
        (500133, 700024),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the app is registered as a public client; register it as a web app",
        (700025,),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the app is not known in this organisation; its administrator must agree to it",
        (700011, 700016, 7000229),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "the app is disabled; enable it under Enterprise applications",
        (70001, 7000112),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check the permissions in the app registration, and have an administrator agree to them",
        (28002, 50001, 65005, 70011, 650054, 650056, 650057, 700022, 700023),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_AUTHORITY: the app is not registered for it",
        (
            *(50049, 50059, 50128, 50194, 90002, 90038, 90043, 90124, 90130, 900382, 900432),
            *(9001023, 9002332),
        ),
    ),
    (
        ErrorKind.FAULTY_APP_REGISTRATION,
        "check MICROSOFT_CLIENT_ID and the redirect addresses in the app registration",
        (50011, 70003, 70004, 70007, 90004, 90014, 90023, 90100, 900144, 900971),
    ),
)
KIND_AND_ADVICE_BY_AADSTS_CODE: Mapping[int, ErrorKindAndAdvice] = {
    number: (kind, advice) for kind, advice, numbers in _TABLE for number in numbers
}
"""The error kind and the advice for each AADSTS code of Microsoft. The key is the number, such as
50173 for AADSTS50173."""

ADVICE_BY_SUBERROR: Mapping[str, str] = {
    "additional_action": "sign in again; Microsoft's page says what is missing",
    "bad_token": _BEGIN,
    "basic_action": "sign in again",
    "client_mismatch": "the grant is of another app registration; connect the mailbox again",
    "consent_required": f"consent is missing; {_AGREE}",
    "device_authentication_failed": _DEVICE,
    "message_only": "Microsoft's sign-in page says why; ask your administrator",
    "protection_policy_required": _DEVICE,
    "token_expired": f"the grant has expired; {_BEGIN}",
    "user_password_expired": f"the password has expired; {_PASSWORD}",
}
"""The advice for the user by Microsoft's suberror, for OAuth errors whose kind is
VALID_GRANT_BLOCKED."""

DEFAULT_GRANT_BLOCKED_ADVICE = "connect the mailbox again"
"""The advice for a blocked grant if neither the code nor the suberror of the response is listed."""
KIND_AND_ADVICE_BY_OAUTH_ERROR: Mapping[str, ErrorKindAndAdvice] = {
    "invalid_grant": (ErrorKind.VALID_GRANT_BLOCKED, DEFAULT_GRANT_BLOCKED_ADVICE),
    "interaction_required": (ErrorKind.VALID_GRANT_BLOCKED, DEFAULT_GRANT_BLOCKED_ADVICE),
    "login_required": (ErrorKind.VALID_GRANT_BLOCKED, DEFAULT_GRANT_BLOCKED_ADVICE),
    "consent_required": (ErrorKind.VALID_GRANT_BLOCKED, f"consent is missing; {_AGREE}"),
    "server_error": (ErrorKind.OUTAGE, "an outage of Microsoft's"),
    "temporarily_unavailable": (ErrorKind.OUTAGE, "an outage of Microsoft's"),
    "too_many_requests": (ErrorKind.THROTTLED, "too many requests"),
    "invalid_client": (ErrorKind.FAULTY_APP_REGISTRATION, "check its secret or certificate"),
}
"""The error kind and the advice for OAuth errors. An OAuth error that is not in this table means
that the app registration is wrong."""
KIND_AND_ADVICE_OF_UNLISTED_ERROR: ErrorKindAndAdvice = (
    ErrorKind.FAULTY_APP_REGISTRATION,
    "look the number up at https://login.microsoftonline.com/error and check the registration",
)
"""The error kind and the advice for an OAuth error that is not in `KIND_AND_ADVICE_BY_OAUTH_ERROR`.
"""
