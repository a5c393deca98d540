"""Decide which messages of a page must be fetched by id, from what is stored. The page belongs to a
change feed of the whole mailbox."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mailsync.model import FeedRef, Page, PagePlan, PlacementOrFlagChange, RemoteId
from mailsync.sync.mailbox import Mailbox


def split_off_messages_to_fetch(
    mailbox: Mailbox, feed: FeedRef, plan: PagePlan
) -> tuple[PagePlan, Sequence[RemoteId]]:
    """Split the placement changes of a plan. Return the plan with only the changes of stored
    messages, and the ids of the other messages whose contents must be fetched.

    A hidden message is fetched too, because its change does not name all folders that the message
    is in. A message is not fetched if no mirrored folder is known to contain the message. A pending
    message is not fetched here if it entered no folder, because it is fetched later anyway.
    """
    all_mail = mailbox.provider.provider_traits.all_mail_folder_id
    found = mailbox.mail_store.classify_changes_by_stored_state(
        mailbox.run_ref, feed, plan.placement_or_flag_changes, all_mail
    )
    kept = tuple(
        each
        for each in plan.placement_or_flag_changes
        if each.remote_id in found.stored_and_shown_message_ids
    )
    wanted = [
        each.remote_id
        for each in plan.placement_or_flag_changes
        if each.remote_id
        in found.message_ids_added_to_mirrored_folders - found.stored_and_shown_message_ids
        and (each.added_folder_remote_ids or each.remote_id not in found.pending_message_ids)
    ]
    return replace(plan, placement_or_flag_changes=kept), wanted


def plan_writes_of_id_only_page(
    mailbox: Mailbox, feed: FeedRef, page: Page, plan: PagePlan
) -> PagePlan:
    """Return the writes for a page of a full sync that lists only message ids. Stored messages
    count as seen by the full sync. The other messages become pending.

    If the provider has a folder of all mail that is not mirrored, the page does not show which
    messages are in mirrored folders. No message of such a page becomes pending. With the last page
    of the full sync, this function lists each mirrored folder, and the messages of these lists
    that are not stored become pending.
    """
    all_mail = mailbox.provider.provider_traits.all_mail_folder_id
    found = mailbox.mail_store.classify_changes_by_stored_state(
        mailbox.run_ref, feed, plan.placement_or_flag_changes, all_mail
    )
    listed = [each.remote_id for each in plan.placement_or_flag_changes]
    pending: Sequence[RemoteId]
    seen = tuple(each for each in listed if each in found.stored_and_shown_message_ids)
    if all_mail is None or _is_mirrored(mailbox, all_mail):
        pending = [each for each in listed if each not in found.stored_and_shown_message_ids]
    else:
        pending = [] if page.has_more else _ids_in_mirrored_folders(mailbox, feed)
    groups = {
        each.remote_id: each.conversation_id
        for each in plan.placement_or_flag_changes
        if each.conversation_id
    }
    return replace(
        plan,
        placement_or_flag_changes=(),
        message_ids_to_stamp_with_generation=seen,
        pending_message_ids=tuple(pending),
        conversation_id_by_pending_message_id=groups,
    )


def _is_mirrored(mailbox: Mailbox, remote_id: RemoteId) -> bool:
    return any(
        each.is_mirrored and each.ref.remote_id == remote_id
        for each in mailbox.folder_store.read_existing_folders(mailbox.run_ref.account_id)
    )


def _ids_in_mirrored_folders(mailbox: Mailbox, feed: FeedRef) -> Sequence[RemoteId]:
    """List the mirrored folders at the provider. Return the ids of those listed messages that are
    hidden or not stored, each id once."""
    ids: dict[RemoteId, None] = {}
    for folder in mailbox.folder_store.read_existing_folders(mailbox.run_ref.account_id):
        if folder.is_mirrored:
            listing = mailbox.provider.list_folder_messages(folder.ref, has_flags=False)
            ids |= dict.fromkeys(each.remote_id for each in listing.messages)
    shown = mailbox.mail_store.classify_changes_by_stored_state(
        mailbox.run_ref, feed, list(_unchanged(ids)), None
    ).stored_and_shown_message_ids
    return [each for each in ids if each not in shown]


def _unchanged(ids: Iterable[RemoteId]) -> Iterable[PlacementOrFlagChange]:
    return (PlacementOrFlagChange(each) for each in ids)
