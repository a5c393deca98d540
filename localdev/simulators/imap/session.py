"""Hold the state of one IMAP connection: mailbox, open folder, and enabled extensions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from localdev.simulators.faults import Fault
from localdev.simulators.imap.command import BadCommand, Command
from localdev.simulators.imap.flags import format_flags
from localdev.simulators.imap.folder_state import MessageWithoutContents
from localdev.simulators.imap.names import ImapFolder
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.response import (
    FetchResponse,
    SessionEndedWithBye,
    SingleNumberResponse,
    UntaggedResponse,
    quote_folder_name,
    vanished_response,
)
from localdev.simulators.imap.store import ImapMailbox
from localdev.simulators.imap.wire import ClientConnection
from localdev.simulators.mailbox import Mailbox

CommandHandler = Callable[["Session", Command], Iterator[UntaggedResponse | str]]
"""A function that runs a command. It yields the untagged responses, and then the text of the tagged
OK response.

Raises BadCommand, CommandRejectedError and SessionEndedWithBye.
"""


class ImapServerInterface(Protocol):
    """The interface of the server for a session: log-in, TLS, faults, command log, latency."""

    def options_for_mailbox(self, mailbox: Mailbox | None) -> ImapOptions:
        """Return the server's options for a mailbox. None as `mailbox`: the client has not logged
        in."""
        ...

    def authenticate_by_password(self, user_name: str, password: str) -> Mailbox:
        """Return the mailbox of a user who logs in with a password. Raises CommandRejectedError."""
        ...

    def authenticate_by_token(self, user_name: str, token: str) -> Mailbox:
        """Return the mailbox of a user who logs in with an OAuth token. Raises
        CommandRejectedError."""
        ...

    def switch_connection_to_tls(self, wire: ClientConnection) -> None: ...
    def take_fault_for_command(self, verb: str, target: str) -> Fault | None: ...
    def record_command(self, session: int, command: Command, folder: str, status: str) -> None: ...
    def sleep_unless_stopped(self, seconds: float) -> None: ...
    def compute_response_latency_s(self, bodies: int, others: int) -> float: ...


@dataclass(slots=True)
class SelectedFolder:
    """The open folder, as the session last reported it to the client.

    messages: all messages of the folder. The sequence number of a message is its position in this
        list, from 1 on.
    highest_mod_seq: HIGHESTMODSEQ of the folder at the last report that included all removals.
    """

    folder: ImapFolder
    is_read_only: bool
    messages: list[MessageWithoutContents]
    highest_mod_seq: int

    @property
    def uids(self) -> list[int]:
        return [each.uid for each in self.messages]


class Session:
    """One connection of a client.

    mailbox: the mailbox of the logged-in user. None: the client has not logged in.
    selected: the open folder. None: no folder is open.
    enabled_extensions: the extensions that the client has switched on with ENABLE. The server also
        adds CONDSTORE when the client uses it in another command (RFC 7162, section 3.1).
    """

    def __init__(self, number: int, wire: ClientConnection, backend: ImapServerInterface) -> None:
        self.number = number
        self.wire = wire
        self.backend = backend
        self.options = backend.options_for_mailbox(None)
        self.mailbox: ImapMailbox | None = None
        self.selected: SelectedFolder | None = None
        self.enabled_extensions: set[str] = set()

    @property
    def is_utf8_enabled(self) -> bool:
        return "UTF8=ACCEPT" in self.enabled_extensions

    @property
    def is_qresync_enabled(self) -> bool:
        return "QRESYNC" in self.enabled_extensions

    def require_extension(self, extension: str) -> None:
        """Raise BadCommand unless the server offers the extension."""
        if not self.options.has_extension(extension):
            raise BadCommand(f"Error in IMAP command: {extension} is not supported.")

    def require_logged_in_mailbox(self) -> ImapMailbox:
        """Return the mailbox of the logged-in user. Raises BadCommand before the login."""
        if self.mailbox is None:
            raise BadCommand("Please login first.")
        return self.mailbox

    def require_open_folder(self) -> SelectedFolder:
        """Return the open folder. Raises BadCommand if no folder is open."""
        self.require_logged_in_mailbox()
        if self.selected is None:
            raise BadCommand("No mailbox selected.")
        return self.selected

    def quote_folder_name(self, name: str) -> bytes:
        return quote_folder_name(name, is_utf8=self.is_utf8_enabled)

    def generate_folder_change_responses(
        self, *, may_expunge: bool, with_uid: bool = False
    ) -> Iterator[UntaggedResponse]:
        """Yield the responses that report changes of the open folder since the last such report.
        Yield nothing if no folder is open.

        may_expunge: whether removed messages may be reported. False during a command that uses
            sequence numbers, because a removal would renumber the messages (RFC 3501, 7.4.1).
        with_uid: whether each FETCH response contains the UID.

        Raises:
            SessionEndedWithBye: the open folder was deleted.
        """
        selected = self.selected
        if selected is None or self.mailbox is None:
            return
        state = self.mailbox.make_folder_reader(selected.folder)
        if not state.is_folder_present:
            raise SessionEndedWithBye("Mailbox was deleted under us.")
        mod_seq = state.highest_mod_seq
        if mod_seq == selected.highest_mod_seq:
            return
        present = state.list_messages()
        remaining = {each.uid for each in present}
        gone = [n for n, each in enumerate(selected.messages, 1) if each.uid not in remaining]
        known = {each.uid: each for each in selected.messages}
        if may_expunge or not gone:
            yield from self._removed(selected, gone)
            selected.highest_mod_seq = mod_seq
        else:
            kept = [known[uid] for uid in known if uid not in remaining]
            present = sorted([*present, *kept], key=lambda each: each.uid)
        selected.messages = present
        if not known.keys() >= remaining:
            yield SingleNumberResponse("EXISTS", len(present), b"%d EXISTS")
        for number, each in enumerate(present, 1):
            if each.uid in known and each.mod_seq != known[each.uid].mod_seq:
                yield self.fetch_response_with_flags(number, each, with_uid=with_uid)

    def fetch_response_with_flags(
        self, number: int, message: MessageWithoutContents, *, with_uid: bool
    ) -> FetchResponse:
        """Return a FETCH response that reports the flags of a message.

        number: sequence number of the message.
        """
        items = [("FLAGS", format_flags(message.flags))]
        if with_uid or self.is_qresync_enabled:
            items.insert(0, ("UID", b"%d" % message.uid))
        if "CONDSTORE" in self.enabled_extensions:
            items.append(("MODSEQ", b"(%d)" % message.mod_seq))
        return FetchResponse(number, message.uid, tuple(items), reports_changed_flags=True)

    def _removed(self, selected: SelectedFolder, numbers: list[int]) -> Iterator[UntaggedResponse]:
        if self.is_qresync_enabled and numbers:
            uids = [selected.messages[number - 1].uid for number in numbers]
            yield vanished_response(uids, earlier=False)
            return
        for number in reversed(numbers):
            yield SingleNumberResponse("EXPUNGE", number, b"%d EXPUNGE")
