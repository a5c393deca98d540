"""A function keeps to its memory, whatever the mailboxes hold; the host kills one that does not."""

import json
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from infra.catalog import find_function
from localdev.demo_account import DemoAccount
from localdev.engine.report import read_invocation_reports
from mailsync.providers.graph.http import MAX_RESPONSE_BYTES
from mailsync.sync.batch import MAX_CHECKS_IN_PARALLEL
from tests.local.mirror import Mirror, when

MESSAGES = 3
BODY = "x" * (MAX_RESPONSE_BYTES // MESSAGES - 100_000) + "\N{GRINNING FACE}"
"""In memory each character takes as much as the widest one, four bytes."""
MAIL = {
    "subject": "Large",
    "sender": {"name": "G", "address": "g@example.com"},
    "body": BODY,
    "body_type": "html",
}
BODIES = """
SELECT count(*) FROM mailsync.emails m JOIN mailsync.email_bodies b ON b.email_id = m.id
 WHERE m.account_id = any('{{{}}}') AND length(concat(b.html, b.text)) = {}
"""


@pytest.fixture(scope="module")
def people(mirror: Mirror) -> Iterator[list[DemoAccount]]:
    """As many as are checked at once, each with a mailbox that is mirrored and then gets a page
    of mail that is just not too large."""
    mirror.latency()
    accounts = []
    for number in range(MAX_CHECKS_IN_PARALLEL):  # one after another: each finds the functions warm
        account = mirror.connect_other(f"large{number}@elsewhere.example", f"large{number}")
        when(partial(has_ended, account))
        for _ in range(MESSAGES):
            mirror.control("POST", "deliver", mailbox=account.address, **MAIL)
        accounts.append(account)
    yield accounts
    for account in accounts:
        url = f"{mirror.stack.api_url}/api/email/accounts/{account.id}?data=purge"
        assert httpx.delete(url, headers=account.headers, timeout=60).is_success
    mirror.rows("CHECKPOINT")  # else a server that a later test kills recovers for a minute


def has_ended(account: DemoAccount) -> bool:
    status = account.status()
    return status["initialSyncCompleted"] and status["runId"] is None


def test_five_mailboxes_of_the_largest_pages_are_checked_within_the_memory_of_one_function(
    mirror: Mirror, people: list[DemoAccount]
) -> None:
    mirror.latency(0.5)  # so that all answers meet

    ids = [each.id for each in people]
    result = mirror.stack.lambdas.invoke("sync-accounts", json.dumps({"accountIds": ids}).encode())
    mirror.latency()
    assert not result.failed, result.payload
    when(lambda: all(map(has_ended, people)))

    tally = json.loads(result.payload)["outcomes"]
    assert set(tally) <= {"synced", "handedOver"}
    assert sum(tally.values()) == MAX_CHECKS_IN_PARALLEL
    for name in ("sync-accounts", "sync-folders", "sync-folder"):
        log = mirror.stack.data / "logs" / f"{name}.log"
        used = max(each.peak_memory_mb for each in read_invocation_reports(log))
        assert used < find_function(name).memory_mb
    stored = mirror.rows(BODIES.format(",".join(ids), len(BODY)))
    assert stored == [[MAX_CHECKS_IN_PARALLEL * MESSAGES]]
