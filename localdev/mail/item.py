"""A mail as a simulated mailbox stores it, for any protocol."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Address:
    """A display name, which may be empty, and an address such as `ada@example.org`."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailItem:
    """A mail to store in a simulated mailbox.

    `folder` is the path of display names below the root; `()` is the inbox. Times have a time zone
    and whole seconds.
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
