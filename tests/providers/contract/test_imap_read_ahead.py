"""A full sync over IMAP requests the next page before the caller does."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from mailsync.model import RemoteId
from mailsync.providers.imap import connection, read_ahead, wire
from tests.providers.contract.played_imap import Played
from tests.support.imap_mailbox import INBOX
from tests.support.mail import a_mail
from tests.support.scripted_imap import Rule, without

LIST, BODY = r"^UID FETCH .*HEADER\.FIELDS", r"^UID FETCH .*BODY\.PEEK\[\]"
NEWEST_FIRST = ["e", "f", "c", "d", "a", "b"]
ALL = ["a", "b", "c", "d", "e", "f"]


@pytest.fixture(autouse=True)
def three_pages(played: Played) -> None:
    for subject in ALL[3:]:
        played.mailbox.deliver_message(a_mail(subject))


def pages(played: Played) -> Iterator[list[RemoteId]]:
    """Yield the ids of each page of two messages."""
    cursor, has_more = None, True
    while has_more:
        page = played.client.fetch_feed_page(INBOX, cursor, limit=2)
        cursor, has_more = page.next_cursor, page.has_more
        yield [change.remote_id for change in page.changes]


def sent(played: Played) -> list[str]:
    """Return a letter for each command: `l` for the list of a page, `b` for its messages."""
    kinds = {"HEADER.FIELDS": "l", "BODY.PEEK[]": "b"}
    return [
        letter
        for _, command in played.server.commands
        for part, letter in kinds.items()
        if part in command
    ]


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait for the thread that reads ahead."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_page_after_the_first_is_there_before_its_request(played: Played) -> None:
    found: list[str] = []
    for ids in pages(played):
        found += played.fetched(ids)
        wait_until(lambda: sent(played) == ["l", "l", "b", "l", "b", "b"])

    assert found == NEWEST_FIRST


def test_a_page_ends_where_its_messages_exceed_the_bytes_of_a_request(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "MAX_MESSAGE_BATCH_BYTES", 1)
    found = [played.fetched(ids) for ids in pages(played)]

    assert found == [["f"], ["e"], ["d"], ["c"], ["b"], ["a"]]


def test_closing_ends_a_read_of_a_server_that_keeps_silent(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LOGOUT_TIMEOUT_S", 0.1)
    played.server.rules += [Rule(BODY, lambda found: found), Rule(BODY, "silence")]
    assert played.fetched(next(pages(played))) == NEWEST_FIRST[:2]
    wait_until(lambda: len(sent(played)) == 5)
    began = time.monotonic()
    played.client.close()

    assert time.monotonic() - began < wire.READ_TIMEOUT_S / 2
    assert "read-ahead" not in {each.name for each in threading.enumerate()}


def test_no_message_is_requested_before_the_caller_fetches_one(played: Played) -> None:
    assert len(list(pages(played))) == 3
    assert sent(played) == ["l", "l", "l"]


def test_what_another_command_interrupts_is_requested_again(played: Played) -> None:
    found = []
    for ids in pages(played):
        assert INBOX.folder
        played.client.list_folder_messages(INBOX.folder)
        found += played.fetched(ids)

    assert found == NEWEST_FIRST


def test_a_message_that_is_lacking_in_what_was_read_ahead_is_requested_again(
    played: Played,
) -> None:
    for pattern in (LIST, BODY):
        played.server.rules += [Rule(pattern, lambda found: found), Rule(pattern, without("FETCH"))]
    found = [subject for ids in pages(played) for subject in played.fetched(ids)]

    assert found == NEWEST_FIRST


def test_a_connection_that_breaks_under_what_was_read_ahead_costs_no_message(
    played: Played,
) -> None:
    played.server.rules += [Rule(BODY, lambda found: found), Rule(BODY, "cut")]
    found = [subject for ids in pages(played) for subject in played.fetched(ids)]

    assert found == NEWEST_FIRST


def test_what_the_server_rejects_ahead_is_an_error_only_where_it_is_read(played: Played) -> None:
    played.server.rules += [Rule(LIST, lambda found: found), Rule(LIST, b"{tag} NO later\r\n")]
    found = [subject for ids in pages(played) for subject in played.fetched(ids)]

    assert found == NEWEST_FIRST
