"""Sign in to a mailbox once, before its password is stored, and explain every failure to the person
who connects it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.providers.imap.address import TLS_PORT, ImapMailboxLocation
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_commands import list_folders
from mailsync.providers.imap.gmail_folders import (
    AllMailFolderHidden,
    find_gmail_folders,
    has_gmail_extensions,
)
from mailsync.providers.imap.known_servers import (
    KnownServer,
    find_known_server,
    find_server_of_address,
)
from mailsync.providers.imap.login import LoginRefused, NoUsableLoginError
from mailsync.providers.imap.servers import ImapSettings
from mailsync.providers.imap.transport import (
    InsecureOrUnreachableServerError,
    ServerExchangeDeadline,
)
from mailsync.providers.kit import (
    AppPasswordNeeded,
    MailboxIdentity,
    MailboxUnreadableError,
    MailServerUnusable,
    PasswordLogin,
    PasswordRejected,
)
from mailsync.settings import Settings

PASSWORD_CHECK_TIMEOUT_S = 12.0
"""The time limit in seconds of the whole check, from the look-up of the server to the list of
folders. The API answers within 15 s."""


def check_password(login: PasswordLogin, settings: Settings) -> MailboxIdentity:
    """Sign in to the mailbox, open its inbox, and return the mailbox's identity.

    Raises:
        errors of `PasswordKit.check_password`
    """
    known = find_server_of_address(login.user_name)
    host = (login.host or (known.host if known else "")).lower().rstrip(".")
    if not host:
        raise MailServerUnusable(
            "Mailsync does not know the mail server of this address: name it as host, such as"
            " imap.example.org."
        )
    known = find_known_server(host)
    if known and not known.accepts_passwords:
        raise AppPasswordNeeded(known.sign_in_advice)
    address = ImapMailboxLocation(host, login.port or TLS_PORT, _spelling(login.user_name, known))
    deadline = ServerExchangeDeadline(PASSWORD_CHECK_TIMEOUT_S)
    with _explained(address, deadline):
        has_labels = _sign_in(address, login.password, settings, deadline, known)
    address = replace(address, is_mirrored_with_gmail_labels=has_labels)
    named = address.user_name if "@" in address.user_name else f"{address.user_name}@{host}"
    return MailboxIdentity(
        address.to_remote_id(), named, address.to_remote_id_in_other_label_mode()
    )


def _spelling(user_name: str, known: KnownServer | None) -> str:
    """Return the one spelling of the user name by which Mailsync identifies the mailbox, so that
    another spelling does not become another account.

    Well-known providers ignore the case of the whole name. At other servers only the case of the
    domain is ignored.
    """
    local_part, at, domain = user_name.rpartition("@")
    return user_name.lower() if known else f"{local_part}{at}{domain.lower() if at else domain}"


def _sign_in(
    address: ImapMailboxLocation,
    password: str,
    settings: Settings,
    deadline: ServerExchangeDeadline,
    known: KnownServer | None,
) -> bool:
    """Sign in and open the inbox. Return whether the mailbox has Gmail's labels."""
    servers = settings.read_settings_section(ImapSettings).allowed_servers
    ip_addresses = deadline.run_in_thread_until_deadline(
        lambda: servers.find_allowed_ip_addresses(address.host, address.port)
    )
    context = settings.provider_tls_context()
    advice = known.sign_in_advice if known else ""
    connection = ImapConnection(address, ip_addresses, context, deadline)
    # Explained before LOGOUT, for which a server may let the client wait until the deadline.
    with connection, _explained(address, deadline):
        try:
            connection.login(address.user_name, password)
        except LoginRefused as refused:
            kind = AppPasswordNeeded if refused.wants_app_password else PasswordRejected
            raise kind(advice) from None
        except ProviderUnavailable as failure:
            # QQ says one sentence to a wrong password and to a busy system.
            if known and isinstance(failure.__cause__, NoUsableLoginError):
                raise PasswordRejected(advice) from None
            raise
        try:
            connection.examine(b"INBOX")
        except ProviderRejected:
            raise MailboxUnreadableError(
                f"The sign-in at {address.host} succeeded, but the server does not open the inbox."
                f" {advice}".rstrip()
            ) from None
        if not has_gmail_extensions(connection.capabilities):
            return False
        try:
            find_gmail_folders(list_folders(connection).own_folders)
        except AllMailFolderHidden as hidden:
            raise MailboxUnreadableError(str(hidden)) from None
        return True


@contextmanager
def _explained(address: ImapMailboxLocation, deadline: ServerExchangeDeadline) -> Iterator[None]:
    """Turn failures in the `with` block that the person can correct into MailServerUnusable. Its
    text is a sentence for the person."""
    where = f"{address.host} at port {address.port}"
    slow = f"{where} did not answer in time: correct the server or the port, or try again later."
    try:
        yield
    except TimeoutError:
        raise MailServerUnusable(
            f"The name {address.host} could not be looked up in time: try again later."
        ) from None
    except (ProviderUnavailable, ProviderRejected) as failure:
        cause = failure.__cause__
        if deadline.has_passed or isinstance(cause, TimeoutError):
            raise MailServerUnusable(slow) from None
        if isinstance(cause, InsecureOrUnreachableServerError | NoUsableLoginError):
            raise MailServerUnusable(str(cause)) from None
        if cause is None:
            raise
        raise MailServerUnusable(
            f"{where} does not answer as a mail server does (IMAP), or ended the connection:"
            " correct the server or the port, or try again later."
        ) from None
