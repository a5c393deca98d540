"""Pages of changes, whatever Graph answers."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from localdev.http_server import Response
from mailsync.credentials import FixedAccessTokenSource
from mailsync.errors import (
    CursorExpired,
    FolderGone,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    FolderId,
    FolderRef,
    ListedMessage,
    MessageRemovedFromFolder,
    MessageToFetchById,
    RemoteId,
    Upsert,
)
from mailsync.providers import FeedUnreadableError
from mailsync.providers.graph.http import MAX_RESPONSE_BYTES
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from tests.api.credentials.identity_platform import IdentityPlatform
from tests.providers.contract.scripted_graph import ScriptedGraph, TwoTokens, answer, entry, refusal

INBOX = FolderRef(FolderId(1), RemoteId("in/box="))
FEED = FeedRef(FeedId(1), INBOX)
LAST = "/me/mailFolders('x')/messages/delta?$deltatoken=a%2Fb'"


def page(
    graph: ScriptedGraph, *items: object, link: str = LAST, kind: str = "deltaLink"
) -> Response:
    return answer({"value": list(items), f"@odata.{kind}": graph.url + link})


def cursor_of(graph: ScriptedGraph) -> Cursor:
    graph.answers = [page(graph)]
    return graph.mailbox.fetch_feed_page(FEED, None, limit=5).next_cursor


def test_every_request_of_a_chain_asks_for_immutable_ids_and_a_page_size_but_never_top(
    graph: ScriptedGraph,
) -> None:
    graph.answers = [page(graph)]

    first = graph.mailbox.fetch_feed_page(FEED, None, limit=7)
    graph.mailbox.fetch_feed_page(FEED, first.next_cursor, limit=3)

    sizes = [each.headers["Prefer"] for each in graph.requests]
    assert sizes == [f'IdType="ImmutableId", odata.maxpagesize={n}' for n in (7, 3)]
    assert graph.requests[0].path == "/v1.0/me/mailFolders/in%2Fbox%3D/messages/delta"
    assert "isRead" in graph.requests[0].query_string
    assert "top" not in graph.requests[0].query_string
    assert f"{graph.requests[1].path}?{graph.requests[1].query_string}" == f"/v1.0{LAST}"
    assert graph.mailbox.used_quota_units == 2


def test_behind_an_empty_page_is_more_unless_its_link_leads_to_itself(graph: ScriptedGraph) -> None:
    graph.answers = [page(graph, link="/me/x?$skiptoken=1", kind="nextLink")]
    first = graph.mailbox.fetch_feed_page(FEED, None, limit=5)
    assert (first.has_more, first.changes) == (True, ())

    with pytest.raises(ProviderUnavailable, match="same page link"):
        graph.mailbox.fetch_feed_page(FEED, first.next_cursor, limit=5)


def test_changes_keep_their_order(graph: ScriptedGraph) -> None:
    gone = {"id": "m1", "@removed": {"reason": "deleted"}}
    back = entry("m1", subject="\ud83d half")
    graph.answers = [page(graph, gone, back)]

    changes = graph.mailbox.fetch_feed_page(FEED, None, limit=5).changes

    assert changes[0] == MessageRemovedFromFolder(RemoteId("m1"))
    assert isinstance(changes[1], Upsert)
    assert changes[1].message.subject == "\ud83d half"


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/me/x",
        "http://127.0.0.1:1/v1.0/me/x",
        "{origin}/beta/me/x",
        "{origin}/v1.0evil/x",
        "{origin}@evil.example/v1.0/me/x",
        "//evil.example/v1.0/me",
        "http://[/v1.0/me",
        7,
    ],
)
def test_a_link_that_leads_elsewhere_is_refused_before_the_token_goes_there(
    graph: ScriptedGraph, link: object
) -> None:
    if isinstance(link, str):
        link = link.format(origin=graph.url.removesuffix("/v1.0"))
    graph.answers = [answer({"value": [], "@odata.nextLink": link})]

    with pytest.raises(ProviderRejected, match="another host"):
        graph.mailbox.fetch_feed_page(FEED, None, limit=5)
    assert len(graph.requests) == 1


def test_a_host_whose_certificate_nobody_vouches_for_gets_no_token(
    access: TwoTokens, tmp_path: Path
) -> None:
    host = IdentityPlatform(tmp_path)
    url, budget = host.authority, RetryBudget(sleep=lambda _: None)

    def ask(ca_bundle: str | None) -> None:
        mailbox = GraphMailbox(base_url=url, access=access, ca_bundle=ca_bundle, budget=budget)
        with closing(mailbox), pytest.raises(MailsyncError):
            mailbox.fetch_feed_page(FEED, None, limit=5)

    ask(None)
    before = len(host.redeemed)
    ask(str(host.ca_bundle))
    host.stop()

    assert before == 0
    assert host.redeemed  # it is only the certificate that stood between them


def test_a_cursor_of_another_selection_of_properties_is_expired(graph: ScriptedGraph) -> None:
    cursor = cursor_of(graph)

    with pytest.raises(CursorExpired, match="another selection"):
        graph.mailbox.fetch_feed_page(FEED, Cursor(f"00000000 {cursor.split()[1]}"), limit=5)
    assert len(graph.requests) == 1


def test_a_refused_token_that_is_too_new_to_be_renewed_is_not_sent_again(
    graph: ScriptedGraph,
) -> None:
    too_new = FixedAccessTokenSource(TwoTokens().get_current_token())
    graph.answers = [refusal(401, "InvalidAuthenticationToken")]

    with (
        closing(GraphMailbox(base_url=graph.url, access=too_new, ca_bundle=None)) as mailbox,
        pytest.raises(ProviderUnavailable),
    ):
        mailbox.fetch_feed_page(FEED, None, limit=5)
    assert len(graph.requests) == 1


def test_a_denial_is_believed_when_it_is_repeated(graph: ScriptedGraph) -> None:
    """A burst of requests is sometimes answered with 403 instead of 429."""
    graph.answers = [refusal(403, "ErrorAccessDenied"), page(graph)]
    assert graph.mailbox.fetch_feed_page(FEED, None, limit=5).changes == ()

    graph.answers = [refusal(403, "ErrorAccessDenied")]
    with pytest.raises(ProviderRejected, match=r"Mail\.Read"):
        graph.mailbox.fetch_feed_page(FEED, None, limit=5)


@pytest.mark.parametrize(
    ("response", "failure"),
    [
        (refusal(410, "SyncStateNotFound"), CursorExpired),
        (refusal(404, "syncStateNotFound"), CursorExpired),
        (refusal(400, "BadRequest"), CursorExpired),
        (refusal(404, "ErrorItemNotFound"), FolderGone),
        (refusal(404, "MailboxNotEnabledForRESTAPI"), ProviderRejected),
        (refusal(403, "ErrorQuotaExceeded"), CursorExpired),
        (refusal(503, "MailboxInfoStale"), ProviderUnavailable),
        (refusal(503, "x", Retry_After="2"), ProviderThrottled),
        (refusal(504, "UnknownError"), ProviderUnavailable),
        (Response(404, b"<html>no</html>"), ProviderUnavailable),
        (Response(302, headers={"Location": "https://evil.example/"}), ProviderUnavailable),
        (Response(200, b"{}"), ProviderUnavailable),
        (Response(200, b'{"value": [' + b"9" * 4301 + b"]}"), ProviderUnavailable),
        (Response(200, b'{"value": []}'), ProviderUnavailable),
    ],
)
def test_an_answer_to_a_stored_link_has_one_meaning(
    graph: ScriptedGraph, response: Response, failure: type[MailsyncError]
) -> None:
    cursor = cursor_of(graph)
    graph.answers = [response]

    with pytest.raises(failure):
        graph.mailbox.fetch_feed_page(FEED, cursor, limit=5)


FOUND = answer({"id": INBOX.remote_id})


@pytest.mark.parametrize(
    ("by_id", "failure"),
    [
        (refusal(404, "ErrorItemNotFound"), FolderGone),
        (refusal(404, "ErrorFolderNotFound"), FolderGone),
        (refusal(404, "ErrorInvalidMailboxItemId"), FolderGone),
        (refusal(400, "ErrorInvalidIdMalformed"), FolderGone),
        (refusal(404, "ResourceNotFound"), ProviderRejected),
        (refusal(403, "ErrorAccessDenied"), ProviderRejected),
        (refusal(500, "InternalServerError"), ProviderUnavailable),
        (FOUND, ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("code", ["ErrorItemNotFound", "ErrorSyncFolderNotFound", "Whatever"])
def test_a_folder_whose_messages_are_not_found_is_gone_only_if_it_is_by_its_id(
    graph: ScriptedGraph, code: str, by_id: Response, failure: type[MailsyncError]
) -> None:
    cursor = cursor_of(graph)
    graph.answers = [refusal(404, code), by_id]

    with pytest.raises(failure):
        graph.mailbox.fetch_feed_page(FEED, cursor, limit=5)
    assert graph.requests[-1].path == "/v1.0/me/mailFolders/in%2Fbox%3D"


@pytest.mark.parametrize(("by_id", "failure"), [(None, FolderGone), (FOUND, ProviderUnavailable)])
@pytest.mark.parametrize(
    "answer_to_id",
    [refusal(404, "ErrorInvalidMailboxItemId"), refusal(400, "ErrorInvalidIdMalformed")],
)
def test_a_folder_whose_id_is_of_another_mailbox_is_gone_in_a_full_sync_and_a_listing(
    graph: ScriptedGraph,
    answer_to_id: Response,
    by_id: Response | None,
    failure: type[MailsyncError],
) -> None:
    requests: dict[str, Callable[[], object]] = {
        "delta": lambda: graph.mailbox.fetch_feed_page(FEED, None, limit=5),
        "list": lambda: graph.mailbox.list_folder_messages(INBOX),
    }
    for name, request in requests.items():
        messages = [answer_to_id] * (2 if name == "delta" else 1)  # a list replaces a delta feed
        graph.answers = [*messages, by_id or answer_to_id]
        with pytest.raises(failure):
            request()


FAILED = refusal(500, "ErrorInternalServerError")


def test_a_feed_has_failed_when_a_page_of_one_message_fails_twice_in_a_mailbox_that_answers(
    graph: ScriptedGraph,
) -> None:
    for cursor in (None, cursor_of(graph)):
        graph.answers = [FAILED, FOUND, FAILED]
        with pytest.raises(FeedUnreadableError):
            graph.mailbox.fetch_feed_page(FEED, cursor, limit=1)

        graph.answers = [FAILED, FOUND, page(graph)]
        assert graph.mailbox.fetch_feed_page(FEED, cursor, limit=1).changes == ()


@pytest.mark.parametrize(
    ("limit", "fallback", "answers"),
    [
        (2, 0, [FAILED]),
        (1, 0, [FAILED, FAILED]),
        (1, 0, [FAILED, FOUND, refusal(503, "x", Retry_After="20")]),
        (1, 2, [FAILED, FOUND, FAILED]),
    ],
    ids=["a larger page", "an outage", "throttled", "the last feed"],
)
def test_otherwise_it_is_tried_again(
    graph: ScriptedGraph, limit: int, fallback: int, answers: list[Response]
) -> None:
    graph.answers = answers

    with pytest.raises((ProviderUnavailable, ProviderThrottled)):
        graph.mailbox.fetch_feed_page(FEED, None, limit=limit, fallback=fallback)


def test_the_first_feed_that_comes_after_one_that_failed_has_no_bodies(
    graph: ScriptedGraph,
) -> None:
    named = entry("m1", isRead=True)
    graph.answers = [page(graph, named)]

    first = graph.mailbox.fetch_feed_page(FEED, None, limit=5, fallback=1)
    again = graph.mailbox.fetch_feed_page(FEED, first.next_cursor, limit=5)

    state = ListedMessage(RemoteId("m1"), True, "e")
    assert first.changes == again.changes == (MessageToFetchById(state.remote_id, state),)
    assert graph.requests[0].path.endswith("/messages/delta")
    assert "body" not in graph.requests[0].query_string
    assert not first.next_round_is_full_sync


def test_the_last_feed_is_a_list_of_ids_that_begins_anew_each_time(graph: ScriptedGraph) -> None:
    graph.answers = [answer({"value": [entry("m1")]})]

    found = graph.mailbox.fetch_feed_page(FEED, None, limit=5, fallback=7)

    assert isinstance(found.changes[0], MessageToFetchById)
    assert (found.has_more, found.next_round_is_full_sync) == (False, True)
    assert graph.requests[0].path.endswith("/messages")
    assert "body" not in graph.requests[0].query_string
    with pytest.raises(CursorExpired, match="read as a list"):
        graph.mailbox.fetch_feed_page(FEED, found.next_cursor, limit=5)


@pytest.mark.parametrize("fallback", [0, 1])
@pytest.mark.parametrize(
    "no_delta",
    [
        refusal(400, "BadRequest"),
        refusal(404, "ResourceNotFound"),
        refusal(405, "x"),
        refusal(501, "NotImplemented"),
        refusal(403, "ErrorQuotaExceeded"),
    ],
)
def test_where_no_delta_can_be_had_the_folder_is_listed(
    graph: ScriptedGraph, no_delta: Response, fallback: int
) -> None:
    graph.answers = [no_delta, answer({"value": [entry("m1")]})]

    found = graph.mailbox.fetch_feed_page(FEED, None, limit=5, fallback=fallback)

    assert isinstance(found.changes[0], MessageToFetchById if fallback else Upsert)
    assert found.next_round_is_full_sync


def test_an_answer_beyond_the_limit_asks_for_a_smaller_page_and_passes_as_the_only_message(
    graph: ScriptedGraph,
) -> None:
    body = {"contentType": "html", "content": "x" * MAX_RESPONSE_BYTES}
    graph.answers = [page(graph, entry("m1", body=body))]

    with pytest.raises(ProviderUnavailable, match="than can be held"):
        graph.mailbox.fetch_feed_page(FEED, None, limit=2)
    assert len(graph.mailbox.fetch_feed_page(FEED, None, limit=1).changes) == 1


def test_a_bad_request_without_a_stored_link_is_our_own_fault(graph: ScriptedGraph) -> None:
    graph.answers = [refusal(400, "ErrorInvalidUrlQuery")]

    with pytest.raises(ProviderRejected, match="ErrorInvalidUrlQuery"):
        graph.mailbox.fetch_feed_page(FEED, None, limit=5)
