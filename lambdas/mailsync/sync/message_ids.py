"""Give messages ids that stay, at a provider whose ids change when a message moves.

At such a provider, an id names a place: a folder and a number in the folder. Mailsync calls this id
the key of the message, and keeps the first key of a message as the message's id. Each page is
translated from keys to ids, and each request by id from ids to keys. All other code works with ids.

A message that moved disappears under one key and appears under another. All removals of the pages
that are read together are therefore stored before the arrivals are matched: an arrival is the
moved message if exactly one stored message with its fingerprint is in no folder. Otherwise it is
stored as a new message. A wrong match is impossible to see in the mail itself, because both
messages have the same fingerprint.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from mailsync.errors import ProviderRejected, ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderListing,
    FolderRef,
    FolderTreeReadingMode,
    Message,
    MessageChange,
    MessageListing,
    MessageNotFoundByIdResult,
    MessageRemovedFromFolder,
    MessageStateUpsert,
    Page,
    RemoteId,
    RunRef,
    StoredFolder,
    UnreadableMessage,
    Upsert,
)
from mailsync.providers import MailProvider, ProviderTraits, ProviderTuning
from mailsync.storable import to_storable_text
from mailsync.store.connection import Database
from mailsync.store.message_key_store import (
    REUSED_KEY_SUFFIX_SEPARATOR,
    ArrivalUnderUnknownProviderKey,
    ProviderMessageKeyStore,
)
from mailsync.store.removal_store import RemovalStore
from mailsync.sync.renamed_folders import find_renamed_folders

MAX_MESSAGES_SEARCHED_FOR_MOVES = 100
"""The number of newest messages of a folder among which a comparison looks for moved messages. The
search costs one request, of 25 KB. An older message that moved is fetched again."""
_FetchResult = Message | MessageNotFoundByIdResult | UnreadableMessage


class StableIdProviderWrapper:
    """A `MailProvider` that wraps a provider whose message ids change with each move, and gives the
    messages ids that stay.

    run: the run that holds the lease of the mailbox.
    keys: the store of message keys. A key is the present id of a message at the wrapped provider.
    removals: the store that hides removed messages.
    """

    def __init__(
        self,
        provider: MailProvider,
        run: RunRef,
        keys: ProviderMessageKeyStore,
        removals: RemovalStore,
    ) -> None:
        self._provider = provider
        self._run = run
        self._keys = keys
        self._removals = removals

    @property
    def used_quota_units(self) -> int:
        return self._provider.used_quota_units

    @property
    def provider_tuning(self) -> ProviderTuning:
        return self._provider.provider_tuning

    @property
    def provider_traits(self) -> ProviderTraits:
        return self._provider.provider_traits

    @property
    def max_requests_in_flight(self) -> int:
        return self._provider.max_requests_in_flight

    @property
    def remaining_provider_pause_s(self) -> float:
        return self._provider.remaining_provider_pause_s

    def fetch_newest_inbox_mail(self, *, limit: int) -> None:
        """Return None: such a provider cannot fetch the newest messages outside a page. Only a page
        shows which messages moved, so only the messages of pages get ids that stay."""

    def list_folders(
        self, known: Sequence[StoredFolder], reading: FolderTreeReadingMode
    ) -> FolderListing:
        listing = self._provider.list_folders(known, reading)
        stored = {each.ref.remote_id for each in known}
        gone = [each for each in known if each.ref.remote_id in listing.gone_folder_remote_ids]
        new = [each for each in listing.folders if each.remote_id not in stored]
        if not gone or not new:
            return listing
        renamed, prefixes = find_renamed_folders(self._provider, self._keys, self._run, gone, new)
        return replace(
            listing, new_folder_id_by_old_id=renamed, new_message_id_prefix_by_old_prefix=prefixes
        )

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        page = self._provider.fetch_feed_page(feed, cursor, limit=limit, fallback=fallback)
        return self._translated([(feed, page)])[feed.id]

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[FeedId, Page]:
        pages = self._provider.fetch_next_page_of_each_feed(
            positions, limit=limit, following=following
        )
        read = [(feed, pages[feed.id]) for feed, _ in positions if feed.id in pages]
        return self._translated(read)

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        listing = self._provider.list_folder_messages(folder, has_flags=has_flags)
        keys = [each.remote_id for each in listing.messages]
        ids = self._keys.find_stored_message_ids_of_keys(self._run, keys)
        if len(ids) < len(keys):
            ids |= self._matched_newest(folder, keys, ids)
        ids |= self._keys.choose_message_ids_for_new_keys(self._run, set(keys) - ids.keys())
        entries = (replace(each, remote_id=ids[each.remote_id]) for each in listing.messages)
        return replace(listing, messages=tuple(entries))

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        self._provider.note_feed_to_read_ahead(feed)

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        """Do nothing: a provider whose ids change names no groups."""

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[_FetchResult]:
        known = self._keys.find_keys_of_stored_message_ids(self._run, ids)
        stored = [known.get(each) or (_first_key(each), None) for each in ids]
        found = self._provider.fetch_messages([key for key, _ in stored], one_by_one=one_by_one)
        return [
            _of_id(remote_id, key, each, internet_message_id)
            for remote_id, (key, internet_message_id), each in zip(ids, stored, found, strict=True)
        ]

    def close(self) -> None:
        self._provider.close()

    def _translated(self, pages: Sequence[tuple[FeedRef, Page]]) -> Mapping[FeedId, Page]:
        """Return the pages with the ids of their messages, by feed id. The removals of all pages
        are stored before the arrivals of any page are matched."""
        pages = [
            (feed, self._with_changed_states(feed, self._with_removals(feed, page)))
            for feed, page in pages
        ]
        ids = self._keys.find_stored_message_ids_of_keys(
            self._run, [each.remote_id for _, page in pages for each in page.changes]
        )
        for feed, page in pages:
            removed = [
                each.remote_id
                for each in page.changes
                if isinstance(each, MessageRemovedFromFolder)
            ]
            self._removals.hide_messages_removed_from_folder(
                self._run,
                feed.folder.id if feed.folder else None,
                [ids.get(each, each) for each in removed],
            )
        arrivals = [
            ArrivalUnderUnknownProviderKey(
                key, it, feed.folder.id if feed.folder else None, page.current_message_id_prefix
            )
            for feed, page in pages
            for key, it in _arrivals(page.changes)
            if key not in ids
        ]
        if arrivals:
            ids |= self._keys.assign_new_keys_to_stored_messages(
                self._run,
                arrivals,
                _valid_keys(page for _, page in pages),
                is_only_folder=self.provider_traits.has_one_folder_per_message,
            )
        unknown = {each.remote_id for _, page in pages for each in page.changes} - ids.keys()
        ids |= self._keys.choose_message_ids_for_new_keys(self._run, unknown)
        return {
            feed.id: replace(page, changes=tuple(_with_id(each, ids) for each in page.changes))
            for feed, page in pages
        }

    def _with_removals(self, feed: FeedRef, page: Page) -> Page:
        """If the page has a complete list of the folder's ids, return the page with a removal added
        for each stored message that the list lacks. Otherwise return the page unchanged."""
        if page.remote_ids_of_all_messages_of_feed is None or feed.folder is None:
            return page
        stored = self._keys.message_keys_in_folder(self._run, feed.folder.id)
        removed = tuple(
            MessageRemovedFromFolder(key)
            for key in sorted(stored - page.remote_ids_of_all_messages_of_feed)
        )
        return replace(page, changes=(*removed, *page.changes))

    def _with_changed_states(self, feed: FeedRef, page: Page) -> Page:
        """Return the page with those of its `possibly_changed_message_states` added to its changes
        that are really new: the messages that are not stored in the listed version."""
        if not page.possibly_changed_message_states or feed.folder is None:
            return page
        versions = {
            each.remote_id: each.state.remote_version
            for each in page.possibly_changed_message_states
        }
        changed_keys = self._keys.find_keys_of_new_or_changed_messages(
            self._run, feed.folder.id, versions
        )
        changed_keys -= {each.remote_id for each in page.changes}
        changed = (
            each for each in page.possibly_changed_message_states if each.remote_id in changed_keys
        )
        return replace(page, changes=(*page.changes, *changed), possibly_changed_message_states=())

    def _matched_newest(
        self, folder: FolderRef, listed: Sequence[RemoteId], known: Mapping[RemoteId, RemoteId]
    ) -> Mapping[RemoteId, RemoteId]:
        """Return the ids of stored messages that have moved into the folder, by their new keys.
        Only the folder's newest messages are searched. The arrival of such a message may not be on
        a page yet, although an earlier page has reported that the message left another folder."""
        newest = FeedRef(FeedId(0), folder)
        with suppress(ProviderRejected, ProviderUnavailable):  # then they are fetched
            page = self._provider.fetch_feed_page(
                newest, None, limit=MAX_MESSAGES_SEARCHED_FOR_MOVES
            )
            arrivals = [
                ArrivalUnderUnknownProviderKey(key, it, folder.id, page.current_message_id_prefix)
                for key, it in _arrivals(page.changes)
                if key not in known
            ]
            is_only_folder = self.provider_traits.has_one_folder_per_message
            if arrivals:
                return self._keys.assign_new_keys_to_stored_messages(
                    self._run, arrivals, listed, is_only_folder=is_only_folder
                )
        return {}


def wrap_provider_for_stable_message_ids(
    provider: MailProvider, run: RunRef, database: Database
) -> MailProvider:
    """Return the provider itself if a message keeps its id when it moves. Otherwise return the
    provider wrapped in `StableIdProviderWrapper`."""
    if provider.provider_traits.do_ids_survive_moves:
        return provider
    return StableIdProviderWrapper(
        provider, run, ProviderMessageKeyStore(database), RemovalStore(database)
    )


def _of_id(
    remote_id: RemoteId, key: RemoteId, found: _FetchResult, internet_message_id: str | None
) -> _FetchResult:
    """Return the result of fetching a key, with the message's id in place of the key. If the
    fetched message has another Message-ID than the stored one, the provider has given the key to
    another message: return that the message with this id was not found.

    internet_message_id: the stored Message-ID. None: none is stored.
    """
    if not isinstance(found, Message):
        return replace(found, remote_id=remote_id)
    present = found.internet_message_id
    if internet_message_id and present and to_storable_text(present) != internet_message_id:
        return MessageNotFoundByIdResult(remote_id)
    return replace(found, remote_id=remote_id, current_remote_id=key)


def _first_key(remote_id: RemoteId) -> RemoteId:
    """Return the first key of the message that has this id."""
    key, _, number = remote_id.rpartition(REUSED_KEY_SUFFIX_SEPARATOR)
    return RemoteId(key) if number.isdigit() and key else remote_id


def _arrivals(changes: Iterable[MessageChange]) -> Iterable[tuple[RemoteId, str]]:
    """Yield the keys and fingerprints of the changes that can be arrivals."""
    for each in changes:
        of = each.message if isinstance(each, Upsert) else each
        if isinstance(of, Message | MessageStateUpsert) and of.move_invariant_fingerprint:
            yield of.remote_id, of.move_invariant_fingerprint


def _valid_keys(pages: Iterable[Page]) -> frozenset[RemoteId]:
    """Return the keys of all messages that the pages report as present."""
    changes = (each for page in pages for each in page.changes)
    return frozenset(
        each.remote_id for each in changes if not isinstance(each, MessageRemovedFromFolder)
    )


def _with_id(change: MessageChange, ids: Mapping[RemoteId, RemoteId]) -> MessageChange:
    if isinstance(change, Upsert):
        key = change.remote_id
        return Upsert(replace(change.message, remote_id=ids[key], current_remote_id=key))
    return replace(change, remote_id=ids[change.remote_id])
