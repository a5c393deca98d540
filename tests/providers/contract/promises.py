"""The promises of `MailProvider` that every provider keeps, except for failures."""

from dataclasses import replace

import pytest

from localdev.mail.generate import generate_mail_items
from mailsync.errors import CursorExpired, FolderGone
from mailsync.model import (
    Address,
    Cursor,
    FolderTreeReadingMode,
    Message,
    MessageNotFoundByIdResult,
    MessageStateUpsert,
    PlacementOrFlagChange,
    RemoteFolder,
    RemoteId,
    Upsert,
)
from tests.providers.contract.changes import CHANGES, there_and_back
from tests.providers.contract.server import (
    PAGE,
    ContractServer,
    Replica,
    feed_of,
    folder_fields,
    listed_folders,
    read_round,
    reference,
)
from tests.support.builders import a_known_folder
from tests.support.mail import a_mail

MESSAGES = 13


class ProviderContract:
    """What a provider reads. Subclassed once per provider, with a fixture `server` whose mailbox is
    empty."""

    @pytest.fixture
    def replica(self, server: ContractServer) -> Replica:
        """Of a mailbox with mail in three folders, read once."""
        server.mailbox.import_mail_items(
            replace(item, folder=((), ("Archive",), ("Archive", "Old"))[at % 3])
            for at, item in enumerate(generate_mail_items(3 * MESSAGES, owner="ada@example.com"))
        )
        replica = Replica(server)
        replica.read_on()
        return replica

    def test_a_full_sync_lists_every_message_once_with_all_its_fields(
        self, server: ContractServer
    ) -> None:
        crowd = tuple(Address(f"Person {each}", f"p{each}@example.com") for each in range(3))
        everything = a_mail("all", to=crowd, cc=crowd[:2], bcc=crowd[1:], reply_to=crowd[:1])
        for number in range(MESSAGES):
            server.mailbox.deliver_message(replace(everything, is_read=number % 2 == 0))
        server.mailbox.deliver_message(
            a_mail(is_flagged=True, importance="high", has_attachments=True)
        )
        server.mailbox.deliver_message(
            a_mail(body="<p>Hallo</p>", body_type="html", categories=("Red",))
        )
        server.mailbox.deliver_message(
            a_mail(sender=None, is_draft=True, internet_message_id="<1@x>")
        )
        replica = Replica(server)

        pages = read_round(server, feed_of(server, "inbox"), None)
        changes = [change for page in pages for change in page.changes]
        replica.read_on()

        assert len(pages) > 1
        kinds = Upsert | MessageStateUpsert | PlacementOrFlagChange
        ids = [change.remote_id for change in changes if isinstance(change, kinds)]
        assert len(changes) == len(ids) == len({*ids}) == MESSAGES + 3
        assert replica.shows_the_mailbox()

    def test_a_page_is_the_same_whenever_it_is_fetched_from_its_cursor(
        self, server: ContractServer, replica: Replica
    ) -> None:
        inbox = feed_of(server, "inbox")
        for number in [
            each.message_number for each in server.mailbox.list_messages_in_folders("inbox")
        ][: PAGE + 2]:
            server.mailbox.change_message_fields(number, subject=f"edited {number}")
        for start in (None, replica.cursors[inbox]):
            pages = read_round(server, inbox, start)
            cursors: list[Cursor | None] = [start, *(page.next_cursor for page in pages)]

            again = [
                server.provider.fetch_feed_page(inbox, each, limit=PAGE) for each in cursors[:-1]
            ]

            assert len(pages) > 1
            assert [each.changes for each in again] == [each.changes for each in pages]
            assert [each.has_more for each in again] == [each.has_more for each in pages]

    def test_a_round_in_which_nothing_happened_is_empty(
        self, server: ContractServer, replica: Replica
    ) -> None:
        for folder, cursor in replica.cursors.items():
            [page] = read_round(server, folder, cursor)
            assert (page.changes, page.has_more) == ((), False)

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_is_known_once_the_feeds_are_read_on(
        self, server: ContractServer, replica: Replica, change: str
    ) -> None:
        CHANGES[change](
            server.mailbox, server.mailbox.list_messages_in_folders("inbox")[2].message_number
        )

        replica.read_on()

        assert replica.shows_the_mailbox()
        assert all(
            read_round(server, folder, cursor)[0].changes == ()
            for folder, cursor in replica.cursors.items()
        )

    @pytest.mark.parametrize("deletions", [1, 2], ids=["from the trash", "from behind it"])
    def test_a_message_that_is_restored_is_known_again(
        self, server: ContractServer, replica: Replica, deletions: int
    ) -> None:
        number = server.mailbox.list_messages_in_folders("inbox")[0].message_number
        for _ in range(deletions):
            server.mailbox.move_message_to_trash_or_retained(number)
        replica.read_on()
        assert replica.shows_the_mailbox()

        server.mailbox.move_message(number, "inbox")
        replica.read_on()

        assert replica.shows_the_mailbox()

    def test_what_happens_during_a_full_sync_is_known_after_the_round_that_follows(
        self, server: ContractServer, replica: Replica
    ) -> None:
        inbox, fresh = feed_of(server, "inbox"), Replica(server)
        first, *others = (
            each.message_number for each in server.mailbox.list_messages_in_folders("inbox")
        )
        page = server.provider.fetch_feed_page(inbox, None, limit=PAGE)
        fresh.take(page.changes)
        fresh.cursors[inbox] = page.next_cursor
        server.mailbox.change_message_fields(first, subject="edited behind the first page")
        server.mailbox.delete_message_from_database(others[0])
        server.mailbox.move_message(others[-1], "archive")
        server.mailbox.deliver_message(a_mail("new", minutes=10**5))

        fresh.read_on()
        fresh.read_on()

        assert fresh.shows_the_mailbox()

    def test_a_message_names_all_its_folders(
        self, server: ContractServer, replica: Replica
    ) -> None:
        box, archive = server.mailbox, server.form.folder_id("archive")
        number = box.list_messages_in_folders("inbox")[0].message_number
        if server.provider.provider_traits.has_one_folder_per_message:
            box.move_message(number, "archive")
        else:
            box.add_message_to_folder(number, "archive")
            replica.read_on()
            assert replica.shows_the_mailbox()
            box.remove_message_from_folder(number, "inbox")

        replica.read_on()

        assert replica.shows_the_mailbox()
        message = replica.messages[RemoteId(server.form.message_id(number))]
        assert message.folder_remote_ids == (archive,)

    def test_a_message_that_went_and_came_back_is_never_lost_after_the_ids_were_compared(
        self, server: ContractServer, replica: Replica
    ) -> None:
        for message in server.mailbox.list_messages_in_folders("inbox")[:3]:
            there_and_back(server.mailbox, message.message_number)
        replica.read_on()
        replica.compare_ids()

        assert replica.shows_the_mailbox()

    def test_a_cursor_that_has_expired_is_refused_and_a_full_sync_goes_on(
        self, server: ContractServer, replica: Replica
    ) -> None:
        inbox = feed_of(server, "inbox")
        server.mailbox.expire_cursors("inbox" if inbox.folder else None)

        with pytest.raises(CursorExpired):
            server.provider.fetch_feed_page(inbox, replica.cursors.pop(inbox), limit=PAGE)
        replica.read_on()

        assert replica.shows_the_mailbox()

    def test_a_folder_that_is_gone_is_gone_for_its_feed_and_its_ids_and_no_other_folder(
        self, server: ContractServer, replica: Replica
    ) -> None:
        number = server.mailbox.find_or_create_folder(("Archive", "Old"))
        old, feed = reference(server, number), feed_of(server, number)
        known = [a_known_folder(1, old.remote_id)]
        server.mailbox.delete_folder_from_database(number)

        for cursor in (None, replica.cursors.pop(feed)) if feed.folder else ():
            with pytest.raises(FolderGone):
                server.provider.fetch_feed_page(feed, cursor, limit=PAGE)
        with pytest.raises(FolderGone):
            server.provider.list_folder_messages(old)
        listing = server.provider.list_folders(known, FolderTreeReadingMode.ALL_LISTED_FOLDERS)

        assert listing.gone_folder_remote_ids == {old.remote_id}
        replica.read_on()
        replica.compare_ids()
        assert replica.shows_the_mailbox()

    def test_pages_of_many_feeds_are_those_of_each_and_one_that_is_gone_is_missing(
        self, server: ContractServer, replica: Replica
    ) -> None:
        soon_gone = server.mailbox.create_folder("Soon gone")
        gone = feed_of(server, soon_gone)
        read_round(server, gone, None)
        server.mailbox.delete_folder_from_database(soon_gone)
        server.mailbox.set_message_read(
            server.mailbox.list_messages_in_folders("archive")[0].message_number
        )
        positions = [*replica.cursors.items(), *([(gone, None)] if gone.folder else [])]

        pages = server.provider.fetch_next_page_of_each_feed(positions, limit=PAGE)

        assert pages.keys() == {feed.id for feed in replica.cursors}
        for feed, cursor in replica.cursors.items():
            alone = server.provider.fetch_feed_page(feed, cursor, limit=PAGE)
            assert (pages[feed.id].changes, pages[feed.id].has_more) == (alone.changes, False)

    @pytest.mark.usefixtures("replica")
    def test_the_ids_of_a_folder_are_those_of_the_mailbox_with_their_read_states(
        self, server: ContractServer
    ) -> None:
        old = server.mailbox.find_or_create_folder(("Archive", "Old"))
        server.mailbox.set_message_read(
            server.mailbox.list_messages_in_folders(old)[1].message_number
        )

        listing = server.provider.list_folder_messages(reference(server, old))

        assert listing.is_complete
        found = [(entry.remote_id, entry.is_read) for entry in listing.messages]
        held = server.mailbox.list_messages_in_folders(old)
        assert sorted(found) == sorted(
            (server.form.message_id(each.message_number), each.is_read) for each in held
        )

    @pytest.mark.parametrize("one_by_one", [False, True])
    def test_every_id_is_answered_in_its_order(
        self, server: ContractServer, replica: Replica, one_by_one: bool
    ) -> None:
        ids = [
            server.form.message_id(each.message_number)
            for each in server.mailbox.list_messages_in_folders("inbox")
        ]
        purged = server.mailbox.list_messages_in_folders("inbox")[1].message_number
        server.mailbox.delete_message_from_database(purged)
        asked = [RemoteId(each) for each in (*ids[::-1], ids[0][:-1] + "~", *ids[:1])]

        found = server.provider.fetch_messages(asked, one_by_one=one_by_one)

        assert [each.remote_id for each in found] == asked
        gone = {each.remote_id for each in found if isinstance(each, MessageNotFoundByIdResult)}
        assert gone == {ids[1], ids[0][:-1] + "~"}
        for message in found:
            if isinstance(message, Message):
                assert message == replica.messages[message.remote_id]

    def test_folders_come_with_their_parents_roles_counts_and_new_names(
        self, server: ContractServer
    ) -> None:
        box, form = server.mailbox, server.form
        outer = box.create_folder("Outer")
        inner = box.create_folder("Inner", parent=outer)
        hidden = box.create_folder("Hidden", parent=inner, hidden=True)
        box.create_folder("Search", search_filter="isRead eq false")
        box.deliver_message(a_mail(is_read=True), inner)
        box.deliver_message(a_mail(), inner)

        found = folders_of(server)

        assert found.keys() == {
            form.folder_id(each.number)
            for each in box.folders.list_all_folders()
            if each.name != "Search"
        }
        shown = {each.remote_id: folder_fields(each) for each in found.values()}
        assert shown == listed_folders(server)
        assert found[RemoteId(form.folder_id(inner))].unread_message_count == 1
        box.rename_folder(inner, "Renamed")
        box.folders.move_folder(hidden, outer)
        again = folders_of(server)
        assert again[RemoteId(form.folder_id(inner))].display_name == "Renamed"
        assert again[RemoteId(form.folder_id(hidden))].parent_remote_id == form.folder_id(outer)

    def test_requests_are_counted_and_the_limits_are_positive(self, server: ContractServer) -> None:
        before = server.provider.used_quota_units
        server.provider.list_folder_messages(reference(server, "inbox"))

        assert server.provider.used_quota_units > before
        assert server.provider.max_requests_in_flight >= 1
        assert min(
            server.provider.provider_tuning.messages_per_fetch,
            server.provider.provider_tuning.max_messages_in_batch_of_small_folders,
        )
        assert server.provider.remaining_provider_pause_s == 0


def folders_of(server: ContractServer) -> dict[RemoteId, RemoteFolder]:
    """The folders of a thorough reading, which is whole and without a failure."""
    listing = server.provider.list_folders((), FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS)
    assert (listing.is_whole_tree, listing.failure_reason_by_folder_remote_id) == (True, {})
    return {folder.remote_id: folder for folder in listing.folders}
