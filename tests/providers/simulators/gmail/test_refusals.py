"""What the simulated Gmail API refuses: tokens, scopes, quota, requests at once, and faults."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Barrier

import httpx
import pytest

from localdev.simulators import Simulators
from localdev.simulators.faults import Fault, FaultRule
from localdev.simulators.gmail.tokens import METADATA_SCOPE, READONLY_SCOPE
from tests.providers.simulators.gmail.client import WITH_TRASH, GmailClient
from tests.support.mail import a_mail


def inject(gmail: GmailClient, fault: Fault, path: str = "", times: int | None = None) -> None:
    gmail.server.service.faults.add_rules(FaultRule(fault=fault, path=path, times=times))


def test_a_token_permits_its_scopes_and_its_mailbox_alone(gmail: GmailClient) -> None:
    message = gmail.owner.deliver_message(a_mail("one"))
    tokens, user_id = gmail.server.tokens, gmail.mailbox.user_id
    address = gmail.mailbox.address

    assert gmail.send(f"../{address}/profile").status_code == 200
    status, reason, text = gmail.error("../bob@gmail.com/profile")
    assert (status, reason, text) == (403, "forbidden", f"Delegation denied for {address}")
    gmail.token = tokens.issue_token(user_id, frozenset({METADATA_SCOPE}))
    assert gmail.error(f"messages/{message}", format="raw")[0] == 403
    assert gmail.get(f"messages/{message}", format="minimal")["id"] == message
    gmail.token = tokens.issue_token(user_id, frozenset({"openid"}))
    assert gmail.error("profile")[:2] == (403, "insufficientPermissions")
    tokens.revoke_token(gmail.token)
    assert gmail.error("profile")[:2] == (401, "authError")
    gmail.token = tokens.issue_token("another user")
    assert gmail.error("profile")[1:] == ("failedPrecondition", "Mail service not enabled")


def test_the_tokens_of_googles_identity_platform_are_accepted_until_they_are_revoked(
    gmail: GmailClient, simulators: Simulators
) -> None:
    google, address = simulators.google, gmail.mailbox.address

    gmail.token = google.issue_access_token(address, READONLY_SCOPE)
    assert gmail.get("profile")["emailAddress"] == address
    gmail.token = google.issue_access_token(address, "openid")
    assert gmail.error("profile")[:2] == (403, "insufficientPermissions")
    google.consents.end_all_consents_of_user(gmail.mailbox.user_id)
    assert gmail.error("profile")[:2] == (401, "authError")


def test_the_api_can_be_disabled_in_the_project(gmail: GmailClient) -> None:
    gmail.server.set_behaviour_switches(is_api_enabled=False)

    assert gmail.error("profile")[:2] == (403, "accessNotConfigured")


def test_each_request_costs_its_units_and_the_next_one_is_refused_until_the_minute_ends(
    gmail: GmailClient,
) -> None:
    message, user = gmail.owner.deliver_message(a_mail("one")), gmail.mailbox.user_id
    gmail.server.set_behaviour_switches(units_per_minute_of_user=50)
    gmail.server.quota.clock = lambda: 1_200_000_059.5
    history = gmail.history_id()
    gmail.get("labels")
    gmail.get("labels/INBOX")
    gmail.get("messages")
    gmail.get("history", startHistoryId=history)
    gmail.get(f"messages/{message}", format="raw")

    assert gmail.server.quota.count_charged_units_since_reset(user) == 1 + 1 + 1 + 5 + 2 + 20
    gmail.get(f"messages/{message}")
    refused = gmail.send(f"messages/{message}")

    error = refused.json()["error"]
    assert (refused.status_code, error["status"]) == (403, "PERMISSION_DENIED")
    assert error["errors"][0]["reason"] == "rateLimitExceeded"
    assert error["errors"][0]["domain"] == "usageLimits"
    assert "'Units per minute per user'" in error["message"]
    metadata = error["details"][0]["metadata"]
    assert metadata["quota_limit_value"] == "50"
    assert metadata["quota_unit"] == "1/min/{project}/{user}"
    assert metadata["window_start_time"] == "1200000000"
    assert gmail.server.quota.count_charged_units_since_reset(user) == 50
    assert gmail.server.quota.to_json()["refused"] == {user: {"user": 1}}
    gmail.server.quota.clock = lambda: 1_200_000_060.0
    assert gmail.get(f"messages/{message}")["id"] == message


def test_the_project_has_a_quota_that_all_mailboxes_share(gmail: GmailClient) -> None:
    gmail.server.set_behaviour_switches(
        units_per_minute_of_project=1, minute_s=3600, refusal_status=429
    )
    gmail.get("profile")

    error = gmail.send("profile").json()["error"]

    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert "'Units per minute'" in error["message"]
    assert error["details"][0]["metadata"]["quota_unit"] == "1/min/{project}"


def test_requests_at_once_are_limited_for_each_mailbox(gmail: GmailClient) -> None:
    gmail.server.set_behaviour_switches(requests_in_flight=3, retry_after_s=2)
    inject(gmail, Fault(delay_s=0.5))
    together = Barrier(5)

    def send(_: int) -> httpx.Response:
        together.wait(timeout=20)
        return gmail.send("labels")

    with ThreadPoolExecutor(5) as pool:
        responses = sorted(pool.map(send, range(5)), key=lambda each: each.status_code)

    assert [each.status_code for each in responses] == [200] * 3 + [429] * 2
    message = responses[-1].json()["error"]["message"]
    assert message.startswith("Too many concurrent requests for user.  Retry after 20")
    assert message.endswith("Z")
    counts = gmail.server.quota.to_json()
    assert counts["refused"][gmail.mailbox.user_id] == {"concurrency": 2}
    assert counts["mostInFlight"][gmail.mailbox.user_id] == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(status=400), "failedPrecondition"),
        (Fault(status=403), "rateLimitExceeded"),
        (Fault(status=403, code="domainPolicy"), "domainPolicy"),
        (Fault(status=404), "notFound"),
        (Fault(status=429, retry_after=2400), "rateLimitExceeded"),
        (Fault(status=503), "backendError"),
    ],
)
def test_a_fault_refuses_requests_so_many_times_in_googles_words(
    fault: Fault, reason: str, gmail: GmailClient
) -> None:
    message = gmail.owner.deliver_message(a_mail("one"))
    inject(gmail, fault, f"messages/{message}", times=2)

    refused = [gmail.error(f"messages/{message}") for _ in range(2)]

    assert {each[:2] for each in refused} == {(fault.status, reason)}
    assert ("Retry after 20" in refused[0][2]) == (fault.retry_after is not None)
    assert gmail.get(f"messages/{message}")["id"] == message


LIES: list[tuple[str, Fault, Callable[[GmailClient, str], object], object]] = [
    ("messages", Fault(page="nothing"), lambda gmail, _: gmail.listed(), []),
    ("messages", Fault(page="less"), lambda gmail, _: len(gmail.listed()), 2),
    ("messages", Fault(page="duplicate"), lambda gmail, _: len(gmail.listed()), 8),
    ("labels", Fault(page="nothing"), lambda gmail, _: gmail.get("labels"), {}),
    ("history", Fault(page="nothing"), lambda gmail, start: gmail.records(start), []),
    ("history", Fault(page="no changes"), lambda gmail, start: gmail.records(start), []),
    (
        *("history", Fault(page="removed")),
        lambda gmail, start: {
            name for each in gmail.records(start) for name in each if name.startswith("messages")
        },
        {"messages", "messagesDeleted"},
    ),
    (
        *("history", Fault(page="earlier changes", off_by=10)),
        lambda gmail, start: (
            int(gmail.history_id()) - int(gmail.get("history", startHistoryId=start)["historyId"])
        ),
        10,
    ),
    (
        *("labels/INBOX", Fault(page="miscounted", off_by=3)),
        lambda gmail, _: gmail.get("labels/INBOX")["messagesTotal"],
        7,
    ),
    (
        *("messages/", Fault(page="partial")),
        lambda gmail, _: sorted(gmail.get(f"messages/{gmail.listed()[0]}", format="raw")),
        ["id", "labelIds", "threadId"],
    ),
]


@pytest.mark.parametrize(("path", "fault", "read", "expected"), LIES)
def test_a_fault_forges_an_answer(
    path: str,
    fault: Fault,
    read: Callable[[GmailClient, str], object],
    expected: object,
    gmail: GmailClient,
) -> None:
    start = gmail.history_id()
    for minutes in range(4):
        gmail.owner.deliver_message(a_mail(f"mail {minutes}", minutes=minutes))
    inject(gmail, fault, path)

    assert read(gmail, start) == expected


def test_a_list_without_an_end_repeats_its_second_page_under_new_tokens(gmail: GmailClient) -> None:
    for minutes in range(4):
        gmail.owner.deliver_message(a_mail(f"mail {minutes}", minutes=minutes))
    inject(gmail, Fault(page="ever same"), "messages", times=9)

    first, *others = islice(gmail.pages("messages", maxResults=2), 9)

    assert len({each["nextPageToken"] for each in (first, *others)}) == 9
    assert others[0]["messages"] != first["messages"]
    assert all(each["messages"] == others[0]["messages"] for each in others)


def test_a_fault_can_be_about_one_message(gmail: GmailClient) -> None:
    start = gmail.history_id()
    ids = [gmail.owner.deliver_message(a_mail(str(each), minutes=-each)) for each in range(4)]
    inject(gmail, Fault(page="less", about=[ids[1]]))

    assert gmail.listed(**WITH_TRASH) == [ids[0], *ids[2:]]
    assert [each["messages"][0]["id"] for each in gmail.records(start)] == [ids[0], *ids[2:]]
