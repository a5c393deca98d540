"""Sign in to an IMAP server by password or access token, and classify its refusals.

A refused password closes the account until a person acts, so Mailsync takes only an explicit
refusal for a refused password. It takes any other response to a login for temporary: servers answer
NO also if too many connections are open, or if they are overloaded.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.metrics import PROVIDER_THROTTLES, add_to_provider_metric
from mailsync.providers.imap.failures import (
    PAUSE_AFTER_AUTHENTICATED_NOT_CONNECTED_S,
    connection_limit_error_from_text,
    parse_requested_pause_s,
)
from mailsync.providers.imap.wire import quote_string
from mailsync.registry import IMAP

MAX_CONTINUATION_REQUESTS = 8
"""The maximum number of continuation requests that the client answers during one login."""
MAX_SEARCHED_REFUSAL_TEXT_BYTES = 1000
"""The maximum length of the part of a refusal that is searched for known reasons."""
ID_COMMAND_ARGUMENT = '("name" "Mailsync" "version" "1")'
"""The argument of the command ID: the name and version of this client (RFC 2971). It names neither
the stage nor the mailbox."""
_EXTENSIONS = ("CONDSTORE", "QRESYNC")
_TEMPORARY = re.compile(r"unavailable|internal (?:server )?error|timed? ?out", re.IGNORECASE)
"""What servers say at a login that may succeed later, beside what they say at any command."""
_APP_PASSWORD = re.compile(
    r"application-specific password|app(?:lication)?[- ]?(?:specific )?password|web ?login"
    r"|log in via your web browser|weblogin|authori[sz](?:ed|ation) code|basic ?auth"
    r"|parol prilozheniya|LogonDenied-BasicAuth|IMAP is disabled|not enabled for imap"
    r"|enable imap|imap access is disabled|two-factor|2fa",
    re.IGNORECASE,
)
"""What servers say if they want a password for apps, or if IMAP must be switched on: Gmail, Yahoo,
iCloud, mail.ru, QQ, 163.com, Yandex, Outlook."""
_REFUSALS = re.compile(
    r"\[(?:AUTHENTICATIONFAILED|EXPIRED)\]"
    r"|authenti(?:cation|cate) (?:failed|failure|error)|invalid (?:login|user|password|credential)"
    r"|(?:incorrect|wrong|bad) (?:user|password|login|credential)"
    r"|(?:login|logon|password|user name|username)[- ](?:failed|failure|incorrect|invalid|error"
    r"|denied|rejected|refused)|(?:user|password) unknown|unknown user",
    re.IGNORECASE,
)
"""What servers say of a wrong user name or password. Several send no response code: Cyrus, Courier,
Exchange, Domino and 163.com. QQ names a wrong password and a busy system in one sentence, which is
therefore no explicit refusal."""
_QUOTABLE = re.compile(rb"[\x20-\x7e]*")


class LoginRefusalReason(Enum):
    """The reason why a server refuses a login, as Mailsync understands the server's response."""

    WRONG_PASSWORD = auto()
    APP_PASSWORD_REQUIRED = auto()  # or IMAP must be switched on first
    PAUSE_REQUESTED = auto()
    UNKNOWN_REASON = auto()


class LoginRefused(Exception):
    """Error: the server refused the user name, the password or the access token.

    wants_app_password: the server accepts only a password for apps, or IMAP must be switched on
        first. False: the server named no such reason.
    """

    def __init__(self, *, wants_app_password: bool = False) -> None:
        super().__init__("The mail server refused the login.")
        self.wants_app_password = wants_app_password


class NoUsableLoginError(Exception):
    """Error: the server offers no login that Mailsync can use. The text is a sentence for the
    person who connects the mailbox."""


@dataclass(frozen=True, slots=True)
class LoginCredentials:
    """The credentials of a login.

    secret: the password or the access token.
    is_token: `secret` is an access token. False: it is a password.
    """

    user_name: str
    secret: str
    is_token: bool = False


class _Exchange:
    """Answers the server's continuation requests during one command: the first request with the
    first of `answers`, and so on. Every further request gets an empty line: a server may explain an
    error in such a request (base64 JSON), and the client must confirm it (RFC 7628, 3.2.3)."""

    def __init__(self, abort: type[Exception], *answers: bytes) -> None:
        self._abort = abort
        self._answers = iter(answers)
        self._count = 0

    def answer(self, _challenge: Any) -> bytes:
        self._count += 1
        if self._count > MAX_CONTINUATION_REQUESTS:
            raise self._abort("endless challenges")
        return next(self._answers, b"")


@dataclass(slots=True)
class Session:
    """The state of a connection after the login.

    capabilities: the capabilities that the server announced after the login.
    commands_awaiting_response: name and tag of the commands that were sent after the login and
        whose responses were not read yet (ID and ENABLE).
    """

    capabilities: frozenset[str]
    commands_awaiting_response: list[tuple[str, bytes]]

    def read_pending_responses(self, imap: Any) -> frozenset[str]:
        """Read the responses to the pending commands; return the names of the extensions that the
        server enabled. Responses to later commands are kept for their readers.

        Raises:
            ProviderThrottled: the server does not open the mailbox now.
            errors of `imaplib`
        """
        sent, self.commands_awaiting_response = self.commands_awaiting_response, []
        for each in sent:
            _complete(imap, *each)
        enabled = imap.untagged_responses.pop("ENABLED", None) or [b""]
        return frozenset(b" ".join(enabled).decode("ascii", "replace").upper().split())


def log_in(imap: Any, host: str, login: LoginCredentials) -> Session:
    """Sign in on the connection `imap`, an object of `imaplib`, and send the commands ID and
    ENABLE. Call `Session.read_pending_responses` before you read the response to the next command.

    Raises:
        LoginRefused: the server explicitly refused the user name, the password or the token.
        ProviderThrottled: the server asks for a pause.
        ProviderUnavailable: the server did not say why it refused, or offers no usable login.
        errors of `imaplib`
    """
    if imap.state != "NONAUTH":  # PREAUTH: whose mailbox this is cannot be known
        raise ProviderUnavailable(
            f"The mail server {host} lets everybody in without a login. Stored mail stays readable."
        ) from NoUsableLoginError(f"{host} lets everybody in without a login.")
    offered = frozenset(imap.capabilities)
    _sign_in(imap, host, login, offered)
    # The list before the login is shorter, and proxies change it.
    if "CAPABILITY" not in imap.untagged_responses:
        _complete(imap, "CAPABILITY", imap._command("CAPABILITY"))
    listed = imap.untagged_responses.get("CAPABILITY") or [b""]
    capabilities = frozenset(listed[-1].decode("ascii", "replace").upper().split())
    return Session(capabilities, _switch_on(imap, capabilities))


def _switch_on(imap: Any, capabilities: frozenset[str]) -> list[tuple[str, bytes]]:
    """Send ID and ENABLE if the server offers them; return the name and tag of each sent command.

    ID and ENABLE share the round trip of the command that follows: ID has no effect on other
    commands (RFC 2971), and ENABLE may be pipelined with them (RFC 9051, section 6.3.1).

    163.com and QQ open no folder without ID (OfflineIMAP/offlineimap #696); iCloud shows
    HIGHESTMODSEQ only if ENABLE came before the first folder.
    """
    sent = []
    if "ID" in capabilities:
        sent.append(("ID", imap._command("ID", ID_COMMAND_ARGUMENT)))
    wanted = [each for each in _EXTENSIONS if each in capabilities]
    if wanted and "ENABLE" in capabilities:
        sent.append(("ENABLE", imap._command("ENABLE", *wanted)))
    return sent


def _complete(imap: Any, name: str, tag: bytes) -> None:
    """Wait for the end of a command, which the server may reject.

    Raises:
        ProviderThrottled: the server accepted the login and does not open the mailbox yet. Only the
            response to the first command after the login says so (imapsync/imapsync #411).
    """
    try:
        imap._command_complete(name, tag)
    except imap.abort:
        raise
    except imap.error as failure:
        if "not connected" in str(failure):
            raise ProviderThrottled(
                "The mail server accepted the login, and does not open the mailbox now.",
                retry_after_s=PAUSE_AFTER_AUTHENTICATED_NOT_CONNECTED_S,
            ) from None


def _sign_in(imap: Any, host: str, login: LoginCredentials, offered: frozenset[str]) -> None:
    text = ""
    for name, arguments, answers in _commands(host, login, offered):
        imap.literal = _Exchange(imap.abort, *answers).answer
        try:
            status, data = imap._simple_command(name, *arguments)
        except imap.abort:
            raise
        except imap.error as failure:
            text = str(failure)[:MAX_SEARCHED_REFUSAL_TEXT_BYTES]
            if "command error: BAD" not in text:
                raise
            continue  # BAD is no refusal: the next command may be understood
        if status == "OK":
            imap.state = "AUTH"
            return
        text = (
            data[0][:MAX_SEARCHED_REFUSAL_TEXT_BYTES].decode("utf-8", "replace")
            if data and data[0]
            else ""
        )
        break
    match classify_refusal(text):
        case LoginRefusalReason.PAUSE_REQUESTED:
            add_to_provider_metric(PROVIDER_THROTTLES, IMAP, 1)
            raise ProviderThrottled(
                f"The mail server {host} asks for a pause at the login.",
                retry_after_s=parse_requested_pause_s(text),
            ) from connection_limit_error_from_text(text)
        case LoginRefusalReason.UNKNOWN_REASON:
            raise ProviderUnavailable(
                f"The mail server {host} did not accept the login and named no reason that Mailsync"
                " knows. Stored mail stays readable; the sync is retried."
            ) from NoUsableLoginError(
                f"{host} did not accept the login and named no reason that Mailsync knows: check"
                " the user name and the password, and whether IMAP is switched on for the mailbox."
            )
        case refusal:
            raise LoginRefused(
                wants_app_password=refusal is LoginRefusalReason.APP_PASSWORD_REQUIRED
            )


def classify_refusal(text: str) -> LoginRefusalReason:
    """Return the reason for which a server refused a login.

    text: text of the server's response NO or BAD.
    """
    if _APP_PASSWORD.search(text):
        return LoginRefusalReason.APP_PASSWORD_REQUIRED
    if "AUTHENTICATIONFAILED" not in text.upper() and (
        parse_requested_pause_s(text) is not None or _TEMPORARY.search(text)
    ):
        return LoginRefusalReason.PAUSE_REQUESTED
    return (
        LoginRefusalReason.WRONG_PASSWORD
        if _REFUSALS.search(text)
        else LoginRefusalReason.UNKNOWN_REASON
    )


def _commands(
    host: str, login: LoginCredentials, offered: frozenset[str]
) -> Iterator[tuple[str, tuple[bytes, ...], Iterable[bytes]]]:
    """Yield the commands to try: name, arguments, and answers to continuation requests.

    For passwords LOGIN goes first: iCloud refuses AUTHENTICATE PLAIN with the right password
    (jstedfast/MailKit #295). A quoted argument of LOGIN is ASCII; SASL carries UTF-8 (RFC 4616).

    Raises:
        ProviderUnavailable: the server offers no command that fits the credentials.
    """
    user, secret = login.user_name.encode(), login.secret.encode()
    found = []
    if login.is_token:
        if "AUTH=XOAUTH2" in offered:
            bearer = b"user=%b\1auth=Bearer %b\1\1" % (user, secret)
            found.append(_sasl(b"XOAUTH2", bearer, offered))
        elif "AUTH=OAUTHBEARER" in offered:
            name = user.replace(b"=", b"=3D").replace(b",", b"=2C")
            bearer = b"n,a=%b,\1auth=Bearer %b\1\1" % (name, secret)
            found.append(_sasl(b"OAUTHBEARER", bearer, offered))
    else:
        can_quote = all(_QUOTABLE.fullmatch(each) for each in (user, secret))
        if "LOGINDISABLED" not in offered and can_quote:
            found.append(("LOGIN", (quote_string(user), quote_string(secret)), ()))
        if "AUTH=PLAIN" in offered:
            found.append(_sasl(b"PLAIN", b"\0%b\0%b" % (user, secret), offered))
        elif "LOGINDISABLED" not in offered and not can_quote:
            literals = (user + b" {%d}" % len(secret), secret)
            found.append(("LOGIN", (b"{%d}" % len(user),), literals))
    if not found:
        kind = "access tokens" if login.is_token else "passwords"
        raise ProviderUnavailable(
            f"The mail server {host} accepts no {kind}. Stored mail stays readable."
        ) from NoUsableLoginError(f"{host} accepts no {kind}.")
    yield from found


def _sasl(
    mechanism: bytes, response: bytes, offered: frozenset[str]
) -> tuple[str, tuple[bytes, ...], Iterable[bytes]]:
    encoded = b64encode(response)
    if "SASL-IR" in offered:
        return "AUTHENTICATE", (mechanism, encoded), ()
    return "AUTHENTICATE", (mechanism,), (encoded,)
