"""Run the commands that need no folder: capabilities, login, extensions (RFC 3501, section 6)."""

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator

from localdev.simulators.imap.command import (
    BadCommand,
    Command,
    parse_text_argument,
    parse_uppercase_text_argument,
)
from localdev.simulators.imap.options import MAX_LITERAL_BYTES, ImapOptions
from localdev.simulators.imap.response import (
    CommandRejectedError,
    PrerenderedResponse,
    UntaggedResponse,
    format_imap_string,
)
from localdev.simulators.imap.session import CommandHandler, Session
from localdev.simulators.imap.store import ImapMailbox

_ENABLED_WITH = {
    "CONDSTORE": {"CONDSTORE"},
    "QRESYNC": {"QRESYNC", "CONDSTORE"},
    "UTF8=ACCEPT": {"UTF8=ACCEPT"},
}
"""The extensions that ENABLE switches on, by the name in the command. QRESYNC includes CONDSTORE
(RFC 7162, section 3.2.3)."""
_TOKEN = re.compile(rb"auth=Bearer ([^\x01]+)\x01")
_USER = re.compile(rb"(?:user=|n,a=)([^\x01]+?),?\x01")
_TOKEN_REFUSED = b'{"status":"401","schemes":"bearer","scope":"https://outlook.office.com/"}'


def format_offered_capabilities(session: Session) -> str:
    """Return the capabilities that the server offers at this point of the connection, as text.

    Before TLS the server offers STARTTLS and no authentication. After the login it no longer offers
    authentication mechanisms (`AUTH=...`).
    """
    offered = session.options.extensions
    if session.mailbox is not None:
        names = [each for each in offered if not each.startswith("AUTH=")]
    elif session.wire.is_encrypted:
        names = [each for each in offered if each.startswith("AUTH=") or each in _BEFORE_LOGIN]
    else:
        names = ["STARTTLS", "LOGINDISABLED", *(each for each in offered if each in _BEFORE_LOGIN)]
    return " ".join(["IMAP4rev1", *names])


_BEFORE_LOGIN = ("LITERAL+", "SASL-IR", "ID", "ENABLE")


def _capability(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    yield PrerenderedResponse(
        "CAPABILITY", f"CAPABILITY {format_offered_capabilities(session)}".encode()
    )


def _noop(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    yield from session.generate_folder_change_responses(may_expunge=True)


def _check(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    session.require_open_folder()
    yield from session.generate_folder_change_responses(may_expunge=True)


def _logout(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    yield PrerenderedResponse("BYE", b"BYE Logging out")


def _id(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    session.require_extension("ID")
    yield PrerenderedResponse("ID", b'ID ("name" "Mailsync simulator")')


def _namespace(session: Session, _: Command) -> Iterator[UntaggedResponse | str]:
    session.require_extension("NAMESPACE")
    options: ImapOptions = session.require_logged_in_mailbox().options
    line = b"NAMESPACE ((%b %b)) NIL NIL" % (
        format_imap_string(options.prefix),
        format_imap_string(options.separator),
    )
    yield PrerenderedResponse("NAMESPACE", line)


def _enable(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    session.require_extension("ENABLE")
    session.require_logged_in_mailbox()
    if not command.arguments:
        raise BadCommand("ENABLE needs the names of extensions.")
    names = []
    for name in map(parse_uppercase_text_argument, command.arguments):
        if name in _ENABLED_WITH and session.options.has_extension(name):
            session.enabled_extensions |= _ENABLED_WITH[name]
            names.append(name)
    yield PrerenderedResponse("ENABLED", " ".join(["ENABLED", *names]).encode())


def _starttls(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    if session.wire.is_encrypted or session.mailbox is not None:
        raise BadCommand("TLS is active already.")
    session.wire.write_line(f"{command.tag} OK Begin TLS negotiation now.".encode())
    session.backend.switch_connection_to_tls(session.wire)
    yield STARTTLS_OK_ALREADY_SENT_SENTINEL


STARTTLS_OK_ALREADY_SENT_SENTINEL = "\0"
"""What the handler of STARTTLS yields in place of the text of the tagged OK response. That response
was already sent, before the handshake."""


def _login(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    _require_login_is_possible(session)
    if len(command.arguments) != 2:
        raise BadCommand("LOGIN needs a user name and a password.")
    user_name, password = map(parse_text_argument, command.arguments)
    yield _logged_in(session, user_name, password=password)


def _authenticate(session: Session, command: Command) -> Iterator[UntaggedResponse | str]:
    _require_login_is_possible(session)
    if not 1 <= len(command.arguments) <= 2:
        raise BadCommand("AUTHENTICATE needs a mechanism.")
    mechanism = parse_uppercase_text_argument(command.arguments[0])
    if not session.options.has_extension(f"AUTH={mechanism}"):
        raise CommandRejectedError("Unsupported authentication mechanism.")
    if len(command.arguments) == 2:
        session.require_extension("SASL-IR")
        response = parse_text_argument(command.arguments[1]).encode()
    else:
        response = _challenge(session, b"")
    content = _decoded(response)
    if mechanism == "PLAIN":
        words = content.split(b"\0")
        if len(words) != 3:
            raise CommandRejectedError("Authentication failed.", "AUTHENTICATIONFAILED")
        user_name, password = (word.decode("utf-8", "replace") for word in words[1:])
        yield _logged_in(session, user_name, password=password)
    else:
        yield _logged_in_by_token(session, content)


def _logged_in_by_token(session: Session, content: bytes) -> str:
    user, token = _USER.search(content), _TOKEN.search(content)
    try:
        if not (user and token):
            raise CommandRejectedError("Authentication failed.", "AUTHENTICATIONFAILED")
        user_name = user[1].decode("utf-8", "replace")
        return _logged_in(session, user_name, token=token[1].decode("ascii", "replace"))
    except CommandRejectedError:
        # The client acknowledges the error with an empty line, and then gets NO.
        _challenge(session, _TOKEN_REFUSED)
        raise


def _logged_in(
    session: Session, user_name: str, *, password: str | None = None, token: str | None = None
) -> str:
    backend = session.backend
    if token is not None:
        mailbox = backend.authenticate_by_token(user_name, token)
    else:
        mailbox = backend.authenticate_by_password(user_name, password or "")
    session.options = backend.options_for_mailbox(mailbox)
    session.mailbox = ImapMailbox(mailbox, session.options)
    session.wire.max_literal_bytes = MAX_LITERAL_BYTES
    return f"[CAPABILITY {format_offered_capabilities(session)}] Logged in"


def _require_login_is_possible(session: Session) -> None:
    if session.mailbox is not None:
        raise BadCommand("You are logged in already.")
    if not session.wire.is_encrypted:
        raise CommandRejectedError(
            "Plaintext authentication disallowed without TLS.", "PRIVACYREQUIRED"
        )


def _challenge(session: Session, content: bytes) -> bytes:
    session.wire.write_line(b"+ " + b64encode(content))
    session.wire.flush()
    return session.wire.read_line()


def _decoded(response: bytes) -> bytes:
    if response == b"*":
        raise BadCommand("Authentication aborted by client.")
    try:
        return b64decode(response.replace(b"=", b"") + b"=" * (-len(response.rstrip(b"=")) % 4))
    except binascii.Error:
        raise BadCommand("Invalid base64 data in an authentication response.") from None


SESSION_COMMAND_HANDLERS: dict[str, CommandHandler] = {
    "CAPABILITY": _capability,
    "NOOP": _noop,
    "CHECK": _check,
    "LOGOUT": _logout,
    "ID": _id,
    "NAMESPACE": _namespace,
    "ENABLE": _enable,
    "STARTTLS": _starttls,
    "LOGIN": _login,
    "AUTHENTICATE": _authenticate,
}
