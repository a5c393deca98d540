"""Compare a folder with the provider's list by id and version, and repair the differences: the work
of the state `repair-folder`."""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from mailsync.decisions.safety import is_removal_of_most_messages
from mailsync.decisions.verify import (
    ListingDifference,
    MessageContradictingListing,
    compare_listing_with_rows,
    find_listing_contradictions,
)
from mailsync.errors import ProviderUnavailable
from mailsync.log import logger
from mailsync.model import (
    FolderId,
    Message,
    MessageListing,
    PlacementOrFlagChange,
    RemoteId,
    Role,
    StoredFolder,
    UnreadableMessage,
)
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.removals import (
    MessageFetchResult,
    has_time_to_fetch_message_batch,
    iterate_over_fetched_messages,
    split_ids_into_fetch_batches,
    store_messages_in_mirrored_folders,
)

MAX_MESSAGES_REQUESTED_TO_CHECK_LISTING = 10
"""The maximum number of messages that are requested by id to check whether a list of a folder is
complete. It applies to a provider whose lists of ids are cheap
(`is_listing_cheaper_than_fetching`)."""


def repair_folder(mailbox: Mailbox, folder_id: FolderId, remaining_s: Callable[[], float]) -> None:
    """Compare the stored messages of a folder with the provider's list of the folder, and repair
    the differences.

    Each message that differs is requested by id, and the response is stored. Afterwards the stored
    folder equals the list, with two exceptions. If a response contradicts the list, the response
    counts, and the message's id is recorded with the kind of the contradiction until the stored
    and the provider's counts of the folder agree. If no time is left for some messages, they stay
    as they are, and the folder does not count as compared.

    If this run also compares the folder of all mail, that comparison covers the flags of this
    folder's messages. This function then compares only the ids of this folder. The next
    verification compares this folder again unless its counts agree with the provider's.

    Raises:
        ProviderUnavailable: the list is incomplete.
    """
    run = mailbox.run_ref
    folder = mailbox.folder_store.read_folder(run.account_id, folder_id)
    has_flags = not _is_read_with_all_mail(mailbox, folder)
    listing, difference = compare_folder(mailbox, folder, has_flags=has_flags)
    if mailbox.provider.provider_traits.is_listing_cheaper_than_fetching:
        difference = _adopt_listing(mailbox, folder, listing, difference)
    if difference.stored_but_unplaced_remote_ids:
        mailbox.removal_store.show_messages_again(
            run,
            folder_id,
            difference.stored_but_unplaced_remote_ids,
            is_only_folder=mailbox.provider.provider_traits.has_one_folder_per_message,
        )
    if gone := difference.unlisted_quarantined_remote_ids:
        mailbox.quarantine_store.remove_messages_from_quarantine(run, gone, folder_id)
    wanted = difference.unstored_remote_ids + difference.remote_ids_with_differing_state
    listed = {entry.remote_id: entry.is_read for entry in listing.messages}
    left: list[MessageContradictingListing] = []
    asked = 0
    for found in _mended(mailbox, folder, wanted, difference.unlisted_remote_ids, remaining_s):
        asked += len(found)
        left += find_listing_contradictions(listed, found, folder.ref.remote_id)
    logger.info(
        "folder_compared",
        folder_id=folder_id,
        missing=len(difference.unstored_remote_ids),
        surplus=len(difference.unlisted_remote_ids),
        changed=len(difference.remote_ids_with_differing_state),
        returned=len(difference.stored_but_unplaced_remote_ids),
        left=len(left),
    )
    if asked == len(wanted) + len(difference.unlisted_remote_ids):
        mailbox.folder_store.save_id_comparison(run, folder_id, listing, left, has_flags=has_flags)


def _is_read_with_all_mail(mailbox: Mailbox, folder: StoredFolder) -> bool:
    """Return whether this run's comparison of the folder of all mail includes the flags of this
    folder's messages. Return False for trash and junk, whose messages are not in all mail."""
    all_mail = mailbox.provider.provider_traits.all_mail_folder_id
    if all_mail in (None, folder.ref.remote_id) or folder.role in (Role.TRASH, Role.JUNK):
        return False
    return mailbox.folder_store.are_flags_compared_in_other_folder(
        mailbox.run_ref, folder.ref.id, all_mail
    )


def _adopt_listing(
    mailbox: Mailbox, folder: StoredFolder, listing: MessageListing, difference: ListingDifference
) -> ListingDifference:
    """Store the placements, and the flags if the list has any, of stored messages as the list shows
    them, without requesting the messages. Return the differences that remain.

    If the list has as many messages as the provider counts, take the stored messages that the list
    lacks out of the folder. Out of the folder of all mail, always take only the messages that are
    in trash or junk. The caller requests the remaining unlisted messages by id. A message that is
    then in no folder is hidden, and is requested by id before it is deleted.
    """
    all_mail = mailbox.provider.provider_traits.all_mail_folder_id
    is_all_mail = folder.ref.remote_id == all_mail
    entries = {entry.remote_id: entry for entry in listing.messages}
    mailbox.mail_store.save_placement_changes(
        mailbox.run_ref,
        [
            PlacementOrFlagChange(
                each,
                added_folder_remote_ids=(folder.ref.remote_id,),
                is_read=entries[each].is_read,
                is_flagged=entries[each].is_flagged,
                importance=entries[each].importance,
            )
            for each in difference.remote_ids_with_differing_state
            + difference.stored_but_unplaced_remote_ids
        ],
        None if is_all_mail else all_mail,
    )
    leaving = frozenset(difference.unlisted_remote_ids)
    if is_all_mail:
        leaving = mailbox.removal_store.find_message_ids_in_trash_or_junk(
            mailbox.run_ref, difference.unlisted_remote_ids
        )
    elif not _is_as_long_as_counted(listing, folder):
        leaving = frozenset()
    mailbox.removal_store.hide_messages_removed_from_folder(
        mailbox.run_ref, folder.ref.id, sorted(leaving)
    )
    if all_mail and folder.role in (Role.TRASH, Role.JUNK):
        # A message that is still in another folder may have moved there: request it by id.
        leaving -= _shown_ids(mailbox, folder, leaving)
    unlisted = tuple(each for each in difference.unlisted_remote_ids if each not in leaving)
    return replace(
        difference,
        remote_ids_with_differing_state=(),
        stored_but_unplaced_remote_ids=(),
        unlisted_remote_ids=unlisted,
    )


def _shown_ids(
    mailbox: Mailbox, folder: StoredFolder, ids: Collection[RemoteId]
) -> frozenset[RemoteId]:
    """Return those of the message ids `ids` whose messages are in any folder, and so are not
    hidden."""
    changes = [PlacementOrFlagChange(each) for each in ids]
    found = mailbox.mail_store.classify_changes_by_stored_state(
        mailbox.run_ref, folder.feed.ref, changes, None
    )
    return frozenset(found.stored_and_shown_message_ids)


def _is_as_long_as_counted(listing: MessageListing, folder: StoredFolder) -> bool:
    """Return whether the length of a list equals the provider's count: the count that the list
    states, or `folder.remote_total` if the list states none. Return False if the list is shorter
    than `folder.remote_total`, because the list and its count may both be too low. Return False if
    `folder.remote_total` is None."""
    before = folder.remote_total
    total = before if listing.remote_message_count is None else listing.remote_message_count
    return before is not None and before <= len(listing.messages) == total


def compare_folder(
    mailbox: Mailbox, folder: StoredFolder, *, has_flags: bool = True
) -> tuple[MessageListing, ListingDifference]:
    """List the messages of a folder at the provider. Return the listing, and the differences
    between the listing and the stored messages.

    If a stored message has no version and otherwise equals the listed message, the listed version
    is stored.

    has_flags: whether to read the flags of the messages, too.

    Raises:
        ProviderUnavailable: the number of listed messages differs from the number that the provider
            itself states in the listing.
    """
    run, mail = mailbox.run_ref, mailbox.mail_store
    listing = mailbox.provider.list_folder_messages(folder.ref, has_flags=has_flags)
    if listing.remote_message_count is not None and not listing.is_complete:
        raise ProviderUnavailable(
            f"The provider lists {len(listing.messages)} of {listing.remote_message_count} messages"
            f" of folder {folder.ref.id}; trying again."
        )
    ids = [entry.remote_id for entry in listing.messages]
    difference = compare_listing_with_rows(
        listing.messages,
        mail.stored_message_states(run, folder.ref.id, ids),
        mailbox.quarantine_store.quarantined_ids_of_folder(run, folder.ref.id),
    )
    if difference.listed_messages_stored_without_version:
        mail.save_listed_message_versions(run, difference.listed_messages_stored_without_version)
    _require_credible(mailbox, folder, listing, difference)
    return listing, difference


def _require_credible(
    mailbox: Mailbox, folder: StoredFolder, listing: MessageListing, difference: ListingDifference
) -> None:
    """Check a list that lacks most of the stored messages, by requesting some of the missing
    messages by id.

    Raises:
        ProviderUnavailable: one of these messages is in the folder.
    """
    surplus = difference.unlisted_remote_ids
    if not is_removal_of_most_messages(
        stored=len(listing.messages) + len(surplus), removing=len(surplus)
    ):
        return
    sample = next(split_ids_into_fetch_batches(mailbox, surplus))
    if mailbox.provider.provider_traits.is_listing_cheaper_than_fetching:
        sample = surplus[:: math.ceil(len(surplus) / MAX_MESSAGES_REQUESTED_TO_CHECK_LISTING)]
    for part in iterate_over_fetched_messages(mailbox, sample, one_by_one=True):
        for found in part:
            if isinstance(found, Message) and folder.ref.remote_id in found.folder_remote_ids:
                raise ProviderUnavailable(
                    f"The provider's list of folder {folder.ref.id} lacks messages that are in it;"
                    " trying again."
                )


def _mended(
    mailbox: Mailbox,
    folder: StoredFolder,
    wanted: Sequence[RemoteId],
    surplus: Sequence[RemoteId],
    remaining_s: Callable[[], float],
) -> Iterator[Sequence[MessageFetchResult]]:
    """Request messages by id batch by batch, and store the responses, while time remains. Yield the
    responses of each batch.

    wanted: ids of listed messages that are not stored, or are stored in another state.
    surplus: ids of stored messages that the list lacks.
    """
    for batch in split_ids_into_fetch_batches(mailbox, wanted):
        if not has_time_to_fetch_message_batch(remaining_s()):
            return
        for found in iterate_over_fetched_messages(mailbox, batch, one_by_one=True):
            mailbox.mail_store.write_fetched_messages(
                mailbox.run_ref,
                folder.ref,
                [each for each in found if isinstance(each, Message)],
                [each for each in found if isinstance(each, UnreadableMessage)],
            )
            yield found
    for batch in split_ids_into_fetch_batches(mailbox, surplus):
        if not has_time_to_fetch_message_batch(remaining_s()):
            return
        for found in iterate_over_fetched_messages(mailbox, batch, one_by_one=True):
            _, gone = store_messages_in_mirrored_folders(mailbox, found)
            if gone:
                mailbox.removal_store.hide_messages_removed_from_folder(
                    mailbox.run_ref, folder.ref.id, sorted(gone)
                )
            yield found
