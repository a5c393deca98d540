"""What IMAP servers say wrongly for a time deletes no mail and fetches none twice, and is mended as
soon as they say it rightly."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from mailsync.model import SyncType
from mailsync.providers.imap import bodies, changes, folder_reader
from mailsync.sync.check import CheckOutcome
from tests.support.emf import Counted
from tests.support.field_imap import ALWAYS, FIELD_ROWS
from tests.support.scripted_imap import Rule, replacing, without
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld

REQUESTED_BY_ID = {"an empty folder"}
"""The product requests messages by id that a folder seems to lack, and the server sends them."""
EXPUNGE = ("STORE", "8", "+FLAGS", "\\Deleted")
OPENED = "^(SELECT|EXAMINE)"
NUMBERED = "^(SELECT|EXAMINE|STATUS|LIST)"
Happens = Callable[[ImapWorld], object]
FOLDERS = "SELECT remote_id, id FROM mailsync.email_folders WHERE gone_at IS NULL"
ALL_ROWS = "SELECT subject, id FROM mailsync.emails"


def _nothing(_: ImapWorld) -> None:
    pass


def _expunge_newest(world: ImapWorld) -> None:
    world.command("INBOX", EXPUNGE)


def _flag(world: ImapWorld) -> None:
    world.command("INBOX", ("STORE", "3", "+FLAGS", "\\Flagged"))


def _mail(world: ImapWorld) -> None:
    world.deliver("news")


def _all_at_once(world: ImapWorld) -> None:
    _flag(world)
    _mail(world)
    _expunge_newest(world)


def _mod_seq(number: bytes) -> list[Rule]:
    reply = replacing(r"HIGHESTMODSEQ \d+", b"HIGHESTMODSEQ " + number)
    return [Rule(NUMBERED, reply, ALWAYS)]


def _refusing(command: str) -> list[Rule]:
    return [Rule(command, b"{tag} NO Not now\r\n", ALWAYS)]


LIES: dict[str, tuple[Callable[[], Sequence[Rule]], Happens]] = {
    "row 1: the removal of the highest UID is not named": (FIELD_ROWS[1], _expunge_newest),
    "removals are not named": (
        lambda: [Rule("^UID FETCH .*VANISHED", without("VANISHED"), ALWAYS)],
        _expunge_newest,
    ),
    "row 2: all messages are named as removed": (FIELD_ROWS[2], _flag),
    "row 3: the newest message is counted and not listed": (FIELD_ROWS[3], _mail),
    "row 4: silence about what was requested": (FIELD_ROWS[4], _mail),
    "row 13: every folder is numbered anew": (FIELD_ROWS[13], _nothing),
    "row 16: the mod-sequence is 0": (FIELD_ROWS[16], _flag),
    "row 17: no mod-sequence": (FIELD_ROWS[17], _flag),
    "row 18: no extensions": (FIELD_ROWS[18], _all_at_once),
    "row 20: sequence numbers among UIDs": (FIELD_ROWS[20], _all_at_once),
    "row 24: folders that cannot be opened": (FIELD_ROWS[24], _all_at_once),
    "row 26: a line for each UID": (FIELD_ROWS[26], _all_at_once),
    "row 28: VANISHED is rejected": (FIELD_ROWS[28], _all_at_once),
    "CHANGEDSINCE is rejected": (
        lambda: [Rule("^UID FETCH .*CHANGEDSINCE", b"{tag} BAD Unknown\r\n", ALWAYS)],
        _all_at_once,
    ),
    "CHANGEDSINCE names nothing": (
        lambda: [Rule("^UID FETCH .*CHANGEDSINCE", without("FETCH"), ALWAYS)],
        _flag,
    ),
    "row 29: nothing is enabled": (FIELD_ROWS[29], _all_at_once),
    "row 30: no UIDNEXT": (FIELD_ROWS[30], _all_at_once),
    "row 31: UIDVALIDITY 0": (FIELD_ROWS[31], _all_at_once),
    "no UIDVALIDITY": (
        lambda: [
            Rule(OPENED, without("UIDVALIDITY"), ALWAYS),
            Rule("^STATUS", replacing(r"UIDVALIDITY \d+ ?", b""), ALWAYS),
        ],
        _all_at_once,
    ),
    "the mod-sequence goes back": (lambda: _mod_seq(b"1"), _flag),
    "no folder has mod-sequences": (
        lambda: [Rule(OPENED, replacing(r"HIGHESTMODSEQ \d+", b"NOMODSEQ"), ALWAYS)],
        _flag,
    ),
    "no folders": (lambda: [Rule("^LIST", without("LIST"), ALWAYS)], _flag),
    "no inbox": (lambda: [Rule("^LIST", without('LIST .*"?INBOX"?$'), ALWAYS)], _flag),
    "a folder is missing": (lambda: [Rule("^LIST", without("Work"), ALWAYS)], _flag),
    "an unreadable line": (
        lambda: [Rule("^LIST", replacing(r"LIST .*Work.*", b"LIST oops"), ALWAYS)],
        _flag,
    ),
    "a folder cannot be opened": (lambda: _refusing("^(EXAMINE|STATUS) .*Work"), _flag),
    "a folder is missing and cannot be opened": (
        lambda: [Rule("^LIST", without("Work"), ALWAYS), *_refusing("^(EXAMINE|STATUS) .*Work")],
        _flag,
    ),
    "an empty folder": (
        lambda: [
            Rule(OPENED, replacing(r"^\* \d+ EXISTS", b"* 0 EXISTS"), ALWAYS),
            Rule("^UID SEARCH", replacing(r"SEARCH .*", b"SEARCH"), ALWAYS),
        ],
        _all_at_once,
    ),
    "the listing is cut": (FIELD_ROWS[3], _expunge_newest),
}


@pytest.fixture
def mirrored(imap: ImapWorld) -> ImapWorld:
    """Eight messages in the inbox, three in a folder."""
    for number in range(8):
        imap.deliver(f"m{number}")
    for number in range(3):
        imap.deliver(f"w{number}", "Work")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()
    imap.fetched.clear()
    return imap


def lies(world: ImapWorld, *rules: Rule) -> None:
    """From now on the server lies as these rules say; without rules it does not."""
    assert world.script
    world.script.rules[:] = rules


def ids(world: ImapWorld, sql: str = NUMBERS) -> dict[Any, Any]:
    return dict(world.rows(sql))


@pytest.mark.parametrize("lie", LIES)
def test_no_lie_deletes_mail_or_fetches_it_twice(mirrored: ImapWorld, lie: str) -> None:
    rules, happens = LIES[lie]
    before = ids(mirrored)
    happens(mirrored)

    lies(mirrored, *rules())
    mirrored.sync()
    assert before.items() <= ids(mirrored, ALL_ROWS).items()
    lies(mirrored)
    assert mirrored.sync() == "completed"

    assert mirrored.is_exact()
    after = ids(mirrored)
    assert after.keys() <= before.keys() | {"news"}
    assert {name: before[name] for name in after if name != "news"} == {
        name: number for name, number in after.items() if name != "news"
    }
    if lie not in REQUESTED_BY_ID:
        assert len(mirrored.fetched) == ("news" in after)


def test_a_uid_that_another_message_has_now_is_noticed(mirrored: ImapWorld) -> None:
    number = mirrored.rows(
        "SELECT split_part(remote_key, ':', 2) FROM mailsync.message_keys"
        " WHERE remote_key LIKE 'Work:%'"
    )[0][0]
    before = ids(mirrored)
    mirrored.other.delete("Work")
    mirrored.other.create("Work")
    mirrored.number_anew("Work", number)
    for name in ("w1", "w2", "new", "newer"):
        mirrored.deliver(name, "Work")

    assert mirrored.sync() == "completed"

    assert mirrored.is_exact()
    after = ids(mirrored)
    assert before.items() - after.items() == {("w0", before["w0"])}
    assert len(mirrored.fetched) == 2


def test_without_mod_sequences_flags_are_compared_once_an_hour(
    mirrored: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies(mirrored, *FIELD_ROWS[18]())
    assert mirrored.sync() == "completed"
    mirrored.fetched.clear()
    keyword = ("STORE", "2", "+FLAGS", "(\\Flagged work)")
    mirrored.command("INBOX", keyword)
    assert mirrored.check().outcome is CheckOutcome.NOTHING_NEW

    monkeypatch.setattr(changes, "MIN_TIME_BETWEEN_FLAG_COMPARISONS_S", 0)
    monkeypatch.setattr(folder_reader, "FLAGS_PER_PAGE", 3)
    assert mirrored.check().outcome is CheckOutcome.SYNCED
    assert mirrored.is_exact()
    mirrored.command("INBOX", ("STORE", "8", "-FLAGS", "\\Seen"), ("STORE", "7", "+FLAGS", "work"))
    outcomes = [mirrored.check().outcome for _ in range(3)]
    assert CheckOutcome.SYNCED in outcomes
    assert CheckOutcome.HANDED_TO_EXECUTION not in outcomes
    assert mirrored.is_exact()
    assert mirrored.fetched == []


BODY_OF_4 = r"^UID FETCH ([1-4]:[4-8]|4) .*BODY\.PEEK\[\]"
HEADER_OF_4 = r"^UID FETCH ([1-4]:[4-8]|4) .*HEADER"
NOT_CONVERTED = b"{tag} NO Cannot convert\r\n"
BAD_MAIL: dict[str, Rule] = {
    "the server ends the connection": Rule(BODY_OF_4, "cut", ALWAYS),
    "BYE": Rule(BODY_OF_4, b"* BYE Internal error\r\n", ALWAYS),
    "NO": Rule(BODY_OF_4, NOT_CONVERTED, ALWAYS),
    "its header is refused": Rule(rf"{HEADER_OF_4}|{BODY_OF_4}", NOT_CONVERTED, ALWAYS),
    "its header ends the connection": Rule(rf"{HEADER_OF_4}|{BODY_OF_4}", "cut", ALWAYS),
    "nothing is ever sent": Rule("^UID FETCH", without(r"FETCH \(UID 4 "), ALWAYS),
    "malformed": Rule(BODY_OF_4, replacing(r"FETCH \(UID 4 ", b'FETCH (UID 4 X "'), ALWAYS),
}


@pytest.mark.parametrize("way", BAD_MAIL)
def test_one_bad_mail_is_quarantined_and_the_others_arrive(imap: ImapWorld, way: str) -> None:
    for number in range(8):
        imap.deliver(f"m{number}")
    rule = BAD_MAIL[way]
    lies(imap, Rule(rule.pattern, rule.reply, ALWAYS))
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert len(ids(imap)) == 7
    assert imap.rows("SELECT cause FROM mailsync.email_quarantine") == [["unanswered"]]

    imap.rows("UPDATE mailsync.email_quarantine SET last_tried_at = '2020-01-01' RETURNING 1")
    assert imap.sync() == "completed"
    assert imap.rows("SELECT attempts FROM mailsync.email_quarantine") == [[2]]

    lies(imap)
    imap.rows("UPDATE mailsync.email_quarantine SET last_tried_at = '2020-01-01' RETURNING 1")
    assert imap.sync() == "completed"
    assert imap.is_exact()


def test_the_folder_of_a_role_can_be_deleted_or_renamed(mirrored: ImapWorld) -> None:
    for name in ("Drafts", "Trash"):
        mirrored.other.create(name)
        mirrored.deliver(f"of {name}", name)
    assert mirrored.sync() == "completed"
    before = ids(mirrored)
    mirrored.other.delete("Drafts")
    mirrored.other.rename("Trash", "Old")

    assert mirrored.sync() == "completed"
    assert mirrored.is_exact()
    after = ids(mirrored)
    assert before.items() - after.items() == {("of Drafts", before["of Drafts"])}


def test_a_renamed_folder_keeps_its_row_its_selection_and_its_mail(mirrored: ImapWorld) -> None:
    mirrored.other.create("Work/Old")
    mirrored.other.append("Work", "", None, b"Subject: no id\r\n\r\nno id\r\n")
    for number in range(2):
        mirrored.deliver("copy", "Work/Old")
        mirrored.deliver(f"old{number}", "Work/Old")
    assert mirrored.sync() == "completed"
    mirrored.rows(
        "UPDATE mailsync.email_folders SET selected = false"
        " WHERE remote_id = 'Work/Old' RETURNING 1"
    )
    assert mirrored.sync() == "completed"
    mirrored.fetched.clear()
    before, folders = ids(mirrored), ids(mirrored, FOLDERS)
    mirrored.other.rename("Work", "Play")
    mirrored.deliver("news", "Play")

    assert mirrored.hand_over() == "completed"

    after = ids(mirrored)
    assert len(mirrored.fetched) == 1
    assert {name: after[name] for name in before} == before
    assert ids(mirrored, FOLDERS) == {
        name.replace("Work", "Play"): number for name, number in folders.items()
    }
    assert mirrored.sync() == "completed"
    assert len(mirrored.fetched) == 1


def test_a_new_folder_with_the_numbers_of_a_deleted_one_is_another(mirrored: ImapWorld) -> None:
    folders = ids(mirrored, FOLDERS)
    number = mirrored.one(
        "SELECT split_part(remote_key, ':', 2) FROM mailsync.message_keys"
        " WHERE remote_key LIKE 'Work:%'"
    )[0]
    mirrored.other.delete("Work")
    mirrored.other.create("Other")
    mirrored.number_anew("Other", number)
    for name in ("x0", "x1", "x2"):
        mirrored.deliver(name, "Other")

    assert mirrored.sync() == "completed"

    assert mirrored.is_exact()
    assert ids(mirrored, FOLDERS)["Other"] != folders["Work"]


def test_mails_with_too_much_text_for_one_call_arrive(
    imap: ImapWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_TEXT_CHARS_PER_CALL", 5)
    for number in range(8):
        imap.deliver(f"m{number}")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()


def test_requests_and_pauses_are_counted_for_the_provider(
    mirrored: ImapWorld, counted: Counted
) -> None:
    mirrored.deliver("news")
    throttled = b"{tag} BAD Request is throttled. Suggested Backoff Time: 10 milliseconds\r\n"
    lies(mirrored, Rule(r"^UID FETCH .*BODY\.PEEK\[\]", throttled))
    with counted() as metrics:
        assert mirrored.sync() == "completed"
    assert metrics["ProviderRequests", "imap"] > 5
    assert metrics["ProviderThrottles", "imap"] == 1
