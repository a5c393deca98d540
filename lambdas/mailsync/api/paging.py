"""Positions in a list, as opaque text: a time and an id, the same as the list is sorted by.

A position stays good when rows are added or removed: it names where, not how many.
"""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, TypeVar

from aws_lambda_powertools.event_handler.openapi.params import Query

from mailsync.api.problems import ApiError, Problem

ListPosition = tuple[datetime, str]
Row = TypeVar("Row")
MAX_PAGE_SIZE = 100

PageLimit = Annotated[int, Query(ge=1, le=MAX_PAGE_SIZE, description="How many at most.")]
PageCursor = Annotated[
    str | None,
    Query(max_length=500, description="The nextCursor of the page before; opaque."),
]

_INVALID = Problem(
    kind="invalid-cursor",
    status=422,
    title="The cursor is invalid",
    detail="Send the nextCursor of an earlier answer unchanged, or leave the cursor out.",
)


def read_cursor(cursor: str | None, read_id: Callable[[str], str]) -> ListPosition | None:
    """The position that a cursor names. Raises ApiError (422) when it was not made here.

    `read_id` returns the id in it, or raises ValueError when it is none.
    """
    if cursor is None:
        return None
    try:
        at, number = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        moment, name = datetime.fromisoformat(at), read_id(number)
        if moment.tzinfo is None:
            raise ValueError(at)
        # Postgres knows no offset of 16 hours or more, and Python no year 10,000.
        return moment.astimezone(UTC), name
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error):
        raise ApiError(_INVALID) from None


def split_page(
    rows: Sequence[Row], limit: int, position: Callable[[Row], ListPosition]
) -> tuple[Sequence[Row], str | None]:
    """The page, of up to one row more than asked for, and the cursor of the next one, if any."""
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    at, number = position(page[-1])
    text = json.dumps([at.isoformat(), number])
    return page, base64.urlsafe_b64encode(text.encode()).decode()
