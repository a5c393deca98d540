"""The toy provider in a torture: short pages, wrong answers, changes during a sync."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from localdev.simulators.mailbox import Mailbox
from mailsync import registry
from mailsync.errors import ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedRef,
    FolderRef,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    MessageRemovedFromFolder,
    Page,
    RemoteId,
)
from mailsync.providers import AccessTokenSource
from tests.support.listing_toy import ListingToy
from tests.support.toy_provider import KIT, TOY, ToyProvider
from tests.torture.random_changes import Change

TOY_LIES = ("less", "removed", "short list", "gone", "outage")


def register() -> None:
    """Make the toy a provider of this process; TOY_ROUND in its environment says what it does."""
    registry.REGISTERED_PROVIDERS += (TOY,)
    KIT.provider = open_lying_toy


def open_lying_toy(mailbox: Mailbox, access: AccessTokenSource, kind: str) -> ToyProvider:
    return (LyingListingToy if kind == "listing" else LyingToy)(mailbox, access, kind)


class LyingToy(ToyProvider):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        plan = json.loads(os.environ["TOY_ROUND"])
        self._lies, self._page, self._meanwhile = plan["lies"], plan["page"], plan["meanwhile"]

    def request(self) -> None:
        super().request()
        if change := self._meanwhile.get(str(self.used_quota_units)):
            Change(*change).apply(self.mailbox)
        if "outage" in self._lies and self.used_quota_units % 3 == 2:
            raise ProviderUnavailable("The toy is broken; trying again.")

    def fetch_feed_page(
        self, feed: FeedRef, cursor: Cursor | None, *, limit: int, fallback: int = 0
    ) -> Page:
        page = super().fetch_feed_page(feed, cursor, limit=min(limit, self._page))
        changes = page.changes[1:] if "less" in self._lies else page.changes
        if "removed" in self._lies:
            some = self.mailbox.list_messages_in_folders("inbox", limit=2)
            changes += tuple(
                MessageRemovedFromFolder(self.message_id(each.message_number)) for each in some
            )
        return replace(page, changes=changes)

    def list_folder_messages(self, folder: FolderRef, *, has_flags: bool = True) -> MessageListing:
        listing = super().list_folder_messages(folder, has_flags=has_flags)
        entries = listing.messages["short list" in self._lies :]
        return MessageListing(entries, len(entries))

    def fetch_messages(
        self, ids: Sequence[RemoteId], *, one_by_one: bool = False
    ) -> Sequence[Message | MessageNotFoundByIdResult]:
        found = super().fetch_messages(ids)
        return [MessageNotFoundByIdResult(each) for each in ids] if "gone" in self._lies else found


class LyingListingToy(LyingToy, ListingToy):
    """The toy whose full sync lists ids, and whose counts of unchanged labels are not read."""

    do_counts_cost = True
