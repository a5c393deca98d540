"""A caller in a process of its own, as in Lambda; imports nothing that such a process need not."""

import os
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier

from handlers.api import handler
from mailsync.store.connection import open_database
from tests.api.requests import a_request, call


def start_sync(
    environment: dict[str, str],
    account_id: str,
    headers: dict[str, str],
    all_ready: Barrier,
    responses: "SimpleQueue[tuple[int, str]]",
) -> None:
    os.environ.update(environment)
    request = a_request("POST /api/email/sync", body={"accountId": account_id}, headers=headers)
    all_ready.wait(timeout=60)
    response = call(handler, request)
    responses.put((response.status, response.json.get("runId", response.text)))
    open_database().close()
