"""The provider and the simulated mailbox agree: what happens there is what is read here."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from localdev.simulators import Simulators
from localdev.simulators.mailbox import Mailbox
from mailsync.credentials import FixedAccessToken
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
from tests.providers.simulators.graph_client import a_mail
from tests.support.outlook_form import OutlookForm


@pytest.fixture
def provider(simulators: Simulators, mailbox: Mailbox) -> Iterator[GraphMailbox]:
    access = FixedAccessToken(AccessToken(simulators.access_token(mailbox), datetime.now(UTC)))
    with closing(
        GraphMailbox(base_url=simulators.graph_url, access=access, ca_bundle=None)
    ) as provider:
        yield provider


def ref(mailbox: Mailbox, role: str) -> FolderRef:
    return FolderRef(FolderId(1), RemoteId(OutlookForm(mailbox).folder_id(role)))


def read_round(
    provider: GraphMailbox, folder: FolderRef, cursor: Cursor | None = None
) -> tuple[list[object], Cursor]:
    """All changes of a round, in pages of five, and where the next one begins."""
    changes: list[object] = []
    while True:
        page = provider.fetch_page(folder, cursor, limit=5)
        changes += page.changes
        cursor = page.next_cursor
        if not page.has_more:
            return changes, cursor


def test_the_life_of_a_mailbox_is_read_as_it_was(provider: GraphMailbox, mailbox: Mailbox) -> None:
    numbers = [mailbox.deliver(a_mail(minutes=minute)) for minute in range(13)]
    ids = [OutlookForm(mailbox).message_id(number) for number in numbers]
    inbox, archive = ref(mailbox, "inbox"), ref(mailbox, "archive")
    listed = provider.list_ids(inbox)

    changes, cursor = read_round(provider, inbox)
    mailbox.mark_read(numbers[0])
    mailbox.move(numbers[1], "archive")
    later, end = read_round(provider, inbox, cursor)

    assert {each.message.remote_id for each in changes if isinstance(each, Upsert)} == {*ids}
    assert {each.remote_id for each in listed.entries} == {*ids}
    assert listed.is_complete
    assert later == [PartialChange(RemoteId(ids[0])), RemovedMessage(RemoteId(ids[1]))]
    assert read_round(provider, inbox, end)[0] == []
    [arrival], _ = read_round(provider, archive)
    moved, gone = provider.fetch_messages([RemoteId(ids[1]), RemoteId(f"{ids[1][:-6]}AAAAA=")])
    assert isinstance(moved, Message)
    assert arrival == Upsert(moved)
    assert moved.folder_remote_ids == (archive.remote_id,)
    assert isinstance(gone, GoneMessage)


def test_folders_of_all_levels_come_with_their_roles_and_counts(
    provider: GraphMailbox, mailbox: Mailbox
) -> None:
    mailbox.deliver(a_mail())
    form = OutlookForm(mailbox)
    outer = mailbox.create_folder("Outer")
    inner = mailbox.create_folder("Inner", parent=outer, hidden=True)

    listing = provider.list_folders((), TreeReadingDepth.THOROUGH)

    found = {each.remote_id: each for each in listing.folders}
    inbox, nested = found[ref(mailbox, "inbox").remote_id], found[RemoteId(form.folder_id(inner))]
    assert (inbox.role, inbox.total, inbox.unread) == (Role.INBOX, 1, 1)
    assert (nested.parent_remote_id, nested.hidden) == (form.folder_id(outer), True)
