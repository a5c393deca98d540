"""Connect mailboxes by user name and password, for providers without a sign-in page.

The caller's JWT proves who connects the mailbox, so the connection needs no confirmation. The
password is in the request and, sealed, in the database; no log, error or response contains it.
"""

import re
from dataclasses import replace
from typing import Any

from mailsync.api.account_connector import (
    AccountConnector,
    ConnectedAccount,
    unreadable_mailbox_problem,
)
from mailsync.api.problems import ApiError, Problem, invalid_field_problem
from mailsync.credentials.token_set import seal_password
from mailsync.providers.kit import (
    AppPasswordNeeded,
    MailboxUnavailable,
    MailServerUnusable,
    PasswordLogin,
    PasswordRejected,
    load_password_kit,
)
from mailsync.settings import HOST_NAME_PATTERN, Settings

# Neither a mail server nor UTF-8 takes control characters and lone surrogates.
_USER_NAME = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff]{1,255}")
_PASSWORD = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,1024}")

_HOST = re.compile(rf"(?=.{{1,255}}$){HOST_NAME_PATTERN}")

_PASSWORD_REFUSED = Problem(
    kind="password-refused",
    status=422,
    title="The mail server refused the user name or the password",
    detail="The mail server refused the user name or the password, so no mailbox was connected;"
    " correct them and send the request again. Some servers want a password for apps instead of"
    " the account's own.",
)
_APP_PASSWORD_NEEDED = Problem(
    kind="app-password-needed",
    status=422,
    title="The mail server wants a password for apps",
    detail="The mail server does not accept this password over IMAP, so no mailbox was connected."
    " Switch on IMAP in the settings of the mailbox, create a password for apps there, and connect"
    " the mailbox with it.",
)
_SERVER_UNUSABLE = Problem(
    kind="mail-server-unusable",
    status=422,
    title="The mail server cannot be used",
    detail="The certificate of imap.example.org has expired, so Mailsync does not send it a"
    " password: correct the name of the server, or ask its operator for a valid certificate."
    " No mailbox was connected.",
)
PASSWORD_PROBLEMS = (_PASSWORD_REFUSED, _APP_PASSWORD_NEEDED, _SERVER_UNUSABLE)
"""The problems (422) of a sign-in at a mail server, as examples."""


def parse_password_login(body: Any) -> PasswordLogin:
    """Validate the JSON body of a request to connect a mailbox by user name and password.

    Raises:
        ApiError: a field is missing or malformed (422); the problem contains the field's name and
            not its value.
    """
    fields = body if isinstance(body, dict) else {}
    host, port = fields.get("host"), fields.get("port")
    if port is not None and (type(port) is not int or not 0 < port < 2**16):
        raise ApiError(invalid_field_problem("port"))
    return PasswordLogin(
        user_name=_field(fields, "userName", _USER_NAME),
        password=_field(fields, "password", _PASSWORD),
        host=None if host is None else _field(fields, "host", _HOST),
        port=port,
    )


def connect_with_password(
    login: PasswordLogin, user_id: str, connector: AccountConnector, settings: Settings
) -> ConnectedAccount:
    """Check the password at the mail server, store the account, start the first sync and return
    both.

    If the user already has an account for this mailbox, that account keeps its mail and gets the
    new password.

    Raises:
        ApiError: the mail server cannot be used, it refused the password, or the mailbox cannot be
            read (422).
        ProviderRejected, ProviderUnavailable, StoreUnavailable: no mailbox was connected.
    """
    try:
        found = load_password_kit(connector.provider).check_password(login, settings)
    except AppPasswordNeeded as refusal:
        raise ApiError(_advised(_APP_PASSWORD_NEEDED, str(refusal))) from None
    except PasswordRejected as refusal:
        raise ApiError(_advised(_PASSWORD_REFUSED, str(refusal))) from None
    except MailServerUnusable as error:
        detail = f"{error} No mailbox was connected."
        raise ApiError(replace(_SERVER_UNUSABLE, detail=detail)) from None
    except MailboxUnavailable as error:
        raise ApiError(unreadable_mailbox_problem(error)) from None
    return connector.connect(
        user_id, found, lambda account_id, key: seal_password(account_id, login.password, key)
    )


def _advised(problem: Problem, advice: str) -> Problem:
    """Return the problem with advice for this server in place of its last, general sentence."""
    if not advice:
        return problem
    what = problem.detail[: problem.detail.index("no mailbox was connected")]
    return replace(problem, detail=f"{what}no mailbox was connected. {advice}")


def _field(fields: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ApiError(invalid_field_problem(name))
    return value
