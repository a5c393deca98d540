"""A run that has lost its lease writes nothing more, whichever way it writes."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mailsync.errors import LeaseLost
from mailsync.model import (
    ListedMessage,
    MessageListing,
    MessageRemovedFromFolder,
    NewestInboxMessages,
    PagePlan,
    PlacementOrFlagChange,
    RemoteId,
    RunRef,
    TimeSlice,
    UnreadableMessage,
)
from mailsync.store.feed_store import FeedStore
from mailsync.store.folder_store import FolderStore
from mailsync.store.mail_store import MailStore
from mailsync.store.newest_store import NewestMailStore
from mailsync.store.quarantine_store import QuarantineStore
from mailsync.store.removal_store import RemovalStore
from mailsync.store.run_folder_store import RunFolderStore
from mailsync.store.slice_store import SliceClaimant, SliceStore
from mailsync.store.sweep import FullSyncSweepStore
from tests.store.conftest import Mirror
from tests.support.builders import a_message, a_page, a_page_write, a_remote_folder

STORES = (
    *(
        MailStore,
        NewestMailStore,
        FolderStore,
        FeedStore,
        QuarantineStore,
        RemovalStore,
        RunFolderStore,
    ),
    SliceStore,
    FullSyncSweepStore,
)
SHOWN, HIDDEN, ODD = (RemoteId(each) for each in ("F1-0000", "F1-0001", "odd"))
A_SLICE = TimeSlice({SHOWN: datetime(2026, 1, 1, tzinfo=UTC)})
LISTED = [ListedMessage(SHOWN, False, "v2")]
TABLES = (
    *("email_accounts", "email_folders", "change_feeds", "emails", "email_quarantine"),
    *("sync_runs", "sync_run_folders"),
)
Write = Callable[[Mirror, RunRef], object]
WRITES: dict[str, Write] = {
    "MailStore._apply_pages": lambda m, run: m.mail_store.write_page(
        run, a_page_write(m.folder(m.first).feed, a_page())
    ),
    "MailStore.write_fetched_messages": lambda m, run: m.mail_store.write_fetched_messages(
        run, None, [a_message(SHOWN)]
    ),
    "MailStore.write_fetched_pending_messages": lambda m, run: (
        m.mail_store.write_fetched_pending_messages(
            run, m.folder(m.first).feed.ref, PagePlan((a_message(SHOWN, subject="new"),)), [SHOWN]
        )
    ),
    "MailStore.save_placement_changes": lambda m, run: m.mail_store.save_placement_changes(
        run, [PlacementOrFlagChange(SHOWN, removed_folder_remote_ids=(RemoteId("F1"),))], None
    ),
    "MailStore.save_listed_message_versions": lambda m, run: (
        m.mail_store.save_listed_message_versions(run, LISTED)
    ),
    "NewestMailStore.save_newest_mail": lambda m, run: NewestMailStore(m.database).save_newest_mail(
        run, NewestInboxMessages(a_remote_folder("F3"))
    ),
    "MailStore.remove_batch_of_stored_unmirrored_mail": lambda m, run: (
        m.mail_store.remove_batch_of_stored_unmirrored_mail(run)
    ),
    "FolderStore.save_tree_changes": lambda m, run: m.folder_store.save_tree_changes(
        run, [a_remote_folder("F3")], [m.first]
    ),
    "FolderStore.save_remote_counts": lambda m, run: m.folder_store.save_remote_counts(
        run, [a_remote_folder("F1", message_count=9)]
    ),
    "FolderStore.record_folder_tree_reading": lambda m, run: (
        m.folder_store.record_folder_tree_reading(run, is_thorough=True)
    ),
    "FolderStore.delete_folders_reported_gone_twice": lambda m, run: (
        m.folder_store.delete_folders_reported_gone_twice(run, [RemoteId("F1")])
    ),
    "FeedStore.restart_full_sync": lambda m, run: m.feed_store.restart_full_sync(
        run, m.feed_id(m.first)
    ),
    "FeedStore.restart_full_syncs": lambda m, run: m.feed_store.restart_full_syncs(run, [m.first]),
    "FeedStore.switch_fallback_feeds_to_preferred_kind": lambda m, run: (
        m.feed_store.switch_fallback_feeds_to_preferred_kind(run)
    ),
    "FeedStore.save_page_size": lambda m, run: m.feed_store.save_page_size(
        run, m.feed_id(m.first), 1
    ),
    "FolderStore.recount_stored_messages": lambda m, run: m.folder_store.recount_stored_messages(
        run
    ),
    "FolderStore.mark_verified_by_counts": lambda m, run: m.folder_store.mark_verified_by_counts(
        run, [m.first]
    ),
    "FolderStore.mark_verified_by_id_comparison": lambda m, run: (
        m.folder_store.mark_verified_by_id_comparison(run, [m.first])
    ),
    "FolderStore.save_id_comparison": lambda m, run: m.folder_store.save_id_comparison(
        run, m.first, MessageListing(()), []
    ),
    "FolderStore.make_message_id_comparison_due": lambda m, run: (
        m.folder_store.make_message_id_comparison_due(run, [m.first])
    ),
    "FolderStore.postpone_message_id_comparison": lambda m, run: (
        m.folder_store.postpone_message_id_comparison(run, [m.first])
    ),
    "FolderStore.save_remote_overcounts_of_folders": lambda m, run: (
        m.folder_store.save_remote_overcounts_of_folders(run, {m.first: (1, 1)})
    ),
    "QuarantineStore.remove_messages_from_quarantine": lambda m, run: (
        m.quarantine_store.remove_messages_from_quarantine(run, [ODD])
    ),
    "RemovalStore.read_hidden_mail_and_schedule_rechecks": lambda m, run: (
        m.removal_store.read_hidden_mail_and_schedule_rechecks(run)
    ),
    "RemovalStore.show_messages_again": lambda m, run: m.removal_store.show_messages_again(
        run, m.first, [HIDDEN], is_only_folder=True
    ),
    "RemovalStore.hide_messages_removed_from_folder": lambda m, run: (
        m.removal_store.hide_messages_removed_from_folder(run, m.first, [SHOWN])
    ),
    "RemovalStore.mark_gone_or_delete_if_marked": lambda m, run: (
        m.removal_store.mark_gone_or_delete_if_marked(run, [HIDDEN], 0.0)
    ),
    "SliceStore.claim_slices": lambda m, run: m.slice_store.claim_slices(
        run, m.feed_id(m.first), SliceClaimant(1, 9), 1
    ),
    "SliceStore.release_slice_claim": lambda m, run: m.slice_store.release_slice_claim(
        run, m.feed_id(m.first), A_SLICE
    ),
    "SliceStore.release_claims_of_worker": lambda m, run: m.slice_store.release_claims_of_worker(
        run, [m.feed_id(m.first)], None
    ),
    "SliceStore.restart_full_sync_without_slices": lambda m, run: (
        m.slice_store.restart_full_sync_without_slices(run, m.feed_id(m.first))
    ),
    "SliceStore.save_slice": lambda m, run: m.slice_store.save_slice(
        run, m.folder(m.first).feed, A_SLICE, None, next_for=None
    ),
    "FullSyncSweepStore.hide_unseen_messages_before_last_page": lambda m, run: (
        m.full_sync_sweep_store.hide_unseen_messages_before_last_page(
            run, m.folder(m.first).feed, [], lambda: True
        )
    ),
    "RunFolderStore.begin_feed": lambda m, run: m.run_folder_store.begin_feed(
        run, m.folder(m.first).feed.ref
    ),
    "RunFolderStore.increment_pause_count_of_feed": lambda m, run: (
        m.run_folder_store.increment_pause_count_of_feed(
            run, m.folder(m.first).feed.ref, has_progressed=False
        )
    ),
    "RunFolderStore.fail_folder": lambda m, run: m.run_folder_store.fail_folder(
        run, m.first, "X", "It is so."
    ),
    "RunFolderStore.fail_feed": lambda m, run: m.run_folder_store.fail_feed(
        run, m.feed_id(m.first), "X", "It is so."
    ),
    "RunFolderStore.increment_repair_round_count": lambda m, run: (
        m.run_folder_store.increment_repair_round_count(run)
    ),
}


@pytest.fixture
def filled(mirror: Mirror) -> Mirror:
    """With a message that is shown, one that the provider says is gone, and an unreadable one."""
    mirror.fill(mirror.first, 2)
    mirror.apply(
        mirror.first, MessageRemovedFromFolder(HIDDEN), UnreadableMessage(ODD, "corrupt", "")
    )
    mirror.removal_store.mark_gone_or_delete_if_marked(mirror.run, [HIDDEN], 0.0)
    return mirror


def everything(mirror: Mirror) -> list[Any]:
    return [mirror.rows(f"SELECT * FROM mailsync.{each} ORDER BY 1, 2") for each in TABLES]


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_without_the_lease_nothing_is_written(write: Write, filled: Mirror) -> None:
    late = replace(filled.run, lease_epoch=filled.run.lease_epoch - 1)
    before = everything(filled)

    with pytest.raises(LeaseLost):
        write(filled, late)
    assert everything(filled) == before


def test_every_way_to_write_is_tried() -> None:
    methods = [each for store in STORES for each in vars(store).values()]
    fenced = [
        each.__qualname__
        for each in methods
        if inspect.isfunction(each) and "FencedTransaction" in inspect.getsource(each)
    ]

    assert fenced
    assert set(fenced) == WRITES.keys()
