"""Parse and build the cursor of a mailbox: a JSON object of one of two forms.

    {"list": H, "page": T, "restarts": N}    the listing of a full sync; the history after H follows
    {"history": H, "page": T, "next": N}     a round of the history after H

`page` is the token of the next page; null: the first page is next. `next` is where the following
round starts: the `historyId` on this round's first page. The later pages have higher values, which
can lie after changes that this round does not report.
"""

from dataclasses import dataclass, replace

import orjson

from mailsync.errors import CursorExpired, ProviderUnavailable
from mailsync.model import Cursor

MAX_LISTING_RESTARTS = 3
"""The maximum number of times that a listing starts over because Gmail refuses a page token."""


@dataclass(frozen=True, slots=True)
class MessageListCursor:
    """A position in the listing of all messages, with which a full sync begins.

    history_id: `historyId` of the mailbox before the listing began.
    page_token: token of the next page. None: the first page is next.
    restart_count: number of times that the listing has started over.
    """

    history_id: int
    page_token: str | None = None
    restart_count: int = 0

    def to_text(self) -> Cursor:
        return _to_cursor(list=self.history_id, page=self.page_token, restarts=self.restart_count)

    def to_restarted_cursor(self) -> "MessageListCursor":
        """Return the position before the first page, because Gmail refused a page token.

        Raises:
            ProviderUnavailable: the listing has started over MAX_LISTING_RESTARTS times.
        """
        if self.restart_count >= MAX_LISTING_RESTARTS:
            raise ProviderUnavailable(
                "Gmail refuses the pages of its list of messages again and again; trying again."
            )
        return replace(self, page_token=None, restart_count=self.restart_count + 1)


@dataclass(frozen=True, slots=True)
class HistoryCursor:
    """A position in a round: one pass over the history of a mailbox, page by page.

    start_history_id: `historyId` after which the round reports changes, on all of its pages.
    page_token: token of the next page. None: the first page is next.
    next_start_history_id: `start_history_id` of the next round, which the first page of this round
        has named. None: no page of this round was read yet.
    """

    start_history_id: int
    page_token: str | None = None
    next_start_history_id: int | None = None

    def to_text(self) -> Cursor:
        return _to_cursor(
            history=self.start_history_id, page=self.page_token, next=self.next_start_history_id
        )


def parse_cursor(cursor: Cursor) -> MessageListCursor | HistoryCursor:
    """Return the position that a stored cursor contains.

    Raises:
        CursorExpired: the cursor has no form that this release knows.
    """
    try:
        match orjson.loads(cursor):
            case {"list": int(start), "page": str() | None as token, "restarts": int(restarts)}:
                return MessageListCursor(start, token, restarts)
            case {"history": int(start), "page": str() | None as token, "next": int() | None as to}:
                return HistoryCursor(start, token, to)
    except orjson.JSONDecodeError:
        pass
    raise CursorExpired("The stored cursor of the Gmail mailbox has another form; reading it anew.")


def _to_cursor(**fields: int | str | None) -> Cursor:
    return Cursor(orjson.dumps(fields).decode())
