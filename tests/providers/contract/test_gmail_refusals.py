"""What Gmail's refusals mean, in the forms that were captured from it, and what a client does."""

import re
from threading import Barrier
from time import sleep

import pytest

from localdev.http_server import Response
from mailsync.errors import (
    AccessRevoked,
    MailsyncError,
    ProviderRejected,
    ProviderThrottled,
    ProviderUnavailable,
)
from mailsync.model import FolderTreeReadingMode, Message, RemoteId
from mailsync.providers.gmail import http
from mailsync.providers.gmail.errors import QUOTA_PAUSE_S
from tests.providers.contract.scripted_gmail import (
    ScriptedGmail,
    answer,
    profile,
    raw_message,
    refusal,
)

LABELS = answer({"labels": [{"id": "INBOX", "name": "INBOX", "type": "system"}]})
PER_USER = (
    "Quota exceeded for quota metric 'Total Query Cost' and limit 'Units per minute per user' of"
    " service 'gmail.googleapis.com' for consumer 'project_number:0'."
)
THROTTLES = {
    "units of the user": (refusal(403, "rateLimitExceeded", PER_USER), QUOTA_PAUSE_S, False),
    "units of the project": (
        refusal(403, "rateLimitExceeded", PER_USER.replace(" per user", "")),
        QUOTA_PAUSE_S,
        True,
    ),
    "a header": (refusal(429, "rateLimitExceeded", Retry_After="77"), 77.0, False),
}


@pytest.mark.parametrize("case", THROTTLES)
def test_a_used_up_quota_is_a_pause_that_all_functions_learn_of(
    gmail: ScriptedGmail, case: str
) -> None:
    response, pause_s, is_project = THROTTLES[case]
    gmail.script(labels=response)

    for _ in range(2):  # the second time without a request
        with pytest.raises(ProviderThrottled) as throttled:
            gmail.mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)
        assert throttled.value.retry_after_s == pytest.approx(pause_s, abs=1.5)

    assert len(gmail.requests) == 1
    [report] = gmail.quota.reports
    assert report == (pause_s, is_project)
    assert gmail.mailbox.remaining_provider_pause_s == pytest.approx(pause_s, abs=1.5)


def test_too_many_requests_at_once_lower_their_number_and_use_up_no_quota(
    gmail: ScriptedGmail,
) -> None:
    busy = refusal(429, "rateLimitExceeded", "Too many concurrent requests for user.")
    many = [f"m{number}" for number in range(8)]
    gmail.script(**{f"messages__{each}": [busy, answer(raw_message(each))] for each in many})
    before = gmail.mailbox.max_requests_in_flight

    found = gmail.mailbox.fetch_messages(list(map(RemoteId, many)))

    assert all(isinstance(each, Message) for each in found)
    assert gmail.mailbox.max_requests_in_flight < before
    assert gmail.quota.reports == []


def test_a_short_pause_is_slept_and_only_what_failed_is_sent_again(gmail: ScriptedGmail) -> None:
    short = refusal(429, "rateLimitExceeded", Retry_After="1")
    gmail.script(messages__a=answer(raw_message()), messages__b=[short, answer(raw_message("b"))])

    gmail.mailbox._client.max_in_flight = 1
    found = gmail.mailbox.fetch_messages([RemoteId("a"), RemoteId("b")])

    assert all(isinstance(each, Message) for each in found)
    assert gmail.paths() == ["messages/a", "messages/b", "messages/b"]
    assert gmail.mailbox.used_quota_units == 60


TRANSIENT = {
    "precondition": refusal(400, "failedPrecondition", "Precondition check failed."),
    "backend": refusal(500, "backendError"),
    "proxy": Response(502, b"<html>bad gateway</html>", {}),
    "sign-in page": Response(200, b"<html>sign in</html>", {}),
    "not an object": answer([]),
}


@pytest.mark.parametrize("case", TRANSIENT)
def test_what_passes_is_tried_again_and_then_an_outage(gmail: ScriptedGmail, case: str) -> None:
    inbox = answer({"id": "INBOX", "messagesTotal": 0, "messagesUnread": 0})
    gmail.script(labels=[TRANSIENT[case], LABELS], labels__INBOX=inbox)
    folders = gmail.mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS).folders
    assert [each.display_name for each in folders] == ["INBOX", "All Mail"]

    gmail.script(labels=TRANSIENT[case])
    with pytest.raises(ProviderUnavailable):
        gmail.mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)


LASTING: dict[str, tuple[Response, type[MailsyncError], str]] = {
    "no API": (refusal(403, "accessNotConfigured"), ProviderRejected, "enables it"),
    "no Gmail": (
        refusal(400, "failedPrecondition", "Mail service not enabled"),
        ProviderRejected,
        "no Gmail mailbox",
    ),
    "organisation": (refusal(403, "domainPolicy"), ProviderRejected, "administrator"),
    "another mailbox": (
        refusal(403, "forbidden", "Delegation denied for ada@example.com"),
        ProviderRejected,
        "another mailbox",
    ),
    "no scope": (refusal(403, "insufficientPermissions"), AccessRevoked, "leave the box"),
    "unknown": (refusal(403, "forbidden"), ProviderRejected, "403 forbidden"),
}


@pytest.mark.parametrize("case", LASTING)
def test_what_stays_is_a_sentence_after_one_request_without_an_address(
    gmail: ScriptedGmail, case: str
) -> None:
    response, error, words = LASTING[case]
    gmail.script(labels=response)

    with pytest.raises(error, match=re.escape(words)) as failure:
        gmail.mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)

    assert len(gmail.requests) == 1
    assert "@" not in str(failure.value)


def test_a_rejected_token_is_renewed_once_for_all_requests(gmail: ScriptedGmail) -> None:
    refused = refusal(401, "authError")
    gmail.script(
        messages__a=[refused, answer(raw_message())], messages__b=[answer(raw_message("b"))]
    )

    gmail.mailbox._client.max_in_flight = 1
    found = gmail.mailbox.fetch_messages([RemoteId("a"), RemoteId("b")])

    assert all(isinstance(each, Message) for each in found)
    assert gmail.access.renewed == 1
    tokens = [each.headers["Authorization"] for each in gmail.requests]
    assert tokens == ["Bearer token-0", "Bearer token-1", "Bearer token-1"]

    gmail.script(profile=refused, labels=refused)
    with pytest.raises(ProviderUnavailable, match="valid access token"):
        gmail.mailbox.list_folders((), FolderTreeReadingMode.LIKELY_CHANGED_FOLDERS)


def test_without_units_no_request_is_sent(
    gmail: ScriptedGmail, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(units: int, *, is_backfill: bool = False) -> None:
        raise ProviderThrottled("no units", retry_after_s=12)

    monkeypatch.setattr(gmail.quota, "take_units", refuse)
    gmail.script(profile=profile(9))

    with pytest.raises(ProviderThrottled):
        gmail.mailbox.fetch_messages([RemoteId("a"), RemoteId("b")])
    assert gmail.requests == []


@pytest.mark.parametrize(
    ("one_by_one", "at_once"),
    [(False, http.MAX_REQUESTS_IN_FLIGHT), (True, http.MAX_REQUESTS_IN_FLIGHT_IF_SHARED)],
)
def test_several_messages_are_fetched_at_the_same_time_and_fewer_beside_other_workers(
    gmail: ScriptedGmail, one_by_one: bool, at_once: int
) -> None:
    many = [f"m{number}" for number in range(at_once)]
    gmail.script(**{f"messages__{each}": answer(raw_message(each)) for each in many})
    together = Barrier(at_once)
    gmail.before_answer = lambda: together.wait(timeout=10)

    gmail.mailbox.fetch_messages(list(map(RemoteId, many)), one_by_one=one_by_one)

    assert gmail.most_in_flight == at_once
    gmail.before_answer = lambda: sleep(0.01)
    gmail.script(**{f"messages__more{each}": answer(raw_message(f"more{each}")) for each in many})
    more = [RemoteId(f"more{each}") for each in many]
    gmail.mailbox.fetch_messages(more, one_by_one=one_by_one)
    assert gmail.most_in_flight == at_once
