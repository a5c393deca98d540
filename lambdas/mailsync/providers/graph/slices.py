"""Read the messages of a folder that arrived within a span of time.

`$filter` names `receivedDateTime` before `$orderby` does, as Graph requires. Graph cuts times to
whole seconds, so a span ends a second after its last message (Microsoft Graph docs, "List
messages").
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from mailsync.errors import CursorExpired, FolderGone, ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import Message, RemoteId, TimeSlice, TimeSlicePage, Upsert
from mailsync.providers.graph.errors import GraphResponse, RequestedResourceKind, to_mailsync_error
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.graph.messages import MESSAGE_PROPERTIES, parse_change
from mailsync.providers.graph.responses import parse_object_list

_LAST_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class TimeSliceRequest:
    """The request for the page with a slice's messages.

    page_size: maximum number of messages of the page.
    """

    url_path: str
    page_size: int


def build_time_slice_request(messages_path: str, part: TimeSlice) -> TimeSliceRequest:
    """Return the request for the messages of a slice.

    messages_path: path of the messages of a folder.
    """
    size = len(part.received_at_by_pending_message_id)
    span = (
        f"receivedDateTime ge {_time(part.earliest_received_at)}"
        f" and receivedDateTime lt {_time(part.latest_received_at + _LAST_SECOND)}"
    )
    path = f"{messages_path}?$select={MESSAGE_PROPERTIES}&$filter={quote(span)}"
    return TimeSliceRequest(f"{path}&$orderby=receivedDateTime%20desc&$top={size}", size)


def read_time_slice(
    graph: GraphClient,
    request: TimeSliceRequest,
    following: TimeSliceRequest | None,
    folder_id: RemoteId,
    require_mailbox: Callable[[GraphResponse], None],
) -> TimeSlicePage | None:
    """Request the page of a slice, and return its messages. Messages that are incomplete, or that
    name another folder, are left out.

    following: the request for the next slice, which is sent ahead. None: the next slice is not
        known yet.
    folder_id: id of the folder.
    require_mailbox: function that takes the failed response and sends a simple request to the
        mailbox. If this request fails too, the function raises the error of the failed response.

    Returns None if this page fails twice although the mailbox responds, or if the page is
    malformed.

    Raises:
        ProviderThrottled, ProviderUnavailable: the failure concerns the whole mailbox.
    """
    before = graph.total_decompressed_response_bytes
    response = graph.get(request.url_path, page_size=request.page_size)
    if not response.has_status_200:  # once more: the failure may be short
        response = graph.get(request.url_path, page_size=request.page_size)
    if not response.has_status_200:
        _raise_if_temporary(response, require_mailbox)
        logger.info("slice_not_read", status=response.status, code=response.error_code)
        return None
    if following:
        graph.read_page_ahead(following.url_path, page_size=following.page_size)
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
    is_complete = len(items) < request.page_size and "@odata.nextLink" not in response.body
    return TimeSlicePage(
        tuple(found.values()), is_complete, graph.total_decompressed_response_bytes - before
    )


def _raise_if_temporary(
    response: GraphResponse, require_mailbox: Callable[[GraphResponse], None]
) -> None:
    if response.can_failure_be_caused_by_message:
        require_mailbox(response)
        return
    error = to_mailsync_error(response, RequestedResourceKind.STORED_PAGE_LINK)
    if not isinstance(error, ProviderRejected | CursorExpired | FolderGone):
        raise error


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
