"""A page that was requested ahead is stored only where the feed still stands before it."""

from collections.abc import Callable
from typing import Any

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.model import Page, StoredFeed
from mailsync.sync import feed_pages
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.store_page import store_page
from tests.workflow.failures.world import World

Interrupt = Callable[[Mailbox, StoredFeed], object]


def restart(mailbox: Mailbox, feed: StoredFeed) -> None:
    """As another worker may do between the request for a page and its transaction."""
    mailbox.feeds.restart_full_sync(mailbox.run, feed.ref.id)


def fail(mailbox: Mailbox, feed: StoredFeed) -> None:
    raise StoreUnavailable("The database does not answer; trying again.")


@pytest.mark.parametrize("interrupt", [restart, fail])
def test_a_page_ahead_of_one_that_is_not_stored_is_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch, interrupt: Interrupt
) -> None:
    stored: list[bool] = []

    def store(mailbox: Mailbox, feed: StoredFeed, page: Page, **fields: Any) -> object:
        if len(stored) == 1:
            stored.append(False)
            assert page.has_more, "so the next page is requested ahead"
            interrupt(mailbox, feed)
        counts = store_page(mailbox, feed, page, **fields)
        stored.append(counts is not None)
        return counts

    monkeypatch.setattr(feed_pages, "store_page", store)
    world.switch(largest_page=3)

    assert world.mirrors()
    assert stored[:2] == [True, False]
