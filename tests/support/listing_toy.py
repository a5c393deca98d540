"""The toy provider as a mailbox of labels whose messages keep their contents and ids.

A full sync lists ids, the feed reports changes of placements, and each message costs a request of
its own. `units` are the quota: 1 for a reading of labels or of the feed's position and for the
counts of a label, 2 for changes, 5 for a list of ids, 20 for a message.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from localdev.simulators.journal import ChangeKind, JournalEntry
from localdev.simulators.message import received_at_sort_key
from mailsync import model
from mailsync.errors import CursorExpired
from mailsync.model import (
    Cursor,
    FeedRef,
    ListedMessage,
    Message,
    MessageNotFoundByIdResult,
    Page,
    RemoteId,
)
from mailsync.providers import ProviderTuning
from tests.support.toy_provider import ToyProvider

ALL_MAIL = RemoteId("ALL_MAIL")
FLAGS = frozenset({"is_read", "is_flagged", "importance"})


class ListingToy(ToyProvider):
    """do_counts_cost: counts are read of the labels that are wanted. has_all_mail: there is a
    folder of all mail."""

    provider_tuning = ProviderTuning(
        messages_per_fetch=10,
        max_messages_in_batch_of_small_folders=100,
        max_feed_read_interval_while_pending_s=5.0,
    )
    do_counts_cost = has_all_mail = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        if self.has_all_mail:
            self.provider_traits = replace(self.provider_traits, all_mail_folder_id=ALL_MAIL)

    def list_folders(
        self, known: Sequence[model.StoredFolder], reading: model.FolderTreeReadingMode
    ) -> model.FolderListing:
        listing = super().list_folders(known, reading)
        folders = listing.folders
        if self.do_counts_cost and reading is model.FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS:
            wanted = {each.ref.remote_id for each in known if each.are_remote_counts_outdated}
            folders = tuple(
                each
                if each.message_count is None or each.remote_id in wanted
                else replace(
                    each, message_count=None, unread_message_count=None, has_fetched_counts=False
                )
                for each in folders
            )
        if self.do_counts_cost:
            self.used_quota_units += sum(each.message_count is not None for each in folders)
        if self.has_all_mail:
            names = ALL_MAIL, None, "All Mail", model.Role.OTHER, None, None
            folders = (*folders, model.RemoteFolder(*names))
        gone = listing.gone_folder_remote_ids - {ALL_MAIL}
        return replace(listing, folders=folders, gone_folder_remote_ids=gone)

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        self.request()
        journal = self.mailbox.journal
        kind, since, *place = (
            cursor or f"list {journal.newest_global_change_number} 99999 0"
        ).split()
        if journal.has_position_expired(int(since), None):
            raise CursorExpired("The position has expired.")
        if kind == "list":
            return self._list(since, (place[0], int(place[1])), limit)
        entries = journal.list_entries_after_change_number(int(since))
        if not entries:
            return Page((), Cursor(f"after {since}"), has_more=False)
        self.used_quota_units += 2
        changes = tuple(c for each in entries[:limit] if (c := self._change(each)))
        after = Cursor(f"after {entries[:limit][-1].change_number}")
        return Page(changes, after, has_more=len(entries) > limit)

    def list_folder_messages(
        self, folder: model.FolderRef, *, has_flags: bool = True
    ) -> model.MessageListing:
        self.used_quota_units += 4
        self.request()
        if folder.remote_id == ALL_MAIL:
            found = [each for each in self.all_messages() if ALL_MAIL in each.folder_remote_ids]
        else:
            found = [
                self._message(each.message_number)
                for each in self.mailbox.list_messages_in_folders(self._label(folder))
            ]
        entries = tuple(
            ListedMessage(m.remote_id, m.is_read, is_flagged=m.is_flagged, importance=m.importance)
            for m in found
        )
        if not has_flags:
            entries = tuple(ListedMessage(m.remote_id, None) for m in found)
        return model.MessageListing(entries, len(entries))

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult]:
        self.used_quota_units += 20 * len(ids) - 1
        return super().fetch_messages(ids)

    def _list(self, since: str, older: tuple[str, int], limit: int) -> Page:
        self.used_quota_units += 4
        mail = self.mailbox.list_messages_in_folders(
            *self._labels(), older_than=older, limit=limit + 1
        )
        ids = tuple(
            model.PlacementOrFlagChange(self.message_id(each.message_number))
            for each in mail[:limit]
        )
        if len(mail) <= limit:
            return Page(ids, Cursor(f"after {since}"), has_more=False, has_only_message_ids=True)
        after = "list {} {} {}".format(since, *received_at_sort_key(mail[limit - 1]))
        return Page(ids, Cursor(after), has_more=True, has_only_message_ids=True)

    def _change(self, entry: JournalEntry) -> model.MessageChange | None:
        if entry.message_number is None:
            return None
        remote_id = self.message_id(entry.message_number)
        found = self.mailbox.find_messages_by_number([entry.message_number])
        if not found or not found[0].placements:
            return model.MessageRemovedFromFolder(remote_id)
        if entry.kind is ChangeKind.MESSAGE_CHANGED:
            if entry.changed_field_names - FLAGS:
                return model.MessageToFetchById(remote_id)
            item = found[0].mail_item
            flags = item.is_read, item.is_flagged, item.importance
            return model.PlacementOrFlagChange(remote_id, (), (), *flags)
        has_come = entry.folder_number and entry.kind is not ChangeKind.MESSAGE_REMOVED_FROM_FOLDER
        has_left = entry.source_folder_number and entry.source_folder_number != entry.folder_number
        added = (RemoteId(str(entry.folder_number)),) if has_come else ()
        removed = (RemoteId(str(entry.source_folder_number)),) if has_left else ()
        return model.PlacementOrFlagChange(remote_id, added, removed)

    def all_messages(self) -> list[Message]:
        return [
            self._message(each.message_number)
            for each in self.mailbox.list_messages_in_folders(*self._labels())
        ]

    def _message(self, number: int) -> Message:
        message = replace(super()._message(number), remote_version=None, modified_at=None)
        outside = {
            str(each.number)
            for each in self.mailbox.folders.list_all_folders()
            if each.role in ("trash", "junk")
        }
        if not self.has_all_mail or outside.intersection(message.folder_remote_ids):
            return message
        return replace(message, folder_remote_ids=(*message.folder_remote_ids, ALL_MAIL))
