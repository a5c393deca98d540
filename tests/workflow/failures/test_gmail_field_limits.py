"""What hurt other clients of Gmail, played by the simulated Gmail: quota, refusals, and contents.

Each test names the public reports that it repeats.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any

import pytest

from mailsync.errors import ProviderThrottled
from mailsync.model import Account, SyncType
from mailsync.providers.gmail import http
from mailsync.registry import GOOGLE
from mailsync.store.quota_store import MailboxQuota, QuotaLimits
from tests.support.builders import connect_account
from tests.support.mail import a_mail
from tests.workflow.failures.gmail_world import GmailWorld

OWED = """SELECT (SELECT count(*) FROM mailsync.pending_messages)
              + (SELECT count(*) FROM mailsync.email_quarantine)"""
QUARANTINED = "SELECT count(*) FROM mailsync.email_quarantine"
ACCOUNT = "SELECT status, sync_status FROM mailsync.email_accounts"
PAUSE_S = 2_400
MAX_REFUSED_GETS = 2 * 2 * 13
"""Of two runs with two functions each: those in flight when the third is refused."""


def owed(gmail: GmailWorld) -> int:
    return int(gmail.one(OWED)[0])


def gets(gmail: GmailWorld) -> int:
    log = gmail.simulators.service.log.records()
    return sum("/messages/" in each.path for each in log)


@pytest.fixture
def synced(gmail: GmailWorld) -> GmailWorld:
    gmail.fill(12)
    assert gmail.sync() == "completed"
    return gmail


@pytest.mark.parametrize("status", [403, 429])
def test_a_first_sync_that_is_refused_again_and_again_misses_no_message(
    gmail: GmailWorld, status: int
) -> None:
    """Row 24: GAM-team/got-your-back #333. The limit of Google is lower than we think."""
    gmail.fill(200)
    gmail.simulators.gmail.set_behaviour_switches(
        units_per_minute_of_user=1_000, refusal_status=status
    )

    assert gmail.sync() == "completed"

    assert sum(gmail.refused.values()) > 1
    assert owed(gmail) == 0
    assert gmail.is_exact()


@pytest.mark.long
@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 403, "code": "rateLimitExceeded"},
        {"status": 401},
        {"status": 400, "code": "failedPrecondition"},
    ],
    ids=["quota", "token", "precondition"],
)
def test_messages_are_not_blamed_for_refusals_in_run_after_run(
    synced: GmailWorld, refusal: dict[str, Any]
) -> None:
    """Row 25: garrytan/gbrain #4959."""
    new = [synced.owner.deliver_message(a_mail(f"new {n}"), ["INBOX"]) for n in range(40)]
    synced.inject_fault(f"/messages/({'|'.join(new)})", times=None, **refusal)
    for _ in range(3):
        synced.sync()
        synced.let_time_pass(hours=0.2)
    assert synced.one(QUARANTINED) == [0]

    synced.clear_faults()
    synced.let_time_pass(hours=0.5)
    synced.check_to_the_end()

    assert synced.is_exact()


def test_nothing_is_asked_before_the_pause_that_google_names_has_ended(synced: GmailWorld) -> None:
    """Row 26: rowboatlabs/rowboat PR 926."""
    synced.owner.deliver_message(a_mail("new"), ["INBOX"])
    log = synced.simulators.service.log
    synced.inject_fault(
        status=429, retry_after=PAUSE_S, message="User-rate limit exceeded.", times=1
    )
    asked: list[int] = []
    synced.on_wait = lambda: asked.append(len(log.records()))

    assert synced.check().outcome == "handedOver"
    refused_at = len(log.records())
    assert synced.check().outcome == "busy"
    assert synced.resume(synced.started[-1]) == "completed"

    assert set(asked) == {refused_at}
    assert sum(synced.waits) == pytest.approx(PAUSE_S, abs=5)
    assert synced.is_exact()


@pytest.mark.parametrize(
    ("code", "shortest_s"), [("dailyLimitExceeded", 3_600), ("quotaExceeded", 20)]
)
def test_a_used_up_day_or_quota_is_one_pause_and_no_failure(
    synced: GmailWorld, code: str, shortest_s: float
) -> None:
    """Sisters of rows 24, 26: other reasons, met by another request."""
    new = [synced.owner.deliver_message(a_mail(f"new {n}"), ["INBOX"]) for n in range(5)]
    refused = synced.inject_fault("/history", status=403, code=code, times=1)

    synced.check_to_the_end()

    assert (refused.injected_count, synced.refused) == (1, {})
    assert sum(synced.waits) >= shortest_s
    assert synced.stored().keys() >= {*new}
    assert synced.is_exact()


def test_a_pause_outlives_its_run_and_holds_for_checks_of_every_origin(synced: GmailWorld) -> None:
    """Row 26, when no execution could be started."""
    log = synced.simulators.service.log
    synced.rows(
        "UPDATE mailsync.email_accounts SET throttled_until = now() + interval '40 min' RETURNING 1"
    )
    before = len(log.records())

    synced.check()

    assert len(log.records()) == before


def test_first_syncs_that_drain_the_project_leave_a_reserve_to_checks(gmail: GmailWorld) -> None:
    """Row 29: appstrate/appstrate #725."""
    limits = QuotaLimits(6_000, 12_000)
    accounts = [connect_account(gmail.database, f"tenant {n}", GOOGLE) for n in range(8)]

    def take_all(account: Account) -> None:
        with (
            suppress(ProviderThrottled),
            MailboxQuota(gmail.database, account, limits, lambda _: None) as quota,
            quota.treating_requests_as_backfill(),
        ):
            while True:
                quota.take_units(20)

    for each in accounts * 10:
        take_all(Account(each, GOOGLE, "active"))
    quiet = connect_account(gmail.database, "quiet", GOOGLE)
    taken = 0
    with (
        suppress(ProviderThrottled),
        MailboxQuota(gmail.database, Account(quiet, GOOGLE, "active"), limits) as quota,
    ):
        for _ in range(10):
            quota.take_units(30)
            taken += 1
    assert taken == 10


REFUSED_MAILBOXES: dict[str, tuple[dict[str, Any], str]] = {
    "no API": ({"status": 403, "code": "accessNotConfigured"}, "enables it in the Cloud console"),
    "no Gmail": (
        {"status": 400, "code": "failedPrecondition", "message": "Mail service not enabled"},
        "the account has no Gmail mailbox",
    ),
    "organisation": ({"status": 403, "code": "domainPolicy"}, "administrator allows it"),
    "delegated": (
        {"status": 403, "code": "forbidden", "message": "Delegation denied for a@x.example"},
        "belongs to another mailbox",
    ),
    "unticked": ({"status": 403, "code": "insufficientPermissions"}, "leave the box for Gmail"),
}


@pytest.mark.parametrize("is_first", [True, False], ids=["first sync", "later"])
@pytest.mark.parametrize("name", REFUSED_MAILBOXES)
def test_a_refused_mailbox_has_a_sentence_keeps_its_mail_and_goes_on(
    gmail: GmailWorld, name: str, is_first: bool
) -> None:
    """Rows 40, 46, and issue 18, 8."""
    fault, sentence = REFUSED_MAILBOXES[name]
    gmail.fill(3)
    if not is_first:
        assert gmail.sync() == "completed"
    kept = gmail.stored()
    refused = gmail.inject_fault(times=None, **fault)

    assert gmail.sync() in ("ProviderRejected", "AccessRevoked")

    status, said = gmail.one("SELECT status, last_error_message FROM mailsync.email_accounts")
    assert sentence in said
    assert "mail stays readable" in said
    assert "a@x.example" not in said
    assert status == ("reauth_required" if name == "unticked" else "active")
    assert (gmail.stored(), refused.injected_count <= 2) == (kept, True)
    gmail.clear_faults()
    gmail.rows("UPDATE mailsync.email_accounts SET status = 'active' RETURNING 1")
    assert gmail.sync() == "completed"
    assert gmail.is_exact()


def test_a_suspended_mailbox_is_kept_and_goes_on_by_itself(synced: GmailWorld) -> None:
    """Row 44: GAM-team/got-your-back #258."""
    for number in range(60):
        synced.owner.deliver_message(a_mail(f"new {number}"), ["INBOX"])
    kept, before = synced.stored(), gets(synced)
    synced.inject_fault("/messages/[0-9a-f]", status=403, code="forbidden", times=None)
    outcomes = {synced.sync() for _ in range(2)}
    assert "completed" not in outcomes
    assert gets(synced) - before <= MAX_REFUSED_GETS
    assert (synced.stored(), synced.one(QUARANTINED)) == (kept, [0])
    assert synced.one(ACCOUNT) == ["active", "failed"]

    synced.clear_faults()
    synced.let_time_pass(hours=1)
    synced.check_to_the_end()

    assert synced.is_exact()


def with_attachments(number: int, size: int) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = "ann@example.com", "bo@example.com"
    mail["Date"], mail["Message-ID"] = "Sun, 20 Sep 2026 15:16:00 +0000", f"<large-{number}@x>"
    mail["Subject"] = f"large {number}"
    mail.set_content(f"text {number}\n")
    mail.add_attachment(b"x" * size, maintype="application", subtype="pdf", filename="a.pdf")
    return mail.as_bytes()


def test_large_mails_are_read_one_at_a_time_and_keep_no_other_out(
    gmail: GmailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 49: twentyhq/twenty PR 5132, onyx-dot-app/onyx PR 5948. In thousandths of the sizes."""
    monkeypatch.setattr(http, "MAX_MESSAGE_RESPONSE_BYTES", 72_000)
    monkeypatch.setattr(http, "MIN_LARGE_RESPONSE_BYTES", 6_000)
    gmail.fill(10)
    sizes = (*[35_000] * 5, 60_000)
    large = [
        gmail.owner.deliver_message(
            a_mail(f"large {n}", has_attachments=True, original=with_attachments(n, size)),
            ["INBOX"],
        )
        for n, size in enumerate(sizes)
    ]
    endless = EmailMessage()
    endless["Subject"] = "a large text"
    endless.set_content("line\n" * 15_000)
    text = gmail.owner.deliver_message(a_mail("x", original=endless.as_bytes()), ["INBOX"])

    assert gmail.sync() == "completed"

    stored = gmail.stored()
    assert [stored[each]["subject"] for each in large] == [f"large {n}" for n in range(6)]
    assert all(stored[each]["has attachments"] for each in large)
    assert [stored[each]["text"] for each in large] == [f"text {n}\n" for n in range(6)]
    assert len(stored) == 16 + (text in stored)
    cause = "SELECT message_id, cause FROM mailsync.email_quarantine"
    assert text in stored or gmail.rows(cause) == [[text, "too_large"]]


def test_attachments_are_never_asked_for_and_their_changing_ids_change_no_row(
    gmail: GmailWorld,
) -> None:
    """Row 48: dust-tt/dust PR 27314."""
    for number in range(4):
        raw = with_attachments(number, 500)
        item = replace(a_mail(f"large {number}", minutes=number), original=raw)
        gmail.owner.deliver_message(replace(item, conversation="one"), ["INBOX"])
    assert gmail.sync() == "completed"
    first = gmail.stored()

    assert gmail.sync(SyncType.FULL) == "completed"

    assert gmail.stored() == first
    log = gmail.simulators.service.log.records()
    assert not [each for each in log if "attachments" in each.path]


CONTENTS = {
    "ISO-2022-JP": (
        b'Content-Type: text/plain; charset="iso-2022-jp"\r\n\r\n',
        "日本語のメール".encode("iso-2022-jp"),
        "日本語のメール",
    ),
    "8 bits without a charset": (b"\r\n", "Grüße".encode("latin-1"), "Grüße"),
    "invalid bytes": (
        b'Content-Type: text/plain; charset="utf-8"\r\n\r\n',
        b"good \xff\xfe end",
        "good ",
    ),
    "no header and no end": (b"", b"no header at all", ""),
    "a header alone": (b"Subject: =?utf-8?B?4oKs?=\r\n\r\n", b"", ""),
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("wanted", [1, 3], ids=["alone", "as a thread"])
def test_a_mail_in_any_charset_is_read_as_it_stands(
    gmail: GmailWorld, kind: str, wanted: int
) -> None:
    """Row 50: gaubert/gmvault #236."""
    header, body, text = CONTENTS[kind]
    for number in range(wanted):
        head = f"From: ann@example.com\r\nMessage-ID: <{number}@x>\r\n".encode()
        item = a_mail("x", minutes=number, conversation="one", original=head + header + body)
        gmail.owner.deliver_message(item, ["INBOX"])

    assert gmail.sync() == "completed"

    texts = [each["text"] or "" for each in gmail.stored().values()]
    assert len(texts) == wanted
    assert all(each.startswith(text) for each in texts)
    assert owed(gmail) == 0


@pytest.fixture
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The function runs in this time zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["Europe/Prague", "UTC", "Asia/Kolkata"], indirect=True)
@pytest.mark.usefixtures("zone")
def test_dates_around_a_clock_change_are_those_of_gmail(gmail: GmailWorld) -> None:
    """Row 51: gaubert/gmvault #132, openclaw/gogcli PR 946."""
    spring, autumn = datetime(2026, 3, 29, 0, 30, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)
    for start in (spring, autumn):
        for minutes in (0, 45, 90, 150):
            at = start.replace(hour=minutes // 60, minute=minutes % 60)
            gmail.owner.deliver_message(
                replace(a_mail(str(at)), received_at=at, sent_at=at), ["INBOX"]
            )

    assert gmail.sync() == "completed"

    assert gmail.is_exact()
    found = gmail.rows("SELECT subject, received_at FROM mailsync.emails")
    assert all(str(at.astimezone(UTC)) == subject for subject, at in found)
