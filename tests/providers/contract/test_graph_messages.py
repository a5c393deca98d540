"""JSON of Graph, as it comes and as it should not come."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mailsync.errors import ProviderUnavailable
from mailsync.model import (
    Address,
    ListedMessage,
    Message,
    MessageChange,
    MessageRemovedFromFolder,
    MessageToFetchById,
    RemoteId,
    UnreadableMessage,
    Upsert,
)
from mailsync.providers.graph.messages import (
    MESSAGE_PROPERTIES,
    MESSAGE_PROPERTIES_WITHOUT_BODY,
    parse_change,
    parse_change_without_body,
    parse_listed_message,
    parse_message,
)

IDS = {"id": "m1", "parentFolderId": "F1"}
NAMED = MessageToFetchById(RemoteId("m1"))
ANN = {"emailAddress": {"name": "Ann", "address": "ann@example.org"}}
FULL: dict[str, Any] = {
    **dict.fromkeys(MESSAGE_PROPERTIES.split(",")),
    **IDS,
    "@odata.etag": 'W/"1"',
    "@odata.type": "#microsoft.graph.eventMessageRequest",
    "subject": "Hi",
    "from": ANN,
    "toRecipients": [ANN, {"emailAddress": {}}],
    "body": {"contentType": "html", "content": "<p>Hi</p>"},
    "isRead": True,
    "flag": {"flagStatus": "flagged"},
    "importance": "high",
    "categories": ["Red"],
    "receivedDateTime": "2026-01-02T03:04:05Z",
}


def test_a_message_is_read_whole() -> None:
    assert parse_change(FULL) == Upsert(
        Message(
            remote_id=RemoteId("m1"),
            folder_remote_ids=(RemoteId("F1"),),
            message_kind="eventMessageRequest",
            subject="Hi",
            sender=Address("Ann", "ann@example.org"),
            to=(Address("Ann", "ann@example.org"),),
            body_html="<p>Hi</p>",
            is_read=True,
            is_flagged=True,
            importance="high",
            categories=("Red",),
            received_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            remote_version='W/"1"',
        )
    )


def test_a_body_may_be_text() -> None:
    message = parse_message({**IDS, "body": {"contentType": "Text", "content": "Hi"}})

    assert isinstance(message, Message)
    assert (message.body_html, message.body_text) == (None, "Hi")


def test_a_draft_or_a_contact_has_hardly_anything() -> None:
    names = [each for each in MESSAGE_PROPERTIES.split(",") if each not in IDS]

    assert parse_message({**IDS, **dict.fromkeys(names)}) == parse_message(IDS)


@pytest.mark.parametrize("odd", [None, 7, "a\nb"])
def test_an_entry_of_a_list_has_no_version_and_no_time_that_is_none(odd: object) -> None:
    entry = parse_listed_message({**LEAN, "@odata.etag": odd, "lastModifiedDateTime": odd})

    assert (entry.remote_version, entry.modified_at) == (None, None)


@pytest.mark.parametrize("name", ["@odata.etag", *MESSAGE_PROPERTIES.split(",")[1:]])
def test_an_entry_without_something_that_was_selected_only_names_the_message(name: str) -> None:
    """Graph promises "at least" the changed properties ("Use delta query")."""
    part = {key: value for key, value in FULL.items() if key != name}

    assert parse_change(part) == NAMED
    if name not in ("from", "isDraft"):
        assert parse_change({**part, "isDraft": True}) == NAMED


def test_a_draft_without_a_sender_is_whole() -> None:
    draft = {key: value for key, value in FULL.items() if key != "from"} | {"isDraft": True}

    assert isinstance(parse_change(draft), Upsert)


@pytest.mark.parametrize("read", [parse_change, parse_change_without_body])
def test_a_removed_message_needs_no_more_than_its_id(read: Callable[[Any], MessageChange]) -> None:
    assert read({"id": "m1", "@removed": {"reason": "deleted"}}) == MessageRemovedFromFolder(
        RemoteId("m1")
    )


RECEIVED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LEAN: dict[str, Any] = {
    **{name: FULL[name] for name in ("@odata.etag", *MESSAGE_PROPERTIES_WITHOUT_BODY.split(","))},
    "lastModifiedDateTime": "2026-01-02T03:04:05Z",
}


def test_an_entry_without_a_body_names_the_message_and_its_state() -> None:
    modified = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    state = ListedMessage(NAMED.remote_id, True, 'W/"1"', modified)

    named = parse_change_without_body(LEAN)

    assert named == MessageToFetchById(NAMED.remote_id, state, RECEIVED_AT)
    assert named.can_be_fetched_in_slice


@pytest.mark.parametrize("name", ["@odata.etag", "isRead", "lastModifiedDateTime"])
def test_an_entry_that_does_not_tell_the_state_is_compared_with_no_row(name: str) -> None:
    """A row of a release that stored no versions would be taken for equal to it."""
    part = {key: value for key, value in LEAN.items() if key != name}

    named = parse_change_without_body(part)

    assert named == replace(NAMED, received_at=RECEIVED_AT)
    assert not named.can_be_fetched_in_slice


@pytest.mark.parametrize(
    "absurd",
    [
        {"receivedDateTime": "yesterday"},
        {"receivedDateTime": 5},
        {"sentDateTime": "0001-01-01T00:00:00+14:00"},
        {"from": "ann"},
        {"from": {"emailAddress": ["ann"]}},
        {"toRecipients": {"emailAddress": "ann"}},
        {"toRecipients": [7]},
        {"body": "text"},
        {"body": {"content": 7}},
        {"isRead": "yes"},
        {"flag": {"flagStatus": 1}},
        {"categories": [[]]},
        {"parentFolderId": None},
    ],
)
def test_an_absurd_value_makes_the_message_unreadable_and_names_the_property(
    absurd: dict[str, Any],
) -> None:
    change = parse_change({**FULL, **absurd})

    assert isinstance(change, UnreadableMessage)
    assert change.cause_name == "malformed"
    assert next(iter(absurd)) in change.cause_explanation


@pytest.mark.parametrize("read", [parse_change, parse_change_without_body, parse_listed_message])
@pytest.mark.parametrize("nameless", [{}, {"id": None}, {"id": ""}, {"id": 7}, {"id": "é" * 501}])
def test_an_entry_without_an_id_that_can_be_a_key_makes_the_page_unusable(
    nameless: dict[str, Any], read: Callable[[Any], object]
) -> None:
    with pytest.raises(ProviderUnavailable):
        read(nameless)
