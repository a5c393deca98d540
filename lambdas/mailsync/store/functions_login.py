"""The login of the functions, where the database is the stack's own and nobody else makes it."""

import base64
import re

from scramp import ScramMechanism

from mailsync.errors import SettingMissing
from mailsync.settings import Login

_NAME = re.compile(r"[a-z_]{1,63}")
_ITERATIONS = 4096
"""As many as Postgres takes itself; the password is random, so guessing it is hopeless anyway."""


def statements_for(login: Login) -> str:
    """SQL that makes the login a member of mailsync_writer, and its password this one.

    It holds the verifier of SCRAM-SHA-256 instead of the password, so that no log of the server
    can show that.

    Raises:
        SettingMissing: the name is none that needs no quoting.
    """
    if not _NAME.fullmatch(login.user):
        raise SettingMissing("The user of FUNCTIONS_LOGIN_SECRET_ARN must be named in lower case.")
    return (
        f"DO $$ BEGIN IF to_regrole('{login.user}') IS NULL THEN"
        f" CREATE ROLE {login.user} LOGIN IN ROLE mailsync_writer; END IF; END $$;"
        f" ALTER ROLE {login.user} PASSWORD '{_verifier(login.password)}'"
    )


def _verifier(password: str) -> str:
    salt, stored_key, server_key, iterations = ScramMechanism("SCRAM-SHA-256").make_auth_info(
        password, iteration_count=_ITERATIONS
    )
    return f"SCRAM-SHA-256${iterations}:{_text(salt)}${_text(stored_key)}:{_text(server_key)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()
