"""The calls of the guide that this replaces work as they stand: no token, the same bodies."""

import json
from typing import Any

import httpx

from tests.local.mirror import Mirror
from tests.support.guide import STATUS_FIELDS
from tests.support.small_stack import MESSAGES

GUIDE_BODY = """{
    "accountId": "your-account-id-here",
    "syncType": "manual"
  }"""


def test_its_test_endpoint_starts_the_self_test(mirror: Mirror) -> None:
    """`/api/test-inngest` is the guide's name of `/api/test-sync`."""
    shown = [mirror.request("GET", f"/api/{name}") for name in ("test-inngest", "test-sync")]

    assert [each.status_code for each in shown] == [200, 200]
    bodies = [each.json() for each in shown]
    assert bodies[0].keys() == bodies[1].keys()
    assert [each["message"] for each in bodies] == ["Test sync started!"] * 2
    assert {each["executionArn"].split(":")[-2] for each in bodies} == {"test-sync"}


def test_a_runs_steps_and_log_say_that_the_cursors_of_the_feeds_were_used(mirror: Mirror) -> None:
    """The guide: "Delta link was used (check logs)"."""
    mirror.finished()
    mirror.simulate("deliver", subject="After the cursor")
    (feeds,) = mirror.rows("SELECT count(*) FROM mailsync.email_folders WHERE selected")[0]

    incremental = mirror.synced()["id"]
    first, *_ = mirror.rows("SELECT id FROM mailsync.sync_runs ORDER BY created_at")[0]

    assert sums_of_steps(mirror, incremental) == (feeds, 0)
    assert sums_of_steps(mirror, first) == (0, feeds)
    (read,) = logged(mirror, incremental, "feeds_read")
    assert (read["cursors_used"], read["full_syncs"]) == (feeds, 0)
    (page,) = logged(mirror, incremental, "page_synced")
    assert (page["cursor_used"], page["inserted"]) == (True, 1)
    assert not any(page["cursor_used"] for page in logged(mirror, first, "page_synced"))


def sums_of_steps(mirror: Mirror, run_id: str) -> tuple[int, int]:
    """The numbers of feeds read after their cursors, and from their beginning, in all steps."""
    key = "stateExitedEventDetails"
    exits = [event[key] for event in mirror.history(run_id) if key in event]
    outputs = [(each["name"], json.loads(each["output"])) for each in exits if "output" in each]
    read = [output["work"] for name, output in outputs if name == "sync-folders"]
    read += [output["page"] for name, output in outputs if name == "sync-folder"]
    return sum(each["cursorsUsed"] for each in read), sum(each["fullSyncs"] for each in read)


def logged(mirror: Mirror, run_id: str, message: str) -> list[dict[str, Any]]:
    """Return the records of the run with this message, of both functions that read feeds."""
    logs = (mirror.stack.data / "logs").glob("sync-folder*.log")
    lines = [line for log in logs for line in log.read_text().splitlines()]
    found = [json.loads(line) for line in lines if f'"{message}"' in line]
    return [each for each in found if each["run_id"] == run_id]


def test_its_curl_call_starts_a_sync(mirror: Mirror) -> None:
    mirror.finished()
    body = GUIDE_BODY.replace("your-account-id-here", mirror.account.id)
    headers = {"Content-Type": "application/json", "User-Agent": "curl/8.5.0", "Accept": "*/*"}

    response = httpx.post(f"{mirror.stack.api_url}/api/email/sync", content=body, headers=headers)

    assert response.status_code == 202
    assert response.json()["success"] is True
    assert response.json()["runId"]


def test_its_status_call_answers_its_nine_fields_in_their_types(mirror: Mirror) -> None:
    mirror.finished()

    response = httpx.get(
        f"{mirror.stack.api_url}/api/email/sync?accountId={mirror.account.id}",
        headers={"User-Agent": "curl/8.5.0", "Accept": "*/*"},
    )

    assert response.status_code == 200
    shown = response.json()
    assert (shown["accountId"], shown["provider"]) == (mirror.account.id, "microsoft")
    assert shown["initialSyncCompleted"] is True
    assert shown["syncProgress"] == shown["syncTotal"] >= MESSAGES
    assert {name: type(shown[name]) for name in STATUS_FIELDS} == STATUS_FIELDS
