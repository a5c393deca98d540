"""A neutral mailbox whose every change is made in a real Dovecot as well, by another client."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from imaplib import IMAP4_SSL, Time2Internaldate
from typing import Any

from localdev.mail.modified_utf7 import encode_modified_utf7
from localdev.simulators.imap.folder_state import MessageWithoutContents, SimulatedFolderReader
from localdev.simulators.imap.names import to_imap_folders
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.imap.store import ImapMailbox
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from tests.support.dovecot import Dovecot
from tests.support.imap_form import ImapForm

_CHANGES = (
    *(
        "deliver_message",
        "import_mail_items",
        "change_message_fields",
        "move_message",
        "copy_message",
    ),
    *(
        "move_message_to_trash_or_retained",
        "move_message_to_purged_folder",
        "delete_message_from_database",
        "send_draft",
    ),
    *(
        "replace_message_by_copy_with_new_id",
        "create_folder",
        "rename_folder",
        "move_folder_to_trash",
        "delete_folder_from_database",
    ),
    "expire_cursors",
)


@dataclass(frozen=True)
class Placed:
    """A message as Dovecot has it. of: as the neutral mailbox lists it."""

    folder: int
    uid: int
    of: MessageWithoutContents


class DovecotMailbox(Mailbox):
    """`placed` has the messages by their numbers."""

    def __init__(self, neutral: Mailbox, server: Dovecot, user: str, options: ImapOptions) -> None:
        super().__init__(neutral.database, neutral.user_id)
        self._server, self._user, self._options = server, user, options
        self._client: IMAP4_SSL = server.other_client(user)
        self._names: dict[int, str] = {self.folders.find_folder("inbox").number: "INBOX"}
        self._validities: dict[int, int] = {}
        self._depth = 0
        self.placed: dict[int, Placed] = {}
        self.replay()

    def close(self) -> None:
        self._client.logout()

    def uid_validity(self, folder: int) -> int:
        [line] = self._done(self._client.status(f'"{self._names[folder]}"', "(UIDVALIDITY)"))
        found = re.search(rb"UIDVALIDITY (\d+)", line)
        assert found, line
        return int(found[1])

    def replay(self) -> None:
        """Make in Dovecot what has changed since the last call."""
        if self._depth:
            return
        wanted = self._wanted_names()
        for number in sorted(wanted, key=lambda each: len(wanted[each])):
            self._name(number, wanted[number])
        self._replay_messages(wanted)
        gone = self._names.keys() - wanted.keys()
        for number in sorted(gone, key=lambda each: -len(self._names[each])):
            self._done(self._client.delete(f'"{self._names.pop(number)}"'))
        for number in wanted:
            self._renumber(number)

    def _wanted_names(self) -> dict[int, str]:
        named = to_imap_folders(self.folders.list_all_folders(), self._options)
        return {each.simulated_folder.number: encode_modified_utf7(each.name) for each in named}

    def _name(self, number: int, name: str) -> None:
        known = self._names.get(number)
        if known == name:
            return
        if known is None:
            self._done(self._client.create(f'"{name}"'))
        else:
            self._done(self._client.rename(f'"{known}"', f'"{name}"'))
            below = known + self._options.separator
            for other, each in self._names.items():
                if each.startswith(below):
                    self._names[other] = name + each.removeprefix(known)
        self._names[number] = name

    def _replay_messages(self, folders: Mapping[int, str]) -> None:
        listed = {
            each.message_number: (folder, each)
            for folder in folders
            for each in SimulatedFolderReader(self, folder).list_messages()
        }
        for number in self.placed.keys() - listed.keys():
            self._remove(self.placed.pop(number))
        for number, (folder, each) in sorted(listed.items(), key=lambda item: item[1][1].uid):
            self.placed[number] = self._replay_message(self.placed.get(number), folder, each)

    def _replay_message(
        self, known: Placed | None, folder: int, wanted: MessageWithoutContents
    ) -> Placed:
        if known is None or known.of.content_blob_id != wanted.content_blob_id:
            if known:
                self._remove(known)
            return Placed(folder, self._append(folder, wanted), wanted)
        uid = known.uid
        if (known.folder, known.of.uid) != (folder, wanted.uid):
            self._select(known.folder)
            self._done(self._client.uid("COPY", str(uid), f'"{self._names[folder]}"'))
            moved_to = self._new_uid("COPYUID")
            self._remove(known)
            uid = moved_to
        if known.of.flags != wanted.flags:
            self._select(folder)
            flags = f"({' '.join(sorted(wanted.flags))})"
            self._done(self._client.uid("STORE", str(uid), "FLAGS.SILENT", flags))
        self._unselect()
        return Placed(folder, uid, wanted)

    def _append(self, folder: int, wanted: MessageWithoutContents) -> int:
        raw = ImapMailbox(self, self._options).read_message_bytes(wanted)
        assert raw is not None
        received_at = Time2Internaldate(
            self.find_message(wanted.message_number).mail_item.received_at
        )
        flags = f"({' '.join(sorted(wanted.flags))})"
        self._done(self._client.append(f'"{self._names[folder]}"', flags, received_at, raw))
        return self._new_uid("APPENDUID")

    def _remove(self, known: Placed) -> None:
        if known.folder not in self._names:
            return
        self._select(known.folder)
        self._done(self._client.uid("STORE", str(known.uid), "+FLAGS.SILENT", "(\\Deleted)"))
        self._done(self._client.uid("EXPUNGE", str(known.uid)))
        self._unselect()

    def _select(self, folder: int) -> None:
        self._done(self._client.select(f'"{self._names[folder]}"'))

    def _unselect(self) -> None:
        if self._client.state == "SELECTED":
            self._done(self._client.unselect())

    def _new_uid(self, code: str) -> int:
        _, [text] = self._client.response(code)
        return int(text.split()[-1])

    def _renumber(self, folder: int) -> None:
        """Give the folder a new UIDVALIDITY if the cursors of the neutral one have expired."""
        validity = SimulatedFolderReader(self, folder).uid_validity
        if self._validities.setdefault(folder, validity) != validity:
            self._validities[folder] = validity
            new = str(int(time.time()) + validity % 1_000 * 1_000)
            name = self._names[folder]
            command = ("mailbox", "update", "-u", self._user, "--uid-validity", new, name)
            self._client.logout()  # A session may end whose folder is numbered anew.
            self._server.doveadm(*command)
            self._client = self._server.other_client(self._user)

    @staticmethod
    def _done(answer: tuple[str, Sequence[Any]]) -> Sequence[Any]:
        assert answer[0] == "OK", answer
        return answer[1]


def _replayed(change: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(change)
    def changed(self: DovecotMailbox, *given: Any, **named: Any) -> Any:
        self._depth += 1
        try:
            return change(self, *given, **named)
        finally:
            self._depth -= 1
            self.replay()

    return changed


for _name in _CHANGES:
    setattr(DovecotMailbox, _name, _replayed(getattr(Mailbox, _name)))


class DovecotForm(ImapForm):
    """The UIDs are Dovecot's."""

    def __init__(self, mailbox: DovecotMailbox, options: ImapOptions) -> None:
        super().__init__(mailbox, options)
        self._placed = mailbox

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
        names, validities = self._names(), dict[int, int]()
        for each in messages:
            placed = self._placed.placed[each.message_number]
            if placed.folder not in validities:
                validities[placed.folder] = self._placed.uid_validity(placed.folder)
            version = " ".join(sorted(flag.lower() for flag in placed.of.flags))
            yield f"{names[placed.folder]}:{validities[placed.folder]}:{placed.uid}", version
