"""Read one response in a process of its own.

Usage: `python -m tests.providers.contract.reader WHAT SETTINGS`. Prints what came of it, and by how
many megabytes the process grew at most.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import closing

from localdev.engine.report import peak_memory_mb
from mailsync.api.signing_keys import KeySet
from mailsync.credentials.identity.entra import app_only_tokens
from mailsync.model import FolderId, FolderRef, RemoteId
from mailsync.providers.graph.provider import GraphMailbox
from mailsync.providers.retry_budget import RetryBudget
from mailsync.settings import Settings
from tests.providers.contract.scripted_graph import TwoTokens

INBOX = FolderRef(FolderId(1), RemoteId("inbox"))
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"


def _graph(settings: Settings, ask: Callable[[GraphMailbox], object]) -> object:
    budget = RetryBudget(sleep=lambda _: None)
    url, access = settings.graph_url, TwoTokens()
    mailbox = GraphMailbox(base_url=url, access=access, ca_bundle=None, budget=budget)
    with closing(mailbox):
        return ask(mailbox)


READERS: dict[str, Callable[[Settings], object]] = {
    "page": lambda each: _graph(each, lambda graph: graph.fetch_page(INBOX, None, limit=100)),
    "page of one": lambda each: _graph(each, lambda graph: graph.fetch_page(INBOX, None, limit=1)),
    "ids": lambda each: _graph(each, lambda graph: graph.list_ids(INBOX)),
    "messages": lambda each: _graph(each, lambda graph: graph.fetch_messages([RemoteId("m")])),
    "token": lambda each: app_only_tokens(each, TENANT),
    "keys": lambda each: KeySet(each.jwt_jwks_url or "", each.tls()).find("k"),
}


def main(what: str, values: str) -> None:
    import httpx  # noqa: F401  # else they are part of the growth

    settings = Settings(json.loads(values))
    before, began = peak_memory_mb(_PID), time.monotonic()
    try:
        outcome = str(READERS[what](settings))
    except Exception as failure:
        outcome = type(failure).__name__
    grown, took_s = peak_memory_mb(_PID) - before, time.monotonic() - began
    print(json.dumps({"outcome": outcome, "grown_mb": grown, "seconds": round(took_s, 2)}))


if __name__ == "__main__":
    import os

    _PID = os.getpid()
    main(*sys.argv[1:])
