"""A provider unlike Microsoft Graph: a dictionary of mail in which folders are labels.

One change feed reports the whole mailbox, and a message that is moved has another id afterwards. In
the kind "folders" each label has a feed of its own, and ids stay. The archive is not counted. The
mail is that of a simulated mailbox; TOY in the environment names its file and the kind.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from localdev.simulators.database import SimulatorDatabase
from localdev.simulators.mailbox import Mailbox
from localdev.simulators.message import received_at_sort_key
from mailsync import model
from mailsync.errors import CursorExpired, FolderGone, ProviderRejected
from mailsync.model import (
    Cursor,
    FeedRef,
    Message,
    MessageChange,
    MessageNotFoundByIdResult,
    Page,
    RemoteId,
)
from mailsync.providers import AccessTokenSource, ProviderTraits, ProviderTuning
from mailsync.registry import RegisteredProvider
from tests.support.toy_form import to_message

TOY = RegisteredProvider(
    model.ProviderName("toy"), "Toy", "email/toy.sync", implementation_module=__name__
)
KINDS = {
    "labels": ProviderTraits(False, has_one_folder_per_message=False, do_ids_survive_moves=False),
    "folders": ProviderTraits(has_one_folder_per_message=False),
    "listing": ProviderTraits(
        False, has_one_folder_per_message=False, is_listing_cheaper_than_fetching=True
    ),
}
MOVES = "SELECT count(*) FROM change WHERE message = ? AND kind = 'moved' AND number <= ?"


class ToyProvider:
    provider_tuning = ProviderTuning(
        messages_per_fetch=10,
        max_messages_in_batch_of_small_folders=100,
        feeds_to_read_per_connection=3,
    )
    max_requests_in_flight, remaining_provider_pause_s, used_quota_units = 4, 0.0, 0

    def __init__(self, mailbox: Mailbox, access: AccessTokenSource, kind: str = "labels") -> None:
        self.mailbox, self.access, self.provider_traits = mailbox, access, KINDS[kind]

    def close(self) -> None: ...

    def request(self) -> None:
        self.used_quota_units += 1
        self.access.get_current_token()

    def fetch_newest_inbox_mail(self, *, limit: int) -> None:
        """Return None: its first page has its newest messages."""

    def list_folders(
        self, known: Sequence[model.StoredFolder], reading: model.FolderTreeReadingMode
    ) -> model.FolderListing:
        self.request()
        found = []
        for each in self.mailbox.folders.list_all_folders():
            total, unread = (None,) * 2 if each.role == "archive" else (each.total, each.unread)
            parent = RemoteId(str(each.parent)) if each.parent else None
            names = RemoteId(str(each.number)), parent, each.name, model.Role(each.role)
            if each.search_filter is None:
                found.append(model.RemoteFolder(*names, total, unread, each.is_hidden))
        gone = {each.ref.remote_id for each in known} - {each.remote_id for each in found}
        return model.FolderListing(tuple(found), gone_folder_remote_ids=frozenset(gone))

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        self.request()
        label = self._label(feed.folder) if feed.folder else None
        journal = self.mailbox.journal
        kind, since, *place = (
            cursor or f"list {journal.newest_global_change_number} 99999 0"
        ).split()
        if journal.has_position_expired(int(since), label):
            raise CursorExpired("The position has expired.")
        if kind == "list":
            older, labels = (place[0], int(place[1])), [label] if label else self._labels()
            mail = self.mailbox.list_messages_in_folders(*labels, older_than=older, limit=limit + 1)
            new = tuple(model.Upsert(self._message(each.message_number)) for each in mail[:limit])
            if len(mail) <= limit:
                return Page(new, Cursor(f"after {since}"), has_more=False)
            after = "list {} {} {}".format(since, *received_at_sort_key(mail[limit - 1]))
            return Page(new, Cursor(after), has_more=True)
        entries = [
            each
            for each in journal.list_entries_after_change_number(int(since))
            if each.message_number
        ]
        ends, until = dict[int, bool](), int(since)
        for each in entries[:limit]:
            until, number = each.change_number, each.message_number or 0
            ends[number] = ends.get(number, False) or label in (None, each.source_folder_number)
        changes = (c for each in ends.items() for c in self._changes(*each, int(since), label))
        return Page(tuple(changes), Cursor(f"after {until}"), has_more=len(entries) > limit)

    def fetch_next_page_of_each_feed(
        self,
        positions: Sequence[tuple[FeedRef, Cursor | None]],
        *,
        limit: int,
        following: Sequence[tuple[FeedRef, Cursor | None]] = (),
    ) -> Mapping[model.FeedId, Page]:
        pages = {}
        for feed, cursor in positions:
            with suppress(CursorExpired, FolderGone, ProviderRejected):
                pages[feed.id] = self.fetch_feed_page(feed, cursor, limit=limit)
        return pages

    def list_folder_messages(
        self, folder: model.FolderRef, *, has_flags: bool = True
    ) -> model.MessageListing:
        self.request()
        found = [
            self._message(each.message_number)
            for each in self.mailbox.list_messages_in_folders(self._label(folder))
        ]
        entries = tuple(
            model.ListedMessage(m.remote_id, m.is_read, m.remote_version) for m in found
        )
        return model.MessageListing(entries, len(entries))

    def note_feed_to_read_ahead(self, feed: FeedRef | None) -> None:
        """Do nothing: no feed is read ahead."""

    def note_groups_before_fetch(self, groups: Mapping[RemoteId, str]) -> None:
        pass

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult]:
        self.request()
        numbers = [int(each.partition(".")[0]) for each in ids]
        mail = [
            self._message(each.message_number)
            for each in self.mailbox.find_messages_by_number(numbers)
        ]
        found = {each.remote_id: each for each in mail}
        return [found.get(each, MessageNotFoundByIdResult(each)) for each in ids]

    def message_id(self, number: int) -> RemoteId:
        return self._ids_since(number, self.mailbox.journal.newest_global_change_number)[-1]

    def _changes(
        self, number: int, may_end: bool, since: int, label: int | None
    ) -> Sequence[MessageChange]:
        found = self.mailbox.find_messages_by_number([number])
        now = self._message(number) if found else None
        here = now and (str(label) in now.folder_remote_ids if label else now.folder_remote_ids)
        ended = self._ids_since(number, since)[: -1 if here else None] if may_end else []
        removed = tuple(model.MessageRemovedFromFolder(each) for each in ended)
        return (*removed, model.Upsert(now)) if now and here else removed

    def _labels(self) -> list[int]:
        return [each.number for each in self.mailbox.folders.list_all_folders()]

    def _label(self, folder: model.FolderRef) -> int:
        if int(folder.remote_id) not in self._labels():
            raise FolderGone("There is no such label.")
        return int(folder.remote_id)

    def _ids_since(self, number: int, change: int) -> list[RemoteId]:
        newest = self.mailbox.journal.newest_global_change_number
        ends = () if self.provider_traits.do_ids_survive_moves else (change, newest)
        moves = [self.mailbox.database.fetch_rows(MOVES, number, end)[0][0] for end in ends]
        first, last = moves or (0, 0)
        return [RemoteId(f"{number}.{each}") for each in range(first, last + 1)]

    def _message(self, number: int) -> Message:
        return to_message(
            self.mailbox.find_message(number), self.message_id(number), self._labels()
        )


class ToyKit:
    push_kit = None
    provider: Callable[[Mailbox, AccessTokenSource, str], ToyProvider] = ToyProvider

    def open_mailbox(
        self, account: model.Account, access: AccessTokenSource, *_: object, **__: object
    ) -> object:
        file, kind = os.environ["TOY"].split("|")
        mailbox = Mailbox(SimulatorDatabase(Path(file), "", earlier={}), account.remote_account_id)
        return self.provider(mailbox, access, kind)


KIT = ToyKit()
