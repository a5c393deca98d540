"""The next page of a round is requested while the caller stores the page before it."""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest

from localdev.http_server import Response
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import AccessToken, Cursor, FeedId, FeedRef, FolderId, FolderRef, Page, RemoteId
from mailsync.providers.graph import connection, http
from mailsync.providers.graph.provider import (
    MIN_PAGE_SIZE_TO_READ_AHEAD,
    PROVIDER_TUNING,
    GraphMailbox,
)
from mailsync.providers.response_memory import ResponseMemoryBudget
from mailsync.sync.store_page import compute_initial_page_size
from tests.providers.contract.scripted_graph import ScriptedGraph, TwoTokens, answer, entry, refusal

FEED = FeedRef(FeedId(1), FolderRef(FolderId(1), RemoteId("F")))
SIZE = MIN_PAGE_SIZE_TO_READ_AHEAD
WAIT_S = 10.0


def page(graph: ScriptedGraph, remote_id: str, *, following: str = "", text: str = "") -> Response:
    link = f"/me/x?{following or 'end'}"
    kind = "nextLink" if following else "deltaLink"
    changed = entry(remote_id, subject=text)
    return answer({"value": [changed], f"@odata.{kind}": graph.url + link})


def fetch(mailbox: GraphMailbox, cursor: Cursor | None = None, limit: int = SIZE) -> Page:
    return mailbox.fetch_feed_page(FEED, cursor, limit=limit)


def ids(page: Page) -> list[str]:
    return [change.message.remote_id for change in page.changes]  # type: ignore[union-attr]


def first_page(graph: ScriptedGraph, *ahead: Response, text: str = "") -> Cursor:
    """Fetch page `a`; return its cursor once the page after it was requested."""
    graph.answers = [page(graph, "a", following="2", text=text), *ahead]
    cursor = fetch(graph.mailbox).next_cursor
    wait_until(lambda: len(graph.requests) == 2)
    return cursor


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for the thread that reads ahead."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_each_page_is_requested_once_and_before_its_caller_needs_it(graph: ScriptedGraph) -> None:
    cursor = first_page(graph, page(graph, "b", following="3"), page(graph, "c"))

    second = fetch(graph.mailbox, cursor)
    wait_until(lambda: len(graph.requests) == 3)
    third = fetch(graph.mailbox, second.next_cursor)

    assert [ids(second), ids(third), third.has_more] == [["b"], ["c"], False]
    assert [each.query_string for each in graph.requests][1:] == ["2", "3"]
    assert graph.mailbox.used_quota_units == 3
    assert all(f"maxpagesize={SIZE}" in each.headers["Prefer"] for each in graph.requests)


def test_another_request_waits_for_the_page_ahead_which_is_kept(graph: ScriptedGraph) -> None:
    graph.before_answer = lambda: time.sleep(0.05)
    cursor = first_page(graph, page(graph, "b"), refusal(404, "ErrorItemNotFound"))

    graph.mailbox.fetch_messages([RemoteId("m")], one_by_one=True)

    assert ids(fetch(graph.mailbox, cursor)) == ["b"]
    assert (graph.most_in_flight, len(graph.requests)) == (1, 3)


@pytest.mark.parametrize("cursor_is_other", [False, True])
def test_a_page_of_another_size_or_place_is_not_mistaken_for_the_page_ahead(
    graph: ScriptedGraph, *, cursor_is_other: bool
) -> None:
    cursor = first_page(graph, page(graph, "b"), page(graph, "other"))
    wanted = Cursor(cursor.replace("?2", "?9")) if cursor_is_other else cursor

    found = fetch(graph.mailbox, wanted, limit=SIZE if cursor_is_other else SIZE + 1)

    assert ids(found) == ["other"]
    assert len(graph.requests) == 3


def test_a_long_pause_is_requested_where_the_page_is_needed(graph: ScriptedGraph) -> None:
    cursor = first_page(graph, refusal(429, "ApplicationThrottled", Retry_After="600"))

    with pytest.raises(ProviderThrottled) as raised:
        fetch(graph.mailbox, cursor)

    assert raised.value.retry_after_s == 600
    assert graph.mailbox.remaining_provider_pause_s > 590
    assert len(graph.requests) == 2, "no request within the pause"


def test_a_short_pause_is_slept_before_the_page_is_requested_again(graph: ScriptedGraph) -> None:
    throttled = refusal(429, "ApplicationThrottled", Retry_After="1")
    cursor = first_page(graph, throttled, page(graph, "b"))

    assert ids(fetch(graph.mailbox, cursor)) == ["b"]


def test_a_failed_page_ahead_is_the_failure_of_the_page(graph: ScriptedGraph) -> None:
    cursor = first_page(graph, refusal(503, "serviceNotAvailable"))

    with pytest.raises(ProviderUnavailable):
        fetch(graph.mailbox, cursor)

    assert len(graph.requests) == 2


def test_the_thread_never_touches_the_store_of_tokens(
    graph: ScriptedGraph, access: TwoTokens, monkeypatch: pytest.MonkeyPatch
) -> None:
    callers = set()

    def current_token() -> AccessToken:
        callers.add(threading.current_thread())
        return TwoTokens.get_current_token(access)

    monkeypatch.setattr(access, "get_current_token", current_token)
    refused = refusal(401, "InvalidAuthenticationToken")
    cursor = first_page(graph, refused, refused, page(graph, "b"))

    assert ids(fetch(graph.mailbox, cursor)) == ["b"]
    assert (access.renewed, callers) == (1, {threading.current_thread()})


def test_a_large_page_is_not_in_memory_beside_another_one(
    graph: ScriptedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page ahead that proves to be large is dropped, and requested again where it is needed."""
    monkeypatch.setattr(connection, "MAX_READ_AHEAD_BYTES", 5_000)
    monkeypatch.setattr("mailsync.providers.graph.http.MAX_READ_AHEAD_BYTES", 5_000)
    large = page(graph, "b", following="3", text="x" * 5_000)
    cursor = first_page(graph, large, large, page(graph, "c"))

    found = fetch(graph.mailbox, cursor)

    graph.mailbox.close()
    assert (ids(found), len(graph.requests)) == (["b"], 3), "nothing ahead beside a large page"


def test_nothing_is_read_ahead_where_mailboxes_share_the_memory(
    graph: ScriptedGraph, access: TwoTokens
) -> None:
    memory = ResponseMemoryBudget(own_bytes=10**6, large_bytes=10**6, wait_s=0)
    share = memory.create_share_for_mailbox()
    graph.answers = [page(graph, "a", following="2")]
    mailbox = GraphMailbox(base_url=graph.url, access=access, ca_bundle=None, memory=share)
    with closing(mailbox):
        fetch(mailbox)
        assert mailbox.used_quota_units == 1


@pytest.mark.parametrize("way", ["cut off", "too large", "more than there is memory for"])
def test_a_response_that_is_dropped_frees_its_memory(
    graph: ScriptedGraph, access: TwoTokens, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    size = 4 * 10**6 if way == "more than there is memory for" else 2 * 10**6
    cut = 10**6 if way == "cut off" else None
    if way == "too large":
        monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 10**6)
    memory = ResponseMemoryBudget(own_bytes=3 * 10**6, large_bytes=3 * 10**6, wait_s=0)
    share = memory.create_share_for_mailbox()
    graph.answers = [replace(page(graph, "a", text="x" * size), close_after_body_bytes=cut)]
    mailbox = GraphMailbox(base_url=graph.url, access=access, ca_bundle=None, memory=share)
    with closing(mailbox):
        with pytest.raises(ProviderUnavailable):
            fetch(mailbox)
        assert share.try_reserve_bytes(3 * 10**6)


@pytest.mark.parametrize(("limit", "fallback"), [(SIZE - 1, 0), (SIZE, 2)])
def test_smaller_pages_and_lists_of_ids_come_one_by_one(
    graph: ScriptedGraph, limit: int, fallback: int
) -> None:
    graph.answers = [page(graph, "a", following="2")]
    graph.mailbox.fetch_feed_page(FEED, None, limit=limit, fallback=fallback)
    assert graph.mailbox.used_quota_units == 1


def two_pages(graph: ScriptedGraph, *, before_second: Callable[[], object]) -> None:
    """Fetch the first page; the server calls `before_second` before it sends the second one."""
    graph.before_answer = lambda: before_second() if len(graph.requests) == 2 else None
    graph.answers = [page(graph, "a", following="2"), page(graph, "b")]
    fetch(graph.mailbox)


def test_the_pages_of_a_sync_that_meets_no_failure_are_large_enough() -> None:
    assert compute_initial_page_size(PROVIDER_TUNING) >= MIN_PAGE_SIZE_TO_READ_AHEAD


def test_no_request_is_in_flight_after_the_end(graph: ScriptedGraph) -> None:
    ended = threading.Event()

    def end() -> None:
        time.sleep(0.2)
        ended.set()

    two_pages(graph, before_second=end)

    graph.mailbox.close()

    assert ended.is_set()


def test_the_end_does_not_wait_long_for_a_page_that_nobody_needs(
    graph: ScriptedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MAX_WAIT_FOR_UNNEEDED_RESPONSE_S", 0.05)
    released = threading.Event()
    two_pages(graph, before_second=lambda: released.wait(WAIT_S))

    started = time.monotonic()
    graph.mailbox.close()
    took_s = time.monotonic() - started
    released.set()

    assert took_s < WAIT_S / 2
