"""Reports from the field about mailboxes and folders on a real IMAP server: each is mirrored."""

import re
from collections import Counter

import pytest

from mailsync.model import SyncType
from tests.support.field_imap import ALWAYS, FIELD_ROWS
from tests.support.scripted_imap import Edit, Rule, capabilities, replacing, without
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld

ACCOUNT = """
SELECT status, last_error, next_sync_at <= now() + interval '17 minutes'
  FROM mailsync.email_accounts"""
HELD = """
SELECT m.subject, b.text
  FROM mailsync.emails m JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.removed_at IS NULL ORDER BY 1"""
QUARANTINED = "SELECT cause, count(*) FROM mailsync.email_quarantine GROUP BY 1"
REPAIRS = "SELECT max(repair_rounds) FROM mailsync.sync_runs"
BODIES = r"^UID FETCH .*BODY\.PEEK\[\]"


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
    assert imap.one(REPAIRS) == [0], "the changes were named, not found by a comparison"
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


def test_a_first_sync_that_lists_messages_and_stores_none_counts_them_all(imap: ImapWorld) -> None:
    """Row 53."""
    assert imap.script
    for number in range(3):
        imap.deliver(f"m{number}")
    imap.script.rules[:] = [Rule("^UID FETCH .*BODY", without("FETCH"), ALWAYS)]

    imap.sync(SyncType.INITIAL)
    assert imap.rows(QUARANTINED) == [["unanswered", 3]]

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


def test_a_server_that_dies_of_a_large_request_gets_it_no_third_time(imap: ImapWorld) -> None:
    """Row 36, at every request for many messages."""
    for number in range(130):
        imap.deliver(f"m{number}")
    assert imap.script
    death: Edit = lambda found: found if len(found) <= 60 else [b"* BYE Out of memory"]  # noqa: E731
    imap.script.rules[:] = [*FIELD_ROWS[36](), Rule("^UID FETCH", death, ALWAYS)]

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert imap.is_exact()
    assert len(imap.fetched) == len(set(imap.fetched)) == 130
    fetches = Counter(each for each in _commands(imap) if each.startswith("UID FETCH"))
    assert max(fetches.values()) == 2


def test_texts_are_stored_before_the_next_ones_are_fetched(imap: ImapWorld) -> None:
    """Row 35: a large mailbox needs the memory of a batch, and keeps what it has."""
    line = b"y" * 70 + b"\r\n"
    for number in range(3):
        header = b"Subject: m%d\r\nMessage-ID: <%d@x>\r\n\r\n" % (number, number)
        stored, _ = imap.other.append("INBOX", "", "", header + line * 80_000)
        assert stored == "OK"
    assert imap.script
    first_only = Rule(BODIES, lambda found: found), Rule(BODIES, "cut", ALWAYS)
    imap.script.rules[:] = [*first_only, Rule("^GREETING$", "cut", ALWAYS, connection=2)]
    imap.sync(SyncType.INITIAL)
    assert [subject for subject, _ in imap.rows(NUMBERS)] == ["m2"]
    imap.script.rules.clear()
    imap.let_time_pass(24)

    assert imap.sync() == "completed"

    assert imap.is_exact()
    assert len(imap.fetched) == len(set(imap.fetched)) == 3


@pytest.mark.parametrize("row", [7, 8])
def test_messages_of_which_none_can_be_stored_are_counted_and_requested_again(
    imap: ImapWorld, row: int
) -> None:
    """Row 53: no first sync passes over what it listed."""
    for number in range(5):
        imap.deliver(f"m{number}")
    assert imap.script
    imap.script.rules[:] = FIELD_ROWS[row]()
    imap.sync(SyncType.INITIAL)
    assert (imap.rows(NUMBERS), imap.rows(QUARANTINED)) == ([], [["unanswered", 5]])
    imap.script.rules.clear()
    imap.let_time_pass(24)

    assert imap.sync() == "completed"

    assert imap.is_exact()
    assert imap.rows(QUARANTINED) == []


def test_a_placeholder_replaces_no_text_that_is_held(imap: ImapWorld) -> None:
    """Row 8."""
    for name in ("kept", "kept too"):
        imap.deliver(name)
    assert imap.sync(SyncType.INITIAL) == "completed"
    before = imap.rows(HELD)
    assert imap.script
    imap.script.rules[:] = FIELD_ROWS[8]()

    imap.command("INBOX", ("STORE", "1:2", "+FLAGS", "\\Flagged"))
    assert imap.sync() == "completed"
    assert imap.rows(HELD) == before
    imap.number_anew("INBOX", 2_000_000_000)
    for _ in range(2):
        assert imap.sync() == "completed"
        imap.let_time_pass(24)

    assert imap.rows(HELD) == before


UNSTORABLE = {
    "NUL": b"Subject: a\0b\r\nFrom: \0 <a\0@x>\r\nMessage-ID: <a\0@x>\r\n\r\ntext\0\r\n",
    "half a surrogate pair": b"Subject: =?utf-7?Q?+2AA-?= =?utf-16be?B?2AA=?=\r\n\r\n+2AA-\r\n",
    "identifiers without an end": b"Subject: long\r\nIn-Reply-To: <%b@x>\r\nReferences: %b\r\n\r\n"
    % (b"r" * 20_000, b" ".join(b"<%d@x>" % number for number in range(20_000))),
    "a date beyond all years": b"Subject: date\r\nDate: Mon, 31 Dec 9999 23:59:59 -1400\r\n\r\n",
}


@pytest.mark.parametrize("what", UNSTORABLE)
def test_a_mail_that_no_database_takes_as_it_is_is_stored(imap: ImapWorld, what: str) -> None:
    """As rows 53, 55 and 56."""
    imap.deliver("other")
    imap.deliver("replaced")
    assert imap.script
    content = UNSTORABLE[what]
    literal = b"(UID 2 FLAGS () BODY[] {%d}\r\n%b)" % (len(content), content)
    replaced: Edit = lambda found: [  # noqa: E731
        b"* 2 FETCH " + literal if b"Subject: replaced" in each else each for each in found
    ]
    imap.script.rules[:] = [Rule(BODIES, replaced, ALWAYS)]

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert len(imap.rows(NUMBERS)) == 2


def test_a_server_without_status_is_mirrored(imap: ImapWorld) -> None:
    """As row 30: the numbers are in the responses of EXAMINE as well."""
    imap.deliver("kept")
    assert imap.script
    refusal = b"{tag} BAD Unknown command\r\n"
    plain = capabilities("CONDSTORE", "ENABLE")
    imap.script.rules[:] = [*plain, Rule("^STATUS", refusal, ALWAYS)]

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert imap.is_exact()


def test_a_count_of_nothing_removes_nothing(imap: ImapWorld) -> None:
    """As row 2: EXISTS 0 and a UIDNEXT that went back, of a folder that is being restored."""
    for number in range(4):
        imap.deliver(f"m{number}")
    assert imap.sync(SyncType.INITIAL) == "completed"
    before = imap.rows(NUMBERS)
    assert imap.script
    empty: Edit = lambda found: [  # noqa: E731
        re.sub(rb"\* \d+ EXISTS", b"* 0 EXISTS", re.sub(rb"UIDNEXT \d+", b"UIDNEXT 1", each))
        for each in found
    ]
    imap.script.rules[:] = [Rule("^EXAMINE", empty, 3)]
    imap.deliver("news")
    imap.sync()
    assert [each for each in before if each not in imap.rows(NUMBERS)] == []
    imap.script.rules.clear()

    assert imap.sync() == "completed"

    assert imap.is_exact()
    assert len(imap.fetched) == 5
