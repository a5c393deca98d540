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
    make_unreadable_mailbox_problem,
)
from mailsync.api.password_problems import (
    APP_PASSWORD_NEEDED_PROBLEM,
    MAIL_SERVER_UNUSABLE_PROBLEM,
    PASSWORD_REFUSED_PROBLEM,
    replace_general_by_server_advice,
)
from mailsync.api.problems import ApiError, make_invalid_field_problem
from mailsync.credentials.token_set import seal_password
from mailsync.providers.kit import (
    AppPasswordNeeded,
    MailboxUnreadableError,
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


def parse_password_login(body: Any) -> PasswordLogin:
    """Validate the JSON body of a request to connect a mailbox by user name and password.

    Raises:
        ApiError: a field is missing or malformed (422); the problem contains the field's name and
            not its value.
    """
    fields = body if isinstance(body, dict) else {}
    host, port = fields.get("host"), fields.get("port")
    if port is not None and (type(port) is not int or not 0 < port < 2**16):
        raise ApiError(make_invalid_field_problem("port"))
    return PasswordLogin(
        user_name=_field(fields, "userName", _USER_NAME),
        password=_field(fields, "password", _PASSWORD),
        host=None if host is None else _field(fields, "host", _HOST),
        port=port,
    )


def connect_with_password(
    login: PasswordLogin, user_id: str, connector: AccountConnector, settings: Settings
) -> ConnectedAccount:
    """Check the password at the mail server, store the account and start the first sync. Return the
    account and the run of the sync.

    If the user already has an account for this mailbox, that account keeps its mail and gets the
    new password.

    Raises:
        ApiError: the mail server cannot be used, it refused the password, or the mailbox cannot be
            read (422).
        ProviderRejected, ProviderUnavailable: no mailbox was connected.
        SettingMissing, StoreUnavailable, AwsError: see `AccountConnector.connect`.
    """
    try:
        found = load_password_kit(connector.provider_name).check_password(login, settings)
    except AppPasswordNeeded as refusal:
        raise ApiError(
            replace_general_by_server_advice(APP_PASSWORD_NEEDED_PROBLEM, str(refusal))
        ) from None
    except PasswordRejected as refusal:
        raise ApiError(
            replace_general_by_server_advice(PASSWORD_REFUSED_PROBLEM, str(refusal))
        ) from None
    except MailServerUnusable as error:
        detail = f"{error} No mailbox was connected."
        raise ApiError(replace(MAIL_SERVER_UNUSABLE_PROBLEM, detail=detail)) from None
    except MailboxUnreadableError as error:
        raise ApiError(make_unreadable_mailbox_problem(error)) from None
    return connector.connect(
        user_id, found, lambda account_id, key: seal_password(account_id, login.password, key)
    )


def _field(fields: dict[str, Any], name: str, form: re.Pattern[str]) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise ApiError(make_invalid_field_problem(name))
    return value
