"""Define the form in which a simulated mailbox stores a mail, independent of the provider."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from mailsync.model import Address

_TIMES = ("received_at", "sent_at")
_ADDRESSES = frozenset({"to", "cc", "bcc", "reply_to"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MailItem:
    """A mail to store in a simulated mailbox.

    received_at, sent_at: times with a time zone, in whole seconds.
    folder: path of the folder, as display names from the top of the tree on. Empty: the inbox.
    conversation: text that all mails of one thread share. None: the subject.
    original: bytes of the message as a server transmits it (RFC 5322). None: they are not kept.
    """

    subject: str
    body: str
    received_at: datetime
    sent_at: datetime
    body_type: Literal["text", "html"] = "text"
    folder: tuple[str, ...] = ()
    sender: Address | None = None
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    internet_message_id: str | None = None
    conversation: str | None = None
    is_read: bool = False
    is_draft: bool = False
    is_flagged: bool = False
    importance: Literal["low", "normal", "high"] = "normal"
    categories: tuple[str, ...] = ()
    has_attachments: bool = False
    original: bytes | None = field(default=None, compare=False, repr=False)


def item_to_json(item: MailItem) -> dict[str, Any]:
    """Return a mail as a JSON object with the field names of MailItem, without `original`. Times
    are in ISO 8601, and addresses are `{name, address}`."""
    document = asdict(item)
    del document["original"]
    for name in _TIMES:
        document[name] = document[name].isoformat()
    return document


def item_from_json(document: Mapping[str, Any]) -> MailItem:
    """Return the mail that `item_to_json` has converted to JSON. Raises TypeError for unknown
    fields."""
    values = dict(document)
    for name in _TIMES:
        values[name] = datetime.fromisoformat(values[name])
    for name in _ADDRESSES & values.keys():
        values[name] = tuple(Address(**address) for address in values[name])
    if values.get("sender"):
        values["sender"] = Address(**values["sender"])
    for name in {"categories", "folder"} & values.keys():
        values[name] = tuple(values[name])
    return MailItem(**values)
