"""The newest messages of the inbox are stored first, and prove nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mailsync.errors import StoreUnavailable
from mailsync.model import NewestInboxMessages, RemoteId
from mailsync.providers.graph.connection import GraphConnection
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.sync import folder_tree
from tests.support.mail import a_mail
from tests.workflow.failures.world import World

LIST, INBOX = r"/mailFolders/inbox/messages\?", "/mailFolders/inbox$"
PLACED = """
SELECT m.message_id, p.generation FROM mailsync.email_placements p
  JOIN mailsync.emails m ON m.id = p.email_id JOIN mailsync.email_folders f ON f.id = p.folder_id
 WHERE f.role = 'inbox'"""


def at_tree(patch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """It happens when the newest messages are stored, and the folder tree is not yet."""
    read = folder_tree.read_folder_tree_and_next_pages_of_feeds

    def read_later(*args: Any, **fields: Any) -> object:
        happens()
        return read(*args, **fields)

    patch.setattr(folder_tree, "read_folder_tree_and_next_pages_of_feeds", read_later)


@pytest.mark.parametrize("folders", [0, 300])
def test_the_newest_fifty_are_readable_after_one_exchange_with_the_provider(
    world: World, monkeypatch: pytest.MonkeyPatch, folders: int
) -> None:
    for number in range(folders):
        world.remote.create_folder(f"F{number}")
    for number in range(60):
        world.remote.deliver_message(a_mail(minutes=number))
    exchanges: list[object] = []
    send = GraphConnection._exchange

    def exchange(connection: GraphConnection, *args: Any) -> Any:
        exchanges.append(args)
        return send(connection, *args)

    monkeypatch.setattr(GraphConnection, "_exchange", exchange)
    seen: list[tuple[int, set[str]]] = []
    at_tree(monkeypatch, lambda: seen.append((len(exchanges), set(world.stored()))))

    assert world.mirrors()

    newest = {
        world.id_of(each.message_number)
        for each in world.remote.list_messages_in_folders("inbox")[:50]
    }
    assert seen == [(1, newest)]


Lie = Callable[[World, NewestInboxMessages], NewestInboxMessages]


def names_another_folder(world: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    """The well-known name leads to a folder that is not the inbox, with its mail."""
    return of_folder(newest, world.folder_id("archive"))


def names_no_folder(_: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    return of_folder(newest, "none-has-this-id")


def of_folder(newest: NewestInboxMessages, folder_id: str) -> NewestInboxMessages:
    inbox = replace(newest.inbox_folder, remote_id=RemoteId(folder_id))
    mail = [replace(each, folder_remote_ids=(inbox.remote_id,)) for each in newest.inbox_messages]
    return NewestInboxMessages(inbox, tuple(mail))


def lists_mail_of_another_folder(world: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    foreign = RemoteId(world.id_of(world.newest("archive")))
    return NewestInboxMessages(
        newest.inbox_folder, (replace(newest.inbox_messages[0], remote_id=foreign),)
    )


def lists_what_does_not_exist(_: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    invented = [
        replace(each, remote_id=RemoteId(f"{each.remote_id}-invented"))
        for each in newest.inbox_messages
    ]
    return NewestInboxMessages(newest.inbox_folder, (*newest.inbox_messages, *invented))


def has_other_contents(_: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    changed = [
        replace(each, subject="A lie", is_read=not each.is_read) for each in newest.inbox_messages
    ]
    return NewestInboxMessages(newest.inbox_folder, tuple(changed))


def cannot_be_stored(_: World, newest: NewestInboxMessages) -> NewestInboxMessages:
    odd = replace(newest.inbox_messages[0], remote_id=RemoteId("a\0b"))
    return NewestInboxMessages(newest.inbox_folder, (odd, *newest.inbox_messages[1:]))


@pytest.mark.parametrize(
    "lie",
    [
        *(names_another_folder, names_no_folder, lists_mail_of_another_folder),
        *(lists_what_does_not_exist, has_other_contents, cannot_be_stored),
    ],
)
def test_a_lie_of_the_first_answer_leaves_no_trace(
    world: World, monkeypatch: pytest.MonkeyPatch, lie: Lie
) -> None:
    fetch = GraphMailbox.fetch_newest_inbox_mail

    def told(mailbox: GraphMailbox, *, limit: int) -> NewestInboxMessages | None:
        newest = fetch(mailbox, limit=limit)
        assert newest
        return lie(world, newest)

    monkeypatch.setattr(GraphMailbox, "fetch_newest_inbox_mail", told)

    assert world.mirrors()
    assert world.one("SELECT sum(repair_rounds) FROM mailsync.sync_runs") == [0]
    assert world.rows("SELECT message_id FROM mailsync.email_quarantine") == []
    roles = world.one("SELECT array_agg(remote_id) FROM mailsync.email_folders WHERE role='inbox'")
    assert roles == [[world.folder_id("inbox")]]


@pytest.mark.parametrize("path", [LIST, INBOX, "/mailFolders/"])
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 404, "code": "ErrorItemNotFound"},
        {"status": 503, "body": ""},
        {"status": 429, "retry_after": 120},
        {"status": 200, "body": "{}"},
        {"status": 200, "body": '{"id": "", "value": [{"id": 7}]}'},
        {"cut": "mid body"},
    ],
)
def test_a_first_answer_that_fails_costs_time_only(
    world: World, path: str, fault: dict[str, Any]
) -> None:
    rule = world.inject_fault(path, **fault, times=1 if path == "/mailFolders/" else 2)

    assert world.mirrors()
    assert rule.injected_count


def test_a_list_that_is_throttled_for_ever_is_requested_once(world: World) -> None:
    rule = world.inject_fault(LIST, status=429, retry_after=120, times=None)

    assert world.mirrors()
    assert (rule.injected_count, world.waits) == (1, [120])


def test_the_feed_confirms_what_was_stored_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sync that is killed behind it goes on from there; each message keeps its row."""
    rows: list[dict[str, int]] = []

    def die() -> None:
        rows.append(dict(world.rows(PLACED)))
        if len(rows) == 1:
            raise StoreUnavailable("The function was killed.")

    at_tree(monkeypatch, die)
    ids = "SELECT message_id, id FROM mailsync.emails"
    listings = world.inject_fault(LIST, delay_s=0, times=None)

    assert world.mirrors()

    inbox = [
        world.id_of(each.message_number) for each in world.remote.list_messages_in_folders("inbox")
    ]
    assert rows[0] == rows[1] == dict.fromkeys(inbox, 0)
    assert set(dict(world.rows(PLACED)).values()) == {1}
    assert listings.injected_count == 1
    inserted = "SELECT sum(inserted), sum(updated) FROM mailsync.sync_run_folders"
    assert world.one(inserted) == [len(world.rows(ids)), 0]
