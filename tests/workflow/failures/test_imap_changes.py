"""What other clients do to messages and folders on a real IMAP server is mirrored: rows are kept,
and no text is fetched twice."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mailsync.model import SyncType
from tests.support.dovecot import dovecot, readable_folder
from tests.support.scripted_imap import Rule, ScriptedImap, scripted_imap
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld, imap_world
from tests.workflow.failures.test_imap import SERVERS


def _expunge(world: ImapWorld, folder: str, uids: str) -> None:
    world.command(folder, ("STORE", uids, "+FLAGS", "\\Deleted"))


def _moved_apart(world: ImapWorld) -> None:
    world.command("INBOX", ("MOVE", "3", f"{world.prefix}Work"))
    world.command(f"{world.prefix}Work", ("MOVE", "1", "INBOX"))


def _rename_back(world: ImapWorld) -> None:
    world.other.rename(f"{world.prefix}Old{world.separator}Work", f"{world.prefix}Work")
    world.deliver("late", f"{world.prefix}Work")


def _there_and_back(world: ImapWorld) -> None:
    world.command("INBOX", ("MOVE", "4", f"{world.prefix}Work"))
    world.other.select(f"{world.prefix}Work")
    newest = world.other.uid("SEARCH", "HEADER Subject m3")[1][0].decode()
    world.command(f"{world.prefix}Work", ("MOVE", newest, "INBOX"))


def _create_again(world: ImapWorld) -> None:
    world.other.delete(f"{world.prefix}Work")
    world.other.create(f"{world.prefix}Work")
    world.deliver("again", f"{world.prefix}Work")


CHANGES: Mapping[str, Callable[[ImapWorld], object]] = {
    "a message is moved": lambda it: it.command("INBOX", ("MOVE", "1", f"{it.prefix}Work")),
    "a message is copied, and its original expunged": lambda it: it.command(
        "INBOX", ("COPY", "2", f"{it.prefix}Work"), ("STORE", "2", "+FLAGS", "\\Deleted")
    ),
    "two messages are moved apart": _moved_apart,
    "a message is moved there and back": _there_and_back,
    "messages are expunged, the newest among them": lambda it: _expunge(it, "INBOX", "5,12"),
    "the inbox is numbered anew": lambda it: it.number_anew("INBOX", int(time.time()) + 1000),
    "a folder is renamed into another one": lambda it: it.other.rename(
        f"{it.prefix}Work", f"{it.prefix}Old{it.separator}Work"
    ),
    "a folder is renamed back, and mail arrives": _rename_back,
    "a folder is deleted and created again": _create_again,
    "a folder is deleted": lambda it: it.other.delete(f"{it.prefix}Work"),
}


@pytest.fixture(params=SERVERS)
def imap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ImapWorld]:
    """Twelve messages in the inbox and three in a folder, mirrored."""
    options = SERVERS[request.param]
    names = {name: it for name, it in options.items() if name in ("prefix", "separator")}
    with (
        readable_folder() as data,
        dovecot(data / "d", **options) as server,
        scripted_imap(tmp_path, behind=(server.port, server.certificate)) as script,
        imap_world(request, server, script, **names) as world,
    ):
        _fill(world)
        yield world


def _fill(world: ImapWorld) -> None:
    world.other.create(f"{world.prefix}Work")
    for number in range(12):
        world.deliver(f"m{number}")
    for number in range(3):
        world.deliver(f"w{number}", f"{world.prefix}Work")
    assert world.sync(SyncType.INITIAL) == "completed"
    assert world.is_exact()


def _numbers(world: ImapWorld) -> dict[str, int]:
    return dict(world.rows(NUMBERS))


def test_after_each_change_rows_equal_the_mailbox_and_are_those_of_before(imap: ImapWorld) -> None:
    for name, change in CHANGES.items():
        before = _numbers(imap)
        imap.fetched.clear()
        change(imap)

        assert imap.sync() == "completed", name

        assert imap.is_exact(), name
        after = _numbers(imap)
        both = before.keys() & after.keys()
        assert {each: after[each] for each in both} == {each: before[each] for each in both}, name
        assert len(imap.fetched) == len(after.keys() - before.keys()), name


def _during(imap: ImapWorld, command: str, happens: Callable[[], object]) -> ScriptedImap:
    """Let something happen right after the server's response to the command."""

    def answered(found: list[bytes]) -> list[bytes]:
        happens()
        return found

    assert imap.script
    imap.script.rules.append(Rule(command, answered))
    return imap.script


@pytest.mark.parametrize("imap", ["QRESYNC", "neither"], indirect=True)
@pytest.mark.parametrize("command", ["^EXAMINE .*Work", "^UID FETCH", "^LIST"])
def test_a_folder_that_is_deleted_during_a_sync_is_gone_and_no_other_mail(
    imap: ImapWorld, command: str
) -> None:
    before = _numbers(imap)
    for folder in ("INBOX", f"{imap.prefix}Work"):
        imap.deliver(f"new in {folder}", folder)
    script = _during(imap, command, lambda: imap.other.delete(f"{imap.prefix}Work"))

    imap.sync()
    assert script.rules[0].times == 0, "the folder was not deleted"
    assert imap.sync() == "completed"

    assert imap.is_exact()
    kept = {name: number for name, number in before.items() if name.startswith("m")}
    assert kept.items() <= _numbers(imap).items()
