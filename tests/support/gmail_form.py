"""How Gmail presents a message and a label of the neutral mailbox."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from localdev.simulators.folders import Folder, FolderNumberOrRole
from localdev.simulators.gmail.behaviour import GmailBehaviour
from localdev.simulators.gmail.ids import make_thread_id_from_key
from localdev.simulators.gmail.labels import GmailLabel, GmailLabels
from localdev.simulators.gmail.mailbox import GmailMailbox
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from mailsync.mime.preview import make_preview
from mailsync.model import RemoteId, Role
from mailsync.providers.gmail.labels import ALL_MAIL_FOLDER_ID, to_folder_ids

_ROLES = {"INBOX": "inbox", "SENT": "sent", "DRAFT": "drafts", "TRASH": "trash", "SPAM": "junk"}


class GmailForm:
    """Implements `ProviderForm`. A message is in the folders of its labels, and in All Mail unless
    it is in Trash or Spam. The folder `archive` of the neutral mailbox stands for All Mail."""

    uncounted: Role | None = Role.ARCHIVE

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def _gmail(self) -> GmailMailbox:
        """That of now: the mailbox may be that of an earlier time."""
        return GmailMailbox(self._mailbox, GmailBehaviour())

    def message_id(self, number: int) -> str:
        return next((each.id for each in self._gmail.find_messages_without_contents([number])), "")

    def folder_id(self, folder: FolderNumberOrRole) -> str:
        number = self._mailbox.folders.find_folder(folder).number
        return GmailLabels(self._mailbox).label_id_by_folder_number.get(number, ALL_MAIL_FOLDER_ID)

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
        """Gmail's messages have no versions."""
        listed = self._gmail.find_messages_without_contents(
            [each.message_number for each in messages]
        )
        ids = {each.message_number: each.id for each in listed}
        return ((ids[each.message_number], "") for each in messages)

    def fields(self, message: Message) -> dict[str, Any]:
        item = message.mail_item
        is_html = item.body_type == "html"
        (listed,) = self._gmail.find_messages_without_contents([message.message_number])
        return {
            "folders": sorted(to_folder_ids(map(RemoteId, listed.label_ids))),
            "conversation": make_thread_id_from_key(message.thread_key),
            "is draft": "DRAFT" in listed.label_ids,
            "importance": "high" if "IMPORTANT" in listed.label_ids else "normal",
            "categories": [],
            "modified at": None,
            "web link": None,
            "preview": make_preview(item.body, item.body_type),
            "html": item.body if is_html else None,
            "text": None if is_html else item.body,
        }

    def folder_fields(self, folder: Folder) -> Mapping[str, Any]:
        labels = GmailLabels(self._mailbox)
        label = labels.label_by_id.get(labels.label_id_by_folder_number.get(folder.number, ""))
        if label is None:
            counts = self._gmail.count_messages_and_threads((), includes_spam_trash=False)
            return {
                "name": "All Mail",
                "parent": None,
                "role": "archive",
                "hidden": False,
                "total": counts["messagesTotal"],
                "unread": counts["messagesUnread"],
            }
        parent, name = _parent(label, labels)
        return {
            "name": name,
            "parent": parent,
            "role": _ROLES.get(label.id, "other"),
            "hidden": label.is_hidden_in_clients,
        }


def _parent(label: GmailLabel, labels: GmailLabels) -> tuple[str | None, str]:
    """The nearest label above this one that exists, and the rest of the name."""
    ids = {each.name: each.id for each in labels.label_by_id.values() if not each.is_system}
    parts = label.name.split("/")
    for length in range(len(parts) - 1, 0, -1):
        above = "/".join(parts[:length])
        if not label.is_system and above in ids:
            return ids[above], label.name[len(above) + 1 :]
    return None, label.name
