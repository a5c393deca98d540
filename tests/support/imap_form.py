"""How an IMAP server presents a message and a folder of the neutral mailbox: names and UIDs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localdev.mail.modified_utf7 import decode_modified_utf7, encode_modified_utf7
from localdev.simulators.folders import Folder, FolderNumberOrRole
from localdev.simulators.imap.flags import keyword_of_category
from localdev.simulators.imap.folder_state import SimulatedFolderReader
from localdev.simulators.imap.names import to_imap_folders
from localdev.simulators.imap.options import ImapOptions
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from mailsync.mime.preview import make_preview
from mailsync.model import Role

_ROLES_BY_IMAP = {"inbox", "sent", "drafts", "trash", "junk", "archive"}


class ImapForm:
    """Implements `ProviderForm`. A message is in one folder. Conversations are not compared: their
    ids have no meaning outside the tables."""

    uncounted: Role | None = None

    def __init__(self, mailbox: Mailbox, options: ImapOptions) -> None:
        self._mailbox, self.options = mailbox, options

    def message_id(self, number: int) -> str:
        [(key, _)] = self.ids_and_versions([self._mailbox.find_message(number)])
        return key

    def uid(self, number: int) -> str:
        """The UID of a message in its folder."""
        return self.message_id(number).rpartition(":")[2]

    def folder_id(self, folder: FolderNumberOrRole) -> str:
        return self._names()[self._mailbox.folders.find_folder(folder).number]

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
        names = self._names()
        found: dict[int, tuple[str, str]] = {}
        for number in {each.only_folder_number for each in messages}:
            state = SimulatedFolderReader(self._mailbox, number)
            prefix = f"{names[number]}:{state.uid_validity}:" if number in names else ":"
            for each in state.list_messages():
                version = " ".join(sorted(flag.lower() for flag in each.flags))
                found[each.message_number] = f"{prefix}{each.uid}", version
        return (found[each.message_number] for each in messages)

    def fields(self, message: Message) -> dict[str, Any]:
        item = message.mail_item
        is_html = item.body_type == "html"
        return {
            "web link": None,
            "modified at": None,
            "preview": make_preview(item.body, item.body_type),
            "html": item.body if is_html else None,
            "text": None if is_html else item.body,
            "categories": sorted(map(keyword_of_category, item.categories)),
        }

    def folder_fields(self, folder: Folder) -> Mapping[str, Any]:
        """The folders below the inbox stand at the top, since on many servers all of them do."""
        names = self._names()
        above, _, name = names[folder.number].rpartition(self.options.separator)
        return {
            "name": decode_modified_utf7(name),
            "parent": above if above in names.values() and above != "INBOX" else None,
            "role": folder.role if folder.role in _ROLES_BY_IMAP else "other",
            "hidden": False,
        }

    def _names(self) -> Mapping[int, str]:
        named = to_imap_folders(self._mailbox.folders.list_all_folders(), self.options)
        return {each.simulated_folder.number: encode_modified_utf7(each.name) for each in named}
