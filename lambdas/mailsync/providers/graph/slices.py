"""Read the messages of a folder that arrived within a span of time.

`$filter` names `receivedDateTime` before `$orderby` does, as Graph requires. Graph cuts times to
whole seconds, so a span ends a second after its last message (Microsoft Graph docs, "List
messages").
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from mailsync.errors import CursorExpired, FolderGone, ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import Message, RemoteId, Slice, SlicePage, Upsert
from mailsync.providers.graph.errors import GraphResponse, RequestTarget, to_mailsync_error
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.graph.messages import MESSAGE_PROPERTIES, parse_change
from mailsync.providers.graph.responses import parse_object_list

_LAST_SECOND = timedelta(seconds=1)


def slice_path(messages_path: str, part: Slice, limit: int) -> str:
    """Return the path of a slice's page. messages_path: path of the messages of a folder."""
    span = (
        f"receivedDateTime ge {_time(part.since)}"
        f" and receivedDateTime lt {_time(part.until + _LAST_SECOND)}"
    )
    return (
        f"{messages_path}?$select={MESSAGE_PROPERTIES}&$filter={quote(span)}"
        f"&$orderby=receivedDateTime%20desc&$top={limit}"
    )


def read_slice(
    graph: GraphClient,
    paths: Sequence[str],
    folder_id: RemoteId,
    limit: int,
    require_mailbox: Callable[[GraphResponse], None],
) -> SlicePage | None:
    """Read the page at a `slice_path`; return its complete messages that name the folder.

    paths: the path, and, if the next slice is known, its path, which is requested ahead.
    require_mailbox: raises the error of a failed response if the whole mailbox does not respond.

    Returns None if this page fails and the mailbox responds, or if the page is malformed.
    """
    path, *following = paths
    response = graph.get(path, page_size=limit)
    if not response.is_ok:
        response = graph.get(path, page_size=limit)  # once more, which may be a short failure
    if not response.is_ok:
        _raise_if_temporary(response, require_mailbox)
        logger.info("slice_not_read", status=response.status, code=response.error_code)
        return None
    for each in following:
        graph.send_ahead(each, page_size=limit)
    try:
        items = parse_object_list(response, "value")
        changes = [parse_change(item) for item in items]
    except ProviderUnavailable:
        logger.info("slice_not_read", status=response.status)
        return None
    messages = (change.message for change in changes if isinstance(change, Upsert))
    found: dict[RemoteId, Message] = {
        each.remote_id: each for each in messages if each.folder_remote_ids == (folder_id,)
    }
    is_complete = len(items) < limit and "@odata.nextLink" not in response.body
    return SlicePage(tuple(found.values()), is_complete)


def _raise_if_temporary(
    response: GraphResponse, require_mailbox: Callable[[GraphResponse], None]
) -> None:
    if response.may_be_caused_by_message:
        require_mailbox(response)
        return
    error = to_mailsync_error(response, RequestTarget.CURSOR)
    if not isinstance(error, ProviderRejected | CursorExpired | FolderGone):
        raise error


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
