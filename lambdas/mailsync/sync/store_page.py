"""Store one page of a change feed: plan the writes, fetch the contents that the page lacks, and
write the rows."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from mailsync.decisions.plan import plan_database_writes_of_page
from mailsync.errors import MailsyncError, ProviderRejected, ProviderThrottled, StoreRejected
from mailsync.log import logger
from mailsync.model import (
    FeedId,
    FeedRef,
    Message,
    MessageNotFoundByIdResult,
    MessageToFetchById,
    Page,
    PagePlan,
    RemoteId,
    StoredFeed,
    UnreadableMessage,
    WrittenRowCounts,
)
from mailsync.providers import ProviderTuning, ResponseTooLarge, TimeSliceReader
from mailsync.store.page_rows import MAX_BODY_CHARS, count_body_chars
from mailsync.store.page_writes import PageWrite
from mailsync.sync.listed_contents import (
    should_leave_messages_pending,
    store_pending_messages_from_list,
)
from mailsync.sync.mailbox import Mailbox
from mailsync.sync.placement_changes import plan_writes_of_id_only_page, split_off_messages_to_fetch

DEFAULT_PAGE_SIZE = 100
MIN_MESSAGES_TO_SLICE = 21
"""The minimum number of messages without contents on a page for which the messages are fetched in
slices. It is more than one batch of requests. Fewer messages are fetched by id."""
MAX_FETCHED_BODY_CHARS_PER_PAGE = MAX_BODY_CHARS
"""The number of body characters after which no more messages are fetched for one transaction. It
equals the maximum length of one body. Measured: 100 bodies of 3 million characters use 1,200 MB
while they are stored."""


def compute_initial_page_size(limits: ProviderTuning) -> int:
    """Return the number of messages per page to request if no page has failed."""
    return max(DEFAULT_PAGE_SIZE, limits.messages_per_page)


def store_page(
    mailbox: Mailbox,
    feed: StoredFeed,
    page: Page,
    *,
    requested_at: float,
    one_by_one: bool = False,
    has_time: Callable[[], bool] = lambda: True,
) -> WrittenRowCounts | None:
    """Store one page of a change feed; return the numbers of written rows. Return None, without
    storing the page, if another worker has moved the cursor or the time did not suffice.

    A page may name messages without their contents; these are fetched by id. Messages whose
    contents do not fit into the memory are left pending, and `store_pending_messages` stores them
    later.

    requested_at: value of the monotonic clock when the page was requested, or an earlier value. The
        page shows the state of the feed at this time.
    one_by_one: whether to have one request in flight at a time for messages that the page only
        names, because other functions send requests to the mailbox at the same time.
    has_time: returns whether there is time to hide more messages that a full sync did not see.
    """
    write = _prepare(
        mailbox, feed, page, plan_database_writes_of_page(page), requested_at, one_by_one=one_by_one
    )
    if not _is_swept(mailbox, write, has_time):
        return None
    counts = mailbox.mail_store.write_page(mailbox.run_ref, write)
    _note_stored(mailbox, write, counts)
    return counts


def store_pages(
    mailbox: Mailbox,
    pages: Iterable[tuple[StoredFeed, Page]],
    *,
    requested_at: float,
    has_time: Callable[[], bool],
) -> dict[FeedId, WrittenRowCounts | None]:
    """Store one page of each of several change feeds, many pages in one transaction. Return the
    counts of written rows, by feed. None: another worker has moved the feed's cursor.

    The result lacks feeds for which no time was left, and feeds whose page the provider or the
    database rejects. If the database rejects a transaction of several pages, each page is stored
    alone. Raises any other error of the provider, after storing the pages before the failed page.

    requested_at: see `store_page`.
    has_time: returns whether there is time for another page.
    """
    stored: dict[FeedId, WrittenRowCounts | None] = {}
    group: list[PageWrite] = []
    chars = 0
    for feed, page in pages:
        if not has_time():
            break
        plan = plan_database_writes_of_page(page)
        if group and (chars > MAX_FETCHED_BODY_CHARS_PER_PAGE or _needs_stored_state(page, plan)):
            stored |= _write_group(mailbox, group)
            group, chars = [], 0
        try:
            write = _prepare(mailbox, feed, page, plan, requested_at)
        except (ProviderRejected, StoreRejected) as failure:
            _log_left(feed, failure)
            continue
        except MailsyncError:
            _write_group(mailbox, group)  # else a provider that often fails would stop all progress
            raise
        if not _is_swept(mailbox, write, has_time):
            break
        group.append(write)
        chars += sum(map(count_body_chars, write.planned_message_writes.upserts))
    return stored | _write_group(mailbox, group)


def _is_swept(mailbox: Mailbox, write: PageWrite, has_time: Callable[[], bool]) -> bool:
    """Before the last page of a full sync is stored, hide messages that the full sync did not see,
    until so few are left that the transaction of the page can hide them. Return False if there was
    no time for that. For any other page, and for a first full sync, only return True."""
    if not write.ends_full_sync or write.feed.position.full_sync_generation == 1:
        return True
    return mailbox.full_sync_sweep_store.hide_unseen_messages_before_last_page(
        mailbox.run_ref, write.feed, write.ids_of_messages_present_on_page, has_time
    )


def _needs_stored_state(page: Page, plan: PagePlan) -> bool:
    """Return whether the writes of a page depend on rows that earlier pages may change."""
    return bool(
        page.has_only_message_ids
        or page.remote_ids_of_all_messages_of_feed is not None
        or plan.state_upserts
        or plan.placement_or_flag_changes
        or any(change.listed_message for change in plan.messages_to_fetch_now)
    )


def _write_group(
    mailbox: Mailbox, group: Sequence[PageWrite]
) -> dict[FeedId, WrittenRowCounts | None]:
    """Write pages in one transaction; if the database rejects it, each page alone."""
    try:
        all_counts = mailbox.mail_store.write_pages(mailbox.run_ref, group) if group else ()
    except StoreRejected:
        return {
            feed_id: counts for write in group for feed_id, counts in _write_alone(mailbox, write)
        }
    for write, counts in zip(group, all_counts, strict=True):
        _note_stored(mailbox, write, counts)
    return {write.feed.ref.id: counts for write, counts in zip(group, all_counts, strict=True)}


def _write_alone(
    mailbox: Mailbox, write: PageWrite
) -> Iterator[tuple[FeedId, WrittenRowCounts | None]]:
    try:
        counts = mailbox.mail_store.write_page(mailbox.run_ref, write)
    except StoreRejected as failure:
        _log_left(write.feed, failure)
        return
    _note_stored(mailbox, write, counts)
    yield write.feed.ref.id, counts


def _log_left(feed: StoredFeed, failure: Exception) -> None:
    logger.warning("feed_left", **feed.ref.log_fields, cause=type(failure).__name__)


def _prepare(
    mailbox: Mailbox,
    feed: StoredFeed,
    page: Page,
    plan: PagePlan,
    requested_at: float,
    *,
    one_by_one: bool = False,
) -> PageWrite:
    """Return the PageWrite of a page: its planned writes with the fetched contents that the page
    lacks, and its encrypted cursor."""
    unchanged = _unchanged(mailbox, feed.ref, plan)
    if page.has_only_message_ids:
        plan = plan_writes_of_id_only_page(mailbox, feed.ref, page, plan)
    else:
        plan = _with_listed_removals(mailbox, feed.ref, page, plan)
        plan = _with_contents(mailbox, feed, page, plan, unchanged, one_by_one=one_by_one)
    return PageWrite(
        feed,
        page,
        plan,
        mailbox.encrypt_cursor(feed.ref, page.next_cursor),
        request_count=1,
        time_since_page_request_s=time.monotonic() - requested_at,
        unchanged_message_ids=unchanged,
        has_one_folder_per_message=mailbox.provider.provider_traits.has_one_folder_per_message,
        all_mail_folder_id=mailbox.provider.provider_traits.all_mail_folder_id,
    )


def _note_stored(mailbox: Mailbox, write: PageWrite, counts: WrittenRowCounts | None) -> None:
    if counts is None:
        return
    mailbox.feed_reading_log.record_stored_page_of_feed(write.feed)
    if write.page.changes:
        logger.info(
            "page_synced",
            **write.feed.ref.log_fields,
            cursor_used=not write.feed.position.is_full_sync_running,
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            removed=counts.removed,
            quarantined=counts.quarantined,
            pending=counts.pending,
            has_more=write.page.has_more,
        )


def _with_contents(
    mailbox: Mailbox,
    feed: StoredFeed,
    page: Page,
    plan: PagePlan,
    unchanged: Sequence[RemoteId],
    *,
    one_by_one: bool,
) -> PagePlan:
    """Return the plan with the contents of the messages that the page names without contents. Some
    messages are not fetched: stored messages whose state equals the state on the page, and
    messages that are left pending."""
    known = frozenset(unchanged)
    named = [each for each in plan.messages_to_fetch_now if each.remote_id not in known]
    if sliced := _sliced(mailbox, feed, named):
        plan = replace(plan, messages_to_fetch_now=(), messages_to_fetch_in_slices=sliced)
        return replace(plan, pending_message_ids=tuple(each.remote_id for each in named))
    wanted = [each.remote_id for each in named]
    plan, not_stored = _split_state_changes(mailbox, feed.ref, plan)
    plan, not_known = split_off_messages_to_fetch(mailbox, feed.ref, plan)
    wanted += [*not_stored, *not_known]
    if should_leave_messages_pending(mailbox, feed, page, wanted):
        return replace(plan, messages_to_fetch_now=(), pending_message_ids=tuple(wanted))
    return _completed(mailbox, plan, wanted, one_by_one=one_by_one)[0]


def _sliced(
    mailbox: Mailbox, feed: StoredFeed, named: Sequence[MessageToFetchById]
) -> tuple[MessageToFetchById, ...]:
    """Return the named messages that workers fetch in slices. Return an empty tuple if there are
    fewer than `MIN_MESSAGES_TO_SLICE`, or if the feed cannot be read in slices."""
    if (
        not isinstance(mailbox.provider, TimeSliceReader)
        or not feed.position.is_full_sync_running
        or feed.position.feed_kind_index  # by a message that no page may contain
    ):
        return ()
    sliced = tuple(each for each in named if each.can_be_fetched_in_slice)
    return sliced if len(sliced) >= MIN_MESSAGES_TO_SLICE else ()


def _unchanged(mailbox: Mailbox, feed: FeedRef, plan: PagePlan) -> tuple[RemoteId, ...]:
    """Return the ids of the messages whose stored state equals the state on the page.

    Return no ids for the feed of a whole mailbox: a state there does not contain the message's
    folders.
    """
    entries = [
        change.listed_message for change in plan.messages_to_fetch_now if change.listed_message
    ]
    if not entries or feed.folder is None:
        return ()
    return mailbox.mail_store.find_unchanged_message_ids(mailbox.run_ref, feed.folder.id, entries)


def _with_listed_removals(mailbox: Mailbox, feed: FeedRef, page: Page, plan: PagePlan) -> PagePlan:
    """If the page has a complete list of the mailbox's ids, add the removal of each stored message
    that the list lacks to the plan. Return the plan."""
    if page.remote_ids_of_all_messages_of_feed is None or feed.folder is not None:
        return plan
    named = {each.remote_id for each in plan.state_upserts}
    stored = mailbox.mail_store.ids_of_messages_in_any_folder(mailbox.run_ref)
    gone = stored - page.remote_ids_of_all_messages_of_feed - named
    removed = tuple(sorted({*plan.message_ids_to_remove_from_folder, *gone}))
    return replace(plan, message_ids_to_remove_from_folder=removed)


def _split_state_changes(
    mailbox: Mailbox, feed: FeedRef, plan: PagePlan
) -> tuple[PagePlan, Sequence[RemoteId]]:
    """Return the plan with the state changes of stored messages, and the ids of the other messages,
    whose contents must be fetched. A message that is in no mirrored folder is not fetched."""
    changed = [each.remote_id for each in plan.state_upserts]
    stored = mailbox.mail_store.find_stored_message_ids(mailbox.run_ref, changed)
    kept = tuple(each for each in plan.state_upserts if each.remote_id in stored)
    others = [each for each in plan.state_upserts if each.remote_id not in stored]
    if others and feed.folder is None:
        folders = mailbox.folder_store.read_existing_folders(mailbox.run_ref.account_id)
        mirrored = {each.ref.remote_id for each in folders if each.is_mirrored}
        others = [each for each in others if mirrored.intersection(each.folder_remote_ids)]
    return replace(plan, state_upserts=kept), [each.remote_id for each in others]


def store_pending_messages(
    mailbox: Mailbox, stored: StoredFeed, has_time: Callable[[], bool]
) -> ProviderThrottled | None:
    """Fetch and store the next pending messages of a feed, as many as fit into the memory limit, or
    most of them from a list of their folder. A message is pending if a page named it and its
    contents were not fetched yet.

    Returns the error with which the provider requested a pause after some messages were fetched;
    the fetched messages are stored. Returns None if the provider requested no pause.

    Raises:
        ProviderThrottled: the provider requested a pause before the first message.
    """
    feed = stored.ref
    if store_pending_messages_from_list(mailbox, stored, has_time):
        return None
    groups = mailbox.feed_store.next_pending_message_ids(feed.id, DEFAULT_PAGE_SIZE)
    wanted = tuple(groups)
    known = {each: it for each, it in groups.items() if it}
    mailbox.provider.note_groups_before_fetch(known)
    requests_before = mailbox.provider.used_quota_units
    with mailbox.treating_requests_as_backfill():
        plan, pause = _completed(mailbox, PagePlan(), wanted, one_by_one=True)
    missing = frozenset(plan.possibly_gone_message_ids)
    requested = wanted[: len(wanted) - len(plan.pending_message_ids)]
    fetched = [each for each in requested if each not in missing]
    counts = mailbox.mail_store.write_fetched_pending_messages(
        mailbox.run_ref,
        feed,
        plan,
        fetched,
        request_count=mailbox.provider.used_quota_units - requests_before,
        has_more=bool(plan.pending_message_ids) or len(wanted) == DEFAULT_PAGE_SIZE,
    )
    logger.info(
        "pending_stored",
        **feed.log_fields,
        fetched=len(fetched),
        stored=counts.inserted,
        missing=len(missing),
    )
    return pause


def _completed(
    mailbox: Mailbox, plan: PagePlan, wanted: Sequence[RemoteId], *, one_by_one: bool
) -> tuple[PagePlan, ProviderThrottled | None]:
    """Fetch the messages `wanted`. Return the plan with the fetched messages, and with the others
    as pending: those that exceed the size of a page or the memory limit, or that were not fetched
    before the provider requested a pause. Also return this pause. None: no pause.
    """
    fetched: list[Message | MessageNotFoundByIdResult | UnreadableMessage] = []
    pause: ProviderThrottled | None = None
    limits, chars = mailbox.provider.provider_tuning, 0
    is_alone = one_by_one and not limits.is_full_batch_allowed_if_shared
    at_once = 1 if is_alone else limits.messages_per_fetch
    while (
        len(fetched) < min(len(wanted), compute_initial_page_size(limits))
        and chars <= MAX_FETCHED_BODY_CHARS_PER_PAGE
    ):
        batch = wanted[len(fetched) : len(fetched) + at_once]
        try:
            found = mailbox.provider.fetch_messages(batch, one_by_one=one_by_one)
        except ResponseTooLarge:
            if is_alone or at_once == 1 or not limits.is_full_batch_allowed_if_shared:
                break
            at_once //= 2
            continue
        except ProviderThrottled as requested:
            if not fetched:
                raise
            pause = requested
            break
        for each in found:
            fetched.append(each)
            chars += count_body_chars(each) if isinstance(each, Message) else 0
            if chars > MAX_FETCHED_BODY_CHARS_PER_PAGE:
                break
    gone = [each for each in fetched if isinstance(each, MessageNotFoundByIdResult)]
    certainly_gone = tuple(each.remote_id for each in gone if each.is_certainly_gone)
    completed = replace(
        plan,
        messages_to_fetch_now=(),
        upserts=plan.upserts + tuple(each for each in fetched if isinstance(each, Message)),
        message_ids_to_remove_from_folder=plan.message_ids_to_remove_from_folder + certainly_gone,
        possibly_gone_message_ids=tuple(
            {each.remote_id for each in gone}.difference(certainly_gone)
        ),
        unreadable_messages=plan.unreadable_messages
        + tuple(each for each in fetched if isinstance(each, UnreadableMessage)),
        pending_message_ids=tuple(wanted[len(fetched) :]),
    )
    return completed, pause
