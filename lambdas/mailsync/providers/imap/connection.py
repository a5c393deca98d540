"""Talk to an IMAP server: one connection, with limits on time and memory, and every failure as an
error of the product."""

import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError
from imapclient.response_parser import parse_fetch_response

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.listing import (
    FolderList,
    Namespaces,
    parse_namespaces,
    parse_status_line,
    to_folder_list,
)
from mailsync.providers.imap.uids import format_uid_sets, parse_uid_ranges

CONNECT_TIMEOUT_S, READ_TIMEOUT_S = 10.0, 30.0
MAX_LITERAL_BYTES = 64 * 2**20
_BUSY = re.compile(r"\[(?:LIMIT|INUSE|UNAVAILABLE|OVERQUOTA|THROTTLED)\]|too many|throttled", re.I)
_BACKOFF_MS = re.compile(r"Backoff Time: (\d{1,9})", re.I)
_NUMBERS_OF_EXAMINE = ("EXISTS", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ")
COMMANDS_TOGETHER = 20
"""Commands that are sent without waiting for the answer to each."""
FetchedItems = Mapping[bytes, Any]


class LoginRefused(Exception):
    """The server refused the user name, the password or the access token."""


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """What a server says of a folder when it is opened. mod_seq: None: no usable mod-sequence."""

    name: bytes
    uid_validity: int
    uid_next: int
    message_count: int
    mod_seq: int | None


class _Client(IMAPClient):  # type: ignore[misc]
    """An IMAPClient whose socket is given. IMAPClient would look the host up again."""

    def __init__(self, address: MailboxAddress, connected: socket.socket) -> None:
        self._connected = connected
        super().__init__(address.host, address.port, ssl=False, timeout=READ_TIMEOUT_S)
        self.folder_encode = False
        self.normalise_times = False
        self._imap.debug = 0

    def _create_IMAP4(self) -> Any:  # noqa: N802
        from imaplib import IMAP4

        connected = self._connected

        class Imap(IMAP4):
            def _create_socket(self, timeout: float | None) -> socket.socket:
                return connected

            def read(self, size: int) -> bytes:
                if size > MAX_LITERAL_BYTES:
                    raise self.abort(f"a literal of {size} bytes")
                return super().read(size)

        return Imap(self.host, self.port)


class ImapConnection:
    """A connection to the server, from the greeting to LOGOUT; also a context manager.

    request_count: commands sent so far.

    Every method raises:
        ProviderUnavailable: the server failed, is silent or sent an unusable response.
        ProviderThrottled: the server asks for a pause.
        ProviderRejected: the server rejects the command.
    """

    def __init__(
        self, address: MailboxAddress, ip_addresses: Sequence[str], context: ssl.SSLContext
    ) -> None:
        self.request_count = 0
        self._host = address.host
        with self._failures("connect"):
            connected = _connect(ip_addresses, address.port)
            if address.begins_with_tls:
                connected = context.wrap_socket(connected, server_hostname=address.host)
            self._client = _Client(address, connected)
            if not address.begins_with_tls:
                self._client.starttls(context)
        self._imap = self._client._imap
        self.capabilities: frozenset[str] = frozenset()
        self._extensions: frozenset[str] | None = None

    def login(self, user_name: str, password: str) -> None:
        """Sign in, and read the capabilities anew.

        Raises:
            LoginRefused: the server refused the user name or the password.
        """
        with self._failures("LOGIN"):
            try:
                self._client.login(user_name, password)
            except LoginError as refused:
                if _BUSY.search(str(refused)):
                    raise
                raise LoginRefused from None
            self.capabilities = frozenset(
                each.decode("ascii", "replace").upper() for each in self._client.capabilities()
            )

    @property
    def has_qresync(self) -> bool:
        return "QRESYNC" in (self._extensions or ())

    def list_folders(self) -> FolderList:
        """List all folders, with their numbers as far as the server sends them with the list."""
        options = ["SPECIAL-USE"] if "SPECIAL-USE" in self.capabilities else []
        if "LIST-STATUS" in self.capabilities:
            options.append(f"STATUS {self._status_items}")
        commands = [("LIST", '""', '"*"', *([f"RETURN ({' '.join(options)})"] if options else []))]
        if "NAMESPACE" in self.capabilities:
            commands.append(("NAMESPACE",))
        refusals, responses = self._run_together(commands)
        if refusals[0] and options:  # Zoho rejects an option that it advertises
            refusals, responses = self._run_together([commands[0][:3], *commands[1:]])
        if refusals[0]:
            raise ProviderRejected(f"The mail server {self._host} rejects LIST: {refusals[0]}")
        namespaces = [parse_namespaces(each) for each in _lines(responses.get("NAMESPACE", []))]
        return to_folder_list(
            _lines(responses.get("LIST", [])),
            _lines(responses.get("STATUS", [])),
            namespaces[-1] if namespaces else Namespaces(),
        )

    def read_statuses(self, folders: Sequence[bytes]) -> dict[bytes, Mapping[str, int] | str]:
        """Return the numbers of folders by name, as `ListedFolder.status`; of a folder whose status
        the server refuses, its answer."""
        found: dict[bytes, Mapping[str, int] | str] = {}
        for start in range(0, len(folders), COMMANDS_TOGETHER):
            names = folders[start : start + COMMANDS_TOGETHER]
            commands = [("STATUS", _quoted_bytes(each), self._status_items) for each in names]
            refusals, responses = self._run_together(commands)
            numbers = dict(map(parse_status_line, _lines(responses.get("STATUS", []))))
            for name, refusal in zip(names, refusals, strict=True):
                found[name] = refusal if refusal is not None else numbers.get(name, {})
        return found

    @property
    def _status_items(self) -> str:
        mod_seq = " HIGHESTMODSEQ" if "CONDSTORE" in self.capabilities else ""
        return f"(MESSAGES UNSEEN UIDNEXT UIDVALIDITY{mod_seq})"

    def examine(self, folder: bytes) -> OpenFolder:
        """Open a folder so that reading changes nothing.

        Raises:
            ProviderRejected: the server gives the folder no UIDVALIDITY, so UIDs identify nothing.
        """
        self._enable_extensions()
        self._imap.is_readonly = True  # else imaplib raises an error at each command after EXAMINE
        responses = self._command("EXAMINE", _quoted_bytes(folder))
        self._imap.state = "SELECTED"
        found = {name: _last_number(responses, name) for name in _NUMBERS_OF_EXAMINE}
        numbers = {name: number for name, number in found.items() if number is not None}
        if "UIDVALIDITY" not in numbers or "UIDNEXT" not in numbers:
            status = self.read_statuses([folder])[folder]
            numbers = (dict(status) if isinstance(status, Mapping) else {}) | numbers
        if "UIDVALIDITY" not in numbers or "EXISTS" not in numbers:
            raise ProviderRejected(
                "The mail server gives this folder no UIDVALIDITY or no number of messages, so its"
                " messages cannot be told apart. Mail that is stored stays."
            )
        uid_next = numbers.get("UIDNEXT")
        if uid_next is None:
            uid_next = max(self.search("UID 1:4294967295"), default=0) + 1
        mod_seq = numbers.get("HIGHESTMODSEQ") if "CONDSTORE" in self.capabilities else None
        return OpenFolder(
            folder, numbers["UIDVALIDITY"], uid_next, numbers["EXISTS"], mod_seq or None
        )

    def _enable_extensions(self) -> None:
        """Switch on CONDSTORE and QRESYNC before the first folder is opened; later it is too late
        for some servers. A check that opens no folder saves the command."""
        if self._imap.state != "AUTH" or self._extensions is not None:
            return
        self._extensions = frozenset()
        wanted = [each for each in ("CONDSTORE", "QRESYNC") if each in self.capabilities]
        if wanted and "ENABLE" in self.capabilities:
            _, responses = self._run_together([("ENABLE", *wanted)])
            words = b" ".join(_lines(responses.get("ENABLED", []))).upper().split()
            self._extensions = frozenset(each.decode("ascii", "replace") for each in words)

    def search(self, criteria: str) -> list[int]:
        """Return the UIDs that match, in ascending order."""
        responses = self._command("UID", "SEARCH", criteria)
        found = {int(each) for line in _lines(responses.get("SEARCH", [])) for each in line.split()}
        return sorted(found)

    def fetch(
        self, uids: Iterable[int], items: str, modifiers: str = ""
    ) -> dict[int, FetchedItems]:
        """Return what the server sends of these messages, by UID."""
        found: dict[int, FetchedItems] = {}
        for uid_set in format_uid_sets(uids):
            found |= self._fetch(uid_set, items, modifiers)[0]
        return found

    def fetch_changes(
        self, mod_seq: int, items: str, below: int
    ) -> tuple[dict[int, FetchedItems], list[range]]:
        """Return the messages that changed after this mod-sequence, and the UIDs that vanished.

        below: UID above those that are wanted. It is a number: `*` is the highest UID that still
            exists, so the removal of a higher one would not be reported (cyrusimap/cyrus-imapd
            #6071).

        If the server rejects the request for vanished UIDs, it is not asked for them again on this
        connection (cyrusimap/cyrus-imapd #4787).
        """
        uid_set, since = f"1:{below - 1}", f"CHANGEDSINCE {mod_seq}"
        if self.has_qresync:
            try:
                return self._fetch(uid_set, items, f"({since} VANISHED)")
            except ProviderRejected:
                self._extensions = frozenset()
        return self._fetch(uid_set, items, f"({since})")

    def close(self) -> None:
        with suppress(Exception):
            self._client.logout()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fetch(
        self, uid_set: str, items: str, modifiers: str
    ) -> tuple[dict[int, FetchedItems], list[range]]:
        responses = self._command(
            "UID", "FETCH", uid_set, items, *([modifiers] if modifiers else [])
        )
        with self._failures("FETCH"):
            parsed = parse_fetch_response(responses.get("FETCH") or [None], False, True)
        vanished = [
            each
            for line in _lines(responses.get("VANISHED", []))
            for each in parse_uid_ranges(line.rpartition(b" ")[2])
        ]
        return {uid: values for uid, values in parsed.items() if b"FLAGS" in values}, vanished

    def _command(self, name: str, *arguments: str | bytes) -> Mapping[str, list[Any]]:
        """Send a command; return the untagged responses by name."""
        with self._failures(name):
            self.request_count += 1
            self._imap.untagged_responses.clear()
            typ, data = self._imap._simple_command(name, *arguments)
            if typ != "OK":
                raise IMAPClientError(f"{name} failed: {data[0].decode('ascii', 'replace')}")
            return dict(self._imap.untagged_responses)

    def _run_together(
        self, commands: Sequence[tuple[str | bytes, ...]]
    ) -> tuple[list[str | None], Mapping[str, list[Any]]]:
        """Send commands without waiting for the answer to each. Return the answer to each that the
        server rejects, None in place of the others, and all untagged responses by name."""
        with self._failures(str(commands[0][0])):
            self.request_count += len(commands)
            self._imap.untagged_responses.clear()
            tags = [self._imap._command(*each) for each in commands]
            refusals: list[str | None] = []
            for tag in tags:
                typ, data = self._imap._get_tagged_response(tag)
                text = data[0].decode("utf-8", "replace")
                if typ != "OK" and _BUSY.search(text):
                    raise IMAPClientError(text)
                refusals.append(None if typ == "OK" else text[:200])
            return refusals, dict(self._imap.untagged_responses)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except (IMAPClientAbortError, OSError, ValueError, LookupError) as failure:
            cause = type(failure).__name__
            raise ProviderUnavailable(
                f"The mail server {self._host} failed during {what} ({cause}); trying again."
            ) from failure
        except IMAPClientError as failure:
            text = str(failure)
            if not _BUSY.search(text):
                raise ProviderRejected(
                    f"The mail server {self._host} rejects {what}; its answer: {text[:200]}"
                ) from failure
            pause = _BACKOFF_MS.search(text)
            raise ProviderThrottled(
                f"The mail server {self._host} asks for a pause.",
                retry_after_s=int(pause[1]) / 1000 if pause else None,
            ) from failure


def _connect(ip_addresses: Sequence[str], port: int) -> socket.socket:
    """Connect to the first address that accepts the connection."""
    for each in ip_addresses[:-1]:
        with suppress(OSError):
            return socket.create_connection((each, port), timeout=CONNECT_TIMEOUT_S)
    return socket.create_connection((ip_addresses[-1], port), timeout=CONNECT_TIMEOUT_S)


def _lines(responses: Iterable[Any]) -> Iterator[bytes]:
    """Yield untagged responses, each with its literals in place."""
    line = b""
    for each in responses:
        if isinstance(each, tuple):
            line += re.sub(rb"\{\d+\+?\}$", b"", each[0]) + _quoted_bytes(each[1])
        elif each is not None:
            yield line + each
            line = b""


def _quoted_bytes(text: bytes) -> bytes:
    return b'"' + re.sub(rb'([\\"])', rb"\\\1", text) + b'"'


def _last_number(responses: Mapping[str, list[Any]], name: str) -> int | None:
    """Return the number of an untagged response or response code. None: none is readable."""
    last = (responses.get(name) or [None])[-1]
    return int(last) if isinstance(last, bytes) and re.fullmatch(rb"\d{1,19}", last) else None
