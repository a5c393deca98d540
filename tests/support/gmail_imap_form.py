"""How Gmail's IMAP server presents a message and a folder of the neutral mailbox."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localdev.mail.modified_utf7 import decode_modified_utf7
from localdev.simulators.folders import Folder
from localdev.simulators.gmail.ids import make_numeric_thread_id_from_key
from localdev.simulators.imap.flags import flags_of_message
from localdev.simulators.imap.gmail import GmailMailboxView
from localdev.simulators.imap.options import GMAIL_SERVER_EXTENSIONS, ImapOptions
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from tests.support.imap_form import ImapForm

GMAIL_OPTIONS = ImapOptions(extensions=GMAIL_SERVER_EXTENSIONS)


class GmailImapForm(ImapForm):
    """Implements `ProviderForm`. A message is in All Mail and in the folders of its labels."""

    def __init__(self, mailbox: Mailbox, options: ImapOptions = GMAIL_OPTIONS) -> None:
        super().__init__(mailbox, options)

    @property
    def _view(self) -> GmailMailboxView:
        """That of now: the mailbox may be that of an earlier time."""
        return GmailMailboxView(self._mailbox, self.options)

    def message_id(self, number: int) -> str:
        return format(self._view.find_gmail_message_id(number), "x")

    def uid(self, number: int) -> str:
        """The UID of a message in the folder that was read: All Mail, Trash or Junk."""
        sources = {
            self._mailbox.folders.find_folder(each).number for each in ("archive", "trash", "junk")
        }
        shown = self._view.find_message_uid_in_each_folder(number)
        return str(next((uid for folder, uid in shown.items() if folder in sources), 0))

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
        for each in messages:
            item = each.mail_item
            states = {name: getattr(item, name) for name in ("is_read", "is_flagged", "is_draft")}
            flags = sorted(
                map(
                    str.lower,
                    flags_of_message(states, item.categories, each.provider_specific_attributes),
                )
            )
            important = ["\\important"] if item.importance == "high" else []
            yield self.message_id(each.message_number), " ".join([*flags, *important])

    def fields(self, message: Message) -> dict[str, Any]:
        folders = self._view.find_message_uid_in_each_folder(message.message_number)
        return {
            **super().fields(message),
            "folders": sorted(map(self.folder_id, folders)),
            "conversation": format(make_numeric_thread_id_from_key(message.thread_key), "x"),
            "importance": "high" if message.mail_item.importance == "high" else "normal",
        }

    def folder_fields(self, folder: Folder) -> Mapping[str, Any]:
        names = self._names()
        shown = {
            each.simulated_folder.number: each.simulated_folder
            for each in self._view.list_folders()
        }
        name = above = names[folder.number].removeprefix("[Gmail]/")
        while (above := above.rpartition("/")[0]) and above not in names.values():
            pass
        return {
            **super().folder_fields(folder),
            "name": decode_modified_utf7(name.removeprefix(f"{above}/" if above else "")),
            "parent": above if above and above != "INBOX" else None,
            "total": shown[folder.number].total,
            "unread": shown[folder.number].unread,
        }
