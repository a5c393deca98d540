"""Read a simulated mailbox (`simulators.mailbox`) in Graph's terms: with Graph's ids, JSON
properties and well-known folder names.

In Graph every message is in exactly one folder. A message in several folders or in none causes a
ValueError.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from localdev.simulators.folders import PURGED, RETAINED, Folder, FolderNotFound
from localdev.simulators.graph.ids import OutlookIds
from localdev.simulators.graph.properties import graph_message_properties
from localdev.simulators.graph.well_known import (
    ROLE_BY_WELL_KNOWN_NAME,
    ROOT_FOLDER_WELL_KNOWN_NAME,
    WELL_KNOWN_NAME_BY_ROLE,
)
from localdev.simulators.mailbox import Mailbox, MessageNotFound
from localdev.simulators.message import Message, received_at_sort_key

_ROOT_NAME = "Top of Information Store"
_OUTSIDE = (RETAINED, PURGED)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookFolder:
    """A mail folder as Graph describes it.

    folder_number: number of the folder in the simulated mailbox; 0 for the root folder.
    parent_id: id of the parent folder. None: the folder has no parent.
    role: well-known name of the folder, such as `inbox`. None: the folder has no well-known name.
    search_folder_filter: filter of a search folder. None: the folder is no search folder.
    message_count, unread_count: numbers of all messages and of unread messages in the folder.
    visible_child_count: number of the folder's child folders that are not hidden.
    """

    folder_number: int
    id: str
    parent_id: str | None
    display_name: str
    role: str | None
    is_hidden: bool
    search_folder_filter: str | None
    message_count: int = 0
    unread_count: int = 0
    visible_child_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlookMessage:
    """A message as Graph describes it.

    message_number: number of the message in the simulated mailbox.
    immutable_id: id that stays when the message moves.
    mutable_id: the default id, which changes when the message moves.
    change_key: version of the message.
    properties: the properties of Graph's message, without ids, folder, read state and body.
    """

    message_number: int
    folder_id: str
    immutable_id: str
    mutable_id: str
    change_key: str
    received_at: str
    is_read: bool
    properties: dict[str, Any]
    body_type: str
    body: str


class OutlookMailbox:
    """Reads a simulated mailbox in Graph's terms. Methods accept immutable and default ids."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.simulated_mailbox = mailbox
        self.ids = OutlookIds(mailbox.database, mailbox.user_id)
        self.user_id = mailbox.user_id
        self.address = mailbox.address
        self.display_name = mailbox.display_name
        self.folders = OutlookFolderReader(mailbox, self.ids)

    def find_message(self, message_id: str) -> OutlookMessage:
        """Return the message with this id. Raises MessageNotFound."""
        return self.convert_to_outlook_messages(
            [self.simulated_mailbox.find_message(self.find_message_number(message_id))]
        )[0]

    def find_message_number(self, message_id: str) -> int:
        """Return the number that the message with this id has in the simulated mailbox. Raises
        MessageNotFound."""
        numbers = self.ids.parse_message_and_placement_numbers(message_id)
        if numbers is None:
            raise MessageNotFound(message_id)
        number, placement = numbers
        try:
            message = self.simulated_mailbox.find_message(number)
        except MessageNotFound:
            raise MessageNotFound(message_id) from None
        if placement not in (None, message.only_placement.change_number):
            raise MessageNotFound(message_id)
        return number

    def list_messages_in_folder(self, folder: str) -> list[OutlookMessage]:
        """Return all messages of a folder, newest first."""
        return self.convert_to_outlook_messages(
            self.simulated_mailbox.list_messages_in_folders(
                self.folders.find_folder(folder).folder_number
            )
        )

    def is_message_purged(self, message: OutlookMessage) -> bool:
        return message.folder_id == self.ids.make_folder_id(
            self.simulated_mailbox.folders.find_folder(PURGED).number
        )

    def convert_to_outlook_messages(self, messages: Sequence[Message]) -> list[OutlookMessage]:
        versions = self._versions([message.message_number for message in messages])
        return [self._message(message, versions[message.message_number]) for message in messages]

    def _message(self, message: Message, version: int) -> OutlookMessage:
        if len(message.placements) != 1:
            raise ValueError(f"Graph needs message {message.message_number} in exactly one folder")
        return OutlookMessage(
            message_number=message.message_number,
            folder_id=self.ids.make_folder_id(message.only_folder_number),
            immutable_id=self.ids.make_immutable_message_id(message.message_number),
            mutable_id=self.ids.make_mutable_message_id(
                message.message_number, message.only_placement.change_number
            ),
            change_key=self.ids.make_change_key(message.message_number, version),
            received_at=received_at_sort_key(message)[0],
            is_read=message.is_read,
            properties=graph_message_properties(message),
            body_type=message.mail_item.body_type,
            body=message.mail_item.body,
        )

    def _versions(self, numbers: Sequence[int]) -> dict[int, int]:
        """Return the number of each message's newest change that is not only a change of the read
        state, by message number."""
        rows = self.simulated_mailbox.database.fetch_rows(
            "SELECT message, max(number) AS version FROM change"
            " WHERE message IN (SELECT value FROM json_each(?)) AND fields <> 'is_read'"
            " GROUP BY message",
            orjson.dumps(list(numbers)).decode(),
        )
        return {row["message"]: row["version"] for row in rows}


class OutlookFolderReader:
    """Finds the folders of one simulated mailbox by Graph's ids and well-known names."""

    def __init__(self, mailbox: Mailbox, ids: OutlookIds) -> None:
        self._mailbox = mailbox
        self._ids = ids

    def find_folder(self, reference: str) -> OutlookFolder:
        """Return the folder with this id or well-known name. The case of a name does not matter.
        Raises FolderNotFound."""
        number = self.find_folder_number(reference)
        if number == 0:
            return self._root()
        return self._translate([self._mailbox.folders.find_folder(number)])[0]

    def find_folder_number(self, reference: str) -> int:
        """Return the number that the folder with this id or well-known name has in the simulated
        mailbox. Return 0 for the root folder. Raises FolderNotFound."""
        name = reference.lower()
        if name == ROOT_FOLDER_WELL_KNOWN_NAME:
            return 0
        try:
            if name in ROLE_BY_WELL_KNOWN_NAME:
                return self._mailbox.folders.find_folder(ROLE_BY_WELL_KNOWN_NAME[name]).number
            number = self._ids.parse_folder_id(reference)
            if number is None:
                number = self._own_number(name)
            return self._mailbox.folders.find_folder(number).number if number else 0
        except FolderNotFound:
            raise FolderNotFound(reference) from None

    def list_all_folders(self) -> list[OutlookFolder]:
        """Return all folders below the root, at every level, in the order of their creation."""
        return self._translate(self._mailbox.folders.list_all_folders())

    def list_child_folders(self, parent: str) -> list[OutlookFolder]:
        return self._translate(
            self._mailbox.folders.list_child_folders(self.find_folder_number(parent) or None)
        )

    def _own_number(self, name: str) -> int:
        row = self._mailbox.database.fetch_row(
            "SELECT number FROM folder JOIN outlook_folder ON folder = number"
            " WHERE mailbox_id = ? AND well_known_name = ?",
            *(self._mailbox.user_id, name),
        )
        if row is None:
            raise FolderNotFound(name)
        return int(row["number"])

    def _root(self) -> OutlookFolder:
        return OutlookFolder(
            folder_number=0,
            id=self._ids.make_root_folder_id(),
            parent_id=None,
            display_name=_ROOT_NAME,
            role=ROOT_FOLDER_WELL_KNOWN_NAME,
            is_hidden=False,
            search_folder_filter=None,
            visible_child_count=len(
                [
                    each
                    for each in self._mailbox.folders.list_child_folders(None)
                    if not each.is_hidden
                ]
            ),
        )

    def _translate(self, folders: Iterable[Folder]) -> list[OutlookFolder]:
        database = self._mailbox.database
        own = dict(
            map(tuple, database.fetch_rows("SELECT folder, well_known_name FROM outlook_folder"))
        )
        children = dict(
            map(
                tuple,
                database.fetch_rows(
                    "SELECT parent, count(*) FROM folder WHERE mailbox_id = ? AND is_hidden = 0"
                    " AND parent IS NOT NULL GROUP BY parent",
                    self._mailbox.user_id,
                ),
            )
        )
        return [
            self._folder(folder, own.get(folder.number), children.get(folder.number, 0))
            for folder in folders
        ]

    def _folder(self, folder: Folder, own_name: str | None, children: int) -> OutlookFolder:
        name = WELL_KNOWN_NAME_BY_ROLE.get(folder.role, own_name)
        is_outside = folder.role in _OUTSIDE
        parent = None if is_outside else self._ids.make_folder_id(folder.parent or 0)
        return OutlookFolder(
            folder_number=folder.number,
            id=self._ids.make_folder_id(folder.number),
            parent_id=parent,
            display_name=folder.name,
            role=name,
            is_hidden=folder.is_hidden,
            search_folder_filter=folder.search_filter,
            message_count=folder.total,
            unread_count=folder.unread,
            visible_child_count=children,
        )
