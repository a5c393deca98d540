"""Connect to a mail server whose IP addresses were checked, and start TLS.

No password is sent without verified TLS. On port 143 the connection begins without TLS, and nothing
that the server sent before the handshake is used after it (RFC 9051, 11.1).
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from imaplib import IMAP4
from typing import TypeVar

from mailsync.providers.imap.address import STARTTLS_PORT, TLS_PORT, MailboxAddress
from mailsync.providers.imap.wire import LimitedImap

CONNECT_TIMEOUT_S = 10.0
"""Seconds for the TCP connection, over all addresses of the server."""
TLS_TIMEOUT_S = 20.0
"""Seconds for the TLS handshake, however often the server sends a byte of it."""
MAX_ADDRESSES = 4
"""Number of a server's addresses that are tried."""
_CERTIFICATE_FAULTS: Mapping[int, str] = {
    9: "is not valid yet",
    10: "has expired",
    18: "is self-signed",
    19: "is signed by an unknown authority of its own",
    20: "is signed by an unknown authority, or the server does not send the certificates between",
    21: "is signed by an unknown authority, or the server does not send the certificates between",
    23: "was revoked",
    62: "is of another name",
    64: "is of another name",
}
"""Faults by OpenSSL's code of a failed verification (openssl-verification-options(1))."""
_Result = TypeVar("_Result")


class ServerUnusable(OSError):
    """The server cannot be used as it was named. The text is a sentence for the person."""


class Deadline:
    """A time after which the exchange with one server ends, wherever it is at that moment.

    A time-out of each read would not suffice: a server can send a byte every few seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining_s(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        return self.remaining_s == 0

    def run(self, task: Callable[[], _Result]) -> _Result:
        """Return the result of a task that has no time-out of its own, such as a look-up of a name.

        Raises:
            TimeoutError: the task has no result yet; it goes on in a thread of its own.
        """
        results: list[_Result | BaseException] = []

        def collect() -> None:
            try:
                results.append(task())
            except BaseException as failure:  # raised again below, in the caller's thread
                results.append(failure)

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        thread.join(self.remaining_s)
        if not results:
            raise TimeoutError
        if isinstance(results[0], BaseException):
            raise results[0]
        return results[0]

    @contextmanager
    def watch(self, connected: socket.socket) -> Iterator[None]:
        """End the connection when the deadline passes, also within a TLS handshake."""
        # A duplicate: TLS takes the descriptor out of the socket that it wraps.
        with connected.dup() as same:

            def end() -> None:
                with suppress(OSError):
                    same.shutdown(socket.SHUT_RDWR)

            timer = threading.Timer(self.remaining_s, end)
            timer.daemon = True
            timer.start()
            try:
                yield
            finally:
                timer.cancel()
                timer.join()


def open_socket(ip_addresses: Sequence[str], address: MailboxAddress) -> socket.socket:
    """Connect to the first address that accepts the connection.

    Raises:
        ServerUnusable: none accepts it in time.
    """
    end = time.monotonic() + CONNECT_TIMEOUT_S
    tried = ip_addresses[:MAX_ADDRESSES]
    failures: list[OSError] = []
    for number, each in enumerate(tried):
        share_s = max((end - time.monotonic()) / (len(tried) - number), 0.1)
        try:
            connected = socket.create_connection((each, address.port), timeout=share_s)
        except OSError as failure:
            failures.append(failure)
            continue
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    where = f"{address.host} at port {address.port}"
    if any(isinstance(each, ConnectionRefusedError) for each in failures):
        raise ServerUnusable(
            f"{where} accepts no connections: correct the server or the port, which is {TLS_PORT}"
            " at most providers."
        )
    raise ServerUnusable(f"{where} cannot be reached: correct the server or the port.")


def start_tls_at_once(
    connected: socket.socket, address: MailboxAddress, context: ssl.SSLContext
) -> ssl.SSLSocket:
    """Start TLS on a connection that begins with it.

    Raises:
        ServerUnusable: the certificate cannot be verified, or the server uses no TLS at this port.
    """
    with _tls_faults(address), Deadline(TLS_TIMEOUT_S).watch(connected):
        return context.wrap_socket(connected, server_hostname=address.host)


def start_tls_by_command(
    imap: LimitedImap, address: MailboxAddress, context: ssl.SSLContext
) -> None:
    """Start TLS on a connection that begins without it (STARTTLS).

    Raises:
        ServerUnusable: the server does not offer or start TLS, so nothing secret is sent to it.
    """
    refusal = ServerUnusable(
        f"{address.host} offers no encryption at port {address.port}, so Mailsync does not send it"
        f" a password: use port {TLS_PORT}."
    )
    if "STARTTLS" not in imap.capabilities:
        raise refusal
    with _tls_faults(address), Deadline(TLS_TIMEOUT_S).watch(imap.sock):
        try:
            imap.starttls(context)
        except IMAP4.abort:
            raise
        except IMAP4.error:  # also after PREAUTH, which an attacker in between could send
            raise refusal from None


@contextmanager
def _tls_faults(address: MailboxAddress) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as failure:
        fault = _CERTIFICATE_FAULTS.get(
            failure.verify_code, f"cannot be verified ({failure.verify_message.strip('.')})"
        )
        raise ServerUnusable(
            f"The certificate of {address.host} {fault}, so Mailsync does not send it a password:"
            " correct the name of the server, or ask its operator for a valid certificate."
        ) from failure
    except ssl.SSLEOFError:
        raise
    except ssl.SSLError as failure:
        raise ServerUnusable(
            f"{address.host} at port {address.port} does not answer in TLS, so Mailsync does not"
            f" send it a password: use its port with TLS, {TLS_PORT}, or {STARTTLS_PORT} with"
            " STARTTLS."
        ) from failure
