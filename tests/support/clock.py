"""The clock of a test: what is stored becomes older, as if the product had waited."""

from collections.abc import Callable
from typing import Any

AGEING = (
    *("email_accounts", "email_folders", "change_feeds", "emails", "email_quarantine"),
    *("email_credentials", "sync_runs", "sync_run_folders", "quota_buckets"),
    "pending_messages",
)
"""Tables with times that decide what is due, or who is dead."""
AGELESS = ("received_at", "sent_at", "modified_at", "access_token_expires_at")
"""What mail says, and what is written into a token as well."""
_COLUMNS = """
SELECT attrelid::regclass::text, attname FROM pg_attribute
 WHERE attrelid IN ({tables}) AND NOT attisdropped AND atttypid = 'timestamptz'::regtype
   AND attname NOT IN ({ageless}) ORDER BY 1, 2"""


def let_time_pass(run: Callable[[str], Any], hours: float) -> None:
    """As if all that is stored had happened so many hours earlier; `run` executes SQL."""
    tables = ", ".join(f"'mailsync.{name}'::regclass" for name in AGEING)
    ageless = ", ".join(f"'{name}'" for name in AGELESS)
    ago = f"make_interval(secs => {hours * 3600})"
    columns: dict[str, list[str]] = {}
    for table, name in run(_COLUMNS.format(tables=tables, ageless=ageless)):
        columns.setdefault(table, []).append(f"{name} = {name} - {ago}")
    updates = (
        f"aged_{number} AS (UPDATE {table} SET {', '.join(changes)})"
        for number, (table, changes) in enumerate(columns.items())
    )
    # Else the trigger for the version before takes a message for one that is in one folder only.
    placed = "SET LOCAL mailsync.writes_placements = 'on'"
    run(f"{placed}; WITH {', '.join(updates)} SELECT 1")
