"""Probes, listings and single messages."""

import json
from datetime import UTC, datetime

import pytest

from mailsync.decisions.page_series import MAX_REPEATED_PAGES
from mailsync.errors import FolderGone, ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    ListedMessage,
    Message,
    MessageListing,
    MessageNotFoundByIdResult,
    RemoteId,
    UnreadableMessage,
)
from tests.providers.contract.scripted_graph import ScriptedGraph, answer, batch, error, refusal

INBOX = FolderRef(FolderId(1), RemoteId("F1"))
FEED = FeedRef(FeedId(1), INBOX)
NOT_FOUND = (404, error("ErrorItemNotFound"))


def a_feed(number: int) -> FeedRef:
    return FeedRef(FeedId(number), FolderRef(FolderId(number), RemoteId(f"F{number}")))


def messages(*ids: str) -> list[RemoteId]:
    return [RemoteId(each) for each in ids]


def a_probe_cursor(graph: ScriptedGraph, link: str) -> Cursor:
    graph.answers = [answer({"value": [], "@odata.deltaLink": graph.url + link})]
    return graph.mailbox.fetch_feed_page(FEED, None, limit=5).next_cursor


def test_a_probe_leaves_out_only_the_folder_that_failed(graph: ScriptedGraph) -> None:
    refs = [a_feed(n) for n in (1, 2, 3)]
    positions = [(each, a_probe_cursor(graph, f"/x?{each.id}")) for each in refs[:2]]
    positions.append((refs[2], Cursor("another selection")))
    good = {"value": [], "@odata.deltaLink": f"{graph.url}/x?new"}
    graph.answers = [batch((410, error("SyncStateNotFound")), (200, good))]

    pages = graph.mailbox.fetch_next_page_of_each_feed(positions, limit=9)

    assert pages.keys() == {2}
    items = json.loads(graph.requests[-1].body)["requests"]
    assert [each["url"] for each in items] == ["/x?1", "/x?2"]
    assert all("ImmutableId" in each["headers"]["Prefer"] for each in items)
    assert all("maxpagesize=9" in each["headers"]["Prefer"] for each in items)


def test_forty_one_folders_are_probed_in_three_calls_which_are_forty_one_requests(
    graph: ScriptedGraph,
) -> None:
    cursor = a_probe_cursor(graph, "/x?1")
    good = (200, {"value": [], "@odata.deltaLink": f"{graph.url}/x?2"})
    graph.answers = [batch(*[good] * 20), batch(*[good] * 20), batch(good)]
    requests, calls = graph.mailbox.used_quota_units, len(graph.requests)

    pages = graph.mailbox.fetch_next_page_of_each_feed(
        [(a_feed(n), cursor) for n in range(41)], limit=9
    )

    assert len(pages) == 41
    assert len(graph.requests) - calls == 3
    assert graph.mailbox.used_quota_units - requests == 41


REFUSED = (401, error("InvalidAuthenticationToken"))


def test_items_of_a_batch_that_refuse_the_token_are_asked_again_with_a_new_one(
    graph: ScriptedGraph,
) -> None:
    found = (200, {"id": "2", "parentFolderId": "F1", "@odata.etag": "e"})
    graph.answers = [batch(NOT_FOUND, REFUSED, NOT_FOUND, REFUSED), batch(found, NOT_FOUND)]

    gone, kept, *others = graph.mailbox.fetch_messages(messages("1", "2", "3", "4"))

    assert isinstance(kept, Message)
    assert [gone, *others] == [
        MessageNotFoundByIdResult(RemoteId(each)) for each in ("1", "3", "4")
    ]
    sent = [each.headers["Authorization"] for each in graph.requests]
    assert sent == ["Bearer token-0", "Bearer token-1"]
    asked = [each["url"] for each in json.loads(graph.requests[1].body)["requests"]]
    assert [each.partition("?")[0][-1] for each in asked] == ["2", "4"]
    assert graph.access.renewed == 1


def test_an_item_of_a_batch_that_refuses_every_token_is_an_outage_of_that_item(
    graph: ScriptedGraph,
) -> None:
    good = (200, {"value": [], "@odata.deltaLink": f"{graph.url}/me/x"})
    feeds = [(a_feed(each), None) for each in (1, 2)]
    graph.answers = [batch(REFUSED, good), batch(REFUSED)]

    assert graph.mailbox.fetch_next_page_of_each_feed(feeds, limit=5).keys() == {2}
    with pytest.raises(ProviderUnavailable):
        graph.mailbox.fetch_messages(messages("1"))
    assert graph.access.renewed == 2


CONTENT_FAILED = (500, error("ErrorContentConversionFailed"))
FOUND = answer({"id": "F1"})


def test_a_message_that_cannot_be_read_does_not_stop_the_others(graph: ScriptedGraph) -> None:
    graph.answers = [
        batch(
            (500, error("ErrorCorruptData")),
            (200, {"id": "m2", "parentFolderId": "F1", "receivedDateTime": "yesterday"}),
            (200, {"id": "default id", "parentFolderId": "F1"}),
            (400, error("ErrorInvalidIdMalformed")),
            (200, {"id": "m5", "parentFolderId": "F1"}),
        )
    ]

    *bad, gone, good = graph.mailbox.fetch_messages(messages("m1", "m2", "m3", "m4", "m5"))

    causes = [each.cause_name for each in bad if isinstance(each, UnreadableMessage)]
    assert causes == ["corrupt", "malformed", "other_id"]
    assert gone == MessageNotFoundByIdResult(RemoteId("m4"))
    assert isinstance(good, Message)


@pytest.mark.parametrize(
    "failure",
    [
        CONTENT_FAILED,
        (500, {}),
        (404, error("ResourceNotFound")),
        (403, error("ErrorAccessDenied")),
    ],
)
def test_a_message_that_does_not_answer_is_unanswered_where_another_one_does(
    graph: ScriptedGraph, failure: tuple[int, dict[str, object]]
) -> None:
    found = (200, {"id": "m2", "parentFolderId": "F1"})
    graph.answers = [batch(failure, found), *[batch(failure)] * 2]

    bad, good = graph.mailbox.fetch_messages(messages("m1", "m2"))

    assert isinstance(bad, UnreadableMessage)
    assert (bad.remote_id, bad.cause_name) == ("m1", "unanswered")
    assert isinstance(good, Message)


def test_of_messages_that_all_do_not_answer_a_simple_request_decides(graph: ScriptedGraph) -> None:
    graph.answers = [*[batch(CONTENT_FAILED)] * 3, FOUND]
    [found] = graph.mailbox.fetch_messages(messages("m1"))
    assert isinstance(found, UnreadableMessage)
    assert graph.requests[-1].path.endswith("/mailFolders/inbox")

    graph.answers = [*[batch(CONTENT_FAILED)] * 3, refusal(500, "InternalServerError")]
    with pytest.raises(ProviderUnavailable):
        graph.mailbox.fetch_messages(messages("m1"))


def test_messages_are_fetched_one_by_one_where_others_are_at_work(graph: ScriptedGraph) -> None:
    graph.answers = [answer({"id": each, "parentFolderId": "F1"}) for each in ("m1", "m2")]

    found = graph.mailbox.fetch_messages(messages("m1", "m2"), one_by_one=True)

    assert [isinstance(each, Message) for each in found] == [True, True]
    assert [each.method for each in graph.requests] == ["GET", "GET"]


def test_a_listing_follows_its_pages_and_names_each_message_once(graph: ScriptedGraph) -> None:
    modified = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    one = {"id": "m1", "isRead": True, "@odata.etag": "e1"}
    two = {"id": "m2", "isRead": False, "lastModifiedDateTime": "2026-01-02T03:04:05Z"}
    link = f"{graph.url}/me/mailFolders/F1/messages?$skip=2"
    graph.answers = [
        answer({"value": [one, two], "@odata.count": 2, "@odata.nextLink": link}),
        answer({"value": [two]}),
    ]

    listing = graph.mailbox.list_folder_messages(INBOX)

    first, second = messages("m1", "m2")
    entries = (ListedMessage(first, True, "e1"), ListedMessage(second, False, None, modified))
    assert listing == MessageListing(entries, remote_message_count=2)
    assert listing.is_complete


@pytest.mark.parametrize("counted", [{"@odata.count": 3}, {}, {"@odata.count": "1"}])
def test_a_listing_of_another_number_than_the_provider_counts_is_not_complete(
    graph: ScriptedGraph, counted: dict[str, object]
) -> None:
    graph.answers = [answer({"value": [{"id": "m1"}], **counted})]

    assert not graph.mailbox.list_folder_messages(INBOX).is_complete


def test_a_listing_whose_pages_lead_in_a_circle_ends(graph: ScriptedGraph) -> None:
    links = [f"{graph.url}/me/x?$skip={each}" for each in (1, 2, 1)]
    graph.answers = [answer({"value": [], "@odata.nextLink": each}) for each in links]

    with pytest.raises(ProviderUnavailable, match="same page link"):
        graph.mailbox.list_folder_messages(INBOX)


@pytest.mark.parametrize("items", [[], [{"id": "m1"}]])
def test_a_listing_that_repeats_a_page_under_new_links_ends(
    graph: ScriptedGraph, items: list[object]
) -> None:
    graph.answers = [
        answer({"value": items, "@odata.nextLink": f"{graph.url}/me/x?$skip={number}"})
        for number in range(2 * MAX_REPEATED_PAGES)
    ] + [answer({"value": items})]

    with pytest.raises(ProviderUnavailable, match="does not end"):
        graph.mailbox.list_folder_messages(INBOX)


@pytest.mark.parametrize("code", ["<b>", "two words", "x" * 81, "line\n"])
def test_a_code_that_is_none_is_not_repeated(graph: ScriptedGraph, code: str) -> None:
    graph.answers = [refusal(400, code)]

    with pytest.raises(ProviderRejected) as raised:
        graph.mailbox.list_folder_messages(INBOX)
    assert code not in str(raised.value)


def test_a_folder_is_gone_only_if_it_is_gone_by_its_id(graph: ScriptedGraph) -> None:
    gone = refusal(404, "ErrorItemNotFound")
    graph.answers = [gone]
    with pytest.raises(FolderGone):
        graph.mailbox.list_folder_messages(INBOX)

    for by_id in (FOUND, refusal(500, "InternalServerError")):
        graph.answers = [gone, by_id]
        with pytest.raises(ProviderUnavailable):
            graph.mailbox.list_folder_messages(INBOX)


CROWDED = {"error": {"code": "ApplicationThrottled", "message": "MailboxConcurrency limit"}}


def test_the_number_of_requests_in_flight_is_learnt_and_never_less_than_one(
    graph: ScriptedGraph,
) -> None:
    """As many items of a batch are worked on at once as it holds, and at most four."""
    found = [(200, {"id": f"m{each}", "parentFolderId": "F1"}) for each in range(4)]
    crowded = (429, CROWDED)
    graph.answers = [
        batch(found[0], found[1], crowded, crowded, Retry_After="0.01"),
        batch(found[2], crowded, Retry_After="0.01"),
        batch(found[3]),
        *[batch(crowded, Retry_After="0.01")] * 9,
    ]
    assert graph.mailbox.max_requests_in_flight == 4

    fetched = graph.mailbox.fetch_messages(messages("m0", "m1", "m2", "m3"))
    assert all(isinstance(each, Message) for each in fetched)
    assert graph.mailbox.max_requests_in_flight == 2

    with pytest.raises(ProviderThrottled):
        graph.mailbox.fetch_messages(messages("m0", "m1", "m2", "m3"))
    assert graph.mailbox.max_requests_in_flight == 1
    sizes = [len(json.loads(each.body)["requests"]) for each in graph.requests]
    assert sizes[:4] == [4, 2, 1, 2]
    assert sizes[-1] == 1
