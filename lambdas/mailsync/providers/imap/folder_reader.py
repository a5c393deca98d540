"""Read the pages of the change feed of an open folder.

What a page contains depends on the server's extensions. New messages are those whose UIDs are not
lower than the last UIDNEXT. With CONDSTORE the server also names the messages whose flags changed,
and with QRESYNC the messages that were removed (RFC 7162). If the server's counts show a removal
that the server did not name, a page lists the ids of all messages of the folder. Without CONDSTORE
the flags of all messages are read again after 45 minutes (`is_flag_comparison_due`).
"""

import time
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mailsync.errors import CursorExpired, ProviderRejected, ProviderUnavailable
from mailsync.model import (
    MessageRemovedFromFolder,
    MessageStateUpsert,
    Page,
    RemoteId,
    UnreadableMessage,
)
from mailsync.providers.imap.bodies import fetch_items_and_retry_missing, parse_message_size_bytes
from mailsync.providers.imap.changes import (
    MAX_REMOVED_UIDS_PER_RESPONSE,
    are_uids_renumbered,
    can_server_report_flag_changes,
    choose_renumbering_sample,
    clip_uid_ranges_to_uids_below,
    count_uids,
    must_compare_flags_if_unreported,
)
from mailsync.providers.imap.connection import ImapConnection
from mailsync.providers.imap.cursor import FolderPosition
from mailsync.providers.imap.ids import MessageUidLocation, build_message_id_prefix
from mailsync.providers.imap.messages import (
    FLAGS_FETCH_ITEMS,
    MESSAGE_LISTING_FETCH_ITEMS,
    state_upsert_from_fetch_items,
)
from mailsync.providers.imap.open_folder import OpenFolder
from mailsync.providers.imap.read_ahead import FolderUidPage, ReadAhead
from mailsync.providers.imap.responses import FetchResponseItems
from mailsync.providers.imap.uids import MAX_UID, SEARCH_FOR_ALL_UIDS, format_uid_sets

FLAGS_PER_PAGE = 20_000
"""The maximum number of messages whose flags one page reads if the server has no mod-sequences. The
flags take some 20 MB while they are parsed. The next reading of the folder continues with the rest
of the messages."""
MESSAGES_PER_WINDOW, MESSAGES_PER_SMALL_WINDOW = 5_000, 50
"""The number of messages whose flags one command requests. The small number is used after the
server ended the connection: some servers crash at large requests (grommunio/gromox #214)."""


@dataclass(frozen=True, slots=True)
class _Reported:
    """The changes of known messages that the server reports.

    flags: FETCH items of the messages whose flags changed, by UID.
    vanished: ranges of the UIDs that were removed.
    compares_flags: whether a comparison of the flags of all known messages must start now.
    """

    flags: dict[int, FetchResponseItems] = field(default_factory=dict)
    vanished: list[range] = field(default_factory=list)
    compares_flags: bool = False


class FolderReader:
    """Reads the change feed of a folder that the server has opened.

    opened: the state of the folder when it was opened.
    sizes: size in bytes of each message of the last list that was requested, by UID.
    ahead: requests what a full sync reads next.
    """

    def __init__(
        self,
        connection: ImapConnection,
        opened: OpenFolder,
        window: int = MESSAGES_PER_WINDOW,
        uids: Sequence[int] | None = None,
    ) -> None:
        """window: number of messages whose flags one command requests. uids: UIDs of all messages
        of the folder. None: not known yet."""
        self._connection, self._window = connection, window
        self._uids = uids
        self._is_careful = False
        self._unread: Sequence[int] = ()
        self.sizes: dict[int, int] = {}
        self.opened = opened
        self.ahead = ReadAhead(connection, self.build_uid_location)

    def read_page(self, position: FolderPosition | None, limit: int) -> Page:
        """Return the page after a position. Without a position, return the first page of a full
        sync.

        limit: maximum number of messages of the page. 1: request only the state of each message.

        Raises:
            CursorExpired: the server has numbered the messages of the folder anew.
        """
        self._is_careful, self._unread = limit == 1, ()
        if position is None:
            position = self._start()
        if position.uid_validity != self.opened.uid_validity:
            raise CursorExpired("The server has numbered the messages of the folder anew.")
        if position.below is not None:
            return self._page_of_full_sync(position, position.below, limit)
        return self._page_of_changes(position, limit)

    def read_first_page_ahead(self, limit: int) -> None:
        """Request the first page of a full sync ahead, before `read_page` is called."""
        self.ahead.read_first_page_ahead(self._listed_window(self.opened.uid_next, limit))

    def build_uid_location(self, uid: int) -> MessageUidLocation:
        """Return the place of the message with this UID: the folder, its UIDVALIDITY and the
        UID."""
        return MessageUidLocation(self.opened.name, self.opened.uid_validity, uid)

    def list_all_uids(self, *, again: bool = False) -> Sequence[int]:
        """Return the UIDs of all messages of the folder, in ascending order.

        again: ask the server even if the UIDs are known.
        """
        if self._uids is None or again:
            self._uids = self._connection.search(SEARCH_FOR_ALL_UIDS)
        return self._uids

    def read_flags(self, uids: Sequence[int]) -> dict[int, FetchResponseItems]:
        """Return the flags of messages that the server listed, by UID.

        Raises:
            ProviderUnavailable: the server lists messages, and sends no flags of them.
        """
        found: dict[int, FetchResponseItems] = {}
        for start in range(0, len(uids), self._window):
            window = uids[start : start + self._window]
            uid_next = self.opened.uid_next
            found |= fetch_items_and_retry_missing(
                self._connection, window, FLAGS_FETCH_ITEMS, uid_next=uid_next
            )
        return found

    def _start(self) -> FolderPosition:
        opened = self.opened
        return FolderPosition(
            opened.uid_validity,
            opened.uid_next,
            opened.mod_seq,
            opened.message_count,
            below=opened.uid_next,
            flags_compared_at=int(time.time()),
        )

    def _page_of_full_sync(self, position: FolderPosition, below: int, limit: int) -> Page:
        listed = self._listed_window(below, limit)
        uids = listed.all_folder_uids
        items = self._listed(listed.page_uids)
        window = listed.shorten_to_max_batch_bytes(self.sizes)
        items = {uid: items[uid] for uid in window.page_uids if uid in items}
        self.sizes = {uid: self.sizes[uid] for uid in items}
        self.ahead.set_current_page(window, self.sizes)
        has_more = window.start_index > 0
        after = replace(
            position,
            below=uids[window.start_index] if has_more else None,
            is_renumbered=position.is_renumbered and has_more,
            sample=choose_renumbering_sample(position.sample, items),
        )
        return Page(
            (*self._state_changes(items), *self._unreadable()),
            after.to_cursor(),
            has_more,
            current_message_id_prefix=self._id_prefix,
            remote_ids_of_all_messages_of_feed=self._listed_ids()
            if position.is_renumbered and not has_more
            else None,
        )

    def _listed_window(self, below: int, limit: int) -> FolderUidPage:
        """Return the newest messages below a UID."""
        uids = self.list_all_uids()
        end = bisect_left(uids, below)
        return FolderUidPage(uids, max(0, end - limit), end, limit)

    def _page_of_changes(self, position: FolderPosition, limit: int) -> Page:
        arrived = self._arrived(position)
        sample = {} if self._is_careful else position.sample
        found = self._listed_with_sample(arrived[:limit], sample)
        if are_uids_renumbered(sample, found):
            return self._page_of_renumbering()
        listed = {uid: found[uid] for uid in arrived[:limit] if uid in found}
        reported = self._reported(position, len(arrived))
        # A repair may have stored messages that are newer than the cursor.
        removed = self._confirmed(reported.vanished, self.opened.uid_next)
        states, flags_from = self._present_states(position, is_from_start=reported.compares_flags)
        after = FolderPosition(
            self.opened.uid_validity,
            arrived[limit] if len(arrived) > limit else self.opened.uid_next,
            self.opened.mod_seq,
            self.opened.message_count - len(arrived[limit:]),
            flags_compared_at=int(time.time())
            if reported.compares_flags
            else position.flags_compared_at,
            flags_from=flags_from,
            sample=choose_renumbering_sample(position.sample if self._is_careful else {}, found),
        )
        counted = [uid for uid in removed or () if uid < position.uid_next]
        lacks_others = position.message_count + len(arrived) - len(counted)
        is_explained = removed is not None and lacks_others <= self.opened.message_count
        return Page(
            (
                *(
                    MessageRemovedFromFolder(self.build_uid_location(uid).to_message_id())
                    for uid in removed or ()
                ),
                *self._state_changes(reported.flags | listed),
                *self._unreadable(),
            ),
            after.to_cursor(),
            len(arrived) > limit,
            remote_ids_of_all_messages_of_feed=None if is_explained else self._listed_ids(),
            possibly_changed_message_states=states,
        )

    def _page_of_renumbering(self) -> Page:
        """Return the page that declares all ids of the folder void, and starts a full sync."""
        start = replace(self._start(), is_renumbered=True)
        return Page((), start.to_cursor(), True, invalidated_message_id_prefix=self._id_prefix)

    def _arrived(self, position: FolderPosition) -> list[int]:
        """Return the UIDs of new messages.

        A search above the highest UID may return the highest UID, which is then left out. Messages
        that arrived after the folder was opened are left to the next reading, because the counts in
        `opened` do not include them. If UIDNEXT has gone back, the former value was wrong.
        """
        first, end = position.uid_next, self.opened.uid_next
        if end < first:
            first = max(map(int, position.sample), default=0) + 1
        if end <= first:
            return []
        found = self._connection.search(f"UID {first}:{MAX_UID}")
        return [uid for uid in found if first <= uid < end]

    def _listed_with_sample(
        self, arrived: Sequence[int], sample: Mapping[str, str]
    ) -> dict[int, FetchResponseItems]:
        """Return the new messages and the messages of the sample that the folder contains. If a
        UID of the sample has another message, request the sample again: a server may err once."""
        sampled = [int(uid) for uid in sample]
        found = self._listed(arrived, and_if_there=sampled)
        if are_uids_renumbered(sample, found):
            found |= self._connection.fetch_items_by_uid(sampled, MESSAGE_LISTING_FETCH_ITEMS)
        return found

    def _reported(self, position: FolderPosition, arrived_count: int) -> _Reported:
        opened = self.opened
        if not can_server_report_flag_changes(position, opened):
            must_compare = must_compare_flags_if_unreported(position, opened, time.time())
            return _Reported(compares_flags=must_compare)
        if position.mod_seq is None or position.mod_seq == opened.mod_seq:
            return _Reported()
        if opened.uid_next <= 1:
            return _Reported()
        try:
            flags, vanished = self._connection.fetch_changes_since_mod_seq(
                position.mod_seq, FLAGS_FETCH_ITEMS, opened.uid_next
            )
        except ProviderRejected:
            return _Reported(compares_flags=True)
        flags = {uid: each for uid, each in flags.items() if uid < position.uid_next}
        is_less = opened.message_count < position.message_count
        is_silent = not (flags or vanished or arrived_count or is_less)
        return _Reported(flags, vanished, compares_flags=is_silent)

    def _confirmed(self, vanished: Iterable[range], below: int) -> Sequence[int] | None:
        """Return the UIDs that the server reports as removed and that a search no longer finds.
        None: the server reports so many UIDs that the whole folder must be listed."""
        known = clip_uid_ranges_to_uids_below(vanished, below)
        if count_uids(known) > MAX_REMOVED_UIDS_PER_RESPONSE:
            return None
        uids = {uid for each in known for uid in each}
        for uid_set in format_uid_sets(uids):
            uids -= set(self._connection.search(f"UID {uid_set}"))
        return sorted(uids)

    def _present_states(
        self, position: FolderPosition, *, is_from_start: bool
    ) -> tuple[tuple[MessageStateUpsert, ...], int | None]:
        """Return the states of known messages for a comparison of flags, and the UID from which the
        next page continues the comparison. None as the UID: nothing is left to compare."""
        start = 1 if is_from_start else position.flags_from
        if start is None or not self.opened.message_count:
            return (), None
        uids = [uid for uid in self.list_all_uids() if start <= uid < position.uid_next]
        window, left = uids[:FLAGS_PER_PAGE], uids[FLAGS_PER_PAGE:]
        states = self._state_changes(self.read_flags(window))
        return states, left[0] if left else None

    def _listed_ids(self) -> frozenset[RemoteId] | None:
        """Return the ids of all messages. Return None if the number of listed messages is not the
        server's count; the verification then finds the removed messages."""
        uids = self.list_all_uids(again=True)
        if len(uids) != self.opened.message_count:
            return None
        return frozenset(self.build_uid_location(uid).to_message_id() for uid in uids)

    def _listed(
        self, uids: Sequence[int], and_if_there: Sequence[int] = ()
    ) -> dict[int, FetchResponseItems]:
        """Return the FETCH items of messages, by UID.

        For a page of one message only the flags are requested, because the server may fail to read
        the header of the message. If the server sends nothing of this message, but flags of other
        messages, the message is put into `_unread`.
        """
        items = FLAGS_FETCH_ITEMS if self._is_careful else MESSAGE_LISTING_FETCH_ITEMS
        uid_next = self.opened.uid_next
        try:
            found = self.ahead.take_listing_that_was_read_ahead(
                uids
            ) or fetch_items_and_retry_missing(
                self._connection, uids, items, uid_next=uid_next, and_if_there=and_if_there
            )
        except ProviderUnavailable:
            if not self._is_careful or self._connection.is_broken or not self._sends_others(uids):
                raise
            found, self._unread = {}, uids
        self.sizes = {uid: parse_message_size_bytes(each) for uid, each in found.items()}
        return found

    def _sends_others(self, uids: Sequence[int]) -> bool:
        others = [uid for uid in self.list_all_uids() if uid not in uids]
        return not others or bool(
            self._connection.fetch_items_by_uid(others[-2:], FLAGS_FETCH_ITEMS)
        )

    def _unreadable(self) -> tuple[UnreadableMessage, ...]:
        detail = "The mail server lists this message, and sends nothing of it."
        return tuple(
            UnreadableMessage(self.build_uid_location(uid).to_message_id(), "unanswered", detail)
            for uid in self._unread
        )

    def _state_changes(
        self, items: Mapping[int, FetchResponseItems]
    ) -> tuple[MessageStateUpsert, ...]:
        return tuple(
            state_upsert_from_fetch_items(self.build_uid_location(uid), each)
            for uid, each in sorted(items.items())
        )

    @property
    def _id_prefix(self) -> str:
        return build_message_id_prefix(self.opened.name, self.opened.uid_validity)
