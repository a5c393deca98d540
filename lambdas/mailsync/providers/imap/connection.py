"""Talk to an IMAP server: one connection, with limits on time and memory, and every failure as an
error of the product."""

import re
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError
from imapclient.response_parser import parse_response

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.providers.imap import wire
from mailsync.providers.imap.address import MailboxAddress
from mailsync.providers.imap.failures import cause_of_failure, requested_pause_s
from mailsync.providers.imap.login import Login, open_session
from mailsync.providers.imap.pipeline import FetchPipeline
from mailsync.providers.imap.responses import FetchedItems, parse_search
from mailsync.providers.imap.transport import (
    Deadline,
    ServerUnusable,
    open_socket,
    start_tls_at_once,
    start_tls_by_command,
)
from mailsync.providers.imap.uids import format_uid_sets, parse_uid_ranges
from mailsync.providers.response_memory import MemoryShare

LOGOUT_TIMEOUT_S = 5.0
_LIST_LINE = re.compile(
    rb'\((?P<flags>[^)]*)\) (?P<separator>NIL|"(?:\\?.)") (?P<name>.+)', re.DOTALL
)
_UNSENDABLE = re.compile(rb"[\r\n\0]")


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
    """An IMAPClient over a connected socket. IMAPClient would look the host up again."""

    def __init__(
        self, address: MailboxAddress, connected: socket.socket, reserve: Callable[[int], bool]
    ) -> None:
        self._connected = connected
        self._reserve = reserve
        super().__init__(address.host, address.port, ssl=False, timeout=wire.READ_TIMEOUT_S)
        self._imap.debug = 0
        self._imap.is_readonly = True

    def _create_IMAP4(self) -> Any:  # noqa: N802
        return wire.LimitedImap(self.host, self.port, self._connected, self._reserve)


class ImapConnection:
    """A connection to the server, from the greeting to LOGOUT; also a context manager.

    is_broken: whether the connection cannot be used any more.
    is_cut: whether it is broken since the server ended it, or sent what is no response.

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
        *,
        memory: MemoryShare | None = None,
    ) -> None:
        """deadline: ends the connection when it passes. memory: memory that literals are counted
        against until `release_memory`."""
        self._command_count = 0
        self.is_broken = self.is_cut = False
        self._host = address.host
        self._memory, self._held_bytes = memory, 0
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
            self._client = _Client(address, connected, self._reserve)
            if not address.begins_with_tls:
                start_tls_by_command(self._client, address, context)
            on_failure.pop_all()
        self._imap = self._client._imap
        self._pipeline = FetchPipeline(self._imap)
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
    def request_count(self) -> int:
        """Return the number of commands sent so far."""
        return self._command_count + self._pipeline.sent_count

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
        responses = self._command("EXAMINE", _quoted(folder))
        with self._failures("EXAMINE"):
            self._imap.state = "SELECTED"
            uid_validity = int(responses["UIDVALIDITY"][-1])
            message_count = int(responses["EXISTS"][-1])
        mod_seq = _number(responses, "HIGHESTMODSEQ") if "CONDSTORE" in self.capabilities else None
        uid_next = _number(responses, "UIDNEXT")
        if uid_next is None:
            uid_next = max(self.search("UID 1:4294967295"), default=0) + 1
        return OpenFolder(folder, uid_validity, uid_next, message_count, mod_seq or None)

    def search(self, criteria: str) -> list[int]:
        """Return the UIDs that match, in ascending order, each once."""
        responses = self._command("UID", "SEARCH", criteria)
        with self._failures("SEARCH"):
            extended = _lines(responses.get("ESEARCH", []))
            return parse_search(_lines(responses.get("SEARCH", [])), extended)

    def fetch(self, uids: Iterable[int], items: str) -> dict[int, FetchedItems]:
        """Return what the server sends of these messages, by UID. A message whose flags it does not
        send is left out."""
        found: dict[int, FetchedItems] = {}
        for uid, each in self.fetch_each(uids, items):
            found[uid] = {**found.get(uid, {}), **each}
        return {uid: each for uid, each in found.items() if b"FLAGS" in each}

    def fetch_each(self, uids: Iterable[int], items: str) -> Iterator[tuple[int, FetchedItems]]:
        """Yield UID and items of each FETCH response that names one of these messages, as it
        arrives. Malformed responses are left out."""
        wanted = frozenset(uids)
        for uid_set in format_uid_sets(wanted):
            for uid, each in self._fetched(uid_set, items):
                if uid in wanted:
                    yield uid, each

    def send_ahead(self, uids: Iterable[int], items: str) -> None:
        """Send the commands whose responses a later `fetch` or `fetch_each` with the same arguments
        returns. Every other command before that drops the responses."""
        with self._failures("FETCH"):
            for uid_set in format_uid_sets(uids):
                self._pipeline.send((uid_set, items))

    def fetch_changes(
        self, mod_seq: int, items: str
    ) -> tuple[dict[int, FetchedItems], list[range]]:
        """Return the messages that changed after this mod-sequence, and the UIDs that vanished.

        The upper bound of the set is a number: `*` is the highest UID that still exists, so the
        removal of a higher one would not be reported (cyrusimap/cyrus-imapd #6071).
        """
        vanished = " VANISHED" if self.has_qresync else ""
        modifiers = f"(CHANGEDSINCE {mod_seq}{vanished})"
        found: dict[int, FetchedItems] = {}
        for uid, each in self._fetched("1:4294967295", items, modifiers):
            found[uid] = {**found.get(uid, {}), **each}
        ranges = [
            each
            for line in _lines(self._imap.untagged_responses.get("VANISHED", []))
            for each in parse_uid_ranges(line.rpartition(b" ")[2])
        ]
        return {uid: each for uid, each in found.items() if b"FLAGS" in each}, ranges

    def release_memory(self, kept_bytes: int = 0) -> None:
        """Count the literals so far as dropped, except for `kept_bytes`."""
        if self._memory:
            self._memory.release(self._held_bytes - min(kept_bytes, self._held_bytes))
        self._held_bytes = 0

    def close(self) -> None:
        """Log out, and close the connection."""
        self.release_memory()
        with self._watched, suppress(Exception):
            self._imap.timeout_s = LOGOUT_TIMEOUT_S
            if not self.is_broken:
                self._client.logout()
        with suppress(Exception):
            self._imap.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _reserve(self, size: int) -> bool:
        if self._memory and not self._memory.reserve(size):
            return False
        self._held_bytes += size
        return True

    def _fetched(
        self, uid_set: str, items: str, *modifiers: str
    ) -> Iterator[tuple[int, FetchedItems]]:
        """Yield the FETCH responses to a command as they arrive, so that few are in memory."""
        with self._failures("FETCH"):
            try:
                yield from self._pipeline.read((uid_set, items, *modifiers))
            finally:
                self.is_broken |= self._pipeline.is_reading  # the rest is still to come

    def _command(self, name: str, *arguments: str | bytes) -> Mapping[str, list[Any]]:
        """Send a command; return the untagged responses by name."""
        with self._failures(name):
            self._finish(name, self._send(name, *arguments))
            return dict(self._imap.untagged_responses)

    def _send(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command; return its tag."""
        self._pipeline.drop()
        self._command_count += 1
        self._imap.untagged_responses.clear()
        tag: bytes = self._imap._command(name, *arguments)
        return tag

    def _finish(self, name: str, tag: bytes) -> None:
        typ, data = self._imap._get_tagged_response(tag)
        if typ != "OK":
            raise IMAPClientError(f"{name} failed: {data[0].decode('utf-8', 'replace')}")

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except ServerUnusable as failure:
            raise ProviderUnavailable(
                f"{failure} Stored mail stays readable; the sync is retried."
            ) from failure
        except wire.MemoryExceeded as failure:
            self.is_broken = True
            raise ProviderUnavailable(
                f"The mail server {self._host} sent more at once than this function has memory for"
                " beside its other mailboxes; trying again."
            ) from failure
        except (IMAPClientAbortError, OSError) as failure:
            self.is_broken = True
            self.is_cut = not isinstance(failure, TimeoutError)
            self._raise_pause(self._farewell())
            raise ProviderUnavailable(
                f"The mail server {self._host} failed during {what}"
                f" ({cause_of_failure(failure, self._farewell())}); trying again."
            ) from failure
        except (ValueError, LookupError) as failure:
            raise ProviderUnavailable(
                f"The mail server {self._host} sent an unusable response to {what}; trying again."
            ) from failure
        except IMAPClientError as failure:
            text = str(failure)
            self._raise_pause(text)
            if what == "connect":
                raise ProviderUnavailable(
                    f"The mail server {self._host} does not accept the connection; its answer:"
                    f" {text[:200]}"
                ) from failure
            raise ProviderRejected(
                f"The mail server {self._host} rejects {what}; its answer: {text[:200]}"
            ) from failure

    def _farewell(self) -> str:
        """Return the text of a BYE response; "" if there is none."""
        imap = getattr(self, "_imap", None)
        said = imap.untagged_responses.get("BYE", [b""]) if imap else [b""]
        return said[-1].decode("utf-8", "replace") if isinstance(said[-1], bytes) else ""

    def _raise_pause(self, text: str) -> None:
        pause_s = requested_pause_s(text)
        if pause_s is not None:
            raise ProviderThrottled(
                f"The mail server {self._host} asks for a pause; its answer: {text[:200]}",
                retry_after_s=pause_s,
            ) from None


def _number(responses: Mapping[str, list[Any]], name: str) -> int | None:
    """Return the number in the last response code of this name; None if there is none."""
    found = responses.get(name, [b""])[-1]
    return int(found) if isinstance(found, bytes) and found.isdigit() else None


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


def _quoted(name: bytes) -> bytes:
    """Return the name of a folder as an argument.

    Raises:
        ProviderRejected: the name has line ends, which would begin another command.
    """
    if _UNSENDABLE.search(name):
        raise ProviderRejected("The name of a folder has characters that cannot be sent.")
    return _quoted_bytes(name)
