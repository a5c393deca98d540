"""Answers that go wrong for a moment: the run ends as if they had not."""

from typing import Any

import pytest

from tests.support.mail import a_mail
from tests.workflow.failures.world import World

NEXT, AGAIN = "skiptoken", "deltatoken"
THROTTLED: dict[str, Any] = {"status": 429, "code": "ApplicationThrottled"}
TRANSIENT_ERRORS: dict[str, dict[str, Any]] = {
    "2: page link superseded": {"status": 410, "code": "SyncStateNotFound"},
    "3: no root folder": {"status": 410, "code": "SyncStateNotFound", "message": "root folder"},
    "4: badly formed token": {"status": 400, "code": "BadRequest"},
    "4: malformed id": {"status": 400, "code": "ErrorInvalidIdMalformed"},
    "10: empty page": {"page": "empty"},
    "11: same link": {"page": "same link"},
    "12: no link": {"page": "no link"},
    "13: every item twice": {"page": "duplicate", "times": None},
    "22: throttled": {**THROTTLED, "retry_after": 1},
    "24: pause unsaid": THROTTLED,
    "24: long pause": {**THROTTLED, "retry_after": 120},
    "25: throttled as denied": {"status": 403, "code": "ErrorAccessDenied"},
    "26: mailbox fails over": {"status": 503, "code": "MailboxInfoStale"},
    "26: with a pause": {"status": 503, "code": "MailboxInfoStale", "retry_after": 3},
    "27: nothing said": {"status": 503, "body": "", "times": 3},
    "28: gateway": {"status": 504, "times": 3},
    "28: bandwidth": {"status": 509},
    "49: token refused": {"status": 401, "code": "InvalidAuthenticationToken"},
    "a proxy's page": {"status": 502, "html": True},
    "a proxy's 404": {"status": 404, "html": True},
    "half a document": {"truncate_json": True},
    "cut off": {"cut": "mid body"},
    "hung up": {"cut": "before answer"},
}


@pytest.mark.parametrize("fault", TRANSIENT_ERRORS.values(), ids=TRANSIENT_ERRORS.keys())
def test_a_first_sync_survives_it(world: World, fault: dict[str, Any]) -> None:
    world.switch(largest_page=5)
    rule = world.inject_fault(NEXT, **fault)

    assert world.sync() == "completed"

    assert rule.injected_count >= (fault.get("times", 1) or 1)
    assert world.is_mirrored()
    assert world.one("SELECT initial_sync_completed FROM mailsync.email_accounts") == [True]


@pytest.mark.parametrize(
    "path", ["/mailFolders/delta", r"/mailFolders\?", "mailFolders/inbox", AGAIN, r"\$top=1000"]
)
def test_every_step_survives_it(synced: World, path: str) -> None:
    """Probes, folder lists and listings as well as pages: row 23 in batches, row 24 elsewhere."""
    synced.remote.deliver_message(a_mail("new"))
    synced.remote.folders.create_folder("New")
    synced.lose()
    rules = [
        synced.inject_fault(path, **THROTTLED, retry_after=1),
        synced.inject_fault(path, **THROTTLED),
        synced.inject_fault(path, status=503, body=""),
    ]

    assert synced.sync() == "completed"

    assert [rule.injected_count for rule in rules] == [1, 1, 1]
    assert synced.is_mirrored()
