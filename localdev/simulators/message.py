"""A message of a simulated mailbox, and how its row is read and written."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from localdev.mail.item import MailItem, item_from_json, item_to_json
from localdev.simulators.wire_time import format_utc_seconds

STATES = ("is_read", "is_flagged", "is_draft", "importance", "categories")
"""Fields of `MailItem` that a message has of its own; all others belong to its blob."""
_NOT_IN_BLOB = (*STATES, "folder", "body", "body_type")


@dataclass(frozen=True, slots=True)
class Placement:
    """A message in a folder; `change_number` is the change number of its arrival there."""

    folder: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a simulated mailbox.

    number: its number, which stays when the message moves.
    blob_number: number of its content, which copies share.
    item: its content and present state; `item.folder` is not used.
    thread_key: text that all messages of one thread share.
    preview: the first characters of the body as one line of text.
    modified_at: time of the last change, except changes of the read state.
    last_change_number: change number of its last change.
    placements: the folders that it is in.
    attributes: values that only one provider's protocol has, by that provider's names.
    """

    number: int
    blob: int
    item: MailItem
    thread: str
    preview: str
    modified_at: datetime
    changed: int
    placements: tuple[Placement, ...]
    attributes: dict[str, Any]

    @property
    def is_read(self) -> bool:
        return self.item.is_read

    @property
    def placement(self) -> Placement:
        """Return the only placement. Raises ValueError if the message is in several folders."""
        (only,) = self.placements
        return only

    @property
    def folder(self) -> int:
        """Return the only folder. Raises ValueError if the message is in several folders."""
        return self.placement.folder


SELECT_MESSAGE = """
SELECT m.*, b.content, b.preview, b.body_type, b.body,
       (SELECT json_group_array(json_array(p.folder, p.number)) FROM placement p
         WHERE p.message = m.number) AS placements
  FROM message m JOIN blob b ON b.number = m.blob
"""


def sort_key(message: Message) -> tuple[str, int]:
    """Return the key by which messages of a folder are sorted by age: the time of receipt and the
    message number."""
    return format_utc_seconds(message.item.received_at), message.number


def content_of(item: MailItem) -> str:
    """Return the content of a mail as the JSON that a blob stores, without the body and the
    changeable states."""
    fields = {k: v for k, v in item_to_json(item).items() if k not in _NOT_IN_BLOB}
    return orjson.dumps(fields).decode()


def states_of(item: MailItem) -> tuple[bool, bool, bool, str, str]:
    categories = orjson.dumps(item.categories).decode()
    return item.is_read, item.is_flagged, item.is_draft, item.importance, categories


def message_of(row: sqlite3.Row) -> Message:
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
        number=row["number"],
        blob=row["blob"],
        item=item_from_json({**orjson.loads(row["content"]), **states}),
        thread=row["thread"],
        preview=row["preview"],
        modified_at=datetime.fromisoformat(row["modified_at"]),
        changed=row["changed"],
        placements=tuple(Placement(*placement) for placement in placements),
        attributes=orjson.loads(row["attributes"]),
    )
