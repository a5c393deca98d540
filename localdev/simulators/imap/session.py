"""Hold the state of one IMAP connection: the mailbox, the open folder, and what is enabled."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from localdev.simulators.faults import Fault
from localdev.simulators.imap.command import BadCommand, Command
from localdev.simulators.imap.flags import format_flags
from localdev.simulators.imap.folder_state import ListedMessage
from localdev.simulators.imap.names import NamedFolder
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.response import (
    Bye,
    Fetched,
    Number,
    Untagged,
    quote_name,
    vanished,
)
from localdev.simulators.imap.store import ImapMailbox
from localdev.simulators.imap.wire import Wire
from localdev.simulators.mailbox import Mailbox

Handler = Callable[["Session", Command], Iterator[Untagged | str]]
"""A function that runs a command. It yields the untagged responses, and then the text of the tagged
OK response.

Raises BadCommand, CommandRejected and Bye.
"""


class Backend(Protocol):
    """The interface through which a session finds mailboxes on the server."""

    def options(self, mailbox: Mailbox | None) -> ImapOptions:
        """Return the server's options for a mailbox. None as `mailbox`: the client has not logged
        in."""
        ...

    def find_mailbox(self, user_name: str, password: str) -> Mailbox:
        """Return the mailbox of a user who logs in with a password. Raises CommandRejected."""
        ...

    def find_mailbox_of_token(self, user_name: str, token: str) -> Mailbox:
        """Return the mailbox of a user who logs in with an OAuth token. Raises CommandRejected."""
        ...

    def start_tls(self, wire: Wire) -> None: ...
    def next_fault(self, verb: str, target: str) -> Fault | None: ...
    def record(self, session: int, command: Command, folder: str, status: str) -> None: ...
    def pause(self, seconds: float) -> None: ...
    def latency_s(self, bodies: int, others: int) -> float: ...


@dataclass(slots=True)
class Selected:
    """The open folder, as the session last reported it to the client.

    messages: all messages of the folder. The sequence number of a message is its position in this
        list, from 1 on.
    mod_seq: HIGHESTMODSEQ of the folder at the last report.
    """

    folder: NamedFolder
    is_read_only: bool
    messages: list[ListedMessage]
    mod_seq: int

    @property
    def uids(self) -> list[int]:
        return [each.uid for each in self.messages]


class Session:
    """One connection of a client.

    mailbox: the mailbox of the logged-in user. None: the client has not logged in.
    selected: the open folder. None: no folder is open.
    enabled_extensions: the extensions that the client has switched on with ENABLE.
    """

    def __init__(self, number: int, wire: Wire, backend: Backend) -> None:
        self.number = number
        self.wire = wire
        self.backend = backend
        self.options = backend.options(None)
        self.mailbox: ImapMailbox | None = None
        self.selected: Selected | None = None
        self.enabled: set[str] = set()

    @property
    def is_utf8(self) -> bool:
        return "UTF8=ACCEPT" in self.enabled

    @property
    def has_qresync(self) -> bool:
        return "QRESYNC" in self.enabled

    def require(self, extension: str) -> None:
        """Raise BadCommand unless the server offers the extension."""
        if not self.options.offers(extension):
            raise BadCommand(f"Error in IMAP command: {extension} is not supported.")

    def logged_in_mailbox(self) -> ImapMailbox:
        """Return the mailbox of the logged-in user. Raises BadCommand before the login."""
        if self.mailbox is None:
            raise BadCommand("Please login first.")
        return self.mailbox

    def opened_folder(self) -> Selected:
        """Return the open folder. Raises BadCommand if no folder is open."""
        self.logged_in_mailbox()
        if self.selected is None:
            raise BadCommand("No mailbox selected.")
        return self.selected

    def quoted(self, name: str) -> bytes:
        return quote_name(name, is_utf8=self.is_utf8)

    def changes(self, *, may_expunge: bool, with_uid: bool = False) -> Iterator[Untagged]:
        """Yield the responses that report changes of the open folder since the last such report.
        Yield nothing if no folder is open.

        may_expunge: whether removed messages may be reported. False during a command that uses
            sequence numbers, because a removal would renumber the messages (RFC 3501, 7.4.1).
        with_uid: whether each FETCH response contains the UID.

        Raises:
            Bye: the open folder was deleted.
        """
        selected = self.selected
        if selected is None or self.mailbox is None:
            return
        state = self.mailbox.state(selected.folder)
        if not state.exists:
            raise Bye("Mailbox was deleted under us.")
        mod_seq = state.highest_mod_seq
        if mod_seq == selected.mod_seq:
            return
        present = state.list_messages()
        remaining = {each.uid for each in present}
        gone = [n for n, each in enumerate(selected.messages, 1) if each.uid not in remaining]
        known = {each.uid: each for each in selected.messages}
        if may_expunge or not gone:
            yield from self._removed(selected, gone)
            selected.mod_seq = mod_seq
        else:
            kept = [known[uid] for uid in known if uid not in remaining]
            present = sorted([*present, *kept], key=lambda each: each.uid)
        selected.messages = present
        if not known.keys() >= remaining:
            yield Number("EXISTS", len(present), b"%d EXISTS")
        for number, each in enumerate(present, 1):
            if each.uid in known and each.mod_seq != known[each.uid].mod_seq:
                yield self.flags_of(number, each, with_uid=with_uid)

    def flags_of(self, number: int, message: ListedMessage, *, with_uid: bool) -> Fetched:
        """Return a FETCH response that reports the flags of a message.

        number: sequence number of the message.
        """
        items = [("FLAGS", format_flags(message.flags))]
        if with_uid or self.has_qresync:
            items.insert(0, ("UID", b"%d" % message.uid))
        if "CONDSTORE" in self.enabled:
            items.append(("MODSEQ", b"(%d)" % message.mod_seq))
        return Fetched(number, message.uid, tuple(items), is_change=True)

    def _removed(self, selected: Selected, numbers: list[int]) -> Iterator[Untagged]:
        if self.has_qresync and numbers:
            uids = [selected.messages[number - 1].uid for number in numbers]
            yield vanished(uids, earlier=False)
            return
        for number in reversed(numbers):
            yield Number("EXPUNGE", number, b"%d EXPUNGE")
