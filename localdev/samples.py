"""Fill an account's ids into the sample events of `events/`, and check the functions' results.

The functions run in the order of EXPECTED_RESULT_BY_LAMBDA_NAME. `mark-syncing` takes the lease
that the later functions need. The next functions read one folder from its beginning,
`repair-folder` compares the folder, `recalculate-counts` verifies it, and `mark-complete` closes
the run. `folder-failed` comes after the verification, because a failed folder is not verified.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SAMPLE_EVENT_FILES_FOLDER = Path(__file__).resolve().parent.parent / "events"
SAMPLE_ACCOUNT_ID = "00000000-0000-0000-0000-000000000001"
SAMPLE_USER_ID = "ann"
SAMPLE_RUN_ID = "run-from-a-sample-event"
LEASE_TAKING_LAMBDA_NAME = "mark-syncing"

# A type stands for any value of that type. Members that are not named here may have any value.
# The sample of `authorize` has an invalid token, so the function must refuse it. `close-run`,
# `hand-over` and `mark-failed` get a run that has ended, and do not change it. The sample of
# `webhook` names an unknown subscription; the result is the same as for a known subscription.
EXPECTED_RESULT_BY_LAMBDA_NAME: Mapping[str, Mapping[str, Any] | None] = {
    "validate-account": {"provider": "microsoft"},
    LEASE_TAKING_LAMBDA_NAME: {"acquired": True, "epoch": int, "runId": str},
    "get-access-token": {"waitSeconds": 0},
    "sync-folders": {
        **{"items": list, "atOnce": int, "waitSeconds": 0, "cursorsUsed": int, "fullSyncs": int}
    },
    "reset-folder": {"feeds": list, "hasMore": True, "resets": 1},
    "sync-folder": {
        **{"feeds": [], "hasMore": False, "waitSeconds": 0, "cursorsUsed": int, "fullSyncs": int},
        "resets": 0,
    },
    "repair-folder": {"waitSeconds": 0},
    "recalculate-counts": {
        **{"folderIds": list, "differing": int, "failedFolders": 0, "unverified": int},
        **{"hasNewFolders": False, "message": str, "atOnce": int, "waitSeconds": 0},
        "handOver": False,
    },
    "folder-failed": {"feeds": [], "hasMore": False},
    "mark-complete": {"proven": True},
    "hand-over": {"successor": None},
    "mark-failed": None,
    "reach-database": {"database": "reached"},
    "reach-provider": {"status": int},
    "write-and-read": {"found": True},
    "api": {"statusCode": 202},
    "connect": {"statusCode": 200},
    "webhook": {"statusCode": 202},
    "authorize": {"isAuthorized": False},
    "start-due-syncs": {"stale": int, "due": int},
    "sync-accounts": {},
    "measure-backlog": {},
    "purge-accounts": {"purged": 0},
    "renew-subscriptions": {"failed": 0},
    "close-run": {"closed": False},
    "receive-event": {"runId": str, "status": str},
    "publish-events": {"published": int, "refused": 0},
    "migrate-database": {"applied": []},
}


@dataclass(slots=True)
class SampleEvents:
    """The sample events of the folder `events/`, for one account of `user_id` and one of its
    folders.

    event_files_folder: folder of the sample event files.
    run_id: id of the run that the events name; a run that has ended never starts again, so each use
        needs a new id.
    lease_epoch: epoch of the lease that the last `mark-syncing` took.
    """

    account_id: str
    user_id: str
    folder_id: int
    lease_epoch: int = 0
    event_files_folder: Path = SAMPLE_EVENT_FILES_FOLDER
    run_id: str = SAMPLE_RUN_ID

    def build_sample_event(self, function: str) -> bytes:
        """Return the sample event of the Lambda function named `function` as JSON, with the ids of
        this object and the epoch of the last lease."""
        text = (self.event_files_folder / f"{function}.json").read_text()
        for placeholder, own in (
            (SAMPLE_ACCOUNT_ID, self.account_id),
            (f'"{SAMPLE_USER_ID}"', f'"{self.user_id}"'),
            (SAMPLE_RUN_ID, self.run_id),
        ):
            text = text.replace(placeholder, own)
        event = json.loads(text)
        ids = {"leaseEpoch": self.lease_epoch, "folderId": self.folder_id}
        event.update({name: value for name, value in ids.items() if name in event})
        return json.dumps(event).encode()

    def describe_lambda_result_mismatch(self, function: str, payload: bytes) -> str | None:
        """Return a sentence that says how the result `payload` of a Lambda function differs from
        the expected result. None: it does not differ.

        If `function` is `mark-syncing`, the lease's epoch in the result is kept for the following
        sample events.
        """
        try:
            result = json.loads(payload)
        except ValueError:
            return f"answers no JSON: {payload[:200]!r}"
        expected = EXPECTED_RESULT_BY_LAMBDA_NAME[function]
        if not _fits(expected, result):
            return f"answers {json.dumps(result)[:400]}, not {expected}"
        if function == LEASE_TAKING_LAMBDA_NAME:
            self.lease_epoch = result["epoch"]
        return None


def _fits(expected: Mapping[str, Any] | None, result: Any) -> bool:
    if expected is None:
        return result is None
    return isinstance(result, dict) and all(
        name in result
        and (isinstance(result[name], each) if isinstance(each, type) else result[name] == each)
        for name, each in expected.items()
    )
