"""Parse raw messages (RFC 5322, MIME). Pure functions; see docs/mime.md for what they decide.

A stage without providers that deliver raw messages does not import this package.
"""

from mailsync.mime.bodies import Attachment
from mailsync.mime.message import ParsedMessage, find_internet_message_id, parse_message
from mailsync.mime.threads import make_thread_keys

__all__ = [
    "Attachment",
    "ParsedMessage",
    "find_internet_message_id",
    "make_thread_keys",
    "parse_message",
]
