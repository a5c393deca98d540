"""Talk to an IMAP server: one connection, with limits on time and memory, and every failure as an
error of the product."""

import re
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError
from imapclient.response_parser import parse_fetch_response, parse_response

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.login import Login, open_session
from mailsync.providers.imap.transport import (
    Deadline,
    ServerUnusable,
    open_socket,
    start_tls_at_once,
    start_tls_by_command,
)
from mailsync.providers.imap.uids import format_uid_sets, parse_uid_ranges

READ_TIMEOUT_S = 30.0
MAX_LITERAL_BYTES = 64 * 2**20
_LIST_LINE = re.compile(
    rb'\((?P<flags>[^)]*)\) (?P<separator>NIL|"(?:\\?.)") (?P<name>.+)', re.DOTALL
)
_BUSY = re.compile(r"\[(?:LIMIT|INUSE|UNAVAILABLE|OVERQUOTA|THROTTLED)\]|too many|throttled", re.I)
_BACKOFF_MS = re.compile(r"Backoff Time: (\d{1,9})", re.I)
FetchedItems = Mapping[bytes, Any]


@dataclass(frozen=True, slots=True)
class ListedFolder:
    """A line of the server's list. separator: None: the folder can have no children."""

    name: bytes
    separator: bytes | None
    flags: frozenset[str]
    status: Mapping[str, int]


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

            def _get_capabilities(self) -> None:
                """Use what the greeting says, which saves a round trip."""
                listed: Any = self.untagged_responses.pop("CAPABILITY", None)
                if not listed or self._tls_established:
                    super()._get_capabilities()  # type: ignore[misc]
                else:
                    names = listed[-1].decode("ascii", "replace").upper()
                    self.capabilities = tuple(names.split())

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
        self,
        address: MailboxAddress,
        ip_addresses: Sequence[str],
        context: ssl.SSLContext,
        deadline: Deadline | None = None,
    ) -> None:
        self.request_count = 0
        self._host = address.host
        with self._failures("connect"), ExitStack() as on_failure:
            connected = open_socket(ip_addresses, address)
            on_failure.callback(connected.close)
            self._watched = ExitStack()
            if deadline:
                self._watched.enter_context(deadline.watch(connected))
                on_failure.push(self._watched)
            if address.begins_with_tls:
                connected = start_tls_at_once(connected, address, context)
                on_failure.callback(connected.close)
            self._client = _Client(address, connected)
            on_failure.callback(self._hang_up)
            if not address.begins_with_tls:
                start_tls_by_command(self._client, address, context)
            on_failure.pop_all()
        self._imap = self._client._imap
        self.capabilities: frozenset[str] = frozenset()
        self._extensions: frozenset[str] = frozenset()

    def login(self, user_name: str, secret: str, *, is_token: bool = False) -> None:
        """Sign in by password or access token, read the capabilities anew, and switch on what the
        server offers.

        Raises:
            LoginRefused: the server refused the user name, the password or the token.
        """
        with self._failures("LOGIN"):
            session = open_session(self._imap, self._host, Login(user_name, secret, is_token))
        self.capabilities, self._extensions = session.capabilities, session.extensions

    @property
    def has_qresync(self) -> bool:
        return "QRESYNC" in self._extensions

    def list_folders(self) -> Sequence[ListedFolder]:
        """List all folders, with their statuses as far as the server gives them together."""
        options = ["SPECIAL-USE"] if "SPECIAL-USE" in self.capabilities else []
        if "LIST-STATUS" in self.capabilities:
            options.append("STATUS (MESSAGES UNSEEN UIDNEXT UIDVALIDITY)")
        arguments = ['""', '"*"', *([f"RETURN ({' '.join(options)})"] if options else [])]
        responses = self._command("LIST", *arguments)
        statuses = dict(_status(each) for each in responses.get("STATUS", []))
        return [
            ListedFolder(name, separator, flags, statuses.get(name, {}))
            for name, separator, flags in map(_listed, _lines(responses.get("LIST", [])))
        ]

    def read_status(self, folder: bytes) -> Mapping[str, int]:
        """Return the numbers of a folder: MESSAGES, UNSEEN, UIDNEXT, UIDVALIDITY."""
        responses = self._command(
            "STATUS", _quoted(folder), "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY)"
        )
        found = [_status(each)[1] for each in responses.get("STATUS", [])]
        return found[0] if found else {}

    def examine(self, folder: bytes) -> OpenFolder:
        """Open a folder so that reading changes nothing."""
        with self._failures("EXAMINE"):
            self.request_count += 1
            answer = self._client.select_folder(folder, readonly=True)
        mod_seq = answer.get(b"HIGHESTMODSEQ") if "CONDSTORE" in self.capabilities else None
        if isinstance(mod_seq, list):
            mod_seq = mod_seq[0]
        uid_next = answer.get(b"UIDNEXT")
        if uid_next is None:
            uid_next = max(self.search("UID 1:4294967295"), default=0) + 1
        return OpenFolder(
            folder, answer[b"UIDVALIDITY"], uid_next, answer[b"EXISTS"], int(mod_seq or 0) or None
        )

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
        self, mod_seq: int, items: str
    ) -> tuple[dict[int, FetchedItems], list[range]]:
        """Return the messages that changed after this mod-sequence, and the UIDs that vanished.

        The upper bound of the set is a number: `*` is the highest UID that still exists, so the
        removal of a higher one would not be reported (cyrusimap/cyrus-imapd #6071).
        """
        vanished = " VANISHED" if self.has_qresync else ""
        return self._fetch("1:4294967295", items, f"(CHANGEDSINCE {mod_seq}{vanished})")

    def close(self) -> None:
        with self._watched:
            with suppress(Exception):
                self._client.logout()
            self._hang_up()

    def _hang_up(self) -> None:
        with suppress(Exception):
            self._client.shutdown()

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

    def _command(self, name: str, *arguments: str) -> Mapping[str, list[Any]]:
        """Send a command; return the untagged responses by name."""
        with self._failures(name):
            self.request_count += 1
            self._imap.untagged_responses.clear()
            typ, data = self._imap._simple_command(name, *arguments)
            if typ != "OK":
                raise IMAPClientError(f"{name} failed: {data[0].decode('ascii', 'replace')}")
            return dict(self._imap.untagged_responses)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except ServerUnusable as failure:
            raise ProviderUnavailable(
                f"{failure} Stored mail stays readable; the sync is retried."
            ) from failure
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


def _lines(responses: Iterable[Any]) -> Iterator[bytes]:
    """Yield untagged responses, each with its literals in place."""
    line = b""
    for each in responses:
        if isinstance(each, tuple):
            line += re.sub(rb"\{\d+\+?\}$", b"", each[0]) + _quoted_bytes(each[1])
        elif each is not None:
            yield line + each
            line = b""


def _listed(line: bytes) -> tuple[bytes, bytes | None, frozenset[str]]:
    match = _LIST_LINE.fullmatch(line)
    if match is None:
        raise ProviderUnavailable("The mail server sent an unreadable list of folders.")
    flags = frozenset(each.decode("latin-1").lower() for each in match["flags"].split())
    separator = None if match["separator"] == b"NIL" else match["separator"][-2:-1]
    return _unquoted(match["name"]), separator, flags


def _status(response: Any) -> tuple[bytes, Mapping[str, int]]:
    line = next(_lines([response])) if not isinstance(response, tuple) else b"".join(response)
    name, _, items = line.rpartition(b" (")
    values = parse_response([b"(" + items])[0]
    pairs = zip(values[::2], values[1::2], strict=False)
    return _unquoted(name), {key.decode("ascii").upper(): number for key, number in pairs}


def _unquoted(name: bytes) -> bytes:
    if name[:1] == b'"' == name[-1:] and len(name) > 1:
        return re.sub(rb"\\(.)", rb"\1", name[1:-1])
    return name


def _quoted_bytes(text: bytes) -> bytes:
    return b'"' + re.sub(rb'([\\"])', rb"\\\1", text) + b'"'


def _quoted(name: bytes) -> str:
    return _quoted_bytes(name).decode("latin-1")
