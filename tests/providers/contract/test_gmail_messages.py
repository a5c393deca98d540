"""Messages of Gmail by id, and lists of the ids of a label, whatever Gmail answers."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from localdev.http_server import Response
from mailsync.decisions.page_series import MAX_REPEATED_PAGES
from mailsync.errors import FolderGone, ProviderRejected, ProviderThrottled, ProviderUnavailable
from mailsync.model import (
    FolderId,
    FolderRef,
    ListedMessage,
    Message,
    MessageNotFoundByIdResult,
    RemoteId,
    UnreadableMessage,
)
from mailsync.providers.gmail import bodies, http, responses, units
from mailsync.providers.gmail.labels import ALL_MAIL_FOLDER_ID
from tests.providers.contract.scripted_gmail import (
    NOT_FOUND,
    RAW,
    ScriptedGmail,
    answer,
    ids,
    profile,
    raw_message,
    refusal,
)

A, B = RemoteId("a"), RemoteId("b")
BUSY = refusal(503, "backendError")
LABEL = FolderRef(FolderId(1), RemoteId("Label_1"))


def fetched(gmail: ScriptedGmail, **changed: object) -> object:
    gmail.script(messages__a=answer(raw_message(**changed)), profile=profile(9))  # type: ignore[arg-type]
    [found] = gmail.mailbox.fetch_messages([A])
    return found


def test_a_message_has_its_labels_as_folders_and_columns(gmail: ScriptedGmail) -> None:
    labels = ["UNREAD", "STARRED", "IMPORTANT", "Label_1", "DRAFT"]

    message = fetched(gmail, labelIds=labels)

    assert isinstance(message, Message)
    assert message.folder_remote_ids == ("DRAFT", "Label_1", ALL_MAIL_FOLDER_ID)
    assert (message.is_read, message.is_flagged, message.is_draft) == (False, True, True)
    assert (message.importance, message.conversation_id) == ("high", "t")
    assert message.received_at == datetime(2026, 7, 18, 14, 37, 3, 123_000, UTC)
    assert (message.subject, message.body_text) == ("hello", "body\n")
    assert gmail.requests[0].query_string == "format=raw"
    assert gmail.mailbox.used_quota_units == 20


@pytest.mark.parametrize(
    ("labels", "folders"),
    [
        (["TRASH", "Label_1"], ("Label_1", "TRASH")),
        (["SPAM"], ("SPAM",)),
        ([], (ALL_MAIL_FOLDER_ID,)),
    ],
)
def test_all_mail_has_what_is_neither_in_trash_nor_in_spam(
    gmail: ScriptedGmail, labels: list[str], folders: tuple[str, ...]
) -> None:
    message = fetched(gmail, labelIds=labels)

    assert isinstance(message, Message)
    assert message.folder_remote_ids == folders
    assert (message.is_read, message.is_flagged, message.importance) == (True, False, "normal")


def test_a_message_without_labels_has_no_list_of_them(gmail: ScriptedGmail) -> None:
    item = raw_message()
    del item["labelIds"]
    gmail.script(messages__a=answer(item))

    [message] = gmail.mailbox.fetch_messages([A])

    assert isinstance(message, Message)
    assert message.folder_remote_ids == (ALL_MAIL_FOLDER_ID,)


@pytest.mark.parametrize("milliseconds", ["-86400000", "99999999999999999"])
def test_a_strange_date_keeps_no_message_out(gmail: ScriptedGmail, milliseconds: str) -> None:
    message = fetched(gmail, internalDate=milliseconds)

    assert isinstance(message, Message)
    expected = datetime(1969, 12, 31, tzinfo=UTC) if milliseconds.startswith("-") else None
    assert message.received_at == expected


def test_a_404_and_a_chat_are_gone(gmail: ScriptedGmail) -> None:
    chat = answer(raw_message("b", b"", labelIds=["CHAT"]))
    gmail.script(messages__a=NOT_FOUND, messages__b=chat)

    assert gmail.mailbox.fetch_messages([A, B]) == [
        MessageNotFoundByIdResult(A, is_certainly_gone=False),
        MessageNotFoundByIdResult(B),
    ]


WRONG: dict[str, dict[str, object]] = {
    "another message": {"message_id": "other"},
    "no thread": {"threadId": None},
    "no date": {"internalDate": None},
    "a number as date": {"internalDate": 1784385423123},
    "no contents": {"raw": None},
    "empty contents": {"raw": ""},
    "contents in no base64": {"raw": "ab*="},
    "contents cut in the middle": {"raw": "YWJjZ"},
    "labels in no list": {"labelIds": "INBOX"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_message_in_another_form_is_requested_again_and_then_unreadable(
    gmail: ScriptedGmail, wrong: str
) -> None:
    found = fetched(gmail, **WRONG[wrong])

    assert isinstance(found, UnreadableMessage)
    assert found.cause_name == "unanswered"
    assert gmail.paths().count("messages/a") > 1


def test_one_message_that_fails_keeps_no_other_out(gmail: ScriptedGmail) -> None:
    gmail.script(messages__a=BUSY, messages__b=[BUSY, answer(raw_message("b"))])

    failed, message = gmail.mailbox.fetch_messages([A, B])

    assert isinstance(failed, UnreadableMessage)
    assert (failed.remote_id, failed.cause_name) == (A, "unanswered")
    assert isinstance(message, Message)


def test_if_all_messages_fail_the_mailbox_failed_and_no_message(gmail: ScriptedGmail) -> None:
    gmail.script(profile=profile(9), **{f"messages__{each}": BUSY for each in "abcde"})

    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.fetch_messages(list(map(RemoteId, "abcde")))

    gmail.script(profile=BUSY)
    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.fetch_messages([A])


def test_a_quota_refusal_is_no_property_of_a_message_and_loses_none_before_it(
    gmail: ScriptedGmail,
) -> None:
    refused = refusal(403, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries'")
    gmail.script(messages__a=answer(raw_message()), messages__b=refused)

    gmail.mailbox._client.max_in_flight = 1
    [message] = gmail.mailbox.fetch_messages([A, B])

    assert message.remote_id == A
    with pytest.raises(ProviderThrottled):
        gmail.mailbox.fetch_messages([B])
    assert gmail.paths() == ["messages/a", "messages/b"]


def test_what_was_fetched_before_the_quota_is_used_up_is_returned(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [RemoteId(f"m{number}") for number in range(25)]
    gmail.script(**{f"messages__{each}": answer(raw_message(each)) for each in many})
    left = [300]

    def take(units: int, *, is_backfill: bool = False) -> None:
        left[0] -= units
        if left[0] < 0:
            raise ProviderThrottled("no units", retry_after_s=12)

    monkeypatch.setattr(gmail.quota, "take_units", take)

    found = gmail.mailbox.fetch_messages(many)

    assert [each.remote_id for each in found] == many[:10]
    assert len(gmail.requests) == 10
    with pytest.raises(ProviderThrottled):
        gmail.mailbox.fetch_messages(many[10:])


def test_after_a_few_equal_refusals_no_further_message_is_requested(gmail: ScriptedGmail) -> None:
    many = [f"m{number}" for number in range(40)]
    gmail.script(**{f"messages__{each}": refusal(403, "forbidden") for each in many})
    gmail.mailbox._client.max_in_flight = 2

    with pytest.raises(ProviderRejected, match="403 forbidden"):
        gmail.mailbox.fetch_messages(list(map(RemoteId, many)))

    assert len(gmail.requests) <= http.MIN_REFUSED_REQUESTS_TO_BLAME_MAILBOX + 1


def test_one_refused_message_among_others_is_set_aside(gmail: ScriptedGmail) -> None:
    gmail.script(messages__a=refusal(403, "forbidden"), messages__b=answer(raw_message("b")))

    refused, message = gmail.mailbox.fetch_messages([A, B])

    assert isinstance(refused, UnreadableMessage)
    assert isinstance(message, Message)


def test_a_message_that_exceeds_the_memory_is_set_aside(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_MESSAGE_RESPONSE_BYTES", 1_000)
    monkeypatch.setattr(http, "MIN_LARGE_RESPONSE_BYTES", 500)
    large = answer(raw_message(mail=RAW * 100))
    gmail.script(messages__a=large, messages__b=answer(raw_message("b", RAW * 10)))

    too_large, message = gmail.mailbox.fetch_messages([A, B])

    assert isinstance(too_large, UnreadableMessage)
    assert too_large.cause_name == "too_large"
    assert isinstance(message, Message)


def test_messages_after_texts_that_exceed_the_memory_are_left_to_the_next_call(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MIN_TEXT_CHARS_TO_END_CALL", 1)
    monkeypatch.setattr(bodies, "TARGET_QUOTA_UNITS_PER_MESSAGE_BATCH", units.GET_MESSAGE_COST)
    gmail.script(messages__a=answer(raw_message()), messages__b=answer(raw_message("b")))

    [first] = gmail.mailbox.fetch_messages([A, B])

    assert isinstance(first, Message)
    assert [each.path.rpartition("/")[2] for each in gmail.requests] == ["a"]


def lists_of(gmail: ScriptedGmail, *, all_ids: Response, unread: Response) -> None:
    """The first list is of all, the second of unread messages, the third of chats."""
    gmail.script(messages=[all_ids, unread, ids()])


def test_a_label_is_listed_with_read_states_and_the_count_of_gmail(gmail: ScriptedGmail) -> None:
    lists_of(gmail, all_ids=ids("a", "b"), unread=ids("b", "new"))
    gmail.script(labels__Label_1=answer({"id": "Label_1", "messagesTotal": 2, "messagesUnread": 1}))

    listing = gmail.mailbox.list_folder_messages(LABEL)

    assert {*listing.messages} == {ListedMessage(A, True), ListedMessage(B, False)}
    assert listing.is_complete
    queries = [each.query_string for each in gmail.requests if each.path.endswith("/messages")]
    assert "labelIds=Label_1&includeSpamTrash=true" in queries[0]
    assert "labelIds=Label_1&includeSpamTrash=true&labelIds=UNREAD" in queries[1]


@pytest.mark.parametrize(
    ("listed", "rest", "total"),
    [(("a", "trashed"), ("a",), 2), (("a", "b"), ("c",), 1), (("a", "b"), (), 1), ((), ("a",), 1)],
)
def test_a_count_that_leaves_out_trash_is_no_difference(
    gmail: ScriptedGmail, listed: tuple[str, ...], rest: tuple[str, ...], total: int
) -> None:
    gmail.script(messages=[ids(*listed), ids(), ids(), ids(*rest)])
    gmail.script(labels__Label_1=answer({"id": "Label_1", "messagesTotal": 1, "messagesUnread": 1}))

    listing = gmail.mailbox.list_folder_messages(LABEL)

    assert (len(listing.messages), listing.remote_message_count) == (len(listed), total)


def test_all_mail_is_listed_without_spam_and_trash_and_with_all_flags(gmail: ScriptedGmail) -> None:
    gmail.script(messages=[ids("a", "b"), ids(), ids("a"), ids("b"), ids()])

    listing = gmail.mailbox.list_folder_messages(FolderRef(FolderId(2), ALL_MAIL_FOLDER_ID))

    assert {*listing.messages} == {
        ListedMessage(A, True, is_flagged=True, importance="normal"),
        ListedMessage(B, True, is_flagged=False, importance="high"),
    }
    assert listing.remote_message_count is None
    queries = [each.query_string.partition("&maxResults")[0] for each in gmail.requests]
    labels = [f"labelIds={each}" for each in ("UNREAD", "STARRED", "IMPORTANT")]
    assert queries == ["maxResults=500", *labels, "includeSpamTrash=true&labelIds=CHAT"]


@pytest.mark.parametrize(
    ("label", "error"),
    [
        (lambda: NOT_FOUND, FolderGone),
        (lambda: answer({"id": "Label_1"}), ProviderUnavailable),
        (lambda: Response(404, b"<html>", {}), ProviderUnavailable),
    ],
)
def test_a_label_is_gone_only_if_a_request_for_it_says_so(
    gmail: ScriptedGmail, label: Callable[[], Response], error: type[Exception]
) -> None:
    refused = refusal(400, "invalidArgument", "Invalid label: Label_1")
    gmail.script(messages=refused, labels__Label_1=label())

    with pytest.raises(error):
        gmail.mailbox.list_folder_messages(LABEL)


@pytest.mark.parametrize("items", ["", "a"])
def test_a_list_that_repeats_a_page_under_new_tokens_ends(gmail: ScriptedGmail, items: str) -> None:
    pages = [ids(*items, token=f"t{number}") for number in range(2 * MAX_REPEATED_PAGES)]
    gmail.script(messages=[*pages, ids(*items)])

    with pytest.raises(ProviderUnavailable, match="does not end"):
        gmail.mailbox.list_folder_messages(LABEL)


@pytest.mark.parametrize("extra", [{}, {"snippet": '"raw": "AAAA"'}, {"payload": {"raw": "QUJD"}}])
@pytest.mark.parametrize("padding", ["", "=", "=="])
def test_a_large_message_is_read_without_a_copy_of_its_text(
    monkeypatch: pytest.MonkeyPatch, extra: dict[str, Any], padding: str
) -> None:
    monkeypatch.setattr(responses, "_CHUNK_CHARS", 8)
    content = bytearray(json.dumps({**extra, "raw": f"8J-YgFhZWg{padding}", "id": "a"}).encode())
    usual = responses.to_gmail_response(200, {}, bytearray(content)).body
    monkeypatch.setattr(responses, "_MIN_LARGE_BYTES", 1)

    large = responses.to_gmail_response(200, {}, content).body

    assert isinstance(large["raw"], memoryview) == ("payload" not in extra)
    decoded = [responses.decode_base64url(each, "raw") for each in (usual, large)]
    assert decoded == ["\N{GRINNING FACE}XYZ".encode()] * 2
    assert {**large, "raw": ""} == {**usual, "raw": ""}
