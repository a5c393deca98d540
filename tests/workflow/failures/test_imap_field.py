"""Reports from the field about mailboxes and folders on a real IMAP server: each is mirrored."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from mailsync.model import SyncType
from tests.support.dovecot import Dovecot, dovecot, readable_folder
from tests.support.field_imap import ALWAYS
from tests.support.scripted_imap import Rule, replacing, scripted_imap, without
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld, imap_world

USERS = [f"user{number}" for number in range(20)]
QUARANTINED = "SELECT count(*) FROM mailsync.email_quarantine"
ACCOUNT = """
SELECT status, last_error, next_sync_at <= now() + interval '17 minutes'
  FROM mailsync.email_accounts"""
_numbers = count()


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with readable_folder() as data, dovecot(data / "d", users=USERS) as running:
        yield running


@pytest.fixture
def imap(request: pytest.FixtureRequest, server: Dovecot, tmp_path: Path) -> Iterator[ImapWorld]:
    """An inbox and a folder without messages, not yet mirrored."""
    with (
        scripted_imap(tmp_path, behind=(server.port, server.certificate)) as script,
        imap_world(request, server, script, user=USERS[next(_numbers)]) as world,
    ):
        world.other.create("Work")
        yield world


def _commands(world: ImapWorld) -> list[str]:
    assert world.script
    return [command for _, command in world.script.commands]


def _begin_uids_at(world: ImapWorld, uid: int) -> None:
    command = ("mailbox", "update", "-u", world.user, "--min-next-uid", str(uid), "INBOX")
    world.server.doveadm(*command)


def test_the_cost_of_a_first_sync_follows_the_messages_not_the_uids(imap: ImapWorld) -> None:
    """Rows 33 and 34: most messages are at the end of a wide range of UIDs."""
    imap.deliver("first")
    _begin_uids_at(imap, 743_024_218)
    for number in range(8):
        imap.deliver(f"m{number}")
    _begin_uids_at(imap, 743_031_307)
    imap.deliver("last")

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert imap.is_exact()
    assert len(_commands(imap)) < 60


@pytest.mark.parametrize("is_numbered_anew", [False, True])
def test_mail_of_an_outage_of_days_arrives(imap: ImapWorld, *, is_numbered_anew: bool) -> None:
    """Rows 11, 14 and 54: a position of UIDs, and no search by date."""
    imap.deliver("before")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.script
    imap.script.rules[:] = [Rule("^GREETING$", "cut", ALWAYS)]
    for number in range(40):
        imap.deliver(f"m{number}")
    assert imap.sync() == "ProviderUnavailable"
    imap.let_time_pass(72)
    imap.script.rules.clear()
    if is_numbered_anew:
        imap.number_anew("INBOX", 2_000_000_000)

    assert imap.sync() == "completed"

    assert imap.is_exact()
    assert len(imap.fetched) == 41
    assert not [each for each in _commands(imap) if "SINCE " in each.replace("CHANGEDSINCE", "")]


def test_a_message_that_is_only_marked_as_deleted_stays(imap: ImapWorld) -> None:
    """Row 22."""
    imap.deliver("moved")
    assert imap.sync(SyncType.INITIAL) == "completed"
    imap.other.select("INBOX")
    imap.other.uid("COPY", "1", "Work")
    imap.other.uid("STORE", "1", "+FLAGS", "\\Deleted")
    imap.other.unselect()

    assert imap.sync() == "completed"

    assert imap.is_exact()
    assert len(imap.rows(NUMBERS)) == 2


def test_a_folder_is_opened_by_the_bytes_of_the_list(imap: ImapWorld) -> None:
    """Row 51: decoding and encoding a name may give other bytes."""
    for name in ("Entw&APw-rfe", "R&AOk-sum&AOk-"):
        imap.other.create(name)
        imap.deliver(f"in {name}", name)

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert imap.is_exact()
    assert 'EXAMINE "Entw&APw-rfe"' in _commands(imap)


def test_a_folder_is_opened_by_bytes_that_no_encoder_would_choose(imap: ImapWorld) -> None:
    """Row 51: Yandex encodes letters that need no encoding."""
    assert imap.script
    name = "Entw&APwAcg-fe"
    listed = replacing("Work", name.encode())
    imap.script.rules[:] = [Rule("^LIST", listed, ALWAYS)]

    assert imap.sync(SyncType.INITIAL) == "FoldersFailed"

    opened = [each for each in _commands(imap) if "Entw" in each]
    assert opened
    assert all(name in each for each in opened)
    names = imap.rows("SELECT display_name FROM mailsync.email_folders")
    assert ["Entwürfe"] in names


def test_a_name_with_quotes_is_opened(imap: ImapWorld) -> None:
    """Row 49."""
    for number, name in enumerate((r'"say \"yes\""', r'"ends in \""', r'"back\\slash"')):
        assert imap.other.create(name)[0] == "OK"
        imap.deliver(f"in {number}", name)

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert len(imap.rows(NUMBERS)) == 3


def test_a_first_sync_that_lists_messages_and_stores_none_is_not_complete(imap: ImapWorld) -> None:
    """Row 53."""
    assert imap.script
    for number in range(3):
        imap.deliver(f"m{number}")
    imap.script.rules[:] = [Rule("^UID FETCH .*BODY", without("FETCH"), ALWAYS)]

    assert imap.sync(SyncType.INITIAL) != "completed" or imap.one(QUARANTINED) == [3]

    imap.script.rules.clear()
    imap.let_time_pass(1)
    assert imap.sync() == "completed"
    assert imap.is_exact()
    assert len(imap.rows(NUMBERS)) == 3


def test_mails_with_unreadable_headers_are_stored(imap: ImapWorld) -> None:
    """Rows 53, 55 and 56."""
    long_id = b"x" * 15_000
    for raw in (
        b"Subject: no date\r\nDate: the day before yesterday\r\n\r\n",
        b"Subject: caf\xe9 \xc1\xbe\r\nFrom: \xe9 <a@example.com>\r\n\r\n\xe9",
        b"Subject: long\r\nMessage-ID: <%b@example.com>\r\n\r\n" % long_id,
    ):
        assert imap.other.append("INBOX", "", '"01-Jan-2026 10:00:00 +0000"', raw)[0] == "OK"

    assert imap.sync(SyncType.INITIAL) == "completed"

    found = imap.rows("SELECT extract(year FROM received_at)::int FROM mailsync.emails")
    assert found == [[2026]] * 3


def test_a_folder_that_is_refused_for_ever_makes_no_mail_of_the_others_late(
    imap: ImapWorld,
) -> None:
    imap.deliver("kept", "Work")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.script
    refusal = b"{tag} NO Not a mailbox\r\n"
    imap.script.rules[:] = [Rule("^(EXAMINE|SELECT|STATUS) .*Work", refusal, ALWAYS)]
    for number in range(5):
        imap.deliver(f"m{number}")
        imap.deliver("unseen", "Work")
        assert imap.sync() == "FoldersFailed"
        assert {f"m{number}", "kept"} <= dict(imap.rows(NUMBERS)).keys()

    assert imap.one(ACCOUNT) == ["active", "FoldersFailed", True]
    imap.script.rules.clear()
    assert imap.sync() == "completed"
    assert imap.is_exact()
