"""The stored key of each message is its place on the server, whatever happens between the reading
of a change and its storing. Under another key its later changes would pass for a new message."""

from collections.abc import Callable, Iterator

import pytest

from mailsync.model import SyncType
from mailsync.sync.check import CheckOutcome
from tests.support.scripted_imap import Rule, replacing
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld

KEYS = """
SELECT m.subject, k.remote_key FROM mailsync.message_keys k
  JOIN mailsync.emails m ON m.id = k.email_id WHERE m.removed_at IS NULL"""
SUBJECT = "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])"
FOLDERS = ("INBOX", "Work", "Play")


@pytest.fixture
def imap(imap: ImapWorld) -> ImapWorld:
    """Four messages in the inbox and four in a folder, mirrored."""
    for number in range(4):
        imap.deliver(f"m{number}")
        imap.deliver(f"w{number}", "Work")
    assert imap.sync(SyncType.INITIAL) == "completed"
    return imap


def _keys_on_server(world: ImapWorld) -> Iterator[tuple[str, str]]:
    for name in FOLDERS:
        if world.other.select(name, readonly=True)[0] != "OK":
            continue
        validity = (world.other.response("UIDVALIDITY")[1][0] or b"").decode()
        for answer in world.other.uid("FETCH", "1:*", SUBJECT)[1]:
            if isinstance(answer, tuple):
                uid = answer[0].decode().split("UID ")[1].split()[0]
                subject = answer[1].decode().removeprefix("Subject: ").strip()
                yield subject, f"{name}:{validity}:{uid}"
        world.other.close()


def _rename_there_and_back(world: ImapWorld) -> None:
    world.other.rename("Work", "Play")
    assert world.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
    world.other.rename("Play", "Work")


def _give_uids_away_for_a_moment(world: ImapWorld) -> None:
    assert world.script
    world.deliver("news")
    world.script.rules.append(Rule("^UID FETCH", replacing("<m", b"<x"), None))
    assert world.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
    world.script.rules.clear()


def _there_and_back(world: ImapWorld) -> None:
    world.command("INBOX", ("MOVE", "2", "Work"))
    world.command("Work", ("MOVE", "5", "INBOX"))


def _move_back_between(world: ImapWorld) -> None:
    world.other.create("Play")
    world.command("INBOX", ("MOVE", "2", "Work"))
    assert world.check().outcome is CheckOutcome.HANDED_TO_EXECUTION
    assert dict(world.rows(KEYS))["m1"].startswith("Work:"), "the check matched nothing"
    world.command("Work", ("MOVE", "5", "INBOX"))


HISTORIES: dict[str, Callable[[ImapWorld], None]] = {
    "a folder is renamed back": _rename_there_and_back,
    "messages have other Message-IDs for a moment": _give_uids_away_for_a_moment,
    "a message moves and moves back": _move_back_between,
}


@pytest.mark.parametrize("history", HISTORIES)
def test_what_a_check_read_and_did_not_store_changes_no_key(imap: ImapWorld, history: str) -> None:
    before = dict(imap.rows(NUMBERS))
    HISTORIES[history](imap)

    assert imap.resume(imap.started[-1]) == "completed"

    assert dict(imap.rows(KEYS)) == dict(_keys_on_server(imap))
    assert before.items() <= dict(imap.rows(NUMBERS)).items()


def test_a_message_that_returns_while_its_folder_is_read_is_no_new_one(imap: ImapWorld) -> None:
    before = dict(imap.rows(NUMBERS))
    imap.fetched.clear()
    imap.command("INBOX", ("STORE", "1", "+FLAGS", "\\Flagged"))

    def meanwhile(found: list[bytes]) -> list[bytes]:
        _there_and_back(imap)
        return found

    assert imap.script
    imap.script.rules.append(Rule("^(EXAMINE|SELECT) .*INBOX", meanwhile))

    assert imap.sync() == "completed"

    assert not imap.script.rules[0].times
    assert dict(imap.rows(KEYS)) == dict(_keys_on_server(imap))
    assert (dict(imap.rows(NUMBERS)), imap.fetched) == (before, [])
