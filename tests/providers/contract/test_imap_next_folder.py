"""A full sync over IMAP opens the next folder while the caller stores the last page of this one."""

import pytest

from mailsync.errors import FolderGone
from mailsync.model import FeedId, FeedRef, FolderId, FolderRef, RemoteId
from tests.providers.contract.played_imap import ALL, Played
from tests.providers.contract.test_imap_idle import RoundTrips
from tests.providers.contract.test_imap_read_ahead import BODY, wait_until
from tests.support.dovecot import PASSWORD
from tests.support.imap_mailbox import INBOX, open_imap_mailbox
from tests.support.mail import a_mail
from tests.support.scripted_imap import Rule

WORK = FeedRef(FeedId(2), FolderRef(FolderId(2), RemoteId("Work")))
OPENED = '^EXAMINE "Work"'
IN_WORK = ["x", "y", "z"]


@pytest.fixture(autouse=True)
def two_folders(played: Played) -> None:
    """The UIDs of both folders are equal."""
    folder = played.mailbox.create_folder("Work")
    for subject in IN_WORK:
        played.mailbox.deliver_message(a_mail(subject), folder)


def read(played: Played, feed: FeedRef) -> list[str]:
    """Read a folder from its beginning; return the subjects of its messages."""
    page = played.client.fetch_feed_page(feed, None, limit=100)
    assert not page.has_more
    return played.fetched([each.remote_id for each in page.changes])


def sent(played: Played, start: str) -> int:
    """Return how many commands began so."""
    return sum(command.startswith(start) for _, command in played.server.commands)


def read_inbox_with_work_next(played: Played) -> None:
    played.client.note_feed_to_read_ahead(WORK)
    assert read(played, INBOX) == ALL
    wait_until(lambda: sent(played, 'EXAMINE "Work"') == 1)


def test_the_next_folder_is_read_before_its_request(played: Played) -> None:
    read_inbox_with_work_next(played)
    wait_until(lambda: "BODY.PEEK[]" in played.server.commands[-1][1])
    commands = len(played.server.commands)

    assert read(played, WORK) == IN_WORK
    assert len(played.server.commands) == commands


def test_a_full_sync_that_another_connection_began_lists_as_it_opens_the_folder(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round trips are those of LOGIN, of EXAMINE with UID SEARCH, and of the list."""
    first = played.client.fetch_feed_page(INBOX, None, limit=2)
    played.client.close()
    with monkeypatch.context() as measured:
        trips = RoundTrips(measured)
        rest = played.client.fetch_feed_page(INBOX, first.next_cursor, limit=2)

    assert trips.count == 3
    assert len(rest.changes) == 1


def test_a_folder_that_is_read_once_more_stays_open(played: Played) -> None:
    """A full sync that another function began is followed by a reading of the changes."""
    first = played.client.fetch_feed_page(INBOX, None, limit=2)
    server = played.server
    played.client.close()
    played.client = open_imap_mailbox(
        server.port, server.certificate, played.mailbox.address, PASSWORD
    )
    played.client.note_feed_to_read_ahead(WORK)
    page = played.client.fetch_feed_page(INBOX, first.next_cursor, limit=2)
    assert played.fetched([it.remote_id for it in page.changes]) == ALL[:1]
    played.client.close()

    assert sent(played, 'EXAMINE "Work"') == 0


def test_no_folder_is_opened_without_a_note(played: Played) -> None:
    assert read(played, INBOX) == ALL
    played.client.close()

    assert sent(played, 'EXAMINE "Work"') == 0


def test_who_returns_to_the_former_folder_reads_no_message_of_the_next(played: Played) -> None:
    ids = played.listed()
    played.client.note_feed_to_read_ahead(WORK)
    assert played.fetched(ids) == ALL
    wait_until(lambda: sent(played, 'EXAMINE "Work"') == 1)

    assert played.fetched(ids[:2]) == ALL[:2]
    page = played.client.fetch_feed_page(WORK, None, limit=2)
    assert played.fetched([it.remote_id for it in page.changes]) == IN_WORK[1:]


@pytest.mark.parametrize("reply", ["cut", b"{tag} NO [SERVERBUG] later\r\n"])
@pytest.mark.parametrize("command", [OPENED, "^UID SEARCH", BODY])
def test_a_failure_ahead_costs_no_message(played: Played, reply: bytes | str, command: str) -> None:
    ids = played.listed()
    played.client.note_feed_to_read_ahead(WORK)
    before = [] if command != BODY else [Rule(BODY, lambda found: found)]
    played.server.rules += [*before, Rule(command, reply)]  # type: ignore[arg-type]

    assert played.fetched(ids) == ALL
    assert read(played, WORK) == IN_WORK


def test_a_folder_that_is_gone_is_an_error_only_where_it_is_read(played: Played) -> None:
    refusal = b"{tag} NO [NONEXISTENT] no such folder\r\n"
    played.server.rules += [
        Rule(OPENED, refusal, times=None),
        Rule('^STATUS "Work"', refusal, times=None),
    ]
    read_inbox_with_work_next(played)

    with pytest.raises(FolderGone):
        read(played, WORK)
    assert read(played, INBOX) == ALL
