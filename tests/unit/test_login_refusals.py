"""What servers say to a login, and what Mailsync takes it for."""

import pytest

from mailsync.providers.imap.login import LoginRefusalReason, classify_refusal

REFUSALS = {
    LoginRefusalReason.WRONG_PASSWORD: (
        "[AUTHENTICATIONFAILED] Authentication failed.",  # Dovecot
        "[AUTHENTICATIONFAILED] Invalid credentials (Failure)",  # Gmail
        "[AUTHENTICATIONFAILED] Authentication failed. Too many attempts, try again later",
        "Login failed: authentication failure",  # Cyrus
        "Login failed.",  # Courier
        "LOGIN failed.",  # Exchange
        "AUTHENTICATE failed.",  # Exchange
        "LOGIN Login error or password error",  # 163
        "Invalid user name or password.",  # hMailServer, Domino
        "[AUTHENTICATIONFAILED] LOGIN Invalid credentials",  # Yahoo
        "[EXPIRED] Password expired",
    ),
    LoginRefusalReason.APP_PASSWORD_REQUIRED: (
        "[ALERT] Application-specific password required: https://support.google.com/a (Failure)",
        "[ALERT] Please log in via your web browser: https://support.google.com/b (Failure)",
        "[WEBALERT https://accounts.google.com/signin] Web login required.",
        "[AUTHENTICATIONFAILED] Application password is REQUIRED",  # mail.ru
        "[AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled",  # Yandex
        "LOGIN failed. LogonDenied-BasicAuthBlocked-1439",  # Outlook
        "Please using authorized code to login.",  # QQ
        "You are yet to enable IMAP for your account.",  # Zoho
    ),
    LoginRefusalReason.PAUSE_REQUESTED: (
        "[LIMIT] Maximum number of connections from user+IP exceeded",  # Dovecot
        "[ALERT] Too many simultaneous connections. (Failure)",  # Gmail
        "[UNAVAILABLE] Temporary authentication failure.",  # Dovecot
        "[INUSE] Mailbox in use",
        "[OVERQUOTA] Account exceeded command or bandwidth limits",
        "Server Unavailable. 15",  # Exchange
        "Service temporarily unavailable",
    ),
    LoginRefusalReason.UNKNOWN_REASON: (
        "",
        "Sorry.",
        "[CONTACTADMIN] Ask them",
        "[ALERT] Your account is blocked",
        "Login fail. Account is abnormal, service is not open, password is incorrect, login"
        " frequency limited, or system is busy.",  # QQ
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_only_an_explicit_refusal_counts_as_a_wrong_password(refusal: LoginRefusalReason) -> None:
    for text in REFUSALS[refusal]:
        assert (classify_refusal(text), text) == (refusal, text)
        assert classify_refusal(text.upper()) is refusal
