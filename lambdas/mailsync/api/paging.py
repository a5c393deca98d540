"""Divide lists into pages by keyset pagination: the cursor of the next page encodes the sort key
(time and id) of the last row of this page.

A cursor stays valid when rows are added or removed, because it does not count rows.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query

from mailsync.api.problems import ApiError, Problem

RowSortKey = tuple[datetime, str]
ListedItem = TypeVar("ListedItem")
MAX_PAGE_SIZE = 100

PageSizeParameter = Annotated[
    int, Query(ge=1, le=MAX_PAGE_SIZE, description="Maximum number of entries in the page.")
]
PageCursorParameter = Annotated[
    str | None, Query(max_length=500, description="The nextCursor of the previous page. Opaque.")
]

_INVALID = Problem(
    type_urn_suffix="invalid-cursor",
    http_status=422,
    title="The cursor is invalid",
    detail="The cursor does not name a position in this list; send the nextCursor of an earlier"
    " response unchanged, or omit the cursor.",
)


def decode_page_cursor(cursor: str | None, read_id: Callable[[str], str]) -> RowSortKey | None:
    """Return the sort key (time and id) that a page cursor encodes. Return None if the request has
    no cursor.

    Args:
        read_id: parses the id in the cursor; raises ValueError if the id is malformed.

    Raises:
        ApiError: the cursor is not one that this API issued (422).
    """
    if cursor is None:
        return None
    try:
        at, number = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        moment, name = datetime.fromisoformat(at), read_id(number)
        if moment.tzinfo is None:
            raise ValueError(at)
        # Postgres accepts no offset of 16 hours or more, and Python no year 10,000.
        return moment.astimezone(UTC), name
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise ApiError(_INVALID) from None


def make_page_and_next_cursor(
    rows: Sequence[ListedItem], limit: int, position: Callable[[ListedItem], RowSortKey]
) -> tuple[Sequence[ListedItem], str | None]:
    """Return the first `limit` rows and the cursor of the next page. The cursor is None if these
    rows are the last page.

    Args:
        rows: up to `limit + 1` rows. If there are more than `limit` rows, another page exists.
        position: returns the sort key (time and id) of a row.
    """
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    at, number = position(page[-1])
    text = json.dumps([at.isoformat(), number])
    return page, base64.urlsafe_b64encode(text.encode()).decode()
