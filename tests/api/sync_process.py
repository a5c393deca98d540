"""A caller in a process of its own, as in Lambda; imports nothing that such a process need not."""

import os
from collections.abc import Mapping
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from handlers.api import handler
from mailsync.store.connection import open_database
from tests.api.requests import a_request, call


def start_syncs(
    environment: dict[str, str],
    headers_of: Mapping[str, dict[str, str]],
    all_ready: Barrier,
    responses: "SimpleQueue[tuple[str, int, str]]",
) -> None:
    """Request a sync of each account with its headers, at the same time as all other callers."""
    os.environ.update(environment)
    for account_id, headers in headers_of.items():
        request = a_request("POST /api/email/sync", body={"accountId": account_id}, headers=headers)
        all_ready.wait(timeout=60)
        response = call(handler, request)
        run_id = response.json.get("runId", response.text)
        responses.put((account_id, response.status, run_id))
    open_database().close()
