"""Make the stored folder tree equal to the provider's, and remove the mail of folders that are gone
or no longer mirrored."""

from collections.abc import Callable, Sequence

from mailsync.decisions.folders import diff_folders, find_folders_with_changed_counts
from mailsync.log import logger
from mailsync.model import FolderListing, FolderTreeReadingMode, StoredFolder
from mailsync.store.stores import MailboxStores
from mailsync.sync.mailbox import Mailbox


def save_folder_tree(
    mailbox: Mailbox,
    stores: MailboxStores,
    known: Sequence[StoredFolder],
    listing: FolderListing,
    reading: FolderTreeReadingMode,
) -> bool:
    """Update the stored folder tree, and the stored copy of the provider's counts. Return whether a
    folder or a count changed.

    A folder that is only missing from the listing stays unchanged.

    stores: the stores that write.
    known: the stored folders.
    reading: how much of the folder tree was read.
    """
    run, folders, traits = mailbox.run_ref, stores.folder_store, mailbox.provider.provider_traits
    plan = diff_folders(listing, known)
    has_changed = bool(plan.new_and_changed_folders or plan.gone_folder_ids)
    if has_changed:
        folders.save_tree_changes(
            run,
            plan.new_and_changed_folders,
            plan.gone_folder_ids,
            new_ids=plan.replacement_remote_id_by_folder_id,
            new_key_prefixes=listing.new_message_id_prefix_by_old_prefix,
            has_feed_per_folder=traits.has_feed_per_folder,
            do_ids_survive_moves=traits.do_ids_survive_moves,
        )
        logger.info(
            "folders_mirrored",
            changed=len(plan.new_and_changed_folders),
            gone=len(plan.gone_folder_ids),
            created_again=len(plan.replacement_remote_id_by_folder_id),
        )
    if has_changed or find_folders_with_changed_counts(listing, known):
        folders.save_remote_counts(run, listing.folders)
        has_changed = True
    if listing.is_whole_tree and reading is not FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS:
        folders.record_folder_tree_reading(
            run, is_thorough=reading is FolderTreeReadingMode.LISTED_AND_HIDDEN_FOLDERS
        )
    return has_changed


def remove_stored_unmirrored_mail(
    mailbox: Mailbox, stores: MailboxStores, has_time: Callable[[], bool]
) -> bool:
    """Delete the stored mail of folders that the user has deselected, and hide the mail of folders
    that no longer exist. Return whether all such mail was removed.

    The mail is removed in batches. If a message moved from such a folder to a mirrored folder, the
    provider may not have reported the move. The verification then finds that the message is
    missing, and fetches it.

    has_time: returns whether there is time for another batch. The next call removes the mail for
        which no time was left.
    """
    removed = 0
    while (
        part := stores.mail_store.remove_batch_of_stored_unmirrored_mail(mailbox.run_ref)
    ) and has_time():
        removed += part
    if removed or part:
        logger.info("dropped_mail_removed", messages=removed + part)
    return part == 0
