"""A function keeps to its memory, whatever the mailboxes hold; the host kills one that does not."""

import json
import sys
from collections.abc import Iterator
from functools import partial

import httpx
import pytest

from infra.catalog import find_function
from localdev.demo_account import DemoAccount, connect
from localdev.engine.report import read_invocation_reports
from mailsync.providers.graph.http import MAX_RESPONSE_BYTES
from mailsync.sync.batch import MAX_CHECKS_IN_PARALLEL
from tests.local.mirror import Mirror, when

pytestmark = pytest.mark.long

MESSAGES = 3
BODY = "x" * (MAX_RESPONSE_BYTES // MESSAGES - 100_000) + "\N{GRINNING FACE}"
"""In memory each character takes as much as the widest one, four bytes."""
MAIL = {
    "subject": "Large",
    "sender": {"name": "G", "address": "g@example.com"},
    "body": BODY,
    "body_type": "html",
}
MESSAGES_OF = """
SELECT (SELECT count(*) FROM mailsync.emails WHERE account_id = cast(:account AS uuid))
     + (SELECT count(*) FROM mailsync.email_quarantine WHERE account_id = cast(:account AS uuid))
"""
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
        delete_account(mirror, account)
    mirror.rows("CHECKPOINT")  # else a server that a later test kills recovers for a minute


FEW = (40, "x" * 10_000)
LIMITS_MB: dict[str, tuple[list[tuple[int, str]], int]] = {
    "pages of 40 KB messages": ([(600, "x" * 40_000)], 160),
    "a message of 36 MB": ([FEW, (1, "\u4e2d" * 12 * 10**6)], 200),
    "a page of 1 MB messages": ([(100, "x" * 10**6)], 200),
}
"""What a new mailbox holds, as numbers of messages and their bodies, and the memory that a function
may use for its first sync."""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows what a process holds")
@pytest.mark.parametrize("name", LIMITS_MB)
def test_a_first_sync_keeps_to_its_memory(mirror: Mirror, name: str) -> None:
    mail, limit_mb = LIMITS_MB[name]
    user = f"memory{[*LIMITS_MB].index(name)}"
    address = f"{user}@elsewhere.example"
    mirror.control("POST", "mailboxes", address=address, display_name=user)
    for count, body in mail:
        for _ in range(count):
            mirror.control("POST", "deliver", mailbox=address, **{**MAIL, "body": body})
    mirror.stack.lambdas.retire_function_execution_environments({"sync-folder", "sync-folders"})
    logs = [mirror.stack.data / "logs" / f"{name}.log" for name in ("sync-folders", "sync-folder")]
    before = [len(read_invocation_reports(log)) if log.exists() else 0 for log in logs]

    token = mirror.headers_of(user)["Authorization"].removeprefix("Bearer ")
    account = connect(mirror.stack.api_url, mirror.stack.provider, token, address)
    when(partial(has_ended, account))

    used_mb = [
        report.peak_memory_mb
        for log, count in zip(logs, before, strict=True)
        for report in (read_invocation_reports(log)[count:] if log.exists() else [])
    ]
    assert mirror.rows(MESSAGES_OF, account=account.id) == [[sum(count for count, _ in mail)]]
    assert max(used_mb) <= limit_mb
    delete_account(mirror, account)


def delete_account(mirror: Mirror, account: DemoAccount) -> None:
    url = f"{mirror.stack.api_url}/api/email/accounts/{account.id}?data=purge"
    assert httpx.delete(url, headers=account.authorization_headers, timeout=60).is_success


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
