"""Invoke the function `sync-accounts` for due mailboxes, in batches, or for notified mailboxes
(mailboxes for which the provider has sent a notification).

Postgres is the queue. `start-due-syncs` claims due mailboxes there before it invokes
`sync-accounts`; notified mailboxes are claimed by the invoked function itself. If an invocation is
lost, its claims expire and the mailboxes become due again.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from typing import Any

from mailsync.errors import StoreRejected, StoreUnavailable
from mailsync.log import logger
from mailsync.model import AccountId
from mailsync.settings import load_settings
from mailsync.store.queue_store import DueMailboxQueueStore, NotifiedMailboxQueueStore

MAILBOXES_PER_BATCH = 25
"""The number of mailboxes per invocation of `sync-accounts`. A batch without changes takes some 3
s: long enough that the cost of an invocation does not matter, short enough that a function that
dies delays few mailboxes."""


class SyncAccountsLambdaClient:
    """A client that invokes the Lambda function `sync-accounts`."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        # The function `webhook` has 10 s for its whole work.
        limits = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
        return boto3.client("lambda", config=limits)

    def invoke_async(self, event: Mapping[str, Any]) -> None:
        self._client.invoke(
            FunctionName=self._arn, InvocationType="Event", Payload=json.dumps(event)
        )


class DueCheckInvoker:
    """Invokes the Lambda function `sync-accounts` for batches of due mailboxes that the caller has
    claimed."""

    def __init__(self, queue: DueMailboxQueueStore, function_arn: str) -> None:
        self._queue = queue
        self._function = SyncAccountsLambdaClient(function_arn)

    def invoke_async(self, account_ids: Sequence[AccountId]) -> int:
        """Invoke `sync-accounts` asynchronously for these accounts, in batches; return the number
        of batches.

        If Lambda rejects the call for a batch or does not respond, the claims of this batch and of
        all later batches are released, so that their mailboxes are due again. Then the error of
        botocore is raised.
        """
        starts = range(0, len(account_ids), MAILBOXES_PER_BATCH)
        for start in starts:
            try:
                self._invoke(account_ids[start : start + MAILBOXES_PER_BATCH])
            except Exception:
                self._queue.release_claims(account_ids[start:])
                raise
        return len(starts)

    def _invoke(self, account_ids: Sequence[AccountId]) -> None:
        self._function.invoke_async({"accountIds": list(account_ids)})


@cache
def _check_function(arn: str) -> SyncAccountsLambdaClient:
    return SyncAccountsLambdaClient(arn)


def invoke_notified_mailbox_check_async(queue: NotifiedMailboxQueueStore) -> bool:
    """Invoke `sync-accounts` asynchronously to check the notified mailboxes, if some can be checked
    now. Return whether the function was invoked.

    Return False if no mailbox can be checked now, if enough functions are checking notified
    mailboxes already, or if the invocation fails. This function never raises an error: the
    mailboxes are stored as due, so `start-due-syncs`, which runs every minute, finds them anyway.
    """
    holder = None
    try:
        function = _check_function(load_settings().sync_accounts_function_arn)
        if holder := queue.take_slot_for_new_worker():
            function.invoke_async({"holder": holder})
    except Exception as failure:
        logger.warning("notified_check_not_started", cause=type(failure).__name__)
        if holder:
            with suppress(StoreRejected, StoreUnavailable):
                queue.release_worker_slot(holder)
        return False
    return holder is not None
