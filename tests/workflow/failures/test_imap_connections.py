"""However a mail server ends its connections, orders its responses or adds to them, the mailbox is
mirrored: no row is lost, and no text is fetched twice without need."""

from collections.abc import Mapping

import pytest

from mailsync.model import SyncType
from tests.support.field_imap import ALWAYS, adding
from tests.support.scripted_imap import Edit, End, Rule
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld

BODIES = r"^UID FETCH .*BODY\.PEEK\[\]"
COMMANDS = {
    "the greeting": "^GREETING$",
    "CAPABILITY": "^CAPABILITY",
    "the login": "^(LOGIN|AUTHENTICATE)",
    "ENABLE": "^ENABLE",
    "LIST": "^LIST",
    "EXAMINE": "^EXAMINE",
    "SEARCH": "^UID SEARCH",
    "the listing": r"^UID FETCH .*HEADER\.FIELDS",
    "the states": r"^UID FETCH (?!.*BODY)",
    "the bodies": BODIES,
}


def _half(found: list[bytes]) -> list[bytes]:
    content = b"\r\n".join(found)
    return [content[: len(content) // 2]]


ENDS: Mapping[str, tuple[bytes | Edit | End, End | None]] = {
    "BYE": (b"* BYE Going down\r\n", "cut"),
    "cut before the response": ("cut", None),
    "cut within the response": (_half, "cut"),
}


def _reversed(found: list[bytes]) -> list[bytes]:
    return [*reversed(found[:-1]), found[-1]]


def _twice(found: list[bytes]) -> list[bytes]:
    return [*found[:-1], *found]


UNUSUAL: Mapping[str, Edit] = {
    "in the other order": _reversed,
    "twice": _twice,
    "with flags that were not requested": adding(
        b"* 1 FETCH (FLAGS ())", b"* OK Still here", b"* 2 FETCH (UID 2 FLAGS ())"
    ),
}


@pytest.fixture
def imap(imap: ImapWorld) -> ImapWorld:
    """Eight messages in the inbox, and three in a folder, not yet mirrored."""
    for number in range(8):
        imap.deliver(f"m{number}")
    for number in range(3):
        imap.deliver(f"w{number}", "Work")
    return imap


@pytest.fixture
def mirrored(imap: ImapWorld) -> ImapWorld:
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()
    return imap


def _rules(world: ImapWorld) -> list[Rule]:
    assert world.script
    return world.script.rules


def _change(world: ImapWorld, subject: str, expunged: str) -> None:
    world.command("INBOX", ("STORE", "1", "+FLAGS", "(\\Flagged work)"))
    world.command("INBOX", ("STORE", expunged, "+FLAGS", "\\Deleted"))
    world.deliver(subject)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_connection_that_ends_at_any_command_loses_nothing(
    mirrored: ImapWorld, command: str
) -> None:
    for uid, (name, (reply, then)) in enumerate(ENDS.items(), 3):
        before = dict(mirrored.rows(NUMBERS))
        mirrored.fetched.clear()
        _change(mirrored, name, str(uid))
        # A message in whose place the connection ends twice is put into quarantine.
        times = 1 if COMMANDS[command] == BODIES else 2
        _rules(mirrored)[:] = [Rule(COMMANDS[command], reply, times=times, then=then)]

        mirrored.sync()
        _rules(mirrored).clear()
        assert mirrored.sync() == "completed", name

        assert mirrored.is_exact(), name
        after = dict(mirrored.rows(NUMBERS))
        assert after.keys() == before.keys() - {f"m{uid - 1}"} | {name}
        assert after.items() >= before.items() - {(f"m{uid - 1}", before[f"m{uid - 1}"])}
        assert len(mirrored.fetched) == 1, name


def test_a_first_sync_that_is_cut_within_texts_again_and_again_completes(imap: ImapWorld) -> None:
    _rules(imap)[:] = [Rule(BODIES, _half, times=2, then="cut")]

    assert imap.sync(SyncType.INITIAL) == "completed"

    assert _rules(imap)[0].times == 0
    assert imap.is_exact()
    assert len(imap.fetched) == len(set(imap.fetched)) == 11


@pytest.mark.parametrize("how", UNUSUAL)
def test_unusual_responses_are_understood(imap: ImapWorld, how: str) -> None:
    _rules(imap)[:] = [Rule("^(?!GREETING|CAPABILITY|LOGIN|AUTH)", UNUSUAL[how], ALWAYS)]
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()
    before = dict(imap.rows(NUMBERS))
    _change(imap, "news", "5")

    assert imap.sync() == "completed"

    assert imap.is_exact()
    after = dict(imap.rows(NUMBERS))
    assert after.keys() == before.keys() - {"m4"} | {"news"}
    assert len(imap.fetched) == len(set(imap.fetched)) == 12
