"""The history and the listing of a Gmail mailbox, whatever Gmail answers."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest

from localdev.http_server import Response
from mailsync.errors import CursorExpired, ProviderUnavailable
from mailsync.model import (
    Cursor,
    FeedId,
    FeedRef,
    MessageRemovedFromFolder,
    MessageToFetchById,
    PlacementOrFlagChange,
    RemoteId,
)
from mailsync.providers.gmail.cursor import (
    MAX_LISTING_RESTARTS,
    HistoryCursor,
    MessageListCursor,
    parse_cursor,
)
from tests.providers.contract.scripted_gmail import (
    NOT_FOUND,
    ScriptedGmail,
    answer,
    ids,
    profile,
    refusal,
)

FEED = FeedRef(FeedId(1))
BAD_TOKEN = refusal(400, "invalidArgument", "Invalid pageToken")


def record(record_id: int, **typed: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": str(record_id), **typed}


def of(message_id: str, *labels: str, changed: tuple[str, ...] = ()) -> dict[str, Any]:
    """An entry of a typed list: a message with its labels, and the labels that changed."""
    message = {"id": message_id, "threadId": "t"} | ({"labelIds": [*labels]} if labels else {})
    return {"message": message} | ({"labelIds": [*changed]} if changed else {})


def history(
    *records: Mapping[str, Any], history_id: int = 20, token: str | None = None
) -> Response:
    body: dict[str, Any] = {"historyId": str(history_id)} | (
        {"history": records} if records else {}
    )
    return answer(body | ({"nextPageToken": token} if token else {}))


def at(start: int) -> Cursor:
    return HistoryCursor(start).to_text()


def params(gmail: ScriptedGmail, path: str) -> list[Mapping[str, list[str]]]:
    return [
        parse_qs(each.query_string)
        for each, found in zip(gmail.requests, gmail.paths(), strict=True)
        if found == path
    ]


def test_a_full_sync_takes_the_history_id_before_it_lists_and_reads_on_from_it(
    gmail: ScriptedGmail,
) -> None:
    gmail.script(profile=profile(7), messages=[ids("c", "b", token="0012"), ids(), ids("b", "a")])

    first = gmail.mailbox.fetch_feed_page(FEED, None, limit=100)
    second = gmail.mailbox.fetch_feed_page(FEED, first.next_cursor, limit=100)

    assert gmail.paths()[:2] == ["profile", "messages"]
    changes = (*first.changes, *second.changes)
    assert changes == tuple(
        PlacementOrFlagChange(RemoteId(each), conversation_id=each) for each in "cbba"
    )
    assert (first.has_only_message_ids, first.has_more) == (
        second.has_only_message_ids,
        not second.has_more,
    )
    assert parse_cursor(second.next_cursor) == HistoryCursor(7)
    first_list, _, second_list = params(gmail, "messages")
    assert first_list == {"includeSpamTrash": ["true"], "maxResults": ["500"]}
    assert second_list == {**first_list, "pageToken": ["0012"]}
    assert gmail.mailbox.used_quota_units == sum(gmail.quota.taken) == 1 + 3 * 5


def test_chats_are_not_listed(gmail: ScriptedGmail) -> None:
    gmail.script(profile=profile(7), messages=[ids("mail", "chat"), ids("chat", "older chat")])

    page = gmail.mailbox.fetch_feed_page(FEED, None, limit=100)

    assert page.changes == (PlacementOrFlagChange(RemoteId("mail"), conversation_id="mail"),)
    assert params(gmail, "messages")[1]["labelIds"] == ["CHAT"]


def test_a_listing_whose_page_is_refused_starts_over_under_the_same_history_id(
    gmail: ScriptedGmail,
) -> None:
    gmail.script(messages=[BAD_TOKEN, ids("a", token="new"), ids()])
    cursor = MessageListCursor(7, "old").to_text()

    page = gmail.mailbox.fetch_feed_page(FEED, cursor, limit=100)

    assert page.changes == (PlacementOrFlagChange(RemoteId("a"), conversation_id="a"),)
    assert parse_cursor(page.next_cursor) == MessageListCursor(7, "new", restart_count=1)
    gmail.script(messages=BAD_TOKEN)
    with pytest.raises(ProviderUnavailable, match="again and again"):
        gmail.mailbox.fetch_feed_page(
            FEED, MessageListCursor(7, "x", MAX_LISTING_RESTARTS).to_text(), limit=100
        )


def test_a_check_without_news_costs_one_unit(gmail: ScriptedGmail) -> None:
    gmail.script(profile=profile(7))

    page = gmail.mailbox.fetch_next_page_of_each_feed([(FEED, at(7))], limit=100)[FEED.id]

    assert (page.changes, page.has_more, page.next_cursor) == ((), False, at(7))
    assert gmail.mailbox.used_quota_units == 1


def test_all_pages_of_a_round_have_its_start_and_the_next_begins_where_the_first_page_said(
    gmail: ScriptedGmail,
) -> None:
    deleted = record(12, messagesDeleted=[of("gone")])
    pages = [history(token="2", history_id=20), history(deleted, history_id=30)]
    gmail.script(profile=profile(40), history=pages)

    first = gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100)
    second = gmail.mailbox.fetch_feed_page(FEED, first.next_cursor, limit=100)

    assert (first.changes, first.has_more) == ((), True)
    assert (second.changes, second.has_more) == (
        (MessageRemovedFromFolder(RemoteId("gone")),),
        False,
    )
    assert second.next_cursor == at(20)
    assert [each["startHistoryId"] for each in params(gmail, "history")] == [["7"], ["7"]]
    assert gmail.mailbox.used_quota_units == 1 + 2 + 2


def test_an_older_history_id_never_moves_the_cursor_back(gmail: ScriptedGmail) -> None:
    gmail.script(profile=profile(5), history=history(history_id=6))

    assert gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100).next_cursor == at(7)


@pytest.mark.parametrize(
    "refused", [NOT_FOUND, refusal(400, "invalidArgument", "Invalid startHistoryId")]
)
def test_a_history_that_gmail_no_longer_has_means_a_full_sync(
    gmail: ScriptedGmail, refused: Response
) -> None:
    gmail.script(profile=profile(9), history=refused)

    with pytest.raises(CursorExpired, match="historyId"):
        gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100)
    with pytest.raises(CursorExpired):
        gmail.mailbox.fetch_feed_page(FEED, Cursor("of another release"), limit=100)


def test_a_404_of_a_proxy_is_no_expired_history(gmail: ScriptedGmail) -> None:
    page = Response(404, b"<html>not here</html>", {})
    gmail.script(profile=profile(9), history=page)

    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100)


def test_a_round_whose_page_is_refused_starts_over(gmail: ScriptedGmail) -> None:
    gmail.script(history=[BAD_TOKEN, history(history_id=25)])
    cursor = HistoryCursor(7, "old", 20).to_text()

    assert gmail.mailbox.fetch_feed_page(FEED, cursor, limit=100).next_cursor == at(25)


def test_the_last_record_about_a_label_decides_whatever_the_order(gmail: ScriptedGmail) -> None:
    records = (
        record(13, labelsRemoved=[of("a", "Label_1", changed=("INBOX", "UNREAD", "STARRED"))]),
        record(11, messagesAdded=[of("a", "INBOX", "UNREAD")]),
        record(12, labelsAdded=[of("a", changed=("Label_1", "STARRED", "IMPORTANT"))]),
    )
    gmail.script(profile=profile(9), history=history(*records))

    page = gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100)

    label, inbox = RemoteId("Label_1"), RemoteId("INBOX")
    expected = PlacementOrFlagChange(
        RemoteId("a"), (label,), (inbox,), is_read=True, is_flagged=False, importance="high"
    )
    assert page.changes == (expected,)


def test_a_draft_that_was_edited_twice_is_one_that_is_left(gmail: ScriptedGmail) -> None:
    edits = [
        record(n, messagesDeleted=[of(f"d{n - 1}", "DRAFT")], messagesAdded=[of(f"d{n}", "DRAFT")])
        for n in (11, 12)
    ]
    gmail.script(profile=profile(9), history=history(*edits))

    changes = gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100).changes

    assert {each.remote_id: type(each) for each in changes if not hasattr(each, "message")} == {
        "d10": MessageRemovedFromFolder,
        "d11": MessageRemovedFromFolder,
        "d12": PlacementOrFlagChange,
    }


def test_trash_takes_a_message_out_of_the_inbox_and_if_that_is_unclear_it_is_fetched(
    gmail: ScriptedGmail,
) -> None:
    records = [
        record(11, labelsAdded=[of("a", "TRASH", changed=("TRASH",))]),
        record(12, labelsAdded=[of("b", "TRASH", "INBOX", changed=("TRASH",))]),
        record(13, labelsAdded=[of("c", "SPAM", "INBOX", changed=("SPAM",))]),
        record(14, labelsRemoved=[of("c", "SPAM", changed=("INBOX",))]),
    ]
    gmail.script(profile=profile(9), history=history(*records))
    trash, spam, inbox = map(RemoteId, ("TRASH", "SPAM", "INBOX"))

    assert gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100).changes == (
        PlacementOrFlagChange(RemoteId("a"), (trash,), (inbox,)),
        MessageToFetchById(RemoteId("b")),
        PlacementOrFlagChange(RemoteId("c"), (spam,), (inbox,)),
    )


def test_history_of_chats_is_left_out(gmail: ScriptedGmail) -> None:
    chat = record(11, messagesAdded=[of("chat", "CHAT"), of("mail", "INBOX")])
    gmail.script(profile=profile(9), history=history(chat))

    changes = gmail.mailbox.fetch_feed_page(FEED, at(7), limit=100).changes

    assert [each.remote_id for each in changes if isinstance(each, PlacementOrFlagChange)] == [
        "mail"
    ]


WRONG_PAGES = {
    "no historyId": answer({}),
    "a number as historyId": answer({"historyId": 8}),
    "records in no list": answer({"historyId": "8", "history": {}}),
    "a record without an id": history({"messagesAdded": []}),
    "an entry without a message": history(record(11, labelsAdded=[{"labelIds": ["INBOX"]}])),
    "a message without an id": history(record(11, messagesDeleted=[{"message": {}}])),
    "labels in no list": history(record(11, labelsAdded=[{**of("a"), "labelIds": "INBOX"}])),
    "the same token": history(token="old"),
    "a page without an end": Response(200, b'{"historyId": "8"', {}),
    "a page of a proxy": Response(200, b"<html>sign in</html>", {}),
}


@pytest.mark.parametrize("wrong", WRONG_PAGES)
def test_a_page_in_another_form_is_not_believed(gmail: ScriptedGmail, wrong: str) -> None:
    gmail.script(history=WRONG_PAGES[wrong])

    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.fetch_feed_page(FEED, HistoryCursor(7, "old", 8).to_text(), limit=100)
