"""What must hold after each sync, whatever the provider says, and what it was that does not.

- No row is deleted whose message the mailbox has held all the time, nor one of a folder; each keeps
  its id. Hidden it may be.
- `verified_at` says that a folder was counted: if it moved, the mailbox holds as many messages as
  are shown, and as many unread ones, but for what is named: messages in quarantine, those about
  which the provider contradicts itself, and an offset of the provider's counts that a comparison
  by ids has shown. Of an account it says so of every folder.
- `compared_at` says that the ids were compared: if it moved, without a lie, the rows that are shown
  are those that the folder holds, each in its version.
- A run is completed only if every folder was verified in it. Where the counts of unchanged folders
  cost a request each: every changed one, and the account is not verified.
- No account is closed: nothing that a mail provider says closes one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pg8000.native import Connection

from localdev.simulators.folders import Folder
from localdev.simulators.mailbox import Mailbox
from tests.support.comparison import ProviderForm, as_stored
from tests.torture.lies import Told

_ROWS = """
SELECT coalesce(k.remote_key, m.message_id), m.id,
       ARRAY(SELECT f.remote_id FROM mailsync.email_placements p
               JOIN mailsync.email_folders f ON f.id = p.folder_id WHERE p.email_id = m.id),
       m.is_read, coalesce(m.version, ''), m.removed_at IS NOT NULL
  FROM mailsync.emails m LEFT JOIN mailsync.message_keys k ON k.email_id = m.id
 WHERE m.account_id = cast(:account AS uuid)"""
_FOLDERS = """
SELECT f.remote_id, f.id, f.gone_at IS NOT NULL, f.verified_at,
       CASE WHEN f.compared_at > now() - interval '1 hour' THEN f.compared_at END,
       f.count_offset, f.unread_offset, f.differing
  FROM mailsync.email_folders f JOIN mailsync.change_feeds c ON c.id = f.feed_id
 WHERE f.account_id = cast(:account AS uuid)"""
_QUARANTINE = """
SELECT coalesce(k.remote_key, q.message_id),
       ARRAY(SELECT f.remote_id FROM mailsync.quarantine_placements p
               JOIN mailsync.email_folders f ON f.id = p.folder_id
              WHERE p.account_id = q.account_id AND p.message_id = q.message_id)
  FROM mailsync.email_quarantine q
  LEFT JOIN mailsync.emails m ON m.account_id = q.account_id AND m.message_id = q.message_id
  LEFT JOIN mailsync.message_keys k ON k.email_id = m.id
 WHERE q.account_id = cast(:account AS uuid)"""
_ACCOUNT = """
SELECT a.status, a.sync_status, a.last_error, a.verified_at,
       (SELECT json_object_agg(id, status) FROM mailsync.sync_runs r WHERE r.account_id = a.id),
       (SELECT count(*) FROM mailsync.email_folders f, mailsync.sync_runs r
         WHERE f.account_id = a.id AND f.gone_at IS NULL AND f.selected AND r.account_id = a.id
           AND r.started_at = (SELECT max(started_at) FROM mailsync.sync_runs l
                                WHERE l.account_id = a.id)
           AND coalesce(f.verified_at < r.started_at, true)
           AND (f.counts_wanted OR f.verified_at IS NULL OR NOT r.has_unread_counts)),
       extract(epoch FROM a.next_sync_at - now())::float8, a.lease_owner IS NOT NULL,
       coalesce((SELECT r.has_unread_counts FROM mailsync.sync_runs r WHERE r.account_id = a.id
                  ORDER BY r.started_at DESC NULLS LAST LIMIT 1), false)
       OR EXISTS (SELECT 1 FROM mailsync.pending_messages w WHERE w.account_id = a.id)
  FROM mailsync.email_accounts a WHERE a.id = cast(:account AS uuid)"""


@dataclass(frozen=True)
class Row:
    id: int
    folders: Sequence[str]
    is_read: bool
    version: str | None
    is_hidden: bool


@dataclass(frozen=True)
class FolderRow:
    """`compared_at` is None when that is more than an hour ago; `differing` is about how many
    messages the provider contradicts itself."""

    id: int
    is_hidden: bool
    verified_at: datetime | None
    compared_at: datetime | None
    count_offset: int
    unread_offset: int
    differing: int


@dataclass(frozen=True)
class Seen:
    """What the tables hold of one account.

    `unverified` is how many folders the newest run has not verified; `due_in_s` when the next sync
    is due. `is_partial`: the newest run left counts of unchanged folders unread, and verifies only
    those that changed, or messages are pending that the provider reports as missing.
    """

    rows: Mapping[str, Row]
    folders: Mapping[str, FolderRow]
    quarantine: Mapping[str, Sequence[str]]
    status: str
    sync_status: str
    last_error: str | None
    verified_at: datetime | None
    runs: Mapping[str, str]
    unverified: int
    due_in_s: float
    is_held: bool
    is_partial: bool


def read_tables(tables: Connection, account_id: str) -> Seen:
    def asked(sql: str) -> list[list[Any]]:
        return tables.run(sql, account=account_id) or []

    [[status, sync_status, last_error, verified_at, runs, *rest]] = asked(_ACCOUNT)
    return Seen(
        {key: Row(*row) for key, *row in asked(_ROWS)},
        {key: FolderRow(*row) for key, *row in asked(_FOLDERS)},
        dict(asked(_QUARANTINE)),
        *(status, sync_status, last_error, verified_at, runs or {}),
        *rest,
    )


@dataclass(frozen=True)
class Truth:
    """What the mailbox holds: the folders, read state and version of each message, and each folder
    with its counts of messages and of unread ones, None where the provider does not count. `hidden`
    are the hidden folders and those below them."""

    messages: Mapping[str, tuple[frozenset[str], bool, str]]
    folders: Mapping[str, tuple[int, int] | None]
    hidden: frozenset[str]


def truth(mailbox: Mailbox, form: ProviderForm) -> Truth:
    known = {
        each.number: each for each in mailbox.folders.list_all_folders() if not each.search_filter
    }
    ids = {number: form.folder_id(number) for number in known}
    folders = {ids[each.number]: _counts(each, form) for each in known.values()}
    found = mailbox.list_messages_in_folders(*known)
    messages = {
        key: (
            frozenset(as_stored(message, form)["folders"]).intersection(ids.values()),
            message.is_read,
            version,
        )
        for message, (key, version) in zip(found, form.ids_and_versions(found), strict=True)
    }
    return Truth(messages, folders, frozenset(map(ids.__getitem__, _hidden(known))))


def _counts(folder: Folder, form: ProviderForm) -> tuple[int, int] | None:
    own = {"role": folder.role, "total": folder.total, "unread": folder.unread}
    shown = {**own, **form.folder_fields(folder)}
    return None if shown["role"] == form.uncounted else (shown["total"], shown["unread"])


def _hidden(folders: Mapping[int, Folder]) -> Iterator[int]:
    for number, folder in folders.items():
        above: Folder | None = folder
        while above and not above.is_hidden:
            above = folders.get(above.parent or 0)
        if above:
            yield number


@dataclass(frozen=True)
class Sync:
    """What there was before and after a sync, and what the provider said in it that is wrong.

    `waited_s` is for how long the workflow waited in it: all that had been stored became older.
    `is_still`: the mailbox did not change during it. `is_flat`: the provider lists folders of all
    levels, hidden ones too; where it does not, hidden ones that are new are found within a day.
    """

    before: Seen
    after: Seen
    told: Told = field(default_factory=Told)
    waited_s: float = 0.0
    is_still: bool = True
    is_flat: bool = True

    def has_moved(self, name: str, folder_id: str | None = None) -> bool:
        """Whether a time of the account, or of a folder, was set in the sync."""
        earlier, later = (
            getattr(seen if folder_id is None else seen.folders.get(folder_id), name, None)
            for seen in (self.before, self.after)
        )
        if earlier is None or later is None:
            return later is not None
        moved: timedelta = later - earlier + timedelta(seconds=self.waited_s)
        return moved > timedelta(milliseconds=1)

    @property
    def is_open_and_told_wrong(self) -> bool:
        """Whether its run is still open, and a wrong page may have followed what was verified."""
        return bool(self.told) and self.after.sync_status == "syncing"

    @property
    def has_completed(self) -> bool:
        """Whether a run was completed in it."""
        return any(
            status == "completed" and self.before.runs.get(run) != "completed"
            for run, status in self.after.runs.items()
        )


class Law:
    """Remembers from sync to sync what the mailbox held."""

    def __init__(self, mailbox: Mailbox, form: ProviderForm) -> None:
        self._mailbox, self._form = mailbox, form
        self._held = truth(mailbox, form)

    def broken(self, sync: Sync) -> list[str]:
        """What does not hold after a sync."""
        held, after = truth(self._mailbox, self._form), sync.after
        wrong = [*_lost(self._held, held, sync), *_of_runs(sync)]
        if after.status != "active":
            wrong.append(f"the account is {after.status}: {after.last_error}")
        if sync.is_still and not sync.is_open_and_told_wrong:
            wrong += _of_verification(held, sync)
        if sync.is_still and not sync.told and after.sync_status == "completed":
            wrong += _of_comparison(held, sync)
        self._held = held
        return wrong


def _lost(earlier: Truth, held: Truth, sync: Sync) -> Iterator[str]:
    """Rows that were deleted, or made anew, although the mailbox held before and after the sync
    what they are of."""
    before, after = sync.before, sync.after
    for kind, rows, now, there in (
        ("message", before.rows, after.rows, earlier.messages.keys() & held.messages),
        ("folder", before.folders, after.folders, earlier.folders.keys() & held.folders),
    ):
        kept = {row.id for row in now.values()}  # perhaps under another id of the provider
        for key, row in rows.items():
            if key in there and row.id not in kept:
                yield f"LOST row {row.id} of {kind} {key[-12:]}, which the mailbox still holds"


def _of_runs(sync: Sync) -> Iterator[str]:
    if sync.has_completed and sync.after.unverified:
        yield f"FALSE completed, {sync.after.unverified} folders were not verified"
    if sync.has_completed and not (sync.has_moved("verified_at") or sync.after.is_partial):
        yield "FALSE completed, the account was not verified"


def _of_verification(held: Truth, sync: Sync) -> Iterator[str]:
    is_whole = sync.has_moved("verified_at")
    for folder_id, counts in held.folders.items():
        folder = sync.after.folders.get(folder_id)
        if folder is None or folder.is_hidden:
            excuses = (
                sync.told.denies(folder_id),
                sync.told.hides_folders,
                not sync.is_flat and folder_id in held.hidden,
            )
            if is_whole and not any(excuses):
                yield f"FALSE verified, folder {folder_id[-12:]} is not shown"
        elif counts and (is_whole or sync.has_moved("verified_at", folder_id)):
            excess = _excess(counts, sync.after, folder_id)
            if excess and not sync.told.miscounts(folder_id):
                yield f"FALSE verified, folder {folder_id[-12:]} {excess}"


def _excess(counts: tuple[int, int], seen: Seen, folder_id: str) -> str | None:
    """By how much a folder holds more than is shown of it and set aside, None if by nothing."""
    folder = seen.folders[folder_id]
    here = {
        key: row for key, row in seen.rows.items() if folder_id in row.folders and not row.is_hidden
    }
    aside = sum(folder_id in where and key not in here for key, where in seen.quarantine.items())
    excess = counts[0] - len(here) - aside - folder.count_offset
    unread = counts[1] - sum(not row.is_read for row in here.values()) - folder.unread_offset
    if max(abs(excess), 0 if aside else abs(unread)) <= folder.differing:
        return None
    return f"holds {excess} more and {unread} more unread than is shown"


def _of_comparison(held: Truth, sync: Sync) -> Iterator[str]:
    seen = sync.after
    for folder_id, folder in seen.folders.items():
        if folder.is_hidden or not sync.has_moved("compared_at", folder_id):
            continue
        there = {
            key: (is_read, version)
            for key, (where, is_read, version) in held.messages.items()
            if folder_id in where and key not in seen.quarantine
        }
        shown = {
            key: (row.is_read, row.version)
            for key, row in seen.rows.items()
            if folder_id in row.folders and not row.is_hidden and key not in seen.quarantine
        }
        if shown != there and not folder.differing:
            differing = {key[-12:] for key, _ in shown.items() ^ there.items()}
            yield f"FALSE compared, folder {folder_id[-12:]} differs in {sorted(differing)}"
