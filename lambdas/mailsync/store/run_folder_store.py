"""Store the progress and the errors of a run in each folder. Every method is one transaction; every
writing method checks the run's lease first.

Raises StoreUnavailable and StoreRejected; writing methods also raise LeaseLost.
"""

from mailsync.model import FeedId, FeedRef, FolderId, RunRef
from mailsync.store.connection import Database
from mailsync.store.fence import FencedTransaction


class RunFolderStore:
    """Stores the progress and the error of each folder in a run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin_feed(self, run: RunRef, feed: FeedRef) -> None:
        folder_id = feed.folder.id if feed.folder else None
        with FencedTransaction(self._database, run) as tx:
            tx.run("begin_run_folder", run_id=run.run_id, folder_id=folder_id)

    def increment_pause_count_of_feed(
        self, run: RunRef, feed: FeedRef, *, has_progressed: bool
    ) -> int:
        """Add one to the count of pauses that the provider requested before the next page of the
        feed. Return the number of such pauses since the last stored page.

        has_progressed: whether a page was stored since the previous pause.
        """
        folder_id = feed.folder.id if feed.folder else None
        with FencedTransaction(self._database, run) as tx:
            counted = tx.run(
                "count_folder_wait",
                run_id=run.run_id,
                folder_id=folder_id,
                has_progressed=has_progressed,
            )
        return int(counted[0][0])

    def fail_folder(self, run: RunRef, folder_id: FolderId, error: str, message: str) -> None:
        """Record that the run could not sync the folder, and why, on the folder and in the run."""
        failure = {"folder_id": folder_id, "error": error, "error_message": message}
        with FencedTransaction(self._database, run) as tx:
            tx.run("fail_run_folder", run_id=run.run_id, **failure)
            tx.run("set_folder_error", account_id=run.account_id, **failure)

    def fail_feed(self, run: RunRef, feed_id: FeedId, error: str, message: str) -> None:
        """Record that the run could not sync the folders of the feed, and why, on the folders and
        in the run."""
        failure = {"feed_id": feed_id, "error": error, "error_message": message}
        with FencedTransaction(self._database, run) as tx:
            tx.run("fail_run_feed", account_id=run.account_id, run_id=run.run_id, **failure)
            tx.run("set_feed_error", account_id=run.account_id, **failure)

    def read_repair_rounds_and_failed_folders(self, run: RunRef) -> tuple[int, frozenset[FolderId]]:
        """Return the number of rounds in which the run has compared and repaired folders, and the
        ids of the folders that failed in the run and still exist."""
        with self._database.transaction() as tx:
            [[rounds, failed]] = tx.run("repair_state", run_id=run.run_id)
        return int(rounds), frozenset(FolderId(folder_id) for folder_id in failed)

    def feed_ids_failed_in_past_executions(self, run: RunRef) -> frozenset[FeedId]:
        """Return the ids of the feeds that failed in an earlier execution of this run. An earlier
        execution has handed the run over to its successor."""
        with self._database.transaction() as tx:
            found = tx.run("feeds_failed_before", run_id=run.run_id)
        return frozenset(FeedId(feed_id) for (feed_id,) in found)

    def increment_repair_round_count(self, run: RunRef) -> None:
        with FencedTransaction(self._database, run) as tx:
            tx.run("count_repair_round", run_id=run.run_id)
