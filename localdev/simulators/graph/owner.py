"""Change a simulated mailbox by Graph's ids and property names, for the control API `/_sim/`."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from localdev.simulators.graph.ids import renew_message_and_folder_ids
from localdev.simulators.graph.outlook import OutlookMailbox
from localdev.simulators.graph.well_known import (
    ROOT_FOLDER_WELL_KNOWN_NAME,
    add_conversation_history_folder,
)
from localdev.simulators.mailbox import Mailbox
from mailsync.model import Address

_Value = Callable[[Any], Any]


class OutlookMailboxEditor:
    """Changes a mailbox on behalf of its owner. Methods take Graph's ids and well-known folder
    names. Message ids that methods return are immutable ids."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._outlook = OutlookMailbox(mailbox)

    def find_message_number(self, message_id: str) -> int:
        return self._outlook.find_message_number(message_id)

    def find_folder_number(self, reference: str) -> int:
        return self._outlook.folders.find_folder(reference).folder_number

    def graph_id_of_message(self, number: int) -> str:
        return self._outlook.ids.make_immutable_message_id(number)

    def update_message(self, message_id: str, changes: Mapping[str, Any]) -> None:
        """Change properties of a message by their Graph names.

        A value that no mail can have is stored unchanged, and the Graph server returns it, to test
        how clients handle it.
        """
        number = self.find_message_number(message_id)
        fields: dict[str, Any] = {}
        attributes: dict[str, Any] = {}
        known = self._mailbox.find_message(number).provider_specific_attributes
        for name, value in changes.items():
            if name not in _FIELDS or name in known:
                attributes[name] = value
                continue
            field, convert = _FIELDS[name]
            try:
                fields[field] = convert(value)
            except (TypeError, ValueError, KeyError, AttributeError):
                attributes[name] = value
        self._mailbox.change_message_fields(number, attributes=attributes, **fields)

    def move_message(self, message_id: str, destination: str) -> str:
        # After the move a default id no longer names the message.
        number = self.find_message_number(message_id)
        self._mailbox.move_message(number, self.find_folder_number(destination))
        return self.graph_id_of_message(number)

    def create_folder(
        self, *, name: str, parent: str = ROOT_FOLDER_WELL_KNOWN_NAME, **fields: Any
    ) -> str:
        above = self.find_folder_number(parent) or None
        return self._outlook.ids.make_folder_id(
            self._mailbox.create_folder(name, parent=above, **fields)
        )

    def recreate_empty_mailbox(self) -> None:
        """Replace the mailbox by a new, empty mailbox of the same user.

        The ids of the old mailbox then count as ids of another mailbox. The delta links of the old
        mailbox become unknown, and its subscriptions end.
        """
        mailbox, database = self._mailbox, self._mailbox.database
        with database.transaction():
            for statement in (
                "DELETE FROM outlook_folder"
                " WHERE folder IN (SELECT number FROM folder WHERE mailbox_id = ?)",
                "DELETE FROM chain WHERE owner_id = ?",
                "DELETE FROM subscription WHERE mailbox_id = ?",
            ):
                database.execute_write(statement, mailbox.user_id)
            renew_message_and_folder_ids(database, mailbox.user_id)
            mailbox.recreate_empty_mailbox()
            add_conversation_history_folder(mailbox)
        self._outlook = OutlookMailbox(mailbox)

    def expire_delta_links(self, folder: str | None) -> None:
        """Make the delta links that were issued so far fail with 410.

        folder: id or well-known name of the folder whose links fail. None: all links of the
            mailbox.
        """
        self._mailbox.expire_cursors(self.find_folder_number(folder) if folder else None)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(value)
    return tuple(_text(name) for name in value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _importance(value: Any) -> str:
    if value not in ("low", "normal", "high"):
        raise ValueError(value)
    return str(value)


def _addresses(value: Any) -> tuple[Address, ...]:
    return tuple(_address(recipient) for recipient in value)


def _address(value: Any) -> Address:
    named = value["emailAddress"]
    return Address(_text(named["name"]), _text(named["address"]))


_FIELDS: dict[str, tuple[str, _Value]] = {
    "isRead": ("is_read", bool),
    "isDraft": ("is_draft", _truth),
    "hasAttachments": ("has_attachments", _truth),
    "flag": ("is_flagged", lambda flag: flag["flagStatus"] == "flagged"),
    "importance": ("importance", _importance),
    "categories": ("categories", _texts),
    "subject": ("subject", _text),
    "internetMessageId": ("internet_message_id", _text),
    "sentDateTime": ("sent_at", datetime.fromisoformat),
    "from": ("sender", _address),
    "toRecipients": ("to", _addresses),
    "ccRecipients": ("cc", _addresses),
    "bccRecipients": ("bcc", _addresses),
    "replyTo": ("reply_to", _addresses),
}
"""Field of `MailItem` for each property of Graph, and the function that converts the value."""
GRAPH_PROPERTY_BY_MAIL_FIELD = {field: name for name, (field, _) in _FIELDS.items()}
"""Graph's property for each field of `MailItem`; the journal names changes by these fields."""
