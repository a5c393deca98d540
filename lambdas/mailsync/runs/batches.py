"""Invoke the function `sync-accounts` for due mailboxes, in batches.

Postgres is the queue: a worker claims mailboxes there before the invocation. If an invocation is
lost, its claims expire and the mailboxes become due again.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from mailsync.model import AccountId
from mailsync.store.queue_store import DueMailboxQueueStore

MAILBOXES_PER_BATCH = 25
"""The number of mailboxes per invocation of `sync-accounts`. A batch without changes takes some 3
s: long enough that the cost of an invocation does not matter, short enough that a function that
dies delays few mailboxes."""


class CheckBatchInvoker:
    """A client that invokes the Lambda function `sync-accounts`."""

    def __init__(self, queue: DueMailboxQueueStore, function_arn: str) -> None:
        self._queue = queue
        self._function_arn = function_arn

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("lambda")

    def invoke_async(self, account_ids: Sequence[AccountId]) -> int:
        """Invoke `sync-accounts` asynchronously for these accounts, in batches; return the number
        of batches.

        If Lambda does not accept a batch, the claims of its accounts are released, so that the
        mailboxes are due again. Errors of botocore are raised if Lambda rejects the call or does
        not respond.
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
        self._client.invoke(
            FunctionName=self._function_arn,
            InvocationType="Event",
            Payload=json.dumps({"accountIds": list(account_ids)}),
        )
