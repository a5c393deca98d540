"""When a request to Gmail may be sent again, and how labels become folders."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from mailsync.model import RemoteFolder, RemoteId, Role
from mailsync.providers.gmail.errors import (
    CONCURRENCY_LIMIT_PAUSE_S,
    DAILY_QUOTA_PAUSE_S,
    MAX_REQUESTED_PAUSE_S,
    QUOTA_PAUSE_S,
    GmailResponse,
)
from mailsync.providers.gmail.labels import (
    ALL_MAIL_FOLDER_ID,
    LabelCounts,
    convert_labels_to_folders,
    parse_labels,
)
from mailsync.providers.gmail.responses import MalformedResponse, to_gmail_response

NOW = datetime(2026, 9, 20, 15, 16, tzinfo=UTC)
BANDWIDTH = "User-rate limit exceeded.  Retry after {} (Forwarding rules)"
METADATA = {"quota_unit": "1/min/{project}/{user}", "quota_limit_value": "6000"}


def refused(status: int, reason: str, message: str = "", **metadata: str) -> Mapping[str, Any]:
    details = [{"reason": "RATE_LIMIT_EXCEEDED", "metadata": metadata}] if metadata else []
    errors = [{"reason": reason, "domain": "usageLimits", "message": message}]
    return {"code": status, "message": message, "errors": errors, "details": details}


PAUSES: dict[str, tuple[int, Mapping[str, Any], float]] = {
    "a time": (429, refused(429, "", BANDWIDTH.format("2026-09-20T18:16:00.123Z")), 3 * 3600),
    "a time with an offset": (403, refused(403, "userRateLimitExceeded",
        BANDWIDTH.format("2026-09-20T17:17:00+02:00")), 60),
    "a time of next year": (429, refused(429, "", BANDWIDTH.format("2027-09-20T18:16:00Z")),
        MAX_REQUESTED_PAUSE_S),
    "a past time": (429, refused(429, "", BANDWIDTH.format("2026-09-20T15:00:00Z")), 1),
    "no time": (429, refused(429, "", BANDWIDTH.format("2026-99-20T18:16:00Z")), QUOTA_PAUSE_S),
    "the window": (403, refused(403, "rateLimitExceeded", window_start_time="1789917350",
        **METADATA), 50),
    "a strange window": (403, refused(403, "rateLimitExceeded", window_start_time="9" * 400,
        **METADATA), 120),
    "no window": (403, refused(403, "rateLimitExceeded", **METADATA), QUOTA_PAUSE_S),
    "concurrency": (429, refused(429, "", "Too many concurrent requests for user."),
        CONCURRENCY_LIMIT_PAUSE_S),
    "the day": (403, refused(403, "dailyLimitExceeded"), DAILY_QUOTA_PAUSE_S),
    "nothing": (429, {}, QUOTA_PAUSE_S),
}  # fmt: skip


@pytest.mark.parametrize("case", PAUSES)
def test_a_throttled_request_waits_as_long_as_gmail_says_and_not_for_ever(case: str) -> None:
    status, error, pause_s = PAUSES[case]
    response = GmailResponse(status, {"error": error}, NOW)

    assert response.is_throttled
    assert response.pause_s == pytest.approx(pause_s, abs=0.5)
    assert response.is_project_quota_exceeded == (case == "the day")


@pytest.mark.parametrize(
    "error",
    [
        {},
        {"message": None, "errors": "x", "details": {}},
        {"message": 7, "errors": [None, {"reason": 7}], "details": [{"metadata": []}]},
        refused(403, "insufficientPermissions"),
        refused(403, "RESOURCE_EXHAUSTED".lower() + "x"),
    ],
)
def test_a_403_without_a_reason_of_the_quota_is_no_pause(error: Mapping[str, Any]) -> None:
    assert not GmailResponse(403, {"error": error}, NOW).is_throttled
    assert not GmailResponse(403, {"error": "no"}, NOW).is_throttled


def test_times_are_those_of_the_server() -> None:
    response = to_gmail_response(200, {"Date": "Sun, 20 Sep 2026 15:16:00 GMT"}, bytearray(b"{}"))

    assert response.responded_at == NOW


def label(label_id: str, name: str, kind: str = "user", **more: str) -> dict[str, str]:
    return {"id": label_id, "name": name, "type": kind, **more}


INBOX = label("INBOX", "INBOX", "system")


def test_labels_are_folders_below_the_next_label_that_exists() -> None:
    named = ("A", "A/B/C", "A/B/C/d", "X/y", "/odd/", "A//z")
    items = [INBOX, *(label(f"Label_{at}", name) for at, name in enumerate(named))]

    folders = convert_labels_to_folders(parse_labels(items), {})

    assert [(each.parent_remote_id, each.display_name) for each in folders] == [
        (None, "INBOX"),
        (None, "A"),
        ("Label_0", "B/C"),
        ("Label_1", "d"),
        (None, "X/y"),
        (None, "/odd/"),
        ("Label_0", "/z"),
        (None, "All Mail"),
    ]
    assert not any(each.has_fetched_counts for each in folders[:-1])


def test_flags_and_chats_are_no_folders_and_categories_are_hidden_ones() -> None:
    system = ("SENT", "DRAFT", "TRASH", "SPAM", "UNREAD", "STARRED", "IMPORTANT", "CHAT", "NEW")
    items = [INBOX, *(label(name, name, "system", labelListVisibility="labelHide")
        for name in (*system, "CATEGORY_SOCIAL"))]  # fmt: skip
    counts = {RemoteId("INBOX"): LabelCounts(7, 2)}

    folders = convert_labels_to_folders(parse_labels(items), counts)

    roles = {each.remote_id: (each.role, each.is_hidden_at_provider) for each in folders}
    assert roles == {
        "INBOX": (Role.INBOX, False),
        "SENT": (Role.SENT, False),
        "DRAFT": (Role.DRAFTS, False),
        "TRASH": (Role.TRASH, False),
        "SPAM": (Role.JUNK, False),
        "CATEGORY_SOCIAL": (Role.OTHER, True),
        ALL_MAIL_FOLDER_ID: (Role.ARCHIVE, False),
    }
    inbox = RemoteFolder(RemoteId("INBOX"), None, "INBOX", Role.INBOX, 7, 2)
    assert folders[0] == inbox


@pytest.mark.parametrize(
    "items",
    [
        [],
        [label("Label_1", "A")],
        [INBOX, INBOX],
        [INBOX, label("", "A")],
        [INBOX, {"id": "Label_1"}],
        [INBOX, {**label("Label_1", "A"), "id": 7}],
    ],
)
def test_a_list_of_labels_in_another_form_is_not_believed(items: list[dict[str, str]]) -> None:
    with pytest.raises(MalformedResponse):
        parse_labels(items)
