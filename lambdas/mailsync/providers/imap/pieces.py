"""Read a large message in pieces."""

from collections.abc import Callable
from typing import cast

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.messages import BODY
from mailsync.providers.imap.responses import FetchResponseItems
from mailsync.providers.imap.wire import MAX_RESPONSE_BYTES

MESSAGE_PIECE_BYTES = 4 * 2**20
"""The size of each requested piece; the last piece of a message is shorter."""
MAX_MESSAGE_BYTES = MAX_RESPONSE_BYTES
MAX_FAILED_REQUESTS_PER_MESSAGE = 2
"""The number of failed requests for a single message after which Mailsync no longer requests it."""


class MessageTooLarge(Exception):
    """Error: a message is larger than MAX_MESSAGE_BYTES, so it cannot be stored."""

    def __init__(self) -> None:
        super().__init__(f"The message has more than {MAX_MESSAGE_BYTES // 2**20} MB.")


def read_message_in_pieces(
    open_folder: Callable[[], ImapConnection], uid: int, size: int
) -> FetchResponseItems | None:
    """Fetch a message in pieces; return its FETCH items including the body. Return None if the
    server sends no body or the message is gone.

    size: the size that the server states. Some servers state a wrong size, so it does not mark the
        end: the first piece that is shorter than requested is the last one.

    Raises:
        MessageTooLarge: the message has more than MAX_MESSAGE_BYTES.
        ProviderThrottled: the server asks for a pause.
        ProviderUnavailable, ProviderRejected: the request for a piece failed twice.
    """
    raw = bytearray()
    if size > MAX_MESSAGE_BYTES and fetch_piece(open_folder(), uid, MAX_MESSAGE_BYTES, 1)[0]:
        raise MessageTooLarge
    while len(raw) <= MAX_MESSAGE_BYTES:
        piece, items = _fetch_with_retry(open_folder, uid, len(raw))
        if piece is None and not (raw and open_folder().search(f"UID {uid}:{uid}")):
            return None
        piece = piece or b""
        if len(piece) > MESSAGE_PIECE_BYTES:  # the server sends whole messages only
            raw.clear()
        raw += piece
        if len(piece) != MESSAGE_PIECE_BYTES:
            # The parser takes a bytearray as well, and a copy would need the memory again.
            return {b"FLAGS": (), **items, BODY: cast(bytes, raw)}
    raise MessageTooLarge


def fetch_piece(
    connection: ImapConnection, uid: int, start: int, size: int
) -> tuple[bytes | None, FetchResponseItems]:
    """Fetch a piece of a message. Return the bytes of the piece, and the other FETCH items of the
    response. The bytes are None if the server sent no piece.

    start: position of the first byte.
    size: maximum number of bytes.
    """
    items: dict[bytes, object] = {}
    wanted = f"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[]<{start}.{size}>)"
    for _, each in connection.iter_fetched_items([uid], wanted):
        items |= each
    found = [items.pop(each) for each in list(items) if each.startswith(BODY)]
    return next((each for each in found if isinstance(each, bytes)), None), items


def _fetch_with_retry(
    open_folder: Callable[[], ImapConnection], uid: int, start: int
) -> tuple[bytes | None, FetchResponseItems]:
    for _ in range(MAX_FAILED_REQUESTS_PER_MESSAGE - 1):
        try:
            piece, items = fetch_piece(open_folder(), uid, start, MESSAGE_PIECE_BYTES)
        except (ProviderUnavailable, ProviderRejected):
            continue
        if piece is not None:
            return piece, items
    return fetch_piece(open_folder(), uid, start, MESSAGE_PIECE_BYTES)
