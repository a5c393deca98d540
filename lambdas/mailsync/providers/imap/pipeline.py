"""Send FETCH commands before the responses to earlier commands were read (pipelining, RFC 9051,
section 5.5), so that the server and the network work while the caller does."""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from imaplib import IMAP4

from mailsync.providers.imap.responses import FetchResponseItems, parse_fetch, split_responses
from mailsync.providers.imap.uids import parse_uid_ranges
from mailsync.providers.imap.wire import SizeLimitedImap

FetchCommandArguments = tuple[str, ...]
"""The arguments of a FETCH command: the set of UIDs, the items, and modifiers such as
CHANGEDSINCE."""


@dataclass(slots=True)
class _Sent:
    """A command whose responses were not read yet. early: responses that came among those to an
    earlier command, as a server may work on both at once (Dovecot does while its output waits)."""

    arguments: FetchCommandArguments
    tag: bytes
    uids: Sequence[range]
    early: list[tuple[int, FetchResponseItems]] = field(default_factory=list)

    def names(self, uid: int) -> bool:
        return any(uid in each for each in self.uids)


class FetchPipeline:
    """The FETCH commands of one connection that were sent and not answered yet. Their responses are
    read in the order of the commands. No two of these commands name the same message.

    sent_count: number of commands sent so far.
    is_reading: whether the responses to a command have been read only in part.
    """

    def __init__(self, imap: SizeLimitedImap) -> None:
        self._imap = imap
        self._sent: deque[_Sent] = deque()
        self.sent_count = 0
        self.is_reading = False

    def send_command(self, arguments: FetchCommandArguments) -> None:
        """Send a command, unless a command with equal arguments is waiting for its responses. A
        later `iter_command_responses` with these arguments returns the responses."""
        if any(arguments == each.arguments for each in self._sent):
            return
        self._sent.append(self._start(arguments))

    def iter_command_responses(
        self, arguments: FetchCommandArguments
    ) -> Iterator[tuple[int, FetchResponseItems]]:
        """Yield a UID and FETCH items for each response to a command, as soon as the response
        arrives. Send the command first, unless it was sent ahead. Malformed responses are left out.

        Raises:
            IMAP4.error: the server rejects the command.
            IMAP4.abort, OSError: the connection broke.
        """
        if self._sent and self._sent[0].arguments == arguments:
            command = self._sent.popleft()
            self._imap.reset_response_limits()
        else:
            self.read_and_drop_pending_responses()
            command = self._start(arguments)
        yield from self._responses(command)

    def read_and_drop_pending_responses(self) -> None:
        """Read the responses to all commands that were sent ahead, and drop these responses."""
        while self._sent:
            self._imap.reset_response_limits()
            try:
                for _ in self._responses(self._sent.popleft()):
                    pass
            except IMAP4.abort:
                raise
            except IMAP4.error:
                continue  # the responses would have been dropped

    def _start(self, arguments: FetchCommandArguments) -> _Sent:
        self.sent_count += 1
        self._imap.untagged_responses.clear()
        tag: bytes = self._imap._command("UID", "FETCH", *arguments)
        return _Sent(arguments, tag, parse_uid_ranges(arguments[0].encode()))

    def _responses(self, command: _Sent) -> Iterator[tuple[int, FetchResponseItems]]:
        imap, tag = self._imap, command.tag
        self.is_reading = imap.tagged_commands[tag] is None
        yield from command.early
        while self.is_reading:
            imap._get_response()
            self.is_reading = imap.tagged_commands[tag] is None
            yield from self._arrived(command)
            if self.is_reading:
                imap._check_bye()
        typ, data = imap._get_tagged_response(tag)
        if typ != "OK":
            raise imap.error(f"FETCH failed: {data[0].decode('utf-8', 'replace')}")

    def _arrived(self, command: _Sent) -> Iterator[tuple[int, FetchResponseItems]]:
        """Yield the responses that have arrived. A response that belongs to a later command is kept
        for that command instead (`_Sent.early`)."""
        for records in split_responses(self._imap.untagged_responses.pop("FETCH", ())):
            with suppress(ValueError):
                found = parse_fetch(records)
                if not isinstance(uid := found.get(b"UID"), int):
                    continue
                if self._sent and not command.names(uid) and (other := self._find(uid)):
                    other.early.append((uid, found))
                else:
                    yield uid, found

    def _find(self, uid: int) -> _Sent | None:
        return next((each for each in self._sent if each.names(uid)), None)
