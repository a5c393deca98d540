"""A Gmail mailbox read over IMAP with Gmail's extensions: each message once, with its labels."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial

from mailsync.errors import CursorExpired, FolderGone, ProviderRejected, ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderRef,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    Page,
    RemoteId,
    UnreadableMessage,
)
from mailsync.providers import ProviderTraits
from mailsync.providers.imap.bodies import MessageReader
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.folder_commands import (
    MAX_PIPELINED_COMMANDS,
    list_folders,
    read_folder_statuses,
)
from mailsync.providers.imap.folder_reader import FolderReader
from mailsync.providers.imap.gmail_cursor import (
    GmailMailboxPosition,
    is_gmail_folder_unchanged,
    parse_mailbox_cursor,
)
from mailsync.providers.imap.gmail_feed import GmailFeedReader, fetch_gmail_items_by_uid
from mailsync.providers.imap.gmail_folders import (
    AllMailFolderHidden,
    GmailSpecialFolderNames,
    choose_mirrored_folders,
    find_gmail_folders,
    has_gmail_extensions,
)
from mailsync.providers.imap.gmail_messages import (
    GMAIL_FETCH_ITEMS,
    GMAIL_ID_AND_LABELS_FETCH_ITEMS,
    GmailMessage,
    convert_hex_gmail_id_to_integer,
    gmail_message_from_fetch_items,
    has_gmail_id_and_labels,
    listed_message_from_fetch_items,
    merge_gmail_listing_into_message,
)
from mailsync.providers.imap.ids import to_folder_id, to_folder_name
from mailsync.providers.imap.listing import FolderList, ListedFolder
from mailsync.providers.imap.provider import ImapMailbox
from mailsync.providers.imap.reconnect import retry_on_disconnect

_Result = Message | UnreadableMessage


class GmailImapMailbox(ImapMailbox):
    """A Gmail mailbox that is read over IMAP with labels; implements `MailProvider`.

    The mailbox has one change feed. The id of a message is its X-GM-MSGID, and the id of a
    conversation is its X-GM-THRID, both in hexadecimal digits as the Gmail API writes them.
    """

    provider_traits = ProviderTraits(has_feed_per_folder=False, has_one_folder_per_message=False)
    _folders: GmailSpecialFolderNames | None = None
    _listed: Mapping[RemoteId, GmailMessage] = {}

    @retry_on_disconnect
    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        position = parse_mailbox_cursor(cursor) if cursor else None
        folders = self._gmail_folders()
        if position:
            self._require_sources(position, folders)
        reader = GmailFeedReader(folders, self._reader, self._connected)
        page = reader.read_page(position, limit)
        self._listed = reader.listed
        return page

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        """Fetch the next page of the mailbox's feed. If the last list of folders shows that nothing
        changed, return an empty page without opening a folder."""
        pages = {}
        for feed, cursor in positions:
            with suppress(CursorExpired, FolderGone, ProviderRejected):
                if cursor and self._is_unchanged(parse_mailbox_cursor(cursor)):
                    pages[feed.id] = Page((), cursor, has_more=False)
                else:
                    pages[feed.id] = self.fetch_feed_page(feed, cursor, limit=limit)
        return pages

    @retry_on_disconnect
    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        reader = self._opened(to_folder_name(folder.remote_id), again=True)
        found = fetch_gmail_items_by_uid(
            self._connected(), reader, reader.list_all_uids(), GMAIL_ID_AND_LABELS_FETCH_ITEMS
        )
        entries = {
            each.remote_id: each for each in map(listed_message_from_fetch_items, found.values())
        }
        return MessageListing(tuple(entries.values()), reader.opened.message_count)

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult | UnreadableMessage]:
        """Fetch each message from the folder in which the last page listed it. If the page did not
        list the message, or the message has moved since, search for it and fetch it where it is."""
        found: dict[RemoteId, _Result] = {}
        with self.requested_pause.guard_requests():
            self._read([self._listed[each] for each in ids if each in self._listed], found)
            if missing := [each for each in ids if each not in found]:
                self._read(self._search(missing), found)
        return [found.get(each, MessageNotFoundByIdResult(each)) for each in ids]

    def _shown(self, listed: FolderList) -> tuple[Sequence[ListedFolder], Collection[bytes]]:
        try:
            self._folders = find_gmail_folders(listed.own_folders)
        except AllMailFolderHidden as hidden:
            raise ProviderUnavailable(str(hidden)) from None
        folders, prefixes = choose_mirrored_folders(listed.own_folders)
        return folders, (*listed.personal_prefixes, *prefixes)

    def _gmail_folders(self) -> GmailSpecialFolderNames:
        if self._folders is None:
            self._shown(list_folders(self._connected()))
        assert self._folders
        return self._folders

    def _require_sources(
        self, position: GmailMailboxPosition, folders: GmailSpecialFolderNames
    ) -> None:
        """Check that each folder of the position is in the list of folders. A folder may be missing
        in the list only if the folder is hidden: the server then refuses the folder's STATUS.

        Raises:
            ProviderUnavailable: the list lacks a folder that exists.
        """
        lost = [to_folder_name(RemoteId(each)) for each in position.sources]
        lost = [each for each in lost if each not in folders.folder_names_covering_all_messages]
        statuses = read_folder_statuses(self._connected(), lost) if lost else {}
        if any(not isinstance(each, str) for each in statuses.values()):
            self._folders = None
            raise ProviderUnavailable(
                "The list of folders lacks one that exists; trying again. Stored mail stays."
            )

    def _is_unchanged(self, position: GmailMailboxPosition) -> bool:
        """Return whether the mailbox is unchanged since `position`, according to the last list of
        folders. Each list is used for one call only."""
        statuses, self._statuses = self._statuses, {}
        sources = (
            [to_folder_id(each) for each in self._folders.folder_names_covering_all_messages]
            if self._folders
            else []
        )
        return (
            position.reading is None
            and sources == list(position.sources)
            and all(
                is_gmail_folder_unchanged(known, statuses.get(to_folder_name(RemoteId(name)), {}))
                for name, known in position.sources.items()
            )
        )

    def _reader(self, name: bytes, again: bool) -> FolderReader:
        """Open one of the folders that hold all mail.

        Raises:
            ProviderUnavailable: the folder was hidden or renamed after the folders were listed.
        """
        try:
            return self._opened(name, again=again)
        except FolderGone:
            self._folders = None
            raise ProviderUnavailable(
                "Gmail no longer shows one of the folders All Mail, Trash and Spam; listing the"
                " folders again. Stored mail stays."
            ) from None

    def _connected(self) -> ImapConnection:
        connection = super()._connected()
        if not has_gmail_extensions(connection.capabilities):
            raise ProviderUnavailable(
                "The mail server does not announce Gmail's extensions (X-GM-EXT-1) now; trying"
                " again. Stored mail stays."
            )
        return connection

    def _read(self, listed: Iterable[GmailMessage], found: dict[RemoteId, _Result]) -> None:
        """Fetch messages from the places where the server listed them, and add them to `found`.
        Messages that are no longer in their places are left out."""
        by_folder: dict[tuple[bytes, int], dict[int, GmailMessage]] = {}
        for each in listed:
            uids = by_folder.setdefault(
                (each.uid_location.folder, each.uid_location.uid_validity), {}
            )
            uids[each.uid_location.uid] = each
        for (name, uid_validity), messages in by_folder.items():
            with suppress(FolderGone, CursorExpired):
                open_folder = partial(self._connected_to, name, uid_validity)
                reader = MessageReader(name, uid_validity, open_folder, self._budget)
                self._opened(name)
                sizes = {uid: each.size_bytes for uid, each in messages.items() if each.size_bytes}
                for uid, message in reader.read(list(messages), sizes).items():
                    result = _with_labels(message, messages[uid])
                    found[result.remote_id] = result

    @retry_on_disconnect
    def _search(self, ids: Sequence[RemoteId]) -> Sequence[GmailMessage]:
        """Search the folders that together hold all mail for these messages. Return the messages
        with their places; those that no longer exist are left out."""
        numbers = {
            each: number
            for each in ids
            if (number := convert_hex_gmail_id_to_integer(each)) is not None
        }
        found: dict[RemoteId, GmailMessage] = {}
        for name in self._gmail_folders().folder_names_covering_all_messages:
            left = [number for each, number in numbers.items() if each not in found]
            for start in range(0, len(left), MAX_PIPELINED_COMMANDS):
                found |= self._found_in(name, left[start : start + MAX_PIPELINED_COMMANDS])
        return [each for key, each in found.items() if key in numbers]

    def _found_in(self, name: bytes, numbers: Sequence[int]) -> dict[RemoteId, GmailMessage]:
        reader, connection = self._reader(name, True), self._connected()
        uids = connection.run_pipelined_searches([f"X-GM-MSGID {each}" for each in numbers])
        items = connection.fetch_items_by_uid(uids, GMAIL_FETCH_ITEMS) if uids else {}
        listed = (
            gmail_message_from_fetch_items(
                reader.build_uid_location(uid), each, self._gmail_folders()
            )
            for uid, each in items.items()
            if has_gmail_id_and_labels(each, GMAIL_FETCH_ITEMS)
        )
        return {each.state_change.remote_id: each for each in listed}


def _with_labels(message: _Result, listed: GmailMessage) -> _Result:
    if isinstance(message, Message):
        return merge_gmail_listing_into_message(message, listed)
    return UnreadableMessage(
        listed.state_change.remote_id,
        message.cause_name,
        message.cause_explanation,
        listed.state_change.folder_remote_ids,
    )
