"""Threads of Gmail that are read as a whole, where that costs fewer units."""

from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from typing import Any

import pytest

from localdev.http_server import Response
from mailsync.model import (
    FeedId,
    FeedRef,
    Message,
    MessageNotFoundByIdResult,
    PlacementOrFlagChange,
    RemoteId,
    UnreadableMessage,
)
from mailsync.providers.gmail import bodies, http
from mailsync.providers.gmail.cursor import MessageListCursor
from tests.providers.contract.scripted_gmail import (
    NOT_FOUND,
    ScriptedGmail,
    answer,
    ids,
    raw_message,
    refusal,
)
from tests.support.gmail_payload import payload_of

IDS = tuple(map(RemoteId, ("m1", "m2", "m3", "m4")))
FEED = FeedRef(FeedId(1))


def mail(message_id: str, *, charset: str = "utf-8", size: int = 0) -> bytes:
    message = EmailMessage()
    message["From"], message["To"] = "Zoë <zoe@example.com>", "ada@example.com"
    message["Date"], message["Message-ID"] = "Sun, 20 Sep 2026 15:16:00 +0000", f"<{message_id}@x>"
    message["Subject"] = "Grüße"
    message.set_content(f"Grüße von {message_id}\n", charset=charset)
    message.add_attachment(b"x" * size, maintype="application", subtype="pdf", filename="a.pdf")
    return message.as_bytes()


def full_message(message_id: str, raw: bytes, **changed: object) -> dict[str, Any]:
    item = raw_message(message_id, raw, payload=payload_of(raw)) | changed
    del item["raw"]
    return item


def script_thread(gmail: ScriptedGmail, items: Sequence[Mapping[str, Any]]) -> None:
    """A thread `t`, which a listing names."""
    listed = [{"id": each, "threadId": "t"} for each in IDS]
    gmail.script(messages=[answer({"messages": listed}), ids()])
    gmail.script(threads__t=answer({"id": "t", "historyId": "9", "messages": items}))
    gmail.script(**{f"messages__{each}": answer(raw_message(each, mail(each))) for each in IDS})
    page = gmail.mailbox.fetch_feed_page(FEED, MessageListCursor(7).to_text(), limit=100)
    gmail.mailbox.note_groups_before_fetch(
        {each.remote_id: each.conversation_id for each in page.changes
         if isinstance(each, PlacementOrFlagChange) and each.conversation_id}
    )  # fmt: skip
    gmail.requests.clear()


def test_three_wanted_messages_of_a_thread_cost_forty_units_and_equal_the_raw_ones(
    gmail: ScriptedGmail,
) -> None:
    script_thread(gmail, [full_message(each, mail(each)) for each in IDS])
    raw = [gmail.mailbox.fetch_messages([each])[0] for each in IDS]
    before = gmail.mailbox.used_quota_units
    gmail.requests.clear()

    found = gmail.mailbox.fetch_messages(IDS[1:])

    assert gmail.paths() == ["threads/t"]
    assert gmail.mailbox.used_quota_units - before == 40
    assert gmail.requests[0].query_string == "format=full"
    assert found == raw[1:]
    assert all(isinstance(each, Message) and each.body_text for each in found)


def test_two_wanted_messages_are_requested_alone(gmail: ScriptedGmail) -> None:
    script_thread(gmail, [])

    gmail.mailbox.fetch_messages(IDS[:2])

    assert sorted(gmail.paths()) == ["messages/m1", "messages/m2"]


def test_what_a_thread_lacks_or_leaves_uncertain_is_requested_alone(gmail: ScriptedGmail) -> None:
    uncertain = full_message("m2", mail("m2"))
    uncertain["payload"]["parts"][0]["body"]["size"] += 1
    chat = full_message("m3", mail("m3"), labelIds=["CHAT"])
    other = full_message("m4", mail("m4"), threadId="another")
    script_thread(gmail, [full_message("m1", mail("m1")), uncertain, chat, other])

    found = gmail.mailbox.fetch_messages(IDS)

    assert [each.remote_id for each in found] == [*IDS]
    assert found[2] == MessageNotFoundByIdResult(IDS[2])
    assert sorted(gmail.paths()) == ["messages/m2", "messages/m4", "threads/t"]


@pytest.mark.parametrize(
    "failure", [NOT_FOUND, refusal(503, "backendError"), answer({"id": "another", "messages": []})]
)
def test_a_thread_that_fails_keeps_no_message_out(gmail: ScriptedGmail, failure: Response) -> None:
    script_thread(gmail, [])
    gmail.script(threads__t=failure)

    assert all(isinstance(each, Message) for each in gmail.mailbox.fetch_messages(IDS))


def test_threads_that_save_nothing_are_no_longer_requested(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MIN_MESSAGES_TO_JUDGE_THREAD_FETCHES", 3)
    script_thread(gmail, [full_message("m1", mail("m1"))])

    for _ in range(3):
        gmail.mailbox.fetch_messages(IDS)

    assert gmail.paths().count("threads/t") == 1


@pytest.mark.parametrize("is_certain", [True, False])
def test_a_large_message_is_read_without_its_attachments(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch, is_certain: bool
) -> None:
    monkeypatch.setattr(http, "MAX_MESSAGE_RESPONSE_BYTES", 10_000)
    raw = mail("m1", charset="iso-8859-1", size=20_000)
    full = full_message("m1", raw)
    full["payload"]["mimeType"] = "multipart/mixed" if is_certain else "text/plain"
    gmail.script(messages__m1=[answer(raw_message("m1", raw)), answer(full)])

    [found] = gmail.mailbox.fetch_messages([IDS[0]])

    assert [each.query_string for each in gmail.requests] == ["format=raw", "format=full"]
    if is_certain:
        assert isinstance(found, Message)
        assert (found.body_text, found.has_attachments) == ("Grüße von m1\n", True)
    else:
        assert isinstance(found, UnreadableMessage)
        assert found.cause_name == "too_large"
