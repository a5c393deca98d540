"""A mailbox on a real IMAP server through the real workflow."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from mailsync.model import SyncType
from tests.support.dovecot import dovecot, readable_folder
from tests.workflow.failures.imap_world import NUMBERS, ImapWorld, imap_world

BASIC = "IMAP4rev1 LITERAL+ ID UIDPLUS NAMESPACE"
SERVERS: dict[str, dict[str, Any]] = {
    "QRESYNC": {},
    "CONDSTORE": {"capability": f"{BASIC} ENABLE CONDSTORE SPECIAL-USE LIST-STATUS"},
    "neither": {"capability": BASIC},
    "prefix": {"prefix": "INBOX.", "separator": "."},
}


@pytest.fixture(params=SERVERS)
def imap(request: pytest.FixtureRequest) -> Iterator[ImapWorld]:
    options = SERVERS[request.param]
    names = {name: it for name, it in options.items() if name in ("prefix", "separator")}
    with (
        readable_folder() as folder,
        dovecot(folder / "d", **options) as server,
        imap_world(request, server, **names) as world,
    ):
        yield world


def test_what_another_client_does_is_mirrored(imap: ImapWorld) -> None:
    work = f"{imap.prefix}Work"
    imap.other.create(work)
    for number in range(8):
        imap.deliver(f"m{number}", flags="\\Seen" if number % 2 else "")
    assert imap.sync(SyncType.INITIAL) == "completed"
    assert imap.is_exact()
    before = dict(imap.rows(NUMBERS))

    imap.command("INBOX", ("STORE", "1:2", "+FLAGS", "(\\Flagged work)"))
    assert imap.sync() == "completed"
    if "CONDSTORE" in imap.capabilities:
        assert imap.is_exact()
    imap.command("INBOX", ("COPY", "3", work), ("STORE", "3,8", "+FLAGS", "\\Deleted"))
    imap.deliver("news")
    assert imap.sync() == "completed"
    if "CONDSTORE" in imap.capabilities:
        assert imap.is_exact()

    after = dict(imap.rows(NUMBERS))
    assert after.keys() == before.keys() - {"m7"} | {"news"}
    assert {name: after[name] for name in before if name != "m7"} == {
        name: number for name, number in before.items() if name != "m7"
    }


def test_messages_keep_their_rows_when_a_folder_is_renamed_or_numbered_anew(
    imap: ImapWorld,
) -> None:
    work, done = f"{imap.prefix}Work", f"{imap.prefix}Done"
    imap.other.create(work)
    for number in range(5):
        imap.deliver(f"m{number}", work)
    assert imap.sync(SyncType.INITIAL) == "completed"
    before = dict(imap.rows(NUMBERS))
    assert len(imap.fetched) == len(before) == 5

    imap.number_anew(work, int(time.time()) + 1000)
    imap.fetched.clear()
    assert imap.sync() == "completed"
    assert imap.is_exact()
    assert (dict(imap.rows(NUMBERS)), imap.fetched) == (before, [])

    imap.other.rename(work, done)
    assert imap.sync() == "completed"
    assert imap.is_exact()
    assert (dict(imap.rows(NUMBERS)), imap.fetched) == (before, [])
