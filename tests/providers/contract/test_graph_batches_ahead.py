"""The newest messages and the folder tree come in one batch, and the next batch of first pages is
requested while the caller stores the one before it."""

import json
import time
from typing import Any

import pytest

from localdev.http_server import Response
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    FolderTreeReadingMode,
    RemoteId,
    Role,
)
from mailsync.providers.graph import http
from mailsync.providers.graph.http import MAX_REQUESTS_IN_FLIGHT
from tests.providers.contract.scripted_graph import ScriptedGraph, answer, batch, entry, error
from tests.providers.contract.test_graph_read_ahead import wait_until

SIZE = 100
ROLES = len(["inbox", "sent", "drafts", "trash", "junk", "archive", "outbox"])
Positions = list[tuple[FeedRef, Cursor | None]]


def feeds(*numbers: int) -> Positions:
    return [(FeedRef(FeedId(n), FolderRef(FolderId(n), RemoteId(f"F{n}"))), None) for n in numbers]


def pages(graph: ScriptedGraph, *ids: str, text: str = "") -> Response:
    link = f"{graph.url}/me/x?end"
    found = [{"value": [entry(each, subject=text)], "@odata.deltaLink": link} for each in ids]
    return batch(*[(200, each) for each in found])


def folder(remote_id: str, **fields: object) -> dict[str, Any]:
    counts = {"totalItemCount": 1, "unreadItemCount": 0, "childFolderCount": 0}
    return {"id": remote_id, "displayName": remote_id, "parentFolderId": "root", **counts, **fields}


def first_answer(graph: ScriptedGraph, *messages: dict[str, Any], inbox: object = None) -> Response:
    tree = [folder(f"F{n}") for n in range(ROLES)]
    aliases = [folder(f"F{n}") for n in range(ROLES)]
    feed = {"value": tree, "@odata.deltaLink": f"{graph.url}/me/y"}
    bodies: list[Any] = [
        {"value": list(messages)},
        inbox or aliases[0],
        *aliases[1:],
        feed,
        {"value": tree},
    ]
    return batch(*[(200, each) for each in bodies])


def test_one_batch_has_the_newest_messages_and_the_whole_of_a_small_tree(
    graph: ScriptedGraph,
) -> None:
    mail = [entry(each, parentFolderId="F0") for each in ("a", "b", "a", "c")]
    other = [entry("d", parentFolderId="F1"), {"id": "e", "isRead": True}]
    graph.answers = [first_answer(graph, *other, *mail)]

    newest = graph.mailbox.fetch_newest_inbox_mail(limit=2)
    listing = graph.mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    assert newest
    assert (newest.inbox_folder.remote_id, newest.inbox_folder.role) == ("F0", Role.INBOX)
    assert [each.remote_id for each in newest.inbox_messages] == ["a", "b"]
    assert len(listing.folders) == ROLES
    assert {each.role for each in listing.folders} == {*Role} - {Role.OTHER}
    [request] = graph.requests
    items = [each["url"] for each in json.loads(request.body)["requests"]]
    assert "orderby=receivedDateTime%20desc&$top=2" in items[0]
    assert graph.mailbox.used_quota_units == len(items) == ROLES + 3


def test_what_the_first_batch_lacks_of_the_tree_is_requested(graph: ScriptedGraph) -> None:
    graph.answers = [first_answer(graph, inbox={"error": "no id"})]
    assert graph.mailbox.fetch_newest_inbox_mail(limit=2) is None

    graph.answers = [batch(*[(404, error("ErrorItemNotFound"))] * (ROLES + 3))]
    assert graph.mailbox.fetch_newest_inbox_mail(limit=2) is None
    tree = {"value": [folder("F0")], "@odata.deltaLink": f"{graph.url}/me/y"}
    graph.answers = [answer(tree), answer({"value": []}), batch(*[(200, folder("F0"))] * ROLES)]
    [found] = graph.mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS).folders

    assert found.remote_id == "F0"
    assert len(graph.requests) == 2 + 3


@pytest.mark.parametrize("body", [{"@odata.type": "#microsoft.graph.mailSearchFolder"}, {"id": ""}])
def test_what_is_no_inbox_has_no_newest_messages(
    graph: ScriptedGraph, body: dict[str, Any]
) -> None:
    mail = entry("a", parentFolderId="F0")
    graph.answers = [first_answer(graph, mail, inbox=folder("F0") | body)]

    assert graph.mailbox.fetch_newest_inbox_mail(limit=2) is None


def test_each_batch_is_requested_once_and_before_its_caller_needs_it(graph: ScriptedGraph) -> None:
    graph.before_answer = lambda: time.sleep(0.02)
    graph.answers = [pages(graph, "a", "b"), pages(graph, "c", "d"), pages(graph, "e")]
    mailbox = graph.mailbox

    first = mailbox.fetch_next_page_of_each_feed(feeds(1, 2), limit=SIZE, following=feeds(3, 4))
    wait_until(lambda: len(graph.requests) == 2)
    second = mailbox.fetch_next_page_of_each_feed(feeds(3, 4), limit=SIZE, following=feeds(5))
    wait_until(lambda: len(graph.requests) == 3)
    third = mailbox.fetch_next_page_of_each_feed(feeds(5), limit=SIZE)

    assert [list(each) for each in (first, second, third)] == [[1, 2], [3, 4], [5]]
    assert third[FeedId(5)].changes[0].message.remote_id == "e"  # type: ignore[union-attr]
    assert (len(graph.requests), mailbox.used_quota_units, graph.most_in_flight) == (3, 5, 1)


def test_another_batch_is_not_mistaken_for_the_one_ahead(graph: ScriptedGraph) -> None:
    graph.answers = [pages(graph, "a"), pages(graph, "b"), pages(graph, "other")]

    graph.mailbox.fetch_next_page_of_each_feed(feeds(1), limit=SIZE, following=feeds(2))
    found = graph.mailbox.fetch_next_page_of_each_feed(feeds(3), limit=SIZE)

    assert found[FeedId(3)].changes[0].message.remote_id == "other"  # type: ignore[union-attr]
    assert len(graph.requests) == 3


def test_a_large_batch_is_requested_when_it_is_needed(
    graph: ScriptedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_READ_AHEAD_BATCH_BYTES", 5_000)
    large = pages(graph, "b", text="x" * 5_000)
    graph.answers = [pages(graph, "a"), large, large, pages(graph, "c")]
    mailbox = graph.mailbox

    mailbox.fetch_next_page_of_each_feed(feeds(1), limit=SIZE, following=feeds(2))
    found = mailbox.fetch_next_page_of_each_feed(feeds(2), limit=SIZE, following=feeds(3))
    mailbox.close()

    assert list(found) == [2]
    assert len(graph.requests) == 3, "nothing ahead beside a large batch"


def test_batches_come_one_by_one_where_the_mailbox_takes_fewer_requests_at_once(
    graph: ScriptedGraph,
) -> None:
    graph.mailbox._graph.max_in_flight = MAX_REQUESTS_IN_FLIGHT - 1
    graph.answers = [pages(graph, "a")]

    graph.mailbox.fetch_next_page_of_each_feed(feeds(1), limit=SIZE, following=feeds(2))
    graph.mailbox.close()

    assert len(graph.requests) == 1
