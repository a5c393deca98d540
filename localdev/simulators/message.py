"""Define a message of a simulated mailbox, and convert it from and to rows of the SQLite tables."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from localdev.mail.item import MailItem, item_from_json, item_to_json
from localdev.simulators.wire_time import format_utc_seconds

MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES = (
    "is_read",
    "is_flagged",
    "is_draft",
    "importance",
    "categories",
)
"""Fields of `MailItem` that the table `message` stores, separately for each message. The other
fields are stored in a blob, which a message shares with its copies."""
_NOT_IN_BLOB = (*MAIL_ITEM_FIELDS_NOT_SHARED_BY_COPIES, "folder", "body", "body_type", "original")


@dataclass(frozen=True, slots=True)
class Placement:
    """The fact that a message is in a folder.

    change_number: number of the change that put the message into the folder.
    """

    folder_number: int
    change_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a simulated mailbox.

    message_number: the message's number, which stays when the message moves.
    content_blob_id: number of the message's content. Copies of a message have the same content.
    mail_item: the message's content with its present read state, flag and so on.
        `mail_item.folder` is not used.
    thread_key: text that all messages of one thread share.
    preview: the first characters of the body as one line of text.
    modified_at: time of receipt, or of the last change of fields. A move, or a change of only the
        read state, does not change this time.
    last_change_number: journal number of the message's last change.
    placements: the folders that the message is in.
    provider_specific_attributes: values that only one provider has, under that provider's names,
        such as `imapFlags`.
    """

    message_number: int
    content_blob_id: int
    mail_item: MailItem
    thread_key: str
    preview: str
    modified_at: datetime
    last_change_number: int
    placements: tuple[Placement, ...]
    provider_specific_attributes: dict[str, Any]

    @property
    def is_read(self) -> bool:
        return self.mail_item.is_read

    @property
    def only_placement(self) -> Placement:
        """Return the placement of a message that is in one folder. Raises ValueError if the message
        is in several folders or in none."""
        (only,) = self.placements
        return only

    @property
    def only_folder_number(self) -> int:
        """Return the number of the message's only folder. Raises ValueError if the message is in
        several folders or in none."""
        return self.only_placement.folder_number


SELECT_MESSAGE_SQL = """
SELECT m.*, b.content, b.preview, b.body_type, b.body,
       (SELECT json_group_array(json_array(p.folder, p.number)) FROM placement p
         WHERE p.message = m.number) AS placements
  FROM message m JOIN blob b ON b.number = m.blob
"""


def received_at_sort_key(message: Message) -> tuple[str, int]:
    """Return the key by which messages of a folder are sorted by age: the time of receipt and the
    message number."""
    return format_utc_seconds(message.mail_item.received_at), message.message_number


def blob_json_of_mail_item(item: MailItem) -> str:
    """Return the JSON that a blob stores of a mail: all fields except the folder, the body and the
    values that a message's owner can change."""
    fields = {k: v for k, v in item_to_json(item).items() if k not in _NOT_IN_BLOB}
    return orjson.dumps(fields).decode()


def message_columns_of_mail_item(item: MailItem) -> tuple[bool, bool, bool, str, str]:
    categories = orjson.dumps(item.categories).decode()
    return item.is_read, item.is_flagged, item.is_draft, item.importance, categories


def row_to_message(row: sqlite3.Row) -> Message:
    states = {
        "is_read": bool(row["is_read"]),
        "is_flagged": bool(row["is_flagged"]),
        "is_draft": bool(row["is_draft"]),
        "importance": row["importance"],
        "categories": orjson.loads(row["categories"]),
        "body": row["body"],
        "body_type": row["body_type"],
    }
    placements = sorted(orjson.loads(row["placements"]))
    return Message(
        message_number=row["number"],
        content_blob_id=row["blob"],
        mail_item=item_from_json({**orjson.loads(row["content"]), **states}),
        thread_key=row["thread"],
        preview=row["preview"],
        modified_at=datetime.fromisoformat(row["modified_at"]),
        last_change_number=row["changed"],
        placements=tuple(Placement(*placement) for placement in placements),
        provider_specific_attributes=orjson.loads(row["attributes"]),
    )
