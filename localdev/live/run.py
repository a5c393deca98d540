"""Run a first sync, a scheduled check and a verification of a mailbox with Mailsync. The requests
go through the relay, which records the provider's responses."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from localdev.demo_account import DemoAccount
from localdev.engine.aws_resources import make_aws_client
from localdev.live.kit import LiveComparisonKit, ProviderRelayInterface
from localdev.live.record import describe_number_as_range
from localdev.stack import Stack
from mailsync.credentials.vault import Vault
from mailsync.settings import Settings
from mailsync.store.connection import Database, connect
from mailsync.store.credential_store import CredentialStore

STATUS_POLL_INTERVAL_S = 0.5
SCHEDULED_CHECK_TIMEOUT_S = 300
_MAKE_CHECK_DUE = (
    "UPDATE mailsync.email_accounts SET next_sync_at = now() - interval '1 second' WHERE id = :id"
)
_MAKE_COMPARISON_DUE = "UPDATE mailsync.email_folders SET compared_at = NULL WHERE account_id = :id"
_LAST_CHECK = "SELECT last_sync_at FROM mailsync.email_accounts WHERE id = :id"


@dataclass(frozen=True, slots=True)
class MailboxSyncOutcome:
    """How the sync of one mailbox ended.

    first_sync, check: how the first sync and the scheduled check ended, such as `completed`.
    is_verified: whether Mailsync has verified the mirrored mailbox.
    messages: number of stored messages as a class, such as `51–100`.
    """

    first_sync: str
    check: str
    is_verified: bool
    messages: str


def sync_and_check_mailbox(
    stack: Stack,
    relay: ProviderRelayInterface,
    kit: LiveComparisonKit,
    token: str,
    *,
    limit_s: float,
    change_mailbox: Callable[[], None],
) -> MailboxSyncOutcome:
    """Run a first sync of one mailbox and, if it completes, a scheduled check. Then let the relay
    send requests that provoke errors. Return how the sync and the check ended.

    token: the relay's token or password for the mailbox.
    limit_s: seconds after which the function stops waiting for the first sync.
    change_mailbox: function that is called between the first sync and the check.
    """
    account = _connect(stack, kit, token)
    account.sync()
    status = _wait(account, limit_s)
    is_complete = status["runId"] is None and status["syncStatus"] == "completed"
    change_mailbox()
    check = _check(stack, account) if is_complete else "not tried"
    relay.send_error_provoking_requests(token)
    return MailboxSyncOutcome(
        first_sync=_result(status) if status["runId"] is None else "not finished in time",
        check=check,
        is_verified=account.status()["verifiedAt"] is not None,
        messages=describe_number_as_range(int(status["syncProgress"] or 0)),
    )


def _connect(stack: Stack, kit: LiveComparisonKit, token: str) -> DemoAccount:
    """Connect the mailbox with the relay's token in place of the user's credentials. No address of
    the user is stored."""
    settings = Settings({"DATABASE_URL": stack.database_url})
    with closing(Database(settings)) as database:
        store = CredentialStore(database)
        kms = make_aws_client("kms", stack.aws_url)
        key = Vault(
            stack.lambdas.settings["TOKEN_KEY_ARN"], store, kms
        ).find_or_make_newest_sealing_key()
        account_id = kit.store_account_with_relay_token(store, key, token)
    headers = {"Authorization": f"Bearer {stack.token()}"}
    return DemoAccount(account_id, "", stack.api_url, headers)


def _wait(account: DemoAccount, limit_s: float) -> dict[str, Any]:
    """Wait until no run is open, at most `limit_s` seconds; return the account's status."""
    deadline, shown = time.monotonic() + limit_s, -1
    while True:
        status = account.status()
        if status["syncProgress"] != shown:
            shown = status["syncProgress"]
            print(f"  {shown or 0:,} of {status['syncTotal'] or 0:,} messages", flush=True)
        if status["runId"] is None or time.monotonic() > deadline:
            return status
        time.sleep(STATUS_POLL_INTERVAL_S)


def _check(stack: Stack, account: DemoAccount) -> str:
    """Make the mailbox due for a check that also compares the ids of its messages, and invoke
    `start-due-syncs`, as the schedule does. Wait until the check has ended; return how it ended."""
    print("  scheduled check, with a comparison of ids", flush=True)
    with closing(connect(Settings({"DATABASE_URL": stack.database_url}))) as tables:
        before = tables.run(_LAST_CHECK, id=account.id)
        tables.run(_MAKE_COMPARISON_DUE, id=account.id)
        tables.run(_MAKE_CHECK_DUE, id=account.id)
        tick = stack.lambdas.invoke("start-due-syncs", b"{}")
        if tick.failed:
            return "not started: the function start-due-syncs failed"
        deadline = time.monotonic() + SCHEDULED_CHECK_TIMEOUT_S
        while time.monotonic() < deadline:
            status = account.status()
            if tables.run(_LAST_CHECK, id=account.id) != before and status["runId"] is None:
                return _result(status)
            time.sleep(STATUS_POLL_INTERVAL_S)
    return "not finished in time"


def _result(status: dict[str, Any]) -> str:
    """Return how the account's last sync ended: the sync status, such as `completed`, and in
    parentheses the name of the last error, if there is one."""
    error = status["lastError"]
    return str(status["syncStatus"]) + (f" ({error['name']})" if error else "")
