"""Folders, probes, listings and single messages."""

import json

import pytest

from mailsync.errors import FolderGone, ProviderThrottled, ProviderUnavailable
from mailsync.model import Cursor, FolderId, FolderRef, Gone, Message, RemoteId, Role, Unreadable
from mailsync.providers.graph import GraphMailbox
from tests.contract.scripted_graph import (
    ScriptedGraph,
    TwoTokens,
    answer,
    batch,
    error,
    refusal,
)

INBOX = FolderRef(FolderId(1), RemoteId("F1"))
NOT_FOUND = (404, error("ErrorItemNotFound"))


def folder(remote_id: str, parent: str = "root", **more: object) -> dict[str, object]:
    return {
        "id": remote_id,
        "parentFolderId": parent,
        "displayName": remote_id.upper(),
        "totalItemCount": 3,
        "unreadItemCount": 1,
        **more,
    }


def messages(*ids: str) -> list[RemoteId]:
    return [RemoteId(each) for each in ids]


def a_probe_cursor(mailbox: GraphMailbox, graph: ScriptedGraph, link: str) -> Cursor:
    graph.answers = [answer({"value": [], "@odata.deltaLink": graph.url + link})]
    return mailbox.fetch_page(INBOX, None, limit=5).next_cursor


def test_all_levels_and_pages_of_the_tree_are_listed_without_search_folders(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    search = {**folder("s"), "@odata.type": "#microsoft.graph.mailSearchFolder"}
    more = f"{graph.url}/me/mailFolders?$skip=2"
    graph.answers = [
        answer({"value": [folder("a"), search], "@odata.nextLink": more}),
        batch((200, {"value": [folder("aa", "a")]}), (200, {"value": [folder("b")]})),
        batch((200, {"value": [folder("aaa", "aa", isHidden=True)]}), (200, {"value": []})),
        batch(NOT_FOUND),
        batch(*[NOT_FOUND] * 7),
    ]

    found = mailbox.list_folders({})

    tree = {each.remote_id: each.parent_remote_id for each in found}
    assert tree == {"a": None, "b": None, "aa": "a", "aaa": "aa"}
    assert found[-1].hidden
    assert (found[0].display_name, found[0].total, found[0].unread) == ("A", 3, 1)
    assert len(graph.requests) == 5


def test_a_tree_that_is_known_is_listed_in_one_request(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    known = {RemoteId(each): Role.OTHER for each in ("a", "b", "deleted")}
    no_children: tuple[int, dict[str, object]] = (200, {"value": []})
    top = (200, {"value": [folder("a")]})
    graph.answers = [batch(top, (200, {"value": [folder("b", "a")]}), no_children, NOT_FOUND)]

    found = mailbox.list_folders(known)

    assert {each.remote_id: each.parent_remote_id for each in found} == {"a": None, "b": "a"}
    assert len(graph.requests) == 1


def test_roles_are_asked_for_only_when_a_folder_is_new(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    no_children: tuple[int, dict[str, object]] = (200, {"value": []})
    top = (200, {"value": [folder("a"), folder("b")]})
    roles = [(200, {"id": "a"}), *[NOT_FOUND] * 5, (200, {"id": "b"})]
    graph.answers = [batch(top, no_children), batch(no_children), batch(*roles)]

    found = mailbox.list_folders({RemoteId("a"): Role.INBOX})

    assert [each.role for each in found] == [Role.INBOX, Role.OUTBOX]


def test_a_probe_leaves_out_only_the_folder_that_failed(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    refs = [FolderRef(FolderId(n), RemoteId(f"F{n}")) for n in (1, 2, 3)]
    positions = [(each, a_probe_cursor(mailbox, graph, f"/x?{each.id}")) for each in refs[:2]]
    positions.append((refs[2], Cursor("another selection")))
    good = {"value": [], "@odata.deltaLink": f"{graph.url}/x?new"}
    graph.answers = [batch((410, error("SyncStateNotFound")), (200, good))]

    pages = mailbox.probe(positions, limit=9)

    assert pages.keys() == {2}
    items = json.loads(graph.requests[-1].body)["requests"]
    assert [each["url"] for each in items] == ["/x?1", "/x?2"]
    assert all("ImmutableId" in each["headers"]["Prefer"] for each in items)
    assert all("maxpagesize=9" in each["headers"]["Prefer"] for each in items)


def test_forty_one_folders_are_probed_in_three_requests(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    cursor = a_probe_cursor(mailbox, graph, "/x?1")
    good = (200, {"value": [], "@odata.deltaLink": f"{graph.url}/x?2"})
    graph.answers = [batch(*[good] * 20), batch(*[good] * 20), batch(good)]
    before = mailbox.requests

    pages = mailbox.probe(
        [(FolderRef(FolderId(n), RemoteId("F")), cursor) for n in range(41)], limit=9
    )

    assert len(pages) == 41
    assert mailbox.requests - before == 3


def test_throttled_items_of_a_batch_are_asked_once_more(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    throttled = (429, error("ApplicationThrottled"))
    found = {"id": "m2", "parentFolderId": "F1"}
    graph.answers = [batch(NOT_FOUND, throttled, Retry_After="0.01"), batch((200, found))]

    gone, message = mailbox.fetch_messages(messages("m1", "m2"))

    assert gone == Gone(RemoteId("m1"))
    assert isinstance(message, Message)
    assert len(json.loads(graph.requests[-1].body)["requests"]) == 1


REFUSED = (401, error("InvalidAuthenticationToken"))


def test_items_of_a_batch_that_refuse_the_token_are_asked_again_with_a_new_one(
    graph: ScriptedGraph, mailbox: GraphMailbox, access: TwoTokens
) -> None:
    found = (200, {"id": "2", "parentFolderId": "F1", "@odata.etag": "e"})
    graph.answers = [batch(NOT_FOUND, REFUSED, NOT_FOUND, REFUSED), batch(found, NOT_FOUND)]

    gone, kept, *others = mailbox.fetch_messages(messages("1", "2", "3", "4"))

    assert isinstance(kept, Message)
    assert [gone, *others] == [Gone(RemoteId(each)) for each in ("1", "3", "4")]
    sent = [each.headers["Authorization"] for each in graph.requests]
    assert sent == ["Bearer token-0", "Bearer token-1"]
    asked = [each["url"] for each in json.loads(graph.requests[1].body)["requests"]]
    assert [each.partition("?")[0][-1] for each in asked] == ["2", "4"]
    assert access.renewed == 1


def test_an_item_of_a_batch_that_refuses_every_token_is_an_outage_of_that_item(
    graph: ScriptedGraph, mailbox: GraphMailbox, access: TwoTokens
) -> None:
    good = (200, {"value": [], "@odata.deltaLink": f"{graph.url}/me/x"})
    folders = [(FolderRef(FolderId(each), RemoteId(f"F{each}")), None) for each in (1, 2)]
    graph.answers = [batch(REFUSED, good), batch(REFUSED)]

    assert mailbox.probe(folders, limit=5).keys() == {2}
    with pytest.raises(ProviderUnavailable):
        mailbox.fetch_messages(messages("1"))
    assert access.renewed == 2


def test_a_long_pause_is_left_to_the_caller(graph: ScriptedGraph, mailbox: GraphMailbox) -> None:
    graph.answers = [batch((429, error("ApplicationThrottled")), Retry_After="11")]

    with pytest.raises(ProviderThrottled) as caught:
        mailbox.fetch_messages(messages("m1"))
    assert caught.value.retry_after_s == 11
    assert len(graph.requests) == 1


def test_a_message_that_cannot_be_read_does_not_stop_the_others(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    graph.answers = [
        batch(
            (500, error("ErrorCorruptData")),
            (400, error("ErrorInvalidIdMalformed")),
            (200, {"id": "m3", "parentFolderId": "F1", "receivedDateTime": "yesterday"}),
            (200, {"id": "default id", "parentFolderId": "F1"}),
            (200, {"id": "m5", "parentFolderId": "F1"}),
        )
    ]

    *bad, good = mailbox.fetch_messages(messages("m1", "m2", "m3", "m4", "m5"))

    causes = [each.cause for each in bad if isinstance(each, Unreadable)]
    assert causes == ["corrupt", "invalid_id", "malformed", "other_id"]
    assert isinstance(good, Message)


def test_a_listing_follows_its_pages_and_names_each_message_once(
    graph: ScriptedGraph, mailbox: GraphMailbox
) -> None:
    one, two = {"id": "m1", "isRead": True}, {"id": "m2", "isRead": False}
    link = f"{graph.url}/me/mailFolders/F1/messages?$skip=2"
    graph.answers = [
        answer({"value": [one, two], "@odata.nextLink": link}),
        answer({"value": [two]}),
    ]

    entries = list(mailbox.list_ids(INBOX))

    assert [(each.remote_id, each.is_read) for each in entries] == [("m1", True), ("m2", False)]


def test_a_listing_of_a_deleted_folder_says_so(graph: ScriptedGraph, mailbox: GraphMailbox) -> None:
    graph.answers = [refusal(404, "ErrorItemNotFound")]

    with pytest.raises(FolderGone):
        mailbox.list_ids(INBOX)
