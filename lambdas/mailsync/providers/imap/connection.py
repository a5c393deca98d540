"""Talk to an IMAP server: one connection, with limits on time and memory. Every failure becomes
an error of `mailsync.errors`."""

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from imaplib import IMAP4
from typing import Any, Self, TypeVar

from mailsync.errors import ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.metrics import PROVIDER_REQUESTS, PROVIDER_THROTTLES, add_to_provider_metric
from mailsync.providers.background import BackgroundTask
from mailsync.providers.imap import failures, wire
from mailsync.providers.imap.address import ImapMailboxLocation
from mailsync.providers.imap.folder_commands import inline_response_literals, quote_folder_name
from mailsync.providers.imap.login import LoginCredentials, Session, log_in
from mailsync.providers.imap.logout import LOGOUT_TIMEOUT_S, close_without_logout, log_out
from mailsync.providers.imap.open_folder import OpenFolder, read_open_folder
from mailsync.providers.imap.pipeline import FetchPipeline
from mailsync.providers.imap.responses import FetchResponseItems, merge_fetch_items, parse_search
from mailsync.providers.imap.transport import (
    InsecureOrUnreachableServerError,
    ServerExchangeDeadline,
    open_socket,
    start_implicit_tls,
    start_tls_by_command,
)
from mailsync.providers.imap.uids import SEARCH_FOR_ALL_UIDS, format_uid_sets, parse_uid_ranges
from mailsync.providers.response_memory import ResponseMemoryShare
from mailsync.registry import IMAP

MAX_UIDS_PER_FETCH = 10_000
"""The maximum number of UIDs in one FETCH. Some servers crash at 59,000 (grommunio/gromox #214)."""
_Result = TypeVar("_Result")


class ImapConnection:
    """A connection to the server, from the greeting to LOGOUT; also a context manager.

    is_broken: whether the connection can no longer be used.
    is_disconnected_by_server: whether the connection is broken because the server closed it, or
        sent something that is no IMAP response. False after a time-out.

    Every method raises:
        ProviderUnavailable: the server failed, is silent or sent an unusable response.
        ProviderThrottled: the server asks for a pause.
        ProviderRejected: the server rejects the command.
    """

    def __init__(
        self,
        address: ImapMailboxLocation,
        ip_addresses: Sequence[str],
        context: ssl.SSLContext,
        deadline: ServerExchangeDeadline | None = None,
        *,
        memory: ResponseMemoryShare | None = None,
    ) -> None:
        """deadline: time at which the connection ends. memory: counts and limits the bytes of
        literals until `release_memory_of_received_literals`. None for either: no limit."""
        self._command_count = 0
        self.is_broken = self.is_disconnected_by_server = False
        self._host, self._secret = address.host, ""
        self._memory, self._held_bytes = memory, 0
        self._reading: BackgroundTask[Any] | None = None
        with self._failures("connect"), ExitStack() as on_failure:
            connected = open_socket(ip_addresses, address)
            on_failure.callback(connected.close)
            self._watched = ExitStack()
            if deadline:
                self._watched.enter_context(deadline.shut_down_socket_when_passed(connected))
                on_failure.push(self._watched)
            if address.has_implicit_tls:
                connected = start_implicit_tls(connected, address, context)
                on_failure.callback(connected.close)
            imap = wire.SizeLimitedImap(address.host, address.port, connected, self._reserve)
            on_failure.callback(close_without_logout, imap)
            if not address.has_implicit_tls:
                start_tls_by_command(imap, address, context)
            on_failure.pop_all()
        self._imap = imap
        self._pipeline = FetchPipeline(self._imap)
        self.capabilities: frozenset[str] = frozenset()
        self._extensions: frozenset[str] = frozenset()
        self._session: Session | None = None

    def login(self, user_name: str, secret: str, *, is_token: bool = False) -> None:
        """Sign in with a password or an access token, read the capabilities again, and enable
        extensions. Some servers report only at the next command that the mailbox cannot be opened.

        Raises:
            LoginRefused: the server refused the user name, the password or the token.
        """
        self._secret = secret
        with self._failures("LOGIN"):
            credentials = LoginCredentials(user_name, secret, is_token)
            self._session = log_in(self._imap, self._host, credentials)
        self.capabilities = self._session.capabilities

    @property
    def sent_request_count(self) -> int:
        """Return the number of commands sent so far."""
        return self._command_count + self._pipeline.sent_count

    @property
    def has_qresync(self) -> bool:
        with self._failures("ENABLE"):
            self._complete_login()
        return "QRESYNC" in self._extensions

    def examine(self, folder: bytes) -> OpenFolder:
        """Open a folder so that reading changes nothing.

        Raises:
            ProviderRejected: the server reports no UIDVALIDITY or no number of messages.
        """
        responses = self._command("EXAMINE", quote_folder_name(folder))
        self._imap.state = "SELECTED"
        return read_open_folder(self, folder, responses)

    def examine_and_list_uids(self, folder: bytes) -> tuple[OpenFolder, list[int]]:
        """Send EXAMINE for a folder and UID SEARCH together; return the open folder and its UIDs
        after one round trip."""
        with self._failures("EXAMINE"):
            tag = self._send("EXAMINE", quote_folder_name(folder))
            self._imap.state = "SELECTED"
            self._command_count += 1
            search_tag = self._imap._command("UID", "SEARCH", SEARCH_FOR_ALL_UIDS)
            try:
                self._finish("EXAMINE", tag)
            except IMAP4.abort:
                raise
            except IMAP4.error:
                self._imap._get_tagged_response(search_tag)  # it has failed too: no folder is open
                raise
            responses = dict(self._imap.untagged_responses)
            self._imap.untagged_responses.clear()
            self._finish("SEARCH", search_tag)
            uids = _found(self._imap.untagged_responses)
        return read_open_folder(self, folder, responses), uids

    def search(self, criteria: str) -> list[int]:
        """Search the open folder; return the UIDs of the matches, in ascending order, each once."""
        responses = self._command("UID", "SEARCH", criteria)
        with self._failures("SEARCH"):
            return _found(responses)

    def run_pipelined_searches(self, criteria: Sequence[str]) -> list[int]:
        """Send one search per criterion in one round trip; return UIDs that match any criterion.

        Raises:
            ProviderRejected: the server rejects one of the searches.
        """
        searches = [("UID", "SEARCH", each) for each in criteria]
        refusals, responses = self.run_pipelined_commands(searches)
        for each in refusals:
            if each is not None:
                raise ProviderRejected(f"The mail server rejects SEARCH; its answer: {each}")
        with self._failures("SEARCH"):
            return _found(responses)

    def noop(self) -> None:
        """Let the server report what changed in the open folder."""
        self._command("NOOP")

    def fetch_items_by_uid(self, uids: Iterable[int], items: str) -> dict[int, FetchResponseItems]:
        """Return the FETCH items of each message, by UID. A message is left out if the server does
        not send its flags."""
        return merge_fetch_items(self.iter_fetched_items(uids, items))

    def iter_fetched_items(
        self, uids: Iterable[int], items: str
    ) -> Iterator[tuple[int, FetchResponseItems]]:
        """Yield a UID and FETCH items for each response that names one of these messages, as it
        arrives. Malformed responses are left out."""
        wanted = frozenset(uids)
        ordered = sorted(wanted)
        for start in range(0, len(ordered), MAX_UIDS_PER_FETCH):
            for uid_set in format_uid_sets(ordered[start : start + MAX_UIDS_PER_FETCH]):
                for uid, each in self._fetched(uid_set, items):
                    if uid in wanted:
                        yield uid, each

    def send_fetch_commands_ahead(self, uids: Iterable[int], items: str) -> None:
        """Send FETCH commands without waiting. A later fetch with equal arguments returns the
        responses. Any other command before that fetch drops them."""
        self._wait_for_reading()
        with self._failures("FETCH"):
            for uid_set in format_uid_sets(uids):
                self._pipeline.send_command((uid_set, items))

    def fetch_changes_since_mod_seq(
        self, mod_seq: int, items: str, below: int
    ) -> tuple[dict[int, FetchResponseItems], list[range]]:
        """Return the items of the messages that changed after a mod-sequence, by UID, and the
        ranges of UIDs that were removed (VANISHED).

        below: the first UID that is not requested, such as UIDNEXT. The command does not use `*`:
            this is the highest UID that still exists, so the server would not report that higher
            UIDs were removed (cyrusimap/cyrus-imapd #6071).

        If the server rejects the request for removed UIDs, this connection no longer requests them
        (cyrusimap/cyrus-imapd #4787).
        """
        uid_set, since = f"1:{below - 1}", f"CHANGEDSINCE {mod_seq}"
        if self.has_qresync:
            try:
                return self._changed(uid_set, items, f"({since} VANISHED)")
            except ProviderRejected:
                self._extensions = frozenset()
        return self._changed(uid_set, items, f"({since})")

    def _changed(
        self, uid_set: str, items: str, modifiers: str
    ) -> tuple[dict[int, FetchResponseItems], list[range]]:
        found = merge_fetch_items(self._fetched(uid_set, items, modifiers))
        ranges = [
            each
            for line in inline_response_literals(self._imap.untagged_responses.get("VANISHED", []))
            for each in parse_uid_ranges(line.rpartition(b" ")[2])
        ]
        return found, ranges

    def release_memory_of_received_literals(self, kept_bytes: int = 0) -> None:
        """Release the memory counted for received literals, except for `kept_bytes` bytes."""
        self._wait_for_reading()
        if self._memory:
            self._memory.release_bytes(self._held_bytes - min(kept_bytes, self._held_bytes))
        self._held_bytes = 0

    def close(self) -> None:
        """Log out and close the connection. A read in the background that does not end within 5 s
        is stopped by force."""
        if self._reading and not self._reading.wait(LOGOUT_TIMEOUT_S):
            self.is_broken = True
            self._imap.disconnect_by_force()
        add_to_provider_metric(PROVIDER_REQUESTS, IMAP, self.sent_request_count)
        self.release_memory_of_received_literals()
        with self._watched, suppress(Exception):
            if not self.is_broken:
                log_out(self._imap)
                return
        close_without_logout(self._imap)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_background_reading_allowed(self) -> bool:
        """Return whether a thread may read while the caller works. Return False if several
        mailboxes share the memory: then only data for which the caller waits is read."""
        return self._memory is None

    def start_background_task(self, read: Callable[[], _Result]) -> BackgroundTask[_Result]:
        """Run a function that uses this connection in a thread, and return the task. Every
        other use of the connection waits until the function has ended."""
        self._wait_for_reading()
        reading = self._reading = BackgroundTask(read)
        return reading

    def _wait_for_reading(self) -> None:
        if self._reading and not self._reading.is_running_in_current_thread():
            self._reading.wait()
            self._reading = None

    def _reserve(self, size: int) -> bool:
        if self._memory and not self._memory.try_reserve_bytes(size):
            return False
        self._held_bytes += size
        return True

    def _fetched(
        self, uid_set: str, items: str, *modifiers: str
    ) -> Iterator[tuple[int, FetchResponseItems]]:
        """Yield the FETCH responses to a command as they arrive, so that few are in memory."""
        self._wait_for_reading()
        with self._failures("FETCH"):
            try:
                yield from self._pipeline.iter_command_responses((uid_set, items, *modifiers))
            finally:
                self.is_broken |= self._pipeline.is_reading  # the rest is still to come

    def _command(self, name: str, *arguments: str | bytes) -> Mapping[str, list[Any]]:
        """Send a command; return the untagged responses by name."""
        with self._failures(name):
            self._finish(name, self._send(name, *arguments))
            return dict(self._imap.untagged_responses)

    def _send(self, name: str, *arguments: str | bytes) -> bytes:
        """Send a command; return its tag."""
        self._wait_for_reading()
        self._pipeline.read_and_drop_pending_responses()
        self._command_count += 1
        self._imap.untagged_responses.clear()
        tag: bytes = self._imap._command(name, *arguments)
        return tag

    def _complete_login(self) -> None:
        """Read the responses to ID and ENABLE, which follow the login, unless they were read."""
        if self._session and self._session.commands_awaiting_response:
            was_broken, self.is_broken = self.is_broken, True  # stays if this raises
            self._extensions = self._session.read_pending_responses(self._imap)
            self.is_broken = was_broken

    def _finish(self, name: str, tag: bytes) -> None:
        self._complete_login()
        typ, data = self._imap._get_tagged_response(tag)
        if typ != "OK":
            raise IMAP4.error(f"{name} failed: {data[0].decode('utf-8', 'replace')}")

    def run_pipelined_commands(
        self, commands: Sequence[tuple[str | bytes, ...]]
    ) -> tuple[list[str | None], Mapping[str, list[Any]]]:
        """Send several commands without waiting for the response to each. Return for each command
        the text of the rejection, or None if the server accepts it; and all untagged responses by
        name."""
        self._wait_for_reading()
        with self._failures(str(commands[0][0])):
            self._pipeline.read_and_drop_pending_responses()
            self._command_count += len(commands)
            self._imap.untagged_responses.clear()
            tags = [self._imap._command(str(name), *words) for name, *words in commands]
            refusals: list[str | None] = []
            self._complete_login()
            for tag in tags:
                typ, data = self._imap._get_tagged_response(tag)
                text = self._without_secret(data[0].decode("utf-8", "replace"))
                refusals.append(None if typ == "OK" else text[:200])
            for each in refusals:
                self._raise_pause(each or "")
            return refusals, dict(self._imap.untagged_responses)

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except InsecureOrUnreachableServerError as failure:
            raise ProviderUnavailable(
                f"{failure} Stored mail stays readable; the sync is retried."
            ) from failure
        except wire.ResponseMemoryExceeded as failure:
            self.is_broken = True
            raise ProviderUnavailable(
                f"The mail server {self._host} sent more at once than this function has memory for"
                " beside its other mailboxes; trying again."
            ) from failure
        except (IMAP4.abort, OSError) as failure:
            self.is_broken = True
            self.is_disconnected_by_server = not isinstance(failure, TimeoutError)
            self._raise_pause(self._bye_text())
            cause = failures.describe_connection_failure(failure, self._bye_text())
            raise ProviderUnavailable(
                f"The mail server {self._host} failed during {what} ({cause}); trying again."
            ) from failure
        except (ValueError, LookupError) as failure:
            raise ProviderUnavailable(
                f"The mail server {self._host} sent an unusable response to {what}; trying again."
            ) from failure
        except IMAP4.error as failure:
            found = failure.args[0] if failure.args else b""
            text = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
            text = self._without_secret(text)
            self._raise_pause(text)
            if what == "connect":
                raise ProviderUnavailable(
                    f"The mail server {self._host} does not accept the connection"
                    f" ({text[:200]}); trying again."
                ) from failure
            raise ProviderRejected(
                f"The mail server {self._host} rejects {what}; its answer: {text[:200]}"
            ) from failure

    def _without_secret(self, text: str) -> str:
        """Return a text of the server without the password, which it may repeat."""
        return text.replace(self._secret, "...") if self._secret else text

    def _bye_text(self) -> str:
        """Return the text of a BYE response; "" if there is none."""
        imap = getattr(self, "_imap", None)
        found = imap.untagged_responses.get("BYE", [b""]) if imap else [b""]
        text = found[-1].decode("utf-8", "replace") if isinstance(found[-1], bytes) else ""
        return self._without_secret(text)

    def _raise_pause(self, text: str) -> None:
        pause_s = failures.parse_requested_pause_s(text)
        if pause_s is not None:
            add_to_provider_metric(PROVIDER_THROTTLES, IMAP, 1)
            raise ProviderThrottled(
                f"The mail server {self._host} asks for a pause; its answer: {text[:200]}",
                retry_after_s=pause_s,
            ) from failures.connection_limit_error_from_text(text)


def _found(responses: Mapping[str, list[Any]]) -> list[int]:
    """Return the UIDs in the responses to SEARCH."""
    extended = inline_response_literals(responses.get("ESEARCH", []))
    return parse_search(inline_response_literals(responses.get("SEARCH", [])), extended)
