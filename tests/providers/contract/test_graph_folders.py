"""The folder tree, whatever Graph answers: what is shown, omitted, gone, and not known."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from localdev.http_server import Response
from mailsync.errors import ProviderThrottled, ProviderUnavailable
from mailsync.model import FolderListing, FolderTreeReadingMode, RemoteId, Role, StoredFolder
from mailsync.providers.graph import folders
from mailsync.providers.graph.folders import MAX_CHILD_FOLDER_LISTS_PER_QUICK_READ
from mailsync.providers.graph.http import MAX_BATCH_REQUESTS
from tests.providers.contract.scripted_graph import ScriptedGraph, answer, batch, error, refusal
from tests.support.builders import a_known_folder

Item = tuple[int, Mapping[str, Any]]
GONE: Item = (404, error("ErrorItemNotFound"))
DENIED: Item = (403, error("ErrorAccessDenied"))
BROKEN: Item = (500, {})
SEARCH_FOLDER: dict[str, object] = {"id": "s", "@odata.type": "#microsoft.graph.mailSearchFolder"}
NO_FEED = refusal(400, "ErrorQuotaExceeded")
NO_ROLES = batch(*[GONE] * 7)


def folder(remote_id: str, parent: str = "root", **more: object) -> dict[str, object]:
    return {
        "id": remote_id,
        "parentFolderId": parent,
        "displayName": remote_id.upper(),
        "totalItemCount": 3,
        "unreadItemCount": 1,
        "childFolderCount": 0,
        **more,
    }


def shown(*folders: dict[str, object], more: str | None = None) -> dict[str, object]:
    return {"value": list(folders), **({"@odata.nextLink": more} if more else {})}


def page(*folders: dict[str, object], more: str | None = None) -> Response:
    return answer(shown(*folders, more=more))


def children(*folders: dict[str, object]) -> Item:
    return 200, shown(*folders)


def known(**parents: str | None) -> list[StoredFolder]:
    """Known folders by their ids, each with its parent; `inbox` has its role."""
    return [
        a_known_folder(
            number,
            name,
            parent_remote_id=RemoteId(parent) if parent else None,
            role=Role.INBOX if name == "inbox" else Role.OTHER,
        )
        for number, (name, parent) in enumerate(parents.items())
    ]


def list_quickly(graph: ScriptedGraph, **parents: str | None) -> FolderListing:
    """A quick reading of the tree by a sync that knows these folders."""
    return graph.mailbox.list_folders(
        known(**parents), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS
    )


def tree(listing: FolderListing) -> dict[str, str | None]:
    return {each.remote_id: each.parent_remote_id for each in listing.folders}


def asked(graph: ScriptedGraph) -> list[str]:
    """The paths of all requests, those of a batch one by one."""
    found = []
    for request in graph.requests:
        items = json.loads(request.body)["requests"] if request.method == "POST" else ()
        found += [each["url"] for each in items] or [request.path.removeprefix("/v1.0")]
    return [each.partition("?")[0].removeprefix("/me/mailFolders") for each in found]


def test_all_levels_and_pages_of_the_tree_are_listed_without_search_folders(
    graph: ScriptedGraph,
) -> None:
    more = f"{graph.url}/me/mailFolders?$skip=2"
    graph.answers = [
        NO_FEED,
        page(folder("a", childFolderCount=1), SEARCH_FOLDER, more=more),
        page(folder("b")),
        batch(children(folder("aa", "a", childFolderCount=1))),
        batch(children(folder("aaa", "aa", isHidden=True))),
        NO_ROLES,
    ]

    found = graph.mailbox.list_folders((), FolderTreeReadingMode.ALL_LISTED_FOLDERS)

    assert tree(found) == {"a": None, "b": None, "aa": "a", "aaa": "aa"}
    assert [each.is_hidden_at_provider for each in found.folders] == [False, False, False, True]
    first = found.folders[0]
    assert (first.display_name, first.message_count, first.unread_message_count) == ("A", 3, 1)
    assert found.is_whole_tree
    assert (
        found.gone_folder_remote_ids,
        found.existing_unlisted_folder_remote_ids,
        found.failure_reason_by_folder_remote_id,
    ) == (frozenset(), frozenset(), {})
    assert len(graph.requests) == 6


def test_a_tree_that_is_known_is_listed_in_one_request(graph: ScriptedGraph) -> None:
    graph.answers = [
        page(folder("inbox"), folder("a", childFolderCount=1), folder("b", "a"), SEARCH_FOLDER)
    ]

    found = list_quickly(graph, inbox=None, a=None, b="a")

    assert tree(found) == {"inbox": None, "a": None, "b": "a"}
    assert asked(graph) == ["/delta"]
    assert graph.mailbox.used_quota_units == 1


def test_children_that_the_feed_does_not_name_are_listed(graph: ScriptedGraph) -> None:
    graph.answers = [
        page(folder("inbox"), folder("a", childFolderCount=2), folder("b", "a")),
        batch(children(folder("b", "a"), folder("c", "a"))),
    ]

    found = list_quickly(graph, inbox=None, a=None, b="a", c="a")

    assert tree(found) == {"inbox": None, "a": None, "b": "a", "c": "a"}
    assert asked(graph) == ["/delta", "/a/childFolders"]


def test_a_thorough_reading_looks_for_hidden_folders_below_every_folder(
    graph: ScriptedGraph,
) -> None:
    graph.answers = [
        page(folder("inbox"), folder("a")),
        page(folder("inbox"), folder("a"), folder("h", isHidden=True)),
        batch(children(), children(folder("hh", "a", isHidden=True)), children()),
        batch(children()),
        NO_ROLES,
    ]

    found = graph.mailbox.list_folders(
        known(inbox=None, a=None), FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
    )

    assert tree(found) == {"inbox": None, "a": None, "h": None, "hh": "a"}


def test_a_thorough_reading_of_a_large_mailbox_ends_before_the_limit_of_requests(
    graph: ScriptedGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "MAX_PRECAUTIONARY_CHILD_FOLDER_REQUESTS", 1)
    listed = page(*(folder(name) for name in ("inbox", "a")), folder("b", childFolderCount=1))
    graph.answers = [listed, listed, batch(children(), children(folder("c", "b"))), NO_ROLES]

    found = graph.mailbox.list_folders(
        known(inbox=None, a=None), FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
    )

    assert tree(found) == {"inbox": None, "a": None, "b": None, "c": "b"}
    assert asked(graph)[2:4] == ["/inbox/childFolders", "/b/childFolders"]


def test_roles_are_asked_for_only_when_a_folder_is_new(graph: ScriptedGraph) -> None:
    roles: list[Item] = [(200, {"id": "inbox"}), *[GONE] * 5, (200, {"id": "b"})]
    graph.answers = [page(folder("inbox"), folder("b")), batch(*roles)]

    found = list_quickly(graph, inbox=None)

    assert [each.role for each in found.folders] == [Role.INBOX, Role.OUTBOX]


def test_a_role_that_was_not_told_is_asked_for_in_the_next_whole_reading(
    graph: ScriptedGraph,
) -> None:
    tree = page(folder("inbox"), folder("a"))
    roles: list[Item] = [(200, {"id": "inbox"}), (200, {"id": "a"}), *[GONE] * 5]
    graph.answers = [tree, tree, batch(*roles), tree]

    whole, quick = (
        graph.mailbox.list_folders(known(inbox=None, a=None), reading)
        for reading in (
            FolderTreeReadingMode.ALL_LISTED_FOLDERS,
            FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS,
        )
    )

    assert [each.role for each in whole.folders] == [Role.INBOX, Role.SENT]
    assert [each.role for each in quick.folders] == [Role.INBOX, Role.OTHER], "not in every check"


def test_an_item_of_a_batch_that_is_no_object_is_asked_for_again(graph: ScriptedGraph) -> None:
    """Half a document comes in base64, and a body may be missing: neither is an answer."""
    gone = error("ErrorItemNotFound")
    items = [{"id": str(at), "status": 404, "body": gone} for at in range(5)]
    torn = [{"id": "5", "status": 200, "body": "eyJpZCI6"}, {"id": "6", "status": 200}]
    graph.answers = [
        page(folder("inbox"), folder("a"), folder("b")),
        answer({"responses": [*items, *torn]}),
        batch((200, {"id": "a"}), (200, {"id": "b"})),
    ]

    found = list_quickly(graph, inbox=None)

    assert [each.role for each in found.folders] == [Role.INBOX, Role.ARCHIVE, Role.OUTBOX]


@pytest.mark.parametrize("list_is_empty", [True, False])
def test_what_no_list_shows_is_asked_for_by_its_id(
    graph: ScriptedGraph, list_is_empty: bool
) -> None:
    listed = () if list_is_empty else (folder("inbox"),)
    by_id: list[Item] = [GONE, BROKEN, (200, folder("c")), (200, folder("h", isHidden=True))]
    if list_is_empty:
        by_id.append((200, folder("inbox")))
    graph.answers = [page(*listed), batch(*by_id), *[batch(BROKEN)] * 2]

    found = list_quickly(graph, inbox=None, a=None, b=None, c=None, h=None)

    assert found.gone_folder_remote_ids == {"a"}
    assert found.failure_reason_by_folder_remote_id.keys() == {"b"}
    assert found.existing_unlisted_folder_remote_ids == ({"c", "inbox"} if list_is_empty else {"c"})
    assert tree(found) == {"inbox": None, "c": None, "h": None}


@pytest.mark.parametrize(
    "refused",
    [(404, error("ResourceNotFound")), (404, error("ErrorSyncFolderNotFound")), DENIED, (200, {})],
)
def test_a_folder_is_gone_only_by_the_answers_that_say_so(
    graph: ScriptedGraph, refused: Item
) -> None:
    graph.answers = [page(folder("inbox")), batch(refused)]

    found = list_quickly(graph, inbox=None, a=None)

    assert found.gone_folder_remote_ids == frozenset()
    assert (
        "a" in found.failure_reason_by_folder_remote_id
        or "a" in found.existing_unlisted_folder_remote_ids
    )


def test_a_deleted_folder_that_is_readable_outside_the_tree_is_gone_with_what_is_below_it(
    graph: ScriptedGraph,
) -> None:
    deleted: list[Item] = [(200, folder("a", "elsewhere")), (200, folder("b", "a"))]
    graph.answers = [page(folder("inbox")), batch(*deleted)]

    found = list_quickly(graph, inbox=None, a=None, b="a")

    assert found.gone_folder_remote_ids == {"a", "b"}
    assert tree(found) == {"inbox": None}


@pytest.mark.parametrize("refused", [DENIED, GONE, BROKEN, (404, error("ResourceNotFound"))])
def test_children_that_cannot_be_listed_fail_their_parent_and_nothing_else(
    graph: ScriptedGraph, refused: Item
) -> None:
    """Those that are known exist by their ids, and the list that lacks them has failed already."""
    parents = [folder("a", childFolderCount=1), folder("b", childFolderCount=1)]
    again = [batch(refused)] * (2 if refused is BROKEN else 0)
    graph.answers = [
        NO_FEED,
        page(folder("inbox"), *parents),
        batch(refused, children(folder("bb", "b"))),
        *again,
        batch((200, parents[0]), (200, folder("aa", "a")), (200, folder("aaa", "aa"))),
    ]

    found = graph.mailbox.list_folders(
        known(inbox=None, a=None, aa="a", aaa="aa", b=None, bb="b"),
        FolderTreeReadingMode.ALL_LISTED_FOLDERS,
    )

    assert tree(found) == {"inbox": None, "a": None, "b": None, "bb": "b", "aa": "a", "aaa": "aa"}
    assert found.failure_reason_by_folder_remote_id.keys() == {"a"}
    assert (found.gone_folder_remote_ids, found.existing_unlisted_folder_remote_ids) == (
        frozenset(),
        frozenset(),
    )


@pytest.mark.parametrize("name", ["totalItemCount", "unreadItemCount"])
def test_a_folder_without_a_count_has_failed_and_is_shown(graph: ScriptedGraph, name: str) -> None:
    uncounted = folder("a") | {name: None}
    graph.answers = [page(folder("inbox"), uncounted), batch((200, uncounted))]

    found = list_quickly(graph, inbox=None, a=None)

    assert found.failure_reason_by_folder_remote_id.keys() == {"a"}
    assert tree(found) == {"inbox": None, "a": None}


def test_without_a_feed_parents_take_turns_and_a_whole_reading_leaves_none_out(
    graph: ScriptedGraph,
) -> None:
    """Those first whose folders come first among the known ones."""
    names = [f"p{each:02}" for each in range(MAX_CHILD_FOLDER_LISTS_PER_QUICK_READ + 2)]
    top = page(folder("inbox"), *(folder(each, childFolderCount=1) for each in names))
    ids = known(inbox=None, **dict.fromkeys(names), **{f"c{each}": each for each in names[::-1]})
    items = {each: children(folder(f"c{each}", each)) for each in names}

    graph.answers = [NO_FEED, top, batch(*(items[each] for each in names[:1:-1]))]
    quick = graph.mailbox.list_folders(ids, FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)
    assert asked(graph)[2:] == [f"/{each}/childFolders" for each in names[:1:-1]]
    assert not quick.is_whole_tree
    assert not {"cp00", "cp01"} & tree(quick).keys()
    assert (
        quick.gone_folder_remote_ids,
        quick.existing_unlisted_folder_remote_ids,
        quick.failure_reason_by_folder_remote_id,
    ) == (frozenset(), frozenset(), {})

    first, rest = names[:MAX_BATCH_REQUESTS], names[MAX_BATCH_REQUESTS:]
    parts = [batch(*(items[each] for each in part)) for part in (first, rest)]
    graph.answers = [NO_FEED, top, *parts]
    whole = graph.mailbox.list_folders(ids, FolderTreeReadingMode.ALL_LISTED_FOLDERS)
    assert whole.is_whole_tree
    assert len(whole.folders) == len(ids)


@pytest.mark.parametrize("at", range(4))
def test_a_tree_in_the_middle_of_which_graph_asks_for_a_pause_is_not_read(
    graph: ScriptedGraph, at: int
) -> None:
    throttled: Item = (429, error("ApplicationThrottled"))
    pause = {"Retry_After": "60"}
    graph.answers = [
        refusal(429, "ApplicationThrottled", **pause) if at == 0 else NO_FEED,
        refusal(429, "ApplicationThrottled", **pause)
        if at == 1
        else page(folder("inbox"), folder("a", childFolderCount=1)),
        batch(throttled if at == 2 else children(), **pause),
        batch(throttled, **pause),
    ]

    with pytest.raises(ProviderThrottled) as raised:
        graph.mailbox.list_folders(
            known(inbox=None, a=None, b=None), FolderTreeReadingMode.ALL_LISTED_FOLDERS
        )
    assert raised.value.retry_after_s == pytest.approx(60, abs=1)


def test_a_feed_without_end_is_no_feed(graph: ScriptedGraph) -> None:
    graph.answers = [page(folder("inbox"), more=f"{graph.url}/me/mailFolders?again")]

    with pytest.raises(ProviderUnavailable, match="without end"):
        list_quickly(graph, inbox=None)
