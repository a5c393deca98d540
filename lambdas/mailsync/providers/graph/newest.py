"""Read the newest messages of a mailbox of which nothing is stored, in the first round trip.

One batch contains three kinds of requests: the Inbox by its well-known name, the Inbox's newest
messages, and the requests with which the reading of the folder tree begins. Graph works on four
items of a batch at a time. So the whole batch takes hardly longer than its first item, the request
for the messages (Microsoft Graph docs, "Combine multiple HTTP requests using JSON batching", "List
messages").
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.log import logger
from mailsync.model import Message, NewestInboxMessages, RemoteFolder, RemoteId, Role, Upsert
from mailsync.providers.graph.errors import GraphResponse
from mailsync.providers.graph.folders import (
    FOLDERS_PER_PAGE,
    build_first_tree_request_paths,
    to_remote_folder,
)
from mailsync.providers.graph.http import GraphClient
from mailsync.providers.graph.messages import MESSAGE_PROPERTIES, parse_change
from mailsync.providers.graph.responses import parse_object_list


@dataclass(frozen=True, slots=True)
class NewestMailAndFolderTreeResult:
    """The result of the first round trip for a mailbox of which nothing is stored.

    newest_inbox_mail: the Inbox and its newest messages. None: the Inbox could not be read.
    folder_tree_responses: responses to the first requests of `read_folder_tree`, by path.
    """

    newest_inbox_mail: NewestInboxMessages | None = None
    folder_tree_responses: Mapping[str, GraphResponse] = field(default_factory=dict)


def fetch_newest_mail_and_folder_tree(
    graph: GraphClient, limit: int
) -> NewestMailAndFolderTreeResult:
    """Request the newest messages, the Inbox and the beginning of the folder tree in one batch. The
    result is empty if Graph is unavailable or rejects the batch.

    limit: maximum number of messages.

    Raises:
        ProviderThrottled: Graph throttled the whole batch.
    """
    paths = build_first_tree_request_paths(graph.mailbox)
    order = "$orderby=receivedDateTime%20desc"
    newest = f"{paths[0]}/messages?$select={MESSAGE_PROPERTIES}&{order}&$top={limit}"
    try:
        listed, *responses = graph.get_batch([newest, *paths], page_size=FOLDERS_PER_PAGE)
    except (ProviderUnavailable, ProviderRejected) as failure:
        logger.info("newest_not_read", cause=type(failure).__name__)
        return NewestMailAndFolderTreeResult()
    mail = _newest_mail(responses[0], listed, limit)
    return NewestMailAndFolderTreeResult(mail, dict(zip(paths, responses, strict=True)))


def _newest_mail(
    folder: GraphResponse, listed: GraphResponse, limit: int
) -> NewestInboxMessages | None:
    """Return the Inbox with at most `limit` messages that name the Inbox as their folder. Return
    None if the response `folder` does not contain the Inbox."""
    try:
        inbox = to_remote_folder(folder.body, Role.INBOX) if folder.has_status_200 else None
    except ProviderUnavailable:
        inbox = None
    if inbox is None:
        logger.info("newest_not_read", status=folder.status)
        return None
    return NewestInboxMessages(inbox, _messages_of(inbox, listed)[:limit])


def _messages_of(inbox: RemoteFolder, listed: GraphResponse) -> tuple[Message, ...]:
    """Return the complete messages of a list; none if the list is unusable."""
    found: dict[RemoteId, Message] = {}
    try:
        items = parse_object_list(listed, "value") if listed.has_status_200 else ()
        changes = [parse_change(item) for item in items]
    except ProviderUnavailable:
        changes = []
    for change in changes:
        if isinstance(change, Upsert) and change.message.folder_remote_ids == (inbox.remote_id,):
            found[change.message.remote_id] = change.message
    if not found:
        logger.info("newest_not_read", status=listed.status)
    return tuple(found.values())
