"""How Graph presents a message and a folder of the neutral mailbox: ids, and what it adds."""

from collections.abc import Iterator, Sequence
from typing import Any

from localdev.simulators.folders import Folder, FolderNumberOrRole
from localdev.simulators.graph.ids import OutlookIds
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.properties import (
    make_conversation_id,
    make_conversation_uuid_hex,
    make_web_link,
    text_to_html,
)
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import Message
from mailsync.model import Role


class OutlookForm:
    """Implements `ProviderForm`."""

    uncounted: Role | None = None

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    @property
    def _ids(self) -> OutlookIds:
        """Those of now: a mailbox that is created again gets others."""
        return OutlookIds(self._mailbox.database, self._mailbox.user_id)

    def message_id(self, number: int) -> str:
        return self._ids.make_immutable_message_id(number)

    def folder_id(self, folder: FolderNumberOrRole) -> str:
        return self._ids.make_folder_id(self._mailbox.folders.find_folder(folder).number)

    def ids_and_versions(self, messages: Sequence[Message]) -> Iterator[tuple[str, str]]:
        for each in OutlookMailbox(self._mailbox).convert_to_outlook_messages(messages):
            yield each.immutable_id, f'W/"{each.change_key}"'

    def fields(self, message: Message) -> dict[str, Any]:
        """The columns whose values are Graph's own; all text is HTML."""
        conversation = make_conversation_uuid_hex(message.thread_key)
        is_text = message.mail_item.body_type == "text"
        return {
            "conversation": make_conversation_id(conversation),
            "web link": make_web_link(conversation),
            "preview": message.preview,
            "html": text_to_html(message.mail_item.body) if is_text else message.mail_item.body,
            "text": None,
        }

    def folder_fields(self, folder: Folder) -> dict[str, Any]:
        return {}
