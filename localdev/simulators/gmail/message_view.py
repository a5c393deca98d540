"""Define a message as the simulated Gmail knows it, before it becomes JSON."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GmailMessage:
    """A message of a simulated Gmail mailbox.

    id, thread_id: 16 hexadecimal digits.
    label_ids: empty for archived mail without a label.
    history_id: last historyId of the message's newest change, a decimal number. The history records
        of this change have lower ids.
    internal_date_ms: time of receipt in milliseconds since 1970 in UTC.
    size_estimate: size in bytes.
    snippet: the first characters of the body as one line.
    raw_bytes: bytes of the message (RFC 5322). For a chat message they are empty or truncated.
    chat_message_text: text of a chat message, which only `format=full` shows. None: the message is
        a mail.
    """

    id: str
    thread_id: str
    label_ids: tuple[str, ...]
    history_id: str
    internal_date_ms: int
    size_estimate: int
    snippet: str
    raw_bytes: bytes
    chat_message_text: str | None = None
