"""How the toy provider presents a message of the neutral mailbox."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from localdev.simulators.folders import Folder, FolderNumberOrRole
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message as Mail
from mailsync.model import Address, Message, RemoteId, Role

_SAME = (
    *("internet_message_id", "subject", "is_read", "is_draft", "is_flagged", "has_attachments"),
    *("importance", "received_at", "sent_at"),
)


def to_message(mail: Mail, remote_id: RemoteId, labels: Sequence[int]) -> Message:
    """The message with those of its labels that are among `labels`."""
    item = mail.mail_item
    fields: dict[str, Any] = {name: getattr(item, name) for name in _SAME}
    for name in ("to", "cc", "bcc", "reply_to"):
        fields[name] = tuple(Address(p.name or p.address, p.address) for p in getattr(item, name))
    return Message(
        remote_id=remote_id,
        folder_remote_ids=tuple(
            RemoteId(str(each.folder_number))
            for each in mail.placements
            if each.folder_number in labels
        ),
        conversation_id=mail.thread_key,
        sender=Address(item.sender.name, item.sender.address) if item.sender else None,
        preview=mail.preview,
        body_text=item.body,
        categories=tuple(item.categories),
        modified_at=mail.modified_at,
        remote_version=str(mail.last_change_number),
        move_invariant_fingerprint=str(UUID(int=mail.message_number)),
        **fields,
    )


class ToyForm:
    """Implements `ProviderForm`. `id_of` is the provider's present id of a message."""

    uncounted: Role | None = Role.ARCHIVE

    def __init__(
        self, mailbox: Mailbox, id_of: Callable[[int], str], *, has_versions: bool = True
    ) -> None:
        self._mailbox, self.message_id, self._has_versions = mailbox, id_of, has_versions

    def folder_id(self, folder: FolderNumberOrRole) -> str:
        return str(self._mailbox.folders.find_folder(folder).number)

    def ids_and_versions(self, messages: Sequence[Mail]) -> Iterator[tuple[str, str]]:
        versions = (str(each.last_change_number) if self._has_versions else "" for each in messages)
        return zip(
            (self.message_id(each.message_number) for each in messages), versions, strict=True
        )

    def fields(self, message: Mail) -> dict[str, Any]:
        texts = {"preview": message.preview, "html": None, "text": message.mail_item.body}
        same = {"conversation": message.thread_key, "web link": None, **texts}
        return same if self._has_versions else {**same, "modified at": None}

    def folder_fields(self, folder: Folder) -> dict[str, Any]:
        return {}
