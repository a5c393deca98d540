"""A page that was requested ahead is stored only where the feed still stands before it."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.model import Page, StoredFeed
from mailsync.sync import feed_pages, folder_tree
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.store_page import store_page, store_pages
from tests.workflow.failures.world import World

Interrupt = Callable[[Mailbox, StoredFeed], object]


def restart(mailbox: Mailbox, feed: StoredFeed) -> None:
    """As another worker may do between the request for a page and its transaction."""
    mailbox.feed_store.restart_full_sync(mailbox.run_ref, feed.ref.id)


def fail(mailbox: Mailbox, feed: StoredFeed) -> None:
    raise StoreUnavailable("The database does not answer; trying again.")


@pytest.mark.parametrize("interrupt", [restart, fail])
def test_a_page_ahead_of_one_that_is_not_stored_is_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupt
) -> None:
    """Each position of a feed leads to one page, also where it is read again."""
    pages = defaultdict(list)
    interrupts = [interrupt]

    def store(mailbox: Mailbox, feed: StoredFeed, page: Page, **fields: Any) -> object:
        pages[feed.ref.id, mailbox.decrypt_cursor(feed)].append(page)
        if fields.get("one_by_one") and interrupts:
            assert page.has_more, "so the next page is requested ahead"
            interrupts.pop()(mailbox, feed)
        return store_page(mailbox, feed, page, **fields)

    def store_many(mailbox: Mailbox, read: Any, **fields: Any) -> object:
        read = list(read)
        for feed, page in read:
            pages[feed.ref.id, mailbox.decrypt_cursor(feed)].append(page)
        return store_pages(mailbox, read, **fields)

    monkeypatch.setattr(feed_pages, "store_page", store)
    monkeypatch.setattr(folder_tree, "store_pages", store_many)
    world.switch(largest_page=3)

    assert world.mirrors()
    read_again = [found for found in pages.values() if len(found) > 1]
    assert read_again
    assert all(each.changes == found[0].changes for found in read_again for each in found)
