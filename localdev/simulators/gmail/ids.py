"""Make Gmail's ids from the numbers of the simulated mailbox, and read the numbers from ids.

Gmail's ids of messages and threads have 16 hexadecimal digits; over IMAP the same numbers are
X-GM-MSGID and X-GM-THRID. The seed of a thread id is the text that all messages of the thread share
(`Message.thread_key`). Ids of history records are numbers that grow with every change and have
gaps. Page tokens are decimal strings of 20 digits, also with leading zeros (captures in public
issue reports).
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from secrets import token_hex

from localdev.simulators.wire_time import format_utc_seconds

FIRST_MESSAGE_ID = 0x1900000000000000
RESERVED_HISTORY_IDS_PER_CHANGE = 4
_FIRST_HISTORY_ID = 1_000
_YEAR_ONE_S = 62_135_596_800
_MESSAGE_ID = re.compile(r"[0-9a-f]{16}")
_TOKEN = re.compile(r"([0-9]{20})(?:~[0-9a-f]{8})?")
_SEED_BY_THREAD_ID: dict[str, str] = {}


def make_message_id_of_change(id_number: int) -> str:
    return f"{FIRST_MESSAGE_ID + id_number:016x}"


def change_number_of_message_id(text: str) -> int | None:
    """Return the number of the change that made a message's id. Return None if the text has not the
    form of an id."""
    return int(text, 16) - FIRST_MESSAGE_ID if _MESSAGE_ID.fullmatch(text) else None


def is_well_formed_id(text: str) -> bool:
    return _MESSAGE_ID.fullmatch(text) is not None


def make_numeric_thread_id_from_key(thread_id_seed: str) -> int:
    """Return the thread id with this seed as a number."""
    digest = sha256(thread_id_seed.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) >> 2


@lru_cache(maxsize=100_000)
def make_thread_id_from_key(thread_id_seed: str) -> str:
    """Return the thread id with this seed, as 16 hexadecimal digits."""
    found = f"{make_numeric_thread_id_from_key(thread_id_seed):016x}"
    _SEED_BY_THREAD_ID[found] = thread_id_seed
    return found


def find_cached_thread_key(text: str) -> str | None:
    """Return the seed of a thread id, from the memory of this process. Return None if this process
    has not made the thread id yet.

    text: the thread id.
    """
    return _SEED_BY_THREAD_ID.get(text)


def make_history_id_of_change(
    change_number: int, place: int = RESERVED_HISTORY_IDS_PER_CHANGE - 1
) -> int:
    """Return the id of a history record, or by default the last historyId of a change.

    change_number: number of the change that the record reports.
    place: position of the record among the records of the same change, from 0 on. The default is
        the last position, which no record uses.
    """
    return _FIRST_HISTORY_ID + RESERVED_HISTORY_IDS_PER_CHANGE * change_number + place


def change_number_of_history_id(history: int) -> int:
    """Return the number of the change that a historyId belongs to."""
    return (history - _FIRST_HISTORY_ID) // RESERVED_HISTORY_IDS_PER_CHANGE


def make_message_page_token(received_at: str, number: int) -> str:
    """Return the token of the page that begins after a message.

    received_at, number: time of receipt and number of the message.
    """
    seconds = int(datetime.fromisoformat(received_at).timestamp()) + _YEAR_ONE_S
    return f"{seconds:012d}{number:08d}"


def parse_message_page_token(token: str) -> tuple[str, int] | None:
    """Return the time of receipt and the number of the message after which a page begins. Return
    None if the text is no page token."""
    found = _TOKEN.fullmatch(token)
    if not found:
        return None
    seconds = int(found[1][:12]) - _YEAR_ONE_S
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return None
    return format_utc_seconds(moment), int(found[1][12:])


def make_history_page_token(record_id: int) -> str:
    """Return the token of the page that begins after a history record."""
    return f"{record_id:020d}"


def parse_history_page_token(token: str) -> int | None:
    found = _TOKEN.fullmatch(token)
    return int(found[1]) if found else None


def make_new_token_for_same_page(token: str) -> str:
    """Return a token of the same page that has not been sent before."""
    return f"{token[:20]}~{token_hex(4)}"
