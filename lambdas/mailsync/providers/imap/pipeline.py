"""Send FETCH commands before the responses to earlier ones are read (pipelining, RFC 9051, section
5.5), so that the server and the link work while the caller does."""

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from imaplib import IMAP4

from mailsync.providers.imap.responses import FetchedItems, parse_fetch, split_responses
from mailsync.providers.imap.wire import LimitedImap

Arguments = tuple[str, ...]


class FetchPipeline:
    """The FETCH commands of one connection, whose responses are read in the order of the commands.

    sent_count: commands sent so far.
    is_reading: whether the responses to a command have been read in part.
    """

    def __init__(self, imap: LimitedImap) -> None:
        self._imap = imap
        self._sent: deque[tuple[Arguments, bytes]] = deque()
        self.sent_count = 0
        self.is_reading = False

    def send(self, arguments: Arguments) -> None:
        """Send a command, unless it was sent. A later `read` with the same arguments returns its
        responses."""
        if any(arguments == each for each, _ in self._sent):
            return
        self._sent.append((arguments, self._start(arguments)))

    def read(self, arguments: Arguments) -> Iterator[tuple[int, FetchedItems]]:
        """Yield UID and items of each FETCH response to a command as it arrives; send the command
        unless it was sent ahead. Malformed responses are left out.

        Raises:
            IMAP4.error: the server rejects the command.
            IMAP4.abort, OSError: the connection broke.
        """
        if self._sent and self._sent[0][0] == arguments:
            tag = self._sent.popleft()[1]
            self._imap.begin_responses()
        else:
            self.drop()
            tag = self._start(arguments)
        yield from self._responses(tag)

    def drop(self) -> None:
        """Read the responses to the commands sent ahead, and drop them."""
        while self._sent:
            self._imap.begin_responses()
            try:
                for _ in self._responses(self._sent.popleft()[1]):
                    pass
            except IMAP4.abort:
                raise
            except IMAP4.error:
                continue  # the responses would have been dropped

    def _start(self, arguments: Arguments) -> bytes:
        self.sent_count += 1
        self._imap.untagged_responses.clear()
        tag: bytes = self._imap._command("UID", "FETCH", *arguments)
        return tag

    def _responses(self, tag: bytes) -> Iterator[tuple[int, FetchedItems]]:
        imap, self.is_reading = self._imap, True
        while self.is_reading:
            imap._get_response()
            self.is_reading = imap.tagged_commands[tag] is None
            for records in split_responses(imap.untagged_responses.pop("FETCH", ())):
                with suppress(ValueError):
                    found = parse_fetch(records)
                    if isinstance(uid := found.get(b"UID"), int):
                        yield uid, found
            if self.is_reading:
                imap._check_bye()
        typ, data = imap._get_tagged_response(tag)
        if typ != "OK":
            raise imap.error(f"FETCH failed: {data[0].decode('utf-8', 'replace')}")
