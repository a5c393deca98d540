"""The provider against a whole simulated mailbox, with its limits and its bad days."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localdev.mail.item import Address, MailItem
from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, Rule
from localdev.simulators.mailbox import Mailbox
from mailsync.errors import CursorExpired, FolderGone, ProviderThrottled, ProviderUnavailable
from mailsync.model import (
    AccessToken,
    Cursor,
    FolderId,
    FolderRef,
    GoneMessage,
    Message,
    PartialChange,
    RemoteId,
    RemovedMessage,
    Role,
    TreeReadingDepth,
    Upsert,
)
from mailsync.providers.graph.provider import GraphMailbox

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
BO = Address("Bo", "bo@example.org")


class FixedToken:
    def __init__(self, token: str) -> None:
        self._access = AccessToken(token, NOW)

    def current(self) -> AccessToken:
        return self._access

    def renew(self, refused: AccessToken) -> AccessToken:
        return self._access


class Ann:
    """Ann's mailbox from both sides: `there` is what it holds, `here` is how we read it."""

    def __init__(self, simulators: Simulators) -> None:
        self.service = simulators.service
        self.there: Mailbox = simulators.add_mailbox("ann@example.org")
        self.here = GraphMailbox(
            base_url=simulators.graph_url,
            access=FixedToken(simulators.access_token(self.there)),
            ca_bundle=None,
        )

    def deliver(self, count: int, folder: str = "inbox") -> list[str]:
        times = [NOW + timedelta(minutes=each) for each in range(count)]
        mail = [
            MailItem(subject="Hi", sender=BO, body="Body", received_at=each, sent_at=each)
            for each in times
        ]
        return [self.there.deliver(each, folder) for each in mail]

    def folder(self, alias: str) -> FolderRef:
        return FolderRef(FolderId(len(alias)), RemoteId(self.there.folders.find(alias).id))

    def walk(
        self, alias: str, cursor: Cursor | None = None, *, limit: int = 50
    ) -> tuple[list[object], Cursor]:
        changes: list[object] = []
        while True:
            page = self.here.fetch_page(self.folder(alias), cursor, limit=limit)
            changes += page.changes
            cursor = page.next_cursor
            if not page.has_more:
                return changes, cursor


@pytest.fixture
def ann(tmp_path: Path) -> Iterator[Ann]:
    with Simulators(tmp_path) as simulators:
        ann = Ann(simulators)
        yield ann
        ann.here.close()


def upserted(changes: list[object]) -> list[str]:
    return [each.message.remote_id for each in changes if isinstance(each, Upsert)]


def test_a_walk_in_small_pages_shows_every_message_and_then_nothing(ann: Ann) -> None:
    ids = ann.deliver(23)

    changes, cursor = ann.walk("inbox", limit=5)

    listing = ann.here.list_ids(ann.folder("inbox"))
    listed = {each.remote_id for each in listing.entries}
    assert len(ids) == 23
    assert set(upserted(changes)) == listed
    assert len(listed) == 23
    assert listing.is_complete
    assert ann.walk("inbox", cursor)[0] == []


def test_a_message_marked_as_read_is_only_named(ann: Ann) -> None:
    [message_id] = ann.deliver(1)
    _, cursor = ann.walk("inbox")
    ann.there.update(message_id, isRead=True)

    [change], _ = ann.walk("inbox", cursor)

    assert change == PartialChange(RemoteId(message_id))


def test_a_moved_message_keeps_its_id_and_names_its_new_folder(ann: Ann) -> None:
    [message_id] = ann.deliver(1)
    [arrival], cursor = ann.walk("inbox")
    ann.there.move(message_id, "archive")

    [departure], _ = ann.walk("inbox", cursor)
    archived, _ = ann.walk("archive")

    assert isinstance(arrival, Upsert)
    assert departure == RemovedMessage(arrival.message.remote_id)
    assert set(upserted(archived)) == {arrival.message.remote_id}
    [found] = ann.here.fetch_messages([arrival.message.remote_id])
    assert isinstance(found, Message)
    assert found.folder_remote_ids == (ann.folder("archive").remote_id,)


def test_an_expired_position_is_told_and_the_folder_can_be_walked_again(ann: Ann) -> None:
    ann.deliver(2)
    _, cursor = ann.walk("inbox")
    ann.there.expire_delta_links()

    with pytest.raises(CursorExpired):
        ann.walk("inbox", cursor)
    assert len(ann.walk("inbox")[0]) == 2


def test_a_probe_leaves_out_the_expired_folder_and_no_other(ann: Ann) -> None:
    cursors = {alias: ann.walk(alias)[1] for alias in ("inbox", "archive", "drafts")}
    ann.there.expire_delta_links("archive")
    ann.deliver(1)

    folders = {alias: ann.folder(alias) for alias in ("inbox", "archive")}
    pages = ann.here.fetch_next_pages(
        [(folders[each], cursors[each]) for each in folders], limit=10
    )

    assert pages.keys() == {folders["inbox"].id}
    assert len(pages[folders["inbox"].id].changes) == 1


def test_folders_of_all_levels_come_with_their_roles_and_counts(ann: Ann) -> None:
    ann.deliver(2)
    outer = ann.there.folders.create("Outer")
    inner = ann.there.folders.create("Inner", parent=outer.id, hidden=True)

    listing = ann.here.list_folders((), TreeReadingDepth.THOROUGH)
    found = {each.remote_id: each for each in listing.folders}

    inbox = found[ann.folder("inbox").remote_id]
    assert (inbox.role, inbox.total, inbox.unread) == (Role.INBOX, 2, 2)
    assert found[RemoteId(inner.id)].parent_remote_id == outer.id
    assert found[RemoteId(inner.id)].hidden


def test_a_deleted_folder_is_gone_for_every_question(ann: Ann) -> None:
    folder = FolderRef(FolderId(9), RemoteId(ann.there.folders.create("Brief").id))
    ann.there.purge_folder(folder.remote_id)

    with pytest.raises(FolderGone):
        ann.here.fetch_page(folder, None, limit=5)
    with pytest.raises(FolderGone):
        ann.here.list_ids(folder)


def test_unknown_and_known_messages_are_told_apart(ann: Ann) -> None:
    ann.deliver(1)
    [entry] = ann.here.list_ids(ann.folder("inbox")).entries
    unknown = RemoteId(entry.remote_id[:-6] + "AAAAA=")

    gone, message = ann.here.fetch_messages([unknown, entry.remote_id])

    assert gone == GoneMessage(unknown)
    assert isinstance(message, Message)


@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        (Fault(status=429, code="ApplicationThrottled"), ProviderThrottled),
        (Fault(status=503, body=""), ProviderUnavailable),
        (Fault(truncate_json=True), ProviderUnavailable),
        (Fault(cut="mid body"), ProviderUnavailable),
        (Fault(cut="before answer"), ProviderUnavailable),
    ],
)
def test_after_a_bad_answer_the_same_page_can_be_asked_again(
    ann: Ann, fault: Fault, failure: type[Exception]
) -> None:
    ann.deliver(3)
    ann.service.faults.add(Rule(fault=fault, path="delta"))

    with pytest.raises(failure):
        ann.walk("inbox")
    assert len(upserted(ann.walk("inbox")[0])) == 3
