"""List the ids of messages: of the whole mailbox, or of the messages with a label.

A list costs 5 units per 500 ids. Gmail's lists contain chats, which Mailsync does not mirror. So
the list of the label CHAT is requested too, and its ids are removed from the other lists. Lists are
not strictly in the order of time. Mail that arrives shifts the pages, so an id can occur on two
pages.
"""

from collections.abc import Iterator, Mapping

from mailsync.decisions.page_series import EndlessPagingDetector
from mailsync.errors import FolderGone, ProviderUnavailable
from mailsync.model import FolderRef, ListedMessage, MessageListing, RemoteId
from mailsync.providers.gmail import units
from mailsync.providers.gmail.errors import GmailResponse, to_mailsync_error
from mailsync.providers.gmail.history import to_high_or_normal_importance
from mailsync.providers.gmail.http import GmailClient, GmailRequest, join_quoted_path_parts
from mailsync.providers.gmail.labels import (
    ALL_MAIL_FOLDER_ID,
    CHAT,
    IMPORTANT,
    LABEL_IDS_EXCLUDED_FROM_ALL_MAIL,
    STARRED,
    UNREAD,
    LabelCounts,
    parse_label_counts,
)
from mailsync.providers.gmail.responses import read_id, read_object_list, read_page_token

MAX_IDS_PER_PAGE = 500
"""The maximum number of ids on a page of a list (Gmail API documentation,
"users.messages.list")."""
_WITH_SPAM_AND_TRASH = ("includeSpamTrash", "true")


class MessageListReader:
    """Reads lists of messages of one mailbox."""

    def __init__(self, client: GmailClient) -> None:
        self._client = client
        self._chats: frozenset[RemoteId] | None = None

    def fetch_page(self, page_token: str | None, size: int) -> GmailResponse:
        """Request a page of the list of all messages, including Spam and Trash.

        page_token: token of the page. None: the first page.
        size: maximum number of ids on the page.
        """
        return self._client.get(_request((_WITH_SPAM_AND_TRASH,), page_token, size))

    def parse_page(
        self, response: GmailResponse, sent_token: str | None
    ) -> tuple[dict[RemoteId, RemoteId], str | None]:
        """Return two values: the thread id of each message on a page, by message id in the page's
        order; and the token of the next page, or None if this page is the last one.

        sent_token: token with which the page was requested. None: it is the first page.
        """
        items = read_object_list(response.body, "messages")
        threads = {read_id(each): read_id(each, "threadId") for each in items}
        if threads:
            for chat in self.read_chat_message_ids(is_fresh=sent_token is None) & threads.keys():
                del threads[chat]
        return threads, read_page_token(response.body, sent_token)

    def read_chat_message_ids(self, *, is_fresh: bool = False) -> frozenset[RemoteId]:
        """Return the ids of all chats. Gmail lists chats among the messages, and Mailsync does not
        mirror them.

        is_fresh: request the list of chats now. False: return the list that this object requested
            before. Without such a list, request Gmail's count of chats first (1 unit), and the list
            only if the count is not 0. The result may lack new chats; Mailsync requests such a chat
            like a message, and recognises it by its label.
        """
        if is_fresh or (self._chats is None and self._has_chats()):
            self._chats = self._ids((_WITH_SPAM_AND_TRASH, ("labelIds", CHAT)))
        self._chats = self._chats or frozenset()
        return self._chats

    def _has_chats(self) -> bool:
        response = self._client.get(
            GmailRequest(join_quoted_path_parts("labels", CHAT), units.GET_LABEL_COST)
        )
        counts = parse_label_counts(response.body) if response.has_status_200 else None
        return counts is None or counts.message_count != 0

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool) -> MessageListing:
        """List all messages of a folder.

        has_flags: list the read states too, which costs one more list. For All Mail, Trash and
            Spam, which together contain every message, stars and importance are listed as well,
            which costs two further lists.

        Raises:
            FolderGone: the label does not exist, according to a request by its id.
        """
        label_id = folder.remote_id
        selection: tuple[tuple[str, str], ...] = ()
        if label_id != ALL_MAIL_FOLDER_ID:
            selection = (("labelIds", label_id), _WITH_SPAM_AND_TRASH)
        ids = self._ids(selection)
        has_all_flags = (
            label_id == ALL_MAIL_FOLDER_ID or label_id in LABEL_IDS_EXCLUDED_FROM_ALL_MAIL
        )
        flags: tuple[RemoteId, ...] = ()
        if has_flags:
            flags = (UNREAD, STARRED, IMPORTANT) if has_all_flags else (UNREAD,)
        flagged = {} if ids is None else {each: self._flagged(selection, each) for each in flags}
        counts = None if label_id == ALL_MAIL_FOLDER_ID else self._counts(label_id)
        if ids is None or None in flagged.values():
            raise ProviderUnavailable(
                "The Gmail API returns a label, and an error for its messages; trying again."
            )
        chats = self.read_chat_message_ids(is_fresh=has_all_flags) if ids else frozenset()
        entries = (_to_entry(each, flagged) for each in ids if each not in chats)
        total = counts.message_count if counts else None
        if total is not None and total < len(ids) and self._is_count_of_rest(label_id, total, ids):
            total = len(ids)
        return MessageListing(tuple(entries), None if total is None else total - len(ids & chats))

    def count_label_messages(self, label_id: RemoteId) -> LabelCounts | None:
        """Count the messages of a label by listing them, without chats. Return None if the API
        rejects the label, as it does after the label was deleted."""
        selection = (("labelIds", label_id), _WITH_SPAM_AND_TRASH)
        ids, unread = self._ids(selection), self._flagged(selection, UNREAD)
        if ids is None or unread is None:
            return None
        mail = ids - self.read_chat_message_ids()
        return LabelCounts(len(mail), len(mail & unread))

    def _flagged(
        self, selection: tuple[tuple[str, str], ...], label_id: RemoteId
    ) -> frozenset[RemoteId] | None:
        return self._ids((*selection, ("labelIds", label_id)))

    def _is_count_of_rest(self, label_id: RemoteId, total: int, ids: frozenset[RemoteId]) -> bool:
        """Return whether Gmail's count of a label leaves out the label's messages in Spam and
        Trash: a list without Spam and Trash is as long as the count. Google's documentation does
        not say which messages are counted.

        ids: the label's messages, including Spam and Trash. If the shorter list is not a part of
            `ids`, one of the two lists is wrong, and the result is False.
        """
        rest = self._ids((("labelIds", label_id),))
        return rest is not None and len(rest) == total and rest < ids

    def _counts(self, label_id: RemoteId) -> LabelCounts | None:
        response = self._client.get(
            GmailRequest(join_quoted_path_parts("labels", label_id), units.GET_LABEL_COST)
        )
        if response.is_not_found:
            raise FolderGone("The label no longer exists in the Gmail mailbox.")
        if not response.has_status_200:
            raise to_mailsync_error(response)
        return parse_label_counts(response.body)

    def _ids(self, selection: tuple[tuple[str, str], ...]) -> frozenset[RemoteId] | None:
        """Return the ids of all messages that the query parameters `selection` select, such as
        those of a label. None: the API rejects the parameters, as it does after the label was
        deleted."""
        ids: set[RemoteId] = set()
        for response in self._pages(selection):
            if response.is_invalid_argument or response.is_not_found:
                return None
            if not response.has_status_200:
                raise to_mailsync_error(response)
            ids.update(read_id(each) for each in read_object_list(response.body, "messages"))
        return frozenset(ids)

    def _pages(self, selection: tuple[tuple[str, str], ...]) -> Iterator[GmailResponse]:
        """Request a list page by page, and yield the responses.

        Raises:
            ProviderUnavailable: the pages do not end.
        """
        token: str | None = None
        series = EndlessPagingDetector()
        while not series.is_endless:
            response = self._client.get(_request(selection, token, MAX_IDS_PER_PAGE))
            yield response
            token = read_page_token(response.body, token)
            if token is None:
                return
            series.add_page([read_id(each) for each in read_object_list(response.body, "messages")])
        raise ProviderUnavailable("A list of the Gmail API does not end; trying again.")


def _to_entry(
    remote_id: RemoteId, flagged: Mapping[RemoteId, frozenset[RemoteId] | None]
) -> ListedMessage:
    """Return a message as an entry of the listing.

    flagged: for each listed flag label, the ids of the messages with this label.
    """
    has = {label_id: remote_id in (ids or ()) for label_id, ids in flagged.items()}
    return ListedMessage(
        remote_id,
        not has[UNREAD] if UNREAD in has else None,
        is_flagged=has.get(STARRED),
        importance=to_high_or_normal_importance(has[IMPORTANT]) if IMPORTANT in has else None,
    )


def _request(selection: tuple[tuple[str, str], ...], token: str | None, size: int) -> GmailRequest:
    paging = (("maxResults", str(size)), *([("pageToken", token)] if token else []))
    return GmailRequest("messages", units.LIST_MESSAGES_COST, (*selection, *paging))
