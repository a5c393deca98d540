"""End an IMAP session, without keeping the caller waiting for the server's farewell."""

from contextlib import suppress
from threading import Thread

from mailsync.providers.imap.wire import SizeLimitedImap

LOGOUT_TIMEOUT_S = 5.0


def log_out(imap: SizeLimitedImap) -> None:
    """Send LOGOUT without waiting for the response. A thread closes the connection when the server
    has closed it, or has been silent for LOGOUT_TIMEOUT_S.

    If the client closed the connection immediately, the server's BYE would be answered with a TCP
    reset. No later work needs the thread or its connection. If the Lambda function is frozen
    meanwhile, the thread continues in the next invocation.
    """
    imap.command_timeout_s = LOGOUT_TIMEOUT_S
    imap.state = "LOGOUT"
    imap._command("LOGOUT")

    def read_bye() -> None:
        with suppress(Exception):
            while True:  # until the server closes the connection
                imap._get_response()
        close_without_logout(imap)

    Thread(target=read_bye, name="logout", daemon=True).start()


def close_without_logout(imap: SizeLimitedImap) -> None:
    """Close the connection without LOGOUT. No failure raises an error."""
    with suppress(Exception):
        imap.shutdown()
