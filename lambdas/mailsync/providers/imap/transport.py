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

from mailsync.providers.imap.address import STARTTLS_PORT, TLS_PORT, ImapMailboxLocation
from mailsync.providers.imap.wire import SizeLimitedImap

CONNECT_TIMEOUT_S = 10.0
"""The maximum time for the TCP connection in seconds, over all addresses of the server together."""
TLS_TIMEOUT_S = 20.0
"""The maximum time for the whole TLS handshake in seconds, also if the server sends it byte by
byte."""
MAX_IP_ADDRESSES_TRIED_PER_SERVER = 4
"""The maximum number of a server's IP addresses that are tried."""
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


class InsecureOrUnreachableServerError(OSError):
    """Error: the mail server that a person named cannot be used. The text is a sentence for this
    person."""


class ServerExchangeDeadline:
    """The time at which the exchange with one server ends, whatever is in progress then.

    A time-out for each read would not suffice: a server could send a byte every few seconds.
    """

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def remaining_s(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    @property
    def has_passed(self) -> bool:
        return self.remaining_s == 0

    def run_in_thread_until_deadline(self, task: Callable[[], _Result]) -> _Result:
        """Run a task that has no time-out of its own, such as the look-up of a host name, and
        return its result.

        Raises:
            TimeoutError: the deadline passed before the task had a result. The task continues in a
                thread.
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
    def shut_down_socket_when_passed(self, connected: socket.socket) -> Iterator[None]:
        """Start a timer for the `with` block: if the deadline passes during the block, the timer
        ends the connection, even within a TLS handshake. The timer does not block the caller."""
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


def open_socket(ip_addresses: Sequence[str], address: ImapMailboxLocation) -> socket.socket:
    """Connect to the first IP address that accepts the connection.

    Raises:
        InsecureOrUnreachableServerError: no address accepts the connection in time.
    """
    end = time.monotonic() + CONNECT_TIMEOUT_S
    tried = ip_addresses[:MAX_IP_ADDRESSES_TRIED_PER_SERVER]
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
        raise InsecureOrUnreachableServerError(
            f"{where} accepts no connections: correct the server or the port, which is {TLS_PORT}"
            " at most providers."
        )
    raise InsecureOrUnreachableServerError(
        f"{where} cannot be reached: correct the server or the port."
    )


def start_implicit_tls(
    connected: socket.socket, address: ImapMailboxLocation, context: ssl.SSLContext
) -> ssl.SSLSocket:
    """Start TLS as the first thing on a connection (implicit TLS, port 993).

    Raises:
        InsecureOrUnreachableServerError: the certificate cannot be verified, or the server uses no
            TLS at this port.
    """
    with (
        _tls_faults(address),
        ServerExchangeDeadline(TLS_TIMEOUT_S).shut_down_socket_when_passed(connected),
    ):
        return context.wrap_socket(connected, server_hostname=address.host)


def start_tls_by_command(
    imap: SizeLimitedImap, address: ImapMailboxLocation, context: ssl.SSLContext
) -> None:
    """Start TLS with the command STARTTLS on a connection that began without TLS.

    Raises:
        InsecureOrUnreachableServerError: the server does not offer or start TLS, or its certificate
            cannot be verified.
    """
    refusal = InsecureOrUnreachableServerError(
        f"{address.host} offers no encryption at port {address.port}, so Mailsync does not send it"
        f" a password: use port {TLS_PORT}."
    )
    if "STARTTLS" not in imap.capabilities:
        raise refusal
    with (
        _tls_faults(address),
        ServerExchangeDeadline(TLS_TIMEOUT_S).shut_down_socket_when_passed(imap.sock),
    ):
        try:
            imap.starttls(context)
        except IMAP4.abort:
            raise
        except IMAP4.error:  # also after PREAUTH, which an attacker in between could send
            raise refusal from None


@contextmanager
def _tls_faults(address: ImapMailboxLocation) -> Iterator[None]:
    try:
        yield
    except ssl.SSLCertVerificationError as failure:
        fault = _CERTIFICATE_FAULTS.get(
            failure.verify_code, f"cannot be verified ({failure.verify_message.strip('.')})"
        )
        raise InsecureOrUnreachableServerError(
            f"The certificate of {address.host} {fault}, so Mailsync does not send it a password:"
            " correct the name of the server, or ask its operator for a valid certificate."
        ) from failure
    except ssl.SSLEOFError:
        raise
    except ssl.SSLError as failure:
        raise InsecureOrUnreachableServerError(
            f"{address.host} at port {address.port} does not answer in TLS, so Mailsync does not"
            f" send it a password: use its port with TLS, {TLS_PORT}, or {STARTTLS_PORT} with"
            " STARTTLS."
        ) from failure
