"""List all messages of a folder without its change feed."""

from collections.abc import Callable, Iterator, Sequence

from mailsync.decisions.page_series import EndlessPagingDetector
from mailsync.errors import MailsyncError, ProviderUnavailable
from mailsync.model import ListedMessage, Message, MessageListing, RemoteId, UnreadableMessage
from mailsync.providers.graph.errors import TOO_LARGE_RESPONSE_STATUS, GraphResponse
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.graph.messages import (
    LISTED_MESSAGE_PROPERTIES,
    parse_listed_message,
    parse_message,
)
from mailsync.providers.graph.responses import parse_object_list

MESSAGE_IDS_PER_LIST_PAGE = 1000
"""The number of messages per page of a list without bodies: the maximum that Graph allows
(Microsoft Graph docs, "List messages")."""
MESSAGES_WITH_CONTENTS_PER_LIST_PAGE = 100
"""The number of messages per page of a list of complete messages."""


def list_messages(
    graph: GraphClient, messages_path: str, error_of: Callable[[GraphResponse], MailsyncError]
) -> MessageListing:
    """List the id and the state of each message of a folder. Each message is in the result once,
    although Graph may list it on two pages: when mail arrives, the pages of the list shift.

    messages_path: path of the messages of the folder.
    error_of: function that returns the error to raise for a failed response.

    Raises:
        ProviderUnavailable: the list does not end.
    """
    first = f"{messages_path}?$select={LISTED_MESSAGE_PROPERTIES}&$top={MESSAGE_IDS_PER_LIST_PAGE}"
    entries: dict[RemoteId, ListedMessage] = {}
    total: int | None = None
    for response in _pages(graph, f"{first}&$count=true"):
        if not response.has_status_200:
            raise error_of(response)
        for item in parse_object_list(response, "value"):
            entry = parse_listed_message(item)
            entries[entry.remote_id] = entry
        counted = response.body.get("@odata.count")
        total = counted if isinstance(counted, int) else total
    return MessageListing(tuple(entries.values()), total)


def iter_pages_of_complete_messages(
    graph: GraphClient, path: str, error_of: Callable[[GraphResponse], MailsyncError]
) -> Iterator[Sequence[Message | UnreadableMessage]]:
    """Yield the complete messages of a list, page by page. If a page fails and one of its messages
    may be the cause, the iteration ends without an error; see `CompleteMessageLister`.

    path: path of the first page.
    error_of: function that returns the error to raise for any other failed response.
    """
    for response in _pages(graph, path):
        if (
            response.status == TOO_LARGE_RESPONSE_STATUS
            or response.can_failure_be_caused_by_message
        ):
            return
        if not response.has_status_200:
            raise error_of(response)
        yield [parse_message(item) for item in parse_object_list(response, "value")]


def _pages(graph: GraphClient, first: str) -> Iterator[GraphResponse]:
    """Request a list page by page, and yield the responses. A failed response is the last one.

    Raises:
        ProviderUnavailable: a link leads to a page that was requested before, or the pages do not
            end.
    """
    path: str | None = first
    seen: set[str] = set()
    series = EndlessPagingDetector()
    while path:
        if path in seen:
            raise build_repeated_page_link_error()
        seen.add(path)
        response = graph.get(path)
        if response.has_status_200:
            series.add_page([str(each.get("id")) for each in parse_object_list(response, "value")])
        if series.is_endless:
            raise ProviderUnavailable("A list of Microsoft Graph does not end; trying again.")
        yield response
        link = response.body.get("@odata.nextLink") if response.has_status_200 else None
        path = graph.extract_path_from_link(link) if link else None


def build_repeated_page_link_error() -> ProviderUnavailable:
    """Return the error for a page whose link leads to a page that was requested before, so that the
    list would never end."""
    return ProviderUnavailable("Microsoft Graph sent the same page link twice; trying again.")
