"""Create the database login of the Lambda functions."""

import base64
import re

from scramp import ScramException, ScramMechanism

from mailsync.errors import SettingMissing
from mailsync.settings import DatabaseLogin

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_ITERATIONS = 4096
"""Postgres' own default; the password is random, so more iterations add nothing."""


def build_lambda_login_creation_sql(login: DatabaseLogin) -> str:
    """Return SQL that creates this login, sets its password, and makes the login a member of the
    role mailsync_writer.

    The SQL contains the SCRAM-SHA-256 verifier instead of the password, so the server's log cannot
    reveal the password.

    Raises:
        SettingMissing: the login's name would need quoting in SQL, or Postgres accepts no such
            password.
    """
    if not _NAME.fullmatch(login.user):
        raise SettingMissing(
            "The name of the functions' login would need quoting in SQL; name it in lower case,"
            " such as mailsync_functions."
        )
    if not login.password:
        raise SettingMissing("The functions' login has no password; write one.")
    return (
        f"DO $$ BEGIN IF to_regrole('{login.user}') IS NULL THEN"
        f" CREATE ROLE {login.user} LOGIN IN ROLE mailsync_writer; END IF; END $$;"
        f" ALTER ROLE {login.user} PASSWORD '{_verifier(login.password)}'"
    )


def _verifier(password: str) -> str:
    try:
        salt, stored_key, server_key, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(
            password, iteration_count=_ITERATIONS
        )
    except ScramException:
        raise SettingMissing(
            "The password of the functions' login has a character that Postgres does not accept,"
            " such as a newline; write another one."
        ) from None
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
