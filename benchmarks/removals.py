"""Measure how long Postgres takes to remove much mail, in the parts that the product uses.

`python -m benchmarks.removals` starts a Postgres of its own. Each part is one transaction; the
longest one says how long other writers of these rows wait.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

from localdev.engine.postgres import Postgres
from mailsync.model import RunRef, StoredFeed
from mailsync.settings import Settings
from mailsync.store.connection import Connection, Database, connect
from mailsync.store.control_store import AccountControlStore
from mailsync.store.migrate import apply_migrations
from mailsync.store.stores import MailboxStores, StoresInTransaction
from tests.support.builders import a_page, a_page_write, a_remote_folder, begin_run, connect_account

_FILL = """
INSERT INTO mailsync.emails (account_id, folder_id, message_id, subject, to_recipients,
       cc_recipients, bcc_recipients, reply_to, snippet, is_read, is_draft, is_flagged,
       has_attachments, importance, categories, received_at, kind, row_hash, walk)
SELECT account_id, id, remote_id || n, repeat('subject', 5), '[]', '[]', '[]', '[]',
       repeat('x', 200), true, false, false, false, 'normal', '[]', now() - n * interval '1 min',
       'message', gen_random_uuid(), 1
  FROM mailsync.email_folders, generate_series(1, :number) n WHERE remote_id = :name"""
_PLACE = """
INSERT INTO mailsync.email_placements (account_id, folder_id, email_id, generation, received_at)
SELECT account_id, folder_id, id, 1, received_at FROM mailsync.emails
    ON CONFLICT DO NOTHING"""
_BODIES = """
INSERT INTO mailsync.email_bodies (email_id, body_hash, html)
SELECT id, gen_random_uuid(), repeat(md5(id::text), 60) FROM mailsync.emails
    ON CONFLICT DO NOTHING"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    number = parser.parse_args().messages
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        settings = Settings({"DATABASE_URL": server.superuser_socket_url})
        apply_migrations(settings)
        with closing(connect(settings)) as owner, closing(Database(settings)) as database:
            _measure(owner, database, number)


def _measure(owner: Connection, database: Database, number: int) -> None:
    run = begin_run(database, connect_account(database, "ann"))
    stores = StoresInTransaction(database)
    new = [a_remote_folder(each, message_count=0) for each in ("gone", "deselected", "swept")]
    stores.folder_store.save_tree_changes(run, new, [])
    stores.folder_store.save_remote_counts(run, new)
    _fill(owner, number, [each.remote_id for each in new])
    gone, deselected, swept = stores.folder_store.read_existing_folders(run.account_id)
    stores.folder_store.save_tree_changes(run, [], [gone.ref.id])
    _show(
        "folder that is gone",
        _parts(lambda: stores.mail_store.remove_batch_of_stored_unmirrored_mail(run)),
    )
    owner.run(
        f"UPDATE mailsync.email_folders SET selected = false WHERE id = {int(deselected.ref.id)}"
    )
    _show(
        "deselected folder",
        _parts(lambda: stores.mail_store.remove_batch_of_stored_unmirrored_mail(run)),
    )
    stores.feed_store.restart_full_sync(run, swept.feed.ref.id)
    swept = stores.folder_store.read_folder(run.account_id, swept.ref.id)
    _show("full sync of an empty folder", _sweep(stores, run, swept.feed))
    owner.run("UPDATE mailsync.email_accounts SET status = 'purging'")
    account = AccountControlStore(database)
    _show("account", _parts(lambda: account.delete_batch_of_account_data(run.account_id)))


def _parts(remove_part: Callable[[], object]) -> Iterator[float]:
    """Yield how long each part took, in seconds."""
    is_left: object = True
    while is_left:
        began = time.monotonic()
        is_left = remove_part()
        yield time.monotonic() - began


def _sweep(stores: MailboxStores, run: RunRef, feed: StoredFeed) -> Iterator[float]:
    """Yield the time between two looks at the clock, and then that of the last page."""
    times = [time.monotonic()]

    def has_time() -> bool:
        times.append(time.monotonic())
        return True

    stores.full_sync_sweep_store.hide_unseen_messages_before_last_page(run, feed, [], has_time)
    has_time()
    assert stores.mail_store.write_page(run, a_page_write(feed, a_page()))
    has_time()
    return (after - before for before, after in pairwise(times))


def _show(what: str, parts: Iterator[float]) -> None:
    took = list(parts)
    longest = max(took)
    print(f"{what:30} {len(took):5} parts {sum(took):7.1f} s, the longest {longest:.2f} s")


def _fill(owner: Connection, number: int, names: Sequence[str]) -> None:
    owner.run("SET mailsync.writes_placements = on")
    for name in names:
        owner.run(_FILL, number=number, name=name)
    owner.run(_PLACE)
    owner.run(_BODIES)
    owner.run("ANALYZE")


if __name__ == "__main__":
    main()
