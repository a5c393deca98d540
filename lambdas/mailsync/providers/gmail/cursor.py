"""Parse and build the cursor of a mailbox: a JSON object of one of two forms.

    {"list": H, "page": T, "restarts": N}    the listing of a full sync; changes after H come later
    {"history": H, "page": T, "next": N}     a round of the history after H

`page` is the token of the next page; null: the first page is next. `next` is where the following
round starts: the `historyId` of this round's first page, because those of later pages can lie after
changes that the round does not report.
"""

from dataclasses import dataclass, replace

import orjson

from mailsync.errors import CursorExpired, ProviderUnavailable
from mailsync.model import Cursor

MAX_RESTARTS = 3
"""The number of times that a listing starts over because Gmail refuses the token of a page."""


@dataclass(frozen=True, slots=True)
class ListCursor:
    """A position in the listing of a full sync.

    history_id: of the mailbox before the listing began.
    page_token: None: the first page is next.
    restarts: how often the listing has started over.
    """

    history_id: int
    page_token: str | None = None
    restarts: int = 0

    def to_text(self) -> Cursor:
        return _to_cursor(list=self.history_id, page=self.page_token, restarts=self.restarts)

    def restarted(self) -> "ListCursor":
        """Return the position at the first page, after Gmail refused the token of a page.

        Raises:
            ProviderUnavailable: the listing has started over too often.
        """
        if self.restarts >= MAX_RESTARTS:
            raise ProviderUnavailable(
                "Gmail refuses the pages of its list of messages again and again; trying again."
            )
        return replace(self, page_token=None, restarts=self.restarts + 1)


@dataclass(frozen=True, slots=True)
class HistoryCursor:
    """A position in a round of the history.

    start: the round reports the changes after this `historyId`, on all of its pages.
    page_token: None: the first page is next.
    next_start: start of the following round. None: the first page is next.
    """

    start: int
    page_token: str | None = None
    next_start: int | None = None

    def to_text(self) -> Cursor:
        return _to_cursor(history=self.start, page=self.page_token, next=self.next_start)


def parse_cursor(cursor: Cursor) -> ListCursor | HistoryCursor:
    """Return the position of a stored cursor.

    Raises:
        CursorExpired: the cursor has no form of this release.
    """
    try:
        match orjson.loads(cursor):
            case {"list": int(start), "page": str() | None as token, "restarts": int(restarts)}:
                return ListCursor(start, token, restarts)
            case {"history": int(start), "page": str() | None as token, "next": int() | None as to}:
                return HistoryCursor(start, token, to)
    except orjson.JSONDecodeError:
        pass
    raise CursorExpired("The stored cursor of the Gmail mailbox has another form; reading it anew.")


def _to_cursor(**fields: int | str | None) -> Cursor:
    return Cursor(orjson.dumps(fields).decode())
