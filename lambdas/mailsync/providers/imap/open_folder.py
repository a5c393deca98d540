"""Define what a server reports when it opens a folder (EXAMINE)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mailsync.errors import ProviderRejected
from mailsync.providers.imap.folder_commands import read_folder_statuses
from mailsync.providers.imap.uids import SEARCH_FOR_ALL_UIDS

if TYPE_CHECKING:
    from mailsync.providers.imap.connection import ImapConnection

_NUMBERS = ("EXISTS", "UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ")


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """The state of a folder when the server opened it (EXAMINE).

    uid_validity: UIDVALIDITY: if it changes, all UIDs have become void.
    uid_next: UIDNEXT: the next message will get this UID or a higher one.
    mod_seq: the folder's highest mod-sequence. None: the server reported no usable mod-sequence.
    """

    name: bytes
    uid_validity: int
    uid_next: int
    message_count: int
    mod_seq: int | None


def read_open_folder(
    connection: "ImapConnection", folder: bytes, responses: Mapping[str, list[Any]]
) -> OpenFolder:
    """Return what the responses to EXAMINE report; request the numbers that they lack.

    Raises:
        ProviderRejected: the server reports no UIDVALIDITY or no number of messages. Without
            UIDVALIDITY, UIDs identify nothing.
    """
    found = {name: _number(responses, name) for name in _NUMBERS}
    numbers = {name: number for name, number in found.items() if number is not None}
    if "UIDVALIDITY" not in numbers or "UIDNEXT" not in numbers:
        status = read_folder_statuses(connection, [folder])[folder]
        numbers = (dict(status) if isinstance(status, Mapping) else {}) | numbers
    if "UIDVALIDITY" not in numbers or "EXISTS" not in numbers:
        raise ProviderRejected(
            "The mail server gives this folder no UIDVALIDITY or no number of messages, so its"
            " messages cannot be told apart. Mail that is stored stays."
        )
    uid_next = numbers.get("UIDNEXT")
    if uid_next is None:
        uid_next = max(connection.search(SEARCH_FOR_ALL_UIDS), default=0) + 1
    mod_seq = numbers.get("HIGHESTMODSEQ") if "CONDSTORE" in connection.capabilities else None
    return OpenFolder(folder, numbers["UIDVALIDITY"], uid_next, numbers["EXISTS"], mod_seq or None)


def _number(responses: Mapping[str, list[Any]], name: str) -> int | None:
    """Return the number in the last response code of this name; None if there is none that 64 bits
    hold."""
    found = responses.get(name, [b""])[-1]
    return int(found) if isinstance(found, bytes) and re.fullmatch(rb"\d{1,18}", found) else None
