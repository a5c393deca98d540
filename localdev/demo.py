"""Run the demo: connect a mailbox, sync it, change it, sync the changes, and verify the mirror."""

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from localdev.demo_account import DemoAccount, connect, simulator
from localdev.demo_quota import EtaRecord, quota_report_lines
from localdev.stack import Stack
from mailsync.settings import Settings
from mailsync.store.connection import connect as connect_database

STATUS_POLL_INTERVAL_S = 0.2
DUPLICATE_MESSAGES_SQL = (
    "SELECT message_id, COUNT(*) FROM emails GROUP BY message_id HAVING COUNT(*) > 1"
)
QUARANTINE_COUNTS_BY_CAUSE_SQL = (
    "SELECT cause, COUNT(*) FROM email_quarantine GROUP BY cause ORDER BY cause"
)
LAST_RUN_SQL = """
SELECT r.requests, coalesce(sum(f.inserted), 0), coalesce(sum(f.updated), 0),
       extract(epoch FROM r.finished_at - r.started_at)
  FROM sync_runs r LEFT JOIN sync_run_folders f ON f.run_id = r.id
 WHERE r.id = (SELECT id FROM sync_runs ORDER BY created_at DESC LIMIT 1)
 GROUP BY r.id"""

_NEXT = """
The demo has ended, and everything that it started has stopped. Next:
  make dev              keeps the API on http://localhost:3000 and a dashboard on http://localhost:8288;
                        it prints the commands for syncing, delivering mail and reading the tables
  make demo MBOX=PATH   mirrors your own mail files
  PROVIDER=imap, gmail  behind either command connects the mailbox over IMAP or as one of Gmail
  docs/api.md           the API for your application; docs/database.md: its tables
  docs/deploy.md        from here to AWS"""

_FAILED = """
The demo failed: the mirror differs from the simulated mailbox, or the second sync stored more than
the new mail. Please report this; the logs are in {logs}."""

rich_console = Console(highlight=False, soft_wrap=True)


def run_demo(stack: Stack) -> int:
    """Run the demo and print each step; return 0 if the mirror has every message exactly once and
    the second sync inserted one row and updated none, else 1."""
    account = connect(stack.api_url, stack.provider, stack.token())
    rich_console.print(f"Connected {account.address}; its first sync starts by itself.\n")
    estimates = EtaRecord()
    _watch(account, estimates)
    _print_quarantine(stack)
    for line in quota_report_lines(stack, account, estimates):
        rich_console.print(line)

    rich_console.print("\nOne new mail is delivered; a sync by POST /api/email/sync follows.")
    simulator(
        stack.provider, "POST", "deliver", mailbox=account.address, subject="Fresh off the wire"
    )
    account.sync()
    status = _watch(account)
    requests, inserted, updated, seconds = _query(stack, LAST_RUN_SQL)[0]
    rich_console.print(
        f"It took {float(seconds):.1f} s and {requests} requests;"
        f" {inserted} row inserted, {updated} updated."
    )

    duplicates = _query(stack, DUPLICATE_MESSAGES_SQL)
    rich_console.print(f"\n{DUPLICATE_MESSAGES_SQL};\n({len(duplicates)} rows)\n")
    rich_console.print_json(json.dumps({name: status[name] for name in _SHOWN}))
    exact = status["initialSyncCompleted"] and status["syncProgress"] == status["syncTotal"]
    return 0 if exact and not duplicates and (inserted, updated) == (1, 0) else 1


def print_next_steps_after_demo(code: int, logs: Path) -> None:
    """Print what the user can do after the demo. The caller has stopped the stack.

    code: exit code of the demo. If it is not 0, print that the demo failed.
    logs: folder of the logs.
    """
    rich_console.print(_FAILED.format(logs=logs) if code else _NEXT, markup=False)


_SHOWN = (
    "accountId",
    "emailAddress",
    "provider",
    "status",
    "syncStatus",
    "lastSyncAt",
    "initialSyncCompleted",
    "syncProgress",
    "syncTotal",
)


def _watch(account: DemoAccount, estimates: EtaRecord | None = None) -> dict[str, Any]:
    """Show a progress bar per folder until the open run ends; return the account's last status.

    estimates: record to which each status that is read is added. None: nothing is recorded.
    """
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=rich_console) as progress:
        bars: dict[int, TaskID] = {}
        while True:
            status = account.status()
            if estimates:
                estimates.record_eta_of_sync_status(time.monotonic(), status)
            _draw(progress, bars, status["folders"])
            if status["runId"] is None:
                return status
            time.sleep(STATUS_POLL_INTERVAL_S)


def _draw(progress: Progress, bars: dict[int, TaskID], folders: list[dict[str, Any]]) -> None:
    names = Counter(folder["displayName"] for folder in folders)
    for folder in folders:
        name, total = folder["displayName"], folder["remoteTotal"]
        if not total:
            continue
        shown = name if names[name] == 1 else f"{name} ({folder['id']})"
        if folder["id"] not in bars:
            bars[folder["id"]] = progress.add_task(shown, total=total)
        bar = bars[folder["id"]]
        progress.update(bar, total=total, completed=folder["total"] + folder["quarantined"])


def _print_quarantine(stack: Stack) -> None:
    found = _query(stack, QUARANTINE_COUNTS_BY_CAUSE_SQL)
    for cause, number in found:
        rich_console.print(f"In quarantine: {number} by cause '{cause}'.")
    if not found:
        rich_console.print("Nothing is in quarantine.")


def _query(stack: Stack, sql: str) -> list[list[Any]]:
    """Run a query with Mailsync's schema in the search path, which the application's reading role
    has too; return the rows."""
    connection = connect_database(Settings({"DATABASE_URL": stack.database_url}))
    try:
        connection.run("SET search_path = mailsync, public")
        return connection.run(sql) or []
    finally:
        connection.close()
